"""Hide the characters of a text, all but its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_text, text_from_bytes
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.spans import in_blocks, spans

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CharacterMask:
    """Replace each character with `masking_char`, but for the ends and the characters to ignore.

    A value with no more characters than the ends take is hidden whole. Ignored characters stay where they are and
    do not count. Characters are Unicode code points.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(CharacterMask(keep_first=2), ["Alice", "Bo", "Zoë", None])
    ['Al***', '**', 'Zo*', None]
    >>> mask_values(CharacterMask(keep_last=4, chars_to_ignore="- "), ["4111-1111-1111-1234"])
    ['****-****-****-1234']
    """

    masking_char: str = "*"
    keep_first: int = 0
    keep_last: int = 0
    chars_to_ignore: str = ""

    name: ClassVar[str] = "character_mask"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text; the masked text never has more bytes than the original."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        if len(self.masking_char) != 1 or not " " <= self.masking_char <= "~":
            raise wrong_option(self.name, "masking_char", "be one printable ASCII character", 'use "*", "X" or "#"')
        if self.keep_first < 0 or self.keep_last < 0:
            raise wrong_option(self.name, "keep_first and keep_last", "not be negative", "use 0 to keep nothing")
        if not self.chars_to_ignore.isascii():
            raise wrong_option(self.name, "chars_to_ignore", "be ASCII characters", "leave the others out")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return texts of as many characters."""
        return in_blocks(self._block, values)

    def _block(self, values: pa.Array) -> pa.Array:
        content, ends = spans(values)
        begins = (content & 0xC0) != 0x80  # the first byte of each character in UTF-8
        hidden = self._hidden(content, begins, ends)
        masked = np.where(hidden, np.uint8(ord(self.masking_char)), content)
        if not begins.all():
            hidden_characters = hidden[begins]
            stays = begins | ~hidden_characters[np.cumsum(begins) - 1]
            masked, ends = masked[stays], _before(stays)[ends]
        return text_from_bytes(masked, ends, values.type)

    def _hidden(self, content: npt.NDArray[np.uint8], begins: Flags, ends: npt.NDArray[np.int64]) -> Flags:
        """Mark the first byte of each character to hide."""
        hidden = begins
        if self.chars_to_ignore:
            ignored = np.zeros(256, np.bool_)
            ignored[list(self.chars_to_ignore.encode())] = True
            hidden = begins & ~ignored.take(content)
        if self.keep_first == self.keep_last == 0:
            return hidden
        before = _before(hidden)
        starts, lengths = before[ends[:-1]], np.diff(ends)
        count = before[ends[1:]] - starts
        long = count > self.keep_first + self.keep_last
        low = np.where(long, starts + self.keep_first, 0)
        high = np.where(long, starts + count - self.keep_last, np.iinfo(np.int64).max)
        place = before[:-1]
        return hidden & (place >= np.repeat(low, lengths)) & (place < np.repeat(high, lengths))


def _before(flags: Flags) -> npt.NDArray[Any]:
    """Count the flags before each place, and in all."""
    counts = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=counts[1:])
    return counts
