"""Finds any of a million needles in bytes, in one pass of numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

WINDOW = 8
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_BITS = 22
_SLICE = 8 << 20

Words = npt.NDArray[np.uint64]


class Matcher:
    """Needles of eight bytes or more, found by their first eight.

    >>> list(Matcher([b"needle-01", b"needle-02"]).find(b"hay needle-02 hay"))
    [(4, b'needle-02')]
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._needles = sorted(set(needles), key=lambda needle: needle[:WINDOW][::-1])  # as little-endian words sort
        short = [needle for needle in self._needles if len(needle) < WINDOW]
        if short:
            raise ValueError(f"{len(short)} needles are shorter than {WINDOW} bytes")
        heads = b"".join(needle[:WINDOW] for needle in self._needles)
        self._words = np.frombuffer(heads, "<u8").astype(np.uint64)
        self._known = np.zeros(1 << _BITS, np.bool_)
        self._known[_slots(self._words)] = True

    def find(self, hay: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield where a needle is, and the needle."""
        for start in range(0, max(len(hay) - WINDOW + 1, 0), _SLICE):
            piece = hay[start : start + _SLICE + WINDOW - 1]
            for place in self._candidates(piece):
                yield from self._confirmed(hay, start + place)

    def _candidates(self, hay: bytes) -> Iterator[int]:
        """Yield the places whose eight bytes begin some needle; each of the eight phases is one array of words."""
        for phase in range(min(WINDOW, len(hay) - WINDOW + 1)):
            words = np.frombuffer(hay, "<u8", (len(hay) - phase) // WINDOW, phase)
            maybe = np.flatnonzero(self._known[_slots(words)])
            if len(maybe):
                near = np.searchsorted(self._words, words[maybe])
                found = self._words[np.minimum(near, len(self._words) - 1)] == words[maybe]
                yield from (maybe[found] * WINDOW + phase).tolist()

    def _confirmed(self, hay: bytes, place: int) -> Iterator[tuple[int, bytes]]:
        word = np.uint64(int.from_bytes(hay[place : place + WINDOW], "little"))
        first, last = np.searchsorted(self._words, word, "left"), np.searchsorted(self._words, word, "right")
        for needle in self._needles[first:last]:
            if hay.startswith(needle, place):
                yield place, needle


def _slots(words: Words) -> npt.NDArray[np.int64]:
    mixed: npt.NDArray[np.int64] = ((words * _SPREAD) >> np.uint64(64 - _BITS)).astype(np.int64)
    return mixed
