"""Pick one of a few values that the ruleset gives, by weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_text, pick
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.constants import Value, read_value
from dmengine_maskers.drawing import draw
from dmengine_maskers.kinds import require_room, wrong_option


@dataclass(frozen=True, slots=True)
class Choice:
    """Replace every value with one of `choices`, each as often as its weight says.

    `weights` are any positive numbers, one a choice; without them all choices are equally likely. Equal values get
    equal choices; with `consistent=False` every record draws for itself. Dates and times are given in ISO form.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Choice(("red", "green", "blue")), ["Alice", "Bob", "Alice", None])
    ['green', 'blue', 'green', None]
    >>> drawn = mask_values(Choice((0, 1), weights=(9, 1)), list(range(1000)))
    >>> drawn.count(1)
    97
    """

    choices: tuple[Value, ...]
    weights: tuple[float, ...] = ()
    consistent: bool = True

    name: ClassVar[str] = "choice"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal values need not be equal."""
        return "value" if self.consistent else "row"

    @property
    def capacity(self) -> int | None:
        """How many choices there are; unknown where some are likelier than others."""
        return None if self.weights else len(self.choices)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse a column that cannot hold each of the choices."""
        if not self.choices:
            raise wrong_option(self.name, "choices", "hold at least one value", "list what may come out")
        if self.weights and len(self.weights) != len(self.choices):
            raise wrong_option(self.name, "weights", "be as many as choices", "leave them out for equal chances")
        if any(not math.isfinite(weight) or weight <= 0 for weight in self.weights):
            raise wrong_option(self.name, "weights", "be above 0", "take out the choice that shall never come")
        values = [read_value(self.name, choice, field.type) for choice in self.choices]
        if is_text(field.type):
            most = max(len(str(value).encode()) for value in values)
            require_room(self.name, most, limits, "give shorter choices")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return choices."""
        kind = values.type
        storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
        pool = pa.array([read_value(self.name, choice, kind) for choice in self.choices], storage)
        index = self._index(draw(self, values, ctx)[:, 0])
        picked = pick(pool, index, storage)
        return pa.ExtensionArray.from_storage(kind, picked) if storage is not kind else picked

    def _index(self, bits: Words) -> npt.NDArray[np.int64]:
        if not self.weights:
            return below(bits, len(self.choices)).astype(np.int64)
        return np.searchsorted(_cuts(self.weights), bits, side="right").astype(np.int64)


def _cuts(weights: tuple[float, ...]) -> Words:
    """Return where, of 2^64, each choice but the first begins."""
    exact = [Fraction(str(weight)) for weight in weights]
    total = sum(exact)
    sums = [sum(exact[:count], Fraction(0)) for count in range(1, len(exact))]
    return np.array([int(part * (1 << 64) / total) for part in sums], np.uint64)
