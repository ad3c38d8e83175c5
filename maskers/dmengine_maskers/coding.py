"""Cap the numbers at an end of their range, where outliers give people away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import exact
from dmengine_maskers.measuring import Amount, Reckoning, Rows, reckon, require_exact, require_numbers


@dataclass(frozen=True, slots=True)
class TopCode:
    """Replace every number above `maximum` with `maximum`, or with `shown` where that is given.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(TopCode(100_000), [42_000, 2_500_000, None])
    [42000, 100000, None]
    >>> mask_values(TopCode(89, shown=90), [17, 89, 97])
    [17, 89, 90]
    """

    maximum: Amount
    shown: Amount | None = None

    name: ClassVar[str] = "top_code"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and a bound that the column cannot hold."""
        require_numbers(self.name, field)
        require_exact(self.name, "maximum and shown", _amounts(self.maximum, self.shown), field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return numbers that are not above the bound."""
        return _coded(values, ctx, self.maximum, self.shown, above=True)


@dataclass(frozen=True, slots=True)
class BottomCode:
    """Replace every number below `minimum` with `minimum`, or with `shown` where that is given.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(BottomCode(1500), [3200, 480, None])
    [3200, 1500, None]
    """

    minimum: Amount
    shown: Amount | None = None

    name: ClassVar[str] = "bottom_code"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and a bound that the column cannot hold."""
        require_numbers(self.name, field)
        require_exact(self.name, "minimum and shown", _amounts(self.minimum, self.shown), field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return numbers that are not below the bound."""
        return _coded(values, ctx, self.minimum, self.shown, above=False)


def _amounts(bound: Amount, shown: Amount | None) -> tuple[Amount, ...]:
    return (bound,) if shown is None else (bound, shown)


def _coded(values: pa.Array, ctx: MaskContext, bound: Amount, shown: Amount | None, *, above: bool) -> pa.Array:
    instead = bound if shown is None else shown

    def units(given: exact.Units, scale: int, rows: Rows) -> exact.Units:
        limit, put = exact.floor(bound, scale), exact.floor(instead, scale)
        if max(abs(limit), abs(put)) >= exact.SAFE:
            given = given.astype(object)
        beyond: Any = given > limit if above else given < limit
        return np.where(beyond.astype(bool), put, given)

    def floats(given: Any) -> Any:
        return np.where(given > bound if above else given < bound, float(instead), given)

    decimals = max(map(exact.decimals_of, _amounts(bound, shown)))
    return reckon(values, ctx, Reckoning(units, floats, decimals))
