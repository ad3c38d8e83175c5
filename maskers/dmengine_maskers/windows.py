"""The few stretches of a block in which a recogniser has to look, with all that it may match and what is before it."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from dmengine_maskers.blocks import NONE, Flags, Places, Spans
from dmengine_maskers.iban_structures import LENGTHS
from dmengine_maskers.scanning import Scan, table_of

DIGITS: Final = b"0123456789"
LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BEYOND_ASCII: Final = bytes(range(0x80, 0x100))
WORD: Final = DIGITS + LETTERS + b"_" + BEYOND_ASCII

_OF_EMAIL: Final = WORD + b".!#$%&'*+/=?^{|}~-@"
_ENDS_EMAIL: Final = bytes(sorted(set(range(0x100)) - set(_OF_EMAIL)))
_ENDS_URL: Final = b'\t\n\f\r <>"'
_ENDS_MONTH_OR_DAY: Final = b"nybrhlegtpcvd.," + DIGITS  # in small letters
_CASE: Final = np.uint8(0x20)
_CHARACTER: Final = 4  # the most bytes of one
_YEAR_DIGITS: Final = 4
_BEFORE_YEAR: Final = 32  # more than the bytes of "31st. of september., " with two long s, and of what is before
_IBAN_START: Final = 12  # more than the bytes of a country code and what is before
_IBAN_STOP: Final = 4 * max(LENGTHS.values())
_IPV6: Final = 40 + _CHARACTER
_SEVEN_COLONS: Final = 30


def email_windows(scan: Scan) -> Spans:
    """Return what is around an @ without a sign that no address has."""
    at = scan.places(b"@")
    known = table_of(_OF_EMAIL)
    at = at[known.take(scan.at(at - 1)) & known.take(scan.at(at + 1))]
    return _windows(scan, at, *scan.stretches(at, table_of(_ENDS_EMAIL)))


def url_windows(scan: Scan) -> Spans:
    """Return what follows http://, ftp:// or www. up to a sign that no address has."""
    colon, dot = scan.places(b":"), scan.places(b".")
    scheme = (scan.at(colon + 1) == ord("/")) & (scan.at(colon + 2) == ord("/"))
    www = scan.at(dot - 1) | _CASE == ord("w")
    for place in (2, 3):
        www &= scan.at(dot - place) | _CASE == ord("w")
    at = np.sort(np.concatenate([colon[scheme], dot[www]]))
    _, stops = scan.stretches(at, table_of(_ENDS_URL))
    return _windows(scan, at, at - 2 * _CHARACTER - 2, stops)


def card_windows(scan: Scan) -> Spans:
    """Return groups of digits, with single separators between them, that are enough for a card."""
    first, last = _groups(scan.joined(b" -"))
    enough = _sums(scan.runs.sizes, first) >= 12
    return _digit_windows(scan, first[enough], last[enough])


def ssn_windows(scan: Scan) -> Spans:
    """Return groups of digits that have three, two and four in a row."""
    joined, sizes = scan.joined(b"- "), scan.runs.sizes
    first, last = _groups(joined)
    like = (sizes == 3) & joined & _next(sizes == 2) & _next(joined) & _next(_next(sizes >= 4))
    some = _any(like, first)
    return _digit_windows(scan, first[some], last[some])


def ipv4_windows(scan: Scan) -> Spans:
    """Return groups of at least four numbers with dots between them."""
    first, last = _groups(scan.joined(b"."))
    enough = last - first >= 3
    return _digit_windows(scan, first[enough], last[enough])


def ipv6_windows(scan: Scan) -> Spans:
    """Return the surroundings of two colons side by side, and of seven in a row."""
    colons = scan.places(b":")
    double = colons[1:] - colons[:-1] == 1
    seven = colons[6:] - colons[:-6] <= _SEVEN_COLONS
    at = np.unique(np.concatenate([colons[:-1][double], colons[:-6][seven]]))
    return _windows(scan, at, at - _IPV6, at + _IPV6)


def mac_windows(scan: Scan) -> Spans:
    """Return the surroundings of five separators with two signs between them."""
    at = scan.places(b":-")
    steps = np.diff(at) == 3
    if len(steps) < 4:
        return NONE
    at = at[:-4][steps[:-3] & steps[1:-2] & steps[2:-1] & steps[3:]]
    return _windows(scan, at, at - 2 - _CHARACTER, at + 12 + 3)


