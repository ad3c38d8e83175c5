"""IP addresses of text columns as numbers, and back, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import IPv6Address
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import text_from_bytes
from dmengine.spi import Positions, Words
from dmengine_maskers.hex_text import Bytes, Flags
from dmengine_maskers.spans import BLOCK_ROWS, spans

_DOT: Final = np.uint8(ord("."))
_COLON: Final = np.uint8(ord(":"))
_ZERO: Final = np.uint8(ord("0"))
_NONE: Final = 256
_GROUPS: Final = 8
_WORD: Final = 8
_LONGEST_IPV4: Final = 15
_LONGEST_IPV6: Final = 39

Pieces = tuple[Words, npt.NDArray[np.uint8]]
"""Characters in words of eight bytes, and how many of them count."""


def read_ipv4(values: pa.Array) -> tuple[Words, Flags]:
    """Return IPv4 addresses as numbers, and say which texts are addresses; the others are 0.

    >>> numbers, ok = read_ipv4(pa.array(["10.0.0.1", "10.0.0.256", "1.2.3", "01.2.3.4"]))
    >>> numbers.tolist(), ok.tolist()
    ([167772161, 0, 0, 0], [True, False, False, False])
    """
    content, ends = spans(values)
    dots = content == _DOT
    known = dots | (content - _ZERO < 10)
    stops = _stops(dots, ends, 3) if known.all() else None
    if stops is None:
        numbers, ok = np.zeros(len(values), np.uint64), _whole(known, dots, ends) & (_per_row(dots, ends) == 3)
        if ok.any():
            numbers[ok], ok[ok] = read_ipv4(values.filter(pa.array(ok)))
        return numbers, ok
    # three digits up to each place, whatever they belong to; the number of a part is told by its size as well
    digits = ((content & 15) & (dots.view(np.uint8) - np.uint8(1))).astype(np.uint16)
    three = digits.copy()
    three[1:] += digits[:-1] * np.uint16(10)
    three[2:] += digits[:-2] * np.uint16(100)
    index = _sizes(stops)
    np.minimum(index, 4, out=index)
    index *= 1000
    stops -= 1
    index += three.take(stops, mode="clip")
    parts = _parts().take(index)
    numbers = parts.astype(np.uint8).view(">u4")[:, 0].astype(np.uint64)
    ok = np.ones(len(values), np.bool_)
    if int(parts.max(initial=0)) == _NONE:
        ok = np.asarray((parts != _NONE).all(axis=1))
        numbers[~ok] = 0
    return numbers, ok


def write_ipv4(numbers: Words) -> pa.Array:
    """Write numbers as IPv4 addresses.

    >>> write_ipv4(np.array([167772161], np.uint64)).to_pylist()
    ['10.0.0.1']
    """

    def pieces(rows: slice) -> Pieces:
        pairs = np.empty((len(numbers[rows]), 2), np.int64)
        pairs[:, 0], pairs[:, 1] = numbers[rows] >> np.uint64(16), numbers[rows] & np.uint64(0xFFFF)
        return _looked_up(_spelled_pairs(), pairs)

    return _joined(len(numbers), _LONGEST_IPV4, pieces)


def read_ipv6(values: pa.Array) -> tuple[Words, Words, Flags]:
    """Return IPv6 addresses as two words each, and say which texts are addresses, without a zone or an IPv4 end.

    >>> high, low, ok = read_ipv6(pa.array(["2001:db8::1", "::", "1:2:3:4:5:6:7:8", "1::2::3", "1:2"]))
    >>> [f"{word:x}" for word in high.tolist()], low.tolist()[:2], ok.tolist()
    (['20010db800000000', '0', '1000200030004', '0', '0'], [1, 0], [True, True, True, False, False])
    """
    content, ends = spans(values)
    colons = content == _COLON
    known = (content - _ZERO < 11) | ((content | 32) - np.uint8(ord("a")) < 6)  # the colon comes after the nine
    stops = _stops(colons, ends, _GROUPS - 1) if known.all() else None
    if stops is not None:
        sizes = _sizes(stops)
        if int(sizes.min(initial=1)) >= 1:
            ok = np.ones(len(values), np.bool_)
            if int(sizes.max(initial=1)) > 4:
                ok = np.asarray((sizes <= 4).all(axis=1))
                sizes[~ok] = 0
            return *_groups(content, stops, sizes), ok
    gaps = _gaps(colons, ends)
    count, gapped = _per_row(colons, ends), _per_row(gaps, ends)
    ok = _whole(known, colons & ~gaps, ends)
    if content.size:
        starts = np.minimum(ends[:-1], content.size - 1)
        ok &= ~colons[starts] | gaps[np.minimum(starts + 1, content.size - 1)]
    ok &= np.where(gapped == 1, (count >= 2) & (count <= _GROUPS), (gapped == 0) & (count == _GROUPS - 1))
    if ok.all() and gapped.all():
        return _read_gapped(content, ends, colons, gaps, count)
    high, low = np.zeros(len(values), np.uint64), np.zeros(len(values), np.uint64)
    for rows in (ok & (gapped == 1), ok & (gapped == 0)):
        if rows.any():
            high[rows], low[rows], ok[rows] = read_ipv6(values.filter(pa.array(rows)))
    return high, low, ok


def write_ipv6(high: Words, low: Words) -> pa.Array:
    """Write words as IPv6 addresses, as RFC 5952 recommends.

    >>> write_ipv6(np.array([0x20010DB800000000], np.uint64), np.array([1], np.uint64)).to_pylist()
    ['2001:db8::1']
    """

    def pieces(rows: slice) -> Pieces:
        groups = np.stack([high[rows], low[rows]], axis=1).astype(">u8").view(">u2").astype(np.int64)
        return _looked_up(_spelled_groups(), groups)

    return _with_gaps(_joined(len(high), _LONGEST_IPV6, pieces), high, low)


def _with_gaps(made: pa.Array, high: Words, low: Words) -> pa.Array:
    """Write anew what has two groups of zeros side by side: of masked addresses, hardly any."""
    few = _zero_pairs(high) | _zero_pairs(low) | ((high & np.uint64(0xFFFF) == 0) & (low >> np.uint64(48) == 0))
    rows = np.flatnonzero(few)
    if not rows.size:
        return made
    numbers = ((int(high[row]) << 64) | int(low[row]) for row in rows)
    written = pa.array([str(IPv6Address(number)) for number in numbers], pa.string())
    return pc.replace_with_mask(made, pa.array(few), written)


def _zero_pairs(words: Words) -> Flags:
    """Say which words have two groups of zeros side by side."""
    filled = words | words << np.uint64(16)
    found = np.zeros(len(words), np.bool_)
    for shift in (16, 32, 48):
        found |= filled >> np.uint64(shift) & np.uint64(0xFFFF) == 0
    return found


def _stops(separators: Flags, ends: Positions, count: int) -> Positions | None:
    """Return where the parts of each text end; None where not every text has `count` separators."""
    rows = len(ends) - 1
    if int(np.count_nonzero(separators)) != count * rows:
        return None
    flags = separators.copy()
    flags[ends[1:] - 1] = True  # the last sign of each text
    found = np.flatnonzero(flags)
    if found.size != (count + 1) * rows:
        return None
    stops: Positions = found.reshape(rows, count + 1)
    stops[:, count] += 1
    return stops if bool((stops[:, count] == ends[1:]).all()) else None


def _sizes(stops: Positions) -> Positions:
    sizes = stops.copy()
    flat = sizes.reshape(-1)
    flat[1:] -= stops.reshape(-1)[:-1]
    flat -= 1  # a separator
    sizes[:, 0] += 1
    return sizes


def _whole(known: Flags, separators: Flags, ends: Positions) -> Flags:
    """Say which texts have only signs that may occur, and end in none of these separators."""
    if not known.size:
        return np.zeros(len(ends) - 1, np.bool_)
    return np.asarray((_per_row(known, ends) == np.diff(ends)) & ~separators[np.maximum(ends[1:] - 1, 0)])


def _gaps(colons: Flags, ends: Positions) -> Flags:
    """Flag every colon that comes right after another one of the same text."""
    gaps = colons.copy()
    gaps[1:] &= colons[:-1]
    gaps[ends[:-1][np.diff(ends) > 0]] = False
    return gaps


def _groups(content: Bytes, stops: Positions, sizes: Positions) -> tuple[Words, Words]:
    """Read groups of up to four digits, given where they end."""
    nibbles = content & 15
    nibbles += (content >> 6) * np.uint8(9)
    pairs = nibbles.copy()
    pairs[1:] |= nibbles[:-1] << 4
    size = sizes.astype(np.uint8)
    ends = stops - 1
    lower = pairs.take(ends, mode="clip")
    lower &= (size > 0) * np.uint8(0x0F) + (size > 1) * np.uint8(0xF0)
    ends -= 2
    upper = pairs.take(ends, mode="clip")
    upper &= (size > 2) * np.uint8(0x0F) + (size > 3) * np.uint8(0xF0)
    groups = lower.astype(np.uint16) << 8
    groups |= upper  # the upper byte comes first in memory
    words = groups.view(">u8").astype(np.uint64)
    return words[:, 0], words[:, 1]


def _read_gapped(
    content: Bytes, ends: Positions, colons: Flags, gaps: Flags, count: Positions
) -> tuple[Words, Words, Flags]:
    """Read addresses of which some have a gap, which stands for as many groups of zeros as are missing."""
    rows = np.arange(len(count))
    row = np.repeat(rows, count + 1)
    first = np.cumsum(count + 1) - count - 1
    part = np.arange(len(row)) - first[row]
    last = part == count[row]
    stops = np.empty(len(row), np.int64)
    stops[last], stops[~last] = ends[1:], np.flatnonzero(colons)
    sizes = np.diff(stops, prepend=0) - (part > 0)
    # the empty part of a gap ends at the second of its colons; without a gap, it would come after all others
    empty = np.full(len(rows), _GROUPS, np.int64)
    within = gaps[np.minimum(stops, len(gaps) - 1)] & ~last
    empty[row[within]] = part[within]
    before = part < empty[row]
    slots = _GROUPS * row + np.where(before, part, part - count[row] + _GROUPS - 1)
    slots, parts, sizes, stops = (column[~within] for column in (slots, part, sizes, stops))
    row = row[~within]
    # empty may otherwise only be what lies beside a gap at an end
    outer = (parts == 0) & (empty[row] == 1) | (parts == count[row]) & (empty[row] == count[row] - 1)
    wrong = (sizes > 4) | (sizes == 0) & ~outer
    ok = count < _GROUPS
    ok[row[sizes == 0]] = True
    ok[row[wrong]] = False
    all_stops, all_sizes = np.ones((2, len(rows), _GROUPS), np.int64)
    all_sizes[:] = 0
    good = ok[row]
    all_stops.reshape(-1)[slots[good]], all_sizes.reshape(-1)[slots[good]] = stops[good], sizes[good]
    return *_groups(content, all_stops, all_sizes), ok


def _looked_up(table: Pieces, index: Positions) -> Pieces:
    return table[0].take(index), table[1].take(index)


def _joined(rows: int, longest: int, pieces: Callable[[slice], Pieces]) -> pa.Array:
    """Join the pieces of each row, and leave out the separator behind the last."""
    content = np.frombuffer(pa.allocate_buffer(rows * longest + _WORD), np.uint8)
    windows = np.ndarray((len(content) - _WORD + 1,), np.uint64, content, 0, (1,))
    ends = np.zeros(rows + 1, np.int64)
    for first in range(0, rows, BLOCK_ROWS):
        words, sizes = pieces(slice(first, first + BLOCK_ROWS))
        count = sizes.shape[1]
        stops = sizes.astype(np.int64).reshape(-1)
        stops[count - 1 :: count] -= 1
        stops[0] += ends[first]
        np.cumsum(stops, out=stops)
        ends[first + 1 : first + 1 + len(words)] = stops[count - 1 :: count]
        stops[1:] = stops[:-1].copy()
        stops[0] = ends[first]
        # whole words, one after the other: what is too much of one is written over by the next
        windows[stops] = words.reshape(-1)
    return text_from_bytes(content[: ends[-1]], ends)


def _per_row(flags: Flags, ends: Positions) -> Positions:
    sums = np.zeros(len(flags) + 1, np.int32)
    np.cumsum(flags, out=sums[1:])
    return np.diff(sums.take(ends)).astype(np.int64)


@cache
def _parts() -> npt.NDArray[np.uint16]:
    """The number of a part, by its size times a thousand and up to three digits that end where it does."""
    numbers = np.full((5, 1000), _NONE, np.uint16)
    digits = np.arange(1000)
    numbers[1] = digits % 10
    numbers[2] = np.where(digits % 100 >= 10, digits % 100, _NONE)
    numbers[3] = np.where((digits >= 100) & (digits <= 255), digits, _NONE)
    return numbers.reshape(-1)


@cache
def _spelled_pairs() -> Pieces:
    """The characters of two parts of an IPv4 address, each with a dot behind it, and how many they are."""
    return _words_of(f"{pair >> 8}.{pair & 255}." for pair in range(1 << 16))


@cache
def _spelled_groups() -> Pieces:
    """The characters of a group of an IPv6 address with a colon behind it, and how many they are."""
    return _words_of(f"{group:x}:" for group in range(1 << 16))


def _words_of(texts: Iterable[str]) -> Pieces:
    words = np.frombuffer(b"".join(text.encode().ljust(_WORD, b"\0") for text in texts), np.uint64)
    return words, np.count_nonzero(words.view(np.uint8).reshape(-1, _WORD), axis=1).astype(np.uint8)
