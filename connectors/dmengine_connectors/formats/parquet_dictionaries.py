"""Keeps dictionary columns small and whole on their way from a Parquet file to the next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import positions
from dmengine.nested import members, with_member

SAMPLE = 4096
DICTIONARY_BYTES = 1 << 20
"""Arrow's own limit for the page of a dictionary."""


def plain(kind: pa.DataType) -> pa.DataType:
    """Return a type with its dictionaries decoded, at every level.

    >>> str(plain(pa.list_(pa.dictionary(pa.int8(), pa.string()))))
    'list<item: string>'
    """
    if pa.types.is_dictionary(kind):
        return kind.value_type
    for step, field in members(kind):
        kind = with_member(kind, step, field.with_type(plain(field.type)))
    return kind


def share(column: pa.Array, before: pa.Array | None) -> pa.Array:
    """Let a dictionary column point to the dictionary of the batch before, where the two are equal."""
    if before is None or not pa.types.is_dictionary(column.type) or before.type != column.type:
        return column
    if not column.dictionary.equals(before.dictionary):
        return column
    return pa.DictionaryArray.from_arrays(column.indices, before.dictionary, ordered=column.type.ordered)


def weight(column: pa.Array, before: pa.Array | None) -> int:
    """Return the bytes that a column adds to those of the batch before; a shared dictionary counts once."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    shared = before is not None and before.type == column.type and _place(before) == _place(column)
    return int(column.indices.nbytes + (0 if shared else column.dictionary.nbytes))


def one_dictionary(chunks: list[pa.Array]) -> pa.ChunkedArray:
    """Join dictionary columns under one dictionary, which holds each value once and none that is not used.

    >>> a = pa.DictionaryArray.from_arrays([0, 0], ["x", "unused"])
    >>> b = pa.DictionaryArray.from_arrays([1, None], ["y", "x"])
    >>> [chunk.dictionary.to_pylist() for chunk in one_dictionary([a, b]).chunks]
    [['x'], ['x']]
    """
    pools, bases = _pools(chunks)
    pool = pa.concat_arrays(pools)
    used = np.zeros(len(pool), bool)
    for chunk, base in zip(chunks, bases, strict=True):
        used[positions(chunk.indices.drop_null()) + base] = True
    distinct = pool.filter(pa.array(used)).dictionary_encode()
    if len(pools) == 1 and len(distinct.dictionary) == len(pool):
        return pa.chunked_array([_of(chunk.indices.cast(pa.int32()), pool) for chunk in chunks])
    lookup = distinct.indices.take(pa.array(np.cumsum(used) - 1, mask=~used))
    found = [
        lookup.slice(base, len(chunk.dictionary)).take(chunk.indices) for chunk, base in zip(chunks, bases, strict=True)
    ]
    return pa.chunked_array([_of(indices, distinct.dictionary) for indices in found])


def is_worth_it(column: pa.ChunkedArray) -> bool:
    """Say whether a dictionary for a column is worth to begin: Arrow gives up, half-way, on one that grows too large.

    How many values are distinct is told from how many meet in a sample.

    >>> is_worth_it(pa.chunked_array([[f"one of very many: {i}" for i in range(100_000)]]))
    False
    >>> is_worth_it(pa.chunked_array([[f"one of a hundred: {i % 100}" for i in range(100_000)]]))
    True
    """
    if len(column) <= SAMPLE or not _is_countable(column.type):
        return True
    sample = column.take(pa.array(np.linspace(0, len(column) - 1, SAMPLE).astype(np.int64))).drop_null()
    met = len(sample) - pc.count_distinct(sample).as_py()
    distinct = min(len(column), len(sample) ** 2 // (2 * max(met, 1)))
    return bool(distinct * mean_bytes(column) < DICTIONARY_BYTES)


def mean_bytes(column: pa.ChunkedArray) -> int:
    """Return the bytes of a value, on average; of a dictionary column, those of its distinct values."""
    values = column.chunk(0).dictionary if pa.types.is_dictionary(column.type) and column.num_chunks else column
    return int(values.nbytes // max(len(values), 1))


def _is_countable(kind: pa.DataType) -> bool:
    """Say whether Arrow can count the distinct values of a type."""
    types = pa.types
    text = types.is_string(kind) or types.is_large_string(kind)
    binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    return bool(text or binary or types.is_primitive(kind) or types.is_decimal(kind))


def _pools(chunks: list[pa.Array]) -> tuple[list[pa.Array], list[int]]:
    """Return the dictionaries that differ from the one before, and where each chunk's begins in them all."""
    pools, bases, total = [chunks[0].dictionary], [0], 0
    for before, chunk in pairwise(chunks):
        if not chunk.dictionary.equals(before.dictionary):
            total += len(pools[-1])
            pools.append(chunk.dictionary)
        bases.append(total)
    return pools, bases


def _of(indices: pa.Array, dictionary: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(indices, dictionary)


def _place(column: pa.Array) -> list[int | None]:
    return [None if buffer is None else buffer.address for buffer in column.dictionary.buffers()]
