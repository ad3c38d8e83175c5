"""Reads files back without dmengine, cell by cell, to compare originals with masked values."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.leak.sources import NAMES

Cells = dict[str, list[Any]]


def cells_of(path: Path) -> Cells:
    """Return the values at each path of a file's records, those in lists one after the other.

    Nulls keep their places at the top, so that columns stay aligned; absent members are left out.
    """
    found: Cells = {}
    for record in _records(path):
        for name, value in record.items():
            for where, leaf in _leaves(name, value):
                found.setdefault(where, []).append(leaf)
    return found


def equal_cells(before: Cells, after: Cells) -> dict[str, int]:
    """Count, for each path, the values that are there before and after and are equal; nulls do not count.

    Raises:
        AssertionError: the two do not have the same count of values at a path.
    """
    counts = {}
    for where in before.keys() & after.keys():
        assert len(before[where]) == len(after[where]), where
        pairs = zip(before[where], after[where], strict=True)
        counts[where] = sum(old == new and old is not None for old, new in pairs)
    return counts


def _records(path: Path) -> Iterator[dict[str, Any]]:
    name = path.name
    if name.endswith((".parquet", ".pq")):
        yield from pq.read_table(path).to_pylist(maps_as_pydicts="strict")
        return
    content = path.read_bytes()
    if name.endswith(".gz"):
        content, name = gzip.decompress(content), name.removesuffix(".gz")
    if name.endswith(".zst"):
        content = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
        name = name.removesuffix(".zst")
    if name.endswith((".jsonl", ".ndjson")):
        yield from (json.loads(line, parse_float=str) for line in content.decode().splitlines())
        return
    yield from _delimited(name, content)


def _delimited(name: str, content: bytes) -> Iterator[dict[str, Any]]:
    encoding = "utf-16" if "utf16" in name else "latin-1" if "latin1" in name else "utf-8"
    text = io.StringIO(content.decode(encoding), newline="")
    if name.endswith(".psv"):
        rows = [*csv.reader(text, delimiter="|", quotechar="'")]
        names = [name for name in NAMES if name != "gone" or len(rows[0]) == len(NAMES)]
        records = (dict(zip(names, row, strict=True)) for row in rows)
    else:
        records = (record for record in csv.DictReader(text, delimiter="\t" if ".tsv" in name else ","))
    for record in records:
        yield {name: None if cell in ("", "NULL") else cell for name, cell in record.items()}


def _leaves(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{where}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(f"{where}[*]", inner)
    else:
        yield where, value
