"""Truncate payment card numbers as PCI DSS allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_text, text_from_bytes
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.cards import LONGEST, SHORTEST
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.spans import BLOCK_ROWS, spans
from dmengine_maskers.symbols import SEPARATORS

# PCI SSC FAQ 1091: of 16 digits and more the first 8 and any other 4 may be kept, of fewer the first 6 and 4 others
_LONG: Final = 16
_SHORT_PREFIX: Final = 6

_ALLOWED: Final = np.zeros(256, np.bool_)
_ALLOWED[list(f"0123456789{SEPARATORS}".encode())] = True


@dataclass(frozen=True, slots=True)
class PanTruncate:
    """Keep at most the first 8 and the last 4 digits of a card number, and cross the others out.

    Of a number with fewer than 16 digits at most the first 6 stay, whatever `keep_first` says: PCI DSS 3.5.1 and its
    FAQ 1091 allow no more. Separators stay. A value that does not have 12 to 19 digits is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(PanTruncate(), ["4111 1111 1111 1234", "378282246310005", None])
    ['4111 11** **** 1234', '378282*****0005', None]
    >>> mask_values(PanTruncate(keep_first=8), ["4111111111111234", "378282246310005"])
    ['41111111****1234', '378282*****0005']
    """

    keep_first: int = 6
    keep_last: int = 4
    masking_char: str = "*"

    name: ClassVar[str] = "pan_truncate"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and more digits than PCI DSS lets be kept."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use credit_card, which gives numbers, or redact")
        if not 0 <= self.keep_first <= 8:
            raise wrong_option(self.name, "keep_first", "be 0 to 8", "PCI DSS allows no more")
        if not 0 <= self.keep_last <= 4:
            raise wrong_option(self.name, "keep_last", "be 0 to 4", "PCI DSS allows no more")
        if len(self.masking_char) != 1 or not " " <= self.masking_char <= "~" or self.masking_char.isdigit():
            raise wrong_option(self.name, "masking_char", "be one printable ASCII sign, no digit", 'use "*" or "X"')
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say how many real digits stay."""
        kept = self.keep_first + self.keep_last
        if kept:
            hint = "never store it beside a hash or a token of the same number (PCI DSS 3.5.1)"
            yield Finding("warning", f"pan_truncate keeps up to {kept} real digits", hint=hint)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return truncated numbers, as long as they were."""
        done = [self._block(values.slice(start, BLOCK_ROWS)) for start in range(0, max(len(values), 1), BLOCK_ROWS)]
        refused = np.concatenate([refused for _, refused in done])
        if refused.any():
            ctx.mismatch(refused)
        return pa.concat_arrays([result for result, _ in done])

    def _block(self, values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        content, ends = spans(values)
        digit = (content >= ord("0")) & (content <= ord("9"))
        before = _before(digit)
        counts, sizes = np.diff(before[ends]), np.diff(ends)
        refused = (counts < SHORTEST) | (counts > LONGEST)
        strange = ~_ALLOWED.take(content)
        if strange.any():
            refused |= np.diff(_before(strange)[ends]) > 0
        kept = np.where(counts < _LONG, min(self.keep_first, _SHORT_PREFIX), self.keep_first)
        kept[refused] = 0
        first = before[ends[:-1]]
        low = np.repeat(first + kept, sizes)
        high = np.repeat(first + counts - np.where(refused, 0, self.keep_last), sizes)
        hidden = digit & (before[:-1] >= low) & (before[:-1] < high)
        hidden |= np.repeat(refused, sizes)
        return text_from_bytes(np.where(hidden, np.uint8(ord(self.masking_char)), content), ends, values.type), refused


def _before(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Count the flags before each place, and in all."""
    counts = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=counts[1:])
    return counts
