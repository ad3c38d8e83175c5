"""The people of a locale as parallel lists: names, gender, and how a name is spelt in an address or a user name."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import text_from_matrix
from dmengine.spi import Words
from dmengine_maskers import corpora
from dmengine_maskers.locales import MANNERS

_FOUR: Final = 10_000
_FOUR_DIGITS: Final = np.frombuffer("".join(f"{n:04d}" for n in range(_FOUR)).encode(), np.uint32)
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i", "þ": "th"}
)


@dataclass(frozen=True, slots=True)
class People:
    """First names and last names with their plain spelling, in which all of them differ."""

    first: pa.Array
    first_plain: pa.Array
    female: npt.NDArray[np.bool_]
    last: pa.Array
    last_plain: pa.Array


@lru_cache(maxsize=16)
def people(locale: str) -> People:
    """Return the people of a locale.

    A name that women and men have is one of either, in turn.

    >>> len(people("en_US").first), people("fr_FR").first_plain[0].as_py()
    (690, 'adrien')
    """
    women = set(corpora.load("first_name_female", locale).to_pylist())
    men = set(corpora.load("first_name_male", locale).to_pylist())
    foreign = MANNERS[locale].own_alphabet
    first, first_plain = _spelt(corpora.load("first_name", locale), "first_name" if foreign else None)
    last, last_plain = _spelt(corpora.load("last_name", locale), "last_name" if foreign else None)
    female = [name in women and (name not in men or number % 2 == 0) for number, name in enumerate(first)]
    return People(pa.array(first), pa.array(first_plain), np.array(female), pa.array(last), pa.array(last_plain))


def plain(name: str) -> str:
    """Spell a name in small ASCII letters.

    >>> plain("Jürgen-Óscar Weiß")
    'jurgenoscarweiss'
    """
    folded = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return "".join(letter for letter in folded if "a" <= letter <= "z")


def write_digits(numbers: Words, count: int) -> pa.Array:
    """Write numbers with leading zeros to so many digits.

    >>> write_digits(np.array([42, 123456], np.uint64), 6).to_pylist()
    ['000042', '123456']
    """
    groups = -(-count // 4)
    parts = np.empty((len(numbers), groups), np.uint64)
    left = numbers
    for group in range(groups - 1, -1, -1):
        rest = left // np.uint64(_FOUR)
        parts[:, group] = left - rest * np.uint64(_FOUR)
        left = rest
    matrix = _FOUR_DIGITS.take(parts.view(np.int64)).view(np.uint8).reshape(len(numbers), 4 * groups)
    return text_from_matrix(np.ascontiguousarray(matrix[:, 4 * groups - count :]))


def split(number: Words, *sizes: int) -> list[Words]:
    """Read a number in a mixed radix: the first result is below the first size, and so on.

    >>> [part.tolist() for part in split(np.array([59], np.uint64), 10, 6)]
    [[9], [5]]
    """
    parts = []
    for size in sizes:
        rest = number // np.uint64(size)
        parts.append(number - rest * np.uint64(size))
        number = rest
    return parts


def _spelt(names: pa.Array, lent: str | None) -> tuple[list[str], list[str]]:
    """Return names and their plain spelling, each spelling once; where they have none, that of English names."""
    spelt: dict[str, str] = {}
    if lent is not None:
        english = list(dict.fromkeys(plain(name) for name in corpora.load(lent, "en_US").to_pylist()))
        return names.to_pylist(), english[: len(names)]
    for name in names.to_pylist():
        spelling = plain(name)
        if spelling:
            spelt.setdefault(spelling, name)
    return list(spelt.values()), list(spelt)
