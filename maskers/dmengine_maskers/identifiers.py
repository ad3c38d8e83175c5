"""What all masks of identifiers share: plan, and mask by the forms of a scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dmengine.arrow import NumberType, is_text
from dmengine.spi import MaskContext, Positions
from dmengine_maskers.forms import Form
from dmengine_maskers.kinds import wrong_type
from dmengine_maskers.symbols import Codes, Flags, most_of, read_symbols

BATCH_ROWS: Final = 65_536
"""Rows that are worked on together: enough for several forms to share them, and few enough for the cache."""

Change = Callable[[Form, Codes], Codes]
Choice = Callable[[Form, Codes], Flags]


@dataclass(frozen=True, slots=True)
class Scheme:
    """The forms that identifiers of one kind have.

    Attributes:
        lengths: How many symbols there may be. Where one number says it, integers have leading zeros up to it.
        forms: Splits values of one length among forms that may fit them; a value goes to the first that does.
        integers: Whether integers are taken for such identifiers.
    """

    lengths: tuple[int, ...]
    forms: Callable[[Codes], Iterable[tuple[Positions | None, tuple[Form, ...]]]]
    integers: bool = True


def scheme(*forms: Form, integers: bool = True) -> Scheme:
    """Make a scheme of a few forms, told apart by length and by what fits.

    >>> from dmengine_maskers.forms import form
    >>> scheme(form("99"), form("999")).lengths
    (2, 3)
    """
    lengths = tuple(sorted({len(form.alphabets) for form in forms}))
    by_length = {length: tuple(form for form in forms if len(form.alphabets) == length) for length in lengths}
    return Scheme(lengths, lambda codes: [(None, by_length.get(len(codes), ()))], integers)


def require_identifier(mask: str, scheme: Scheme, field: pa.Field) -> None:
    """Refuse a column that cannot hold such identifiers.

    Raises:
        PlanError: the type does not suit.
    """
    kind = field.type
    if is_text(kind):
        return
    if not scheme.integers or not (pa.types.is_integer(kind) or isinstance(kind, NumberType)):
        takes = "text and integers" if scheme.integers else "text"
        raise wrong_type(mask, takes, field, "use fpe for other identifiers, or redact")
    if most_of(kind) < 10 ** scheme.lengths[0] - 1:
        raise wrong_type(mask, f"integers of {scheme.lengths[0]} digits", field, "use a wider type, or redact")


def mask_identifiers(values: pa.Array, scheme: Scheme, ctx: MaskContext, key: bytes) -> pa.Array:
    """Permute every valid identifier within its form; report all other values."""
    return rewritten(values, scheme, ctx, Form.fits, lambda form, codes: form.permuted(codes, key))


def rewritten(values: pa.Array, scheme: Scheme, ctx: MaskContext, takes: Choice, change: Change) -> pa.Array:
    """Change the values that a form takes; report all others."""
    done = [
        _block(values.slice(start, BATCH_ROWS), scheme, takes, change)
        for start in range(0, max(len(values), 1), BATCH_ROWS)
    ]
    refused = np.concatenate([refused for _, refused in done])
    if refused.any():
        ctx.mismatch(refused)
    results = [result for result, _ in done]
    if isinstance(values.type, NumberType):
        storage = pa.concat_arrays([result.storage for result in results])
        return pa.ExtensionArray.from_storage(values.type, storage)
    return results[0] if len(results) == 1 else pa.concat_arrays(results)


def _block(values: pa.Array, scheme: Scheme, takes: Choice, change: Change) -> tuple[pa.Array, Flags]:
    symbols = read_symbols(values, scheme.lengths)
    taken = np.zeros(len(values), np.bool_)
    for rows, codes in symbols.groups():
        small = None if symbols.lower is None else symbols.lower[slice(None) if rows is None else rows]
        changed, fit = _changed(codes, small, scheme, takes, change)
        symbols.put(rows, changed)
        taken[slice(None) if rows is None else rows] = fit
    refused = ~taken | symbols.refused
    return symbols.array(refused), refused


def _changed(codes: Codes, small: Flags | None, scheme: Scheme, takes: Choice, change: Change) -> tuple[Codes, Flags]:
    """Change the values of one length, and say which of them a form took."""
    result, taken = codes, np.zeros(codes.shape[1], np.bool_)
    for rows, forms in scheme.forms(codes):
        left, given = rows, codes if rows is None else codes.take(rows, axis=1)
        for form in forms:
            fit = takes(form, given)
            if small is not None and not form.has_letter:  # its letter may go, and with it the case
                fit &= ~(small if left is None else small[left])
            if not fit.any():
                continue
            if fit.all():
                result, taken = _put(result, taken, left, change(form, given), codes)
                break
            left = np.arange(codes.shape[1]) if left is None else left
            result, taken = _put(result, taken, left[fit], change(form, given.compress(fit, axis=1)), codes)
            left, given = left[~fit], given.compress(~fit, axis=1)
    return result, taken


def _put(result: Codes, taken: Flags, rows: Positions | None, changed: Codes, given: Codes) -> tuple[Codes, Flags]:
    """Put the changed values of some rows, or of all of them, into the result, which is not to be the given codes."""
    if rows is None:
        return changed, np.ones_like(taken)
    result = result.copy() if result is given else result
    for row, column in zip(result, changed, strict=True):
        row[rows] = column
    taken[rows] = True
    return result, taken
