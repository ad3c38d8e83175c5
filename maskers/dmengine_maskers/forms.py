"""The forms of identifiers: which positions are free, and how they are permuted so that a number stays a valid one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Final

import numpy as np

from dmengine.ff1 import FF1
from dmengine.spi import Words
from dmengine_maskers.checksums import Check, pairs_at
from dmengine_maskers.mixed_bases import Permutation, permutation_of
from dmengine_maskers.place_values import joined, spread
from dmengine_maskers.symbols import SYMBOLS, Codes, Flags

_DIGITS: Final = SYMBOLS[:10]
_LETTERS: Final = SYMBOLS[10:]
_PATTERN: Final = {
    "n": _DIGITS, "a": _LETTERS, "c": SYMBOLS,
    "#": _DIGITS, "$": _DIGITS + "X", "@": _LETTERS,
    ".": _DIGITS, ",": _LETTERS, ":": SYMBOLS,
}  # fmt: skip
_NOT_FREE: Final = "#$@.,:"
_NO_INDEX: Final = 255
_FEW: Final = 8


@dataclass(frozen=True, slots=True)
class Form:
    """Which symbols each position takes, which positions are free, and what makes a number valid.

    Attributes:
        alphabets: The symbols of each position.
        free: The positions that change; the others stay, or are written by the checks.
        checks: Write the check digits, in this order, or say that there is no such number.
        has_letter: No number of this form is without a letter, so its case stays to be seen.
        tweak: Separates the permutation from those of other forms.
        joint: Free positions that take one of some texts together with the position behind them.
    """

    alphabets: tuple[str, ...]
    free: tuple[int, ...]
    checks: tuple[Check, ...] = ()
    has_letter: bool = False
    tweak: bytes = b""
    joint: Mapping[int, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def size(self) -> int:
        """How many values the free positions have."""
        return math.prod(self._sizes())

    def spelt(self, codes: Codes) -> Flags:
        """Say which values have the right symbols in all places, whatever their check digits."""
        spelt = np.ones(codes.shape[1], np.bool_)
        start = 0
        for alphabet, run in groupby(self.alphabets):
            stop = start + len(list(run))
            if alphabet != SYMBOLS:
                spelt &= _known(codes[start:stop], alphabet).all(axis=0)
                if not spelt.any():  # as where a first digit tells forms apart
                    return spelt
            start = stop
        for place, texts in self.joint.items():
            spelt &= _indexes_of_pairs(texts).take(pairs_at(codes, place)) != _NO_INDEX
        return spelt

    def fits(self, codes: Codes) -> Flags:
        """Say which values are valid numbers of this form."""
        fits = self.spelt(codes)
        whole = bool(fits.all())
        if not whole and not fits.any():
            return fits
        given = codes if whole else codes.compress(fits, axis=1)
        right = given.copy()
        valid = self.complete(right)
        valid &= (right == given).all(axis=0)
        if whole:
            return valid
        fits[fits] = valid
        return fits

    def complete(self, codes: Codes) -> Flags:
        """Write the check digits of spelt values in place, and say which values are then valid."""
        valid = np.ones(codes.shape[1], np.bool_)
        for check in self.checks:
            possible = check(codes)
            if possible is not None:
                valid &= possible
        return valid

    def permuted(self, codes: Codes, key: bytes) -> Codes:
        """Permute valid numbers among all valid ones of this form: FF1, again and again until one is valid."""
        permutation = permutation_of(self._sizes())
        cipher = FF1(key, permutation.radix, self.tweak)
        numbers = self._read(codes, permutation)
        result, rows = codes, np.arange(codes.shape[1])
        while True:
            numbers = permutation.apply(cipher, numbers)
            trial = codes.take(rows, axis=1) if len(rows) < codes.shape[1] else codes.copy()
            self._write(numbers, permutation, trial)
            invalid = ~self.complete(trial)
            if result is codes:
                result = trial
            else:
                result[:, rows] = trial
            if not invalid.any():
                return result
            rows, numbers = rows[invalid], [part[invalid] for part in numbers]

    def _sizes(self) -> tuple[int, ...]:
        return tuple(len(self.joint.get(place, self.alphabets[place])) for place in self.free)

    def _read(self, codes: Codes, permutation: Permutation) -> list[Words]:
        """Read the free symbols as numbers, one a chunk."""
        numbers = []
        for places, bases in self._chunks(permutation):
            if all(self.alphabets[place] == _DIGITS for place in places):
                digits = codes[places]
            else:
                digits = np.stack([self._digit(codes, place) for place in places])
            numbers.append(joined(digits, bases))
        return numbers

    def _write(self, numbers: Sequence[Words], permutation: Permutation, codes: Codes) -> None:
        for number, (places, bases) in zip(numbers, self._chunks(permutation), strict=True):
            for place, digits in zip(places, spread(number, bases), strict=True):
                if place in self.joint:
                    codes[place : place + 2] = _pairs_of(self.joint[place]).take(digits, axis=1)
                else:
                    codes[place] = _symbols(digits, self.alphabets[place])

    def _digit(self, codes: Codes, place: int) -> Codes:
        if place in self.joint:
            return np.asarray(_indexes_of_pairs(self.joint[place]).take(pairs_at(codes, place)))
        return _places(codes[place], self.alphabets[place])

    def _chunks(self, permutation: Permutation) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the places of each number, and how many values each of them has."""
        sizes = self._sizes()
        for chunk in permutation.chunks:
            yield [self.free[index] for index in chunk], [sizes[index] for index in chunk]


