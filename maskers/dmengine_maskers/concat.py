"""Several masks side by side, their results joined to one text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, flat, is_text, plain_type
from dmengine.errors import PlanError
from dmengine.maskparameter import MaskParameter
from dmengine.spi import Finding, Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_type
from dmengine_maskers.parts import (
    PartContext,
    all_consistent,
    all_domains,
    all_findings,
    all_read,
    any_keyed,
    check_parts,
    longest,
    widest_scope,
)


@dataclass(frozen=True, slots=True)
class Concat:
    """Mask the value with each of `masks`, and join what they make with `glue` between.

    Each mask gets the original value. A part that comes out empty (null) is left out, with its glue.

    >>> from dmengine.testing.context import mask_values
    >>> from dmengine.maskers import FirstName, LastName
    >>> mask_values(Concat((FirstName(), LastName()), glue=" "), ["Ada Lovelace", None])
    ['Ross Cameron', None]
    """

    masks: tuple[MaskParameter, ...]
    glue: str = ""

    name: ClassVar[str] = "concat"
    reversible: ClassVar[bool] = False

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
        """Unknown: two different pairs of parts may join to one text."""
        return "lossy" if all(mask.uniqueness == "lossy" for mask in self.masks) else "unknown"

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

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say what the parts say, each of which sees the value as it was."""
        return all_findings(self.masks, field)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, parts that take no text, and a target narrower than all parts together."""
        check_parts(self.name, self.masks)
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use chain, or one mask")
        for mask in self.masks:
            made = mask.plan(field, Limits())
            if not (is_text(plain_type(made.type)) or _has_text_form(made.type)):
                raise PlanError(f"concat: {mask.name} returns {made.type}, which cannot be joined", hint="use others")
        if limits.max_bytes is not None:
            self._require_room(field, limits.max_bytes)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the joined texts."""
        joined = [
            _as_text(flat(mask.mask(values, PartContext(ctx, f"{self.name}/{number}", len(values)))), values.type)
            for number, mask in enumerate(self.masks)
        ]
        glue = pa.scalar(self.glue, values.type)
        return pc.binary_join_element_wise(*joined, glue, null_handling="skip").cast(values.type)

    def _require_room(self, field: pa.Field, room: int) -> None:
        glue = len(self.glue.encode()) * (len(self.masks) - 1)
        if glue + sum(longest(mask, field, room) for mask in self.masks) > room:
            hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {room}}}"
            raise PlanError(f"concat may need more than the {room} bytes that the target holds", hint=hint)


def _has_text_form(kind: pa.DataType) -> bool:
    is_a = pa.types
    return bool(is_a.is_integer(kind) or is_a.is_boolean(kind) or is_a.is_date(kind) or isinstance(kind, NumberType))


def _as_text(values: pa.Array, kind: pa.DataType) -> pa.Array:
    storage = values.storage if isinstance(values.type, NumberType) else values
    return storage.cast(kind)
