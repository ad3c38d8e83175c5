"""Masks of whole columns, after which real values are still in the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from dmengine.arrow import NumberType, is_number
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import exact
from dmengine_maskers.calendar_days import from_ticks, ticks_of
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.measuring import divided

_RARE: Final = "use it only where a value alone tells nobody's secret"


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Deal the column's own values out to its records anew, by key.

    Every REAL value stays in the data, at another record: whoever knows that somebody is there, and what is rare
    about them, still finds it. Nulls stay where they are.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Shuffle(), ["a", "b", "c", "d", None])
    ['d', 'b', 'c', 'a', None]
    """

    name: ClassVar[str] = "shuffle"
    consistent: ClassVar[bool] = False
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "column"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse containers."""
        if pa.types.is_nested(field.type):
            raise wrong_type(self.name, "single values", field, "name the fields inside it")
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say that real values stay."""
        yield Finding("warning", "shuffle leaves every real value in the data, at another record", hint=_RARE)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the values in another order."""
        return values.take(pa.array(np.argsort(ctx.row_bits(self.name)[:, 0], kind="stable")))


@dataclass(frozen=True, slots=True)
class MicroAggregate:
    """Replace every number or date with the mean of the `k` (or a few more) that are nearest to it in the column.

    The sum of the column stays, but for rounding. A group of equal values stays what it is: REAL values show.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(MicroAggregate(3), [41, 18, 20, 40, 22, 45, None])
    [42, 20, 20, 42, 20, 42, None]
    """

    k: int = 5

    name: ClassVar[str] = "micro_aggregate"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = False
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "column"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what has no mean."""
        kind = field.type
        if not 2 <= self.k <= 1_000_000:
            raise wrong_option(self.name, "k", "be at least 2", "leave it out for 5")
        dated = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
        if isinstance(kind, NumberType) or not (is_number(kind) or dated):
            raise wrong_type(self.name, "numbers and dates of tables", field, "use bucket or round")
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say when real values stay."""
        yield Finding("warning", "micro_aggregate shows the real value wherever k neighbours are equal", hint=_RARE)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return means of groups; a column with fewer than k values is a mismatch as a whole."""
        count = len(values)
        if count < self.k:
            ctx.mismatch(np.ones(count, np.bool_))
            return values
        if pa.types.is_floating(values.type):
            return self._floats(values, ctx)
        dated = not is_number(values.type)
        scale = values.type.scale if pa.types.is_decimal(values.type) else 0
        units = ticks_of(values) if dated else exact.read_units(values, scale)[0]
        order = np.argsort(units, kind="stable")
        means = self._means(units[order])
        back = np.empty_like(means)
        back[order] = means
        return from_ticks(back, values.type) if dated else exact.write_units(back, values.type, scale)

    def _means(self, ordered: exact.Units) -> exact.Units:
        """Return each group's mean, reckoned from its first value so that no sum grows large."""
        starts, sizes = self._groups(len(ordered))
        first = np.repeat(ordered[starts], sizes)
        above = np.add.reduceat(ordered - first, starts)
        means = ordered[starts] + divided(above, self.k)
        means[-1:] = ordered[starts[-1:]] + divided(above[-1:], int(sizes[-1]))  # it takes in what is left over
        return np.repeat(means, sizes)

    def _groups(self, count: int) -> tuple[Any, Any]:
        starts = np.arange(count // self.k) * self.k
        return starts, np.diff(np.append(starts, count))

    def _floats(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        numbers = values.to_numpy(zero_copy_only=False)
        odd = ~np.isfinite(numbers)
        if odd.any():
            ctx.mismatch(odd)
        wide = np.where(odd, 0.0, numbers).astype(np.float64)
        order = np.argsort(wide, kind="stable")
        starts, sizes = self._groups(len(wide))
        means = np.add.reduceat(wide[order] / np.repeat(sizes, sizes), starts)
        back = np.empty(len(wide))
        back[order] = np.repeat(means, sizes)
        return pa.array(back.astype(numbers.dtype), values.type)
