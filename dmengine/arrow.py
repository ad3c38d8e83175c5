"""Helpers for masker authors: numpy views of Arrow arrays, and Arrow arrays of numpy results."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.spi import Positions

_SAMPLE = 2048
_WORD = 8


class NumberType(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no stubs
    """A number of a document, kept as its exact decimal text (`1.10`, `9007199254740993`).

    Documents do not say which numbers are integers and which are not, and floats would lose digits;
    so numbers travel as text of this type, and `integers` and `decimals` read them.
    """

    def __init__(self) -> None:
        super().__init__(pa.string(), "dmengine.number")

    def __hash__(self) -> int:
        return hash(self.extension_name)

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> NumberType:
        return cls()


NUMBER = NumberType()


def is_text(kind: pa.DataType) -> bool:
    """Say whether a type is text: string, large_string or string_view."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Say whether a type is a number: an integer, a float, a decimal, or a document's number."""
    return bool(
        isinstance(kind, NumberType)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )


def flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one contiguous array of plain values: chunks joined, dictionaries decoded.

    >>> flat(pa.chunked_array([["a"], ["b"]])).to_pylist()
    ['a', 'b']
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # combine_chunks keeps a chunk per 2 GiB of text
            values = pa.concat_arrays(values.chunks)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values if values.type == plain_type(values.type) else values.cast(plain_type(values.type))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that masks meet: of views the plain text or binary, of dictionaries the values' type.

    Most of Arrow's kernels do not know views, so they travel as plain arrays and are views again at the end.
    """
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def booleans(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return a boolean array (no nulls) as numpy."""
    return cast(npt.NDArray[np.bool_], values.to_numpy(zero_copy_only=False).astype(bool, copy=False))


