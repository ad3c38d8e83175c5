"""Several masks in a row, each on what the one before made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dmengine.arrow import booleans, flat, scatter
from dmengine.errors import PlanError
from dmengine.maskparameter import MaskParameter
from dmengine.merging import capacity_of
from dmengine.spi import Finding, Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_type
from dmengine_maskers.parts import (
    PartContext,
    all_consistent,
    all_domains,
    all_read,
    any_keyed,
    check_parts,
    findings_in_turn,
    in_turn,
    widest_scope,
)

_Work = Callable[[pa.Array, MaskContext], pa.Array]


@dataclass(frozen=True, slots=True)
class Chain:
    """Mask with each of `masks` in turn: the first gets the value, each other what the one before made of it.

    A value that any of them cannot take is a mismatch; what one empties stays empty.

    >>> from dmengine.testing.context import mask_values
    >>> from dmengine.maskers import CharacterMask, Fpe
    >>> mask_values(Chain((Fpe(), CharacterMask(keep_last=4))), ["4111-1111-1111-1234", None])
    ['***************4204', None]
    """

    masks: tuple[MaskParameter, ...]

    name: ClassVar[str] = "chain"

    @property
    def keyed(self) -> bool:
        """Whether the key has a say in any of them."""
        return any_keyed(self.masks)

    @property
    def consistent(self) -> bool:
        """Whether all of them are."""
        return all_consistent(self.masks)

    @property
    def uniqueness(self) -> Uniqueness:
        """What the weakest of them promises."""
        return in_turn(self.masks)

    @property
    def reversible(self) -> bool:
        """Whether all of them are."""
        return bool(self.masks) and all(mask.reversible for mask in self.masks)

    @property
    def scope(self) -> Scope:
        """The record decides where it does for any of them."""
        return widest_scope(self.masks)

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that any of them reads."""
        return all_read(self.masks)

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domains that any of them works in beside the field's own."""
        return all_domains(self.masks)

    @property
    def capacity(self) -> int | None:
        """The fewest results that any of them chooses from; None where none says."""
        known = [capacity for mask in self.masks if (capacity := capacity_of(mask)) is not None]
        return min(known, default=None)

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say what the steps say."""
        return findings_in_turn(self.masks, field)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Let each mask plan what the one before it returns; what a later `truncate` cuts may be longer before."""
        check_parts(self.name, self.masks)
        if pa.types.is_nested(field.type):
            raise wrong_type(self.name, "single values", field, "name the fields inside it")
        cut = max((i for i, mask in enumerate(self.masks) if _bounds(mask, limits)), default=0)
        for number, mask in enumerate(self.masks):
            field = mask.plan(field, limits if number >= cut else Limits())
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return what the last mask made."""
        for number, mask in enumerate(self.masks):
            values = _on_present(mask.mask, values, ctx, f"{self.name}/{number}")
        return values

    def unmask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the originals, where every mask is reversible."""
        for number, mask in reversed(list(enumerate(self.masks))):
            unmask: _Work | None = getattr(mask, "unmask", None)
            if unmask is None:
                raise PlanError(f"chain: {mask.name} is not reversible", hint="nothing gives its originals back")
            values = _on_present(unmask, values, ctx, f"{self.name}/{number}")
        return values


def _bounds(mask: MaskParameter, limits: Limits) -> bool:
    """Say whether what a mask returns fits whatever comes to it."""
    most: int | None = getattr(mask, "longest_bytes", None)
    return most is not None and limits.max_bytes is not None and most <= limits.max_bytes


def _on_present(work: _Work, values: pa.Array, ctx: MaskContext, part: str) -> pa.Array:
    """Mask the values that are not null; a mask never sees a null."""
    if values.null_count == 0:
        return flat(work(values, PartContext(ctx, part, len(values))))
    valid = booleans(values.is_valid())
    kept = np.flatnonzero(valid)
    if len(kept) == 0:
        return values
    return scatter(flat(work(values.drop_null(), PartContext(ctx, part, len(values), kept))), valid)
