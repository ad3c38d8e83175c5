"""One comparison of a condition against one Arrow array, exact and without a loop over values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, is_number, is_text

Scalar = str | bool | int | float | Decimal
Test = Literal["in", "lt", "gt", "matches"]
Truth = npt.NDArray[np.bool_]

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:(Z)|([+-]\d\d):?(\d\d))?)?", re.ASCII
)
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def compare(values: pa.Array, test: Test, wanted: Sequence[Scalar]) -> Truth:
    """Say for each value whether the test holds; false for nulls and for values of another type.

    >>> compare(pa.array([1, 2, None]), "gt", [1.5]).tolist()
    [False, True, False]
    >>> compare(pa.array([1, 2, None]), "in", ["1"]).tolist()
    [False, False, False]

    Args:
        values: Any Arrow array without chunks.
        test: `in` takes any number of wanted values, the others one.
        wanted: What to compare with; see `dmengine.conditions.field`.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _on_dictionary(values, test, wanted)
    if is_text(kind):
        return _on_text(values, test, [w for w in wanted if isinstance(w, str)])
    if pa.types.is_boolean(kind):
        return _on_booleans(values, test, [w for w in wanted if isinstance(w, bool)])
    if is_number(kind):
        return _on_numbers(values, test, [_exact(w) for w in wanted if not isinstance(w, (str, bool))])
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _on_instants(values, test, [w for w in wanted if isinstance(w, str)])
    return np.zeros(len(values), np.bool_)


def _true(values: pa.Array) -> Truth:
    return booleans(pc.fill_null(values, False))


def _one_of(values: pa.Array, wanted: list[Any]) -> Truth:
    return booleans(pc.is_in(values, value_set=pa.array(wanted, values.type)))


def _one_of_doubles(values: pa.Array, wanted: list[float]) -> Truth:
    return _one_of(values, [*wanted, -0.0, 0.0] if 0.0 in wanted else wanted)  # is_in tells the two zeros apart


def _ordered(values: pa.Array, test: Test, edge: Any) -> Truth:
    compute = pc.less if test == "lt" else pc.greater
    return _true(compute(values, pa.scalar(edge, values.type)))


def _on_dictionary(values: pa.DictionaryArray, test: Test, wanted: Sequence[Scalar]) -> Truth:
    distinct = np.append(compare(values.dictionary, test, wanted), False)  # the last one stands for null
    index = pc.fill_null(values.indices.cast(pa.int64()), len(values.dictionary))
    return cast(Truth, distinct[index.to_numpy(zero_copy_only=False)])


def _on_text(values: pa.Array, test: Test, wanted: list[str]) -> Truth:
    if not wanted:
        return np.zeros(len(values), np.bool_)
    if pa.types.is_string_view(values.type):  # pyarrow has few kernels for views
        values = values.cast(pa.large_string())
    if test == "matches":
        return _true(pc.match_substring_regex(values, wanted[0]))
    return _one_of(values, wanted) if test == "in" else _ordered(values, test, wanted[0])


def _on_booleans(values: pa.Array, test: Test, wanted: list[bool]) -> Truth:
    return _one_of(values, list(wanted)) if test == "in" else np.zeros(len(values), np.bool_)


# ---------------------------------------------------------------------------------------------- numbers


