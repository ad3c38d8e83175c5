"""Compares what was read of a large object, range by range, with the checksum that S3 keeps of the whole."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any

_POLYNOMIAL = 0xEDB88320  # of CRC-32, https://www.rfc-editor.org/rfc/rfc1952#section-8, bits reversed


def whole(sums: Sequence[tuple[int, int]]) -> int:
    """Return the CRC-32 of a whole from those of its pieces, given as (CRC-32, length).

    >>> whole([(zlib.crc32(b"masked "), 7), (zlib.crc32(b"data"), 4)]) == zlib.crc32(b"masked data")
    True
    """
    crc, _ = reduce(lambda one, other: (_appended(one[0], other[1]) ^ other[0], 0), sums, (0, 0))
    return crc


def agrees(answer: Mapping[str, Any], part: int, sums: Sequence[tuple[int, int]]) -> bool | None:
    """Say whether pieces are what S3 stored; None where its checksum is of a kind that cannot be compared.

    Args:
        answer: HeadObject's, asked with `ChecksumMode`.
        part: The size of the object's first part, or 0 where it was not sent in parts.
        sums: CRC-32 and length of each piece, in order; all but the last of one length.
    """
    stored, _, parts = str(answer.get("ChecksumCRC32", "")).partition("-")
    if not stored:
        return None
    kind = "COMPOSITE" if parts else answer.get("ChecksumType", "")  # some stores do not say
    if kind != "COMPOSITE" and _written(whole(sums)) == stored:
        return True
    if kind == "FULL_OBJECT" or not part:
        return False
    count, rest = divmod(part, sums[0][1])
    if rest:
        return None  # the parts begin within our pieces
    found = [whole(sums[first : first + count]) for first in range(0, len(sums), count)]
    return _written(zlib.crc32(b"".join(crc.to_bytes(4, "big") for crc in found))) == stored


def _written(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _appended(crc: int, zeros: int) -> int:
    """Return what a CRC becomes when zero bytes follow: what zlib's crc32_combine does."""
    return _times(_operator(zeros), crc)


@lru_cache(maxsize=64)
def _operator(zeros: int) -> tuple[int, ...]:
    """Return the matrix over GF(2) that appends so many zero bytes."""
    square: tuple[int, ...] = (_POLYNOMIAL, *(1 << bit for bit in range(31)))  # one zero bit
    found = tuple(1 << bit for bit in range(32))
    bits = zeros * 8
    while bits:
        if bits & 1:
            found = tuple(_times(square, row) for row in found)
        square = tuple(_times(square, row) for row in square)
        bits >>= 1
    return found


def _times(matrix: Sequence[int], vector: int) -> int:
    return reduce(lambda total, row: total ^ row, (row for bit, row in enumerate(matrix) if vector >> bit & 1), 0)
