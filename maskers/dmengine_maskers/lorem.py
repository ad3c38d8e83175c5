"""Filler text that says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text, pick, text_from_bytes
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.drawing import draw
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

MOST_CHARACTERS: Final = 65_536
_WORDS: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna "
    "aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat "
    "duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur excepteur "
    "sint occaecat cupidatat non proident sunt in culpa qui officia deserunt mollit anim id est laborum "
)


@dataclass(frozen=True, slots=True)
class Lorem:
    """Replace every text with Latin filler: of `length` characters, or without it of as many as the text has.

    The key chooses the word that it begins with, so equal texts get equal ones, and many different texts too.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Lorem(), ["The patient is well.", "Bed 3", None])
    ['adipiscing elit sed.', 'non p', None]
    >>> mask_values(Lorem(length=26), ["Bed 3"])
    ['non proident sunt in culpa']
    """

    length: int | None = None
    consistent: bool = True

    name: ClassVar[str] = "lorem"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal values need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the length."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        if self.length is not None and not 1 <= self.length <= MOST_CHARACTERS:
            raise wrong_option(self.name, "length", f"be 1 to {MOST_CHARACTERS}", "leave it out for the text's own")
        if self.length is not None:
            require_room(self.name, self.length, limits, "give a smaller length, or none")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return filler."""
        _, begins = _filler()
        index = below(draw(self, values, ctx)[:, 0], len(begins)).astype(np.int64)
        if self.length is not None:  # few texts: a lookup
            return pick(_written(begins, np.full(len(begins), self.length)), index, values.type)
        lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
        return _written(begins[index], lengths).cast(values.type)


def _written(first: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> pa.Array:
    """Write filler from each place on, with a full stop where it would end in a space."""
    filler, _ = _filler()
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    index = np.arange(ends[-1])
    index += np.repeat(first - ends[:-1], lengths)
    content = filler.take(index, mode="wrap")
    stops = ends[1:][lengths > 0] - 1
    content[stops] = np.where(content[stops] == ord(" "), np.uint8(ord(".")), content[stops])
    return text_from_bytes(content, ends)


@lru_cache(maxsize=1)
def _filler() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the text, which can begin again at its end, and where its words begin."""
    filler = np.frombuffer(_WORDS.encode(), np.uint8)
    return filler, np.flatnonzero(np.roll(filler, 1) == ord(" "))
