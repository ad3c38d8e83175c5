"""Masks that reckon with numbers, dates and places."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.errors import PlanError
from dmengine.spi import Limits, Masker
from dmengine.testing.context import Setting, mask_array, mask_values
from dmengine_maskers import (
    AgeCap,
    BottomCode,
    DateTruncate,
    GeohashTruncate,
    GeoJitter,
    KeepAge,
    KeepYear,
    MicroAggregate,
    Noise,
    RandomBoolean,
    RandomDate,
    Rescale,
    Round,
    Shuffle,
    TopCode,
    Zip3,
)
from dmengine_maskers.hipaa import CENSUS_2000, CENSUS_2010
from dmengine_maskers.quantiles import drawn

CENTURY = [date(1920, 1, 1) + timedelta(days=13 * n) for n in range(2900)]


def age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@pytest.mark.parametrize("on", [date(2026, 7, 1), date(2024, 2, 29), date(2025, 2, 28), date(2025, 3, 1)])
def test_age_stays_and_the_birthday_does_not(on: date) -> None:
    """People stay as old as they are on the day in question, leap years or not."""
    born = [day for day in [*CENTURY, date(2000, 2, 29)] if day <= on]

    masked = mask_values(KeepAge(on), born)
    capped = mask_values(AgeCap(on=on), born)

    assert [age(day, on) for day in masked] == [age(day, on) for day in born]
    assert sum(a == b for a, b in zip(masked, born, strict=True)) < 30
    assert [age(day, on) for day in capped] == [min(age(day, on), 90) for day in born]


def test_who_is_not_yet_born_has_no_age() -> None:
    """A birth date after the day in question is a mismatch."""
    assert mask_values(KeepAge(date(2020, 1, 1)), [date(2020, 1, 2)], on_mismatch="null") == [None]


def test_year_stays_and_all_its_days_come() -> None:
    """Dates of one year become dates of that year, from its first day to its last."""
    days = [date(2024, 1, 1) + timedelta(days=n % 366) for n in range(366)]

    masked = [mask_values(KeepYear(), days, domain=f"d{n}") for n in range(30)]

    assert {day.year for made in masked for day in made} == {2024}
    assert len({day for made in masked for day in made}) == 366


def test_dates_come_from_the_whole_range() -> None:
    """Both ends of a range of dates come, and of moments the last second."""
    mask = RandomDate(date(2024, 2, 28), date(2024, 3, 1))

    masked = set(mask_values(mask, CENTURY))
    moments = mask_values(mask, [datetime(2000, 1, 1) + timedelta(days=n) for n in range(5000)])

    assert masked == {date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)}
    assert datetime(2024, 2, 28) <= min(moments) < datetime(2024, 2, 28, 1)
    assert datetime(2024, 3, 1, 23) < max(moments) < datetime(2024, 3, 2)


@pytest.mark.parametrize(
    ("to", "start"),
    [("year", (1, 1)), ("quarter", (4, 1)), ("month", (5, 1)), ("week", (5, 13))],
)
def test_date_is_cut_to_its_period(to: Any, start: tuple[int, int]) -> None:
    """A date becomes the first day of its year, quarter, month or week."""
    assert mask_values(DateTruncate(to), [date(2024, 5, 15)]) == [date(2024, *start)]


@pytest.mark.parametrize(
    ("mask", "given", "made"),
    [
        (Round(10), [5, 15, 25, -5, 14], [0, 20, 20, 0, 10]),
        (Round(0.05), [Decimal("1.02"), Decimal("-1.03")], [Decimal("1.00"), Decimal("-1.05")]),
        (Rescale(0, 10, 0, 1000), [0, 3, 10], [0, 300, 1000]),
        (Rescale(0, 10, 1000, 0), [0.0, 2.5, 10.0], [1000.0, 750.0, 0.0]),
        (Rescale(0, 10, 0, 1000, clip=True), [-5, 11], [0, 1000]),
        (TopCode(10), [9.5, 10.0, float("inf")], [9.5, 10.0, None]),
        (TopCode(10, shown=11), [2**62 + 1, 3], [11, 3]),
        (BottomCode(-1), [Decimal("-1.50"), Decimal("3.25")], [Decimal("-1.00"), Decimal("3.25")]),
        (AgeCap(), [89, 90, 120], [89, 90, 90]),
    ],
)
def test_numbers_become_what_is_said(mask: Masker, given: list[Any], made: list[Any]) -> None:
    """Rounding, rescaling and coding are exact; NaN and infinities are mismatches."""
    assert mask_values(mask, given, on_mismatch="null") == made


def test_number_outside_of_the_range_is_a_mismatch() -> None:
    """What a rescale does not cover is reported, of every type of number."""
    documents = pa.ExtensionArray.from_storage(NUMBER, pa.array(["11", "5.5", "-0.1"]))

    for values in (pa.array([11, 5, -1]), pa.array([11.0, 5.5, -0.1]), documents):
        masked = mask_array(Rescale(0, 10, 0, 100), values, Setting(on_mismatch="null")).to_pylist()

        assert [value is None for value in masked] == [True, False, True]


@pytest.mark.parametrize(
    ("distribution", "deviation", "share"),
    [("uniform", 3**-0.5, 0.5), ("normal", 1, 0.6827), ("laplace", 2**0.5, 0.632)],
)
def test_noise_has_the_distribution_that_was_asked_for(distribution: Any, deviation: float, share: float) -> None:
    """Mean, deviation, and the share within one scale are those of the distribution."""
    masked = np.array(mask_values(Noise(100, distribution), [float(n) for n in range(50_000)]))

    noise = (masked - np.arange(50_000)) / 100

    assert abs(noise.mean()) < 5 * deviation / 50_000**0.5
    assert abs(noise.std() / deviation - 1) < 0.03
    assert abs((np.abs(noise) < (0.5 if distribution == "uniform" else 1)).mean() - share) < 0.01


def test_noise_stays_within_its_bounds_and_its_amount() -> None:
    """Uniform noise never moves a number further than said, and no noise passes the caps."""
    values = list(range(-1000, 1000))

    moved = mask_values(Noise(25), values)
    capped = mask_values(Noise(500, "laplace", minimum=-10, maximum=10), values)

    assert max(abs(a - b) for a, b in zip(moved, values, strict=True)) == 25
    assert (min(capped), max(capped)) == (-10, 10)


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    """The table gives the quantiles that a library gives, to four digits."""
    shares = np.array([0.5001, 0.6, 0.9, 0.99, 0.999999])
    bits = ((shares - 0.5) * 2 * 2.0**63).astype(np.uint64) | np.uint64(1 << 63)
    upper = drawn(~bits & np.uint64((1 << 63) - 1) | np.uint64(1 << 63), "normal")

    assert np.allclose(upper, [NormalDist().inv_cdf(share) for share in shares], rtol=2e-4, atol=1e-4)


def test_zip_code_of_few_people_shows_nothing() -> None:
    """Each prefix of both lists becomes 000, and others stay; what is no ZIP code is a mismatch."""
    restricted = sorted({*CENSUS_2000, *CENSUS_2010})

    assert (len(CENSUS_2000), len(CENSUS_2010)) == (17, 18)
    assert set(mask_values(Zip3(), [f"{prefix}01" for prefix in restricted])) == {"000"}
    assert mask_values(Zip3(census="2000"), ["36901", "06301"]) == ["369", "000"]
    assert mask_values(Zip3(census="2010"), ["36901", "06301"]) == ["000", "063"]
    assert mask_values(Zip3(), ["1234", "ABCDE", "123456", ""], on_mismatch="null") == [None] * 4


def test_point_moves_within_its_radius_and_always_alike() -> None:
    """No point moves further than the radius, also near the poles and the date line; one point moves one way."""
    random = np.random.default_rng(7)
    lat, lon = random.uniform(-89, 89, 3000), random.uniform(-180, 180, 3000)
    lon[:2] = 180.0, -180.0

    north = np.array(mask_values(GeoJitter("latitude", "lon", 2000), pa.array(lat), beside={"lon": pa.array(lon)}))
    east = np.array(mask_values(GeoJitter("longitude", "lat", 2000), pa.array(lon), beside={"lat": pa.array(lat)}))
    again = mask_values(GeoJitter("latitude", "lon", 2000), lat[::-1].tolist(), beside={"lon": lon[::-1].tolist()})

    across = (east - lon + 180) % 360 - 180
    metres = np.hypot((north - lat) * 111_320, across * 111_320 * np.cos(np.radians(lat)))
    assert 1500 < metres.max() < 2020
    assert np.abs(east).max() <= 180
    assert again == north[::-1].tolist()


def test_place_that_is_none_is_a_mismatch() -> None:
    """A coordinate outside of the globe, without its other one, or of no geohash is reported."""
    beside = {"lon": [1.0, 1.0, None]}

    masked = mask_values(GeoJitter("latitude", "lon"), [91.0, 5.0, 5.0], beside=beside, on_mismatch="null")

    assert [value is None for value in masked] == [True, False, True]
    assert mask_values(GeohashTruncate(), ["u33dc0", "aile", "ü"], on_mismatch="null") == ["u33dc", None, None]


def test_truth_comes_with_its_chance() -> None:
    """True comes as often as said, for each record by itself."""
    values = [True] * 10_000

    assert abs(sum(mask_values(RandomBoolean(0.3), values)) - 3000) < 6 * 3000**0.5
    assert all(mask_values(RandomBoolean(1), values))
    assert not any(mask_values(RandomBoolean(0), values))


def test_shuffle_deals_the_same_values_out_anew() -> None:
    """Every value stays in the column, at another place."""
    values = list(range(1000))

    masked = mask_values(Shuffle(), values)

    assert sorted(masked) == values
    assert sum(a == b for a, b in zip(masked, values, strict=True)) < 10


@pytest.mark.parametrize("values", [[9, 1, 2, 8, 3, 7, 100], [Decimal("9.1"), Decimal(1), Decimal(2), Decimal(8)]])
def test_groups_get_their_mean(values: list[Any]) -> None:
    """Each group of k or more neighbours gets one value, and the sum stays but for rounding."""
    masked = mask_values(MicroAggregate(2), values)

    assert all(masked.count(value) >= 2 for value in masked)
    assert abs(sum(masked) - sum(values)) <= len(values) / 2


def test_too_few_values_for_a_group_are_a_mismatch() -> None:
    """A column with fewer than k values has no group to hide in."""
    assert mask_values(MicroAggregate(5), [1, 2, None, 3], on_mismatch="null") == [None] * 4


@pytest.mark.parametrize("mask", [Shuffle(), MicroAggregate()])
def test_mask_of_whole_columns_stands_on_its_own(mask: Masker) -> None:
    """A mask of whole columns declares that it is one, and that nothing joins after it."""
    assert (mask.scope, mask.consistent) == ("column", False)


@pytest.mark.parametrize(
    ("mask", "kind"),
    [
        (Round(0.5), pa.int8()),
        (Round(0), pa.int64()),
        (TopCode(300), pa.int8()),
        (Noise(0), pa.float64()),
        (Noise(0.5), pa.int32()),
        (Noise(1, minimum=5, maximum=1), pa.int32()),
        (Rescale(1, 1, 0, 1), pa.float64()),
        (Round(1), pa.string()),
        (AgeCap(), pa.date32()),
        (AgeCap(on=date(2020, 1, 1)), pa.int8()),
        (DateTruncate("hour"), pa.date32()),
        (RandomDate(date(2020, 1, 2), date(2020, 1, 1)), pa.date32()),
        (RandomDate(date(1000, 1, 1), date(2020, 1, 1)), pa.timestamp("ns")),
        (Zip3(), pa.int32()),
        (GeoJitter("latitude", "lon"), pa.int32()),
        (RandomBoolean(2), pa.bool_()),
        (MicroAggregate(1), pa.int8()),
    ],
)
def test_wrong_parameter_or_type_is_refused_by_the_plan(mask: Masker, kind: pa.DataType) -> None:
    """What cannot work is a PlanError with a hint, before any value is seen."""
    with pytest.raises(PlanError) as refused:
        mask.plan(pa.field("value", kind), Limits())

    assert refused.value.hint
