"""Bucket and Number."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.arrow import NUMBER
from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine.testing.context import Setting, mask_array, mask_values
from dmengine_maskers import Bucket, Number

DECIMALS = st.decimals(-(10**10), 10**10, places=2, allow_nan=False, allow_infinity=False)
WIDTHS = st.sampled_from([1, 10, 0.25, 7, 0.01, 1000])


def numbers(texts: list[str]) -> pa.Array:
    return pa.ExtensionArray.from_storage(NUMBER, pa.array(texts, pa.string()))


def lower(value: Decimal, width: Any) -> Decimal:
    step = Decimal(str(width))
    return (value / step).to_integral_value(ROUND_FLOOR) * step


@given(st.lists(DECIMALS, min_size=1), WIDTHS)
def test_decimals_fall_in_the_bucket_that_arithmetic_says(values: list[Decimal], width: float) -> None:
    """The lower end of a bucket is exact, in a decimal column as among the numbers of documents."""
    expected = [lower(value, width) for value in values]

    column = mask_values(Bucket(width=width), pa.array(values, pa.decimal128(20, 2)))
    document = mask_values(Bucket(width=width), numbers([str(value) for value in values]))

    assert column == expected
    assert [Decimal(text) for text in document] == expected


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(1, 2**63))
def test_integers_fall_in_the_bucket_that_arithmetic_says(values: list[int], width: int) -> None:
    """No width overflows; a bucket that begins below the type begins at its lowest value."""
    masked = mask_values(Bucket(width=width), pa.array(values, pa.int64()))

    assert masked == [max(value // width * width, -(2**63)) for value in values]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.sampled_from([0.1, 0.25, 0.3, 1, 10, 7.7]))
def test_floats_fall_in_the_bucket_that_their_decimals_say(values: list[float], width: float) -> None:
    """The bound of a float's bucket is the float that its decimal reads as, and the float lies within."""
    for value, bound in zip(values, mask_values(Bucket(width=width), values), strict=True):
        place = round(bound / width)
        assert bound == float(place * Decimal(str(width)))
        assert bound <= value < float((place + 1) * Decimal(str(width)))


def test_float_on_a_bound_begins_its_bucket() -> None:
    """0.3 in steps of 0.1 is in the bucket of 0.3, although 0.3 / 0.1 is less than 3 in floats."""
    values = [step / 10 for step in range(-50, 50)]

    assert mask_values(Bucket(width=0.1), values) == values


@pytest.mark.parametrize(
    ("mask", "values", "masked"),
    [
        (Bucket(width=10, at="middle"), [0, 9, 10, -1], [5, 5, 15, -5]),
        (Bucket(width=5, at="middle"), [0, 4, 5], [2, 2, 7]),
        (Bucket(width=0.5, at="middle"), [0.1, 0.6], [0.25, 0.75]),
        (Bucket(bounds=(0, 18, 65), at="middle"), [0, 17, 64, 65, 200], [9, 9, 41, 65, 65]),
        (Bucket(bounds=(0, 18, 65), at="middle"), [1.0, 20.0, 1e300], [9.0, 41.5, 65.0]),
    ],
)
def test_middle_stands_for_its_bucket(mask: Bucket, values: list[Any], masked: list[Any]) -> None:
    """The middle is rounded down to what the column holds; the last bucket has no end, so its bound stands for it."""
    assert mask_values(mask, values) == masked


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e20])
def test_float_without_a_bucket_is_a_mismatch(value: float) -> None:
    """NaN, infinities, and floats too coarse for the width are reported."""
    assert mask_values(Bucket(width=10), [value, 1.0], on_mismatch="null") == [None, 0.0]


@pytest.mark.parametrize("values", [[-1, 5], [-0.5, 5.0], [math.nan, 5.0], [Decimal("-0.01"), Decimal("5.00")]])
def test_number_below_all_bounds_is_a_mismatch(values: list[Any]) -> None:
    """There is no bucket below the first bound."""
    assert mask_values(Bucket(bounds=(0, 10)), values, on_mismatch="null") == [None, 0]


def test_numbers_of_documents_are_exact_at_any_length() -> None:
    """Long numbers and exponents fall in their bucket too; what no column could hold is a mismatch."""
    texts = ["9007199254740993", "1234567890123456789012345", "1.5e3", "-1e-30", "1e400", "0.0000000000000000000019"]

    masked = mask_values(Bucket(width=10), numbers(texts), on_mismatch="null")

    assert masked == ["9007199254740990", "1234567890123456789012340", "1500", "-10", None, "0"]


def test_wide_decimals_are_exact() -> None:
    """Decimals beyond 64 bits are reckoned exactly."""
    value = Decimal("-12345678901234567890123456789012.34")

    masked = mask_values(Bucket(width=100), pa.array([value, Decimal("5.00")], pa.decimal128(38, 2)))

    assert masked == [Decimal("-12345678901234567890123456789100.00"), Decimal("0.00")]


