"""Make the parts of a made-up person from keyed bits of who it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.prf import below
from dmengine.spi import Words
from dmengine_maskers import corpora
from dmengine_maskers.handles import People, people, split, write_digits
from dmengine_maskers.locales import MANNERS

DIGITS: Final = 8
"""Digits of an address or a user name: with the names, they make some 10^13 to 10^14 of them."""

EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Someone:
    """Made-up people, one a row: the numbers of their names, and the digits of their addresses."""

    of: People
    first: Words
    last: Words
    digits: Words

    def first_name(self) -> pa.Array:
        """Return first names."""
        return self.of.first.take(pa.array(self.first))

    def last_name(self) -> pa.Array:
        """Return last names."""
        return self.of.last.take(pa.array(self.last))

    def handle(self) -> pa.Array:
        """Return first name, last name and digits; no two people have the same."""
        first, last = self.of.first_plain.take(pa.array(self.first)), self.of.last_plain.take(pa.array(self.last))
        return pc.binary_join_element_wise(
            pc.binary_join_element_wise(first, last, "."), write_digits(self.digits, DIGITS), ""
        )


@lru_cache(maxsize=16)
def person_capacity(locale: str) -> int:
    """Return how many people there are: as many as there are addresses and user names.

    >>> f"{person_capacity('en_US'):.1e}"
    '6.9e+13'
    """
    of = people(locale)
    return int(len(of.first) * len(of.last) * 10**DIGITS)


def someone(locale: str, number: Words) -> Someone:
    """Return the people of some numbers, all below the capacity."""
    of = people(locale)
    first, last, digits = split(number, len(of.first), len(of.last), 10**DIGITS)
    return Someone(of, first, last, digits)


def full_name(locale: str, first: pa.Array, last: pa.Array) -> pa.Array:
    """Join names in the order of the country."""
    pair = (last, first) if MANNERS[locale].family_first else (first, last)
    return pc.binary_join_element_wise(*pair, " ")


def phone_capacity(locale: str) -> int:
    """Return how many numbers there are.

    >>> phone_capacity("en_US")
    56000000
    """
    manner = MANNERS[locale]
    return int(len(manner.phones) * 10**manner.phone_digits)


def phone(locale: str, number: Words) -> pa.Array:
    """Return the telephone numbers of some numbers, all below the capacity.

    >>> phone("de_DE", np.array([0, 12345678], np.uint64)).to_pylist()
    ['+491600000000', '+491702345678']
    """
    manner = MANNERS[locale]
    digits, start = split(number, 10**manner.phone_digits, len(manner.phones))
    starts = pa.array(manner.phones).take(pa.array(start))
    return pc.binary_join_element_wise(starts, write_digits(digits, manner.phone_digits), "")


def born(bits: Words, first: date, last: date) -> pa.Array:
    """Return days of a range, both ends included, as date32."""
    days = below(bits[:, 0], (last - first).days + 1).astype(np.int32) + np.int32(first.toordinal() - EPOCH)
    return pa.array(days, pa.int32()).cast(pa.date32())


def longest_of(part: str, locale: str, mail_end: int) -> int:
    """Return the most bytes that a part of a person may have."""
    of = people(locale)
    first, last = corpora.longest(of.first), corpora.longest(of.last)
    handle = corpora.longest(of.first_plain) + 1 + corpora.longest(of.last_plain) + DIGITS
    sizes: dict[str, Callable[[], int]] = {
        "first_name": lambda: first,
        "last_name": lambda: last,
        "full_name": lambda: first + last + 1,
        "gender": lambda: 0,
        "username": lambda: handle,
        "email": lambda: handle + mail_end,
        "phone": lambda: len(MANNERS[locale].phones[0]) + MANNERS[locale].phone_digits,
        "birth_date": lambda: 10,
        "company": lambda: corpora.longest(corpora.load("company", locale)),
        "job": lambda: corpora.longest(corpora.load("job", locale)),
    }
    return sizes[part]()
