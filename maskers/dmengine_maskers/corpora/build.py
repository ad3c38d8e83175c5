"""Build the word lists from Faker; run by hand, and only to add a list or a new version of one.

A list that has shipped never changes, because every masked value picked from it would change too. So this script
writes files that do not exist yet, and leaves those that do alone: `python -m dmengine_maskers.corpora.build`.
"""

from __future__ import annotations

import gzip
import importlib
import random
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from faker import Faker

from dmengine_maskers.corpora import regions
from dmengine_maskers.corpora.regions import Region

FOLDER = Path(__file__).parent
LOCALES = ("de_DE", "en_GB", "en_US", "es_ES", "fr_FR", "hi_IN", "it_IT", "ja_JP", "nl_NL", "pt_BR")
SEED = 20_240_229
STREETS = 8_192
CITIES = 2_048
PLACES = 4_096
STREET_NAMES = 4_096
COMPANIES = 4_096
USER_AGENTS = 2_048
FRUITLESS = 20_000
NOT_NAMES = {"auch Schlauchin"}  # a variant of another entry that slipped into Faker's German surnames
LETTERS = "ABDEFGHJLNPQRSTUWXYZ"  # those of the second half of British postcodes

# place names that nobody lives in, where Faker has none or only real ones, of which it does not say where they are
VILLAGES: dict[str, tuple[str, ...]] = {
    "de_DE": ("{last}sdorf", "{last}shausen", "{last}sberg", "{last}stal", "{last}sheim", "{last}sfelde",
              "Neu {last}sdorf"),
    "es_ES": ("Villanueva de {last}", "Puebla de {last}", "Torre de {last}", "Aldea de {last}", "Fuente de {last}"),
    "hi_IN": ("{last}पुर", "{last}नगर", "{last}गढ़", "{last}गंज", "{first}पुर", "{first}नगर", "{first}गढ़", "{first}गंज"),
    "ja_JP": tuple(f"{side}{{last}}{kind}" for side in ("", *"東西南北上下新") for kind in "市町村"),
    "nl_NL": ("{first}dorp", "{first}veen", "{first}burg", "{first}dijk", "{first}wijk", "{first}hoven",
              "Nieuw-{first}dorp"),
}  # fmt: skip


def main() -> None:
    """Write every list that is not there yet, and say which."""
    for locale in LOCALES:
        people = importlib.import_module(f"faker.providers.person.{locale}").Provider
        write(f"first_name_female.{locale}.v1", people.first_names_female)
        write(f"first_name_male.{locale}.v1", people.first_names_male)
        write(f"last_name.{locale}.v1", people.last_names)
        write(f"street_name.{locale}.v1", street_names(locale))
        write(f"place.{locale}.v1", ("\t".join(row) for row in places(locale)))
        write(f"company.{locale}.v1", distinct(_seeded(locale).company, COMPANIES))
        write(f"job.{locale}.v1", jobs(locale))
    write("country.en_US.v1", ("\t".join(row) for row in countries()))
    write("user_agent.en_US.v1", distinct(_seeded("en_US").user_agent, USER_AGENTS))
    write("street.en_US.v1", streets("en_US", STREETS))
    write("city.en_US.v1", distinct(_seeded("en_US").city, CITIES))


def streets(locale: str, count: int) -> set[str]:
    """Make street addresses: a house number and a street that most likely does not exist."""
    fake, numbers = _seeded(locale), random.Random(SEED)
    return distinct(lambda: f"{numbers.randint(1, 9_999)} {fake.street_name()}", count)


def street_names(locale: str) -> set[str]:
    """Make street names without a number; in Japan, quarters and their blocks."""
    if locale == "ja_JP":
        towns = importlib.import_module("faker.providers.address.ja_JP").Provider.towns
        return {f"{town}{block}丁目" for town in towns for block in range(1, 10)}
    return distinct(_seeded(locale).street_name, STREET_NAMES)


def places(locale: str) -> list[tuple[str, str, str, str]]:
    """Make rows of city, state, code of the state and postcode; state and postcode are right for each other."""
    draw = random.Random(SEED)
    if locale == "it_IT":
        return draw.sample(_italy(), 2 * PLACES)
    states = regions_of(locale)
    cities = sorted(distinct(_city_maker(locale, draw), PLACES))
    draw.shuffle(cities)
    rows = []
    for number in range(PLACES):
        name, code, patterns = states[number % len(states)]
        rows.append((cities[number % len(cities)], name, code, _fill(draw.choice(patterns), draw)))
    return rows


