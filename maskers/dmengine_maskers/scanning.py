"""Where digits and other signs stand in a block of texts, found in one pass over its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from dmengine_maskers.blocks import Block, Flags, Places

CACHED_BYTES: Final = 1 << 17
"""Few enough that what is made of them stays in the cache."""

_NEAR: Final = 32
_FAR: Final = np.int64(1 << 62)
_ZERO: Final = np.uint8(ord("0"))
_NO_SIGN: Final = 0x80  # no whole character of UTF-8 begins with it


@cache
def table_of(characters: bytes) -> Flags:
    """Return, for each byte, whether it is one of these."""
    table = np.zeros(256, np.bool_)
    table[list(characters)] = True
    return table


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of digits, in order; none goes over the end of a value.

    Attributes:
        starts: Where they begin.
        stops: Where they end.
        gaps: How many bytes are between each and the next one of its value; very many where there is none.
    """

    starts: Places
    stops: Places
    gaps: Places

    @property
    def sizes(self) -> Places:
        """How many digits each has."""
        return self.stops - self.starts

    def __len__(self) -> int:
        return len(self.starts)


class Scan:
    """A block of texts, and what was found out about it so far; so many bytes are looked at together."""

    def __init__(self, block: Block, at_once: int = CACHED_BYTES) -> None:
        self.block = block
        self._at_once = at_once
        self._places: dict[bytes, Places] = {}
        self._runs: Runs | None = None

    @property
    def runs(self) -> Runs:
        """The runs of digits.

        >>> import pyarrow as pa
        >>> runs = Scan(Block.of(pa.array(["a 12 3", "45"]))).runs
        >>> runs.starts.tolist(), runs.stops.tolist(), runs.gaps.tolist()[0]
        ([2, 5, 6], [4, 6, 8], 1)
        """
        if self._runs is None:
            self._runs = _runs(self.block, self._at_once)
        return self._runs

    def places(self, signs: bytes) -> Places:
        """Return where any of these bytes is."""
        if signs not in self._places:
            found = [np.flatnonzero(_is_any(part, signs)) + at for at, part in self._parts()]
            self._places[signs] = np.concatenate(found) if found else np.zeros(0, np.int64)
        return self._places[signs]

    def at(self, places: Places) -> npt.NDArray[np.uint8]:
        """Return the bytes there; what is before the first or after the last one is a sign that no text has."""
        content = self.block.content
        inside = (places >= 0) & (places < len(content))
        if inside.all():
            return content.take(places)
        return np.where(inside, content.take(places, mode="clip") if len(content) else 0, _NO_SIGN).astype(np.uint8)

    def joined(self, signs: bytes, most: int = 1) -> Flags:
        """Say which runs have only these signs between them and the next one, and at most so many."""
        runs, table = self.runs, table_of(signs)
        joined = runs.gaps <= most
        some = np.flatnonzero(joined)
        right = np.ones(len(some), np.bool_)
        for place in range(most):
            right &= (runs.gaps[some] <= place) | table.take(self.at(runs.stops[some] + place))
        joined[some] = right
        return joined

    def stretches(self, at: Places, breaks: Flags) -> tuple[Places, Places]:
        """Return the longest stretch around each place, within its value, that has no byte which breaks it."""
        rows = self.block.row_of(at)
        low, high = self.block.ends[rows], self.block.ends[rows + 1]
        if len(at) * 2 * _NEAR > len(self.block.content):
            starts, stops = self._far(at, breaks)
        else:
            starts, stops = self._near(at, breaks)
            far = ((starts == at - _NEAR) & (starts > low)) | ((stops == at + _NEAR) & (stops < high))
            if far.any():
                starts[far], stops[far] = self._far(at[far], breaks)
        return np.maximum(starts, low), np.minimum(stops, high)

    def _near(self, at: Places, breaks: Flags) -> tuple[Places, Places]:
        """Look at a few bytes on both sides of each place."""
        edge = np.zeros(_NEAR, np.uint8)
        every = np.lib.stride_tricks.sliding_window_view(np.concatenate([edge, self.block.content, edge]), _NEAR)
        # the last column is as far as it looks: a break, whether there is one or not
        before = np.pad(breaks.take(every[at])[:, ::-1], ((0, 0), (0, 1)), constant_values=True)
        behind = np.pad(breaks.take(every[at + _NEAR]), ((0, 0), (0, 1)), constant_values=True)
        return at - before.argmax(axis=1), at + behind.argmax(axis=1)

    def _far(self, at: Places, breaks: Flags) -> tuple[Places, Places]:
        """Look at all bytes of the block."""
        found = [np.flatnonzero(breaks.take(part)) + place for place, part in self._parts()]
        framed = np.concatenate([[-1], *found, [len(self.block.content)]])
        following = np.searchsorted(framed, at)
        return framed[following - 1] + 1, framed[following]

    def _parts(self) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        for at in range(0, len(self.block.content), self._at_once):
            yield at, self.block.content[at : at + self._at_once]


def _is_any(content: npt.NDArray[np.uint8], signs: bytes) -> Flags:
    found: Flags = content == signs[0]
    for sign in signs[1:]:
        found |= content == sign
    return found


def _is_digit(content: npt.NDArray[np.uint8]) -> Flags:
    digit: Flags = content - _ZERO < 10
    return digit


def _runs(block: Block, at_once: int) -> Runs:
    edges = [_edges(block.content, at, at_once) for at in range(0, len(block.content), at_once)]
    turns = np.concatenate(edges) if edges else np.zeros(0, np.int64)
    if len(turns) % 2:
        turns = np.append(turns, len(block.content))
    starts, stops = turns[0::2], turns[1::2]
    between = block.ends[(block.ends > 0) & (block.ends < len(block.content))]
    split = between[_is_digit(block.content.take(between - 1)) & _is_digit(block.content.take(between))]
    if len(split):
        split = split[np.append(True, split[1:] != split[:-1])]  # an empty value ends where the one before does
        starts, stops = np.sort(np.concatenate([starts, split])), np.sort(np.concatenate([stops, split]))
    gaps = np.append(starts[1:], _FAR)[: len(starts)] - stops
    last = np.searchsorted(starts, block.ends[1:]) - 1
    gaps[last[last >= 0]] = _FAR
    return Runs(starts, stops, gaps)


def _edges(content: npt.NDArray[np.uint8], at: int, at_once: int) -> Places:
    """Return where digits begin and end in a part of the bytes."""
    before = max(at - 1, 0)
    digit = _is_digit(content[before : at + at_once])
    turns = np.flatnonzero(digit[1:] != digit[:-1]) + before + 1
    return np.concatenate([[0], turns]) if at == 0 and digit[0] else turns
