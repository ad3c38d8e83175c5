"""Change the shape of a text: a slice, its case, its length. They hide little, and serve other masks in a chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.spans import cut, spans

_MOST_BYTES: Final = 4  # of a character in UTF-8
_MOST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Substring:
    """Keep the characters from `start` up to, not including, `stop`; negative places count from the end.

    What is kept is kept as it was.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Substring(0, 3), ["SW1A 1AA", "N1", None])
    ['SW1', 'N1', None]
    >>> mask_values(Substring(-4), ["4111-1111-1111-1234"])
    ['1234']
    """

    start: int = 0
    stop: int | None = None

    name: ClassVar[str] = "substring"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a slice of everything."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use round, bucket or date_truncate")
        if self.start == 0 and self.stop is None:
            raise wrong_option(self.name, "start or stop", "be given", "such as stop=3")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return slices."""
        return pc.utf8_slice_codeunits(values, self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Case:
    """Write a text in capitals (`"upper"`), in small letters, or with the first letter (of each word) in capitals.

    >>> from dmengine.testing.context import mask_values
    >>> [mask_values(Case(to), ["ada LOVELACE"])[0] for to in ("upper", "lower", "capitalize", "title")]
    ['ADA LOVELACE', 'ada lovelace', 'Ada lovelace', 'Ada Lovelace']
    """

    to: Literal["upper", "lower", "capitalize", "title"]

    name: ClassVar[str] = "case"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "leave the rule out")
        if self.to not in _CASES:
            raise wrong_option(self.name, "to", "be upper, lower, capitalize or title", "such as lower")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return texts in another case."""
        return _CASES[self.to](values)


@dataclass(frozen=True, slots=True)
class Truncate:
    """Cut what is longer than `length` characters, or than `max_bytes` bytes (never within a character).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Truncate(length=5), ["Zoë Müller", "Bo", None])
    ['Zoë M', 'Bo', None]
    >>> mask_values(Truncate(max_bytes=3), ["Zoë"])
    ['Zo']
    """

    length: int | None = None
    max_bytes: int | None = None

    name: ClassVar[str] = "truncate"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def longest_bytes(self) -> int:
        """The most bytes that come out, whatever comes in."""
        by_length = _MOST if self.length is None else self.length * _MOST_BYTES
        return min(by_length, _MOST if self.max_bytes is None else self.max_bytes)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and no length at all."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use round or date_truncate")
        given = [size for size in (self.length, self.max_bytes) if size is not None]
        if not given or min(given) < 1:
            raise wrong_option(self.name, "length or max_bytes", "be given, and at least 1", "such as length=10")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return texts that are not longer."""
        if self.length is not None:
            values = pc.utf8_slice_codeunits(values, 0, self.length)
        return values if self.max_bytes is None else _cut_bytes(values, self.max_bytes)


@dataclass(frozen=True, slots=True)
class Pad:
    """Lengthen what is shorter than `length` characters with `fill`, on the left or on the right.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Pad(5), ["42", "123456", None])
    ['00042', '123456', None]
    """

    length: int
    fill: str = "0"
    side: Literal["left", "right"] = "left"

    name: ClassVar[str] = "pad"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    longest_bytes: ClassVar[None] = None

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the length."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "leave the rule out")
        if self.length < 1:
            raise wrong_option(self.name, "length", "be at least 1", "such as length=10")
        if len(self.fill) != 1:
            raise wrong_option(self.name, "fill", "be one character", 'use "0" or " "')
        if self.side not in ("left", "right"):
            raise wrong_option(self.name, "side", "be left or right", "leave it out for left")
        require_room(self.name, self.length * _MOST_BYTES, limits, "give a smaller length, or no pad")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return texts that are not shorter."""
        pad = pc.utf8_lpad if self.side == "left" else pc.utf8_rpad
        return pad(values, self.length, self.fill)


_CASES: Final = {
    "upper": pc.utf8_upper,
    "lower": pc.utf8_lower,
    "capitalize": pc.utf8_capitalize,
    "title": pc.utf8_title,
}


def _cut_bytes(values: pa.Array, most: int) -> pa.Array:
    content, ends = spans(values)
    starts = ends[:-1]
    stops = np.minimum(ends[1:], starts + most)
    long = np.flatnonzero(stops < ends[1:])
    if len(long) == 0:
        return values
    for _ in range(_MOST_BYTES - 1):  # back to where a character begins
        stops[long] -= (content[stops[long]] & 0xC0) == 0x80
    return cut(content, starts, stops, values.type)
