"""Reads a fixed-width file in blocks of whole records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from dmengine.errors import InputError
from dmengine_connectors.formats.filling import filled
from dmengine_connectors.formats.fixed_width_block import Place, spot
from dmengine_connectors.formats.fixed_width_layout import Layout


def read_whole(file: BinaryIO, layout: Layout, size: int, longest: int) -> Iterator[bytes]:
    """Read a file in blocks of about `size` bytes that end where a record ends.

    >>> import io
    >>> from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
    >>> layout = FixedWidth((FixedField("id", 1, 2),), unit="bytes", line_end="none").checked()
    >>> list(read_whole(io.BytesIO(b"aabbcc"), layout, 5, 100))
    [b'aabb', b'cc']

    Args:
        file: Read forward only.
        layout: Says what ends a record.
        size: About how many bytes a block has; one record at least.
        longest: The longest line that is read.

    Raises:
        InputError: a line is longer than that, or the file ends within a record.
    """
    if layout.line_end:
        return _lines(file, layout.line_end, size, longest)
    return _sized(file, layout.length, max(size // layout.length, 1) * layout.length)


def last_apart(blocks: Iterable[bytes], layout: Layout, count: int) -> Iterator[tuple[bytes, bool]]:
    """Say of blocks which one holds the last `count` records, and no others.

    >>> import io
    >>> from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
    >>> layout = FixedWidth((FixedField("id", 1, 2),)).checked()
    >>> list(last_apart([b"aa\\nbb\\n", b"cc\\n"], layout, 2))
    [(b'aa\\n', False), (b'bb\\ncc\\n', True)]
    """
    if not count:
        yield from ((block, False) for block in blocks)
        return
    pending = b""
    for block in blocks:
        text = pending + block
        cut = _cut(text, layout, count)
        if cut:
            yield text[:cut], False
        pending = text[cut:]
    if pending:
        yield pending, True


def _cut(text: bytes, layout: Layout, count: int) -> int:
    """Return where the last `count` records begin."""
    if not layout.line_end:
        return max(len(text) - count * layout.length, 0)
    cut = len(text)
    for _ in range(count):
        if cut == 0:
            return 0
        cut = text.rfind(layout.line_end, 0, cut - 1) + 1
    return cut


def _lines(file: BinaryIO, end: bytes, size: int, longest: int) -> Iterator[bytes]:
    parts: list[bytes] = []
    read = 0
    while chunk := filled(file, size):
        cut = chunk.rfind(end) + 1
        if cut:
            block = b"".join([*parts, chunk[:cut]])
            read += len(block)
            yield block
            parts = []
        if cut < len(chunk):
            parts.append(chunk[cut:])
        if sum(map(len, parts)) > longest:
            raise InputError(
                f"the line that begins at byte {read} is longer than {longest} bytes",
                hint="set line_end: none if records are not lines; or raise max_record_bytes",
            )
    if parts:
        yield b"".join(parts)


def _sized(file: BinaryIO, length: int, size: int) -> Iterator[bytes]:
    read = 0
    while chunk := filled(file, size):
        if len(chunk) % length:
            whole = (read + len(chunk)) // length
            raise InputError(
                f"the file ends within a record of {length} bytes: {spot(Place(whole, whole * length))}",
                hint="check record_length; set line_end if records are lines; or copy the file again: it may be cut",
            )
        yield chunk
        read += len(chunk)
