"""`dmengine demo`: mask a made-up shop end to end, and prove that its joins survive."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from dmengine import api
from dmengine.errors import PluginError, RunError
from dmengine.jobfile import load_job
from dmengine.report import Report

_PEOPLE = 15_000
_TPCHGEN = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
_OURS = frozenset(("original", "masked", "rules.yaml", "job.yaml", "demo.key", "report.html", "report.json"))
_RULES = """\
# The rules of the demo: each field has a mask, or a reason to stay.
version: 1
datasets:
  - match: customer.parquet
    rules:
      - {field: c_custkey, mask: {type: fpe, minimum: 1, maximum: 99999999}, domain: customer.id}
      - {field: c_name, mask: {type: fpe, chars_to_ignore: "Customer#"}}
      - {field: c_address, mask: {type: lookup, corpus: street}}
      - {field: c_phone, mask: fpe}
      - {field: c_acctbal, mask: {type: bucket, width: 500}}
      - {field: c_comment, mask: redact}
      - {field: [c_nationkey, c_mktsegment], keep: "coarse groups of thousands of customers"}
  - match: orders.csv
    rules:
      - {field: o_custkey, as: integer, mask: {type: fpe, minimum: 1, maximum: 99999999}, domain: customer.id}
      - {field: o_orderdate, as: date, mask: {type: date_shift, days: 60, by: o_custkey}}
      - {field: o_clerk, mask: {type: fpe, chars_to_ignore: "Clerk#"}}
      - {field: o_comment, mask: redact}
      - field: [o_orderkey, o_orderstatus, o_totalprice, o_orderpriority, o_shippriority]
        keep: "says nothing about a person"
  - match: people.jsonl.gz
    rules:
      - {field: customer_id, mask: {type: fpe, minimum: 1, maximum: 99999999}, domain: customer.id}
      - {field: first_name, mask: first_name}
      - {field: last_name, mask: last_name}
      - {field: [email, "contacts[*].email"], mask: email, domain: person.email}
      - {field: born, as: date, mask: {type: date_shift, days: 180, by: customer_id}}
      - {field: address.street, mask: {type: lookup, corpus: street}}
      - {field: address.city, mask: {type: lookup, corpus: city}}
      - {field: [address.country, "contacts[*].kind", newsletter], keep: "coarse, and needed by the tests"}
"""
_MARK = _RULES.partition(":")[0]
_JOB = """\
version: 1
source: {type: local_files, path: original}
target: {type: local_files, path: masked}
ruleset: rules.yaml
key: file:demo.key
reports: [report.html, report.json]
"""


def demo(folder: Path, scale: float, say: Callable[[str], None] = print) -> Report:
    """Make the shop in `folder`, mask it as its job file says, and check the joins.

    Args:
        folder: A new folder, or an earlier demo's, which is made anew.
        scale: TPC-H scale factor; 0.6 makes a million rows.
        say: Where the story goes.

    Raises:
        PluginError: the extra `demo` is not installed.
        RunError: a join of the masked data lost rows.
    """
    rows = _make(folder, scale, say)
    say(f"Made {rows:,} rows of customers (parquet), orders (CSV) and people (JSON Lines, gzip) in {folder}/original")
    job = load_job(folder / "job.yaml")
    key = job.load_key()
    say("\n--- dmengine plan job.yaml " + "-" * 60 + "\n")
    say(str(api.plan(job.source, job.target, job.ruleset, key)))
    say("\n--- dmengine mask job.yaml " + "-" * 60 + "\n")
    report = api.run(job.source, job.target, job.ruleset, key)
    for path in job.reports:
        report.save(path)
    say(str(report))
    say("\n--- ten masked people, beside the shape of the originals " + "-" * 30 + "\n")
    say(str(api.preview(job.source, job.ruleset, key, rows=10).tables[-1].to_text()))
    say("\n--- the joins " + "-" * 73 + "\n")
    _prove(folder, say)
    say(f"\nThe report as a page: {folder}/report.html    The job: {folder}/job.yaml    The rules: {folder}/rules.yaml")
    return report


def _make(folder: Path, scale: float, say: Callable[[str], None]) -> int:
    _check_installed()
    _clear(folder)
    (folder / "rules.yaml").write_text(_RULES, encoding="utf-8")
    (folder / "job.yaml").write_text(_JOB, encoding="utf-8")
    key = os.open(folder / "demo.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(key, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    original = folder / "original"
    original.mkdir()
    say(f"Making TPC-H customers and orders at scale {scale}, and up to {_PEOPLE:,} people ...")
    _tpch(original, "parquet", "customer", scale)
    _tpch(original, "csv", "orders", scale)
    customers = pq.ParquetFile(original / "customer.parquet").metadata.num_rows
    people = _people(original, customers)
    with open(original / "orders.csv", "rb") as file:
        orders = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1
    return int(customers) + orders + people


def _check_installed() -> None:
    there = {"tpchgen-cli": _TPCHGEN.is_file(), "Faker": find_spec("faker") is not None}
    missing = [package for package, found in there.items() if not found]
    if missing:
        problem = f"the demo makes its data with {' and '.join(missing)}, not installed here"
        raise PluginError(problem, hint='pip install "dmengine[demo]"')


def _clear(folder: Path) -> None:
    """Make the demo's folder, or empty an earlier demo's: whoever has another file in there keeps all of it."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    rules = folder / "rules.yaml"
    ours = rules.is_file() and rules.read_text(encoding="utf-8", errors="replace").startswith(_MARK)
    if (there and not ours) or there - _OURS or (folder.exists() and not folder.is_dir()):
        raise RunError(f"{folder} is there, and is not an earlier demo", hint="choose a new folder with --folder")
    if there:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _tpch(folder: Path, form: str, table: str, scale: float) -> None:
    command = [str(_TPCHGEN), form, "-s", str(scale), "-T", table, "-o", str(folder)]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=600, check=False)  # noqa: S603  # fixed words
    if ended.returncode:
        raise RunError(f"tpchgen-cli could not make {table} at scale {scale}", hint="try --scale 0.01")