def offsets(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return the n + 1 offsets of a string or binary array into its data buffer, slices included.

    >>> offsets(pa.array(["ab", "c", ""]).slice(1)).tolist()
    [2, 3, 3]
    """
    width = np.int64 if pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type) else np.int32
    buffer = values.buffers()[1]
    if buffer is None or len(values) == 0:
        return np.zeros(len(values) + 1, np.int64)
    view = np.frombuffer(buffer, width, count=values.offset + len(values) + 1)
    return view[values.offset :].astype(np.int64)


def text_from_bytes(data: npt.NDArray[np.uint8], ends: npt.NDArray[Any], kind: pa.DataType | None = None) -> pa.Array:
    """Make a text array of n values from their bytes laid end to end and n + 1 offsets.

    >>> text_from_bytes(np.frombuffer(b"abc", np.uint8), np.array([0, 2, 3])).to_pylist()
    ['ab', 'c']
    """
    kind = kind or pa.string()
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    count = len(ends) - 1
    if pa.types.is_string_view(kind):
        return text_from_bytes(data, ends, pa.string()).cast(kind)
    index = np.ascontiguousarray(ends, np.int64 if wide else np.int32)
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(index), pa.py_buffer(np.ascontiguousarray(data))])


def text_from_matrix(matrix: npt.NDArray[np.uint8], kind: pa.DataType | None = None) -> pa.Array:
    """Make a text array of values that are all equally long: one row of bytes each.

    >>> text_from_matrix(np.frombuffer(b"abcd", np.uint8).reshape(2, 2)).to_pylist()
    ['ab', 'cd']
    """
    count, width = matrix.shape
    return text_from_bytes(matrix.reshape(-1), np.arange(count + 1, dtype=np.int64) * width, kind)


def pick(pool: pa.Array, index: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Take values of a pool by index, as `kind`: the last step of every lookup mask."""
    return pool.cast(kind).take(pa.array(index)) if pool.type != kind else pool.take(pa.array(index))


def scatter(values: pa.Array, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Spread values over the valid places of a longer array; null elsewhere, with no byte behind the nulls.

    >>> scatter(pa.array(["a", "b"]), np.array([True, False, True])).to_pylist()
    ['a', None, 'b']
    """
    index = np.cumsum(valid, dtype=np.int64) - 1
    return values.take(pa.array(index, mask=~valid))


def rebuilt(values: pa.Array) -> pa.Array:
    """Return the array with no byte in its buffers beyond its own values: none under nulls, none outside a slice.

    >>> hidden = pc.if_else(pa.array([True, False]), pa.scalar(None, pa.string()), pa.array(["secret", "x"]))
    >>> b"secret" in rebuilt(hidden).buffers()[2].to_pybytes()
    False
    """
    if values.null_count:
        return scatter(values.drop_null(), booleans(values.is_valid()))
    whole = values.offset == 0 and not pa.types.is_nested(values.type)
    if whole and (is_text(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
        whole = not pa.types.is_string_view(values.type) and _fills_buffer(values)
    return values if whole else values.take(pa.array(np.arange(len(values), dtype=np.int64)))


def _fills_buffer(values: pa.Array) -> bool:
    ends = offsets(values)
    data = values.buffers()[2]
    return int(ends[0]) == 0 and (data is None or data.size == int(ends[-1]))


def choose(where: npt.NDArray[np.bool_], yes: pa.Array, no: pa.Array) -> pa.Array:
    """Take from `yes` where true, else from `no`; copies, so nothing hides behind a null.

    >>> choose(np.array([True, False]), pa.array([1, 2]), pa.array([3, 4])).to_pylist()
    [1, 4]
    """
    both = pa.concat_arrays([yes, no])
    index = np.arange(len(where), dtype=np.int64)
    return both.take(pa.array(np.where(where, index, index + len(where))))


def repeats(values: pa.Array, share: float = 0.6) -> bool:
    """Say, from a sample, whether less than `share` of the values (no nulls) are distinct; never of short arrays.

    >>> repeats(pa.array(["a", "b"] * 2000)), repeats(pa.array(range(4000)))
    (True, False)
    """
    if len(values) < _SAMPLE or pa.types.is_nested(values.type) or isinstance(values.type, pa.BaseExtensionType):
        return False
    sample = values.slice((len(values) - _SAMPLE) // 2, _SAMPLE)
    return bool(pc.count_distinct(sample).as_py() < share * _SAMPLE)


def positions(values: pa.Array) -> Positions:
    """Return an integer array (no nulls) as int64 numpy."""
    return cast(Positions, values.to_numpy(zero_copy_only=False).astype(np.int64, copy=False))


def equal(left: pa.Array, right: pa.Array) -> npt.NDArray[np.bool_]:
    """Compare two arrays of one type value by value; two nulls are equal.

    >>> equal(pa.array(["12345678", "12345678"]), pa.array(["12345678", "12345679"])).tolist()
    [True, False]
    >>> equal(pa.array(["12345678", "23456789"]).slice(1), pa.array(["34567890"])).tolist()
    [False]
    """
    if isinstance(left.type, pa.BaseExtensionType):
        left, right = left.storage, right.storage
    if _all_begin_otherwise(left, right):
        return np.zeros(len(left), np.bool_)
    same = pc.fill_null(pc.equal(left, right), False)
    if left.null_count or right.null_count:
        same = pc.or_(same, pc.and_(pc.is_null(left), pc.is_null(right)))
    return booleans(same)


def _all_begin_otherwise(left: pa.Array, right: pa.Array) -> bool:
    """Say whether texts that are all equally long differ in their first bytes: most masked columns, told quickly."""
    if not is_text(left.type) or pa.types.is_string_view(left.type) or left.null_count or right.null_count:
        return False
    starts, others = offsets(left), offsets(right)
    width = int(starts[1] - starts[0]) if len(left) else 0
    if width < _WORD or (np.diff(starts) != width).any() or (np.diff(others) != width).any():
        return False
    words = (
        np.ndarray((len(left),), np.uint64, values.buffers()[2], int(start), (width,))
        for values, start in ((left, starts[0]), (right, others[0]))
    )
    return not bool(np.equal(*words).any())
