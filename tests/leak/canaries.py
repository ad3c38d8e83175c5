"""Unique values shaped for every type, and what to look for to find one again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import TypeVar

from tests.leak.matcher import Matcher
from tests.leak.views import views

_LETTERS = "GHJKLMPQRSTUVWXY"  # no digit of hexadecimal, and neither letter of what stands before them
_ODD = 0x9E3779B97F4A7C15
_FIRST_DAY, _LAST_DAY, _DAYS_APART = date(1000, 1, 1), date(9990, 1, 1), 47
_OUR_TIMES = range(1890, 2110)  # dates of logs and of redaction are no canaries
_MOST_SHOWN = 10
V = TypeVar("V")


class Canaries:
    """Makes values that are all different, and finds any of them in any reading of bytes.

    >>> canaries = Canaries()
    >>> text, = canaries.texts(1)
    >>> canaries.found(f"no {text.lower()} here".encode())
    ['CNGGGGGGGGZ as text at 5']
    """

    def __init__(self) -> None:
        self.count = 0
        self._days = 0
        self._texts: dict[bytes, str] = {}
        self._binary: dict[bytes, str] = {}
        self._matchers: tuple[Matcher, Matcher] | None = None

    # ------------------------------------------------------------------------------------------ values

    def texts(self, count: int, form: str = "{}") -> list[str]:
        """Return texts with a token of eight letters in each; `form` says what stands around it."""
        return self._made(count, lambda number: self._text(number, form))

    def emails(self, count: int) -> list[str]:
        """Return addresses."""
        return self.texts(count, "{}@mail.example.de")

    def blobs(self, count: int, size: int = 16) -> list[bytes]:
        """Return bytes that are no UTF-8, all of one size."""
        return [b"\xff" + text.encode().ljust(size - 2, b"\xfe") + b"\0" for text in self.texts(count)]

    def cards(self, count: int) -> list[str]:
        """Return card numbers."""
        return self._made(count, lambda number: self._digits(number, "4{} {} {} {}", (3, 4, 4, 4)))

    def phones(self, count: int) -> list[str]:
        """Return phone numbers."""
        return self._made(count, lambda number: self._digits(number, "+{} ({}) {}-{}", (2, 4, 5, 4)))

    def integers(self, count: int) -> list[int]:
        """Return integers of 18 digits."""
        return self._made(count, self._integer)

    def decimals(self, count: int, scale: int = 4) -> list[Decimal]:
        """Return decimals of 18 digits."""
        return self._made(count, lambda number: self._decimal(number, scale))

    def doubles(self, count: int) -> list[float]:
        """Return floats of 16 or 17 digits."""
        return self._made(count, self._double)

    def days(self, count: int) -> list[date]:
        """Return dates that are 47 days apart, so that none becomes another by a shift of some days."""
        return self._made(count, self._day)

    def moments(self, count: int) -> list[datetime]:
        """Return timestamps with microseconds."""
        return self._made(count, self._moment)

    # ------------------------------------------------------------------------------------------ search

    def found(self, content: bytes, *, depth: int = 2) -> list[str]:
        """Name the canaries that are in some reading of the content; a few of them, if there are many."""
        return [f"{name} as {where}" for name, where in islice(self.search(content, depth=depth), _MOST_SHOWN)]

    def search(self, content: bytes, *, depth: int = 2) -> Iterator[tuple[str, str]]:
        """Yield each canary that is in some reading of the content, with the reading and the place."""
        if self._matchers is None:
            self._matchers = Matcher(self._texts), Matcher(self._binary)
        texts, binary = self._matchers
        for way, seen in views(content, depth=depth):
            for place, needle in texts.find(seen.lower()):
                yield self._texts[needle], f"{way or 'text'} at {place}"
            for place, needle in binary.find(seen):
                yield self._binary[needle], f"{way or 'bytes'} at {place}"

    # ------------------------------------------------------------------------------------------ one value

    def _made(self, count: int, make: Callable[[int], V]) -> list[V]:
        self._matchers = None
        first, self.count = self.count, self.count + count
        return [make(number) for number in range(first, first + count)]

    def _text(self, number: int, form: str) -> str:
        spread = number * _ODD % (1 << 32)
        core = "".join(_LETTERS[spread >> shift & 15] for shift in range(28, -1, -4))
        self._texts[core.lower().encode()] = f"CN{core}Z"
        return form.format(f"CN{core}Z")

    def _digits(self, number: int, form: str, groups: tuple[int, ...]) -> str:
        digits = f"{number * _ODD % 10**15:015d}"
        cuts = [sum(groups[:i]) for i in range(len(groups) + 1)]
        text = form.format(*(digits[a:b] for a, b in pairwise(cuts)))
        self._know(text, text, digits)
        return text

    def _integer(self, number: int) -> int:
        value = 10**17 + number * _ODD % (1 << 56)
        self._know(str(value), str(value))
        self._know_binary(str(value), value)
        return value

    def _decimal(self, number: int, scale: int) -> Decimal:
        units = 10**17 + number * _ODD % (1 << 56) | 1
        value = Decimal(units).scaleb(-scale)
        self._know(str(value), str(value), str(units))
        self._know_binary(str(value), units)
        return value

    def _double(self, number: int) -> float:
        value = 1e8 + (number * _ODD % (1 << 49)) / (1 << 49) * 8e8
        self._know(str(value), repr(value)[:15])
        self._binary[struct.pack("<d", value)] = repr(value)
        return value

    def _day(self, number: int) -> date:
        value = _FIRST_DAY + timedelta(days=self._days * _DAYS_APART)
        if value.year in _OUR_TIMES:
            self._days += ((date(_OUR_TIMES.stop, 1, 1) - value).days) // _DAYS_APART + 1
            return self._day(number)
        assert value < _LAST_DAY, "there are no more days"
        self._days += 1
        self._know(str(value), str(value), value.strftime("%d.%m.%Y"))
        return value

    def _moment(self, number: int) -> datetime:
        micros = (number * _ODD % (1 << 52)) | 1
        value = datetime(1900, 1, 1) + timedelta(microseconds=micros)
        self._know(str(value), value.isoformat(" ", "microseconds"), value.isoformat("T", "microseconds"))
        self._know_binary(str(value), (value - datetime(1970, 1, 1)) // timedelta(microseconds=1))
        return value

    def _know(self, name: str, *needles: str) -> None:
        self._texts |= {needle.lower().encode(): name for needle in needles}

    def _know_binary(self, name: str, value: int) -> None:
        self._binary[value.to_bytes(8, "little", signed=True)] = name
        self._binary[value.to_bytes(8, "big", signed=True)] = name
