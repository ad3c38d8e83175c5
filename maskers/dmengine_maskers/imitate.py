"""Replace letters with letters and digits with digits, in any script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_text, text_from_bytes
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers import characters
from dmengine_maskers.drawing import draw
from dmengine_maskers.keystream import sixteens
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.spans import BLOCK_ROWS, spans

_ASCII: Final = 128
_WIDE: Final = np.uint64(16)


@dataclass(frozen=True, slots=True)
class Imitate:
    """Replace each letter and digit with another of its kind: same script, same case, same bytes in UTF-8.

    Punctuation, spaces and combining accents stay. `uppercase`, `lowercase` and `digits` say what is replaced;
    letters without case always are. With `force_change` no character stays what it is, else each does by chance.
    A code point that Unicode 14 does not assign is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Imitate(), ["Alice 42", "Łódź, Жук", "山田", None])
    ['Qsxro 09', 'Ĭÿgı, Йбъ', '嗅鴧', None]
    >>> mask_values(Imitate(digits=False, force_change=True), ["AB-12"])
    ['QF-12']
    """

    force_change: bool = False
    uppercase: bool = True
    lowercase: bool = True
    digits: bool = True
    consistent: bool = True

    name: ClassVar[str] = "imitate"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal values need not be equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text; the masked text has as many bytes as the original."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use fpe for identifiers, or number for quantities")
        if not (self.uppercase or self.lowercase or self.digits):
            raise wrong_option(self.name, "uppercase, lowercase and digits", "not all be false", "leave one out")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return texts of the same form."""
        bits = draw(self, values, ctx)
        key = ctx.key(f"{self.name}/characters", 32)
        blocks = [pa.array([], values.type)]
        unknown = np.zeros(len(values), np.bool_)
        for start in range(0, len(values), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            masked, odd = self._block(values.slice(start, BLOCK_ROWS), bits[part], key)
            blocks.append(masked)
            if odd is not None:
                unknown[part] = odd
        if unknown.any():
            ctx.mismatch(unknown)
        return pa.concat_arrays(blocks)

    def _block(self, values: pa.Array, bits: Words, key: bytes) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
        content, ends = spans(values)
        random = sixteens(key, bits, np.diff(ends))
        if len(content) == 0 or int(content.max()) < _ASCII:
            masked = self._ascii(content, random[:-1])
            return text_from_bytes(masked, ends, values.type), None
        masked, odd = self._unicode(content, random)
        before = np.zeros(len(content) + 1, np.int64)
        np.cumsum(odd, out=before[1:])
        return text_from_bytes(masked, ends, values.type), np.diff(before[ends]) > 0

    def _ascii(self, content: npt.NDArray[np.uint8], random: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """Replace bytes: each class of ASCII is a run of bytes."""
        base, size = _ascii_tables(self.uppercase, self.lowercase, self.digits)
        span = size.take(content)
        if not self.force_change:
            drawn = (random.astype(np.uint32) * span) >> np.uint32(16)
            masked: npt.NDArray[np.uint8] = base.take(content) + drawn.astype(np.uint8)
            return masked
        drawn = (random.astype(np.uint32) * np.maximum(span - 1, 1)) >> np.uint32(16)
        first = base.take(content)
        drawn += (span > 1) + (content - first)
        shifted: npt.NDArray[np.uint8] = first + np.where(drawn >= span, drawn - span, drawn).astype(np.uint8)
        return shifted

    def _unicode(
        self, content: npt.NDArray[np.uint8], random: npt.NDArray[np.uint16]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Replace code points, and mark the first byte of those that nobody knows."""
        table = characters.load()
        at = np.flatnonzero((content & 0xC0) != 0x80)
        points = np.frombuffer(content.tobytes().decode().encode("utf-32-le"), np.uint32)
        classes = table.of.take(points)
        odd = np.zeros(len(content), np.bool_)
        odd[at] = classes == characters.UNKNOWN
        replaced = np.flatnonzero(self._replaced().take(classes))
        points, classes, at = points.copy(), classes[replaced], at[replaced]
        sizes, starts = table.sizes.take(classes).astype(np.uint64), table.starts.take(classes)
        high, low = random.take(at).astype(np.uint64), random.take(at + 1).astype(np.uint64)
        single = points[replaced] < _ASCII  # one byte has 16 random bits of its own, several bytes have more
        drawn = np.where(single, high << _WIDE, high << _WIDE | low)
        if self.force_change:
            rank = _ranks().take(points[replaced]).astype(np.uint64)
            drawn = rank + 1 + ((drawn * (sizes - 1)) >> np.uint64(32))
            drawn = np.where(drawn >= sizes, drawn - sizes, drawn)
        else:
            drawn = (drawn * sizes) >> np.uint64(32)
        points[replaced] = table.members.take(starts + drawn.astype(np.uint32))
        masked = points.tobytes().decode("utf-32-le").encode()
        return np.frombuffer(masked, np.uint8), odd

    def _replaced(self) -> npt.NDArray[np.bool_]:
        return _replaced(self.uppercase, self.lowercase, self.digits)


@lru_cache(maxsize=8)
def _replaced(uppercase: bool, lowercase: bool, digits: bool) -> npt.NDArray[np.bool_]:
    """Say of each class whether its characters are replaced."""
    kept = {*(() if uppercase else ("Lu", "Lt")), *(() if lowercase else ("Ll",)), *(() if digits else ("Nd",))}
    return np.array([bool(kind) and kind not in kept for kind in characters.load().kinds], np.bool_)


@lru_cache(maxsize=8)
def _ascii_tables(uppercase: bool, lowercase: bool, digits: bool) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Return the first byte of each byte's class, and the size of the class; a byte that stays is alone in it."""
    base, size = np.arange(256, dtype=np.uint8), np.ones(256, np.uint32)
    for chosen, first, count in ((uppercase, "A", 26), (lowercase, "a", 26), (digits, "0", 10)):
        if chosen:
            base[ord(first) : ord(first) + count] = ord(first)
            size[ord(first) : ord(first) + count] = count
    return base, size


@lru_cache(maxsize=1)
def _ranks() -> npt.NDArray[np.uint16]:
    """Return the place of each code point within its class."""
    table = characters.load()
    ranks = np.zeros(characters.CODE_POINTS, np.uint16)
    place = np.arange(len(table.members), dtype=np.uint32) - np.repeat(table.starts, table.sizes)
    ranks[table.members] = place
    return ranks
