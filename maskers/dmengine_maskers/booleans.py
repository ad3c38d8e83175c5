"""Random truth values."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.drawing import draw
from dmengine_maskers.kinds import wrong_option, wrong_type


@dataclass(frozen=True, slots=True)
class RandomBoolean:
    """Replace every value with true, with a chance of `probability`, or false; of integer columns, with 1 or 0.

    Two equal values get equal ones, and there are only two: with `consistent=True`, all that was true becomes one and
    the same. So every record draws for itself, unless you say otherwise.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(RandomBoolean(), [True, True, False, True, None])
    [True, False, True, True, None]
    >>> sum(mask_values(RandomBoolean(0.1), [True] * 1000))
    113
    """

    probability: float = 0.5
    consistent: bool = False

    name: ClassVar[str] = "random_boolean"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal values need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither a truth value nor an integer."""
        if not 0 <= self.probability <= 1:
            raise wrong_option(self.name, "probability", "be 0 to 1", "leave it out for a half")
        if not (pa.types.is_boolean(field.type) or pa.types.is_integer(field.type)):
            raise wrong_type(self.name, "truth values and integers", field, 'use choice, such as choices: ["Y", "N"]')
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return truth values."""
        bits = draw(self, values, ctx)[:, 0]
        bound = int(Fraction(str(self.probability)) * (1 << 64))
        drawn = np.ones(len(values), np.bool_) if bound >= 1 << 64 else bits < np.uint64(bound)
        return pa.array(drawn).cast(values.type)
