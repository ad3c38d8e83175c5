"""Compose a text from the fields of a record."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import flat, is_text
from dmengine.canonical import canonical
from dmengine.errors import PlanError
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_option, wrong_type

_FORMS: Final = ("", "lower", "upper", "initial")


@dataclass(frozen=True, slots=True)
class Template:
    """Replace every value with a text in which `{field}` stands for the ORIGINAL value of a field of the record.

    `{}` is the value itself; `{field:lower}`, `{field:upper}` and `{field:initial}` (its first character) change it;
    `{{` and `}}` are braces. A null is an empty text. It hides nothing of the fields that it names: give it public
    ones, or follow it with a mask in a `chain`.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Template("{country:upper}-{plan:initial}"), ["x", None], beside={"country": ["de"] * 2,
    ...     "plan": ["gold", "basic"]})
    ['DE-g', None]
    """

    template: str

    name: ClassVar[str] = "template"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = False
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "row"
    longest_bytes: ClassVar[None] = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it names."""
        return tuple(dict.fromkeys(name for _, name, _ in _parts(self.template) or () if name))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a template that cannot be read."""
        parts = _parts(self.template)
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use from_field")
        if not parts or any(form not in _FORMS for _, _, form in parts):
            hint = f"such as {{field}} or {{field:lower}}; known are {', '.join(_FORMS[1:])}; braces are {{{{ and }}}}"
            raise wrong_option(self.name, "template", "name fields in braces", hint)
        if limits.max_bytes is not None:
            hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
            raise PlanError(f"template may need more than the {limits.max_bytes} bytes of the target", hint=hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return composed texts."""
        kind = values.type
        pieces: list[pa.Array | pa.Scalar] = []
        for literal, name, form in _parts(self.template) or ():
            if literal:
                pieces.append(pa.scalar(literal, kind))
            if name is not None:
                given = flat(ctx.beside(name)) if name else values
                pieces.append(_formed(canonical(given).cast(kind), form))
        empty = pa.scalar("", kind)
        whole = pa.repeat(empty, len(values))  # so that a template of nothing but text is as long as the column
        return pc.binary_join_element_wise(whole, *pieces, empty, null_handling="replace", null_replacement="")


def _formed(texts: pa.Array, form: str) -> pa.Array:
    if form == "initial":
        return pc.utf8_slice_codeunits(texts, 0, 1)
    return pc.utf8_lower(texts) if form == "lower" else pc.utf8_upper(texts) if form == "upper" else texts


@lru_cache(maxsize=64)
def _parts(template: str) -> tuple[tuple[str, str | None, str], ...] | None:
    """Return (text, field or None, form) of each part; None where it cannot be read."""
    try:
        return tuple((text, name, form or "") for text, name, form, _ in string.Formatter().parse(template))
    except ValueError:
        return None
