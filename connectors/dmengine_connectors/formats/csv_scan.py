"""The CSV tokenizer: finds the delimiters and line ends of a buffer that are outside quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dmengine_connectors.formats.csv_dialect import CR, LF, Dialect

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
_PIECE = 64 << 10  # masks of a piece stay in the cache; a multiple of 64


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found.

    Attributes:
        places: Delimiters and line ends outside quotes, in order; of CR LF, the LF.
        line_ends: Which of them are line ends.
        open_quote: Where a quoted cell begins that the buffer does not end; -1: there is none.
        bad_quote: Where text follows a closing quote; -1: nowhere.
    """

    places: Places
    line_ends: Flags
    open_quote: int = -1
    bad_quote: int = -1


def scan(content: bytes, dialect: Dialect) -> Scan:
    """Find the separators of a buffer that begins with a record.

    >>> from dmengine_connectors.formats.csv_dialect import make_dialect
    >>> comma = make_dialect(",", '"', "", encoding="utf-8", max_record_bytes=100)
    >>> found = scan(b'a,"b,c"\\n', comma)
    >>> found.places.tolist(), found.line_ends.tolist()
    ([1, 7], [False, True])

    A CR at the very end is not told to be a line end, since LF may follow.
    """
    data = np.frombuffer(content, np.uint8)
    if dialect.quote is None or dialect.quote not in content:
        places = _separators(content, data, dialect)
        return Scan(places, data[places] != dialect.delimiter)
    quotes = _Quotes(data, dialect.quote)
    places = _separators(content, data, dialect, quotes)
    if quotes.well_placed:
        last, bad = content.rfind(dialect.quote), -1
    else:
        opening, closing = _quoted_cells(content, dialect)
        toggles = np.zeros(len(data), np.bool_)
        toggles[opening] = toggles[closing] = True
        quotes = _Quotes(data, dialect.quote, toggles)
        places = _separators(content, data, dialect, quotes)
        last, bad = int(opening[-1]) if len(opening) else -1, _text_after(data, closing, dialect)
    return Scan(places, data[places] != dialect.delimiter, last if quotes.inside else -1, bad)


def find(data: Bytes, wanted: list[int]) -> Places:
    """Return where any of the wanted bytes is.

    >>> find(np.frombuffer(b"a,b;c", np.uint8), [44, 59]).tolist()
    [1, 3]
    """
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        mask = piece == wanted[0]
        for byte in wanted[1:]:
            mask |= piece == byte
        found.append(np.flatnonzero(mask) + start)
    return np.concatenate(found, dtype=np.int32, casting="unsafe")


class _Quotes:
    """Quote parity, piece by piece: which bytes are inside quotes, if each quote opens or closes."""

    def __init__(self, data: Bytes, quote: int, toggles: Flags | None = None) -> None:
        self._data = data
        self._quote = quote
        self._toggles = toggles  # the quotes that count, where others are plain data
        self.inside = 0
        self.well_placed = True

    def outside(self, start: int, stop: int, edges: Flags) -> Flags:
        """Say which bytes are outside; `edges` tells separators and line ends, from start - 1 to stop + 1."""
        if self._toggles is not None:
            return ~self._parity(self._toggles[start:stop])
        quotes = self._data[start:stop] == self._quote
        inside = self._parity(quotes)
        outside = ~inside
        if self.well_placed:
            # odd quotes must begin a cell and even ones end it, or both are a doubled quote
            fits = (inside & edges[:-2]) | (outside & edges[2:])
            self.well_placed = not (quotes > fits).any()
        return outside

    def _parity(self, quotes: Flags) -> Flags:
        """Xor each bit with all before it: within 64-bit words by doubling shifts, then from word to word."""
        packed = np.zeros(-(-len(quotes) // 64) * 8, np.uint8)
        bits = np.packbits(quotes, bitorder="little")
        packed[: len(bits)] = bits
        words = packed.view("<u8")
        for shift in (1, 2, 4, 8, 16, 32):
            words ^= words << np.uint64(shift)
        odd = np.bitwise_xor.accumulate(np.concatenate([[np.uint64(self.inside)], words >> np.uint64(63)]))
        words ^= np.uint64(0) - odd[:-1]
        self.inside = int(odd[-1])
        return np.unpackbits(packed, count=len(quotes), bitorder="little").view(np.bool_)


def _separators(content: bytes, data: Bytes, dialect: Dialect, quotes: _Quotes | None = None) -> Places:
    has_cr = CR in content
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        separates = piece == dialect.delimiter
        separates |= piece == LF
        if has_cr:
            after = data[start + 1 : start + len(piece) + 1]
            alone = piece[: len(after)] == CR
            alone &= after != LF
            separates[: len(after)] |= alone
        if quotes is not None:
            separates &= quotes.outside(start, start + len(piece), _edges(data, start, len(piece), dialect))
        found.append(np.flatnonzero(separates) + start)
    return np.concatenate(found, dtype=np.int32, casting="unsafe")


def _edges(data: Bytes, start: int, length: int, dialect: Dialect) -> Flags:
    """Which bytes may stand beside a quote that counts: from one before a piece to one after it."""
    near = data[max(start - 1, 0) : start + length + 1]
    edges = near == dialect.delimiter
    for byte in dialect.specials[1:]:
        edges |= near == byte
    at_start, at_end = int(start == 0), int(start + length == len(data))
    return np.pad(edges, (at_start, at_end), constant_values=True) if at_start or at_end else edges


def _quoted_cells(content: bytes, dialect: Dialect) -> tuple[Places, Places]:
    """Find the quoted cells of a buffer in which quotes are also plain data."""
    found = _pattern(dialect).finditer(content)
    cells = [(cell.start(), cell.end() - 1, cell.end(1) - cell.start(1)) for cell in found]
    opening, closing, closed = np.array(cells, np.int32).reshape(-1, 3).T
    return opening, closing[closed == 1]


@lru_cache(maxsize=64)
def _pattern(dialect: Dialect) -> re.Pattern[bytes]:
    """A quote that nothing or a separator precedes, to its closing quote (group 1) or to the end."""
    quote = re.escape(bytes([dialect.quote or 0]))
    delimiter = re.escape(bytes([dialect.delimiter]))
    begins = b"%b(?<![^%b\\r\\n]%b)" % (quote, delimiter, quote)
    return re.compile(b"%b[^%b]*+(?:%b%b[^%b]*+)*+(%b|\\Z)" % (begins, quote, quote, quote, quote, quote))


def _text_after(data: Bytes, closing: Places, dialect: Dialect) -> int:
    """Where a closing quote is followed by more of its cell; -1: nowhere."""
    following = closing[closing < len(data) - 1] + 1
    kinds = data[following]
    bad = following[(kinds != dialect.delimiter) & (kinds != LF) & (kinds != CR)]
    return int(bad[0]) if len(bad) else -1
