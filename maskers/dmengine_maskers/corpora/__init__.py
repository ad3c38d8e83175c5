"""Word lists that lookups pick from, as Arrow arrays."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib import resources

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.errors import PlanError

VERSION = "v1"
FIRST_NAMES = ("first_name_female", "first_name_male")


def available(corpus: str) -> tuple[str, ...]:
    """List the locales that a corpus exists in.

    >>> available("first_name")
    ('de_DE', 'en_GB', 'en_US', 'es_ES', 'fr_FR', 'hi_IN', 'it_IT', 'ja_JP', 'nl_NL', 'pt_BR')
    """
    stem = FIRST_NAMES[0] if corpus == "first_name" else corpus
    names = (entry.name.split(".") for entry in resources.files(__name__).iterdir())
    return tuple(sorted(locale for name, locale, *rest in (n for n in names if len(n) > 2) if name == stem and rest))


@lru_cache(maxsize=128)
def load(corpus: str, locale: str, max_bytes: int | None = None) -> pa.Array:
    """Return the distinct entries of a corpus in their lasting order, or those of at most `max_bytes` in UTF-8.

    >>> len(load("first_name_female", "en_US"))
    381
    >>> load("city", "en_US", max_bytes=9)[0].as_py()
    'Adammouth'

    Raises:
        PlanError: there is no such list, or none of its entries is that short.
    """
    if locale not in available(corpus):
        raise PlanError(
            f"there is no list {corpus} for the locale {locale!r}",
            hint=f"it exists for: {', '.join(available(corpus)) or 'no locale'}",
        )
    words = _first_names(locale) if corpus == "first_name" else _read(corpus, locale)
    if max_bytes is not None:
        words = words.filter(pc.less_equal(pc.binary_length(words), max_bytes))
        if len(words) == 0:
            raise PlanError(
                f"no entry of {corpus} for {locale} fits in {max_bytes} bytes", hint="allow more bytes, or use redact"
            )
    return words


@lru_cache(maxsize=32)
def columns(corpus: str, locale: str) -> tuple[pa.Array, ...]:
    """Return the columns of a corpus of rows: `place` has city, state, its code and postcode, which go together.

    >>> [column[0].as_py() for column in columns("place", "en_US")]
    ['Aaronchester', 'Delaware', 'DE', '19872']
    """
    rows = [entry.split("\t") for entry in load(corpus, locale).to_pylist()]
    return tuple(pa.array(column) for column in zip(*rows, strict=True))


def longest(words: pa.Array) -> int:
    """Return the bytes of the longest entry.

    >>> longest(pa.array(["Zoë", "Al"]))
    4
    """
    return int(pc.max(pc.binary_length(words)).as_py())


def _first_names(locale: str) -> pa.Array:
    both = {name for part in FIRST_NAMES for name in _read(part, locale).to_pylist()}
    return pa.array(sorted(both))


def _read(corpus: str, locale: str) -> pa.Array:
    file = resources.files(__name__) / f"{corpus}.{locale}.{VERSION}.txt.gz"
    return pa.array(gzip.decompress(file.read_bytes()).decode().split("\n"))
