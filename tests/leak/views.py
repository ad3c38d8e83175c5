"""Every way in which bytes can be read: as they are, unpacked, and out of each text encoding."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.leak.arrow_views import is_parquet, of_parquet

_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
_MOST_STREAMS = 64
_JSON_ESCAPE = re.compile(rb"\\+u00([0-9A-Fa-f]{2})|\\+x([0-9A-Fa-f]{2})")
_ENTITY = re.compile(rb"&#(?:([0-9]{1,3})|[xX]([0-9A-Fa-f]{2}));")
_NO_DIGIT = 255


def _table(alphabet: bytes, also: bytes = b"") -> npt.NDArray[np.uint8]:
    table = np.full(256, _NO_DIGIT, np.uint8)
    for digits in (alphabet, also):
        table[list(digits)] = np.arange(len(digits))
    return table


_HEX = _table(b"0123456789abcdef", b"0123456789ABCDEF")
_LETTERS = bytes(range(65, 91)) + bytes(range(97, 123)) + b"0123456789"
_BASE64 = _table(_LETTERS + b"+/", _LETTERS + b"-_")


def views(content: bytes, *, depth: int = 2) -> Iterator[tuple[str, bytes]]:
    """Yield the content in every reading, each with the way that led to it.

    >>> [way for way, _ in views(b"\\\\u0043", depth=1) if "json" in way]
    ['json']
    """
    yield "", content
    if depth == 0:
        return
    for way, inner in _unpacked(content):
        for further, innermost in views(inner, depth=depth):
            yield f"{way}/{further}".rstrip("/"), innermost
    for way, inner in _decoded(content):
        for further, innermost in views(inner, depth=depth - 1):
            yield f"{way}/{further}".rstrip("/"), innermost


def _unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    if is_parquet(content):
        yield from of_parquet(content)
        return
    for number, start in enumerate(_places(content, _GZIP)):
        yield f"gzip[{number}]", _inflated(content[start:])
    for number, start in enumerate(_places(content, _ZSTD)):
        yield f"zstd[{number}]", _zstd(content[start:])


def _decoded(content: bytes) -> Iterator[tuple[str, bytes]]:
    if b"\0" in content:
        yield "utf-16 even", _narrowed(content, 0)
        yield "utf-16 odd", _narrowed(content, 1)
    digits = _HEX[np.frombuffer(content, np.uint8)]
    if _has_run(digits, 16):
        for phase in range(2):
            yield f"hex {phase}", _from_hex(digits[phase:])
    digits = _BASE64[np.frombuffer(content, np.uint8)]
    if _has_run(digits, 11):
        for phase in range(4):
            yield f"base64 {phase}", _from_base64(digits[phase:])
    if b"\0" in content:
        return  # no text: the others are ways to write text
    if b"%" in content:
        yield "percent", unquote_to_bytes(content)
    if b"\\" in content:
        yield "json", _JSON_ESCAPE.sub(lambda found: bytes([int(found[1] or found[2], 16)]), content)
    if b"&#" in content:
        yield (
            "entities",
            _ENTITY.sub(lambda found: bytes([int(found[1] or f"0x{found[2].decode()}", 0) & 255]), content),
        )


def _places(content: bytes, magic: bytes) -> Iterator[int]:
    place = content.find(magic)
    for _ in range(_MOST_STREAMS):
        if place < 0:
            return
        yield place
        place = content.find(magic, place + 1)


def _inflated(content: bytes) -> bytes:
    """Return what a gzip member holds, as far as it can be read."""
    stream, found = zlib.decompressobj(31), b""
    try:
        for start in range(0, len(content), 1 << 16):
            found += stream.decompress(content[start : start + (1 << 16)])
            if stream.eof:
                break
    except zlib.error:
        pass
    return found


def _zstd(content: bytes) -> bytes:
    """Return what a zstd frame holds, as far as it can be read."""
    found = b""
    try:
        with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
            while chunk := stream.read(1 << 16):
                found += chunk
    except OSError:
        pass
    return found


def _narrowed(content: bytes, phase: int) -> bytes:
    """Return every second byte where the other one is zero."""
    pairs = np.frombuffer(content, np.uint8, len(content) // 2 * 2).reshape(-1, 2)
    return np.where(pairs[:, 1 - phase] == 0, pairs[:, phase], np.uint8(_NO_DIGIT)).tobytes()


def _has_run(digits: npt.NDArray[np.uint8], length: int) -> bool:
    others = np.flatnonzero(digits == _NO_DIGIT)
    return bool((np.diff(others, prepend=-1, append=len(digits)) > length).any())


def _from_hex(digits: npt.NDArray[np.uint8]) -> bytes:
    pairs = (digits[: len(digits) // 2 * 2] & 15).reshape(-1, 2)
    return (pairs[:, 0] << np.uint8(4) | pairs[:, 1]).tobytes()


def _from_base64(digits: npt.NDArray[np.uint8]) -> bytes:
    fours = (digits[: len(digits) // 4 * 4] & 63).reshape(-1, 4)
    threes = np.empty((len(fours), 3), np.uint8)
    threes[:, 0] = fours[:, 0] << np.uint8(2) | fours[:, 1] >> np.uint8(4)
    threes[:, 1] = fours[:, 1] << np.uint8(4) | fours[:, 2] >> np.uint8(2)
    threes[:, 2] = fours[:, 2] << np.uint8(6) | fours[:, 3]
    return threes.tobytes()
