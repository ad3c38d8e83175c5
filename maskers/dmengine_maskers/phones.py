"""Replace telephone numbers with other numbers of the same country, area and form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import (
    NumberType,
    booleans,
    is_text,
    positions,
    repeats,
    scatter,
    text_from_bytes,
    text_from_matrix,
)
from dmengine.ff1 import FF1, digits_of
from dmengine.ff1.numerals import numbers_of, write_digits
from dmengine.prf import below
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.digit_shapes import shapes_of
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.spans import spans

FEWEST_CHANGED: Final = 6
MOST_CHANGED: Final = 10
LEAST_KEPT: Final = 2
_FORM: Final = r"^\+?[0-9 ().\-/]*[0-9]$"
_ASCII_ZERO: Final = np.uint8(ord("0"))
_DOCUMENT: Final = r"^[1-9][0-9]{0,17}$"

_DIGITS: Final = "0123456789"
_DIGITS_OF_A_WORD: Final = 19

Digits = npt.NDArray[np.integer[Any]]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Phone:
    """Replace the last `change` digits of every telephone number; country code, area and signs stay.

    The digits are permuted by key, differently for each beginning, so different numbers stay different, and the same
    digits get the same mask however they are written: `+1 (212) 555-0123` and `12125550123`. What has fewer than two
    digits more than `change`, or letters, or an extension, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Phone(), ["+49 30 901820", "(212) 555-0123", None])
    ['+49 30 058007', '(212) 537-7935', None]
    """

    change: int = FEWEST_CHANGED

    name: ClassVar[str] = "phone"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    longest_bytes: ClassVar[None] = None

    @property
    def capacity(self) -> int:
        """How many numbers share a beginning."""
        return int(10**self.change)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor integer."""
        if not FEWEST_CHANGED <= self.change <= MOST_CHANGED:
            raise wrong_option(self.name, "change", f"be {FEWEST_CHANGED} to {MOST_CHANGED}", "leave it out for 6")
        wide = isinstance(field.type, NumberType) or (pa.types.is_integer(field.type) and field.type.bit_width == 64)
        if not is_text(field.type) and not wide:
            raise wrong_type(self.name, "text and integers of 64 bits", field, "use fpe")
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say what stays as it was."""
        yield Finding("info", f"phone keeps all but the last {self.change} digits, and so the country and the area")

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return telephone numbers."""
        if not is_text(values.type):
            return self._integers(values, ctx)
        good = _phone_like(values)
        if good.all():
            masked, changed = self._changed(values, ctx)
        else:
            some, fit = self._changed(values.filter(pa.array(good)), ctx)
            masked, changed = scatter(some, good), good.copy()
            changed[good] = fit
        if not changed.all():
            ctx.mismatch(~changed)
            masked = pc.if_else(pa.array(changed), masked, pa.scalar("", values.type))
        return masked

    def _changed(self, values: pa.Array, ctx: MaskContext) -> tuple[pa.Array, Flags]:
        """Change the digits of texts with nothing but digits and signs, and say which have enough."""
        content, ends = spans(values)
        cipher = FF1(ctx.key(self.name, 32), 10)
        shapes = shapes_of(content, ends)
        if shapes is None:
            spelling = digits_of(_DIGITS, values, skip_others=True)
            enough = np.asarray(spelling.lengths >= self.change + LEAST_KEPT)
            return spelling.respell(lambda digits: self._permuted(cipher, digits, ctx), enough), enough
        out = np.frombuffer(pa.allocate_buffer(content.size), np.uint8)
        out[:] = content
        enough = np.zeros(len(values), np.bool_)
        for shape in shapes:
            count = len(shape.places)
            if count >= self.change + LEAST_KEPT:
                changed = self._permuted(cipher, shape.digits(0, count), ctx)
                shape.put(changed[:, count - self.change :], count - self.change, out, ends)
                enough[slice(None) if shape.rows is None else shape.rows] = True
        return text_from_bytes(out, ends, values.type), enough

    def _integers(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        texts = values.storage if isinstance(values.type, NumberType) else values.cast(pa.string())
        whole = booleans(pc.match_substring_regex(texts, _DOCUMENT))
        long = booleans(pc.greater_equal(pc.binary_length(texts), self.change + LEAST_KEPT))
        good = whole & long
        if not good.all():
            ctx.mismatch(~good)
        spelling = digits_of(_DIGITS, texts)
        cipher = FF1(ctx.key(self.name, 32), 10)
        masked = spelling.respell(lambda digits: self._permuted(cipher, digits, ctx), good)
        masked = pc.fill_null(masked, "0")
        if isinstance(values.type, NumberType):
            return pa.ExtensionArray.from_storage(values.type, masked.cast(pa.string()))
        return masked.cast(values.type)

    def _permuted(self, cipher: FF1, digits: Digits, ctx: MaskContext) -> Bytes:
        """Permute the last digits twice, and shift them in between by a keyed number of the beginning."""
        kept, size = digits.shape[1] - self.change, 10**self.change
        number = numbers_of(np.ascontiguousarray(digits[:, kept:], np.uint8), 10)
        number = cipher.encrypt_integers(number, size)
        number += self._shifts(np.ascontiguousarray(digits[:, :kept], np.uint8), ctx)
        number = cipher.encrypt_integers(np.minimum(number, number - np.uint64(size)), size)
        result: Bytes = digits.astype(np.uint8)
        write_digits(number, 10, result[:, kept:])
        return result

    def _shifts(self, starts: Bytes, ctx: MaskContext) -> Words:
        """Return the keyed number of each beginning; of one that many share, only once."""
        codes = None
        if starts.shape[1] <= _DIGITS_OF_A_WORD:
            numbers = pa.array(numbers_of(starts, 10))
            codes = positions(numbers.dictionary_encode().indices) if repeats(numbers) else None
        if codes is not None:
            rows = np.empty(int(codes.max()) + 1, np.int64)
            rows[codes] = np.arange(len(codes))  # any row of a beginning stands for it
            starts = starts[rows]
        bits = ctx.bits(text_from_matrix(starts + _ASCII_ZERO), f"{self.name}/start")[:, 0]
        shifts = below(bits, 10**self.change)
        return shifts if codes is None else shifts.take(codes)


def _phone_like(values: pa.Array) -> Flags:
    """Say which texts are digits and signs of telephone numbers."""
    content, ends = spans(values)
    plus = content == ord("+")
    known = (content - np.uint8(ord("("))) <= ord("9") - ord("(")
    known &= (content != ord("*")) & (content != ord(","))
    known |= content == ord(" ")
    if len(values) and known.all() and (np.diff(ends) > 0).all():
        digit_last = (content[ends[1:] - 1] - _ASCII_ZERO < 10).all()
        if digit_last and np.count_nonzero(plus) == np.count_nonzero(plus[ends[:-1]]):
            return np.ones(len(values), np.bool_)
    return booleans(pc.match_substring_regex(values, _FORM))
