"""The made-up shop of the demo: customers, orders and people, with the rules and the job that mask them."""

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

import pyarrow.parquet as pq

from dmengine.errors import PluginError, RunError

_PEOPLE = 15_000
_TPCHGEN = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
_OURS = frozenset(
    [
        "original", "rules.yaml", "job.yaml", "demo.key",
        "masked", "report.html", "report.json",
        "masked-on-s3", "report-s3.html", "report-s3.json",
    ]
)  # fmt: skip
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


def make_shop(folder: Path, scale: float, say: Callable[[str], None]) -> int:
    """Make the shop, its rules, its job and its key in a folder, and return how many rows it has.

    Raises:
        RunError: the folder holds something else than an earlier demo.
    """
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


def check_installed() -> None:
    """Refuse to begin without the packages of the extra `demo`.

    Raises:
        PluginError: one is missing.
    """
    modules = {"Faker": "faker", "moto[server]": "moto", "Flask": "flask"}
    missing = [package for package, module in modules.items() if find_spec(module) is None]
    if not _TPCHGEN.is_file():
        missing.append("tpchgen-cli")
    if missing:
        problem = f"the demo needs {' and '.join(missing)}, not installed here"
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
    quiet = subprocess.DEVNULL  # on a terminal it would draw bars of its own between our lines
    ended = subprocess.run(command, stdout=quiet, stderr=quiet, timeout=600, check=False)  # noqa: S603  # fixed words
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
