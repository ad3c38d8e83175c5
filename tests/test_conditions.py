"""Conditions: exact, blind to other types, and false where there is nothing to compare."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.arrow import NUMBER
from dmengine.comparisons import compare
from dmengine.conditions import (
    Aligned,
    AnyOf,
    Compare,
    Condition,
    all_of,
    any_of,
    evaluate,
    field,
    fields,
    not_,
)
from dmengine.errors import RulesetError


def truth(condition: Condition, values: pa.Array, present: list[bool] | None = None) -> list[bool]:
    """Evaluate a condition on one column that stands for every field."""
    there = np.ones(len(values), np.bool_) if present is None else np.array(present)
    return list(map(bool, evaluate(condition, lambda name: [Aligned(values, there)], len(values))))


def numbers(texts: list[str]) -> pa.Array:
    return pa.ExtensionArray.from_storage(NUMBER, pa.array(texts, pa.string()))


ONE_AND_A_HALF = Decimal("1.50")
NUMERIC = [
    pa.array([1, 2, None], pa.int8()),
    pa.array([1, 2, None], pa.uint64()),
    pa.array([1.0, 2.0, None], pa.float16()),
    pa.array([1.0, 2.0, None], pa.float32()),
    pa.array([1.0, 2.0, None], pa.float64()),
    pa.array([Decimal("1.00"), Decimal("2.00"), None], pa.decimal32(5, 2)),
    pa.array([Decimal("1.00"), Decimal("2.00"), None], pa.decimal128(30, 2)),
    pa.array([Decimal(1), Decimal(2), None], pa.decimal256(60, 0)),
    pa.ExtensionArray.from_storage(NUMBER, pa.array(["1.0", "2e0", None])),
    pa.array([1, 2, None], pa.int64()).dictionary_encode(),
]


@pytest.mark.parametrize("values", NUMERIC, ids=lambda values: str(values.type))
def test_numbers_are_compared_by_value_whatever_their_type(values: pa.Array) -> None:
    """1, 1.0 and Decimal("1.00") are one number in every numeric type; null is never equal, less or greater."""
    assert truth(field("n") == 1, values) == [True, False, False]
    assert truth(field("n").eq(Decimal("1.0")), values) == [True, False, False]
    assert truth(field("n").isin([2.0, 7]), values) == [False, True, False]
    assert truth(field("n") < 1.5, values) == [True, False, False]
    assert truth(field("n").gt(ONE_AND_A_HALF), values) == [False, True, False]
    assert truth(field("n") > 10**30, values) == [False, False, False]
    assert truth(field("n") < 10**30, values) == [True, True, False]
    assert truth(field("n") > -(10**30), values) == [True, True, False]
    assert truth(field("n") == "1", values) == [False, False, False]
    assert truth(field("n").matches("1"), values) == [False, False, False]


def as_float(value: Fraction) -> Fraction:
    return Fraction(repr(float(value)))


EXACT: dict[str, tuple[Callable[[list[Decimal]], pa.Array], Callable[[Decimal], Fraction]]] = {
    "float64": (lambda v: pa.array([float(x) for x in v], pa.float64()), lambda x: as_float(Fraction(x))),
    "decimal": (lambda v: pa.array(v, pa.decimal128(30, 6)), Fraction),
    "number": (lambda v: numbers([str(x) for x in v]), Fraction),
    "int64": (lambda v: pa.array([int(x) for x in v], pa.int64()), lambda x: Fraction(int(x))),
}
AMOUNTS = st.decimals(-(10**12), 10**12, places=6) | st.sampled_from([Decimal("0.1"), Decimal("-0.0"), Decimal(2**53)])
EDGES = st.integers(-(10**13), 10**13) | st.floats(-1e13, 1e13).filter(lambda x: x == 0 or abs(x) > 1e-300)


@pytest.mark.parametrize("kind", EXACT)
@given(values=st.lists(AMOUNTS, min_size=1), edge=EDGES, pick=st.integers(0))
def test_comparisons_are_exact(kind: str, values: list[Decimal], edge: float, pick: int) -> None:
    """Every comparison of numbers gives what exact fractions give, in each numeric type, also right at the edge."""
    make, exact = EXACT[kind]
    array = make(values)
    for wanted in (edge, float(exact(values[pick % len(values)]))):
        target = Fraction(repr(wanted))

        assert compare(array, "lt", [wanted]).tolist() == [exact(v) < target for v in values]
        assert compare(array, "gt", [wanted]).tolist() == [exact(v) > target for v in values]
        assert compare(array, "in", [wanted]).tolist() == [exact(v) == target for v in values]


def test_numbers_of_documents_keep_digits_that_doubles_lose() -> None:
    """9007199254740993 is not 9007199254740992, and an exponent beyond all doubles still compares."""
    values = numbers(["9007199254740993", "9007199254740992", "1e400", "-1e999999999", "0.1", "0.10000000000000000001"])

    assert truth(field("n") == 9007199254740993, values) == [True, False, False, False, False, False]
    assert truth(field("n") > 9007199254740992, values) == [True, False, True, False, False, False]
    assert truth(field("n") < 0, values) == [False, False, False, True, False, False]
    assert truth(field("n") == 0.1, values) == [False, False, False, False, True, False]


def test_narrow_floats_are_compared_as_they_are_written() -> None:
    """The float32 0.1 equals 0.1, as it does in masking."""
    values = pa.array([0.1, 0.2, float("nan"), float("inf")], pa.float32())

    assert truth(field("n") == 0.1, values) == [True, False, False, False]
    assert truth(field("n") < 0.1, values) == [False] * 4
    assert truth(field("n") > 0.1, values) == [False, True, False, True]
    assert truth(field("n") < 1e300, values) == [True, True, False, False]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_text_is_compared_as_it_stands(kind: pa.DataType) -> None:
    """Text equals only the same text, is ordered by bytes, and is searched by regular expressions."""
    values = pa.array(["DE", "de", "", "Zürich", None], kind)

    assert truth(field("c") == "DE", values) == [True, False, False, False, False]
    assert truth(field("c").isin(["de", "", 1]), values) == [False, True, True, False, False]
    assert truth(field("c") < "Z", values) == [True, False, True, False, False]
    assert truth(field("c") > "Z", values) == [False, True, False, True, False]
    assert truth(field("c").matches("ü"), values) == [False, False, False, True, False]
    assert truth(field("c").matches("(?i)^DE$"), values) == [True, True, False, False, False]
    assert truth(field("c") == 1, values) == [False] * 5


def test_booleans_equal_only_booleans() -> None:
    """True is neither 1 nor "true"."""
    values = pa.array([True, False, None])

    assert truth(field("b") == True, values) == [True, False, False]  # noqa: E712 - a condition
    assert truth(field("b") == 1, values) == [False] * 3
    assert truth(field("b") == "true", values) == [False] * 3
    assert truth(field("b") > 0, values) == [False] * 3
    assert truth(field("b") == True, pa.array([1, 0, None])) == [False] * 3  # noqa: E712


@pytest.mark.parametrize("wanted", ["2024-02-29", date(2024, 2, 29), datetime(2024, 2, 29)], ids=repr)
@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.date64(), *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns"))], ids=str
)
def test_dates_and_timestamps_are_compared_with_iso_text_or_dates(kind: pa.DataType, wanted: Any) -> None:
    """A day means its first moment, in dates and timestamps of every unit."""
    values = pa.array([date(2024, 2, 28), date(2024, 2, 29), date(1969, 12, 31), None]).cast(kind)

    assert truth(field("d").eq(wanted), values) == [False, True, False, False]
    assert truth(field("d").lt(wanted), values) == [True, False, True, False]
    assert truth(field("d").gt("1969-12-31T23:59:59.999"), values) == [True, True, False, False]


def test_dates_know_times_of_day_between_them() -> None:
    """A date is less than noon of its day, and equal to no noon."""
    values = pa.array([date(2024, 2, 28), date(2024, 2, 29)])

    assert truth(field("d") < "2024-02-28T12:00", values) == [True, False]
    assert truth(field("d") == "2024-02-28T12:00", values) == [False, False]


def test_timestamps_are_exact_to_the_nanosecond() -> None:
    """Nine decimals of a second are told apart where the field has them."""
    values = pa.array([1_000_000_001, 1_000_000_000], pa.timestamp("ns"))

    assert truth(field("t") == "1970-01-01T00:00:01.000000001", values) == [True, False]
    assert truth(field("t") > "1970-01-01 00:00:01", values) == [True, False]


def test_zones_are_honoured() -> None:
    """A moment is the same in every zone; without a zone it is read as UTC, and never meets a field without one."""
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    zoned = pa.array([noon], pa.timestamp("us", "Asia/Tokyo"))
    naive = pa.array([noon.replace(tzinfo=None)], pa.timestamp("us"))

    assert truth(field("t") == "2024-01-01T13:30:00+01:30", zoned) == [True]
    assert truth(field("t") == "2024-01-01T10:30-01:30", zoned) == [True]
    assert truth(field("t") == noon, zoned) == [True]
    assert truth(field("t") == "2024-01-01T12:00:00", zoned) == [True]
    assert truth(field("t") == "2024-01-01T12:00:00Z", naive) == [False]


@pytest.mark.parametrize("text", ["2024-02-30", "2024-1-1", "yesterday", "2024-01-01T25:00", "2024-01-01T10:00+99:00"])
def test_text_that_is_no_date_equals_no_date(text: str) -> None:
    """What cannot be read as a date is another type, so every comparison is false."""
    values = pa.array([date(2024, 1, 1)])

    assert truth(field("d") == text, values) == [False]
    assert truth(field("d") < text, values) == [False]


@pytest.mark.parametrize(
    "values",
    [pa.nulls(1), pa.array([b"DE"]), pa.array([[1]]), pa.array([{"a": 1}]), pa.array([1], pa.time32("s"))],
    ids=lambda values: str(values.type),
)
def test_other_types_are_false(values: pa.Array) -> None:
    """Nulls, binaries, containers and times satisfy no comparison, so their records go to otherwise."""
    assert truth(field("x") == "DE", values) == [False]
    assert truth(field("x") < 5, values) == [False]
    assert truth(~(field("x") == "DE"), values) == [True]


def test_dictionaries_are_compared_by_what_they_stand_for() -> None:
    """Encoded text gives what plain text gives, with nulls in the index, in the dictionary, and no entry at all."""
    encoded = pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 2], pa.int8()), pa.array(["FR", "DE", None]))
    empty = pa.DictionaryArray.from_arrays(pa.array([None], pa.int8()), pa.array([], pa.string()))

    assert truth(field("c") == "DE", encoded) == [True, False, False, False]
    assert truth(field("c") == "DE", empty) == [False]


def test_null_and_absent_are_told_apart() -> None:
    """is_null wants a null that is there; exists wants anything that is there; comparisons want a value."""
    values, present = pa.array(["a", None, None]), [True, True, False]

    assert truth(field("x").is_null(), values, present) == [False, True, False]
    assert truth(field("x").exists(), values, present) == [True, True, False]
    assert truth(field("x") == "a", values, present) == [True, False, False]
    assert truth(~field("x").exists(), values, present) == [False, False, True]


def test_values_of_mixed_kinds_are_each_compared_with_their_own() -> None:
    """A field that is text here and a number there satisfies a condition where either does; null is null of any."""
    text = Aligned(pa.array(["1", None, None, None]), np.array([True, False, False, False]))
    number = Aligned(numbers([None, "1", None, None]), np.array([False, True, False, False]))  # type: ignore[list-item]
    null = Aligned(pa.nulls(4), np.array([False, False, True, False]))

    def ask(condition: Condition) -> list[bool]:
        return list(map(bool, evaluate(condition, lambda name: [text, number, null], 4)))

    assert ask(field("x") == 1) == [False, True, False, False]
    assert ask(field("x").isin(["1", 1])) == [True, True, False, False]
    assert ask(field("x").is_null()) == [False, False, True, False]
    assert ask(field("x").exists()) == [True, True, True, False]


def test_a_field_that_no_record_has_is_false_everywhere() -> None:
    """A lookup may find nothing at all."""
    assert evaluate(field("x") == 1, lambda name: [], 2).tolist() == [False, False]
    assert evaluate(~field("x").exists(), lambda name: [], 2).tolist() == [True, True]
    assert evaluate(field("x").is_null(), lambda name: [], 0).tolist() == []


def test_conditions_combine() -> None:
    """And, or and not are those of logic, in operators as in words."""
    columns = {"a": pa.array([1, 1, 2, 2]), "b": pa.array(["x", "y", "x", "y"])}

    def ask(condition: Condition) -> list[bool]:
        found = evaluate(condition, lambda name: [Aligned(columns[name], np.ones(4, np.bool_))], 4)
        return list(map(bool, found))

    one, ex = field("a") == 1, field("b") == "x"
    assert ask(one & ex) == ask(all_of(one, ex)) == [True, False, False, False]
    assert ask(one | ex) == ask(any_of(one, ex)) == [True, True, True, False]
    assert ask(~one & ~ex) == ask(not_(one | ex)) == [False, False, False, True]
    assert ask(one & ex & one) == [True, False, False, False]


def test_slices_are_seen_from_their_own_start() -> None:
    """A slice of a longer array is compared as if it were an array of its own."""
    assert truth(field("x") == "b", pa.array(["a", "b", "c"]).slice(1)) == [True, False]
    assert truth(field("x") == 2, numbers(["1", "2", "3"]).slice(1)) == [True, False]


def test_fields_names_every_field_once() -> None:
    """What a condition reads is known without data, however deep."""
    condition = ~((field("a") == 1) & (field("b.c").exists() | field("a").is_null()))

    assert fields(condition) == {"a", "b.c"}


def test_conditions_are_plain_data() -> None:
    """Conditions compare, hash and pickle; dates in them are ISO text and decimals plain numbers."""
    condition = field("d").gt(date(2024, 1, 31)) & field("n").isin([Decimal("1.50"), Decimal("2.0")])

    assert pickle.loads(pickle.dumps(condition)) == condition
    assert hash(condition) == hash(field("d").gt("2024-01-31") & field("n").isin([1.5, 2]))
    assert Compare("d", "gt", "2024-01-31") in condition.conditions


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("Smith(?=X)", "invalid perl operator at character 6"),
        ("[a-", "missing ]"),
        (r"a\8", r"escape sequence at character 2"),
    ],
)
def test_a_bad_regular_expression_is_refused_by_place_not_by_text(pattern: str, said: str) -> None:
    """The message says what and where, never the expression, and no chain holds it."""
    with pytest.raises(RulesetError, match="the regular expression for name is not one") as caught:
        field("name").matches(pattern)

    assert said in str(caught.value)
    assert pattern not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: field("a").isin("DE"),
        lambda: field("a").isin([]),
        lambda: field("a") != 1,
        lambda: field("a").eq(None),  # type: ignore[arg-type]
        lambda: field("a").eq([1]),  # type: ignore[arg-type]
        lambda: field("a").lt(True),
        lambda: field("a").gt(float("nan")),
        lambda: field("a").gt(float("inf")),
        lambda: field("a").eq(Decimal("1e500")),
        lambda: field("a").eq(Decimal("0.12345678901234567890123")),
        lambda: field("a..b"),
        lambda: all_of(),
        lambda: any_of(),
        lambda: bool(field("a") == 1),
        lambda: (field("a") == 1) and (field("b") == 2),
        lambda: 1 if not AnyOf(()) else 2,
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(make: Callable[[], object]) -> None:
    """Mistakes that Python would let pass silently, such as `and` between conditions, are named errors."""
    with pytest.raises(RulesetError):
        make()
