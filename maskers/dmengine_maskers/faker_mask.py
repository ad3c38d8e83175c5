"""Replace values with what a provider of Faker makes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.errors import PlanError
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.picking import choose_entry

SEED: Final = 20_240_229
LARGEST: Final = 100_000
_OF_TODAY: Final = re.compile(
    r"date|time|year|month|birth|past|future|this_|expire|unix|century|profile|dob|passport_full"
)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FakerMask:
    """Replace every value with one of a pool that a provider of Faker makes, chosen by key.

    `provider` is any method of Faker that takes no arguments, such as `license_plate` or `color_name`. The pool has up
    to `pool` different texts, drawn once with a fixed seed. **Another version of Faker may make another pool**, and
    then all masked values change: pin Faker, or use a mask whose lists are in dmengine. Providers that look at the
    clock are refused.

    >>> from dmengine.testing.context import mask_values
    >>> mask = FakerMask("color_name", pool=100)
    >>> before, again = mask_values(mask, ["red"]), mask_values(mask, ["red", "blue"])
    >>> before[0] == again[0]
    True
    """

    provider: str
    locale: str = "en_US"
    pool: int = 1_000

    name: ClassVar[str] = "faker"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many texts the pool has."""
        return len(_pool(self.provider, self.locale, self.pool))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, a provider that does not suit, and a target too narrow."""
        if not 2 <= self.pool <= LARGEST:
            raise wrong_option(self.name, "pool", f"be 2 to {LARGEST}", "leave it out for 1000")
        if not _NAME.fullmatch(self.provider):
            raise wrong_option(self.name, "provider", "name a method of Faker", "such as license_plate")
        if _OF_TODAY.search(self.provider):
            raise wrong_option(
                self.name, "provider", "not look at the clock", "use random_date, keep_year or date_shift"
            )
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use number or random_date")
        most = int(pc.max(pc.binary_length(_pool(self.provider, self.locale, self.pool))).as_py())
        hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
        require_room(self.name, most, limits, hint)
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Warn of what an upgrade does."""
        told = (
            "faker picks from what the installed version of Faker makes; another version may change all masked values"
        )
        yield Finding("warning", told, hint="pin Faker, or use a mask whose lists come with dmengine")

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return entries of the pool."""
        pool = _pool(self.provider, self.locale, self.pool)
        return choose_entry(pool, ctx.bits(values, f"{self.name}/{self.provider}"), values.type)


@lru_cache(maxsize=32)
def _pool(provider: str, locale: str, size: int) -> pa.Array:
    """Draw a pool with a fixed seed: the different texts of so many calls, sorted."""
    fake = _faker(locale)
    known = any(callable(getattr(source, provider, None)) for source in fake.get_providers())
    made = _drawn(getattr(fake, provider), size) if known else None
    if not known:
        raise PlanError(
            f"faker: Faker has no provider {provider!r} for {locale}", hint="see the list in Faker's documentation"
        )
    if made is None:
        raise PlanError(
            f"faker: {provider!r} cannot be called without arguments, or makes no text", hint="use another provider"
        )
    return pa.array(made)


def _faker(locale: str) -> Any:
    try:
        from faker import Faker
    except ModuleNotFoundError as error:
        raise PlanError("the mask faker needs Faker", hint="pip install 'dmengine[faker]'") from error
    fake = None
    with suppress(AttributeError, ValueError):
        fake = Faker(locale)
    if fake is None:
        raise PlanError(f"faker: Faker has no locale {locale!r}", hint="such as en_US or de_DE")
    fake.seed_instance(SEED)
    return fake


def _drawn(make: Any, size: int) -> list[str] | None:
    try:
        first = make()
        if not isinstance(first, (str, int, float)):
            return None
        return sorted({str(first), *(str(make()) for _ in range(size - 1))})
    except Exception:  # noqa: BLE001  # providers raise whatever they like
        return None
