"""Compares what was read of an object, piece by piece, with the checksum that S3 keeps of it."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial, reduce
from importlib import import_module
from typing import Any, Final

Joined = Callable[[bytes, bytes, int], bytes]
"""The digest of two pieces from those of each, and the length of the second."""
ALGORITHMS: Final = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1")
LARGEST_PIECE: Final = 32 << 20  # of a part that must be hashed whole: two of them are in memory
_POLYNOMIAL: Final = 0xEDB88320  # of CRC-32, https://www.rfc-editor.org/rfc/rfc1952#section-8, bits reversed


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How the digest of a piece is made, and, for CRCs, that of a whole from those of its pieces."""

    digest: Callable[[Any], bytes]
    joined: Joined | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What S3 says that an object's bytes add up to.

    Attributes:
        name: The algorithm's.
        value: The checksum, as S3 writes it.
        parts: For a checksum of checksums, how many parts the object was sent in; else 0.
        part: How large all of them are but the last.
    """

    name: str
    value: str
    parts: int = 0
    part: int = 0

    def piece(self, usual: int) -> int | None:
        """Return how large the pieces must be that it can be compared with; None if that is too much, or never.

        Of a CRC any will do that do not cross from part to part; a hash needs each part as one piece.

        >>> Expected("CRC32", "", 3, 10 << 20).piece(8 << 20) == 5 << 20
        True
        >>> Expected("SHA256", "", 3, 64 << 20).piece(8 << 20)
        """
        found = algorithm(self.name)
        if found is None or not (found.joined or self.parts):
            return None
        if not self.parts:
            return usual
        shares = -(-self.part // usual)
        if found.joined and self.part % shares == 0:
            return self.part // shares
        return self.part if self.part <= LARGEST_PIECE else None

    def agrees(self, sums: Sequence[tuple[bytes, int]]) -> bool:
        """Say whether pieces, given in order as (digest, length), are what S3 stored."""
        found = algorithm(self.name)
        assert found is not None, "no piece could be made"
        if not self.parts or found.joined:
            same = _written(_whole(found, sums)) == self.value
            if same or not self.parts:  # some stores do not say whether it is of the whole or of the parts
                return same
        each = max(1, self.part // sums[0][1])
        parts = [_whole(found, sums[first : first + each]) for first in range(0, len(sums), each)]
        return _written(found.digest(b"".join(parts))) == self.value


def expected(answer: Mapping[str, Any], size: int, part: Callable[[], int]) -> Expected | None:
    """Find the checksum in an answer of S3 that was asked with `ChecksumMode`.

    Args:
        answer: HeadObject's, or GetObject's of a whole object.
        size: The object's.
        part: Asks for the size of the object's first part.
    """
    name = next((name for name in ALGORITHMS if answer.get(f"Checksum{name}")), None)
    if name is None:
        return None
    value, _, count = str(answer[f"Checksum{name}"]).partition("-")
    sent_in = int(count or answer["ETag"].strip('"').partition("-")[2] or 0)
    if not sent_in or answer.get("ChecksumType") == "FULL_OBJECT":
        return Expected(name, value)
    return Expected(name, value, sent_in, size if sent_in == 1 else part())


@cache
def algorithm(name: str) -> Algorithm | None:
    """Return an algorithm; None if what computes it is not installed.

    >>> algorithm("CRC32").digest(b"abc").hex()
    '352441c2'
    """
    if name == "CRC32":
        return Algorithm(lambda body: zlib.crc32(body).to_bytes(4, "big"), _joined_crc32)
    if name in ("SHA1", "SHA256"):
        return Algorithm(lambda body: hashlib.new(name, body, usedforsecurity=False).digest())
    try:
        checksums = import_module("awscrt.checksums")  # of boto3's extra "crt"
    except ImportError:
        return None
    if not hasattr(checksums, f"combine_{name.lower()}"):
        return None
    width = 8 if name == "CRC64NVME" else 4
    return Algorithm(
        partial(_digested, getattr(checksums, name.lower()), width),
        partial(_combined, getattr(checksums, f"combine_{name.lower()}"), width),
    )


def _digested(function: Callable[[Any], int], width: int, body: Any) -> bytes:
    return function(body).to_bytes(width, "big")


def _combined(function: Callable[[int, int, int], int], width: int, one: bytes, other: bytes, length: int) -> bytes:
    return function(int.from_bytes(one, "big"), int.from_bytes(other, "big"), length).to_bytes(width, "big")


def _whole(found: Algorithm, sums: Sequence[tuple[bytes, int]]) -> bytes:
    """Return the digest of pieces that follow each other."""
    whole = sums[0][0]
    for digest, length in sums[1:]:
        assert found.joined is not None, "a hash of several pieces"
        whole = found.joined(whole, digest, length)
    return whole


def _written(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _joined_crc32(one: bytes, other: bytes, length: int) -> bytes:
    """Return the CRC-32 of two pieces as zlib's crc32_combine does, which Python's zlib does not offer.

    >>> _joined_crc32(algorithm("CRC32").digest(b"ma"), algorithm("CRC32").digest(b"sked"), 4).hex()
    'cea7f2ca'
    """
    crc = _times(_operator(length), int.from_bytes(one, "big")) ^ int.from_bytes(other, "big")
    return crc.to_bytes(4, "big")


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
