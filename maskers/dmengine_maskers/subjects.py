"""Whose values these are: keyed numbers of the field that names the subject of a record."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, flat, is_text
from dmengine.ff1 import FF1
from dmengine.paths import FieldPath
from dmengine.spi import MaskContext, Words

_INTEGER = r"^(0|[1-9][0-9]{0,17})$"


def subject_domain(name: str, field: str, group: str | None) -> str:
    """Name the domain of a subject: spellings of one field name are one subject.

    >>> subject_domain("persona", "orders.customer_ID", None), subject_domain("persona", "cust", "customer")
    ('persona:customerid', 'persona:customer')
    """
    if group:
        return f"{name}:{group}"
    return f"{name}:{FieldPath.parse(field).leaf.casefold().replace('_', '').replace('-', '')}"


def subjects(field: str, ctx: MaskContext) -> pa.Array:
    """Return the subject of each value; a record that has none is a mismatch, and gets that of an empty text."""
    found = flat(ctx.beside(field))
    missing = ~booleans(found.is_valid())
    if missing.any():
        ctx.mismatch(missing)
    return found


def bits_of(found: pa.Array, ctx: MaskContext, purpose: str) -> Words:
    """Return the keyed bits of each subject; zeros where there is none."""
    if not found.null_count:
        return ctx.bits(found, purpose)
    known = booleans(found.is_valid())
    bits = np.zeros((len(found), 2), np.uint64)
    bits[known] = ctx.bits(found.drop_null(), purpose)
    return bits


def permuted(found: pa.Array, ctx: MaskContext, purpose: str, size: int) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Permute integers within [0, size), and say which subjects are none of these."""
    numbers, outside = _integers(found)
    outside |= numbers >= np.uint64(size)
    numbers[outside] = 0
    return FF1(ctx.key(purpose, 32), 10).encrypt_integers(numbers, size), outside


def _integers(found: pa.Array) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Read integers, or texts and document numbers that are integers as one writes them."""
    kind = found.type
    if isinstance(kind, NumberType) or is_text(kind):
        texts = found.storage if isinstance(kind, NumberType) else found
        whole = pc.fill_null(pc.match_substring_regex(texts, _INTEGER), False)
        numbers = pc.if_else(whole, texts, pa.scalar("0", texts.type)).cast(pa.uint64())
        return numbers.to_numpy(zero_copy_only=False).copy(), ~booleans(whole)
    if not pa.types.is_integer(kind):
        return np.zeros(len(found), np.uint64), np.ones(len(found), np.bool_)
    outside = ~booleans(found.is_valid())
    values = pc.fill_null(found, 0).to_numpy(zero_copy_only=False)
    outside |= values < 0
    return np.where(outside, 0, values).astype(np.uint64), outside
