"""The layout of fixed-width records: which bytes or characters are which field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from dmengine.errors import PlanError
from dmengine_connectors.formats.fixed_width_encoding import Encoding

LineEnd = Literal["lf", "nel", "none"]
Unit = Literal["characters", "bytes"]
_ENDS: dict[LineEnd, str] = {"lf": "\n", "nel": "\x85", "none": ""}


@dataclass(frozen=True, slots=True)
class FixedField:
    """One field of a fixed-width record, as a copybook or a data sheet says it.

    Attributes:
        name: What rules call it.
        start: Its first position, counted from 1.
        width: How many positions it has; or give `end`.
        end: Its last position.
        align: On which side the value stands; the other is filled with `pad`.
        pad: The one character that fills the rest; None: that of the format.
        type: All values are text.
    """

    name: str
    start: int
    width: int | None = None
    end: int | None = None
    align: Literal["left", "right"] = "left"
    pad: str | None = None
    type: Literal["text"] = "text"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def last(self) -> int:
        """Its last position, by `end` or by `width`."""
        return self.end if self.end is not None else self.start + (self.width or 0) - 1


@dataclass(frozen=True, slots=True)
class Column:
    """A checked field: where it lies in a record, counted from 0."""

    name: str
    begin: int
    stop: int
    right: bool
    pad: str

    @property
    def width(self) -> int:
        """How many positions it has."""
        return self.stop - self.begin

    @property
    def blank(self) -> str:
        """What fills the field where there is no value: the pad, but no digits, which are a number."""
        return " " if self.pad.isdigit() else self.pad


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked layout.

    Attributes:
        columns: The fields, by position.
        gaps: Where no field lies: these hold the pad alone.
        length: How many positions a record has.
        pad: What fills the gaps.
        unit: What a position is.
        encoding: How text is written.
        line_end: The bytes that end a record; none where records follow each other.
        prefixes: What records begin with that are kept as they are.
    """

    columns: tuple[Column, ...]
    gaps: tuple[tuple[int, int], ...]
    length: int
    pad: str
    unit: Unit
    encoding: Encoding
    line_end: bytes
    prefixes: tuple[bytes, ...]

    @property
    def counts_characters(self) -> bool:
        """Whether positions are characters that may take several bytes."""
        return self.unit == "characters" and self.encoding.is_utf8

    @property
    def breaks(self) -> bytes:
        """The bytes that no value may hold."""
        return self.line_end + self.encoding.encode("\r") if self.line_end else b""


def make_layout(
    fields: Sequence[FixedField],
    length: int | None,
    *,
    pad: str,
    unit: Unit,
    encoding: Encoding,
    line_end: LineEnd,
    prefixes: Sequence[str],
) -> Layout:
    """Check a layout, all of it at once.

    Raises:
        PlanError: it contradicts itself, or the encoding cannot write it.
    """
    end = _ENDS[line_end]
    problems = [*_problems(fields, length), *_pad_problems(fields, pad, encoding)]
    if end and not encoding.is_one_byte(end):
        problems.append(f"{encoding.name} has no {line_end} of one byte; set line_end: none or lf")
    if unit == "characters" and encoding.is_utf8 and not end:
        problems.append("utf-8 records without line ends have a length in bytes; set unit: bytes")
    if any(not prefix or not encoding.can_encode(prefix) for prefix in prefixes):
        problems.append(f"a prefix in keep_prefixes is empty, or {encoding.name} cannot write it")
    if problems:
        raise PlanError(
            f"the fixed-width layout does not hold: {'; '.join(problems)}",
            hint="write layout: [{name: id, start: 1, width: 8}, ...], with positions counted from 1",
        )
    columns = tuple(
        Column(one.name, one.start - 1, one.last, one.align == "right", pad if one.pad is None else one.pad)
        for one in sorted(fields, key=lambda one: one.start)
    )
    size = length or columns[-1].stop
    written = tuple(encoding.encode(prefix) for prefix in prefixes)
    return Layout(columns, tuple(_gaps(columns, size)), size, pad, unit, encoding, encoding.encode(end), written)


def _problems(fields: Sequence[FixedField], length: int | None) -> Iterator[str]:
    if not fields:
        yield "it has no fields"
    names = [one.name for one in fields]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is there twice"
    reached, before = 0, ""
    for one in sorted(fields, key=lambda one: one.start):
        if not one.name:
            yield f"the field at position {one.start} has no name"
        if one.start < 1:
            yield f"{one.name} starts at {one.start}, but positions are counted from 1"
        if one.width is None and one.end is None:
            yield f"{one.name} has neither width nor end"
        elif one.last < one.start or (one.width is not None and one.start + one.width - 1 != one.last):
            yield f"{one.name} has a width or end that does not fit its start"
        elif one.start <= reached:
            yield f"{one.name} overlaps {before}"
        elif length is not None and one.last > length:
            yield f"{one.name} ends at {one.last}, behind the record_length {length}"
        if one.last > reached:
            reached, before = one.last, one.name


def _pad_problems(fields: Sequence[FixedField], pad: str, encoding: Encoding) -> Iterator[str]:
    pads = {"the format": pad} | {one.name: one.pad for one in fields if one.pad is not None}
    for name, text in pads.items():
        if len(text) != 1 or text in "\r\n\x85" or not encoding.is_one_byte(text):
            yield f"the pad of {name} is not one character of one byte"


def _gaps(columns: Sequence[Column], length: int) -> Iterator[tuple[int, int]]:
    reached = 0
    for column in columns:
        if column.begin > reached:
            yield reached, column.begin
        reached = column.stop
    if length > reached:
        yield reached, length
