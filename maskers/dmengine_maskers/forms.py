"""The forms of identifiers: which positions are free, and how they are permuted so that a number stays a valid one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from dmengine.ff1 import FF1
from dmengine.ff1.numerals import numbers_of, write_digits
from dmengine.spi import Words
from dmengine_maskers.checksums import Check
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
_WORD: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Form:
    """Which symbols each position takes, which positions are free, and what makes a number valid.

    Attributes:
        alphabets: The symbols of each position.
        free: The positions that change; the others stay, or are written by the checks.
        checks: Write the check digits, in this order, or say that there is no such number.
        has_letter: No number of this form is without a letter, so its case stays to be seen.
        tweak: Separates the permutation from those of other forms.
    """

    alphabets: tuple[str, ...]
    free: tuple[int, ...]
    checks: tuple[Check, ...] = ()
    has_letter: bool = False
    tweak: bytes = b""

    @property
    def size(self) -> int:
        """How many values the free positions have."""
        return math.prod(self._sizes())

    def spelt(self, codes: Codes) -> Flags:
        """Say which values have the right symbols in all places, whatever their check digits."""
        spelt = np.ones(codes.shape[1], np.bool_)
        for row, alphabet in zip(codes, self.alphabets, strict=True):
            if alphabet != SYMBOLS:
                spelt &= _places(row, alphabet) < len(alphabet)
        return spelt

    def fits(self, codes: Codes) -> Flags:
        """Say which values are valid numbers of this form."""
        fits = self.spelt(codes)
        whole = bool(fits.all())
        given = codes if whole else codes[:, fits]
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
            trial = codes[:, rows] if len(rows) < codes.shape[1] else codes.copy()
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
        return tuple(len(self.alphabets[place]) for place in self.free)

    def _read(self, codes: Codes, permutation: Permutation) -> list[Words]:
        """Read the free symbols as numbers, one a chunk."""
        numbers = []
        for chunk in permutation.chunks:
            number = np.zeros(codes.shape[1], np.uint64)
            for place in (self.free[index] for index in chunk):
                number *= np.uint64(len(self.alphabets[place]))
                number += _places(codes[place], self.alphabets[place])
            numbers.append(number)
        return numbers

    def _write(self, numbers: Sequence[Words], permutation: Permutation, codes: Codes) -> None:
        for number, chunk in zip(numbers, permutation.chunks, strict=True):
            left = number
            for place in (self.free[index] for index in reversed(chunk)):
                alphabet = self.alphabets[place]
                rest = left // np.uint64(len(alphabet))
                index = (left - rest * np.uint64(len(alphabet))).astype(np.uint8)
                codes[place] = _symbols(index, alphabet)
                left = rest


def form(
    pattern: str, *checks: Check, has_letter: bool = False, tweak: str = "", kept: str = "", **alphabets: str
) -> Form:
    """Write down a form.

    In the pattern n, a and c are a free digit, letter, or either; # is a check digit, $ one that may be X, @ a check
    letter; . , and : are a digit, letter, or either, that stays; a key of `alphabets` is a position with those
    symbols, free unless it is `kept`; any other sign stands for itself.

    >>> form("0ann#").free, form("0ann#").size
    ((1, 2, 3), 2600)
    """
    known = _PATTERN | alphabets
    spelled = tuple(known.get(sign, sign) for sign in pattern)
    free = tuple(
        place for place, sign in enumerate(pattern) if sign not in _NOT_FREE + kept and len(spelled[place]) > 1
    )
    return Form(spelled, free, checks, has_letter, tweak.encode())


@dataclass(frozen=True, slots=True)
class Permutation:
    """How the values of free positions become numbers that FF1 takes: one below 2^64, or several spelled together.

    Attributes:
        chunks: The free positions that each number takes up, by their order.
        sizes: What each number is below.
        radix: The radix that several numbers are spelled in.
        lengths: How many digits each of them has there.
    """

    chunks: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    radix: int = 10
    lengths: tuple[int, ...] = ()

    def apply(self, cipher: FF1, numbers: list[Words]) -> list[Words]:
        """Encipher numbers, and again where one is not below its size (cycle walking)."""
        if not self.lengths:
            return [cipher.encrypt_integers(numbers[0], self.sizes[0])]
        digits = np.empty((len(numbers[0]), sum(self.lengths)), np.uint8)
        for number, (start, stop) in zip(numbers, self._spans(), strict=True):
            write_digits(number.copy(), self.radix, digits[:, start:stop])
        digits = cipher.encrypt_digits(digits).astype(np.uint8, copy=False)
        result = self._numbers(digits)
        rows = np.flatnonzero(self._outside(result))
        digits = digits[rows]
        while rows.size:
            digits = cipher.encrypt_digits(digits).astype(np.uint8, copy=False)
            again = self._numbers(digits)
            for number, part in zip(result, again, strict=True):
                number[rows] = part
            outside = self._outside(again)
            rows, digits = rows[outside], digits[outside]
        return result

    def _numbers(self, digits: Codes) -> list[Words]:
        return [numbers_of(digits[:, start:stop], self.radix) for start, stop in self._spans()]

    def _outside(self, numbers: list[Words]) -> Flags:
        outside = np.zeros(len(numbers[0]), np.bool_)
        for number, size in zip(numbers, self.sizes, strict=True):
            outside |= number >= np.uint64(size)
        return outside

    def _spans(self) -> Iterable[tuple[int, int]]:
        return pairwise(accumulate(self.lengths, initial=0))


@cache
def permutation_of(sizes: tuple[int, ...]) -> Permutation:
    """Choose the permutation for free positions of these sizes.

    >>> permutation_of((10,) * 9).sizes
    (1000000000,)
    >>> wide = permutation_of((26,) * 4 + (10,) * 14)
    >>> wide.sizes, wide.radix, wide.lengths
    ((100000000000000, 456976), 26, (10, 4))
    """
    if math.prod(sizes) <= _WORD:
        return Permutation((tuple(range(len(sizes))),), (math.prod(sizes),))
    chunks: list[list[int]] = []
    for place in sorted(range(len(sizes)), key=lambda place: sizes[place]):
        size = sizes[place]
        if chunks and sizes[chunks[-1][0]] == size and size ** (len(chunks[-1]) + 1) <= _WORD // 2:
            chunks[-1].append(place)
        else:
            chunks.append([place])
    parts = tuple(math.prod(sizes[place] for place in chunk) for chunk in chunks)
    radix = min(range(10, 257), key=lambda radix: _waste(parts, radix))
    return Permutation(tuple(map(tuple, chunks)), parts, radix, tuple(_length(part, radix) for part in parts))


def _waste(sizes: tuple[int, ...], radix: int) -> float:
    """How many times FF1 is to be run for a number, on average: 1 where every spelling is one."""
    return float(math.prod(radix ** _length(size, radix) for size in sizes) / math.prod(sizes))


def _length(size: int, radix: int) -> int:
    length = 1
    while radix**length < size:
        length += 1
    return length


def _places(codes: Codes, alphabet: str) -> Codes:
    """Return the place of each symbol in an alphabet, and its length or more for symbols that it lacks."""
    if alphabet in SYMBOLS:  # a run, such as digits or letters: what is below its first symbol wraps around
        return np.asarray(codes - _codes(alphabet)[0])
    return np.asarray(_indexes(alphabet).take(codes))


def _symbols(places: Codes, alphabet: str) -> Codes:
    if alphabet in SYMBOLS:
        return np.asarray(places + _codes(alphabet)[0])
    return np.asarray(_codes(alphabet).take(places))


@cache
def _indexes(alphabet: str) -> Codes:
    """The place of each of the 36 symbols in an alphabet."""
    table = np.full(len(SYMBOLS), _NO_INDEX, np.uint8)
    table[_codes(alphabet)] = np.arange(len(alphabet))
    return table


@cache
def _codes(alphabet: str) -> Codes:
    return np.array([SYMBOLS.index(symbol) for symbol in alphabet], np.uint8)
