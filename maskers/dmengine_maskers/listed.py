"""Replace companies, occupations, countries and user agents with others of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import pyarrow as pa

from dmengine.arrow import is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import corpora
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.locales import MANNERS, Locale
from dmengine_maskers.picking import choose_entry

_FORMS: Final = ("name", "alpha_2", "alpha_3")


@dataclass(frozen=True, slots=True)
class Company:
    """Replace every value with the name of a made-up company of the locale, chosen by key.

    `max_bytes` leaves out longer names, for narrow targets.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Company(locale="de_DE"), ["ACME", "ACME", None])
    ['Karge KGaA', 'Karge KGaA', None]
    """

    locale: Locale = "en_US"
    max_bytes: int | None = None

    name: ClassVar[str] = "company"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many entries there are to choose from."""
        return len(corpora.load(self.name, _known(self.locale), self.max_bytes))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest name."""
        return _plan(self.name, corpora.load(self.name, _known(self.locale), self.max_bytes), field, limits)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return companies."""
        return choose_entry(
            corpora.load(self.name, self.locale, self.max_bytes), ctx.bits(values, self.name), values.type
        )


@dataclass(frozen=True, slots=True)
class Job:
    """Replace every value with an occupation, in the language of the locale where there is a list in it.

    English for it_IT, nl_NL and hi_IN. `max_bytes` leaves out longer ones, for narrow targets.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Job(), ["nurse", None])
    ['Radiographer, therapeutic', None]
    """

    locale: Locale = "en_US"
    max_bytes: int | None = None

    name: ClassVar[str] = "job"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many entries there are to choose from."""
        return len(corpora.load(self.name, _known(self.locale), self.max_bytes))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest occupation."""
        return _plan(self.name, corpora.load(self.name, _known(self.locale), self.max_bytes), field, limits)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return occupations."""
        return choose_entry(
            corpora.load(self.name, self.locale, self.max_bytes), ctx.bits(values, self.name), values.type
        )


@dataclass(frozen=True, slots=True)
class Country:
    """Replace every value with a country, chosen by key: its English name, or a code of ISO 3166.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Country("alpha_2"), ["DE", "FR", "DE", None])
    ['UY', 'KW', 'UY', None]
    """

    form: Literal["name", "alpha_2", "alpha_3"] = "name"

    name: ClassVar[str] = "country"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many entries there are to choose from."""
        return len(self._pool())

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest country."""
        if self.form not in _FORMS:
            raise wrong_option(self.name, "form", f"be one of {', '.join(_FORMS)}", "leave it out for the name")
        return _plan(self.name, self._pool(), field, limits)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return countries."""
        return choose_entry(self._pool(), ctx.bits(values, self.name), values.type)

    def _pool(self) -> pa.Array:
        return corpora.columns("country", "en_US")[_FORMS.index(self.form)]


@dataclass(frozen=True, slots=True)
class UserAgent:
    """Replace every value with the user agent of some browser, chosen by key.

    `max_bytes` leaves out longer ones, for narrow targets.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(UserAgent(max_bytes=80), ["curl/8.5.0", None])
    ['Opera/9.41.(X11; Linux x86_64; bhb-IN) Presto/2.9.169 Version/11.00', None]
    """

    max_bytes: int | None = None

    name: ClassVar[str] = "user_agent"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many entries there are to choose from."""
        return len(corpora.load(self.name, "en_US", self.max_bytes))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest user agent."""
        return _plan(self.name, corpora.load(self.name, "en_US", self.max_bytes), field, limits)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return user agents."""
        return choose_entry(corpora.load(self.name, "en_US", self.max_bytes), ctx.bits(values, self.name), values.type)


def _known(locale: str) -> str:
    """Refuse a locale that has no lists."""
    if locale not in MANNERS:
        raise wrong_option("the list", "locale", f"be one of {', '.join(MANNERS)}", "leave it out for en_US")
    return locale


def _plan(mask: str, pool: pa.Array, field: pa.Field, limits: Limits) -> pa.Field:
    if not is_text(field.type):
        raise wrong_type(mask, "text", field, "use redact or number")
    hint = f"give max_bytes={limits.max_bytes}: it leaves longer ones out"
    require_room(mask, corpora.longest(pool), limits, hint if mask != "country" else "use form: alpha_2")
    return field
