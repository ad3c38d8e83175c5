"""What the demo proves about masked data: joins keep their rows, and a person keeps the pseudonym everywhere."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from dmengine.errors import RunError

_DEFECT = "this is a defect: report it"


def prove_joins(before: Path, after: Path, say: Callable[[str], None]) -> None:
    """Join before and after masking, and compare the counts of rows.

    Raises:
        RunError: a join of the masked data has another number of rows.
    """
    was, now = _joined(before, before), _joined(after, after)
    for name, rows in was.items():
        say(f"  {name:<28} {rows:>10,} rows before, {now[name]:>10,} after masking")
    check(was == now, "a join of the masked data has another number of rows")
    kept = _common(before / "customer.parquet", after / "customer.parquet", "c_address")
    say(f"  and {kept:,} of the customers' addresses are still among the masked ones")


def prove_consistent(here: Path, there: Path, say: Callable[[str], None]) -> None:
    """Compare the masked files of two runs, and join the customers of one with the orders of the other.

    Raises:
        RunError: they differ.
    """
    for name, rows in _joined(here, there).items():
        say(f"  {name:<28} {rows:>10,} rows with the customers of the local run and the rest from C")
        check(rows == _joined(here, here)[name], "masked customers of one run do not join masked orders of another")
    ours, theirs = _people(here / "people.jsonl.gz"), _people(there / "people.jsonl.gz")
    same = sum(mine == other for mine, other in zip(ours, theirs, strict=True))
    say(f"  {'people':<28} {same:>10,} of {len(ours):,} have the same pseudonyms in both")
    names = sorted(path.name for path in here.iterdir() if path.is_file())
    equal = sum((here / name).read_bytes() == (there / name).read_bytes() for name in names)
    say(f"  {'files':<28} {equal:>10,} of {len(names):,} are the same in both, byte for byte")
    check(same == len(ours) and equal == len(names), "two runs with one key have masked the same data differently")


def check(holds: bool, otherwise: str) -> None:
    """Stop the demo if something does not hold."""
    if not holds:
        raise RunError(otherwise, hint=_DEFECT)


def _joined(mine: Path, theirs: Path) -> dict[str, int]:
    customers = pq.read_table(mine / "customer.parquet", columns=["c_custkey"])
    one_column = pc_csv.ConvertOptions(include_columns=["o_custkey"])
    orders = pc_csv.read_csv(theirs / "orders.csv", convert_options=one_column)
    ids = [person["customer_id"] for person in _people(theirs / "people.jsonl.gz")]
    people = pa.table({"customer_id": pa.array(ids, pa.int64())})
    with_orders = customers.join(orders, "c_custkey", "o_custkey", "inner")
    return {
        "customers x orders": with_orders.num_rows,
        "customers x orders x people": with_orders.join(people, "c_custkey", "customer_id", "inner").num_rows,
    }


def _people(path: Path) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _common(before: Path, after: Path, column: str) -> int:
    old, new = (pq.read_table(path, columns=[column])[column].cast(pa.string()) for path in (before, after))
    return int(pc.sum(pc.is_in(pc.unique(old), pc.unique(new))).as_py())
