"""Replace telephone numbers with other numbers of the same country, area and form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, is_text, text_from_matrix
from dmengine.ff1 import FF1, digits_of
from dmengine.prf import below
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_option, wrong_type

FEWEST_CHANGED: Final = 6
MOST_CHANGED: Final = 10
LEAST_KEPT: Final = 2
_FORM: Final = r"^\+?[0-9 ().\-/]*[0-9]$"
_ASCII_ZERO: Final = np.uint8(ord("0"))
_DOCUMENT: Final = r"^[1-9][0-9]{0,17}$"

Digits = npt.NDArray[np.integer[Any]]


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
        spelling = digits_of("0123456789", values, skip_others=True)
        good = (spelling.lengths >= self.change + LEAST_KEPT) & booleans(pc.match_substring_regex(values, _FORM))
        if not good.all():
            ctx.mismatch(~good)
        cipher = FF1(ctx.key(self.name, 32), 10)
        masked = spelling.respell(lambda digits: self._permuted(cipher, digits, ctx), good)
        return pc.fill_null(masked, "") if masked.null_count else masked

    def _integers(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        texts = values.storage if isinstance(values.type, NumberType) else values.cast(pa.string())
        whole = booleans(pc.match_substring_regex(texts, _DOCUMENT))
        long = booleans(pc.greater_equal(pc.binary_length(texts), self.change + LEAST_KEPT))
        good = whole & long
        if not good.all():
            ctx.mismatch(~good)
        spelling = digits_of("0123456789", texts)
        cipher = FF1(ctx.key(self.name, 32), 10)
        masked = spelling.respell(lambda digits: self._permuted(cipher, digits, ctx), good)
        masked = pc.fill_null(masked, "0")
        if isinstance(values.type, NumberType):
            return pa.ExtensionArray.from_storage(values.type, masked.cast(pa.string()))
        return masked.cast(values.type)

    def _permuted(self, cipher: FF1, digits: Digits, ctx: MaskContext) -> Digits:
        """Permute the last digits twice, and shift them in between by a keyed number of the beginning."""
        kept, size = digits.shape[1] - self.change, 10**self.change
        start = text_from_matrix(np.ascontiguousarray(digits[:, :kept], np.uint8) + _ASCII_ZERO)
        shift = below(ctx.bits(start, f"{self.name}/start")[:, 0], size)
        number = np.zeros(len(digits), np.uint64)
        for place in range(kept, digits.shape[1]):
            number = number * np.uint64(10) + digits[:, place].astype(np.uint64)
        number = cipher.encrypt_integers(number, size)
        number = cipher.encrypt_integers((number + shift) % np.uint64(size), size)
        result = digits.copy()
        for place in range(digits.shape[1] - 1, kept - 1, -1):
            rest = number // np.uint64(10)
            result[:, place] = number - rest * np.uint64(10)
            number = rest
        return result
