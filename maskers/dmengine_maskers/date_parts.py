"""Keep a part of a date, and make up the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.calendar_days import (
    Days,
    anniversaries,
    day_number,
    days_of,
    floor_to,
    representable,
    require_dates,
    within,
    years_of,
)
from dmengine_maskers.drawing import draw
from dmengine_maskers.kinds import wrong_option

Unit = Literal["year", "quarter", "month", "week", "day", "hour", "minute"]


@dataclass(frozen=True, slots=True)
class DateTruncate:
    """Replace every date with the first day of its `to`: year, quarter, month or week (Monday).

    Timestamps may also be cut to the day, hour or minute. Those with a zone are cut by the clock of that zone.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(DateTruncate("month"), [date(1985, 4, 12), None])
    [datetime.date(1985, 4, 1), None]
    """

    to: Unit

    name: ClassVar[str] = "date_truncate"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no date, and a part that dates do not have."""
        require_dates(self.name, field)
        if self.to not in get_args(Unit):
            raise wrong_option(self.name, "to", f"be one of {', '.join(get_args(Unit))}", "such as month")
        if pa.types.is_date(field.type) and self.to in ("day", "hour", "minute"):
            raise wrong_option(self.name, "to", "be longer than a day for dates", "use month, or keep the field")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the starts of periods."""
        days = days_of(values)
        bad = ~representable(days - 366, days, values.type)
        if bad.any():
            ctx.mismatch(bad)
            values = pa.array(np.where(bad, 0, days)).cast(pa.int32()).cast(pa.date32()).cast(values.type)
        return floor_to(values, self.to)


@dataclass(frozen=True, slots=True)
class KeepYear:
    """Replace every date with a random one of the same year, chosen by key.

    Timestamps get a random second of the year (in UTC, where they have a zone).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(KeepYear(), [date(1985, 4, 12), date(2000, 2, 29), None])
    [datetime.date(1985, 11, 26), datetime.date(2000, 3, 2), None]
    """

    consistent: bool = True

    name: ClassVar[str] = "keep_year"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal dates need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no date."""
        require_dates(self.name, field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return dates of the same years."""
        years = years_of(days_of(values))
        newyear = date(2000, 1, 1)
        first, following = anniversaries(years, newyear), anniversaries(years + 1, newyear)
        bits = draw(self, values, ctx)[:, 0]
        return _made(values, ctx, first, following - first, bits)


@dataclass(frozen=True, slots=True)
class KeepAge:
    """Replace every birth date with a random one that gives the same age, in years, on the day `on`.

    A date after that day is a mismatch. Who is born on 29 February comes of age on 1 March in other years.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(KeepAge(date(2026, 1, 1)), [date(1985, 4, 12), None])
    [datetime.date(1985, 5, 31), None]
    """

    on: date
    consistent: bool = True

    name: ClassVar[str] = "keep_age"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal dates need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no date."""
        require_dates(self.name, field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return birth dates of people as old."""
        born = days_of(values)
        years = years_of(born)
        # the birthdays of one age end with this day in the year of birth, or in the next
        last = anniversaries(years, self.on)
        years = np.where(born > last, years + 1, years)
        last, before = anniversaries(years, self.on), anniversaries(years - 1, self.on)
        future = born > day_number(self.on)
        if future.any():
            ctx.mismatch(future)
        return _made(values, ctx, before + 1, last - before, draw(self, values, ctx)[:, 0])


def _made(values: pa.Array, ctx: MaskContext, first: Days, count: Days, bits: Words) -> pa.Array:
    """Draw a date of each range; one that leaves what the type holds is a mismatch."""
    bad = ~representable(first, first + count, values.type)
    if bad.any():
        ctx.mismatch(bad)
        first, count = np.where(bad, 0, first), np.where(bad, 1, count)
    return within(first, count, bits, values.type)
