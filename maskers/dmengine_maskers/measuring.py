"""What masks that reckon with numbers have in common: columns as whole units or floats, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, is_number, is_text
from dmengine.spi import MaskContext
from dmengine_maskers import exact
from dmengine_maskers.kinds import wrong_option, wrong_type

Amount = int | float
Flags = npt.NDArray[np.bool_]
Rows = slice | npt.NDArray[np.int64]
MOST_DECIMALS: Final = 18


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How a mask reckons: with whole units of a scale, or with floats.

    Attributes:
        units: Gets whole units (int64, or Python integers as objects), their scale, and which values they are.
        floats: Gets float64.
        decimals: The decimals of the parameters: documents' numbers are reckoned with at least so many.
        bounds: Numbers outside of them are mismatches.
    """

    units: Callable[[exact.Units, int, Rows], exact.Units]
    floats: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
    decimals: int = 0
    bounds: tuple[Amount, Amount] | None = None


def require_numbers(mask: str, field: pa.Field) -> None:
    """Refuse what is no number.

    Raises:
        PlanError: it is none.
    """
    if not is_number(field.type):
        hint = "read the text as numbers: as: number" if is_text(field.type) else "use redact, or date_truncate"
        raise wrong_type(mask, "numbers", field, hint)


def require_exact(mask: str, option: str, amounts: tuple[Amount, ...], field: pa.Field) -> None:
    """Refuse parameters that are not finite, or have more decimals than the column, or do not fit in it.

    Raises:
        PlanError: the column cannot hold them.
    """
    if not all(math.isfinite(amount) for amount in amounts):
        raise wrong_option(mask, option, "be finite", "give a number")
    kind = field.type
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        scale = kind.scale if pa.types.is_decimal(kind) else 0
        low, high = exact.type_range(kind)
        units = [exact.units_of(amount, scale) for amount in amounts]
        if any(unit is None or not low <= unit <= high for unit in units):
            raise wrong_option(mask, option, f"be a value of {kind}", "give one without more decimals, and in range")
    elif any(exact.decimals_of(amount) > MOST_DECIMALS for amount in amounts):
        raise wrong_option(mask, option, f"have at most {MOST_DECIMALS} decimals", "give a coarser one")


def reckon(values: pa.Array, ctx: MaskContext, how: Reckoning) -> pa.Array:
    """Return the numbers that a mask makes of numbers, of the same type; NaN and infinities are mismatches.

    What the type cannot hold becomes its nearest value. Documents' numbers keep their decimals, or get those that
    the parameters need.
    """
    kind = values.type
    if pa.types.is_floating(kind):
        given = values.to_numpy(zero_copy_only=False)
        odd = ~np.isfinite(given)
        if how.bounds is not None:
            odd |= (given < how.bounds[0]) | (given > how.bounds[1])
        wide = np.where(odd, 0.0, given).astype(np.float64)
        with np.errstate(over="ignore"):
            made = how.floats(wide)
        limits = np.finfo(given.dtype)
        narrow = np.clip(made, float(limits.min), float(limits.max)).astype(given.dtype)
        _report(ctx, odd)
        return pa.array(narrow, kind)
    if isinstance(kind, NumberType):
        return _documents(values, ctx, how)
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    units, odd = exact.read_units(values, scale)
    _report(ctx, odd | _outside(units, scale, how))
    return exact.write_units(how.units(units, scale, slice(None)), kind, scale)


def divided(top: exact.Units, bottom: int) -> exact.Units:
    """Divide units by a positive integer, and round halves to the even neighbour.

    >>> divided(np.array([5, 15, 25, -5]), 10).tolist()
    [0, 2, 2, 0]
    """
    whole = top // bottom
    twice = (top - whole * bottom) * 2
    up = (twice > bottom) | ((twice == bottom) & (whole % 2 == 1))
    result: exact.Units = whole + up
    return result


def roomy(units: exact.Units, *factors: int) -> exact.Units:
    """Go over to Python integers where a product with the factors could pass 64 bits."""
    most = int(np.abs(units).max()) if len(units) and units.dtype != object else 0
    for factor in factors:
        most = (most + 1) * max(1, abs(factor))
    return units.astype(object) if most >= exact.SAFE else units


def _outside(units: exact.Units, scale: int, how: Reckoning) -> Flags:
    if how.bounds is None:
        return np.zeros(len(units), np.bool_)
    low, high = exact.ceiling(how.bounds[0], scale), exact.floor(how.bounds[1], scale)
    given = units.astype(object) if max(abs(low), abs(high)) >= exact.SAFE else units
    outside: Flags = ((given < low) | (given > high)).astype(np.bool_)
    return outside


def _report(ctx: MaskContext, odd: Flags) -> None:
    if odd.any():
        ctx.mismatch(odd)


def _documents(values: pa.Array, ctx: MaskContext, how: Reckoning) -> pa.Array:
    """Reckon with each count of decimals by itself, so that a value's result depends on that value alone."""
    shown = np.maximum(exact.decimals_shown(values.storage), how.decimals)
    small = booleans(pc.match_substring_regex(values.storage, "[eE]-"))  # has decimals that are not shown
    odd = (shown > MOST_DECIMALS) | small
    shown = np.minimum(shown, MOST_DECIMALS)
    texts: list[pa.Array] = [pa.array([], pa.string())]
    order: list[npt.NDArray[Any]] = [np.empty(0, np.int64)]
    for scale in np.unique(shown).tolist():
        rows = np.flatnonzero(shown == scale)
        units, beyond = exact.read_units(values.take(pa.array(rows)), scale)
        odd[rows] |= beyond | _outside(units, scale, how)
        texts.append(exact.write_units(how.units(units, scale, rows), values.type, scale).storage)
        order.append(rows)
    _report(ctx, odd)
    back = np.argsort(np.concatenate(order), kind="stable")
    return pa.ExtensionArray.from_storage(values.type, pa.concat_arrays(texts).take(pa.array(back)))
