"""Fixed-width files: read as records by a layout, and written back with every byte kept that no mask changed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

import pyarrow as pa

from dmengine.errors import PlanError, PluginError
from dmengine.spi import Finding, RecordStream
from dmengine.values import Limits, limited
from dmengine_connectors.formats.fixed_width_block import Place, lay_out
from dmengine_connectors.formats.fixed_width_encoding import fixed_encoding
from dmengine_connectors.formats.fixed_width_layout import FixedField, Layout, LineEnd, Unit, make_layout
from dmengine_connectors.formats.fixed_width_reader import last_apart, read_whole
from dmengine_connectors.formats.fixed_width_records import FixedWidthRecords

__all__ = ["FixedField", "FixedWidth"]

_MOST_KEPT = 10_000
_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class FixedWidth:
    """Records whose fields lie at fixed positions. What no mask changes is kept byte for byte.

    >>> import io
    >>> layout = (FixedField("id", 1, 4, align="right", pad="0"), FixedField("name", 5, end=9))
    >>> content = b"0007Ann  \\r\\n0042Bob  "
    >>> target = io.BytesIO()
    >>> FixedWidth(layout).write(FixedWidth(layout).read(io.BytesIO(content)), target)
    2
    >>> target.getvalue() == content
    True

    No file name stands for it: a job says which files have which layout.

    Attributes:
        layout: The fields. What lies between them must be padding.
        record_length: How many positions a record has; None: up to the end of the last field.
        encoding: utf-8, or one of Python's that writes each character as one byte: latin-1, cp1252, cp037, cp500.
        unit: What a position is, which matters in utf-8 only.
        line_end: What ends a record: `lf` (also after a CR), EBCDIC's `nel`, or `none` for records of `record_length`
            bytes that follow each other (RECFM=F).
        pad: What fills the rest of fields that do not say so themselves, and what lies between them.
        keep_first: How many records at the beginning are kept as they are, of any length where they are lines.
        keep_last: How many at the end are.
        keep_prefixes: What records begin with that are kept as they are.
        max_record_bytes: The longest line that is read; at most 1 GiB.
        block_bytes: About how much is read, and how many bytes of records are a batch.
    """

    layout: tuple[FixedField, ...] = ()
    record_length: int | None = None
    encoding: str = "utf-8"
    unit: Unit = "characters"
    line_end: LineEnd = "lf"
    pad: str = " "
    keep_first: int = 0
    keep_last: int = 0
    keep_prefixes: tuple[str, ...] = ()
    max_record_bytes: int = 16 << 20
    block_bytes: int = 1 << 20

    name: ClassVar[str] = "fixed_width"
    suffixes: ClassVar[tuple[str, ...]] = ()
    codecs: ClassVar[bool] = True

    def for_name(self, name: str) -> FixedWidth:
        """Return the format itself: a name implies no option here."""
        return self

    def checked(self) -> Layout:
        """Return the layout, checked.

        Raises:
            PlanError: the options contradict themselves or each other.
        """
        for option, most in (("keep_first", _MOST_KEPT), ("keep_last", _MOST_KEPT), ("block_bytes", _LARGEST)):
            if not 0 <= getattr(self, option) <= most:
                raise PlanError(f"{option} must be from 0 to {most}", hint="leave it out, or give another number")
        if not 1 <= (self.record_length or 1) <= self.max_record_bytes <= _LARGEST:
            raise PlanError("record_length must be from 1 to max_record_bytes", hint="leave it out, or correct it")
        return make_layout(
            self.layout,
            self.record_length,
            pad=self.pad,
            unit=self.unit,
            encoding=fixed_encoding(self.encoding),
            line_end=self.line_end,
            prefixes=self.keep_prefixes,
        )

    def schema(self, file: BinaryIO) -> pa.Schema:
        """Return the fields of the layout, all text, each with the width that masked values must fit in."""
        layout = self.checked()
        one_byte = layout.unit == "characters" or not layout.encoding.is_utf8
        limits = [Limits(column.width, counts="characters" if one_byte else "bytes") for column in layout.columns]
        named = zip(layout.columns, limits, strict=True)
        return pa.schema([limited(pa.field(column.name, pa.string()), limit) for column, limit in named])

    def read(self, file: BinaryIO) -> RecordStream:
        """Read lazily, a block of whole records a batch.

        Raises:
            PlanError: the options contradict themselves or each other.
            InputError: while batches are pulled: the file is not what the layout says.
        """
        layout = self.checked()
        kept = [f"the first {self.keep_first}"] * bool(self.keep_first) + [f"the last {self.keep_last}"] * bool(
            self.keep_last
        )
        kept += [f"those that begin with one of {len(self.keep_prefixes)} prefixes"] * bool(self.keep_prefixes)
        findings = [Finding("info", f"records are kept as they are: {', '.join(kept)}")] if kept else []
        return RecordStream(self._batches(file, layout), self.schema(file), findings=tuple(findings))

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches, changed or not, and return the number of records without those kept as they are.

        Raises:
            PluginError: the batches were not read from fixed width.
        """
        rows = 0
        for batch in stream.batches:
            if not isinstance(batch, FixedWidthRecords):
                raise PluginError(
                    "fixed_width writes only what fixed_width has read", hint="use the same format for both sides"
                )
            file.write(batch.content())
            rows += batch.num_rows
        return rows

    def _batches(self, file: BinaryIO, layout: Layout) -> Iterator[FixedWidthRecords]:
        blocks = read_whole(file, layout, self.block_bytes or 1, self.max_record_bytes)
        place = Place()
        for text, is_last in last_apart(blocks, layout, self.keep_last):
            starts_marked = place.byte == 0 and layout.encoding.is_utf8 and text.startswith(codecs.BOM_UTF8)
            head = codecs.BOM_UTF8 if starts_marked else b""
            body = text[len(head) :]
            place = Place(place.records, place.byte + len(head))
            kept = len(body) if is_last else max(self.keep_first - place.records, 0)
            block, count = lay_out(body, layout, place, kept)
            yield FixedWidthRecords(block, head)
            place = Place(place.records + count, place.byte + len(body))
