"""How people, streets, towns and telephone numbers are written in each country that has word lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Locale = Literal["de_DE", "en_GB", "en_US", "es_ES", "fr_FR", "hi_IN", "it_IT", "ja_JP", "nl_NL", "pt_BR"]


@dataclass(frozen=True, slots=True)
class Manner:
    """The manner of a country.

    Attributes:
        street: A street and its number; both are named.
        town: The line of the town, of city, state, code and postcode.
        address: How street and town make an address.
        country: Its English name, and its codes in ISO 3166.
        phones: Beginnings of mobile numbers (in the US of any), after which all digits make a valid number.
        phone_digits: How many digits follow.
        family_first: The family name comes first.
        own_alphabet: Names have no Latin letters, so addresses and user names are made of English names.
    """

    street: str
    town: str
    address: str
    country: tuple[str, str, str]
    phones: tuple[str, ...]
    phone_digits: int
    family_first: bool = False
    own_alphabet: bool = False


_AREAS = ("206", "212", "303", "305", "312", "415", "617", "713")
_LINES = "{street}, {town}"

MANNERS: Final[dict[str, Manner]] = {
    "de_DE": Manner(
        "{street} {number}", "{postcode} {city}", _LINES, ("Germany", "DE", "DEU"), ("+49160", "+49170", "+49171"), 7
    ),
    "en_GB": Manner(
        "{number} {street}", "{city} {postcode}", _LINES, ("United Kingdom", "GB", "GBR"),
        ("+44740", "+44771", "+44785"), 7,
    ),
    "en_US": Manner(
        "{number} {street}", "{city}, {code} {postcode}", _LINES, ("United States", "US", "USA"),
        tuple(f"+1{area}{first}" for area in _AREAS for first in "2345678"), 6,
    ),
    "es_ES": Manner(
        "{street} {number}", "{postcode} {city}", _LINES, ("Spain", "ES", "ESP"), ("+3461", "+3462", "+3465"), 7
    ),
    "fr_FR": Manner(
        "{number} {street}", "{postcode} {city}", _LINES, ("France", "FR", "FRA"), ("+3361", "+3362", "+3367"), 7
    ),
    "hi_IN": Manner(
        "{number} {street}", "{city} {postcode}", _LINES, ("India", "IN", "IND"), ("+9197", "+9198", "+9199"), 8,
        own_alphabet=True,
    ),
    "it_IT": Manner(
        "{street} {number}", "{postcode} {city} {code}", _LINES, ("Italy", "IT", "ITA"),
        ("+39328", "+39333", "+39347"), 7,
    ),
    "ja_JP": Manner(
        "{street}{number}番", "{state}{city}", "〒{postcode} {town}{street}", ("Japan", "JP", "JPN"), ("+8180",), 8,
        family_first=True, own_alphabet=True,
    ),
    "nl_NL": Manner(
        "{street} {number}", "{postcode} {city}", _LINES, ("Netherlands", "NL", "NLD"), ("+3161", "+3162", "+3164"), 7
    ),
    "pt_BR": Manner(
        "{street}, {number}", "{city} - {code}, {postcode}", _LINES, ("Brazil", "BR", "BRA"),
        ("+55119", "+55219"), 8,
    ),
}  # fmt: skip