def form(
    pattern: str,
    *checks: Check,
    has_letter: bool = False,
    tweak: str = "",
    kept: str = "",
    joint: Mapping[int, tuple[str, ...]] | None = None,
    **alphabets: str,
) -> Form:
    """Write down a form.

    In the pattern n, a and c are a free digit, letter, or either; # is a check digit, $ one that may be X, @ a check
    letter; . , and : are a digit, letter, or either, that stays; a key of `alphabets` is a position with those
    symbols, free unless it is `kept`; any other sign stands for itself. `joint` gives what a position and the next
    spell together.

    >>> form("0ann#").free, form("0ann#").size
    ((1, 2, 3), 2600)
    """
    known = _PATTERN | alphabets
    spelled = tuple(known.get(sign, sign) for sign in pattern)
    joint = joint or {}
    free = tuple(
        place
        for place, sign in enumerate(pattern)
        if sign not in _NOT_FREE + kept and len(spelled[place]) > 1 and place - 1 not in joint
    )
    return Form(spelled, free, checks, has_letter, tweak.encode(), joint)


def _known(codes: Codes, alphabet: str) -> Flags:
    """Say which symbols are in an alphabet."""
    first, last, gaps = _run(alphabet)
    if gaps is None:
        return np.asarray(_places(codes, alphabet) < len(alphabet))
    known = codes - first <= last - first  # what is below the first symbol wraps around
    for gap in gaps:
        known &= codes != gap
    return np.asarray(known)


def _places(codes: Codes, alphabet: str) -> Codes:
    """Return the place of each symbol in an alphabet; of symbols that it lacks, anything."""
    first, _, gaps = _run(alphabet)
    if gaps is None:
        return np.asarray(_indexes(alphabet).take(codes))
    places = codes - first if first else codes
    for gap in gaps:
        places = places - (codes > gap)
    return np.asarray(places)


def _symbols(places: Codes, alphabet: str) -> Codes:
    first, _, gaps = _run(alphabet)
    if gaps is None:
        return np.asarray(_codes(alphabet).take(places))
    symbols = places + first if first else places
    for gap in gaps:
        symbols = symbols + (symbols >= gap)
    return np.asarray(symbols)


@cache
def _run(alphabet: str) -> tuple[np.uint8, np.uint8, tuple[np.uint8, ...] | None]:
    """Return the first and the last symbol of an alphabet in order, and the few between them that it lacks.

    Where it lacks many, or has no order, there are no such gaps (None), and a table is quicker than comparisons.
    """
    codes = [SYMBOLS.index(symbol) for symbol in alphabet]
    gaps = tuple(np.uint8(code) for code in range(codes[0], codes[-1]) if code not in codes)
    ordered = codes == sorted(codes) and len(gaps) <= _FEW
    return np.uint8(codes[0]), np.uint8(codes[-1]), gaps if ordered else None


@cache
def _indexes(alphabet: str) -> Codes:
    """The place of each of the 36 symbols in an alphabet."""
    table = np.full(len(SYMBOLS), _NO_INDEX, np.uint8)
    table[_codes(alphabet)] = np.arange(len(alphabet))
    return table


@cache
def _codes(alphabet: str) -> Codes:
    return np.array([SYMBOLS.index(symbol) for symbol in alphabet], np.uint8)


@cache
def _pairs_of(texts: tuple[str, ...]) -> Codes:
    return np.ascontiguousarray(np.array([[SYMBOLS.index(symbol) for symbol in text] for text in texts], np.uint8).T)


@cache
def _indexes_of_pairs(texts: tuple[str, ...]) -> Codes:
    table = np.full(len(SYMBOLS) ** 2, _NO_INDEX, np.uint8)
    first, second = _pairs_of(texts).astype(np.int64)
    table[first * len(SYMBOLS) + second] = np.arange(len(texts))
    return table
