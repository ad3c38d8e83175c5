"""JSON documents: an object, a list of objects, or objects that follow each other, changed in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

import pyarrow as pa

from dmengine.errors import PluginError, RulesetError
from dmengine.jsontext.check import Bounds
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import FieldPath
from dmengine.spi import Finding, RecordStream
from dmengine_connectors.formats.json_envelope import Envelope
from dmengine_connectors.formats.json_split import Splitter

_LARGEST: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """Files that are one JSON object, a list of objects, or objects one after another, in UTF-8.

    >>> import io
    >>> stream = JsonDocument().read(io.BytesIO(b'[{"id": 1},\\n {"id": 2}]\\n'))
    >>> copy = io.BytesIO()
    >>> JsonDocument().write(stream, copy), copy.getvalue()
    (2, b'[{"id": 1},\\n {"id": 2}]\\n')

    Attributes:
        records: The path of the list of records inside an envelope: `data.items` of `{"data": {"items": [...]}}`.
            Without it, each outermost object is a record.
        envelope: The fields of the envelope that stay as they are; a file with any other is refused.
        max_depth: How deep objects and lists may nest, the envelope counted by itself.
        max_record_bytes: The longest record that is read, and the longest envelope; at most 1 GiB.
        block_bytes: About how much is read, and how many bytes of records are a batch.
    """

    name: ClassVar[str] = "json"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    codecs: ClassVar[bool] = True

    records: str = ""
    envelope: tuple[str, ...] = ()
    max_depth: int = 64
    max_record_bytes: int = 16 << 20
    block_bytes: int = 2 << 20

    def for_name(self, name: str) -> JsonDocument:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema | None:
        """Return None: each record says for itself what it holds."""
        return None

    def read(self, file: BinaryIO) -> RecordStream:
        """Read lazily, a block of whole records a batch.

        Raises:
            RulesetError: `records` or `envelope` are no paths of members.
            InputError: while batches are pulled, for what is not JSON, or no records.
        """
        bounds = Bounds(self.max_depth, min(self.max_record_bytes, _LARGEST))
        steps = _names(self.records) if self.records else ()
        kept = tuple(FieldPath.parse(path) for path in self.envelope)
        if kept and not steps:
            raise RulesetError("envelope is for files with an envelope", hint="set records too, or leave envelope out")
        envelope = Envelope(steps, kept, bounds) if steps else None
        splitter = Splitter(self.block_bytes, bounds, steps)
        return RecordStream(_batches(file, splitter, envelope), None, findings=tuple(self._findings()))

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches, changed or not, and return the number of records.

        Raises:
            PluginError: the batches were not read from JSON.
        """
        rows = 0
        for batch in stream.batches:
            if not isinstance(batch, JsonRecords):
                raise PluginError("json writes only what json has read", hint="use the same format for both sides")
            file.write(batch.to_bytes())
            rows += batch.num_rows
        return rows

    def _findings(self) -> Iterator[Finding]:
        if self.envelope:
            yield Finding("warning", f"fields of the envelope are kept as they are: {', '.join(self.envelope)}")


def _batches(file: BinaryIO, splitter: Splitter, envelope: Envelope | None) -> Iterator[JsonRecords]:
    seen = False
    for block in splitter.blocks(file):
        if envelope is not None and not seen:
            envelope.open(block.head)
            seen = True
        if not block.text:
            if envelope is not None:
                envelope.close(block.head, block.place)
            yield JsonRecords.parse(b"", head=block.head, place=block.place)
            continue
        yield JsonRecords.parse(
            block.text, head=block.head, place=block.place, bounds=splitter.bounds,
            separator=block.separator, tokens=block.tokens,
        )  # fmt: skip


def _names(path: str) -> tuple[str, ...]:
    """Return the names of a path of members."""
    parsed = FieldPath.parse(path)
    if parsed.lists or parsed.has_glob:
        hint = "name the members that lead to the list: data.items"
        raise RulesetError(f"records cannot be {path!r}: it leads into a list", hint=hint)
    return tuple(step.name for step in parsed.steps)
