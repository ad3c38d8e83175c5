"""Keyed random numbers for masks that ignore, or need not follow, what a value says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

from dmengine.prf import mul_high
from dmengine.spi import MaskContext, Words

_ROOM: Final = 1 << 40
"""Outcomes drawn from one word: so few that none is more likely than another by more than 2^-24 of its share."""


class Drawer(Protocol):
    """A mask that draws by value, or by record."""

    @property
    def name(self) -> str:
        """The name of the mask."""
        ...

    @property
    def consistent(self) -> bool:
        """Whether equal values draw alike."""
        ...


def draw(mask: Drawer, values: pa.Array, ctx: MaskContext, purpose: str = "") -> Words:
    """Return keyed bits of each value, or of its record where equal values need not be equal."""
    purpose = f"{mask.name}/{purpose}" if purpose else mask.name
    return ctx.bits(values, purpose) if mask.consistent else ctx.row_bits(purpose)


class Stream:
    """Independent draws for each value, one after the other, from as many keyed words as they need.

    >>> words = lambda number: np.array([[1 << 63, 1 << 62]], np.uint64)
    >>> stream = Stream(words)
    >>> stream.below(10).tolist(), stream.below(10).tolist()
    ([5], [0])
    """

    def __init__(self, words: Callable[[int], Words]) -> None:
        self._words = words
        self._pair: Words | None = None
        self._taken = 0
        self._word: Words | None = None
        self._room = 0

    def below(self, n: int) -> Words:
        """Return integers in [0, n), n at most 2^40; what is left of a word serves the next draw."""
        if self._word is None or self._room * n > _ROOM:
            self._word, self._room = self._next(), 1
        drawn = mul_high(self._word, n)
        self._word = self._word * np.uint64(n)
        self._room *= n
        return drawn

    def word(self) -> Words:
        """Return a whole fresh word of 64 bits."""
        return self._next()

    def _next(self) -> Words:
        if self._taken % 2 == 0:
            self._pair = self._words(self._taken // 2)
        assert self._pair is not None, "set with the first word"
        word: Words = self._pair[:, self._taken % 2].copy()
        self._taken += 1
        return word


def stream(mask: Drawer, values: pa.Array, ctx: MaskContext, purpose: str = "") -> Stream:
    """Return draws for each value, or for its record where equal values need not be equal."""
    return Stream(lambda number: draw(mask, values, ctx, f"{purpose}{number}"))
