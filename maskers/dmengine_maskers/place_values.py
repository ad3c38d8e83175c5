"""Numbers as rows of small digits, each row of a base of its own, and back.

Neighbours of one base are put together, and taken apart, in pairs, all pairs at a time: that is few steps, most of them
in narrow integers, which numpy reckons with many at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from dmengine.spi import Words

Digits = npt.NDArray[np.uint8]
"""One row a position, the most significant first; one column a number."""
Numbers = npt.NDArray[np.unsignedinteger[Any]]


def joined(digits: Digits, bases: Sequence[int]) -> Words:
    """Read every column of digits as one number; the bases multiply to at most 2^64.

    >>> joined(np.array([[4, 9], [2, 7]], np.uint8), [10, 8]).tolist()
    [34, 79]
    """
    number: Words | None = None
    for base, start, stop in _runs(tuple(bases)):
        run = _joined(digits[start:stop], base).astype(np.uint64, copy=False)
        number = run if number is None else number * np.uint64(base ** (stop - start)) + run
    return np.zeros(digits.shape[1], np.uint64) if number is None else number


def spread(numbers: Numbers, bases: Sequence[int]) -> Digits:
    """Write each number, below the product of the bases, as a column of digits.

    >>> spread(np.array([34, 79], np.uint64), [10, 8]).tolist()
    [[4, 9], [2, 7]]
    """
    digits = np.empty((len(bases), len(numbers)), np.uint8)
    runs = _runs(tuple(bases))
    for base, start, stop in reversed(runs[1:]):
        size = np.uint64(base ** (stop - start))
        upper = numbers // size
        digits[start:stop] = _spread(numbers - upper * size, base, stop - start)
        numbers = upper
    base, start, stop = runs[0]
    digits[start:stop] = _spread(numbers, base, stop - start)
    return digits


@cache
def _runs(bases: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """Return each base that is the same for some neighbours, and where these begin and end."""
    found = []
    start = 0
    for base, run in groupby(bases):
        stop = start + len(list(run))
        found.append((base, start, stop))
        start = stop
    return tuple(found)


def _joined(digits: Digits, base: int) -> Numbers:
    numbers: Numbers = digits
    if len(digits) & (len(digits) - 1):  # zeros in front, so that there are pairs all the way
        numbers = np.zeros((1 << len(digits).bit_length(), digits.shape[1]), np.uint8)
        numbers[len(numbers) - len(digits) :] = digits
    weight = base
    while len(numbers) > 1:
        kind = _kind(weight * weight)
        pairs = numbers[0::2].astype(kind)
        pairs *= kind(weight)
        pairs += numbers[1::2]
        numbers, weight = pairs, weight * weight
    return np.asarray(numbers[0])


def _spread(numbers: Numbers, base: int, count: int) -> Digits:
    if count == 1:
        return numbers.astype(np.uint8)[None, :]
    rows = [count]
    while rows[-1] > 1:
        rows.append(-(-rows[-1] // 2))
    weights = [base]
    for _ in rows[2:]:
        weights.append(weights[-1] ** 2)
    found = numbers[None, :]
    for row, weight in zip(reversed(rows[:-1]), reversed(weights), strict=True):
        found = found.astype(_kind(weight * weight), copy=False)
        upper = found // found.dtype.type(weight)
        pairs = np.empty((2 * len(found), found.shape[1]), _kind(weight))
        pairs[0::2], pairs[1::2] = upper, found - upper * found.dtype.type(weight)
        found = pairs[len(pairs) - row :]
    return found


@cache
def _kind(size: int) -> type[np.unsignedinteger[Any]]:
    """Return the narrowest type that holds the numbers below a size."""
    kinds = (np.uint8, np.uint16, np.uint32)
    return next((kind for kind in kinds if size <= 1 << 8 * np.dtype(kind).itemsize), np.uint64)
