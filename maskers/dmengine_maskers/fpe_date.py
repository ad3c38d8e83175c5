"""Permute the dates of a range, so that different dates stay different."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dmengine.ff1 import FF1
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.calendar_days import day_number, from_ticks, per_day, representable, require_dates, ticks_of
from dmengine_maskers.kinds import wrong_option


@dataclass(frozen=True, slots=True)
class FpeDate:
    """Replace every date with another one from `minimum` to `maximum`, both included, and no two with the same.

    Timestamps keep their time of day (in UTC, where they have a zone), and get another day. A date out of the range is
    a mismatch. The range is a small domain, so the way back is not offered.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(FpeDate(date(1950, 1, 1), date(2005, 12, 31)), [date(1985, 4, 12), date(1985, 4, 13), None])
    [datetime.date(1975, 7, 22), datetime.date(2004, 8, 1), None]
    """

    minimum: date
    maximum: date

    name: ClassVar[str] = "fpe_date"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def domain_size(self) -> int:
        """How many dates there are."""
        return day_number(self.maximum) - day_number(self.minimum) + 1

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no date, and a range of less than two days or that the type cannot hold."""
        require_dates(self.name, field)
        if self.minimum >= self.maximum:
            raise wrong_option(self.name, "minimum", "be before maximum", "give the first and the last date there is")
        first, last = np.array([day_number(self.minimum)]), np.array([day_number(self.maximum)])
        if not representable(first, last, field.type)[0]:
            raise wrong_option(self.name, "the range", f"fit in {field.type}", "give a smaller one")
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say how many dates there are to choose from."""
        hint = "whoever sees some pairs of original and mask learns the others"
        yield Finding("info", f"fpe_date chooses among {self.domain_size:,} dates", hint=hint)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return dates of the range."""
        ticks, day = ticks_of(values), per_day(values.type)
        days = ticks // day
        time = ticks - days * day
        places = days - day_number(self.minimum)
        outside = (places < 0) | (places >= self.domain_size)
        if outside.any():
            ctx.mismatch(outside)
            places = np.where(outside, 0, places)
        cipher = FF1(ctx.key(self.name, 32), 10)
        chosen = cipher.encrypt_integers(places, self.domain_size).astype(np.int64)
        return from_ticks((chosen + day_number(self.minimum)) * day + time, values.type)
