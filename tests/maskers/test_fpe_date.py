"""Dates that are permuted within a range."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from dmengine.errors import PlanError
from dmengine.maskers import FpeDate
from dmengine.spi import Limits
from dmengine.testing.context import mask_array, mask_values

YEARS = FpeDate(date(1990, 1, 1), date(1999, 12, 31))


def test_every_date_of_the_range_comes_out_once() -> None:
    """The dates of a range are masked by the same dates in another order."""
    days = [date(1990, 1, 1) + timedelta(number) for number in range(3652)]

    made = mask_values(YEARS, days)

    assert made != days
    assert sorted(made) == days


def test_dates_out_of_the_range_are_mismatches() -> None:
    """A date before the first or after the last is not masked."""
    made = mask_values(YEARS, [date(1989, 12, 31), date(2000, 1, 1), date(1990, 1, 1)], on_mismatch="null")

    assert made[:2] == [None, None]
    assert made[2] is not None


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_timestamp_keeps_its_time_of_day(unit: str, zone: str | None) -> None:
    """A timestamp gets the day that its date gets, in every type."""
    moment = datetime(1995, 5, 5, 23, 59, 59, tzinfo=UTC if zone else None)

    made = mask_array(YEARS, pa.array([moment], pa.timestamp(unit, zone)))

    (day,) = mask_values(YEARS, [date(1995, 5, 5)])
    assert made.cast(pa.timestamp("us", zone)).to_pylist() == [datetime.combine(day, moment.timetz())]


def test_plan_says_how_many_dates_there_are_and_refuses_what_is_none() -> None:
    """The size of the domain is known before anything is read."""
    field = pa.field("born", pa.date32())

    assert YEARS.domain_size == 3652
    assert any("3,652" in found.message for found in YEARS.findings(field))
    with pytest.raises(PlanError, match="before maximum"):
        FpeDate(date(1999, 1, 1), date(1990, 1, 1)).plan(field, Limits())
    with pytest.raises(PlanError, match="fit in"):
        FpeDate(date(1000, 1, 1), date(1990, 1, 1)).plan(pa.field("at", pa.timestamp("ns")), Limits())
