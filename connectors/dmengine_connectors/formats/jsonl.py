"""JSON Lines: one JSON object a line, read and written so that what is not changed stays byte for byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

import pyarrow as pa

from dmengine.errors import PluginError
from dmengine.jsontext.check import Bounds, Fault, Place, refusal
from dmengine.jsontext.records import JsonRecords
from dmengine.spi import RecordStream
from dmengine_connectors.formats.filling import filled

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Files of JSON objects, one a line, in UTF-8.

    >>> import io
    >>> stream = JsonLines().read(io.BytesIO(b'{"id": 1}\\n{"id": 2}\\n'))
    >>> copy = io.BytesIO()
    >>> JsonLines().write(stream, copy), copy.getvalue()
    (2, b'{"id": 1}\\n{"id": 2}\\n')

    Attributes:
        max_depth: How deep objects and lists may nest; deeper is refused before anything parses it.
        max_record_bytes: The longest line that is read; at most 1 GiB.
        block_bytes: About how much is read, and how many bytes of records are a batch.
    """

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    codecs: ClassVar[bool] = True

    max_depth: int = 64
    max_record_bytes: int = 16 << 20
    block_bytes: int = 2 << 20

    def for_name(self, name: str) -> JsonLines:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema | None:
        """Return None: each record says for itself what it holds."""
        return None

    def read(self, file: BinaryIO) -> RecordStream:
        """Read lazily, a block of whole lines a batch.

        Raises:
            InputError: while batches are pulled, for a line that is not a JSON object in UTF-8 within the bounds.
        """
        return RecordStream(self._batches(file), None)

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches, changed or not, and return the number of records.

        Raises:
            PluginError: the batches were not read from JSON Lines.
        """
        rows = 0
        for batch in stream.batches:
            if not isinstance(batch, JsonRecords):
                raise PluginError("jsonl writes only what jsonl has read", hint="use the same format for both sides")
            file.write(batch.to_bytes())
            rows += batch.num_rows
        return rows

    def _batches(self, file: BinaryIO) -> Iterator[JsonRecords]:
        bounds = Bounds(self.max_depth, min(self.max_record_bytes, _LARGEST))
        head, place = b"", Place()
        for block in _blocks(file, self.block_bytes, bounds.max_record_bytes):
            if place.byte == 0:
                _refuse_utf16(block)
                head = codecs.BOM_UTF8 if block.startswith(codecs.BOM_UTF8) else b""
                place = Place(1, len(head))
            text = block[len(head) :] if head else block
            records = JsonRecords.parse(text, head=head, place=place, bounds=bounds)
            yield records
            place = Place(place.line + len(records.tree.newlines), place.byte + len(text))
            head = b""


def _refuse_utf16(block: bytes) -> None:
    if block.startswith(_UTF16):
        fault = Fault("UTF-16, by its byte order mark", 0, "convert the file to UTF-8 first: JSON Lines has no other")
        raise refusal(fault, Place())


def _blocks(file: BinaryIO, size: int, longest: int) -> Iterator[bytes]:
    """Read a file in blocks that end with a line's end; a line that is too long ends the file."""
    parts: list[bytes] = []
    while chunk := filled(file, size):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join([*parts, chunk[:cut]])
            parts = []
        if cut < len(chunk):
            parts.append(chunk[cut:])
            if sum(map(len, parts)) > longest + len(codecs.BOM_UTF8):
                break
    if parts:
        yield b"".join(parts)