def _exact(number: int | float | Decimal) -> Fraction:
    """Return a number as people write it: the float 0.1 is 1/10, as in the canonical form of values."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def _on_numbers(values: pa.Array, test: Test, wanted: list[Fraction]) -> Truth:
    kind = values.type
    if test == "matches" or not wanted:
        return np.zeros(len(values), np.bool_)
    if isinstance(kind, NumberType):
        return _on_number_text(values.storage, test, wanted)
    if pa.types.is_integer(kind):
        bounds = np.iinfo(kind.to_pandas_dtype())
        return _on_grid(values, test, wanted, (int(bounds.min), int(bounds.max)))
    if pa.types.is_decimal(kind):
        return _on_decimals(values, test, wanted)
    return _on_floats(values, test, wanted)


def _on_grid(values: pa.Array, test: Test, wanted: list[Fraction], bounds: tuple[int, int], scale: int = 0) -> Truth:
    """Compare whole steps of 10**-scale; what lies between or beyond the steps is decided without them."""

    def step(number: int) -> int | Decimal:
        return Decimal(f"{number}e{-scale}") if pa.types.is_decimal(values.type) else number

    low, high = bounds
    if test == "in":
        return _one_of(values, [step(int(w)) for w in wanted if w.denominator == 1 and low <= w <= high])
    edge = math.ceil(wanted[0]) if test == "lt" else math.floor(wanted[0])
    if low <= edge <= high:
        return _ordered(values, test, step(edge))
    everything = edge > high if test == "lt" else edge < low
    return booleans(pc.is_valid(values)) if everything else np.zeros(len(values), np.bool_)


def _on_decimals(values: pa.Array, test: Test, wanted: list[Fraction]) -> Truth:
    kind = values.type
    if kind.bit_width < 128:  # pyarrow has no is_in for the small ones
        values = values.cast(pa.decimal128(kind.precision, kind.scale))
    edge = 10**kind.precision - 1
    return _on_grid(values, test, [w * Fraction(10) ** kind.scale for w in wanted], (-edge, edge), kind.scale)


def _on_floats(values: pa.Array, test: Test, wanted: list[Fraction]) -> Truth:
    narrow = values.type.to_pandas_dtype()
    doubles = values.cast(pa.float64())
    nearest = [(w, *_nearest(w, narrow)) for w in wanted]
    if test == "in":
        return _one_of_doubles(doubles, [f for w, f, exact in nearest if w == exact])
    edge, near, exact = nearest[0]
    on_edge = exact is not None and (exact < edge if test == "lt" else exact > edge)
    beyond = _ordered(doubles, test, near)
    return beyond | _one_of_doubles(doubles, [near]) if on_edge else beyond


def _nearest(number: Fraction, narrow: type[np.floating[Any]]) -> tuple[float, Fraction | None]:
    """Return the float of a width nearest to a number, and what that float is written as."""
    with np.errstate(over="ignore"):
        near = narrow(_double(number))
    return float(near), Fraction(str(near)) if np.isfinite(near) else None


def _double(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _on_number_text(texts: pa.Array, test: Test, wanted: list[Fraction]) -> Truth:
    """Compare as doubles; only where those tie are the few distinct texts compared digit by digit."""
    doubles = pc.cast(texts, pa.float64())
    near = [_double(w) for w in wanted]
    truth = np.zeros(len(texts), np.bool_) if test == "in" else _ordered(doubles, test, near[0])
    tied = _one_of_doubles(doubles, near)
    if not tied.any():
        return truth
    exact = pc.dictionary_encode(texts.filter(pa.array(tied)))
    targets = {Decimal(w.numerator) if w.denominator == 1 else _decimal(w) for w in wanted}
    target = next(iter(targets))
    by_test = {"in": targets.__contains__, "lt": target.__gt__, "gt": target.__lt__}
    holds = np.array([by_test[test](Decimal(text)) for text in exact.dictionary.to_pylist()], np.bool_)
    truth[tied] = holds[exact.indices.to_numpy()]
    return truth


def _decimal(number: Fraction) -> Decimal:
    """Return a fraction that came from decimal digits as those digits."""
    places = 0
    while (number * 10**places).denominator != 1:
        places += 1
    return Decimal(f"{int(number * 10**places)}e-{places}")


# ---------------------------------------------------------------------------------------------- dates and times


def _on_instants(values: pa.Array, test: Test, wanted: list[str]) -> Truth:
    kind = values.type
    zoned_field = pa.types.is_timestamp(kind) and kind.tz is not None
    instants = [instant for w in wanted if (instant := _instant(w)) is not None]
    seconds = [second for second, zoned in instants if zoned_field or not zoned]
    if test == "matches" or not seconds:
        return np.zeros(len(values), np.bool_)
    if pa.types.is_date32(kind):
        ticks, whole = Fraction(1, 86_400), values.cast(pa.int32())
    else:
        ticks = Fraction(10**3 if pa.types.is_date64(kind) else _TICKS[kind.unit])
        whole = values.cast(pa.int64())
    bounds = np.iinfo(whole.type.to_pandas_dtype())
    return _on_grid(whole, test, [s * ticks for s in seconds], (int(bounds.min), int(bounds.max)))


def _instant(text: str) -> tuple[Fraction, bool] | None:
    """Read an ISO date or timestamp as exact seconds since 1970, and say whether it names its zone."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, second, fraction, zulu, zone_hours, zone_minutes = found.groups()
    zone: timezone = UTC
    try:
        if zone_hours is not None:
            sign = -1 if zone_hours.startswith("-") else 1
            zone = timezone(timedelta(hours=int(zone_hours), minutes=sign * int(zone_minutes)))
        moment = datetime.fromisoformat(f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}").replace(tzinfo=zone)
    except ValueError:  # the 30th of February, hour 25
        return None
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return Fraction(whole) + Fraction(int(fraction or 0), 10 ** len(fraction or "0")), bool(zulu or zone_hours)
