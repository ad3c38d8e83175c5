"""The contract kit itself: it finds every way to break the contract that it promises to find."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dmengine.errors import DmengineError, PlanError
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine.testing.context import mask_array, mask_values, unmask_values
from dmengine.testing.maskers import ContractError, check_masker
from dmengine_maskers import Redact

VALUES = ["Alice Archer", "Bob Brown", None, "Alice Archer", "Carol"]


@dataclass(frozen=True, slots=True)
class Sound:
    """A masker that keeps the contract: it turns texts around, which is also how to get them back."""

    name: ClassVar[str] = "sound"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = True
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        if not pa.types.is_string(field.type):
            raise PlanError(f"sound masks text, not {field.type}", hint="use redact")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pc.utf8_reverse(values)

    def unmask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pc.utf8_reverse(values)


def test_sound_masker_passes() -> None:
    """A masker that keeps the contract passes."""
    check_masker(Sound(), VALUES)


class Shorter(Sound):
    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return values.slice(0, max(len(values) - 1, 0))


class OtherType(Sound):
    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return values.cast(pa.large_string())


class Nulls(Sound):
    uniqueness = "lossy"
    reversible = False

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pa.nulls(len(values), values.type)


class Neighbours(Sound):
    reversible = False

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        counter = pa.array(range(len(values)), pa.int64()).cast(pa.string())
        return pc.binary_join_element_wise(counter, values, "")


class Sorted(Sound):
    uniqueness = "unknown"
    reversible = False

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return values.take(pc.sort_indices(values))


class Lossy(Sound):
    reversible = False

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pc.utf8_slice_codeunits(values, 0, 0)


class NoWayBack(Sound):
    def unmask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return values


class Random(Sound):
    uniqueness = "unknown"
    reversible = False

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pa.array([str(number) for number in np.random.default_rng().random(len(values))], pa.string())


class Longer(Sound):
    reversible = False

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pc.binary_join_element_wise(values, values, "")


class NoHint(Sound):
    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        if not pa.types.is_string(field.type):
            raise PlanError("no")
        return field


class Renames(Sound):
    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        return Sound.plan(self, field, limits).with_name("other")


class BadScope(Sound):
    scope = "table"  # type: ignore[assignment]


class NoUnmask(Sound):
    unmask: Any = property()


BROKEN: list[tuple[type[Sound], str]] = [
    (Shorter, "returned"),
    (OtherType, "planned"),
    (Nulls, "gets no nulls"),
    (Neighbours, "masked as the whole"),
    (Sorted, "masked as the whole"),
    (Lossy, "stay different"),
    (NoWayBack, "originals back"),
    (Random, "masked as the whole"),
    (Longer, "fits in it"),
    (NoHint, "says what would fit"),
    (Renames, "keeps the name"),
    (BadScope, "scope is one of"),
    (NoUnmask, "has unmask"),
]


@pytest.mark.parametrize(("broken", "promise"), BROKEN)
def test_broken_masker_is_found(broken: type[Sound], promise: str) -> None:
    """A masker that breaks one promise fails, and the message names the promise."""
    with pytest.raises((ContractError, DmengineError), match=promise):
        check_masker(broken(), VALUES)


def test_masker_that_is_no_value_is_found() -> None:
    """A masker must be a frozen dataclass: parameters that can change cannot be planned."""

    class Loose:
        name, consistent, uniqueness, reversible, scope = "loose", True, "lossy", False, "value"
        plan, mask = Redact.plan, Redact.mask

    with pytest.raises(ContractError, match="frozen dataclass"):
        check_masker(Loose(), VALUES)  # type: ignore[arg-type]


def test_mask_that_cannot_be_turned_back_says_so() -> None:
    """Asking for the originals of a one-way mask is refused."""
    with pytest.raises(PlanError, match="not reversible"):
        unmask_values(Redact(), ["*"])


def test_view_stays_a_view() -> None:
    """Views, which pyarrow's kernels do not know, are masked as plain text and are views again."""
    masked = mask_array(Redact(), pa.array(["a", None], pa.string_view()))

    assert masked.type == pa.string_view()
    assert masked.to_pylist() == ["*", None]


def test_parameters_make_the_same_masker() -> None:
    """Masker values compare by their parameters."""
    assert replace(Redact(), text="x") == Redact("x")
    assert mask_values(Redact("x"), ["a"]) == ["x"]