def iban_windows(scan: Scan) -> Spans:
    """Return what follows the code of a country and two digits."""
    runs = scan.runs
    at = runs.starts[runs.sizes >= 2]
    one, two = scan.at(at - 2), scan.at(at - 1)
    strange = (one >= 0x80) | (two >= 0x80)  # two letters beyond ASCII are written as S and K in any case
    known = _countries().take((one | _CASE).astype(np.int64) << 8 | (two | _CASE))
    at, strange = at[strange | known], strange[strange | known]
    begins = at - 2 <= scan.block.ends[scan.block.row_of(at)]
    at = at[strange | begins | ~table_of(DIGITS + LETTERS + b"_").take(scan.at(at - 3))]
    return _windows(scan, at, at - _IBAN_START, at + 2 + _IBAN_STOP)


def date_windows(scan: Scan) -> Spans:
    """Return groups of three numbers, and what is before a year that follows a word or number."""
    runs, sizes = scan.runs, scan.runs.sizes
    joined = scan.joined(b"-/.")
    first, last = _groups(joined)
    sized = joined & _next(joined) & _next(sizes <= 2) & ((sizes == 4) | (sizes <= 2) & _next(_next(sizes >= 2)))
    some = _any(sized, first)
    first, last = first[some], last[some]
    year = runs.starts[sizes >= _YEAR_DIGITS]
    year = year[table_of(b"12").take(scan.at(year)) & (scan.at(year - 1) == ord(" "))]
    year = year[table_of(_ENDS_MONTH_OR_DAY).take(scan.at(year - 2) | _CASE)]
    at = np.concatenate([runs.starts[first], year])
    starts = np.concatenate([runs.starts[first] - 1, year - _BEFORE_YEAR])
    stops = np.concatenate([runs.stops[last], year + _YEAR_DIGITS])
    return _windows(scan, at, starts, stops)


def phone_windows(scan: Scan) -> Spans:
    """Return groups of digits, with one or two signs between them, that look like one of the forms of numbers."""
    runs, sizes = scan.runs, scan.runs.sizes
    joined = scan.joined(b" .-()/", 2)
    first, last = _groups(joined)
    enough = _sums(sizes, first) >= 7
    first, last = first[enough], last[enough]
    national = (sizes == 3) & joined & _next(sizes == 3) & _next(joined) & _next(_next(sizes >= 4))
    zero = (scan.at(runs.starts) == ord("0")) & (sizes >= 2) & (sizes <= 6)
    plus = scan.at(runs.starts[first] - 1) == ord("+")
    some = plus | _any(national | zero, first, last)
    return _digit_windows(scan, first[some], last[some], 2)


def _digit_windows(scan: Scan, first: Places, last: Places, before: int = 1) -> Spans:
    runs = scan.runs
    return _windows(scan, runs.starts[first], runs.starts[first] - before, runs.stops[last])


def _windows(scan: Scan, at: Places, starts: Places, stops: Places) -> Spans:
    """Keep stretches within the values of `at`, begin them with whole characters, and join those that overlap."""
    if len(at) == 0:
        return NONE
    block = scan.block
    rows = block.row_of(at)
    low = block.ends[rows]
    starts, stops = np.maximum(starts, low), np.minimum(stops, block.ends[rows + 1])
    for _ in range(_CHARACTER - 1):
        starts = starts - ((scan.at(starts) & 0xC0 == 0x80) & (starts > low))
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], stops[order]
    reached = np.maximum.accumulate(stops)
    first = np.flatnonzero(np.concatenate([[True], starts[1:] >= reached[:-1]]))
    return Spans(starts[first], reached[np.append(first[1:], len(starts)) - 1])


def _groups(joined: Flags) -> tuple[Places, Places]:
    """Return the first and the last of the runs of each group."""
    return np.flatnonzero(~np.concatenate([[False], joined[:-1]])[: len(joined)]), np.flatnonzero(~joined)


def _next(flags: Flags) -> Flags:
    """Return what holds for the run after each."""
    return np.append(flags[1:], False)[: len(flags)]


def _sums(sizes: Places, first: Places) -> Places:
    return np.add.reduceat(sizes, first) if len(first) else first


def _any(flags: Flags, first: Places, last: Places | None = None) -> Flags:
    """Say for which groups it holds for any run."""
    before = np.concatenate([[0], np.cumsum(flags)])
    stop = np.append(first[1:], len(flags))[: len(first)] if last is None else last + 1
    return np.asarray(before[stop] > before[first])


@cache
def _countries() -> Flags:
    """Say of two bytes (in small letters) whether they are the code of a country that has IBANs."""
    table = np.zeros(1 << 16, np.bool_)
    table[[int.from_bytes(country.lower().encode()) for country in LENGTHS]] = True
    return table
