"""Rules for what is inside of a document that is a value itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NUMBER, choose
from dmengine.errors import PlanError
from dmengine.inside import Inside
from dmengine.normalizing import normalize
from dmengine.spi import Limits, MaskContext, Masker
from dmengine_maskers.inner import mask_found
from dmengine_maskers.kinds import wrong_option
from dmengine_maskers.parts import check_parts

Flags = npt.NDArray[np.bool_]
Unlisted = Literal["mismatch", "keep", "redact", "drop"]


def check_rules(name: str, rules: Sequence[Inside], kinds: Sequence[pa.DataType]) -> None:
    """Refuse rules that say nothing or two things, and masks that take none of the kinds a document has.

    Raises:
        PlanError: the rules make no sense.
    """
    if not rules:
        raise wrong_option(name, "rules", "name at least one field", "such as {field: user.email, mask: email}")
    for rule in rules:
        if (rule.mask is None) == (rule.keep is None):
            raise wrong_option(name, "rules", "have a mask or a reason to keep each, not both", "use keep: why")
        if rule.mask is None:
            continue
        check_parts(name, (rule.mask,))
        if rule.mask.scope != "value":
            raise PlanError(f"{name}: masks must look at the value alone", hint="leave out by and consistent")
        if not any(taken(rule.mask, kind) for kind in kinds):
            raise PlanError(f"{name}: {rule.mask.name} takes nothing that a document holds", hint="use another mask")


def taken(mask: Masker, kind: pa.DataType) -> bool:
    """Say whether a mask takes values of a kind."""
    try:
        mask.plan(pa.field("value", kind), Limits())
    except PlanError:
        return False
    return True


def mask_inside(name: str, rule: Inside, values: pa.Array, ctx: MaskContext) -> tuple[pa.Array, Flags]:
    """Mask values (no nulls) found at a rule's field; say for which of them the whole document is a mismatch."""
    assert rule.mask is not None
    if not taken(rule.mask, values.type):
        masked, refused = values, np.ones(len(values), np.bool_)
    else:
        given = normalize(values, rule.normalize) if pa.types.is_string(values.type) else values
        masked, refused = mask_found(rule.mask, given, ctx, f"{name}/{rule.field}", rule.domain)
    if not refused.any():
        return masked, refused
    gone = pa.nulls(len(masked), masked.type)
    hidden = gone if refused.all() else choose(refused, gone, masked)
    return hidden, refused if rule.on_mismatch == "mismatch" else np.zeros(len(values), np.bool_)


def hidden(values: pa.Array) -> pa.Array:
    """Return values that say nothing, of the same kind."""
    if isinstance(values.type, type(NUMBER)):
        return pa.ExtensionArray.from_storage(NUMBER, pa.array(["0"] * len(values), pa.string()))
    if pa.types.is_boolean(values.type):
        return pa.array(np.zeros(len(values), np.bool_))
    if pa.types.is_string(values.type):
        return pc.if_else(pc.is_valid(values), "*", values)
    return pa.nulls(len(values), values.type)
