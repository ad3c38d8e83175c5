"""Replace UUIDs with other UUIDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa

from dmengine.arrow import is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.bit_permutations import feistel
from dmengine_maskers.hex_text import Layout, change_hex
from dmengine_maskers.kinds import wrong_type

_HYPHENS: Final = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
_LAYOUTS: Final = (Layout(_HYPHENS), Layout("x" * 32), Layout(f"{{{_HYPHENS}}}"))
_BYTES: Final = 16
# The words hold the bytes in their order, the first one lowest. The version is the upper half of byte 6, the variant
# the two upper bits of byte 8: RFC 9562, 4.1 and 4.2
_FREE: Final = ((1 << 64) - 1 - (0xF0 << 48), (1 << 64) - 1 - 0xC0)


@dataclass(frozen=True, slots=True)
class Uuid:
    """Replace every UUID with another of the same version and variant; different UUIDs stay different.

    Takes text (with hyphens, without, or in braces), the type uuid, and binary of 16 bytes; the same UUID is masked
    alike in all of them. Hyphens, braces and case stay; what
    is in both cases is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Uuid(), ["0b2f0d2a-5c39-4c6f-9d3c-1f3f0f4a6a7b", None])
    ['669e4467-d586-4bd8-96aa-800e9242bd24', None]
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
        return change_hex(values, _LAYOUTS, lambda words: feistel(key, words, _FREE), ctx)


def _is_binary(kind: pa.DataType) -> bool:
    plain = kind.storage_type if kind == pa.uuid() else kind
    return bool(pa.types.is_fixed_size_binary(plain) and plain.byte_width == _BYTES)


def _in_bytes(values: pa.Array, key: bytes) -> pa.Array:
    storage = values.storage if values.type == pa.uuid() else values
    content = np.frombuffer(storage.buffers()[1], np.uint8) if len(storage) else np.empty(0, np.uint8)
    start = storage.offset * _BYTES
    words = content[start : start + len(storage) * _BYTES].copy().view(np.uint64).reshape(-1, 2)
    masked = np.ascontiguousarray(feistel(key, words.T, _FREE).T)
    made = pa.Array.from_buffers(pa.binary(_BYTES), len(storage), [None, pa.py_buffer(masked)])
    return pa.ExtensionArray.from_storage(values.type, made) if values.type == pa.uuid() else made
