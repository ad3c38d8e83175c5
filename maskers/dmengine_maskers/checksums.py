"""Check digits of identifiers, written for a whole column at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from dmengine_maskers.symbols import SYMBOLS, Codes, Flags

Check = Callable[[Codes], Flags | None]
"""Writes the check digits of each value in place, and says for which values that can be done: None is for all."""

Residues = npt.NDArray[np.unsignedinteger[Any]]
W = TypeVar("W", bound=np.unsignedinteger[Any])

DIGITS: Final = tuple("0123456789")
_DOUBLED: Final = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9] + [0] * 26, np.uint8)
_FEW: Final = 4_096
_LONGEST_LUHN: Final = 28  # nines of that many digits sum up to a byte
_HALVED: Final = np.argsort(_DOUBLED[:10]).astype(np.uint8)

_TURN: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)  # J. Verhoeff, Error Detecting Decimal Codes (1969)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A weighted sum of the symbols, modulo a number, spelled at a position.

    `spelled` gives the symbols of each residue; an empty one says that there are none, and no such number.
    `worth` gives what each of the 36 symbols counts, where that is not its code.

    >>> codes = np.array([[9], [4], [3], [4], [7], [6], [5], [9], [1], [0]], np.uint8)  # an NHS number
    >>> balanced(range(10, 0, -1), 11)(codes).tolist(), codes[-1].tolist()
    ([True], [9])
    """

    weights: tuple[int, ...]
    modulus: int
    spelled: tuple[str, ...]
    at: int
    worth: tuple[int, ...] | None = None

    def __call__(self, codes: Codes) -> Flags | None:
        """Write the check digits."""
        residue = self.residues(codes)
        symbols, exists = _spelling(self.spelled)
        for place, row in enumerate(symbols, self.at):
            codes[place] = row.take(residue)
        return None if exists.all() else exists.take(residue)

    def residues(self, codes: Codes) -> Residues:
        """Return the sum of each value, modulo the modulus."""
        return remainder(
            weighted_sum(codes, [weight % self.modulus for weight in self.weights], self.worth), self.modulus
        )


def weighted_sum(codes: Codes, weights: Sequence[int], worth: tuple[int, ...] | None = None) -> Residues:
    """Return the sum of the symbols, each times its weight.

    >>> weighted_sum(np.array([[1], [2], [3]], np.uint8), (3, 0, 10)).tolist()
    [33]
    """
    most = max(worth) if worth is not None else len(SYMBOLS) - 1
    kind: type[np.unsignedinteger[Any]] = np.uint16 if most * sum(weights) < 1 << 16 else np.uint32
    plain = worth is None or worth[:10] == tuple(range(10))
    if worth is None and codes.shape[1] <= _FEW:  # few steps over all places
        all_counted: Residues = codes.astype(kind)
        all_counted *= np.array(weights, kind)[:, None]
        return np.asarray(all_counted.sum(axis=0, dtype=kind))
    total: Residues = np.zeros(codes.shape[1], kind)
    for weight, row in zip(weights, codes, strict=True):
        if weight:
            as_is = worth is None or (plain and int(row.max(initial=0)) < 10)
            counted: Residues = (row if worth is None or as_is else _worth(worth).take(row)).astype(kind)
            if weight != 1:
                counted *= kind(weight)
            total += counted
    return total


def balanced(
    weights: Iterable[int], modulus: int, *, digits: str = "0123456789", worth: tuple[int, ...] | None = None
) -> Weighted:
    """Return the check of numbers whose weighted sum is 0: the last symbol makes it so."""
    *others, last = weights
    spelled = [""] * modulus
    for digit, symbol in enumerate(digits[:modulus]):
        spelled[-digit * last % modulus] = symbol
    return Weighted((*others, 0), modulus, tuple(spelled), len(others), worth)


def powers(digits: range, checks: int, modulus: int, base: int = 10) -> tuple[int, ...]:
    """Return weights that read the digits at some positions as one number, and then leave `checks` positions out.

    >>> powers(range(1, 4), 2, 97)
    (0, 3, 10, 1, 0, 0)
    """
    places = [base ** (len(digits) - 1 - place) % modulus for place in range(len(digits))]
    return (*[0] * digits.start, *places, *[0] * checks)


