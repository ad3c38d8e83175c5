"""Replace values with tokens that the key turns back."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_number, is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.siv import TAG, Siv
from dmengine_maskers.spans import BLOCK_ROWS, cut, in_blocks, spans

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

_BASE32: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)  # RFC 4648, section 6, in small letters
_PAIRS: Final = np.stack([np.repeat(_BASE32, 32), np.tile(_BASE32, 32)], axis=1).reshape(-1).view(np.uint16)
_GROUPS: Final = {"base64url": (3, 4), "base32": (5, 8)}
_VALID: Final = {"base64url": "^[A-Za-z0-9_-]*$", "base32": "^[a-z2-7]*$"}
_STRANGE: Final = 255


def _values_of_base32() -> Bytes:
    table = np.full(256, _STRANGE, np.uint8)
    table[_BASE32] = np.arange(32)
    return table


_FROM_BASE32: Final = _values_of_base32()


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Encrypt every value to a token (AES-SIV, RFC 5297): equal values get equal tokens, and the key turns them back.

    Text becomes `prefix` and the token in `base64url` or in `base32` (small letters, for stores that ignore case), both
    without padding. Binary becomes the token's bytes, without prefix. A token has 16 bytes more than its value.

    `longest` is the most bytes that a value has, for targets with a limit; a longer one is a mismatch.

    >>> from dmengine.testing.context import mask_values, unmask_values
    >>> tokens = mask_values(Tokenize(prefix="tok_"), ["Alice", None])
    >>> tokens
    ['tok_UTM1g3yXZHRyfvtY21rHr538qBJD', None]
    >>> unmask_values(Tokenize(prefix="tok_"), tokens)
    ['Alice', None]
    """

    encoding: Literal["base64url", "base32"] = "base64url"
    prefix: str = ""
    longest: int | None = None

    name: ClassVar[str] = "tokenize"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = True
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor binary of any length, and a target narrower than the tokens."""
        kind = field.type
        if self.longest is not None and self.longest < 1:
            raise wrong_option(self.name, "longest", "be 1 or more", "give the bytes of the longest value")
        if is_number(kind):
            raise wrong_type(self.name, "text and binary", field, "use fpe, which keeps integers")
        if is_text(kind):
            hint = "give longest, the bytes of the longest value, or use fpe, which keeps the length"
            if limits.max_bytes is not None and self.longest is None:
                raise wrong_option(self.name, "longest", f"be given for a target of {limits.max_bytes} bytes", hint)
            require_room(self.name, self._room(), limits, "widen the column, or use fpe, which keeps the length")
        elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise wrong_type(self.name, "text and binary of any length", field, "use hash, date_shift or redact")
        elif self.prefix:
            raise wrong_option(self.name, "prefix", "be left out for binary", "tokens of bytes have none")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return tokens."""
        if self.longest is not None:
            too_long = booleans(pc.greater(pc.binary_length(values), self.longest))
            if too_long.any():
                ctx.mismatch(too_long)
        siv = Siv(ctx.key(self.name, 64))
        return in_blocks(lambda block: self._tokens(block, siv), values)

    def unmask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the originals of tokens; what is no token of this key is a mismatch."""
        siv = Siv(ctx.key(self.name, 64))
        starts = range(0, max(len(values), 1), BLOCK_ROWS)
        done = [self._originals(values.slice(start, BLOCK_ROWS), siv) for start in starts]
        broken = np.concatenate([flags for _, flags in done])
        if broken.any():
            ctx.mismatch(broken)
        return pa.concat_arrays([plain for plain, _ in done]).cast(values.type)

    def _originals(self, values: pa.Array, siv: Siv) -> tuple[pa.Array, Flags]:
        if not is_text(values.type):
            return siv.decrypt(values)
        sealed, strange = self._read(values)
        plain, broken = siv.decrypt(sealed)
        return plain, broken | strange

    def _room(self) -> int:
        """The bytes of the longest token."""
        size = TAG + (self.longest or 0)
        few, many = _GROUPS[self.encoding]
        return len(self.prefix.encode()) + -(-size * many // few)

    def _tokens(self, values: pa.Array, siv: Siv) -> pa.Array:
        sealed = siv.encrypt(values)
        if not is_text(values.type):
            return sealed.cast(values.type)
        content, ends = spans(sealed)
        few, many = _GROUPS[self.encoding]
        sizes = np.diff(ends)
        groups = -(-sizes // few)
        first = np.cumsum(groups) - groups
        padded = np.zeros(int(groups.sum()) * few, np.uint8)
        padded[np.repeat(first * few - ends[:-1], sizes) + np.arange(len(content))] = content
        spelt = _to_base64(padded) if self.encoding == "base64url" else _to_base32(padded)
        tokens = cut(spelt, first * many, first * many + -(-sizes * many // few), values.type)
        if not self.prefix:
            return tokens
        return pc.binary_join_element_wise(pa.scalar(self.prefix, values.type), tokens, pa.scalar("", values.type))

    def _read(self, values: pa.Array) -> tuple[pa.Array, Flags]:
        """Return the bytes that tokens spell, and which values spell none; those have no bytes."""
        skipped = len(self.prefix.encode())
        strange = ~booleans(pc.starts_with(values, self.prefix))
        content, ends = spans(values)
        bodies = cut(content, np.minimum(ends[:-1] + skipped, ends[1:]), ends[1:], values.type)
        strange |= ~booleans(pc.match_substring_regex(bodies, _VALID[self.encoding]))
        content, ends = spans(pc.if_else(pa.array(strange), pa.scalar("", values.type), bodies))
        few, many = _GROUPS[self.encoding]
        lengths = np.diff(ends)
        sizes = lengths * few // many
        strange |= -(-sizes * many // few) != lengths
        groups = -(-lengths // many)
        first = np.cumsum(groups) - groups
        padded = np.full(int(groups.sum()) * many, ord("A" if self.encoding == "base64url" else "a"), np.uint8)
        padded[np.repeat(first * many - ends[:-1], lengths) + np.arange(len(content))] = content
        read = _from_base64(padded) if self.encoding == "base64url" else _from_base32(padded)
        return cut(read, first * few, first * few + sizes, pa.large_binary()), strange


def _to_base64(content: Bytes) -> Bytes:
    return np.frombuffer(base64.urlsafe_b64encode(content.data), np.uint8)


def _from_base64(text: Bytes) -> Bytes:
    standard = text.tobytes().translate(bytes.maketrans(b"-_", b"+/"))
    return np.frombuffer(binascii.a2b_base64(standard), np.uint8)


def _to_base32(content: Bytes) -> Bytes:
    fives = content.reshape(-1, 5).astype(np.uint64)
    number = np.zeros(len(fives), np.uint64)
    for column in fives.T:
        number = number << np.uint64(8) | column
    pairs = np.empty((len(number), 4), np.uint16)
    for place, shift in enumerate((30, 20, 10, 0)):
        pairs[:, place] = _PAIRS.take((number >> np.uint64(shift) & np.uint64(1023)).view(np.int64))
    return pairs.view(np.uint8).reshape(-1)


def _from_base32(text: Bytes) -> Bytes:
    eights = _FROM_BASE32.take(text).reshape(-1, 8).astype(np.uint64)
    number = np.zeros(len(eights), np.uint64)
    for column in eights.T:
        number = number << np.uint64(5) | column
    return np.ascontiguousarray(number.byteswap().view(np.uint8).reshape(-1, 8)[:, 3:]).reshape(-1)
