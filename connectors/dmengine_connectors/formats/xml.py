"""XML files: elements, attributes and texts changed in place, everything else as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

import pyarrow as pa

from dmengine.errors import PluginError, RulesetError
from dmengine.jsontext.check import Place
from dmengine.paths import FieldPath
from dmengine.spi import Finding, RecordStream
from dmengine_connectors.formats.window import Window
from dmengine_connectors.formats.xml_encoding import Wellformed
from dmengine_connectors.formats.xml_records import XmlRecords
from dmengine_connectors.formats.xml_scan import Wanted, scan

_LARGEST: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class XmlDocument:
    """Files of XML: the document is one record, or each element of a name is.

    >>> import io
    >>> content = b'<people><person id="1"/><person id="2"/></people>'
    >>> stream = XmlDocument(records="person").read(io.BytesIO(content))
    >>> copy = io.BytesIO()
    >>> XmlDocument().write(stream, copy), copy.getvalue() == content
    (2, True)

    Attributes:
        records: The elements that are records: their name (`person`), or the path to them from the root
            (`people.person`). Without it, the document is one record.
        envelope: The paths, from the root, of what stands outside of records and stays as it is; a file with any
            other text, attribute, comment or processing instruction there is refused.
        max_depth: How deep elements may nest.
        max_record_bytes: The longest record that is read; at most 1 GiB.
        block_bytes: About how much is read, and how many bytes of records are a batch.
    """

    name: ClassVar[str] = "xml"
    suffixes: ClassVar[tuple[str, ...]] = (".xml",)
    codecs: ClassVar[bool] = True

    records: str = ""
    envelope: tuple[str, ...] = ()
    max_depth: int = 256
    max_record_bytes: int = 16 << 20
    block_bytes: int = 1 << 20

    def for_name(self, name: str) -> XmlDocument:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema | None:
        """Return None: each record says for itself what it holds."""
        return None

    def read(self, file: BinaryIO) -> RecordStream:
        """Read lazily, a block of whole records a batch.

        Raises:
            RulesetError: `records` or `envelope` are no paths.
            InputError: while batches are pulled, for what is not well-formed XML without a DTD.
        """
        if self.envelope and not self.records:
            raise RulesetError("envelope is for files with records", hint="set records too, or leave envelope out")
        records = FieldPath.parse(self.records) if self.records else None
        if records is not None and records.lists:
            raise RulesetError(f"records cannot be {self.records!r}", hint="write names only: people.person")
        wanted = Wanted(records, tuple(FieldPath.parse(path) for path in self.envelope), self.max_depth)
        return RecordStream(self._batches(file, wanted), None, findings=tuple(self._findings()))

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches, changed or not, and return the number of records.

        Raises:
            PluginError: the batches were not read from XML.
        """
        rows = 0
        for batch in stream.batches:
            if not isinstance(batch, XmlRecords):
                raise PluginError("xml writes only what xml has read", hint="use the same format for both sides")
            file.write(batch.to_bytes())
            rows += batch.num_rows
        return rows

    def _findings(self) -> Iterator[Finding]:
        if self.envelope:
            yield Finding("warning", f"outside of records, this is kept as it is: {', '.join(self.envelope)}")

    def _batches(self, file: BinaryIO, wanted: Wanted) -> Iterator[XmlRecords]:
        source = Wellformed(file)
        source.start()
        encoding, head = source.encoding, source.encoding.bom
        window = Window(source, self.block_bytes, min(self.max_record_bytes, _LARGEST), place=Place(1, len(head)))
        outside: tuple[str, ...] = ()
        while not window.ended:
            window.grow()
            if wanted.records is None and not window.ended:
                continue
            place = window.place if encoding.name == "utf-8" else Place(window.place.line, -1 << 62)
            found = scan(window.held, wanted, outside, place=place, last=window.ended)
            if found.end:
                tree, text = found.tree, window.skip(found.end)
                yield XmlRecords(text, tree, wanted, outside, place, encoding, head)
                outside, head = found.outside, b""
