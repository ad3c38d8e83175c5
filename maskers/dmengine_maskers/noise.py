"""Add keyed noise to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import exact
from dmengine_maskers.drawing import draw
from dmengine_maskers.kinds import wrong_option
from dmengine_maskers.measuring import Amount, Reckoning, reckon, require_exact, require_numbers
from dmengine_maskers.quantiles import Distribution, drawn


@dataclass(frozen=True, slots=True)
class Noise:
    """Move every number by a keyed random amount.

    `amount` is the most that a number moves (uniform), the standard deviation (normal), or the scale (laplace). With
    `relative` it is a share of the number: 0.1 moves it by up to 10 %. `minimum` and `maximum` cap what comes out.
    Equal numbers move alike; with `consistent=False` every record moves by itself. This is not differential privacy.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Noise(500), [42_000, 42_000, 1_234, None])
    [42381, 42381, 1298, None]
    >>> mask_values(Noise(0.1, relative=True, distribution="normal"), [1000.0])
    [901.5493563387652]
    """

    amount: Amount
    distribution: Distribution = "uniform"
    relative: bool = False
    minimum: Amount | None = None
    maximum: Amount | None = None
    consistent: bool = True

    name: ClassVar[str] = "noise"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal numbers need not move alike."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and an amount too small to change one."""
        require_numbers(self.name, field)
        bounds = tuple(bound for bound in (self.minimum, self.maximum) if bound is not None)
        require_exact(self.name, "minimum and maximum", bounds, field)
        if self.amount <= 0 or not np.isfinite(self.amount):
            raise wrong_option(self.name, "amount", "be above 0", "such as amount=100")
        if self.distribution not in get_args(Distribution):
            raise wrong_option(self.name, "distribution", "be uniform, normal or laplace", "leave it out for uniform")
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise wrong_option(self.name, "minimum", "not be above maximum", "swap them")
        if not self.relative and pa.types.is_integer(field.type) and self.amount < 1:
            raise wrong_option(self.name, "amount", "be at least 1 for integers", "or set relative")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return moved numbers."""
        shift = drawn(draw(self, values, ctx)[:, 0], self.distribution) * float(self.amount)
        return reckon(
            values,
            ctx,
            Reckoning(
                lambda given, scale, rows: self._units(given, scale, shift[rows]),
                lambda given: self._floats(given, shift),
                self._decimals(),
            ),
        )

    def _decimals(self) -> int:
        return max((exact.decimals_of(end) for end in (self.minimum, self.maximum) if end is not None), default=0)

    def _units(self, given: exact.Units, scale: int, shift: Any) -> exact.Units:
        moves = given.astype(np.float64) * shift if self.relative else shift * 10.0**scale
        most = float(np.abs(moves).max()) if len(moves) else 0.0
        if most >= exact.SAFE or given.dtype == object:
            made: exact.Units = given.astype(object) + np.array([int(move) for move in np.rint(moves)], object)
        else:
            made = given + np.rint(moves).astype(np.int64)
        for bound, cap in ((self.minimum, np.maximum), (self.maximum, np.minimum)):
            if bound is not None:
                end = exact.floor(bound, scale)
                made = cap(made.astype(object) if abs(end) >= exact.SAFE else made, end)
        return made

    def _floats(self, given: Any, shift: Any) -> Any:
        made = given + given * shift if self.relative else given + shift
        if self.minimum is not None:
            made = np.maximum(made, float(self.minimum))
        return made if self.maximum is None else np.minimum(made, float(self.maximum))
