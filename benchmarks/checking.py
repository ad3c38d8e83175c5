"""Checks what a contender wrote, outside the time that is measured: a fast mask that does not mask is no result."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.people import MASKED, SCHEMA

CHANCE: Final = ("phone", "card")
"""Here a masked value may be the original of another row, because both are any number of so many digits."""


def check_rows(source: Path, target: Path) -> None:
    """Refuse another number of rows than was read."""
    wanted, found = pq.read_metadata(source).num_rows, pq.read_metadata(target).num_rows
    if found != wanted:
        raise AssertionError(f"{found} rows were written for {wanted}")


def check_masked(source: Path, target: Path, *, whole: bool = True) -> None:
    """Refuse a target that lacks rows, changes a kept column, or holds an original where it should hold masks.

    Not `whole`, a row is only held against itself, which needs less memory.
    """
    check_rows(source, target)
    if not pq.read_schema(target).equals(pq.read_schema(source)):
        raise AssertionError("the schema is not that of the source")
    for name in SCHEMA.names:
        before, after = (pq.read_table(path, columns=[name]).column(0) for path in (source, target))
        if name not in MASKED:
            if not after.equals(before):
                raise AssertionError(f"{name} should have been kept")
        elif pc.any(pc.equal(before, after)).as_py():
            raise AssertionError(f"{name}: a value is not masked")
        elif whole and name not in CHANCE and pc.any(pc.is_in(pc.unique(after), pc.unique(before))).as_py():
            raise AssertionError(f"{name}: an original is left")
