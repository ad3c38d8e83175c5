"""Replace people's full names with other people's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import corpora
from dmengine_maskers.genders import Gender, first_pools, genders_of
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.locales import MANNERS, Locale
from dmengine_maskers.person_parts import full_name
from dmengine_maskers.picking import with_case_of


@dataclass(frozen=True, slots=True)
class FullName:
    """Replace every value with a first and a last name of the locale, chosen by key.

    `gender` keeps to one list of first names; `gender_field` names the field that says so for each record. With
    `unique` two middle names and a second last name make so many names that two values hardly ever share one: see
    `capacity`. `keep_case` writes the name in capitals or small letters where the value is.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(FullName(), ["Alice Smith", None])
    ['Kellie Hodges', None]
    >>> mask_values(FullName(unique=True, gender="female"), ["Alice Smith"])
    ['Kristie Cheryl Patricia Hodges-Graham']
    """

    locale: Locale = "en_US"
    gender: Gender | None = None
    gender_field: str | None = None
    unique: bool = False
    keep_case: bool = False

    name: ClassVar[str] = "full_name"
    consistent: ClassVar[bool] = True
    reversible: ClassVar[bool] = False

    @property
    def uniqueness(self) -> Uniqueness:
        """Names by the hundred thousand merge values; by the billion, hardly ever."""
        return "unknown" if self.unique else "lossy"

    @property
    def scope(self) -> Scope:
        """The record decides where it says the gender."""
        return "row" if self.gender_field else "value"

    @property
    def reads(self) -> tuple[str, ...]:
        """The field of the gender, if one is read."""
        return (self.gender_field,) if self.gender_field else ()

    @property
    def capacity(self) -> int:
        """How many names there are to choose from."""
        first, last = len(self._firsts()), len(corpora.load("last_name", self.locale))
        return first**3 * last**2 if self.unique else first * last

    @property
    def longest_bytes(self) -> int:
        """The most bytes that a result may have."""
        pools = [corpora.load("first_name", self.locale), corpora.load("last_name", self.locale)]
        first, last = (
            max(corpora.longest(form) for form in (pool, pc.utf8_upper(pool), pc.utf8_lower(pool))) for pool in pools
        )
        return 3 * first + 2 * last + 4 if self.unique else first + last + 1

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest name."""
        if self.locale not in MANNERS:
            raise wrong_option(self.name, "locale", f"be one of {', '.join(MANNERS)}", "leave it out for en_US")
        if self.gender not in (None, "female", "male"):
            raise wrong_option(self.name, "gender", "be female or male", "leave it out for both")
        if self.gender and self.gender_field:
            raise wrong_option(self.name, "gender", "be left out beside gender_field", "give one of them")
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
        require_room(self.name, self.longest_bytes, limits, hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return names."""
        bits = ctx.bits(values, self.name)
        pools = first_pools(self.locale)
        if self.gender_field:
            which = genders_of(ctx.beside(self.gender_field))
        else:
            which = np.full(len(values), {None: 2, "female": 0, "male": 1}[self.gender], np.int8)
        last = corpora.load("last_name", self.locale)
        lasts = last.take(pa.array(below(bits[:, 1], len(last))))
        firsts = pools.take(which, bits[:, 0])
        if self.unique:
            more = ctx.bits(values, f"{self.name}/more")
            others = [pools.take(which, more[:, 0]), pools.take(which, more[:, 1])]
            second = last.take(pa.array(below(bits[:, 1] << np.uint64(32), len(last))))
            firsts = pc.binary_join_element_wise(firsts, *others, " ")
            lasts = pc.binary_join_element_wise(lasts, second, "-")
        made = full_name(self.locale, firsts, lasts).cast(values.type)
        return with_case_of(values, made) if self.keep_case else made

    def _firsts(self) -> pa.Array:
        return corpora.load(f"first_name_{self.gender}" if self.gender else "first_name", self.locale)
