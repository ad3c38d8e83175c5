"""A batch of free text as records of one field, with the line ends beside them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.errors import MaskError, PlanError
from dmengine.paths import FieldPath
from dmengine.spi import Selection

FIELD: Final = FieldPath.of("text")


@dataclass(frozen=True, slots=True)
class TextRecords:
    """Texts, each a record.

    >>> records = TextRecords.of("Ann\\r\\n\\nBo", "utf-8", lines=True)
    >>> records.values.to_pylist(), records.ends.to_pylist()
    (['Ann', '', 'Bo'], ['\\r\\n', '\\n', ''])

    Attributes:
        values: The texts, without the ends of lines.
        ends: The end of each line; none where the text is the file.
        encoding: What they are written in.
        head: What is written before them: a byte order mark.
        lines: Whether each is a line.
    """

    values: pa.Array = field(repr=False)
    ends: pa.Array = field(repr=False)
    encoding: str
    head: bytes = b""
    lines: bool = False

    @staticmethod
    def of(text: str, encoding: str, *, head: bytes = b"", lines: bool = False) -> TextRecords:
        """Make records of whole lines, or of a file's text."""
        if not lines:
            return TextRecords(pa.array([text]), pa.array([""]), encoding, head)
        pieces = pa.array(text.split("\n"), pa.string())
        count = len(pieces) - 1 if not text or text.endswith("\n") else len(pieces)
        pieces = pieces.slice(0, count)
        returned = pc.ends_with(pieces, "\r")
        ends = pc.if_else(returned, "\r\n", "\n")
        values = pc.if_else(returned, pc.utf8_slice_codeunits(pieces, 0, -1), pieces)
        if count and not text.endswith("\n"):  # a return at the end of the file is a letter of its last line
            ends = pa.concat_arrays([ends.slice(0, count - 1), pa.array([""])])
            values = pa.concat_arrays([values.slice(0, count - 1), pieces.slice(count - 1)])
        return TextRecords(values, ends, encoding, head, lines=True)

    @property
    def num_rows(self) -> int:
        """How many texts there are."""
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """How many bytes the texts take in memory."""
        return int(self.values.nbytes)

    @property
    def longest(self) -> int:
        """The bytes of the longest text, in UTF-8."""
        return int(pc.max(pc.binary_length(self.values)).as_py() or 0)

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterable[FieldPath]:
        """Name the only field."""
        return [FIELD]

    def select(self, path: FieldPath) -> Sequence[Selection]:
        """Return the texts."""
        return [Selection(self.values)] if path == FIELD else []

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> TextRecords:
        """Put other texts in their places; null is no text.

        Raises:
            MaskError: a line would become two.
        """
        if path != FIELD or not selections:
            return self
        (selection,) = selections
        values = selection.values.cast(pa.string()).fill_null("")
        if self.lines and pc.any(pc.match_substring(values, "\n"), min_count=0).as_py():
            raise MaskError("a mask returned several lines for one", hint="use another mask, or set lines: false")
        return dataclasses.replace(self, values=values)

    def drop(self, path: FieldPath) -> TextRecords:
        """Refuse: a text without its only field is no text.

        Raises:
            PlanError: always.
        """
        raise PlanError("the text of a text file cannot be dropped", hint="redact it, or exclude the file")

    def blank(self, path: FieldPath) -> TextRecords:
        """Make all texts empty."""
        return self.replace(path, [Selection(pa.nulls(self.num_rows, pa.string()))])

    def to_bytes(self) -> bytes:
        """Return the texts in the file's encoding.

        Raises:
            MaskError: a text has letters that the encoding lacks.
        """
        joined = pc.binary_join_element_wise(self.values, self.ends, "").to_pylist()
        body: bytes | None = None
        with contextlib.suppress(UnicodeEncodeError):
            body = "".join(joined).encode(self.encoding)
        if body is None:
            hint = "use a mask with plain letters, or convert the files to UTF-8 first"
            raise MaskError(f"a mask returned letters that {self.encoding} does not have", hint=hint)
        return self.head + body
