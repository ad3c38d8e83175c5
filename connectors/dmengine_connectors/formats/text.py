"""Text files: the whole text is one field of one record, or each line is a record."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

import pyarrow as pa

from dmengine.errors import InputError, PluginError, RulesetError
from dmengine.spi import RecordStream
from dmengine_connectors.formats.filling import filled
from dmengine_connectors.formats.text_records import FIELD, TextRecords

_BOMS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BOTH_WAYS: Final = re.compile(r"ascii|utf-8|utf-16-[lb]e|iso8859-\d+|cp125\d|cp437|cp850|koi8-[ru]")
_LARGEST: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Text:
    """Files of free text: one record with the field `text`, or one a line. Only where a job chooses it.

    >>> import io
    >>> (records,) = Text().read(io.BytesIO(b"Dear Ann,\\r\\nhello")).batches
    >>> [found.values.to_pylist() for found in records.select(FIELD)]
    [['Dear Ann,\\r\\nhello']]
    >>> (records,) = Text(lines=True).read(io.BytesIO(b"Dear Ann,\\r\\nhello")).batches
    >>> [found.values.to_pylist() for found in records.select(FIELD)]
    [['Dear Ann,', 'hello']]

    Attributes:
        lines: Whether each line is a record; else the file is.
        encoding: Python's name of the encoding, where no byte order mark says UTF-8 or UTF-16.
        max_record_bytes: The longest line, or file, that is read; at most 1 GiB.
        block_bytes: About how many bytes of lines are a batch.
    """

    name: ClassVar[str] = "text"
    suffixes: ClassVar[tuple[str, ...]] = ()  # what is in free text, only a person can say
    codecs: ClassVar[bool] = True

    lines: bool = False
    encoding: str = "utf-8"
    max_record_bytes: int = 16 << 20
    block_bytes: int = 2 << 20

    def for_name(self, name: str) -> Text:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema | None:
        """Return the schema: one text."""
        return pa.schema([pa.field(FIELD.leaf, pa.string(), nullable=False)])

    def read(self, file: BinaryIO) -> RecordStream:
        """Read lazily: the file as a record, or a block of lines a batch.

        Raises:
            RulesetError: there is no such encoding.
            InputError: while batches are pulled, for bytes that are not text, and for records that are too long.
        """
        if not _goes_back(self.encoding):
            raise RulesetError(
                "encoding is none that text can be written in again as it was",
                hint="write utf-8, ascii, latin-1 or another iso-8859, cp1252 or another of Windows, or utf-16-le",
            )
        return RecordStream(self._batches(file), self.schema(file))

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches, changed or not, and return the number of records.

        Raises:
            PluginError: the batches were not read from text.
        """
        rows = 0
        for batch in stream.batches:
            if not isinstance(batch, TextRecords):
                raise PluginError("text writes only what text has read", hint="use the same format for both sides")
            file.write(batch.to_bytes())
            rows += batch.num_rows
        return rows

    def _batches(self, file: BinaryIO) -> Iterator[TextRecords]:
        start = filled(file, 4)
        bom = next((mark for mark in _BOMS if start.startswith(mark)), b"")
        encoding = _BOMS.get(bom, self.encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
        head, taken, line, longest = bom, len(bom), 1, min(self.max_record_bytes, _LARGEST)
        raw, held, ended = start[len(bom) :], "", False
        while not ended:
            wanted = max(self.block_bytes, len(held))
            more = filled(file, wanted)
            ended, raw = len(more) < wanted, raw + more
            held += _decoded(decoder, raw, encoding, taken, last=ended)
            taken, raw = taken + len(raw), b""
            cut = len(held) if ended else held.rfind("\n") + 1 if self.lines else 0
            if len(held) - cut > longest:
                raise _too_long(line + held.count("\n", 0, cut) if self.lines else 1, longest)
            if cut or (ended and head):
                records = TextRecords.of(held[:cut], encoding, head=head, lines=self.lines)
                if records.longest > longest:
                    raise _too_long(line, longest)
                yield records
                line, head, held = line + records.num_rows, b"", held[cut:]


def _goes_back(encoding: str) -> bool:
    """Say whether what is read in an encoding is written as the same bytes."""
    try:
        return _BOTH_WAYS.fullmatch(codecs.lookup(encoding).name) is not None
    except LookupError:
        return False


def _decoded(decoder: codecs.IncrementalDecoder, raw: bytes, encoding: str, taken: int, *, last: bool) -> str:
    bad = -1
    try:
        return decoder.decode(raw, last)
    except UnicodeDecodeError as error:
        bad = error.start
    refused = InputError(f"the file is not {encoding} text", hint="set the encoding that the file is in")
    refused.place = {"byte": str(taken + bad)}
    raise refused


def _too_long(line: int, longest: int) -> InputError:
    error = InputError(f"a text is longer than {longest} bytes", hint="raise max_record_bytes, or set lines: true")
    error.place = {"line": str(line)}
    return error
