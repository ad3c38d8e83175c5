"""Writes Arrow values as Avro does, a column at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import flat, positions, text_from_bytes, text_from_matrix
from dmengine.errors import MaskError
from dmengine_connectors.formats.avro_schema import Node

Bytes = npt.NDArray[np.uint8]
PIECE = pa.large_binary()


def encoded(node: Node, values: pa.Array, place: str) -> pa.Array:
    """Write values without nulls for a scalar node, each as one piece.

    >>> node = Node("string", arrow=pa.string())
    >>> encoded(node, pa.array(["ab", ""]), "name").to_pylist()
    [b'\\x04ab', b'\\x00']

    Raises:
        MaskError: values do not fit the type, or are no symbols of the enum.
    """
    if not len(values):
        return pa.array([], PIECE)
    if node.kind == "enum":
        return varints(_numbers_of(node, flat(values), place))
    values = _fitted(node, flat(values), place)
    kind, count = node.kind, len(values)
    if kind in ("bytes", "string"):
        if pa.types.is_decimal(values.type):
            values = _minimal(_big_endian(values))
        body = values.cast(pa.large_binary() if kind == "bytes" else pa.large_string()).cast(PIECE)
        sizes = positions(pc.binary_length(body))
        return pc.binary_join_element_wise(varints(sizes), body, pa.scalar(b"", PIECE))
    if kind in ("int", "long"):
        plain = pa.int32() if kind == "int" else pa.int64()
        return varints(positions(values.view(plain)))
    if kind == "boolean":
        return _rows(values.cast(pa.uint8()).to_numpy().reshape(-1, 1))
    if kind in ("float", "double"):
        numbers = np.ascontiguousarray(values.to_numpy(), "<f4" if kind == "float" else "<f8")
        return _rows(numbers.view(np.uint8).reshape(count, -1))
    if kind == "null":
        return text_from_bytes(np.zeros(0, np.uint8), np.zeros(count + 1, np.int64), PIECE)
    return _of_size(node, values, place) if pa.types.is_decimal(values.type) else values.cast(pa.binary()).cast(PIECE)


def prefixed(branch: int, pieces: pa.Array) -> pa.Array:
    """Put the number of a union's branch before each piece."""
    return pc.binary_join_element_wise(pa.scalar(bytes([2 * branch]), PIECE), pieces, pa.scalar(b"", PIECE))


def varints(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Write numbers in as few bytes as each needs.

    >>> varints(np.array([0, -1, 64])).to_pylist()
    [b'\\x00', b'\\x01', b'\\x80\\x01']
    """
    raw = (numbers.astype(np.int64) << 1 ^ numbers.astype(np.int64) >> 63).view(np.uint64)
    groups = raw[:, None] >> (np.arange(10, dtype=np.uint64) * np.uint64(7))
    used = groups != 0
    used[:, 0] = True
    more = np.zeros_like(used)
    more[:, :-1] = used[:, 1:]
    octets = (groups & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << 7)
    ends = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    return text_from_bytes(octets[used], ends, PIECE)


def _numbers_of(node: Node, values: pa.Array, place: str) -> npt.NDArray[np.int64]:
    found = pc.index_in(values.cast(pa.string()), pa.array(node.symbols, pa.string()))
    if found.null_count:
        raise MaskError(
            f"{place}: a mask made what is not one of the {len(node.symbols)} symbols of the enum {node.name}",
            hint="use a mask that picks from the symbols (choice, lookup), or drop the field",
        )
    return positions(found)


def _fitted(node: Node, values: pa.Array, place: str) -> pa.Array:
    """Return values in the node's type; Arrow's errors quote values, so they go no further."""
    if values.type == node.arrow:
        return values
    try:
        return values.cast(node.arrow)
    except (pa.ArrowException, ValueError, TypeError):
        pass
    raise MaskError(
        f"{place}: values of type {values.type} do not fit the Avro type {node.kind} ({node.arrow})",
        hint="use a mask that keeps the type; the schema of an Avro file stays as it is",
    )


def _big_endian(values: pa.Array) -> Bytes:
    width = values.type.bit_width // 8
    raw = np.frombuffer(values.buffers()[1], np.uint8)[values.offset * width : (values.offset + len(values)) * width]
    return raw.reshape(-1, width)[:, ::-1]


def _minimal(big: Bytes) -> pa.Array:
    """Cut the front of two's complements where it only repeats the sign."""
    sign = np.where(big[:, :1] > 127, 255, 0)
    same = (big[:, :-1] == sign) & ((big[:, 1:] > 127) == (big[:, :1] > 127))
    kept = np.concatenate([~np.logical_and.accumulate(same, axis=1), np.ones((len(big), 1), np.bool_)], axis=1)
    ends = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return text_from_bytes(big[kept], ends, PIECE)


def _of_size(node: Node, values: pa.Array, place: str) -> pa.Array:
    big, size = _big_endian(values), node.size
    sign = np.where(big[:, :1] > 127, 255, 0).astype(np.uint8)
    spare = big.shape[1] - size
    if spare < 0:
        return _rows(np.concatenate([np.repeat(sign, -spare, axis=1), big], axis=1))
    fits = (big[:, :spare] == sign).all(axis=1) & ((big[:, spare : spare + 1] > 127) == (sign > 0))[:, 0]
    if not fits.all():
        raise MaskError(f"{place}: a decimal does not fit the {size} bytes of its Avro type", hint="use another mask")
    return _rows(big[:, spare:])


def _rows(matrix: npt.NDArray[Any]) -> pa.Array:
    return text_from_matrix(np.ascontiguousarray(matrix, np.uint8), PIECE)
