"""The head of an Avro object container file, and the numbers that stand between its blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np

from dmengine.errors import InputError
from dmengine_connectors.formats.avro_encode import varints
from dmengine_connectors.formats.filling import filled

MAGIC: Final = b"Obj\x01"
SINGLE: Final = b"\xc3\x01"
SYNC_SIZE: Final = 16
SCHEMA: Final = "avro.schema"
CODEC: Final = "avro.codec"


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the blocks.

    Attributes:
        metadata: The schema, the codec, and what else the writer noted.
        sync: The marker behind each block.
    """

    metadata: dict[str, bytes]
    sync: bytes

    @property
    def codec(self) -> str:
        """How blocks are compressed."""
        return self.metadata.get(CODEC, b"null").decode("utf-8", "replace")


def read_header(file: BinaryIO, max_bytes: int) -> Header:
    """Read the head of a file from where it stands.

    Raises:
        InputError: the file is no object container, is cut short, or its head is longer than the bound.
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise _foreign(magic)
    left = [max_bytes]

    def take(size: int) -> bytes:
        left[0] -= size
        if size < 0 or left[0] < 0:
            raise InputError(
                f"the head of the Avro file is damaged, or longer than {max_bytes:,} bytes",
                hint="copy the file again; set max_header_bytes higher if you trust it",
            )
        return exactly(file, size)

    metadata: dict[str, bytes] = {}
    while count := _number(take):
        if count < 0:
            count = -count
            _number(take)
        if count > max_bytes:
            take(count)
        for _ in range(count):
            key = take(_number(take)).decode("utf-8", "replace")
            metadata[key] = take(_number(take))
    sync = take(SYNC_SIZE)
    if SCHEMA not in metadata:
        raise InputError("the Avro file has no schema", hint="copy the file again, or exclude it")
    return Header(metadata, sync)


def written_header(header: Header) -> bytes:
    """Return the bytes of a head.

    >>> import io
    >>> header = Header({"avro.schema": b'"null"'}, b"0123456789abcdef")
    >>> read_header(io.BytesIO(written_header(header)), 1000) == header
    True
    """
    pairs = [_text(key.encode()) + _text(value) for key, value in header.metadata.items()]
    return MAGIC + written_long(len(pairs)) + b"".join(pairs) + (b"\x00" if pairs else b"") + header.sync


def read_long(file: BinaryIO) -> int | None:
    """Read a number, or None at the end of the file.

    Raises:
        InputError: the file ends within it, or it is too long.
    """
    first = file.read(1)
    if not first:
        return None
    value, place = first[0] & 127, 7
    byte = first[0]
    while byte > 127:
        byte = exactly(file, 1)[0]
        value |= (byte & 127) << place
        place += 7
        if place > 70:
            raise InputError("a number in the Avro file is longer than ten bytes", hint="copy the file again")
    return (value >> 1) ^ -(value & 1)


def written_long(number: int) -> bytes:
    """Return the bytes of a number."""
    return bytes(varints(np.array([number], np.int64))[0].as_py())


def exactly(file: BinaryIO, size: int) -> bytes:
    """Read just so many bytes.

    Raises:
        InputError: the file ends before.
    """
    found = filled(file, size)
    if len(found) < size:
        raise InputError("the Avro file ends in the middle of a block, or of its head", hint="copy it again")
    return found


def _number(take: Callable[[int], bytes]) -> int:
    value = place = 0
    while True:
        [byte] = take(1)
        value |= (byte & 127) << place
        place += 7
        if byte < 128 or place > 70:
            return (value >> 1) ^ -(value & 1)


def _text(content: bytes) -> bytes:
    return written_long(len(content)) + content


def _foreign(magic: bytes) -> InputError:
    if magic.startswith(SINGLE):
        return InputError(
            "the file is an Avro message in single-object encoding, which names its schema and does not hold it",
            hint="write it as an object container file (Obj 1), which holds its schema",
        )
    if magic.startswith(b"Obj"):
        return InputError("the file is an Avro container of a version other than 1", hint="write it anew")
    return InputError(
        "the file is not an Avro object container file; raw Avro records hold no schema to read them by",
        hint="write them as an object container file (Obj 1), or exclude the file",
    )
