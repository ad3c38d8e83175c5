"""Copy another field of the same record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import NumberType, booleans, flat, is_text
from dmengine.canonical import can_be_keyed, canonical
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_option, wrong_type


@dataclass(frozen=True, slots=True)
class FromField:
    """Replace every value with the ORIGINAL value of another field of its record.

    It hides nothing of that field: put it into a `chain` before a mask where the field is not public. Values of
    another type are converted; one that cannot be is a mismatch. Where the other field is null the result is null,
    or a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(FromField("id"), ["Alice", "Bob"], beside={"id": [17, 18]})
    ['17', '18']
    """

    field: str
    on_null: Literal["null", "mismatch"] = "null"

    name: ClassVar[str] = "from_field"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = False
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "row"
    longest_bytes: ClassVar[None] = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The field that is copied."""
        return (self.field,)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse containers, and a column that cannot be null where nulls may come."""
        if not self.field:
            raise wrong_option(self.name, "field", "name a field", "such as field: id")
        if pa.types.is_nested(field.type) or not can_be_keyed(field.type):
            raise wrong_type(self.name, "single values", field, "name the fields inside it")
        if self.on_null == "null" and not field.nullable:
            raise wrong_option(
                self.name, "on_null", "be mismatch for a column that cannot be null", "and say what on_mismatch does"
            )
        if is_text(field.type) and limits.max_bytes is not None:
            hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
            raise wrong_option(self.name, "a copy", "go where any length fits", hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the other field's values."""
        copied, failed = converted(flat(ctx.beside(self.field)), values.type)
        if self.on_null == "mismatch":
            failed = failed | ~booleans(copied.is_valid())
        if failed.any():
            ctx.mismatch(failed)
        return copied


def converted(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return values as another type, exactly; and which of them cannot be.

    >>> converted(pa.array(["1", "x", None]), pa.int8())[1].tolist()
    [False, True, False]
    """
    failed = np.zeros(len(values), np.bool_)
    if values.type == kind:
        return values, failed
    if is_text(kind):
        return canonical(values).cast(kind), failed
    if isinstance(values.type, NumberType):
        values = values.storage
    if isinstance(kind, pa.BaseExtensionType):
        return pa.nulls(len(values), kind), booleans(values.is_valid())
    try:
        return values.cast(kind), failed
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    return _one_by_one(values, kind)


def _one_by_one(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Convert each distinct value by itself: the way for columns in which some do not convert."""
    encoded = values.dictionary_encode()
    single: list[pa.Array] = [pa.array([], kind)]
    wrong: list[bool] = []
    for place in range(len(encoded.dictionary)):
        try:
            single.append(encoded.dictionary.slice(place, 1).cast(kind))
            wrong.append(False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            single.append(pa.nulls(1, kind))
            wrong.append(True)
    indices = encoded.indices
    failed = np.zeros(len(values), np.bool_)
    valid = booleans(indices.is_valid())
    failed[valid] = np.array(wrong, np.bool_)[indices.drop_null().to_numpy()]
    return pa.concat_arrays(single).take(indices), failed
