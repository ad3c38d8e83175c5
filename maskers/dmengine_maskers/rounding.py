"""Make numbers coarser, or bring them to another range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import exact
from dmengine_maskers.kinds import wrong_option
from dmengine_maskers.measuring import (
    Amount,
    Reckoning,
    Rows,
    divided,
    reckon,
    require_exact,
    require_numbers,
    roomy,
)


@dataclass(frozen=True, slots=True)
class Round:
    """Round every number to the nearest multiple of `to`; halves go to the even multiple.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Round(1000), [41_870, 1_499, -501, None])
    [42000, 1000, -1000, None]
    >>> mask_values(Round(0.05), [0.37, 1.02])
    [0.35, 1.0]
    """

    to: Amount

    name: ClassVar[str] = "round"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and a step finer than the column's own decimals."""
        require_numbers(self.name, field)
        require_exact(self.name, "to", (self.to,), field)
        if self.to <= 0:
            raise wrong_option(self.name, "to", "be above 0", "such as to=100")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return multiples."""
        scale = exact.decimals_of(self.to)
        step, power = exact.units_of(self.to, scale) or 1, 10.0**scale

        def units(given: exact.Units, at: int, rows: Rows) -> exact.Units:
            whole = exact.units_of(self.to, at) or 1
            return divided(roomy(given, 2), whole) * whole

        def floats(given: Any) -> Any:
            return np.rint(given * power / step) * step / power + 0.0  # + 0.0: no -0.0

        return reckon(values, ctx, Reckoning(units, floats, scale))


@dataclass(frozen=True, slots=True)
class Rescale:
    """Map the range `minimum` to `maximum` onto `to_minimum` to `to_maximum`, in a straight line.

    Order and proportions stay. A number outside of the range is a mismatch, or becomes its nearer end with
    `clip=True`. Integers and decimals are rounded, halves to even. Whoever knows the four numbers undoes it.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Rescale(0, 200_000, 0, 100), [50_000, 199_999, None])
    [25, 100, None]
    """

    minimum: Amount
    maximum: Amount
    to_minimum: Amount
    to_maximum: Amount
    clip: bool = False

    name: ClassVar[str] = "rescale"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and ranges that are empty or that the column cannot hold."""
        require_numbers(self.name, field)
        require_exact(self.name, "the ranges", (self.minimum, self.maximum, self.to_minimum, self.to_maximum), field)
        if self.minimum >= self.maximum:
            raise wrong_option(self.name, "minimum", "be below maximum", "swap them, or widen the range")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return numbers of the other range."""
        ends = (self.minimum, self.maximum, self.to_minimum, self.to_maximum)

        def units(given: exact.Units, scale: int, rows: Rows) -> exact.Units:
            low, high, to_low, to_high = (exact.floor(end, scale) for end in ends)
            inside = np.minimum(np.maximum(_wide(given, low, high), low), high)
            product = roomy(inside - low, to_high - to_low, 2) * (to_high - to_low)
            return _wide(divided(product, high - low), to_low, to_high) + to_low

        def floats(given: Any) -> Any:
            inside = np.clip(given, self.minimum, self.maximum)
            share = (inside - self.minimum) / (self.maximum - self.minimum)
            return self.to_minimum + share * (self.to_maximum - self.to_minimum)

        bounds = None if self.clip else (self.minimum, self.maximum)
        return reckon(values, ctx, Reckoning(units, floats, max(map(exact.decimals_of, ends)), bounds))


def _wide(units: exact.Units, *ends: int) -> exact.Units:
    return units.astype(object) if max(map(abs, ends)) >= exact.SAFE else units
