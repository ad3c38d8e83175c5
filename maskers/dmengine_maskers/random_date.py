"""Random dates of a range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.calendar_days import DAY_SECONDS, day_number, from_ticks, per_day, representable, require_dates
from dmengine_maskers.drawing import draw
from dmengine_maskers.kinds import wrong_option


@dataclass(frozen=True, slots=True)
class RandomDate:
    """Replace every date with a random one from `minimum` to `maximum`, both included, chosen by key.

    Timestamps get a random second of those days (in UTC, where they have a zone).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(RandomDate(date(1950, 1, 1), date(2005, 12, 31)), [date(1985, 4, 12), None])
    [datetime.date(1982, 10, 16), None]
    """

    minimum: date
    maximum: date
    consistent: bool = True

    name: ClassVar[str] = "random_date"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal dates need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no date, and a range that is empty or that the type cannot hold."""
        require_dates(self.name, field)
        if self.minimum > self.maximum:
            raise wrong_option(self.name, "minimum", "not be after maximum", "swap them")
        first, last = np.array([day_number(self.minimum)]), np.array([day_number(self.maximum)])
        if not representable(first, last, field.type)[0]:
            raise wrong_option(self.name, "the range", f"fit in {field.type}", "give a smaller one")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return dates of the range."""
        first = day_number(self.minimum)
        count = day_number(self.maximum) - first + 1
        bits, ticks = draw(self, values, ctx)[:, 0], per_day(values.type)
        if pa.types.is_date(values.type):
            return from_ticks((first + below(bits, count).astype(np.int64)) * ticks, values.type)
        seconds = below(bits, count * DAY_SECONDS).astype(np.int64)
        return from_ticks(first * ticks + seconds * (ticks // DAY_SECONDS), values.type)
