"""Columns of identifiers as digits and letters, position by position, and back with every separator in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, is_text, text_from_bytes
from dmengine.spi import Positions
from dmengine_maskers.place_values import joined, spread
from dmengine_maskers.spans import spans

Codes = npt.NDArray[np.uint8]
"""One row a position, one column a value: 0 to 9 for digits, 10 to 35 for letters."""
Flags = npt.NDArray[np.bool_]

SYMBOLS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEPARATORS: Final = " -./"

_SEPARATOR, _STRANGE = 254, 255
_TO_LETTERS: Final = np.uint8(ord("A") - ord("9") - 1)
_DOCUMENT_INTEGER: Final = r"^(0|[1-9][0-9]{0,18})$"
_LONGEST_INTEGER: Final = 19


def _codes_of_bytes() -> Codes:
    table = np.full(256, _STRANGE, np.uint8)
    table[list(SEPARATORS.encode())] = _SEPARATOR
    for spelling in (SYMBOLS, SYMBOLS.lower()):
        table[list(spelling.encode())] = np.arange(len(SYMBOLS))
    return table


_CODES: Final = _codes_of_bytes()


def _codes(content: Codes) -> Codes:
    """Return the code of each byte."""
    digits, letters = content - np.uint8(ord("0")), (content | 32) - np.uint8(ord("a"))
    codes = np.where(digits < 10, digits, letters + np.uint8(10))
    others = np.flatnonzero((digits >= 10) & (letters >= 26))
    if others.size:
        codes[others] = _CODES.take(content[others])
    return codes


class Symbols(Protocol):
    """A column that is read, changed group by group, and written again."""

    refused: Flags
    lower: Flags | None

    def groups(self) -> Iterator[tuple[Positions | None, Codes]]:
        """Yield the codes of the values that have as many symbols, and their rows: None means every row."""
        ...

    def put(self, rows: Positions | None, codes: Codes) -> None:
        """Take the changed codes of a group."""
        ...

    def array(self, refused: Flags) -> pa.Array:
        """Return the column; nothing of a refused value is left in it."""
        ...


def read_symbols(values: pa.Array, lengths: tuple[int, ...]) -> Symbols:
    """Read text or integers (no nulls). Integers have leading zeros where there is one length only.

    >>> symbols = read_symbols(pa.array(["1-23", "4-56"]), (3,))
    >>> [codes.T.tolist() for _, codes in symbols.groups()]
    [[[1, 2, 3], [4, 5, 6]]]
    """
    if is_text(values.type):
        return TextSymbols(values)
    return IntegerSymbols(values, lengths[0] if len(lengths) == 1 else None)


class TextSymbols:
    """Text: separators stay where they are, and so does the case of a value that is all small or all capitals."""

    def __init__(self, values: pa.Array) -> None:
        self._kind = values.type
        self._content, self._ends = spans(values)
        self._codes = _codes(self._content)
        self._sizes = np.diff(self._ends)
        self._out = self._content.copy()
        self.refused = np.zeros(len(values), np.bool_)
        self.lower: Flags | None = None
        self._kept = self._even()
        if self._kept is None:
            self._refuse_strangers()
        self._read_case()

    def groups(self) -> Iterator[tuple[Positions | None, Codes]]:
        """Yield the codes of the values that have as many symbols."""
        rows = len(self._sizes)
        if rows and self._kept is not None:
            matrix = self._codes.reshape(rows, -1)
            yield None, np.ascontiguousarray(matrix[:, ~self._kept].T)
            return
        self._symbol: Flags | None = self._codes < _SEPARATOR
        starts, counts, self._spelt = self._ends, self._sizes, self._codes
        if self._symbol.all():
            self._symbol = None
        else:
            starts = np.concatenate(([0], np.cumsum(self._symbol)))[self._ends]
            counts, self._spelt = np.diff(starts), self._codes[self._symbol]
        self._starts, counts = starts[:-1], np.where(self.refused, 0, counts)
        for count in np.unique(counts[counts > 0]).tolist():
            group = np.flatnonzero(counts == count)
            found = self._windows(count)[self._starts[group]].view(np.uint8).reshape(-1, count)
            yield group, np.ascontiguousarray(found.T)

    def put(self, rows: Positions | None, codes: Codes) -> None:
        """Take the changed codes of a group."""
        if rows is None:
            assert self._kept is not None, "all rows are one group only where all have one form"
            self._out.reshape(len(self._sizes), -1)[:, ~self._kept] = _spelled(codes).T
        else:
            width = len(codes)
            self._windows(width)[self._starts[rows]] = np.ascontiguousarray(codes.T).view(f"V{width}")[:, 0]

    def array(self, refused: Flags) -> pa.Array:
        """Return the column."""
        if self._kept is None and len(self._sizes):
            self._out[slice(None) if self._symbol is None else self._symbol] = _spelled(self._spelt)
        if self.lower is not None:
            letters = np.repeat(self.lower, self._sizes) & (self._out >= ord("A"))
            self._out[letters] |= 0x20
        if refused.any():
            self._out[np.repeat(refused, self._sizes)] = ord("0")
        return text_from_bytes(self._out, self._ends, self._kind)

    def _windows(self, width: int) -> npt.NDArray[np.void]:
        """View every run of so many symbols as one item, so that numpy moves a value at a time."""
        return np.ndarray((self._spelt.size - width + 1,), f"V{width}", self._spelt, 0, (1,))

    def _even(self) -> Flags | None:
        """Say which positions hold separators, where they are the same for all values, and nothing is strange."""
        rows, width = len(self._sizes), int(self._sizes[0]) if len(self._sizes) else 0
        if width == 0 or not (self._sizes == width).all():
            return None
        matrix = self._codes.reshape(rows, width)
        kept = np.asarray(matrix[0] == _SEPARATOR)
        separators = int(np.count_nonzero(self._codes >= _SEPARATOR))
        even = separators == rows * int(kept.sum()) and bool((matrix[:, kept] == _SEPARATOR).all())
        return kept if even else None

    def _refuse_strangers(self) -> None:
        strange = self._codes == _STRANGE
        if strange.any():
            self.refused |= self._any(strange)

    def _read_case(self) -> None:
        small = (self._content >= ord("a")) & (self._content <= ord("z"))
        if small.any():
            capital = (self._content >= ord("A")) & (self._content <= ord("Z"))
            self.lower = self._any(small)
            self.refused |= self.lower & self._any(capital)

    def _any(self, flags: Flags) -> Flags:
        """Say which values have a flagged byte."""
        before = np.concatenate(([0], np.cumsum(flags)))[self._ends]
        return np.asarray(np.diff(before) > 0)


class IntegerSymbols:
    """Integers and whole numbers of documents: their digits, with leading zeros up to `width` where that is given."""

    def __init__(self, values: pa.Array, width: int | None) -> None:
        self._kind, self._width = values.type, width
        numbers, self.refused = _whole_numbers(values)
        self.lower: Flags | None = None
        self.refused |= numbers < 0
        self._numbers = np.where(self.refused, 0, numbers).astype(np.uint64)
        self._out = np.zeros(len(values), np.uint64)
        # a count of digits is taken where the type holds all of its numbers, so that every type gives the same
        self._most = len(str(most_of(values.type) + 1)) - 1

    def groups(self) -> Iterator[tuple[Positions | None, Codes]]:
        """Yield the digits of the numbers that have as many."""
        if self._width is not None:
            self.refused |= self._numbers >= np.uint64(10**self._width)
            yield None, _digits(np.where(self.refused, 0, self._numbers), self._width)
            return
        for count in range(1, self._most + 1):
            here = (self._numbers >= np.uint64(10 ** (count - 1))) & (self._numbers <= np.uint64(10**count - 1))
            rows = np.flatnonzero(here)
            if rows.size:
                yield rows, _digits(self._numbers[rows], count)

    def put(self, rows: Positions | None, codes: Codes) -> None:
        """Take the changed digits of a group."""
        numbers = joined(codes, [10] * len(codes))
        self._out[slice(None) if rows is None else rows] = numbers

    def array(self, refused: Flags) -> pa.Array:
        """Return the column."""
        self._out[refused] = 0
        if isinstance(self._kind, NumberType):
            return pa.ExtensionArray.from_storage(self._kind, pa.array(self._out).cast(pa.string()))
        return pa.array(self._out.astype(self._kind.to_pandas_dtype()), self._kind)


def most_of(kind: pa.DataType) -> int:
    """Return the largest integer of a type; documents count as 64 bits with a sign, as tables do."""
    return int(np.iinfo(np.int64 if isinstance(kind, NumberType) else kind.to_pandas_dtype()).max)


def _whole_numbers(values: pa.Array) -> tuple[npt.NDArray[Any], Flags]:
    if not isinstance(values.type, NumberType):
        return values.to_numpy(zero_copy_only=False), np.zeros(len(values), np.bool_)
    whole = pc.match_substring_regex(values.storage, _DOCUMENT_INTEGER)
    numbers = pc.if_else(whole, values.storage, "0").cast(pa.uint64())  # 19 digits fit
    return numbers.to_numpy(zero_copy_only=False), ~booleans(whole)


def _spelled(codes: Codes) -> Codes:
    """Return the ASCII byte of each symbol."""
    text = codes + np.uint8(ord("0"))
    text += (codes > 9) * _TO_LETTERS
    return text


def _digits(numbers: npt.NDArray[np.uint64], count: int) -> Codes:
    return spread(numbers, [10] * count)
