"""DateShift."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine.testing.context import Setting, mask_array, mask_values
from dmengine_maskers import DateShift

DAY = date(2020, 2, 29)


def test_every_shift_but_none_occurs_about_equally_often() -> None:
    """The shift is 1 to `days` days in either direction, evenly, and never 0."""
    people = list(range(35_000))

    masked = mask_values(DateShift(days=3, by="person"), [DAY] * len(people), beside={"person": people})

    counts = Counter((day - DAY).days for day in masked)
    assert set(counts) == {-3, -2, -1, 1, 2, 3}
    assert all(abs(count - len(people) / 6) < 5 * (len(people) / 6) ** 0.5 for count in counts.values())


def test_no_date_stays_as_it_was() -> None:
    """A date never comes out as itself."""
    days = pa.array(np.arange(20_000, dtype=np.int32)).cast(pa.date32())

    masked = mask_array(DateShift(days=2), days)

    assert not any(before == after for before, after in zip(days.to_pylist(), masked.to_pylist(), strict=True))


def test_dates_of_one_entity_keep_their_distance() -> None:
    """All dates and timestamps beside the same value move by the same number of whole days."""
    days = mask_values(DateShift(by="p"), [DAY, DAY + timedelta(9)], beside={"p": ["x", "x"]})
    moments = mask_values(DateShift(by="p"), [datetime(2020, 2, 29, 13, 37)], beside={"p": ["x"]})

    assert days[1] - days[0] == timedelta(9)
    assert moments == [datetime(2020, 2, 29, 13, 37) + (days[0] - DAY)]


def test_date_and_text_of_an_entity_join_across_types() -> None:
    """The entity 42 moves alike whether it is stored as a number or as its text."""
    as_number = mask_values(DateShift(by="p"), [DAY], beside={"p": [42]})

    assert as_number == mask_values(DateShift(by="p"), [DAY], beside={"p": ["42"]})


def test_unknown_entity_leaves_the_decision_to_the_date() -> None:
    """Where the field beside is null the date is shifted as without `by`."""
    alone = mask_values(DateShift(), [DAY])

    assert mask_values(DateShift(by="p"), [DAY], beside={"p": [None]}) == alone


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_timestamps_keep_their_time_of_day_and_type(unit: str, zone: str | None) -> None:
    """A timestamp moves by whole days of 24 hours in its own unit and zone."""
    kind = pa.timestamp(unit, zone)
    values = pa.array([-1, 0, 1_700_000_000], pa.int64()).cast(pa.timestamp("s", zone)).cast(kind)

    masked = mask_array(DateShift(), values)

    day = 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    moved = masked.cast(pa.int64()).to_numpy() - values.cast(pa.int64()).to_numpy()
    assert masked.type == kind
    assert (moved % day == 0).all()
    assert (moved != 0).all()


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (date(1, 1, 1), date(9999, 12, 31)),
        (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)),
        (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_date_that_would_leave_the_calendar_is_a_mismatch(low: object, high: object) -> None:
    """At the ends of the calendar a shift is reported, not wrapped; the other direction works."""
    people = list(range(20))
    for edge in (low, high):
        masked = mask_values(DateShift(by="p"), [edge] * 20, beside={"p": people}, on_mismatch="null")

        left = [day for day in masked if day is not None]
        assert 0 < len(left) < 20
        assert all((day > low) if edge == low else (day < high) for day in left)


def test_range_of_nanoseconds_is_respected() -> None:
    """A timestamp in nanoseconds near the end of its 64 bits does not overflow."""
    edge = np.iinfo(np.int64)
    values = pa.array([edge.max, edge.min + 1] * 10, pa.int64()).cast(pa.timestamp("ns"))

    masked = mask_array_by_row(values)

    assert 0 < masked.null_count < 20
    moved = masked.drop_null().cast(pa.int64()).to_numpy()
    assert ((moved < edge.max) & (moved > edge.min + 1)).all()


def mask_array_by_row(values: pa.Array) -> pa.Array:
    return mask_array(DateShift(by="p"), values, Setting(beside={"p": list(range(len(values)))}, on_mismatch="null"))


@pytest.mark.parametrize(
    ("mask", "kind", "problem"),
    [
        (DateShift(days=0), pa.date32(), "days"),
        (DateShift(days=36_501), pa.date32(), "days"),
        (DateShift(by=""), pa.date32(), "by"),
        (DateShift(), pa.string(), "as: date"),
        (DateShift(), pa.int64(), "dates and timestamps"),
        (DateShift(), pa.time64("us"), "dates and timestamps"),
    ],
)
def test_unfit_column_or_option_is_refused(mask: DateShift, kind: pa.DataType, problem: str) -> None:
    """What cannot work is refused when the run is planned."""
    with pytest.raises(PlanError, match=problem):
        mask.plan(pa.field("f", kind), Limits())


def test_scope_says_whether_the_record_is_needed() -> None:
    """Without `by` a value may be masked once for all its occurrences."""
    assert DateShift().scope == "value"
    assert DateShift(by="person").scope == "row"
