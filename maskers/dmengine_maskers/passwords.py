"""Replace passwords, keys and tokens with random ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa

from dmengine.arrow import is_text, text_from_matrix
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.keystream import sixteens
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

SHORTEST, LONGEST = 8, 256
CHARACTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
SIGNS: Final = "!#$%*+-=?@_"


@dataclass(frozen=True, slots=True)
class Password:
    """Replace every value with random characters, drawn by key and value; equal values get equal results.

    Give `prefix: "sk_test_"` and a `length` (without it) for API keys. `characters` are what is drawn from, ASCII
    only; by default letters and digits that are not easily mistaken, with `signs` also !#$%*+-=?@_. Passwords have no
    business in test data: `null` or `fixed` is better where nothing logs in.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Password(), ["hunter2", None])
    ['vXysL5AdVRyurmAu', None]
    >>> mask_values(Password(length=24, prefix="sk_test_"), ["sk_live_4eC39HqLyjWDarjtT1zdp7dc"])
    ['sk_test_CKFNVX3v2ZKtA2YGwHqdLPH2']
    """

    length: int = 16
    prefix: str = ""
    signs: bool = False
    characters: str | None = None

    name: ClassVar[str] = "password"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many results there are, as far as the 128 bits go that are drawn by."""
        return int(min(len(self._drawn()) ** self.length, 1 << 128))

    @property
    def longest_bytes(self) -> int:
        """The bytes that every result has."""
        return self.length + len(self.prefix.encode())

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, characters that are none, and a target too narrow."""
        if not SHORTEST <= self.length <= LONGEST:
            raise wrong_option(self.name, "length", f"be {SHORTEST} to {LONGEST}", "leave it out for 16")
        drawn = self._drawn()
        if len(set(drawn)) != len(drawn) or len(drawn) < 2 or not drawn.isascii() or not drawn.isprintable():
            raise wrong_option(self.name, "characters", "be two or more different ASCII characters", "leave them out")
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or hash")
        require_room(self.name, self.longest_bytes, limits, "give a smaller length")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return random texts."""
        bits = ctx.bits(values, self.name)
        rows, drawn = len(values), np.frombuffer(self._drawn().encode(), np.uint8)
        words = sixteens(ctx.key(f"{self.name}/stream", 32), bits, np.full(rows, self.length, np.int64))[:-1]
        index = words.astype(np.uint32) * np.uint32(len(drawn)) >> np.uint32(16)
        start = np.frombuffer(self.prefix.encode(), np.uint8)
        matrix = np.empty((rows, len(start) + self.length), np.uint8)
        matrix[:, : len(start)] = start
        matrix[:, len(start) :] = drawn.take(index.astype(np.int64)).reshape(rows, self.length)
        return text_from_matrix(matrix, values.type)

    def _drawn(self) -> str:
        if self.characters is not None:
            return self.characters
        return CHARACTERS + SIGNS if self.signs else CHARACTERS
