"""Numbers of any column as whole units of 10 to the minus scale, so that nothing is rounded by accident."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans

Units = npt.NDArray[Any]
"""int64 where all values fit, else Python integers in an object array: the same arithmetic works on both."""

MOST_DIGITS: Final = 76  # of a decimal256, the widest column
SAFE: Final = 1 << 62
"""Below this, sums and differences of two int64 units cannot overflow."""

_PLAIN: Final = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"
_WIDE: Final = Context(prec=2 * MOST_DIGITS, rounding=ROUND_FLOOR, traps=[])


def units_of(amount: int | float, scale: int) -> int | None:
    """Return a parameter in units; None where it is not a whole number of them.

    >>> units_of(0.25, 2), units_of(0.25, 1)
    (25, None)
    """
    number = _WIDE.scaleb(Decimal(str(amount)), scale)
    whole = number.is_finite() and number == number.to_integral_value(context=_WIDE)
    return int(number) if whole else None


def floor(amount: int | float, scale: int) -> int:
    """Return the highest whole unit that is not above a parameter.

    >>> floor(0.257, 2), floor(-0.257, 2)
    (25, -26)
    """
    return int(_WIDE.scaleb(Decimal(str(amount)), scale).to_integral_value(context=_WIDE))


def ceiling(amount: int | float, scale: int) -> int:
    """Return the lowest whole unit that is not below a parameter.

    >>> ceiling(0.257, 2), ceiling(-0.257, 2)
    (26, -25)
    """
    return -floor(-amount, scale)


def decimals_of(amount: int | float) -> int:
    """Return the decimals that a parameter is written with.

    >>> decimals_of(10), decimals_of(2.50)
    (0, 1)
    """
    exponent = Decimal(str(amount)).normalize(_WIDE).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def decimals_shown(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Count the digits after the point of documents' numbers; a number with an exponent has none.

    >>> decimals_shown(pa.array(["1.50", "7", "1e3"])).tolist()
    [2, 0, 0]
    """
    point = pc.find_substring(texts, ".").to_numpy(zero_copy_only=False).astype(np.int64)
    length = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    plain = pc.match_substring_regex(texts, r"^-?[0-9]+\.[0-9]+$").to_numpy(zero_copy_only=False)
    return np.where(plain, length - point - 1, 0)


def read_units(values: pa.Array, scale: int) -> tuple[Units, npt.NDArray[np.bool_]]:
    """Read integers, decimals (of this scale) or documents' numbers (rounded down), and mark those beyond reach.

    >>> read_units(pa.array([Decimal("1.50"), Decimal("-0.25")]), 2)[0].tolist()
    [150, -25]
    """
    if isinstance(values.type, NumberType):
        return _read_text(values.storage, scale)
    reachable = np.zeros(len(values), np.bool_)
    if pa.types.is_decimal(values.type):
        return _read_decimals(values), reachable
    whole = values.to_numpy(zero_copy_only=False)
    if pa.types.is_uint64(values.type) and len(whole) and int(whole.max()) >= SAFE:
        return whole.astype(object), reachable
    return _roomy(whole.astype(np.int64)), reachable


def write_units(units: Units, kind: pa.DataType, scale: int) -> pa.Array:
    """Write units as integers, decimals or documents' numbers; what a type cannot hold becomes its nearest.

    >>> write_units(np.array([-150, 5]), pa.decimal128(4, 2), 2).to_pylist()
    [Decimal('-1.50'), Decimal('0.05')]
    >>> write_units(np.array([300]), pa.int8(), 0).to_pylist()
    [127]
    """
    if isinstance(kind, NumberType):
        return pa.ExtensionArray.from_storage(kind, _texts(units, scale))
    low, high = type_range(kind)
    if _beyond(units, low, high):
        wide = units if low >= -(1 << 63) and high < 1 << 63 else units.astype(object)
        units = np.minimum(np.maximum(wide, low), high)
    if pa.types.is_decimal(kind):
        return _decimals(units, kind)
    return pa.array(units.astype(kind.to_pandas_dtype()), kind)


