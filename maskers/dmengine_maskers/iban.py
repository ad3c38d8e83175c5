"""Replace IBANs with other valid ones of the same country."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Positions, Scope, Uniqueness
from dmengine_maskers.bban_checks import CHECKS, FIRST
from dmengine_maskers.checksums import Fails, SomeLetter, mod_97_10, number_at
from dmengine_maskers.forms import Form, form
from dmengine_maskers.iban_structures import BANK_PART, STRUCTURES
from dmengine_maskers.identifiers import Scheme, mask_identifiers, require_identifier
from dmengine_maskers.symbols import SYMBOLS, Codes

_KEPT: Final = {"n": ".", "a": ",", "c": ":"}
_CHECK_SIGN: Final = {"n": "#", "a": "@"}


@dataclass(frozen=True, slots=True)
class Iban:
    """Replace every IBAN with another of the same country, with the same structure and right check digits.

    `keep_bank` keeps the bank's code, so that the bank stays to be seen and only the account changes.

    A value of an unknown country, of another structure, or with wrong check digits is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Iban(), ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", None])
    ['DE60 7481 4485 2587 4157 69', 'GB28CTTO72450608386426', None]
    >>> mask_values(Iban(keep_bank=True), ["DE89 3704 0044 0532 0130 00"])
    ['DE35 3704 0044 4964 3039 39']
    """

    keep_bank: bool = False

    name: ClassVar[str] = "iban"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text."""
        require_identifier(self.name, iban_scheme(self.keep_bank), field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return IBANs."""
        return mask_identifiers(values, iban_scheme(self.keep_bank), ctx, ctx.key(self.name, 32))


@cache
def iban_scheme(keep_bank: bool) -> Scheme:
    """The forms of all countries."""

    def forms(codes: Codes) -> Iterable[tuple[Positions | None, tuple[Form, ...]]]:
        if len(codes) <= FIRST:
            return
        countries = number_at(codes[:2])
        for country in np.unique(countries).tolist():
            rows = np.flatnonzero(countries == country)
            name = SYMBOLS[country // 36] + SYMBOLS[country % 36]
            whole = len(rows) == codes.shape[1]
            yield None if whole else rows, _forms_of(name, len(codes), keep_bank)

    return Scheme(tuple(sorted({len(_pattern(country, False)) for country in STRUCTURES})), forms, integers=False)


@cache
def _forms_of(country: str, length: int, keep_bank: bool) -> tuple[Form, ...]:
    """The forms of a country: with digits only and with letters; where its own check digits hold, and where not."""
    pattern = _pattern(country, keep_bank) if country in STRUCTURES else ""
    if len(pattern) != length:
        return ()
    national = CHECKS.get(country)
    forms = []
    for body in dict.fromkeys((pattern.replace("c", "n"), pattern)):
        places = tuple(place for place, sign in enumerate(body) if sign == "c")
        letters = (SomeLetter(places),) if places else ()
        if national is not None:
            checked = "".join(
                _CHECK_SIGN[sign] if place - FIRST in national.positions else sign for place, sign in enumerate(body)
            )
            checks = (*national.checks, *letters, mod_97_10)
            forms.append(form(checked, *checks, has_letter=True, tweak=country))
            letters = (Fails(national.checks), *letters)
        tweak = f"{country} {len(forms)}" if forms else country
        forms.append(form(body, *letters, mod_97_10, has_letter=True, tweak=tweak))
    return tuple(forms)


@cache
def _pattern(country: str, keep_bank: bool) -> str:
    """The structure of a country's IBANs, a sign a position."""
    parts = [sign * int(count) for count, sign in re.findall(r"([0-9]+)([nac])", STRUCTURES[country])]
    if keep_bank:
        place = BANK_PART.get(country, 0)
        parts[place] = "".join(_KEPT[sign] for sign in parts[place])
    return f"{country}##{''.join(parts)}"