@dataclass(frozen=True, slots=True)
class Luhn:
    """The check digit of cards (ISO/IEC 7812-1), at any position: the last, or what makes up for kept last digits.

    >>> codes = np.array([[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 0]], np.uint8).T
    >>> Luhn()(codes), codes[-1].tolist()
    (None, [3])
    """

    at: int = -1

    def __call__(self, codes: Codes) -> Flags | None:
        """Write the check digit."""
        length = len(codes)
        at = self.at % length
        total: Residues = np.zeros(codes.shape[1], np.uint8 if length <= _LONGEST_LUHN else np.uint32)
        for place, row in enumerate(codes):
            if place != at:
                # every other digit doubled, less 9 where that has two digits
                total += row + row - (row > 4) * np.uint8(9) if (length - place) % 2 == 0 else row
        missing = remainder(10 - remainder(total, 10), 10).astype(np.uint8)
        codes[at] = _HALVED.take(missing) if (length - at) % 2 == 0 else missing
        return None


@dataclass(frozen=True, slots=True)
class Within:
    """A check of some of the positions.

    >>> codes = np.array([[5, 1, 8, 0]], np.uint8).T
    >>> Within(1, 4, Luhn())(codes), codes[:, 0].tolist()
    (None, [5, 1, 8, 2])
    """

    start: int
    stop: int
    check: Check

    def __call__(self, codes: Codes) -> Flags | None:
        """Write the check digits."""
        return self.check(codes[self.start : self.stop])


@dataclass(frozen=True, slots=True)
class Fails:
    """Holds where other checks do not all hold: for numbers whose check digits are not in use everywhere."""

    checks: tuple[Check, ...]

    def __call__(self, codes: Codes) -> Flags | None:
        """Write nothing."""
        right = codes.copy()
        holds = np.ones(codes.shape[1], np.bool_)
        for check in self.checks:
            possible = check(right)
            if possible is not None:
                holds &= possible
        return np.asarray(~(holds & (right == codes).all(axis=0)))


@dataclass(frozen=True, slots=True)
class NonZero:
    """Holds where the digits from `start` to `stop` are not all zero."""

    start: int
    stop: int

    def __call__(self, codes: Codes) -> Flags | None:
        """Write nothing."""
        return np.asarray(codes[self.start : self.stop].any(axis=0))


@dataclass(frozen=True, slots=True)
class SomeLetter:
    """Holds where one of these positions has a letter, so that numbers with letters keep some."""

    places: tuple[int, ...]

    def __call__(self, codes: Codes) -> Flags | None:
        """Write nothing."""
        return np.asarray((codes[list(self.places)] > 9).any(axis=0))


