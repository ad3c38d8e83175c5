"""Dates and timestamps as days and whole seconds, and back."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.spi import Words
from dmengine_maskers.kinds import wrong_type

Days = npt.NDArray[np.int64]

DAY_SECONDS: Final = 86_400
FIRST_YEAR, LAST_YEAR = 1, 9_999
_EPOCH: Final = date(1970, 1, 1)
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def require_dates(mask: str, field: pa.Field) -> None:
    """Refuse what is neither a date nor a timestamp.

    Raises:
        PlanError: it is neither.
    """
    if not (pa.types.is_date(field.type) or pa.types.is_timestamp(field.type)):
        hint = "read the text as dates: as: date" if is_text(field.type) else "use number or redact"
        raise wrong_type(mask, "dates and timestamps", field, hint)


def per_day(kind: pa.DataType) -> int:
    """Return the ticks of a day: how a type counts.

    >>> per_day(pa.date32()), per_day(pa.timestamp("ms"))
    (1, 86400000)
    """
    if pa.types.is_date32(kind):
        return 1
    return DAY_SECONDS * _PER_SECOND["ms" if pa.types.is_date64(kind) else kind.unit]


def ticks_of(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return dates or timestamps (no nulls) as their type counts them, since 1970."""
    storage = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
    ticks: npt.NDArray[np.int64] = values.cast(storage).to_numpy(zero_copy_only=False).astype(np.int64)
    return ticks


def days_of(values: pa.Array) -> Days:
    """Return the days since 1970 of dates, or of timestamps in UTC or without a zone."""
    return ticks_of(values) // per_day(values.type)


def from_ticks(ticks: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    """Return what a type counts as dates or timestamps."""
    storage = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return pa.array(ticks).cast(storage).cast(kind)


def years_of(days: Days) -> npt.NDArray[np.int64]:
    """Return the year of each day.

    >>> years_of(np.array([0, -1, 366])).tolist()
    [1970, 1969, 1971]
    """
    years: npt.NDArray[np.int64] = days.astype("M8[D]").astype("M8[Y]").astype(np.int64) + 1970
    return years


def anniversaries(years: npt.NDArray[np.int64], day: date) -> Days:
    """Return the month and day of a date in other years; 29 February is the 28th where there is none.

    >>> anniversaries(np.array([1970, 1972]), date(2000, 2, 29)).astype("M8[D]").astype(str).tolist()
    ['1970-02-28', '1972-02-29']
    """
    months = (years - 1970).astype("M8[Y]").astype("M8[M]") + (day.month - 1)
    first = months.astype("M8[D]").astype(np.int64)
    last = (months + 1).astype("M8[D]").astype(np.int64) - 1
    result: Days = np.minimum(first + (day.day - 1), last)
    return result


def day_number(day: date) -> int:
    """Return the days from 1970 to a date."""
    return (day - _EPOCH).days


def within(first: Days, count: Days, bits: Words, kind: pa.DataType) -> pa.Array:
    """Return a random date from `count` days on from `first`; of timestamps, a random whole second of them.

    Args:
        first: The first day of each range, since 1970.
        count: How many days each range has: less than 136 years.
        bits: A random word for each.
        kind: The type to return.
    """
    ticks = per_day(kind)
    high = bits >> np.uint64(32)
    if pa.types.is_date(kind):
        chosen = (high * count.astype(np.uint64) >> np.uint64(32)).astype(np.int64)
        return from_ticks((first + chosen) * ticks, kind)
    seconds = (count * DAY_SECONDS).astype(np.uint64)
    chosen = (high * seconds >> np.uint64(32)).astype(np.int64)
    return from_ticks(first * ticks + chosen * (ticks // DAY_SECONDS), kind)


def representable(first: Days, last: Days, kind: pa.DataType) -> npt.NDArray[np.bool_]:
    """Say where a type can hold both ends of a range of days, within the years 1 to 9999."""
    ticks = per_day(kind)
    most = (1 << 63) // ticks - 1
    low = max(day_number(date(FIRST_YEAR, 1, 1)), -most)
    high = min(day_number(date(LAST_YEAR, 12, 31)), most)
    fits: npt.NDArray[np.bool_] = (first >= low) & (last <= high)
    return fits


def floor_to(values: pa.Array, unit: str) -> pa.Array:
    """Return the start of the period that each date or timestamp lies in."""
    return pc.floor_temporal(values, unit=unit)
