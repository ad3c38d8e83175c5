"""Compose addresses of a locale: a street and its number, and a town with the state and postcode that go with it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.prf import below
from dmengine.spi import Words
from dmengine_maskers import corpora
from dmengine_maskers.locales import MANNERS

AddressPart = Literal["street", "city", "state", "state_code", "postcode", "country", "country_code", "address"]

PLACE_PARTS: Final = ("city", "state", "state_code", "postcode")
PARTS: Final = ("street", *PLACE_PARTS, "country", "country_code", "address")
HIGHEST_NUMBER: Final = 199

_NUMBERS: Final = pa.array([str(number) for number in range(1, HIGHEST_NUMBER + 1)])
_NAMED: Final = re.compile(r"\{(\w+)\}")


def address_part(part: str, locale: str, bits: Words) -> pa.Array:
    """Return a part of the address that each row of bits stands for; all parts of one row go together.

    >>> bits = np.array([[1 << 63, 1 << 62]], np.uint64)
    >>> [address_part(part, "en_US", bits)[0].as_py() for part in ("street", "city", "state_code", "postcode")]
    ['1 Delacruz Harbor', 'New Amanda', 'AK', '99642']
    >>> address_part("address", "en_US", bits)[0].as_py()
    '1 Delacruz Harbor, New Amanda, AK 99642'
    """
    manner = MANNERS[locale]
    if part in ("country", "country_code"):
        name = manner.country[0] if part == "country" else manner.country[1]
        return pa.array([name]).take(pa.array(np.zeros(len(bits), np.int64)))
    if part in PLACE_PARTS:
        return _place(part, locale, bits)
    if part == "street":
        return street(locale, bits)
    form = manner.address.replace("{street}", manner.street.replace("{street}", "{name}"))
    return _drawn(form.replace("{town}", manner.town), locale, bits)


def street(locale: str, bits: Words) -> pa.Array:
    """Return a street with a number, by the second word of each row of bits."""
    return _drawn(MANNERS[locale].street.replace("{street}", "{name}"), locale, bits)


@lru_cache(maxsize=256)
def longest_part(part: str, locale: str) -> int:
    """Return the most bytes that a part may have.

    >>> longest_part("state_code", "en_US"), longest_part("postcode", "nl_NL")
    (2, 7)
    """
    manner = MANNERS[locale]
    if part in ("country", "country_code"):
        return len(manner.country[0] if part == "country" else manner.country[1])
    if part in PLACE_PARTS:
        return corpora.longest(corpora.columns("place", locale)[PLACE_PARTS.index(part)])
    if part == "street":
        return _room(manner.street, {"street": corpora.longest(corpora.load("street_name", locale)), "number": 3})
    town = {name: longest_part(name, locale) for name in ("city", "state", "postcode")}
    town["code"] = longest_part("state_code", locale)
    lines = {"street": longest_part("street", locale), "town": _room(manner.town, town), "postcode": town["postcode"]}
    return _room(manner.address, lines)


def _place(part: str, locale: str, bits: Words) -> pa.Array:
    column = corpora.columns("place", locale)[PLACE_PARTS.index(part)]
    return column.take(pa.array(below(bits[:, 0], len(column))))


def _drawn(form: str, locale: str, bits: Words) -> pa.Array:
    """Fill in a form by drawing from its pools, a column at a time."""
    high, low = bits[:, 0], bits[:, 1]
    drawn = {"place": high, "name": low, "number": low << np.uint64(32)}
    columns = [pool.take(pa.array(below(drawn[source], len(pool)))) for source, pool in _pools(form, locale)]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "")


@lru_cache(maxsize=64)
def _pools(form: str, locale: str) -> tuple[tuple[str, pa.Array], ...]:
    """Return what a form draws from, with the signs around it and with all that is of one place in one text.

    >>> [(source, pool[0].as_py()) for source, pool in _pools("{number} {name}, {city}", "en_US")]
    [('number', '1 '), ('name', 'Aaron Common, '), ('place', 'Aaronchester')]
    """
    pieces = _NAMED.split(form)
    groups: list[tuple[str, list[pa.Array | pa.Scalar]]] = []
    begin: list[pa.Array | pa.Scalar] = [pa.scalar(pieces[0])]
    for name, sign in zip(pieces[1::2], pieces[2::2], strict=True):
        source = "place" if name in (*PLACE_PARTS, "code") else name
        if not groups or groups[-1][0] != source:
            groups.append((source, begin))
        groups[-1][1].extend([_pool(name, locale), pa.scalar(sign)])
        begin = []
    return tuple((source, pc.binary_join_element_wise(*columns, "")) for source, columns in groups)


def _pool(name: str, locale: str) -> pa.Array:
    if name == "name":
        return corpora.load("street_name", locale)
    if name == "number":
        return _NUMBERS
    return corpora.columns("place", locale)[PLACE_PARTS.index("state_code" if name == "code" else name)]


def _room(form: str, sizes: dict[str, int]) -> int:
    return len(_NAMED.sub("", form).encode()) + sum(sizes[name] for name in _NAMED.findall(form))
