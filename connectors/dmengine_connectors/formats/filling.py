"""Reads as much as was asked for: streams that decompress, and files on S3, give less at a time."""

from __future__ import annotations

from typing import Protocol


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return about so many bytes; none at the end."""
        ...


def filled(file: Readable, size: int) -> bytes:
    """Read `size` bytes, or what is left.

    >>> import io
    >>> filled(io.BytesIO(b"abc"), 2), filled(io.BytesIO(b"abc"), 5)
    (b'ab', b'abc')
    """
    parts, held = [], 0
    while held < size and (part := file.read(size - held)):
        parts.append(part)
        held += len(part)
    return b"".join(parts)
