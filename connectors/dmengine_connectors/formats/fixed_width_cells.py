"""One fixed-width column between its two forms: padded cells, and values without padding."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, flat, is_text, offsets
from dmengine.errors import InputError, MaskError
from dmengine_connectors.formats.fixed_width_block import Block
from dmengine_connectors.formats.fixed_width_encoding import Encoding
from dmengine_connectors.formats.fixed_width_layout import Column, Layout


def read_column(block: Block, column: Column) -> pa.Array:
    """Read the values of a column; cells that are all padding are null.

    Where numbers are padded with a digit, a cell of that digit alone is the number, and a blank cell is null.

    Raises:
        InputError: a cell is not text in the file's encoding.
    """
    cells = block.cells(column.begin, column.stop)
    texts = decoded(cells, block.layout.encoding)
    if isinstance(texts, int):
        raise InputError(
            f"{column.name} is not {block.layout.encoding.name} text in {block.spot(texts)}",
            hint="set the encoding that the file is in; keep fields that hold packed or binary numbers",
        )
    stripped = _stripped(texts, column.pad, right=column.right)
    if column.blank == column.pad:
        missing = pc.equal(stripped, "")
    else:
        missing = pc.equal(_stripped(texts, column.blank, right=column.right), "")
        stripped = pc.if_else(pc.equal(stripped, ""), column.pad, stripped)
    if not pc.any(missing, min_count=0).as_py():
        return stripped
    return pc.if_else(missing, pa.scalar(None, pa.string()), stripped)


def write_column(values: pa.Array, block: Block, column: Column) -> pa.Array:
    """Write values as cells of the column's width, a binary array.

    Raises:
        MaskError: a value is too long, holds a line end, or cannot be written in the file's encoding.
    """
    text = _texts(_checked(values, block, column), column)
    layout, width = block.layout, column.width
    by_byte = layout.unit == "bytes" and layout.encoding.is_utf8
    simple = by_byte or (column.pad.isascii() and _content(text).isascii())
    measured = pc.binary_length(text) if simple else pc.utf8_length(text)
    wide = booleans(pc.greater(measured, width))
    if wide.any():
        raise MaskError(
            f"{np.count_nonzero(wide)} masked values are longer than the {width} {layout.unit} of {column.name}",
            hint="choose a mask, or parameters, whose output fits; or put it into a chain that ends with truncate",
        )
    # the kernels for ASCII count bytes, whatever these are
    pad = getattr(pc, f"{'ascii' if simple else 'utf8'}_{'lpad' if column.right else 'rpad'}")
    padded = pad(text, width=width, padding=column.pad)
    content = _encoded(padded, layout, column.name)
    if any(bytes([byte]) in content for byte in layout.breaks):
        raise MaskError(
            f"masked values of {column.name} hold a line end",
            hint="mask with other characters: it would end the record",
        )
    if layout.encoding.is_utf8:
        return padded.cast(pa.binary())
    ends = np.arange(len(values) + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(content)])


def decoded(cells: pa.Array, encoding: Encoding) -> pa.Array | int:
    """Read cells as text, or return which is the first that is none.

    >>> from dmengine_connectors.formats.fixed_width_encoding import fixed_encoding
    >>> decoded(pa.array([b"\\xc1\\xf1", b"\\x5a"], pa.binary()), fixed_encoding("cp500")).to_pylist()
    ['A1', ']']
    """
    ends = offsets(cells)
    content = _content(cells)
    if encoding.is_utf8 or (encoding.is_ascii and content.isascii()):
        texts = pa.Array.from_buffers(pa.string(), len(cells), cells.buffers())
        return texts if _is_valid(texts) else next(row for row in range(len(texts)) if not _is_valid(_copy(texts, row)))
    bad = -1
    try:
        text = content.decode(encoding.name).encode()
    except UnicodeDecodeError as error:
        bad = error.start
    if bad >= 0:
        return int(np.searchsorted(ends, bad, "right")) - 1
    if len(text) != len(content):
        grown = np.concatenate([np.zeros(1, np.int64), np.cumsum(encoding.sizes[np.frombuffer(content, np.uint8)])])
        ends = grown[ends]
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(cells), buffers)


def _checked(values: pa.Array, block: Block, column: Column) -> pa.Array:
    values = flat(values)
    if len(values) != len(block.starts) or not (is_text(values.type) or pa.types.is_null(values.type)):
        raise MaskError(
            f"{len(values)} masked values of type {values.type} for {len(block.starts)} records of {column.name}",
            hint="a mask of a fixed-width field returns one text for each record",
        )
    return values.cast(pa.string())


def _texts(values: pa.Array, column: Column) -> pa.Array:
    """Put what stands for null in its place: blanks, or nothing, which is padded."""
    if column.blank == column.pad:
        return pc.fill_null(values, "") if values.null_count else values
    blank = column.blank * column.width
    values = pc.fill_null(values, blank)
    return pc.if_else(pc.equal(values, ""), blank, values)


def _encoded(values: pa.Array, layout: Layout, name: str) -> bytes:
    text = _content(values)
    encoding = layout.encoding
    content: bytes | None = text
    if not _is_valid(values):
        raise MaskError(f"masked values of {name} are not UTF-8", hint="correct the mask")
    if not encoding.is_utf8 and not (encoding.is_ascii and text.isascii()):
        try:
            content = text.decode().encode(encoding.name)
        except UnicodeEncodeError:
            content = None
    if content is None:
        raise MaskError(
            f"masked values of {name} cannot be written in {encoding.name}",
            hint="mask with characters that this encoding has",
        )
    return content


def _content(values: pa.Array) -> bytes:
    bounds, buffer = offsets(values), values.buffers()[2]
    return b"" if buffer is None else bytes(memoryview(buffer)[int(bounds[0]) : int(bounds[-1])])


def _stripped(texts: pa.Array, pad: str, *, right: bool) -> pa.Array:
    """Take the padding away from one side."""
    kind = "ascii" if pad.isascii() else "utf8"  # bytes of ASCII are in no other character of UTF-8
    return getattr(pc, f"{kind}_{'ltrim' if right else 'rtrim'}")(texts, characters=pad)


def _is_valid(texts: pa.Array) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _copy(texts: pa.Array, row: int) -> pa.Array:
    return pa.array([texts.cast(pa.binary())[row].as_py()], pa.binary()).view(pa.string())
