"""Proves that INT96 timestamps were read without a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dmengine.errors import InputError

Unit = Literal["us", "ns"]
MAX_US_AS_NS = (2**63 - 1) // 1000
"""The last microsecond, on either side of 1970, that a 64-bit count of nanoseconds can hold."""


def int96_columns(file: pq.ParquetFile) -> list[str]:
    """Name the top-level columns that hold INT96 timestamps."""
    stored = _stored(file)
    return list(dict.fromkeys(column.path.split(".")[0] for column in stored if column.physical_type == "INT96"))


def refuse_mixed(file: pq.ParquetFile) -> None:
    """Refuse a file with INT96 and other timestamps, for Arrow writes all timestamps of a file in one way.

    Raises:
        InputError: it is one.
    """
    others = [column.path for column in _stored(file) if str(column.logical_type.type) == "TIMESTAMP"]
    if others and int96_columns(file):
        raise InputError(
            f"the file has INT96 timestamps beside others ({', '.join(others)}), and all must be written in one way",
            hint='set int96_as="int64" to write them all as INT64, which changes the type that readers see',
        )


def other_unit(unit: Unit) -> Unit:
    """Name the unit to read INT96 in a second time, to compare."""
    return "ns" if unit == "us" else "us"


def compared(
    batches: Iterator[pa.RecordBatch], twins: Iterator[pa.RecordBatch], unit: Unit
) -> Iterator[pa.RecordBatch]:
    """Hand on batches whose INT96 timestamps, read in the other unit as `twins`, are the same instants.

    Raises:
        InputError: the unit loses digits, or cannot hold the years.
    """
    waiting: pa.Table | None = None
    for batch in batches:
        while waiting is None or waiting.num_rows < batch.num_rows:
            more = pa.Table.from_batches([next(twins)])
            waiting = more if waiting is None else pa.concat_tables([waiting, more])
        for name in waiting.column_names:
            twin = waiting.column(name).slice(0, batch.num_rows).combine_chunks()
            _compare(batch.column(name), twin, unit, name)
        waiting = waiting.slice(batch.num_rows)
        yield batch


def _compare(read: pa.Array, twin: pa.Array, unit: Unit, name: str) -> None:
    for one, other in zip(_leaves(read), _leaves(twin), strict=True):
        if one.type == other.type:
            continue  # not INT96
        us, ns = (_counts(one), _counts(other)) if unit == "us" else (_counts(other), _counts(one))
        if unit == "us" and np.any(ns.view(np.uint64) - us.view(np.uint64) * np.uint64(1000)):  # exact modulo 2^64
            raise InputError(f"{name}: INT96 timestamps are finer than a microsecond", hint='set int96_unit="ns"')
        if unit == "ns" and np.any(np.abs(us) > MAX_US_AS_NS):
            raise InputError(
                f"{name}: INT96 timestamps are beyond the years 1677 to 2262, which nanoseconds cannot hold",
                hint='set int96_unit="us"',
            )


def _stored(file: pq.ParquetFile) -> list[Any]:
    return [file.schema.column(i) for i in range(file.metadata.num_columns)]


def _counts(timestamps: pa.Array) -> Any:
    return timestamps.drop_null().cast(pa.int64()).to_numpy()


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    kind = array.type
    if pa.types.is_struct(kind):
        for inner in array.flatten():
            yield from _leaves(inner)
    elif pa.types.is_map(kind):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif pa.types.is_nested(kind):
        yield from _leaves(array.flatten())
    elif pa.types.is_timestamp(kind):
        yield array
