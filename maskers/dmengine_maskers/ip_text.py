"""IP addresses of text columns as numbers, and back, a column at a time."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.spi import Words
from dmengine_maskers.spans import spans

Flags = npt.NDArray[np.bool_]

_DOT: Final = ord(".")
_COLON: Final = ord(":")
_GROUPS: Final = 8
_STRANGE: Final = 255


def _digit_table(letters: str) -> npt.NDArray[np.uint8]:
    table = np.full(256, _STRANGE, np.uint8)
    for spelling in (letters, letters.upper()):
        table[list(spelling.encode())] = np.arange(len(letters))
    return table


_DECIMAL: Final = _digit_table("0123456789")
_HEX: Final = _digit_table("0123456789abcdef")


def read_ipv4(values: pa.Array) -> tuple[Words, Flags]:
    """Return IPv4 addresses as numbers, and say which texts are addresses; the others are 0.

    >>> numbers, ok = read_ipv4(pa.array(["10.0.0.1", "10.0.0.256", "1.2.3", "01.2.3.4"]))
    >>> numbers.tolist(), ok.tolist()
    ([167772161, 0, 0, 0], [True, False, False, False])
    """
    content, ends = spans(values)
    dots = content == _DOT
    digits = _DECIMAL.take(content)
    rows = len(values)
    ok = _per_row(dots, ends) == 3
    ok &= _per_row((digits == _STRANGE) & ~dots, ends) == 0
    if not ok.all():
        dots &= np.repeat(ok, np.diff(ends))
    at = np.flatnonzero(dots).reshape(-1, 3)
    starts = np.column_stack([ends[:-1][ok], at + 1])
    stops = np.column_stack([at, ends[1:][ok]])
    parts, right = _read(digits, starts, stops, 10, 3)
    right &= (parts <= 255).all(axis=1) & ~((stops - starts > 1) & (digits.take(starts, mode="clip") == 0)).any(axis=1)
    shifts = np.array([24, 16, 8, 0], np.uint64)
    numbers = np.zeros(rows, np.uint64)
    numbers[ok] = np.where(right, np.bitwise_or.reduce(parts << shifts, axis=1), 0)
    ok[ok] = right
    return numbers, ok


def write_ipv4(numbers: Words) -> pa.Array:
    """Write numbers as IPv4 addresses.

    >>> write_ipv4(np.array([167772161], np.uint64)).to_pylist()
    ['10.0.0.1']
    """
    pairs = _pairs()
    upper, lower = numbers >> np.uint64(16), numbers & np.uint64(0xFFFF)
    return pc.binary_join_element_wise(pairs.take(pa.array(upper)), pairs.take(pa.array(lower)), ".")


def read_ipv6(values: pa.Array) -> tuple[Words, Words, Flags]:
    """Return IPv6 addresses as two words each, and say which texts are addresses, without a zone or an IPv4 end.

    >>> high, low, ok = read_ipv6(pa.array(["2001:db8::1", "::", "1:2:3:4:5:6:7:8", "1::2::3", "1:2"]))
    >>> [f"{word:x}" for word in high.tolist()], low.tolist()[:2], ok.tolist()
    (['20010db800000000', '0', '1000200030004', '0', '0'], [1, 0], [True, True, True, False, False])
    """
    content, ends = spans(values)
    colons = content == _COLON
    digits = _HEX.take(content)
    sizes = np.diff(ends)
    count = _per_row(colons, ends)
    # a colon right after another one, in the same value: the gap
    gap = colons.copy()
    gap[1:] &= colons[:-1]
    gap[ends[:-1][sizes > 0]] = False
    gaps = _per_row(gap, ends)
    ok = (_per_row((digits == _STRANGE) & ~colons, ends) == 0) & (gaps <= 1) & (count >= 2) & (count <= _GROUPS)
    ok &= (gaps == 1) | (count == _GROUPS - 1)
    high, low = np.zeros(len(values), np.uint64), np.zeros(len(values), np.uint64)
    rows = np.flatnonzero(ok)
    groups, right = _groups(digits, colons, gap, ends, rows)
    shifts = np.array([48, 32, 16, 0], np.uint64)
    high[rows] = np.where(right, np.bitwise_or.reduce(groups[:, :4] << shifts, axis=1), 0)
    low[rows] = np.where(right, np.bitwise_or.reduce(groups[:, 4:] << shifts, axis=1), 0)
    ok[rows] = right
    return high, low, ok


def write_ipv6(high: Words, low: Words) -> pa.Array:
    """Write words as IPv6 addresses, as RFC 5952 recommends.

    >>> write_ipv6(np.array([0x20010DB800000000], np.uint64), np.array([1], np.uint64)).to_pylist()
    ['2001:db8::1']
    """
    words = np.stack(
        [word >> np.uint64(shift) & np.uint64(0xFFFF) for word in (high, low) for shift in (48, 32, 16, 0)]
    )
    table = _hexadecimal()
    made = pc.binary_join_element_wise(*(table.take(pa.array(group)) for group in words), ":")
    zero = words == 0
    short = np.flatnonzero((zero[1:] & zero[:-1]).any(axis=0))
    if not short.size:
        return made
    numbers = ((int(high[row]) << 64) | int(low[row]) for row in short)
    written = pa.array([str(IPv6Address(number)) for number in numbers], pa.string())
    marked = np.zeros(len(high), np.bool_)
    marked[short] = True
    return pc.replace_with_mask(made, pa.array(marked), written)


def _groups(
    digits: npt.NDArray[np.uint8], colons: Flags, gap: Flags, ends: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[Words, Flags]:
    """Read the groups of the given rows; a gap stands for as many zero groups as are missing."""
    groups, right = np.zeros((len(rows), _GROUPS), np.uint64), np.ones(len(rows), np.bool_)
    if not len(rows):
        return groups, right
    starts, stops = ends[:-1][rows], ends[1:][rows]
    before = np.concatenate(([0], np.cumsum(colons)))
    at = np.append(np.flatnonzero(colons), len(colons))
    first, count = before[starts], before[stops] - before[starts]
    # the ends of up to nine tokens of each row; an end of a row stands for all that it lacks
    places = np.minimum(first[:, None] + np.arange(_GROUPS), len(at) - 1)
    token_stops = np.where(np.arange(_GROUPS) < count[:, None], at[places], stops[:, None])
    token_stops = np.column_stack([token_stops, stops])
    token_starts = np.column_stack([starts, np.minimum(token_stops[:, :-1] + 1, stops[:, None])])
    index = np.arange(_GROUPS + 1)
    present = index <= count[:, None]
    empty = present & (token_stops <= token_starts)
    values, _ = _read(digits, token_starts, np.where(present, token_stops, token_starts), 16, 4)
    gapped = _gap_token(gap, before, starts, stops)
    has_gap = gapped < _GROUPS + 1
    # empty are only the gap itself, and the outer token beside a gap at an end
    gapped = gapped[:, None]
    last = count[:, None]
    allowed = (index == gapped) | ((index == 0) & (gapped == 1)) | ((index == last) & (gapped == last - 1))
    right &= ~(empty & ~allowed).any(axis=1) & ~(token_stops - token_starts > 4).any(axis=1)
    filled = present & ~empty
    tokens = filled.sum(axis=1)
    right &= np.where(has_gap, tokens < _GROUPS, tokens == _GROUPS)
    after = filled & (index > gapped)
    order = np.cumsum(filled, axis=1) - 1
    slot = np.where(after, order + (_GROUPS - tokens)[:, None], order)
    chosen = filled & right[:, None] & (slot < _GROUPS)
    of = np.broadcast_to(np.arange(len(rows))[:, None], chosen.shape)
    groups[of[chosen], slot[chosen]] = values[chosen]
    return groups, right


def _gap_token(
    gap: Flags, before: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return which token of each row is the empty one between two colons; beyond all where there is none."""
    at = np.append(np.flatnonzero(gap), len(gap))
    next_gap = at[np.minimum(np.searchsorted(at, starts), len(at) - 1)]
    inside = next_gap < stops
    return np.where(inside, before[np.minimum(next_gap, len(gap))] - before[starts], _GROUPS + 1)


def _read(
    digits: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64], radix: int, most: int
) -> tuple[Words, Flags]:
    """Read numbers of one to `most` digits, and say in which rows all have so many."""
    sizes = stops - starts
    numbers: Words = np.zeros(starts.shape, np.uint64)
    for place in range(most):
        digit = digits.take(stops - 1 - place, mode="clip") if digits.size else np.zeros(starts.shape, np.uint8)
        numbers = numbers + np.where(place < sizes, digit, 0).astype(np.uint64) * np.uint64(radix**place)
    return numbers, np.asarray(((sizes >= 1) & (sizes <= most)).all(axis=1))


def _per_row(flags: Flags, ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    sums = np.concatenate(([0], np.cumsum(flags)))[ends]
    return np.asarray(np.diff(sums))


@lru_cache(maxsize=1)
def _pairs() -> pa.Array:
    return pa.array([f"{upper}.{lower}" for upper in range(256) for lower in range(256)])


@lru_cache(maxsize=1)
def _hexadecimal() -> pa.Array:
    return pa.array([f"{number:x}" for number in range(1 << 16)])
