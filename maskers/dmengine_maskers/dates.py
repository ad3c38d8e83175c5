"""Shift dates by some days, the same for all dates of one entity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import booleans, flat, is_text
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_option, wrong_type

MOST_DAYS: Final = 36_500
_DAY_SECONDS: Final = 86_400
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, in days from 1970-01-01
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DateShift:
    """Move every date by 1 to `days` days, earlier or later, chosen by key.

    With `by`, the value of that field beside the date decides, so that all dates of one customer move together and
    the time between them stays. Without it, or where that field is null, the date itself decides. Timestamps keep
    their time of day (of UTC, where they are zoned). A date that would leave the years 1 to 9999, or the range of
    its type, is a mismatch.

    >>> from datetime import date
    >>> from dmengine.testing.context import mask_values
    >>> stays = [date(2020, 2, 28), date(2020, 3, 1), None]
    >>> admitted, released, _ = mask_values(DateShift(by="patient"), stays, beside={"patient": ["p1", "p1", "p2"]})
    >>> released - admitted
    datetime.timedelta(days=2)
    """

    days: int = 180
    by: str | None = None

    name: ClassVar[str] = "date_shift"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where a field beside is asked."""
        return "row" if self.by else "value"

    @property
    def reads(self) -> tuple[str, ...]:
        """The field that names the entity, if one does."""
        return (self.by,) if self.by else ()

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither a date nor a timestamp."""
        if not 1 <= self.days <= MOST_DAYS:
            raise wrong_option(self.name, "days", f"be 1 to {MOST_DAYS}", "leave it out for 180")
        if self.by == "":
            raise wrong_option(self.name, "by", "name a field", "leave it out to shift each date by itself")
        if not (pa.types.is_date(field.type) or pa.types.is_timestamp(field.type)):
            hint = "read the text as dates: as: date" if is_text(field.type) else "use number or redact"
            raise wrong_type(self.name, "dates and timestamps", field, hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return shifted dates."""
        shift = self._days(values, ctx)
        storage = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
        ticks = values.cast(storage).to_numpy(zero_copy_only=False).astype(np.int64)
        per_day, low, high = _range(values.type)
        shift *= per_day
        outside = np.where(shift > 0, ticks > high - shift, ticks < low - shift)
        if outside.any():
            ctx.mismatch(outside)
            shift[outside] = 0
            ticks[outside] = 0
        return pa.array(ticks + shift).cast(storage).cast(values.type)

    def _days(self, values: pa.Array, ctx: MaskContext) -> Integers:
        """Return the shift of each value: from -days to days, and never 0."""
        if self.by is None:
            bits = ctx.bits(values, "shift")
        else:
            entity = flat(ctx.beside(self.by))
            known = booleans(entity.is_valid())
            bits = np.empty((len(values), 2), np.uint64)
            bits[known] = ctx.bits(entity.drop_null(), "shift")
            bits[~known] = ctx.bits(values.filter(pa.array(~known)), "shift")
        shift = below(bits[:, 0], 2 * self.days).astype(np.int64) - self.days
        shift[shift >= 0] += 1
        return shift


def _range(kind: pa.DataType) -> tuple[int, int, int]:
    """Return the ticks of a day, and the first and last tick of a type that people's calendars reach."""
    if pa.types.is_date32(kind):
        return 1, _FIRST_DAY, _LAST_DAY
    per_day = _DAY_SECONDS * _PER_SECOND["ms" if pa.types.is_date64(kind) else kind.unit]
    widest = np.iinfo(np.int64)
    return per_day, max(_FIRST_DAY * per_day, widest.min), min((_LAST_DAY + 1) * per_day - 1, widest.max)
