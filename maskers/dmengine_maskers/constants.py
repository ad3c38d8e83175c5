"""Replace every value with one that the ruleset gives, or with nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa

from dmengine.arrow import NumberType, is_text
from dmengine.errors import PlanError
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import require_room
from dmengine_maskers.repeating import repeat

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Fixed:
    """Replace every value with `value`, read as the column's type.

    Give dates and times in ISO form; a number with more decimals than the column has is refused, and so is anything
    else that the column cannot hold exactly. Null stays null.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Fixed("unknown"), ["Alice", None])
    ['unknown', None]
    >>> from datetime import date
    >>> mask_values(Fixed("2000-01-01"), [date(1985, 4, 12)])
    [datetime.date(2000, 1, 1)]
    """

    value: Value

    name: ClassVar[str] = "fixed"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse a column that cannot hold the value."""
        fixed = read_value(self.name, self.value, field.type)
        if isinstance(fixed, str) and is_text(field.type):
            require_room(self.name, len(fixed.encode()), limits, "give a shorter value")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the value, as often as asked."""
        return repeat(read_value(self.name, self.value, values.type), len(values), values.type)


@dataclass(frozen=True, slots=True)
class Null:
    """Empty the column: every value becomes null.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Null(), ["Alice", None])
    [None, None]
    """

    name: ClassVar[str] = "null"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse a column that cannot be null."""
        if not field.nullable:
            raise PlanError("null empties the column, and this one cannot be null", hint="use redact or fixed")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return nulls."""
        return pa.nulls(len(values), values.type)


def read_value(mask: str, value: Value, kind: pa.DataType) -> Any:
    """Read a parameter of a mask as a value of a type, exactly or not at all.

    Raises:
        PlanError: the type cannot hold it.
    """
    result = None
    try:
        result = next((read(value, kind) for is_a, read in _READERS if is_a(kind)), None)
        if result is not None:
            repeat(result, 1, kind)
    except (ValueError, ArithmeticError, TypeError, OverflowError):  # Arrow's errors are ValueErrors or TypeErrors too
        result = None
    if result is None:
        raise PlanError(f"{mask}: the value cannot be held as {kind}", hint=f"give one that is {_expected(kind)}")
    return result


def _text(value: Value, kind: pa.DataType) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _truth(value: Value, kind: pa.DataType) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _number(value: Value, kind: pa.DataType) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    return Decimal(str(value))


def _integer(value: Value, kind: pa.DataType) -> int | None:
    number = _number(value, kind)
    return int(number) if number == number.to_integral_value() else None


def _float(value: Value, kind: pa.DataType) -> float | None:
    number = _number(value, kind)
    held: float = repeat(float(number), 1, kind)[0].as_py()
    return held if math.isfinite(held) == number.is_finite() else None


def _digits(value: Value, kind: pa.DataType) -> str | None:
    text = str(value)
    return text if not isinstance(value, bool) and _JSON_NUMBER.fullmatch(text) else None


def _moment(value: Value, kind: pa.DataType) -> datetime | None:
    moment = datetime.fromisoformat(str(value))
    return moment if (moment.tzinfo is not None) == (kind.tz is not None) else None


def _bytes(value: Value, kind: pa.DataType) -> bytes | None:
    return value.encode() if isinstance(value, str) else None


def _is_binary(kind: pa.DataType) -> bool:
    is_a = pa.types
    return bool(is_a.is_binary(kind) or is_a.is_large_binary(kind) or is_a.is_fixed_size_binary(kind))


_READERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Value, pa.DataType], Any]], ...] = (
    (is_text, _text),
    (lambda kind: isinstance(kind, NumberType), _digits),
    (pa.types.is_boolean, _truth),
    (pa.types.is_integer, _integer),
    (pa.types.is_floating, _float),
    (pa.types.is_decimal, _number),
    (pa.types.is_date, lambda value, kind: date.fromisoformat(str(value))),
    (pa.types.is_timestamp, _moment),
    (pa.types.is_time, lambda value, kind: time.fromisoformat(str(value))),
    (_is_binary, _bytes),
)


def _expected(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        zone = "with its offset (2020-02-29T12:00:00Z)" if kind.tz else "without an offset (2020-02-29T12:00:00)"
        return f"a moment {zone}"
    if pa.types.is_date(kind):
        return "a date (2020-02-29)"
    if pa.types.is_nested(kind):
        return "for a field inside it"
    return "in range and has no more decimals than the column"
