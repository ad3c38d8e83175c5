"""One CSV column between its two forms: cells as they stand in the file, and values without quotes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, equal, flat, is_text, offsets
from dmengine.errors import MaskError
from dmengine_connectors.formats.csv_block import Block, cells_of
from dmengine_connectors.formats.csv_dialect import Dialect
from dmengine_connectors.formats.csv_encoding import UTF8, can_encode
from dmengine_connectors.formats.csv_scan import Flags, find


@dataclass(frozen=True, slots=True)
class Column:
    """The values of a column of a block, and which of its cells are quoted."""

    values: pa.Array = field(repr=False)
    quoted: Flags = field(repr=False)


def read_column(block: Block, column: int, dialect: Dialect) -> Column | int:
    """Read a column, or return which cell is the first that is not valid UTF-8.

    An unquoted cell that is the null text is null; a quoted one never is.
    """
    begin, end = block.begin(column), block.end(column)
    quoted = np.zeros(block.num_rows, np.bool_)
    if dialect.quote is not None:
        quoted = (block.data[begin] == dialect.quote) & (begin < end)
        if quoted.any():
            begin, end = begin + quoted, end - quoted
    missing = (begin == end) & ~quoted
    if dialect.null:
        missing = booleans(pc.equal(cells_of(block, begin, end), dialect.null.encode())) & ~quoted
    raw = cells_of(block, begin, end, missing)
    values = _as_text(raw)
    if values is None:
        return next(row for row, cell in enumerate(raw) if not _is_utf8(cell))
    if quoted.any():
        values = _undouble(values, quoted, chr(dialect.quote or 0))
    return Column(values, quoted)


@dataclass(frozen=True, slots=True)
class Cells:
    """New cells of a column, as a binary array; those that are `inner` go between the quotes that are there."""

    content: pa.Array = field(repr=False)
    inner: Flags = field(repr=False)


def write_column(values: pa.Array, original: Column, dialect: Dialect, *, alone: bool, name: str) -> Cells:
    """Write values as cells: quoted where the original cell was, or where they must be.

    A value that is its cell's original keeps the original bytes.

    Args:
        values: Text, one for each record; nulls become the null text.
        original: The column as it was read.
        dialect: How to write.
        alone: Whether the file has no other column, so that an empty cell needs quotes to be seen.
        name: What errors call the column.

    Raises:
        MaskError: a value cannot be written in this file.
    """
    values = _checked(values, original, dialect, name)
    must, has_quote = _must_be_quoted(values, dialect, alone=alone)
    add = must & ~original.quoted
    if add.any():
        add &= ~equal(values, original.values)
    if dialect.quote is None and add.any():
        raise MaskError(
            f"{np.count_nonzero(add)} masked values of {name} hold a delimiter or line end, or look like null",
            hint="this file has no quotes: mask with other characters",
        )
    inner = original.quoted & booleans(values.is_valid()) if values.null_count else original.quoted
    quote = chr(dialect.quote or 0)
    if has_quote:
        doubled = pc.replace_substring(values, pattern=quote, replacement=quote * 2)
        values = pc.if_else(pa.array(add | inner), doubled, values)
    if add.any():
        values = pc.if_else(pa.array(add), pc.binary_join_element_wise(quote, values, quote, ""), values)
    if values.null_count:
        values = pc.fill_null(values, dialect.null)
    return Cells(values.cast(pa.binary()), inner)


def _checked(values: pa.Array, original: Column, dialect: Dialect, name: str) -> pa.Array:
    values = flat(values)
    if not is_text(values.type) or len(values) != len(original.values):
        raise MaskError(
            f"{len(values)} masked values of type {values.type} for {len(original.values)} cells of {name}",
            hint="a mask of a CSV column returns one text for each cell",
        )
    values = values.cast(pa.string())
    if dialect.encoding != UTF8 and not can_encode(_bytes_of(values).tobytes(), dialect.encoding):
        raise MaskError(
            f"masked values of {name} cannot be written in {dialect.encoding}",
            hint="mask with characters that this encoding has",
        )
    return values


def _as_text(raw: pa.Array) -> pa.Array | None:
    values = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers(), raw.null_count, raw.offset)
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return values


def _is_utf8(cell: pa.Scalar) -> bool:
    return not cell.is_valid or _as_text(pa.array([cell.as_py()], pa.binary())) is not None


def _undouble(values: pa.Array, quoted: Flags, quote: str) -> pa.Array:
    places = find(_bytes_of(values), [ord(quote)])
    if len(places) == 0:
        return values
    doubled = _rows_of(values, places) & quoted
    if not doubled.any():
        return values
    single = pc.replace_substring(values.filter(pa.array(doubled)), pattern=quote * 2, replacement=quote)
    return pc.replace_with_mask(values, pa.array(doubled), single)


def _must_be_quoted(values: pa.Array, dialect: Dialect, *, alone: bool) -> tuple[Flags, bool]:
    """Which values need quotes, and whether any holds a quote."""
    data = _bytes_of(values)
    must = np.zeros(len(values), np.bool_)
    has_quote = False
    places = find(data, list(dialect.specials))
    if len(places):
        must = _rows_of(values, places)
        has_quote = dialect.quote is not None and bool((data[places] == dialect.quote).any())
    for text in {dialect.null, ""} if alone else {dialect.null}:
        must |= booleans(pc.fill_null(pc.equal(values, text), False))
    if values.null_count:
        must &= booleans(values.is_valid())
    return must, has_quote


def _bytes_of(values: pa.Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    buffer = values.buffers()[2]
    if buffer is None or len(values) == 0:
        return np.zeros(0, np.uint8)
    bounds = offsets(values)
    return np.frombuffer(buffer, np.uint8)[bounds[0] : bounds[-1]]


def _rows_of(values: pa.Array, places: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Flags:
    bounds = offsets(values)
    rows = np.zeros(len(values), np.bool_)
    rows[np.searchsorted(bounds, places + bounds[0], side="right") - 1] = True
    return rows
