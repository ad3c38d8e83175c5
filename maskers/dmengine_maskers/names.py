"""Replace people's names with other people's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.errors import PlanError
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import corpora
from dmengine_maskers.full_name import FullName
from dmengine_maskers.genders import first_pools, genders_of
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.locales import Locale
from dmengine_maskers.picking import choose_entry, with_case_of


@dataclass(frozen=True, slots=True)
class FirstName:
    """Replace every value with a first name of the locale, chosen by key.

    `gender` keeps to one list; `gender_field` names the field that says the gender of each record (f, female, weiblich,
    m, male, ...; anything else is either); `keep_case` writes the name in capitals or small letters where the value is;
    `max_bytes` leaves out longer names, for narrow targets. `unique` is refused, with the masks that can keep values
    apart: there are too few names (see `capacity`).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(FirstName(), ["Alice", "Bob", "Alice", None])
    ['Jorge', 'Gabriel', 'Jorge', None]
    """

    locale: Locale = "en_US"
    gender: Literal["female", "male"] | None = None
    keep_case: bool = False
    max_bytes: int | None = None
    gender_field: str | None = None
    unique: bool = False

    name: ClassVar[str] = "first_name"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

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
        return len(self._pool())

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, `unique`, and a target narrower than the longest name."""
        if self.gender not in (None, "female", "male"):
            raise wrong_option(self.name, "gender", "be female or male", "leave it out for both")
        if self.gender and self.gender_field:
            raise wrong_option(self.name, "gender", "be left out beside gender_field", "give one of them")
        return _plan(self, self._pool(), field, limits)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return names."""
        bits = ctx.bits(values, self.name)
        if self.gender_field:
            which = genders_of(ctx.beside(self.gender_field))
            picked = first_pools(self.locale, self.max_bytes).take(which, bits[:, 0]).cast(values.type)
        else:
            picked = choose_entry(self._pool(), bits, values.type)
        return with_case_of(values, picked) if self.keep_case else picked

    def _pool(self) -> pa.Array:
        corpus = f"first_name_{self.gender}" if self.gender else "first_name"
        return corpora.load(corpus, self.locale, self.max_bytes)


@dataclass(frozen=True, slots=True)
class LastName:
    """Replace every value with a last name of the locale, chosen by key.

    `keep_case` writes the name in capitals or small letters where the value is; `max_bytes` leaves out longer
    names, for narrow targets. `unique` is refused, with the masks that can keep values apart: there are too few names
    (see `capacity`).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(LastName(locale="de_DE", keep_case=True), ["MEIER", None])
    ['KOCH', None]
    """

    locale: Locale = "en_US"
    keep_case: bool = False
    max_bytes: int | None = None
    unique: bool = False

    name: ClassVar[str] = "last_name"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many names there are to choose from."""
        return len(self._pool())

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, `unique`, and a target narrower than the longest name."""
        return _plan(self, self._pool(), field, limits)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return names."""
        picked = choose_entry(self._pool(), ctx.bits(values, self.name), values.type)
        return with_case_of(values, picked) if self.keep_case else picked

    def _pool(self) -> pa.Array:
        return corpora.load("last_name", self.locale, self.max_bytes)


def _plan(mask: FirstName | LastName, pool: pa.Array, field: pa.Field, limits: Limits) -> pa.Field:
    if not is_text(field.type):
        raise wrong_type(mask.name, "text", field, "use redact or number")
    if mask.unique:
        others = f"full_name has {FullName(mask.locale, unique=True).capacity:.1e} results, username and email more"
        raise PlanError(
            f"{mask.name}: unique cannot hold: there are {len(pool):,} names, so values share them",
            hint=f"with unique: true, {others}; persona by a number keeps all apart",
        )
    # a letter may take more bytes in the other case
    longest = max(corpora.longest(form) for form in (pool, pc.utf8_upper(pool), pc.utf8_lower(pool)))
    require_room(mask.name, longest, limits, f"give max_bytes={limits.max_bytes}: it leaves longer names out")
    return field
