"""Random letters in place of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_text, text_from_bytes, text_from_matrix
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.drawing import draw
from dmengine_maskers.keystream import sixteens
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.spans import BLOCK_ROWS

MOST_CHARACTERS: Final = 4_000
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_ALPHABETS: Final = {
    "lower": _LOWER,
    "upper": _LOWER.upper(),
    "letters": _LOWER.upper() + _LOWER,
    "alphanumeric": "0123456789" + _LOWER.upper() + _LOWER,
    "digits": "0123456789",
    "hex": "0123456789abcdef",
}


@dataclass(frozen=True, slots=True)
class RandomText:
    """Replace every value with random characters: `maximum` of them, or from `minimum` to `maximum` by chance.

    Equal values get equal texts; with `consistent=False` every record draws for itself. Nothing of the value shows,
    not even its length.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(RandomText(8), ["Alice", "Bob", "Alice", None])
    ['gvhurdzj', 'phkwbwtz', 'gvhurdzj', None]
    >>> mask_values(RandomText(6, minimum=2, alphabet="digits"), ["Alice", "Bob"])
    ['282', '6248']
    """

    maximum: int
    minimum: int | None = None
    alphabet: Literal["lower", "upper", "letters", "alphanumeric", "digits", "hex"] = "lower"
    consistent: bool = True

    name: ClassVar[str] = "random_text"
    reversible: ClassVar[bool] = False

    @property
    def uniqueness(self) -> Uniqueness:
        """Different values almost surely stay different where the texts are long enough."""
        size = len(_ALPHABETS.get(self.alphabet, ""))
        return "unknown" if size ** (self.minimum or self.maximum) >= 1 << 64 else "lossy"

    @property
    def scope(self) -> Scope:
        """The record decides where equal values need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest text."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use number or random_date")
        if self.alphabet not in _ALPHABETS:
            raise wrong_option(self.name, "alphabet", f"be one of {', '.join(_ALPHABETS)}", "or use format_string")
        if not 1 <= self._least() <= self.maximum <= MOST_CHARACTERS:
            wanted = f"be 1 to {MOST_CHARACTERS}, minimum first"
            raise wrong_option(self.name, "minimum and maximum", wanted, "such as maximum=12")
        require_room(self.name, self.maximum, limits, "give a smaller maximum")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return random texts."""
        bits = draw(self, values, ctx)
        key = ctx.key(f"{self.name}/characters", 32)
        lengths = self._least() + below(bits[:, 0], self.maximum - self._least() + 1).astype(np.int64)
        rows = max(1, BLOCK_ROWS * 16 // self.maximum)
        blocks = [pa.array([], values.type)]
        for start in range(0, len(values), rows):
            part = slice(start, start + rows)
            blocks.append(_letters(sixteens(key, bits[part], lengths[part]), lengths[part], self.alphabet, values.type))
        return pa.concat_arrays(blocks)

    def _least(self) -> int:
        return self.maximum if self.minimum is None else self.minimum


def _letters(
    random: npt.NDArray[np.uint16], lengths: npt.NDArray[np.int64], alphabet: str, kind: pa.DataType
) -> pa.Array:
    letters = np.frombuffer(_ALPHABETS[alphabet].encode(), np.uint8)
    content = letters.take((random[:-1].astype(np.uint32) * np.uint32(len(letters))) >> np.uint32(16))
    if len(lengths) and (lengths == lengths[0]).all():
        return text_from_matrix(content.reshape(len(lengths), -1), kind)
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return text_from_bytes(content, ends, kind)
