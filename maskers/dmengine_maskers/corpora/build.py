"""Build the word lists from Faker; run by hand, and only to add a list or a new version of one.

A list that has shipped never changes, because every masked value picked from it would change too. So this script
writes files that do not exist yet, and leaves those that do alone: `python -m dmengine_maskers.corpora.build`.
"""

from __future__ import annotations

import gzip
import importlib
import random
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from faker import Faker

FOLDER = Path(__file__).parent
LOCALES = ("de_DE", "en_GB", "en_US", "es_ES", "fr_FR")
SEED = 20_240_229
STREETS = 8_192
CITIES = 2_048
NOT_NAMES = {"auch Schlauchin"}  # a variant of another entry that slipped into Faker's German surnames


def main() -> None:
    """Write every list that is not there yet, and say which."""
    for locale in LOCALES:
        people = importlib.import_module(f"faker.providers.person.{locale}").Provider
        write(f"first_name_female.{locale}.v1", people.first_names_female)
        write(f"first_name_male.{locale}.v1", people.first_names_male)
        write(f"last_name.{locale}.v1", people.last_names)
    write("street.en_US.v1", streets("en_US", STREETS))
    write("city.en_US.v1", distinct(_seeded("en_US").city, CITIES))


def streets(locale: str, count: int) -> set[str]:
    """Make street addresses: a house number and a street that most likely does not exist."""
    fake, numbers = _seeded(locale), random.Random(SEED)
    return distinct(lambda: f"{numbers.randint(1, 9_999)} {fake.street_name()}", count)


def distinct(make: Callable[[], str], count: int) -> set[str]:
    """Call until there are so many different texts."""
    found: set[str] = set()
    while len(found) < count:
        found.add(make())
    return found


def write(name: str, words: Iterable[str]) -> None:
    """Write one list, sorted by code points, as gzip without a time stamp."""
    path = FOLDER / f"{name}.txt.gz"
    if path.exists():
        return
    lines = sorted({unicodedata.normalize("NFC", word.strip()) for word in words} - NOT_NAMES)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    print(f"{path.name}: {len(lines)} entries")


def _seeded(locale: str) -> Faker:
    fake = Faker(locale)
    fake.seed_instance(SEED)
    return fake


if __name__ == "__main__":
    main()
