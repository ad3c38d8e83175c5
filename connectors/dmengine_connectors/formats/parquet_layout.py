"""Looks at the beginning of a Parquet file to say how it is best read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dmengine_connectors.formats.parquet_form import looked_at

PROBE_ROWS = 128
MAX_RATIO = 1024
"""No codec packs better than about this, so a footer that claims more is not believed."""
SMALL_GROUP = 1 << 14
"""Dictionary columns are cut at each row group, so they are not worth it where row groups are small."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file.

    Attributes:
        rows: The records of each row group.
        sizes: The Arrow bytes of each row group, roughly.
        dictionaries: The top-level columns to read as dictionaries.
    """

    rows: tuple[int, ...]
    sizes: tuple[int, ...]
    dictionaries: tuple[str, ...] = ()


Open = Callable[[Sequence[str]], pq.ParquetFile]
"""Opens the file with some columns read as dictionaries."""


def probe(file: pq.ParquetFile, schema: pa.Schema, reopen: Open, *, batch_rows: int, file_size: int) -> Layout:
    """Read a few records of the file, to know how long they are and which columns repeat their values."""
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    rows = tuple(max(0, group.num_rows) for group in groups)
    stored = tuple(min(max(0, group.total_byte_size), MAX_RATIO * file_size) for group in groups)
    first = next((i for i, count in enumerate(rows) if count), None)
    if first is None:
        return Layout(rows, stored)
    coded = _coded(file, schema, rows)
    batch = next(reopen(coded).iter_batches(PROBE_ROWS, row_groups=[first]), None)
    if batch is None or not batch.num_rows:
        return Layout(rows, stored)
    limit = min(batch_rows, sum(rows)) // 4
    useful = tuple(name for name in coded if _repeats(batch.column(name), limit) and _is_all_coded(file, name, batch))
    size = 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        size += 4 * batch.num_rows if name in useful else _decoded(column).nbytes
    sizes = tuple(max(group, count * size // batch.num_rows) for group, count in zip(stored, rows, strict=True))
    return Layout(rows, sizes, useful)


def runs(counts: Sequence[int], rows: int, *, apart: bool) -> Iterator[list[int]]:
    """Put row groups together until they fill a batch, or leave them apart.

    >>> list(runs([10, 0, 10, 50, 10], 20, apart=False))
    [[0, 2], [3], [4]]
    """
    run: list[int] = []
    held = 0
    for group, count in enumerate(counts):
        if run and (apart or held + count > rows):
            yield run
            run, held = [], 0
        if count:
            run.append(group)
            held += count
    if run:
        yield run


def split(counts: Sequence[int], sizes: Sequence[int], limit: int) -> tuple[int, ...]:
    """Cut row groups larger than the limit into even pieces of half the limit at most, which saves memory.

    >>> split([100, 100], [10, 19], 10)
    (100, 25, 25, 25, 25)
    """
    pieces: list[int] = []
    for count, size in zip(counts, sizes, strict=True):
        cuts = 1 if size <= limit else -(-2 * size // limit)
        piece = max(1, -(-count // cuts))
        pieces += [min(piece, count - start) for start in range(0, count, piece)]
    return tuple(pieces)


def _coded(file: pq.ParquetFile, schema: pa.Schema, counts: Sequence[int]) -> list[str]:
    """Name the top-level text columns that use dictionary encoding in all row groups that are looked at."""
    if min(counts[:-1], default=SMALL_GROUP) < SMALL_GROUP:
        return []
    return [
        field.name
        for field in schema
        if (pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or pa.types.is_binary(field.type))
        and all(any("DICTIONARY" in e for e in chunk.encodings) for chunk in _chunks(file, field.name))
    ]


def _repeats(column: pa.Array, limit: int) -> bool:
    """Say whether a dictionary is so small that masking it costs less than masking the records."""
    return 0 < len(column.dictionary) <= limit


def _is_all_coded(file: pq.ParquetFile, name: str, batch: pa.RecordBatch) -> bool:
    """Say whether no writer gave up its dictionary half-way: plain pages would show in the size."""
    length = pc.mean(pc.binary_length(_decoded(batch.column(name)))).as_py() or 0
    return all(chunk.total_uncompressed_size < chunk.num_values * (4 + length) / 2 for chunk in _chunks(file, name))


def _chunks(file: pq.ParquetFile, name: str) -> list[Any]:
    footer = file.metadata
    index = next((i for i in range(footer.num_columns) if file.schema.column(i).path == name), None)
    if index is None:
        return []
    return [footer.row_group(group).column(index) for group in looked_at(footer.num_row_groups)]


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
