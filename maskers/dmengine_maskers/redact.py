"""Hide values whole, so that not even their length shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, ClassVar

import pyarrow as pa

from dmengine.arrow import NumberType, is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_type
from dmengine_maskers.repeating import repeat

_DAY = date(1900, 1, 1)
_MOMENT = datetime(1900, 1, 1)  # the zone comes from the column


@dataclass(frozen=True, slots=True)
class Redact:
    """Replace every value with one fixed sign of its type.

    Texts become `text`, numbers 0, truth values false, dates 1900-01-01, times midnight, and binaries empty (or
    zero bytes, where their size is fixed). The default text fits any column; a longer one may be refused.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Redact(), ["Alice", "", None])
    ['*', '*', None]
    >>> mask_values(Redact(text="[hidden]"), ["Alice", "Bo"])
    ['[hidden]', '[hidden]']
    >>> mask_values(Redact(), [1815, -3])
    [0, 0]
    """

    text: str = "*"

    name: ClassVar[str] = "redact"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse containers, and a text that the target cannot hold."""
        if is_text(field.type):
            require_room(self.name, len(self.text.encode()), limits, 'give a shorter text, such as text="*"')
        elif _sign(field.type, self.text) is None and not pa.types.is_null(field.type):
            raise wrong_type(self.name, "single values", field, "name the fields inside it, or drop it")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the sign, once a value."""
        return repeat(_sign(values.type, self.text), len(values), values.type)


def _sign(kind: pa.DataType, text: str) -> Any:
    """Return what stands for a value of a type; None for a type that holds other fields."""
    is_a = pa.types
    if is_text(kind):
        return text
    if isinstance(kind, NumberType):
        return "0"
    if isinstance(kind, pa.UuidType):
        return bytes(16)
    if is_a.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    for belongs, sign in _SIGNS:
        if belongs(kind):
            return sign
    return None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


_SIGNS = (
    (pa.types.is_boolean, False),
    (pa.types.is_integer, 0),
    (pa.types.is_floating, 0.0),
    (pa.types.is_decimal, 0),
    (pa.types.is_date, _DAY),
    (pa.types.is_timestamp, _MOMENT),
    (pa.types.is_time, time(0)),
    (pa.types.is_duration, 0),
    (_is_binary, b""),
)
