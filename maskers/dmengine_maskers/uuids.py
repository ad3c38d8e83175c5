"""Replace UUIDs with other UUIDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_text, text_from_matrix
from dmengine.ff1 import digits_of
from dmengine.prf import BLOCK_ROWS
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.bit_permutations import feistel
from dmengine_maskers.kinds import wrong_type
from dmengine_maskers.picking import mixed_case, with_case_of
from dmengine_maskers.spans import spans

_FORM: Final = (
    r"^(?:[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}"
    r"|\{[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\})$"
)
_BYTES: Final = 16
_WIDTH: Final = 36
_HYPHENS: Final = (8, 13, 18, 23)
_PLACES: Final = np.array([place for place in range(_WIDTH) if place not in _HYPHENS])
_STRANGE: Final = 255
_CODES: Final = np.full(256, _STRANGE, np.uint8)
_CODES[list(b"0123456789abcdef")] = np.arange(16)
_HEX: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
_HALF: Final = 61  # the 122 bits that are not version and variant: RFC 9562, 4.1 and 4.2
_VERSION: Final = np.uint64(0xF000)
_VARIANT: Final = np.uint64(0xC000_0000_0000_0000)
_BELOW_VERSION: Final = np.uint64(0xFFF)


@dataclass(frozen=True, slots=True)
class Uuid:
    """Replace every UUID with another of the same version and variant; different UUIDs stay different.

    Takes text (with hyphens, without, or in braces), the type uuid, and binary of 16 bytes; the same UUID is masked
    alike in all of them. Hyphens, braces and case stay; what
    is in both cases is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Uuid(), ["0b2f0d2a-5c39-4c6f-9d3c-1f3f0f4a6a7b", None])
    ['9f4adfd3-c4d2-4613-a7ef-8ebc8be33b9a', None]
    """

    name: ClassVar[str] = "uuid"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    longest_bytes: ClassVar[None] = None

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor 16 bytes."""
        if not is_text(field.type) and not _is_binary(field.type):
            raise wrong_type(self.name, "text, uuid and binary of 16 bytes", field, "use hash or fpe")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return UUIDs."""
        key = ctx.key(self.name, 32)
        if _is_binary(values.type):
            return _in_bytes(values, key)
        usual = _usual(values)
        if usual is not None:
            blocks = [_respelt(usual[at : at + BLOCK_ROWS], key) for at in range(0, len(usual), BLOCK_ROWS)]
            return text_from_matrix(np.concatenate(blocks), values.type)
        good = booleans(pc.match_substring_regex(values, _FORM)) & ~mixed_case(values)
        if not good.all():
            ctx.mismatch(~good)
        spelling = digits_of("0123456789abcdef", pc.utf8_lower(values), skip_others=True)
        masked = spelling.respell(lambda digits: _in_digits(digits, key), good)
        masked = pc.fill_null(masked, "") if masked.null_count else masked
        return with_case_of(values, masked) if pc.any(pc.utf8_is_upper(values)).as_py() else masked


def _usual(values: pa.Array) -> npt.NDArray[np.uint8] | None:
    """Return the bytes of UUIDs, a row each, if all are written in small letters with four hyphens."""
    content, ends = spans(values)
    if not len(values) or (np.diff(ends) != _WIDTH).any():
        return None
    matrix = content.reshape(-1, _WIDTH)
    good = all((matrix[:, place] == ord("-")).all() for place in _HYPHENS)
    signs = int(np.count_nonzero(_CODES.take(content) == _STRANGE))
    return matrix if good and signs == len(_HYPHENS) * len(values) else None


def _respelt(matrix: npt.NDArray[np.uint8], key: bytes) -> npt.NDArray[np.uint8]:
    """Mask UUIDs in their usual spelling."""
    codes = _CODES.take(matrix[:, _PLACES])
    words = np.ascontiguousarray(codes[:, 0::2] << 4 | codes[:, 1::2]).view(np.uint64).byteswap()
    masked = np.stack(_permuted(words[:, 0], words[:, 1], key), axis=1).byteswap().view(np.uint8)
    result = np.full(matrix.shape, ord("-"), np.uint8)
    result[:, _PLACES] = _HEX.take(masked).view(np.uint8)
    return result


def _is_binary(kind: pa.DataType) -> bool:
    plain = kind.storage_type if kind == pa.uuid() else kind
    return bool(pa.types.is_fixed_size_binary(plain) and plain.byte_width == _BYTES)


def _in_bytes(values: pa.Array, key: bytes) -> pa.Array:
    storage = values.storage if values.type == pa.uuid() else values
    content = np.frombuffer(storage.buffers()[1], np.uint8) if len(storage) else np.empty(0, np.uint8)
    start = storage.offset * _BYTES
    words = content[start : start + len(storage) * _BYTES].copy().view(np.uint64).byteswap().reshape(-1, 2)
    masked = np.stack(_permuted(words[:, 0], words[:, 1], key), axis=1).byteswap()
    made = pa.Array.from_buffers(pa.binary(_BYTES), len(storage), [None, pa.py_buffer(np.ascontiguousarray(masked))])
    return pa.ExtensionArray.from_storage(values.type, made) if values.type == pa.uuid() else made


def _in_digits(digits: npt.NDArray[np.integer[Any]], key: bytes) -> npt.NDArray[np.uint8]:
    pairs = (digits[:, 0::2] << 4 | digits[:, 1::2]).astype(np.uint8)
    words = np.ascontiguousarray(pairs).view(np.uint64).byteswap()
    masked = np.stack(_permuted(words[:, 0], words[:, 1], key), axis=1).byteswap().view(np.uint8)
    result = np.empty(digits.shape, np.uint8)
    result[:, 0::2], result[:, 1::2] = masked >> 4, masked & 15
    return result


def _permuted(high: Words, low: Words, key: bytes) -> tuple[Words, Words]:
    """Permute the free 60 bits of the first word and the free 62 of the second, as two halves of 61."""
    one = np.uint64(1)
    upper = (high >> np.uint64(16) << np.uint64(12)) | (high & _BELOW_VERSION)
    lower = low & ~_VARIANT
    left, right = (upper << one) | (lower >> np.uint64(_HALF)), lower & np.uint64((1 << _HALF) - 1)
    left, right = feistel(key, left, right, _HALF)
    upper, lower = left >> one, ((left & one) << np.uint64(_HALF)) | right
    new_high = (upper >> np.uint64(12) << np.uint64(16)) | (high & _VERSION) | (upper & _BELOW_VERSION)
    return new_high, (low & _VARIANT) | lower
