"""Texts grouped by where their digits stand, so that the digits of a group are columns of a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import positions
from dmengine.spi import Positions

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

MOST: Final = 64
"""Shapes beyond which to group by them does not pay."""

_ZERO: Final = np.uint8(ord("0"))


@dataclass(frozen=True, slots=True)
class Shape:
    """Texts of one length, with digits at the same places.

    Attributes:
        rows: Which texts; None where it is all of them.
        text: Their bytes, a row each.
        places: Where the digits are.
    """

    rows: Positions | None
    text: Bytes
    places: Positions

    def digits(self, start: int, stop: int) -> Bytes:
        """Return the digits from the one to the other, as numbers."""
        digits = np.empty((len(self.text), stop - start), np.uint8)
        for place in range(start, stop):
            np.subtract(self.text[:, self.places[place]], _ZERO, out=digits[:, place - start])
        return digits

    def put(self, digits: Bytes, start: int, out: Bytes, starts: Positions) -> None:
        """Write digits in the places from `start` on, where these texts lie in the column."""
        if self.rows is None:
            matrix = out.reshape(self.text.shape)
            for place, column in enumerate(digits.T, start):
                np.add(column, _ZERO, out=matrix[:, self.places[place]])
            return
        begins = starts[self.rows]
        for place, column in enumerate(digits.T, start):
            out[begins + self.places[place]] = column + _ZERO


def shapes_of(content: Bytes, ends: Positions) -> list[Shape] | None:
    """Group texts, given end to end; None where there are too many shapes.

    >>> from dmengine_maskers.spans import spans
    >>> found = shapes_of(*spans(pa.array(["1-2", "3-4", "555"])))
    >>> [(shape.rows.tolist(), shape.places.tolist(), shape.digits(0, 2).tolist()) for shape in found]
    [([0, 1], [0, 2], [[1, 2], [3, 4]]), ([2], [0, 1, 2], [[5, 5]])]
    """
    sizes = np.diff(ends)
    widths = np.flatnonzero(np.bincount(sizes))
    if len(widths) > MOST:
        return None
    found: list[Shape] = []
    for width in widths.tolist():
        if width == 0:
            continue
        if len(widths) == 1:
            rows, text = None, content.reshape(-1, width)
        else:
            rows = np.flatnonzero(sizes == width)
            text = content[ends[rows][:, None] + np.arange(width)]
        found += _shapes(rows, text)
        if len(found) > MOST:
            return None
    return found


def _shapes(rows: Positions | None, text: Bytes) -> Iterator[Shape]:
    """Group texts of one length."""
    digit = text - _ZERO < 10
    if bool((digit == digit[0]).all()):
        yield Shape(rows, text, np.flatnonzero(digit[0]))
        return
    packed = np.packbits(digit, axis=1)
    kind = pa.binary(packed.shape[1])
    encoded = pa.Array.from_buffers(kind, len(packed), [None, pa.py_buffer(packed)]).dictionary_encode()
    codes = positions(encoded.indices)
    for code in range(len(encoded.dictionary)):
        here = np.flatnonzero(codes == code)
        yield Shape(here if rows is None else rows[here], text[here], np.flatnonzero(digit[here[0]]))
        if code == MOST:  # too many, as the caller will see
            return
