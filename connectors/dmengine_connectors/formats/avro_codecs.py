"""Compresses and decompresses the blocks of Avro files, within a bound."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

import pyarrow as pa
from isal import isal_zlib

from dmengine.errors import InputError

Decompress = Callable[[bytes, int], bytes]
Compress = Callable[[bytes], bytes]

CRC_SIZE: Final = 4
ADLER_SIZE: Final = 4
"""Some writers (fastavro is one) leave parts of zlib's checksum behind deflated bytes; Avro has no use for them."""
DEFLATE_LEVEL: Final = 2  # ISA-L's own default, of 0 to 3
_MAX_XZ_MEMORY: Final = 256 << 20
_BROKEN: Final[tuple[type[Exception], ...]] = (
    ValueError, EOFError, OSError, MemoryError,
    zlib.error, lzma.LZMAError, pa.ArrowException, cast(Any, isal_zlib.error),
)  # fmt: skip


def decompressed(codec: str, block: bytes, limit: int) -> bytes:
    """Return the plain bytes of a block.

    >>> decompressed("deflate", compressed("deflate", b"abc"), 10)
    b'abc'

    Raises:
        InputError: the codec is not known, the block is damaged, or holds more than `limit` bytes.
    """
    read = CODECS[codec][0]
    plain: bytes | None = None
    with suppress(*_BROKEN):
        plain = read(block, limit)
    if plain is None:
        raise InputError(f"a block of the Avro file is damaged ({codec})", hint="copy the file again, or exclude it")
    if len(plain) > limit:
        raise InputError(
            f"a block of the Avro file holds more than {limit:,} bytes",
            hint="set max_block_bytes higher if you trust the file and have the memory",
        )
    return plain


def compressed(codec: str, block: bytes) -> bytes:
    """Return a block as the codec packs it."""
    return CODECS[codec][1](block)


def refuse_unknown(codec: str) -> None:
    """Refuse a codec that cannot be read.

    Raises:
        InputError: names those that can.
    """
    if codec not in CODECS:
        shown = codec if codec.isidentifier() and len(codec) < 20 else "unknown"
        raise InputError(
            f"the Avro file is compressed by a codec that is not read here: {shown}",
            hint=f"write it anew with one of: {', '.join(CODECS)}",
        )


def _finished(machine: Any, block: bytes, limit: int, spare: int = 0) -> bytes:
    """Read one stream to its end, and no byte more than one over the limit."""
    plain: bytes = machine.decompress(block, limit + 1)
    if len(plain) <= limit and (not machine.eof or len(machine.unused_data) > spare):
        raise ValueError("cut, or followed by other bytes")
    return plain


def _inflate(block: bytes, limit: int) -> bytes:
    return _finished(isal_zlib.decompressobj(wbits=-15), block, limit, ADLER_SIZE)


def _deflate(block: bytes) -> bytes:
    packer = isal_zlib.compressobj(DEFLATE_LEVEL, wbits=-15)
    return bytes(packer.compress(block) + packer.flush())


def _bunzip(block: bytes, limit: int) -> bytes:
    return _finished(bz2.BZ2Decompressor(), block, limit)


def _unxz(block: bytes, limit: int) -> bytes:
    return _finished(lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_XZ_MEMORY), block, limit)


def _unzstd(block: bytes, limit: int) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(block), "zstd") as stream:
        plain = []
        size = 0
        while size <= limit and (piece := stream.read(min(limit + 1 - size, 1 << 20))):
            plain.append(piece)
            size += len(piece)
        return b"".join(plain)


def _zstd(block: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(block, asbytes=True))


def _unsnappy(block: bytes, limit: int) -> bytes:
    """Read snappy's own form, followed by a CRC-32 of the plain bytes, as Avro wants it."""
    body, check = block[:-CRC_SIZE], block[-CRC_SIZE:]
    size = 0
    for place, byte in enumerate(body[:5]):
        size |= (byte & 127) << 7 * place
        if byte < 128:
            break
    if size > limit:
        raise InputError(
            f"a block of the Avro file holds more than {limit:,} bytes",
            hint="set max_block_bytes higher if you trust the file and have the memory",
        )
    plain = bytes(pa.Codec("snappy").decompress(body, size, asbytes=True))
    if zlib.crc32(plain).to_bytes(CRC_SIZE, "big") != check:
        raise ValueError("checksum")
    return plain


def _snappy(block: bytes) -> bytes:
    return bytes(pa.Codec("snappy").compress(block, asbytes=True)) + zlib.crc32(block).to_bytes(CRC_SIZE, "big")


CODECS: Final[dict[str, tuple[Decompress, Compress]]] = {
    "null": (lambda block, limit: block, lambda block: block),
    "deflate": (_inflate, _deflate),
    "snappy": (_unsnappy, _snappy),
    "zstandard": (_unzstd, _zstd),
    "bzip2": (_bunzip, bz2.compress),
    "xz": (_unxz, lambda block: lzma.compress(block, lzma.FORMAT_XZ)),
}