@pytest.mark.parametrize(
    ("mask", "kind", "problem"),
    [
        (Bucket(), pa.int64(), "width or bounds"),
        (Bucket(width=1, bounds=(1, 2)), pa.int64(), "width or bounds"),
        (Bucket(width=0), pa.int64(), "above 0"),
        (Bucket(width=math.inf), pa.int64(), "above 0"),
        (Bucket(bounds=(1, 1)), pa.int64(), "rise"),
        (Bucket(bounds=(2, 1)), pa.int64(), "rise"),
        (Bucket(width=0.5), pa.int64(), "decimals"),
        (Bucket(width=0.125), pa.decimal128(9, 2), "decimals"),
        (Bucket(width=1e6), pa.float16(), "fit in halffloat"),
        (Bucket(width=1), pa.string(), "as: number"),
        (Bucket(width=1), pa.date32(), "date_shift"),
        (Number(1, 0), pa.int64(), "minimum"),
        (Number(1.2, 1.8), pa.int64(), "minimum"),
        (Number(0, 300), pa.int8(), "fit in int8"),
        (Number(0, 1000), pa.decimal128(4, 2), "fit in decimal"),
        (Number(0, 10**12), pa.decimal128(38, 9), "2\\^64"),
        (Number(0, 10**20), NUMBER, "2\\^64"),
        (Number(-1e308, 1e308), pa.float64(), "finite"),
        (Number(0, 1e6), pa.float16(), "fit in halffloat"),
        (Number(0, 1, decimals=2), pa.int64(), "decimals"),
        (Number(0, 1, decimals=19), pa.float64(), "decimals"),
        (Number(0, 1), pa.bool_(), "numbers"),
    ],
)
def test_unfit_column_or_option_is_refused(mask: Bucket | Number, kind: pa.DataType, problem: str) -> None:
    """What cannot work is refused when the run is planned."""
    with pytest.raises(PlanError, match=problem):
        mask.plan(pa.field("f", kind), Limits())


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (pa.int8(), -128, 127),
        (pa.uint64(), 0, 2**64 - 1),
        (pa.int64(), -(2**63), 2**63 - 1),
        (pa.int32(), 5, 5),
        (pa.decimal128(38, 2), -1_000, 10**15),
        (pa.decimal32(6, 2), 0.01, 0.03),
        (pa.float32(), -1, 1),
        (pa.float64(), 1e-3, 1e-3),
    ],
)
def test_random_numbers_stay_in_range(kind: pa.DataType, low: float, high: float) -> None:
    """Both ends are included, nothing lies outside, and the type stays."""
    values = pa.array(range(100), pa.int64()).cast(pa.decimal128(38, 2)).cast(pa.int64())
    mask = Number(low, high)

    masked = mask_array(mask, values.cast(kind) if not pa.types.is_decimal(kind) else decimals_of(kind))

    assert masked.type == kind
    assert all(Decimal(str(low)) <= Decimal(str(number)) <= Decimal(str(high)) for number in masked.to_pylist())


def decimals_of(kind: pa.DataType) -> pa.Array:
    return pa.array([Decimal(n) for n in range(100)], kind)


def test_random_numbers_are_spread_evenly() -> None:
    """Every number of the range is about equally likely."""
    masked = mask_array(Number(1, 10), pa.array(range(100_000))).to_numpy()

    counts = np.bincount(masked, minlength=11)[1:]
    assert len(counts) == 10
    assert (abs(counts - 10_000) < 500).all()


def test_numbers_of_documents_keep_their_count_of_decimals() -> None:
    """A price stays a price and a count a count, in one column."""
    masked = mask_values(Number(-10, 99), numbers(["5", "1.50", "-3.1", "0", "1e5", "2.000"]))

    assert [len(text.partition(".")[2]) for text in masked] == [0, 2, 1, 0, 0, 3]
    assert all(-10 <= Decimal(text) <= 99 for text in masked)


def test_numbers_of_documents_get_the_decimals_asked_for() -> None:
    """With `decimals` all are written alike."""
    masked = mask_values(Number(0, 1, decimals=3), numbers(["5", "1.50"]))

    assert [len(text) for text in masked] == [5, 5]


def test_number_with_too_many_decimals_is_a_mismatch() -> None:
    """More decimals than 2^64 numbers allow are reported."""
    assert mask_values(Number(0, 9), numbers(["0." + "1" * 19, "1"]), on_mismatch="null")[0] is None


def test_rounded_floats_have_no_more_decimals() -> None:
    """Floats look like prices where two decimals are asked for."""
    masked = mask_values(Number(0, 100, decimals=2), [float(n) for n in range(200)])

    assert all(len(repr(number).partition(".")[2]) <= 2 for number in masked)


def test_inconsistent_numbers_belong_to_their_record() -> None:
    """With consistent=False equal numbers get different ones, and the same record the same again."""
    mask, values = Number(0, 10**9, consistent=False), pa.array([7] * 100)

    first, again = mask_array(mask, values), mask_array(mask, values)
    second_half = mask_array(mask, values.slice(50), Setting(first_row=50))

    assert len(first.unique()) == 100
    assert first == again
    assert second_half == first.slice(50)
    assert (mask.scope, mask.consistent) == ("row", False)
