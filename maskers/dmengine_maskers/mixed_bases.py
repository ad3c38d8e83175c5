"""Permutations of numbers whose digits have different bases, of any size, by FF1."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmengine.ff1 import FF1
from dmengine.ff1.numerals import numbers_of, write_digits
from dmengine.spi import Words

_WORD: Final = 1 << 64
_HALF: Final = 1 << 63
_RADIXES: Final = range(10, 257)
_LARGEST: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Permutation:
    """How the values of free positions become numbers that FF1 takes: one below 2^64, two halves, or several.

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
        result = again = self._enciphered(cipher, numbers)
        rows = np.flatnonzero(self._outside(result))
        again = [number[rows] for number in again]
        while rows.size:
            again = self._enciphered(cipher, again)
            for number, part in zip(result, again, strict=True):
                number[rows] = part
            outside = self._outside(again)
            rows, again = rows[outside], [number[outside] for number in again]
        return result

    def _enciphered(self, cipher: FF1, numbers: list[Words]) -> list[Words]:
        if self._are_halves():
            return list(cipher.encrypt_halves(numbers[0], numbers[1], sum(self.lengths)))
        digits = np.empty((len(numbers[0]), sum(self.lengths)), np.uint8)
        spans = list(pairwise(accumulate(self.lengths, initial=0)))
        for number, (start, stop) in zip(numbers, spans, strict=True):
            write_digits(number.copy(), self.radix, digits[:, start:stop])
        digits = cipher.encrypt_digits(digits).astype(np.uint8, copy=False)
        return [numbers_of(digits[:, start:stop], self.radix) for start, stop in spans]

    def _are_halves(self) -> bool:
        two = len(self.lengths) == 2 and self.lengths[0] == sum(self.lengths) // 2
        return two and self.radix ** self.lengths[1] < _HALF

    def _outside(self, numbers: list[Words]) -> npt.NDArray[np.bool_]:
        outside = np.zeros(len(numbers[0]), np.bool_)
        for number, size in zip(numbers, self.sizes, strict=True):
            outside |= number >= np.uint64(size)
        return outside


@cache
def permutation_of(sizes: tuple[int, ...]) -> Permutation:
    """Choose the permutation for free positions of these sizes.

    >>> permutation_of((10,) * 9).sizes
    (1000000000,)
    >>> wide = permutation_of((26,) * 4 + (10,) * 14)
    >>> wide.sizes, wide.radix, wide.lengths
    ((6760000000, 6760000000), 1891, (3, 3))
    """
    if math.prod(sizes) <= _WORD:
        return Permutation((tuple(range(len(sizes))),), (math.prod(sizes),))
    halves = min(_halves(sizes), default=None)
    return _several(sizes) if halves is None else halves.permutation(sizes)


class _Halves(NamedTuple):
    """Two halves, the better the less they waste, and then the smaller the radix is: 10 where all are digits."""

    waste: float
    radix: int
    length: int
    left: tuple[tuple[int, int], ...]  # how many positions of each size the first half has

    def permutation(self, sizes: tuple[int, ...]) -> Permutation:
        wanted = dict(self.left)
        chunks: tuple[list[int], list[int]] = ([], [])
        for place, size in enumerate(sizes):
            chunks[0 if wanted[size] > 0 else 1].append(place)
            wanted[size] -= 1
        parts = tuple(math.prod(sizes[place] for place in chunk) for chunk in chunks)
        lengths = self.length // 2, self.length - self.length // 2
        return Permutation((tuple(chunks[0]), tuple(chunks[1])), parts, self.radix, lengths)


def _halves(sizes: tuple[int, ...]) -> Iterator[_Halves]:
    """Yield ways to share positions out among two halves that FF1 takes as two numbers below 2^63."""
    counts = {size: sizes.count(size) for size in sorted(set(sizes))}
    whole = math.prod(sizes)
    for share in itertools.product(*(range(count + 1) for count in counts.values())):
        left = math.prod(size**count for size, count in zip(counts, share, strict=True))
        right = whole // left
        if right >= _HALF or left > right:
            continue
        for length in range(2, 128):
            radix = max(_root(left, length // 2), _root(right, length - length // 2))
            if radix < min(_RADIXES):
                break
            if radix <= _LARGEST and radix ** (length - length // 2) < _HALF:
                yield _Halves(radix**length / whole, radix, length, tuple(zip(counts, share, strict=True)))


def _several(sizes: tuple[int, ...]) -> Permutation:
    chunks: list[list[int]] = []
    for place in sorted(range(len(sizes)), key=lambda place: sizes[place]):
        size = sizes[place]
        if chunks and sizes[chunks[-1][0]] == size and size ** (len(chunks[-1]) + 1) <= _HALF:
            chunks[-1].append(place)
        else:
            chunks.append([place])
    parts = tuple(math.prod(sizes[place] for place in chunk) for chunk in chunks)
    fitting = (radix for radix in _RADIXES if all(radix ** _length(part, radix) <= _WORD for part in parts))
    radix = min(fitting, key=lambda radix: _waste(parts, radix))
    return Permutation(tuple(map(tuple, chunks)), parts, radix, tuple(_length(part, radix) for part in parts))


def _waste(sizes: Iterable[int], radix: int) -> float:
    """How many times FF1 is to be run for a number, on average: 1 where every spelling is one."""
    return float(math.prod(radix ** _length(size, radix) / size for size in sizes))


def _length(size: int, radix: int) -> int:
    length = 1
    while radix**length < size:
        length += 1
    return length


def _root(size: int, length: int) -> int:
    """Return the least radix that spells so many numbers in so many digits.

    >>> _root(6760000000, 3), _root(1000, 3), _root(1001, 3)
    (1891, 10, 11)
    """
    root: int = max(round(size ** (1 / length)) - 1, 1)
    while root**length < size:
        root += 1
    return root