def type_range(kind: pa.DataType) -> tuple[int, int]:
    """Return the lowest and highest units that an integer or decimal type holds.

    >>> type_range(pa.uint8()), type_range(pa.decimal128(3, 1))
    ((0, 255), (-999, 999))
    """
    if pa.types.is_decimal(kind):
        return 1 - 10**kind.precision, 10**kind.precision - 1
    info = np.iinfo(kind.to_pandas_dtype())
    return int(info.min), int(info.max)


def _beyond(units: Units, low: int, high: int) -> bool:
    return len(units) > 0 and (int(units.min()) < low or int(units.max()) > high)


def _roomy(units: Units) -> Units:
    """Go over to Python integers where sums and differences could pass 64 bits."""
    return units.astype(object) if _beyond(units, -SAFE, SAFE) else units


def _read_decimals(values: pa.Array) -> Units:
    kind, words = values.type, values.type.byte_width // 8
    if words <= 1:
        narrow = np.frombuffer(values.buffers()[1], np.int32 if kind.byte_width == 4 else np.int64)
        return _roomy(narrow[values.offset :][: len(values)].astype(np.int64))
    rows = np.frombuffer(values.buffers()[1], np.int64).reshape(-1, words)[values.offset :][: len(values)]
    units = rows[:, 0].copy()
    if (rows[:, 1:] == (units >> 63)[:, None]).all():
        return _roomy(units)
    return np.array([int.from_bytes(row.tobytes(), "little", signed=True) for row in rows], object)


def _decimals(units: Units, kind: pa.DataType) -> pa.Array:
    width = kind.byte_width
    if units.dtype == object:
        content = b"".join(int(unit).to_bytes(width, "little", signed=True) for unit in units)
    elif width <= 8:
        content = units.astype(np.int32 if width == 4 else np.int64).tobytes()
    else:
        rows = np.repeat((units >> 63)[:, None], width // 8, axis=1)
        rows[:, 0] = units
        content = rows.tobytes()
    return pa.Array.from_buffers(kind, len(units), [None, pa.py_buffer(content)])


def _read_text(texts: pa.Array, scale: int) -> tuple[Units, npt.NDArray[np.bool_]]:
    plain = booleans(pc.match_substring_regex(texts, _PLAIN)) & (scale <= 18)
    beyond = np.zeros(len(texts), np.bool_)
    if plain.all():
        return _read_plain(texts, scale), beyond
    units = np.zeros(len(texts), object)
    units[plain] = _read_plain(texts.filter(pa.array(plain)), scale)
    for row in np.flatnonzero(~plain).tolist():  # exponents and very long numbers: rare, and no column type holds them
        unit = _read_one(texts[row].as_py(), scale)
        beyond[row] = unit is None
        units[row] = unit or 0
    return units, beyond


def _read_plain(texts: pa.Array, scale: int) -> Units:
    """Read numbers of at most 18 digits before and after the point."""
    exact = texts.cast(pa.decimal128(38, 18))
    floored = pc.round(exact, ndigits=scale, round_mode="down") if scale < 18 else exact
    return _read_decimals(floored.cast(pa.decimal128(38, scale)))


def _read_one(text: str, scale: int) -> int | None:
    number = _WIDE.create_decimal(text)
    if not number.is_finite() or (number and not -MOST_DIGITS < number.adjusted() < MOST_DIGITS):
        return None
    return int(number.scaleb(scale, _WIDE).to_integral_value(context=_WIDE))


def _texts(units: Units, scale: int) -> pa.Array:
    """Write units with exactly `scale` decimals."""
    if units.dtype == object:
        return pa.array([format(Decimal(int(unit)).scaleb(-scale, _WIDE), "f") for unit in units], pa.string())
    if scale == 0:
        return pa.array(units).cast(pa.string())
    whole, rest = np.divmod(np.abs(units), 10**scale)
    sign = pa.array(["", "-"]).take(pa.array((units < 0).astype(np.int8)))
    tail = pc.utf8_lpad(pa.array(rest).cast(pa.string()), scale, "0")
    head = pc.binary_join_element_wise(sign, pa.array(whole).cast(pa.string()), "")
    return pc.binary_join_element_wise(head, tail, ".")
