"""Texts of hexadecimal digits with separators at fixed places, as words of bytes and back, a column at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, text_from_matrix
from dmengine.spi import MaskContext, Words
from dmengine_maskers.spans import spans

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

DIGIT: Final = "x"
_WORD: Final = 8
_ROWS: Final = 8192  # their texts and a few words of each stay in the nearest caches
_CHUNKS: Final[tuple[tuple[int, type[np.unsignedinteger[Any]]], ...]] = (
    (8, np.uint64), (4, np.uint32), (2, np.uint16), (1, np.uint8),
)  # fmt: skip


def _lanes(pattern: int, width: int) -> np.uint64:
    """Repeat a pattern of so many bits over a word."""
    return np.uint64(sum(pattern << place for place in range(0, 64, width)))


_NIBBLES: Final = _lanes(0x0F, 8)
_ONES: Final = _lanes(1, 8)
_ZEROS: Final = _lanes(ord("0"), 8)
_SIXES: Final = _lanes(6, 8)
_SMALL: Final = np.uint64(ord("a") - 10 - ord("0"))
_CAPITAL: Final = np.uint64(ord("A") - 10 - ord("0"))
_JOINED: Final = np.uint64((1 << 12) + 1)  # brings a digit in front of the next one, where it is worth 16


def bytes_of(text: Words) -> Bytes:
    """Read words of eight hexadecimal digits, in the order of their bytes, as four bytes each.

    >>> bytes_of(np.frombuffer(b"00ff1aB2", np.uint64)).tobytes().hex()
    '00ff1ab2'
    """
    letters = text >> np.uint64(6)
    letters &= _ONES
    letters *= np.uint64(9)
    digits = text & _NIBBLES
    digits += letters
    digits *= _JOINED
    digits >>= np.uint64(8)
    return digits.view(np.uint16).astype(np.uint8)


def digits_of(content: Bytes) -> Words:
    """Return the two hexadecimal digits of each byte, a byte each.

    >>> digits_of(np.frombuffer(bytes.fromhex("00ff1ab2"), np.uint8)).tobytes().hex()
    '00000f0f010a0b02'
    """
    lower = content.astype(np.uint16).view(np.uint64)
    digits = lower >> np.uint64(4)
    lower <<= np.uint64(8)
    digits |= lower
    digits &= _NIBBLES
    return digits


def spelled(digits: Words, *, capital: bool = False) -> Words:
    """Return the characters of digits.

    >>> spelled(digits_of(np.frombuffer(bytes.fromhex("00ff1ab2"), np.uint8))).tobytes()
    b'00ff1ab2'
    """
    letters = digits + _SIXES
    letters >>= np.uint64(4)
    letters &= _ONES
    letters *= _CAPITAL if capital else _SMALL
    letters += digits
    letters += _ZEROS
    return letters


class Piece(NamedTuple):
    """Where a few digits lie in a text, and at which bit of a word, and the type that is as wide as they are."""

    place: int
    bit: int
    kind: type[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Layout:
    """Where hexadecimal digits stand: an x in the template; any other sign stands for itself.

    >>> layout = Layout("xx:xx")
    >>> layout.digits, bool(re.fullmatch(layout.pattern("a-f"), "0a:ff"))
    (4, True)
    """

    template: str

    @cached_property
    def digits(self) -> int:
        """How many digits there are."""
        return self.template.count(DIGIT)

    @cached_property
    def pieces(self) -> tuple[tuple[Piece, ...], ...]:
        """The digits of each word of eight, in pieces that are numbers of numpy and lie together in the text."""
        places = [place for place, sign in enumerate(self.template) if sign == DIGIT]
        words = [places[start : start + _WORD] for start in range(0, len(places), _WORD)]
        return tuple(tuple(_pieces(word)) for word in words)

    @cached_property
    def separators(self) -> tuple[tuple[int, int], ...]:
        """The places of all other signs, and their bytes."""
        return tuple((place, ord(sign)) for place, sign in enumerate(self.template) if sign != DIGIT)

    def pattern(self, letters: str) -> str:
        """Return the regular expression of texts with these letters."""
        return "^" + re.escape(self.template).replace(DIGIT, f"[0-9{letters}]") + "$"


def _pieces(places: list[int]) -> Iterator[Piece]:
    done = 0
    while done < len(places):
        together = sum(place - index == places[done] - done for index, place in enumerate(places) if index >= done)
        size, kind = next(chunk for chunk in _CHUNKS if chunk[0] <= together)
        yield Piece(places[done], 8 * done, kind)
        done += size


def change_hex(
    values: pa.Array, layouts: tuple[Layout, ...], change: Callable[[Words], Words], ctx: MaskContext
) -> pa.Array:
    """Change the bytes of texts in one of these layouts; case and separators stay.

    The bytes of a text are a column of words, each with its first byte lowest.

    A value in another layout, or in both cases, is a mismatch and comes out empty.
    """
    if len(values) == 0:
        return values
    whole = _changed(values, layouts, change)
    if whole is not None:
        return whole
    left, rows, parts = np.arange(len(values)), [], []
    for layout, letters in ((layout, letters) for layout in layouts for letters in ("a-f", "A-F")):
        given = values.take(pa.array(left))
        fit = booleans(pc.match_substring_regex(given, layout.pattern(letters)))
        part = _changed(given.filter(pa.array(fit)), (layout,), change) if fit.any() else None
        if part is not None:
            rows.append(left[fit])
            parts.append(part)
            left = left[~fit]
    if len(left):
        ctx.mismatch(np.isin(np.arange(len(values)), left))
        rows.append(left)
        parts.append(pa.array([""], values.type).take(pa.array(np.zeros(len(left), np.int64))))
    return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(rows))))


def _changed(values: pa.Array, layouts: tuple[Layout, ...], change: Callable[[Words], Words]) -> pa.Array | None:
    """Change all values, if all have one layout and one case."""
    content, ends = spans(values)
    width = int(ends[1])
    layout = next((layout for layout in layouts if len(layout.template) == width), None)
    if layout is None or content.size != width * len(values) or (np.diff(ends) != width).any():
        return None
    matrix = content.reshape(-1, width)
    parts = [slice(start, start + _ROWS) for start in range(0, len(matrix), _ROWS)]
    capitals = []
    words = np.empty((-(-layout.digits // (2 * _WORD)), len(matrix)), np.uint64)
    for part in parts:
        text = _digits(matrix[part], layout)
        capital = _capital(text, layout) if _separated(matrix[part], layout) else None
        if capital is None:
            return None
        capitals.append(capital)
        numbers = bytes_of(text.reshape(-1)).view(np.uint32).reshape(text.shape)
        np.left_shift(numbers[1::2].astype(np.uint64), np.uint64(32), out=words[:, part])
        words[:, part] |= numbers[0::2]
    words = change(words)
    result = np.frombuffer(pa.allocate_buffer(content.size), np.uint8).reshape(matrix.shape)
    for part, capital in zip(parts, capitals, strict=True):
        _write(words[:, part], layout, capital, result[part])
    return text_from_matrix(result, values.type)


def _digits(matrix: Bytes, layout: Layout) -> Words:
    """Return the digits of each text, eight to a word, a word a row; what a last byte lacks are zeros."""
    text = np.empty((-(-layout.digits // (2 * _WORD)) * 2, len(matrix)), np.uint64)
    text[-1] = _ZEROS
    for column, pieces in zip(text, layout.pieces, strict=False):
        column[:] = _window(matrix, pieces[0])
        for piece in pieces[1:]:
            column |= _window(matrix, piece).astype(np.uint64) << np.uint64(piece.bit)
        spare = _WORD - sum(np.dtype(piece.kind).itemsize for piece in pieces)
        if spare:
            column |= _ZEROS << np.uint64(8 * (_WORD - spare))
    return text


def _separated(matrix: Bytes, layout: Layout) -> bool:
    """Say whether the separators are where they belong, given that all else are digits."""
    signs = {sign for _, sign in layout.separators}
    if len(signs) == 1:  # then counting them is enough
        return int(np.count_nonzero(matrix == signs.pop())) == len(layout.separators) * len(matrix)
    return all((matrix[:, place] == sign).all() for place, sign in layout.separators)


def _capital(text: Words, layout: Layout) -> Flags | None:
    """Say which texts have capitals; none for a single one, and None where not all are digits, and of one case."""
    content = text.reshape(-1).view(np.uint8)
    wanted = content.size - _count(content, "0", 10)
    small = _count(content, "a", 6)
    if small == wanted:
        return np.zeros(0, np.bool_)
    if small or _count(content, "A", 6) != wanted:
        return None
    letters = content.reshape(*text.shape, _WORD) >= ord("A")
    return np.asarray(letters.any(axis=(0, 2)))


def _count(content: Bytes, first: str, count: int) -> int:
    return int(np.count_nonzero(content - np.uint8(ord(first)) < count))


def _write(words: Words, layout: Layout, capital: Flags, matrix: Bytes) -> None:
    numbers = np.empty((2 * len(words), len(matrix)), np.uint32)
    numbers[0::2], numbers[1::2] = words, words >> np.uint64(32)  # the lower half, which is the first bytes
    digits = digits_of(numbers.reshape(-1).view(np.uint8))
    text = spelled(digits).reshape(numbers.shape)
    if capital.size:
        rows = np.flatnonzero(capital)
        text[:, rows] = spelled(digits, capital=True).reshape(numbers.shape)[:, rows]
    for place, sign in layout.separators:
        matrix[:, place] = sign
    for column, pieces in zip(text, layout.pieces, strict=False):
        for piece in pieces:
            _window(matrix, piece)[:] = (column >> np.uint64(piece.bit)).astype(piece.kind)


def _window(matrix: Bytes, piece: Piece) -> Any:
    """View the bytes of each row from a place on as a number."""
    return np.ndarray((len(matrix),), piece.kind, matrix, piece.place, (matrix.strides[0],))