@dataclass(frozen=True, slots=True)
class NoneOf:
    """Holds where the symbols at `start` are none of these texts, all of one length."""

    start: int
    texts: tuple[str, ...]

    def __call__(self, codes: Codes) -> Flags | None:
        """Write nothing."""
        found = np.zeros(codes.shape[1], np.bool_)
        for text in self.texts:
            here = np.ones(codes.shape[1], np.bool_)
            for place, symbol in enumerate(text, self.start):
                here &= codes[place] == SYMBOLS.index(symbol)
            found |= here
        return np.asarray(~found)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Holds where the two symbols at `start` are one of these texts."""

    start: int
    texts: tuple[str, ...]

    def __call__(self, codes: Codes) -> Flags | None:
        """Write nothing."""
        return _pairs(self.texts).take(pairs_at(codes, self.start))


def pairs_at(codes: Codes, start: int) -> npt.NDArray[np.uint16]:
    """Return the two symbols at a position as one number in base 36."""
    pairs: npt.NDArray[np.uint16] = codes[start].astype(np.uint16)
    pairs *= np.uint16(len(SYMBOLS))
    pairs += codes[start + 1]
    return pairs


def number_at(codes: Codes) -> npt.NDArray[np.uint64]:
    """Return symbols as one number in base 36."""
    number = np.zeros(codes.shape[1], np.uint64)
    for row in codes:
        number *= np.uint64(len(SYMBOLS))
        number += row
    return number


def number_of(text: str) -> int:
    """Return a text as a number in base 36."""
    return int(text, len(SYMBOLS))


def verhoeff(codes: Codes) -> Flags | None:
    """Write the last digit by Verhoeff's scheme.

    >>> codes = np.array([[2, 3, 6, 0]], np.uint8).T
    >>> verhoeff(codes), codes[-1].tolist()
    (None, [3])
    """
    product, turned, inverse = _verhoeff_tables()
    state = np.zeros(codes.shape[1], np.uint8)
    for place, row in enumerate(codes[-2::-1], 1):
        state = product.take(state * np.uint8(10) + turned[place % 8].take(row))
    codes[-1] = inverse.take(state)
    return None


def mod_97_10(codes: Codes) -> Flags | None:
    """Write the check digits of an IBAN (ISO 7064, MOD 97-10) at its third and fourth position.

    >>> codes = np.array([[SYMBOLS.index(symbol) for symbol in "GB00WEST12345698765432"]], np.uint8).T
    >>> mod_97_10(codes), codes[2:4, 0].tolist()
    (None, [8, 2])
    """
    symbols = np.concatenate([codes[4:], codes[:2]])
    letters = symbols > 9
    some: list[bool] = np.asarray(letters.any(axis=1)).tolist()
    whole: list[bool] = np.asarray(letters.all(axis=1)).tolist()
    rest = _same_97(symbols, some) if some == whole else _mixed_97(symbols, letters, some)
    check = np.uint16(98) - remainder(rest * np.uint16(100), 97)
    tens = check // np.uint16(10)
    codes[2], codes[3] = tens, check - tens * np.uint16(10)
    return None


def _same_97(symbols: Codes, letters: Sequence[bool]) -> npt.NDArray[np.uint16]:
    """Return numbers modulo 97, where letters count as two digits, and the same places are letters in all of them."""
    weights = [1]
    for letter in reversed(letters[1:]):
        weights.append(weights[-1] * (100 if letter else 10) % 97)
    return remainder(weighted_sum(symbols, weights[::-1]), 97).astype(np.uint16)


def _mixed_97(symbols: Codes, letters: Flags, some: Sequence[bool]) -> npt.NDArray[np.uint16]:
    rest = np.zeros(symbols.shape[1], np.uint64)
    for place, row in enumerate(symbols):
        rest *= np.where(letters[place], np.uint64(100), np.uint64(10)) if some[place] else np.uint64(10)
        rest += row
        if place % 8 == 7:  # 97 times 100 to the eighth fits into 64 bits
            rest = remainder(rest, 97)
    return remainder(rest, 97).astype(np.uint16)


def remainder(numbers: npt.NDArray[W], modulus: int) -> npt.NDArray[W]:
    """Return numbers % modulus, by the division that numpy is quick at."""
    divisor = numbers.dtype.type(modulus)
    return np.asarray(numbers - numbers // divisor * divisor)


@cache
def _spelling(spelled: tuple[str, ...]) -> tuple[Codes, Flags]:
    """The codes of each symbol of each residue, and which residues have any."""
    width = max(map(len, spelled))
    filled = [text or "0" * width for text in spelled]
    codes = np.array([[SYMBOLS.index(symbol) for symbol in text] for text in filled], np.uint8).T
    return np.ascontiguousarray(codes), np.array([bool(text) for text in spelled])


@cache
def _worth(worth: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    return np.array(worth, np.uint16)


@cache
def _pairs(texts: tuple[str, ...]) -> Flags:
    table = np.zeros(len(SYMBOLS) ** 2, np.bool_)
    table[list(map(number_of, texts))] = True
    return table


@cache
def _verhoeff_tables() -> tuple[Codes, Codes, Codes]:
    product = np.empty((10, 10), np.uint8)  # of the dihedral group D5
    for left in range(10):
        for right in range(10):
            turn = -1 if left > 4 else 1
            product[left, right] = (left + turn * right) % 5 + 5 * ((left > 4) != (right > 4))
    turned = [list(range(10))]
    for _ in range(7):
        turned.append([turned[-1][digit] for digit in _TURN])
    return product.reshape(-1), np.array(turned, np.uint8), np.argmin(product, axis=1).astype(np.uint8)