def _people(folder: Path, customers: int) -> int:
    from faker import Faker

    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(7)
    count = min(_PEOPLE, customers)
    with gzip.open(folder / "people.jsonl.gz", "wt", encoding="utf-8") as file:
        for number in range(1, count + 1):
            first, last, email = fake.first_name(), fake.last_name(), fake.free_email()
            person = {
                "customer_id": number, "first_name": first, "last_name": last, "email": email,
                "born": fake.date_of_birth(minimum_age=18, maximum_age=90).isoformat(),
                "address": {"street": fake.street_address(), "city": fake.city(), "country": "US"},
                "contacts": [{"kind": "home", "email": email}, {"kind": "work", "email": f"{first}@{last}.example"}],
                "newsletter": number % 3 == 0,
            }  # fmt: skip
            file.write(json.dumps(person) + "\n")
    return count


def _prove(folder: Path, say: Callable[[str], None]) -> None:
    """Join before and after masking, and compare the counts of rows."""
    before, after = (_joined(folder / name) for name in ("original", "masked"))
    for name, rows in before.items():
        say(f"  {name:<28} {rows:>10,} rows before, {after[name]:>10,} after masking")
    if before != after:
        raise RunError("a join of the masked data has another number of rows", hint="this is a defect: report it")
    kept = _common(folder / "original" / "customer.parquet", folder / "masked" / "customer.parquet", "c_address")
    say(f"  and {kept:,} of the customers' addresses are still among the masked ones")


def _joined(folder: Path) -> dict[str, int]:
    customers = pq.read_table(folder / "customer.parquet", columns=["c_custkey"])
    one_column = pc_csv.ConvertOptions(include_columns=["o_custkey"])
    orders = pc_csv.read_csv(folder / "orders.csv", convert_options=one_column)
    people = pa.table({"customer_id": _people_ids(folder / "people.jsonl.gz")})
    with_orders = customers.join(orders, "c_custkey", "o_custkey", "inner")
    return {
        "customers x orders": with_orders.num_rows,
        "customers x orders x people": with_orders.join(people, "c_custkey", "customer_id", "inner").num_rows,
    }


def _people_ids(path: Path) -> pa.Array:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return pa.array([json.loads(line)["customer_id"] for line in file], pa.int64())


def _common(before: Path, after: Path, column: str) -> int:
    old, new = (pq.read_table(path, columns=[column])[column].cast(pa.string()) for path in (before, after))
    return int(pc.sum(pc.is_in(pc.unique(old), pc.unique(new))).as_py())