def regions_of(locale: str) -> tuple[Region, ...]:
    """Return the states of a country with the patterns of their postcodes."""
    address = importlib.import_module(f"faker.providers.address.{locale}").Provider
    if locale == "en_US":
        names = dict(zip((code for code in address.states_abbr if code != "DC"), address.states, strict=True))
        names["DC"] = "District of Columbia"
        return tuple((names[code], code, _between(*address.states_postcode[code])) for code in sorted(names))
    if locale == "fr_FR":
        return tuple(
            (name, code, (f"{'20' if code in ('2A', '2B') else code}###"[:5],)) for code, name in address.departments
        )
    tables = {
        "de_DE": regions.GERMANY, "en_GB": regions.BRITAIN, "es_ES": regions.SPAIN, "hi_IN": regions.INDIA,
        "ja_JP": regions.JAPAN, "nl_NL": regions.NETHERLANDS, "pt_BR": regions.BRAZIL,
    }  # fmt: skip
    return tables[locale]


def jobs(locale: str) -> Iterable[str]:
    """Return the occupations that Faker has in the language, or the English ones."""
    try:
        provider: Any = importlib.import_module(f"faker.providers.job.{locale}").Provider
    except ModuleNotFoundError:
        provider = importlib.import_module("faker.providers.job").Provider
    return list(provider.jobs)


def countries() -> list[tuple[str, str, str]]:
    """Return the countries by English name and both ISO 3166 codes."""
    known = importlib.import_module("faker.providers.date_time").Provider.countries
    return [(country.name, country.alpha_2_code, country.alpha_3_code) for country in known]


def distinct(make: Callable[[], str], count: int) -> set[str]:
    """Call until there are so many different texts, or until nothing new has come for long."""
    found: set[str] = set()
    fruitless = 0
    while len(found) < count and fruitless < FRUITLESS:
        before = len(found)
        found.add(make())
        fruitless = 0 if len(found) > before else fruitless + 1
    return found


def write(name: str, words: Iterable[str]) -> None:
    """Write one list, sorted by code points, as gzip without a time stamp."""
    path = FOLDER / f"{name}.txt.gz"
    if path.exists():
        return
    tidy = {unicodedata.normalize("NFC", _one_space(word)) for word in words} - NOT_NAMES
    # a Hindi entry or two of Faker's begins with a vowel sign that has no letter to stand on
    lines = sorted(word for word in tidy if not unicodedata.category(word[0]).startswith("M"))
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    print(f"{path.name}: {len(lines)} entries")


def _one_space(word: str) -> str:
    return re.sub(r"[ \n]+", " ", word.strip())


def _city_maker(locale: str, draw: random.Random) -> Callable[[], str]:
    fake = _seeded(locale)
    if locale not in VILLAGES:
        return fake.city
    people: Any = importlib.import_module(f"faker.providers.person.{locale}").Provider
    firsts = sorted(name for name in people.first_names_male if name.isalpha() or locale == "hi_IN")
    lasts = sorted(name for name in people.last_names if " " not in name and "-" not in name)
    forms = VILLAGES[locale]
    return lambda: draw.choice(forms).format(first=draw.choice(firsts), last=draw.choice(lasts))


def _italy() -> list[tuple[str, str, str, str]]:
    """Return real Italian towns: Faker knows the province and the postcodes of each."""
    address: Any = importlib.import_module("faker.providers.address.it_IT").Provider
    names = dict(zip(address.states_abbr, address.states, strict=True))
    rows = {
        (city, names[code], code, postcode)
        for postcode, towns in address.cap_city_province.items()
        for city, code in towns
        if code in names and postcode.isdigit()
    }
    return sorted(rows)


def _between(low: int, high: int) -> tuple[str, ...]:
    """Return the prefixes of three digits that lie wholly within a range of ZIP codes, or the range's own codes."""
    whole = [f"{prefix:03d}##" for prefix in range(1000) if low <= prefix * 100 and prefix * 100 + 99 <= high]
    return tuple(whole) or tuple(f"{code:05d}" for code in range(low, high + 1))


def _fill(pattern: str, draw: random.Random) -> str:
    signs = (
        str(draw.randint(1, 9)) if sign == "#" else draw.choice(LETTERS) if sign == "?" else sign for sign in pattern
    )
    return "".join(signs)


def _seeded(locale: str) -> Faker:
    fake = Faker(locale)
    fake.seed_instance(SEED)
    return fake


if __name__ == "__main__":
    main()
