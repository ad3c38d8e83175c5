"""Writes batches as the row groups of a Parquet file."""

from __future__ import annotations

import base64
from functools import partial
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from dmengine.errors import MaskError, PlanError
from dmengine_connectors.formats.arrow_calls import Sink, refuse_unstorable, written
from dmengine_connectors.formats.parquet_dictionaries import (
    is_worth_it,
    mean_bytes,
    one_dictionary,
    plain,
    share,
    weight,
)
from dmengine_connectors.formats.parquet_form import ARROW_SCHEMA, ParquetForm

DEFAULT_ROWS = 1 << 20
PAGE_BYTES = 1 << 20
PAGE_ROWS = 20_000
"""How large Arrow makes a page at most, if it looks in time."""


class GroupWriter:
    """Collects batches until a row group is full, and writes it as one.

    A text column that comes as a dictionary, of a field that the file stores with dictionary encoding, is written from
    its dictionary without being decoded. No dictionary holds a value that no record of the row group has.

    Args:
        file: Where the bytes go.
        schema: What the file shall hold; columns may come as dictionaries of the type that it says.
        form: How to store it.
        max_bytes: A row group that grows larger than this in memory is cut short.
    """

    def __init__(self, file: BinaryIO, schema: pa.Schema, form: ParquetForm, *, max_bytes: int) -> None:
        self._sink = Sink(file)
        self._schema, self._form, self._max_bytes = schema, form, max_bytes
        self._plain = pa.schema([field.with_type(plain(field.type)) for field in schema])
        self._coded = _coded(self._plain, form)
        self._groups = iter([rows for rows in form.groups if rows])
        self._room = next(self._groups, DEFAULT_ROWS)
        self._writer: pq.ParquetWriter | None = None
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next batch.

        Raises:
            MaskError: nulls in a field that may have none, or another type than the schema says.
        """
        batch = self._fitted(batch)
        while batch.num_rows:
            taken, batch = batch.slice(0, self._room), batch.slice(self._room)
            self._collect(taken)
            self._room -= taken.num_rows
            if self._room == 0 or self._bytes >= self._max_bytes:
                self._flush()
            if self._room == 0:
                self._room = next(self._groups, DEFAULT_ROWS)

    def close(self) -> None:
        """Write what is left, and the footer."""
        self._flush()
        writer = self._writer or self._open(self._plain.empty_table())
        writer.add_key_value_metadata(self._metadata())
        written("parquet", writer.close)

    def abandon(self) -> None:
        """Let go of the file without a footer: what is there must not look like a whole file."""
        self._sink.dead = True

    def _fitted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch in the types to write; dictionaries stay where they may."""
        if batch.schema.names != self._schema.names:
            raise PlanError("the columns to write are not those of the schema", hint="write what the plan says")
        columns = []
        for field, column in zip(self._plain, batch.columns, strict=True):
            if not field.nullable and column.null_count:
                raise MaskError(
                    f"{field.name}: the field is declared not null, and there are nulls to write",
                    hint="use a mask that makes no nulls",
                )
            coded = field.name in self._coded and pa.types.is_dictionary(column.type)
            columns.append(column if coded and column.type.value_type == field.type else _cast(column, field))
        return pa.RecordBatch.from_arrays(columns, names=self._schema.names)

    def _collect(self, batch: pa.RecordBatch) -> None:
        before = self._batches[-1].columns if self._batches else batch.num_columns * [None]
        columns = [share(new, old) for new, old in zip(batch.columns, before, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
        self._bytes += sum(weight(new, old) for new, old in zip(columns, before, strict=True))
        self.rows += batch.num_rows

    def _flush(self) -> None:
        if not self._batches:
            return
        columns = [self._column(i, [batch.column(i) for batch in self._batches]) for i in range(len(self._schema))]
        self._batches, self._bytes = [], 0
        fields = [field.with_type(column.type) for field, column in zip(self._plain, columns, strict=True)]
        table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
        del columns
        writer = self._writer or self._open(table)
        written("parquet", partial(writer.write_table, table, row_group_size=table.num_rows))
        del table
        pa.default_memory_pool().release_unused()  # allocators keep what a group took, and the next has other sizes

    def _column(self, index: int, chunks: list[pa.Array]) -> pa.ChunkedArray:
        """Join the chunks of a column, as the type that the file was opened with."""
        coded = [pa.types.is_dictionary(chunk.type) for chunk in chunks]
        if pa.types.is_dictionary(self._writer.schema.field(index).type) if self._writer else all(coded):
            chunks = [
                chunk if is_coded else chunk.dictionary_encode() for chunk, is_coded in zip(chunks, coded, strict=True)
            ]
            return self._indexable(index, one_dictionary(chunks))
        return pa.chunked_array([c.dictionary_decode() if d else c for c, d in zip(chunks, coded, strict=True)])

    def _indexable(self, index: int, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Refuse more distinct values than the dictionary type that the schema promises can count."""
        field = self._schema.field(index)
        if pa.types.is_dictionary(field.type):
            signed = pa.types.is_signed_integer(field.type.index_type)
            if len(column.chunk(0).dictionary) > 1 << (field.type.index_type.bit_width - signed):
                raise MaskError(
                    f"{field.name}: there are more distinct values than its type, {field.type}, can count",
                    hint="use a mask that gives equal masks to equal values",
                )
        return column

    def _open(self, first: pa.Table) -> pq.ParquetWriter:
        sink = pa.PythonFile(self._sink, mode="w")
        options = self._form.options(self._plain) | {"write_batch_size": _rows_at_once(first)}
        idle = {name for name in first.column_names if not is_worth_it(first.column(name))}
        options["use_dictionary"] = [path for path in options["use_dictionary"] if path not in idle]
        refuse_unstorable("parquet", first.schema, _store)
        self._writer = written("parquet", lambda: pq.ParquetWriter(sink, first.schema, **options))
        return self._writer

    def _metadata(self) -> dict[bytes, bytes]:
        metadata = dict(self._schema.metadata or {})
        if self._form.arrow_schema:
            metadata[ARROW_SCHEMA] = base64.b64encode(self._schema.serialize().to_pybytes())
        return metadata


def _rows_at_once(table: pa.Table) -> int:
    """Say how many records Arrow may write before it looks at the size of the page.

    The statistics of a dictionary column are worked out anew each time, so its own 1,024 are few; but where values
    are long, pages would pass all bounds.
    """
    widest = max(map(mean_bytes, table.columns), default=1)
    return max(1024, min(PAGE_ROWS, PAGE_BYTES // max(widest, 1)))


def _store(schema: pa.Schema) -> None:
    pq.ParquetWriter(pa.BufferOutputStream(), schema)


def _coded(schema: pa.Schema, form: ParquetForm) -> frozenset[str]:
    """Name the columns that may be written from a dictionary."""
    types = pa.types
    stored = {leaf.key[0] for leaf, column in form.stored(schema) if len(leaf.key) == 1 and column.dictionary}
    return frozenset(
        field.name
        for field in schema
        if field.name in stored
        and (types.is_string(field.type) or types.is_large_string(field.type) or types.is_binary(field.type))
    )


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    """Return a column as the type of a field; the texts of Arrow's errors quote values, so they go no further."""
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowException, ValueError, TypeError):
        pass
    raise MaskError(f"{field.name}: values of type {column.type} do not fit the planned type {field.type}")
