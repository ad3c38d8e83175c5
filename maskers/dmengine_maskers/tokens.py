"""Replace values with keyed tokens that nobody can turn back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_number, is_text, text_from_bytes, text_from_matrix
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)


@dataclass(frozen=True, slots=True)
class Hash:
    """Replace every value with a keyed one-way token: `prefix` and `size` hexadecimal digits.

    A digit is 4 bits, so the default is 128 bits. Binary and UUID columns get the same bits as bytes, half as many.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Hash(size=24, prefix="c-"), ["Alice", "Bob", None])
    ['c-90b78517e25d35bd65c48b5d', 'c-44f81b57eeecd1fa069125ee', None]
    """

    size: int = 32
    prefix: str = ""

    name: ClassVar[str] = "hash"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many tokens there are."""
        return int(16**self.size)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse numbers and dates, and a target narrower than the token."""
        if not 8 <= self.size <= 32:
            raise wrong_option(self.name, "size", "be 8 to 32 hexadecimal digits", "leave it out for 128 bits")
        if is_number(field.type):
            raise wrong_type(self.name, "text and binary", field, "use fpe for identifiers, or number for quantities")
        if is_text(field.type):
            room = len(self.prefix.encode()) + self.size
            require_room(self.name, room, limits, f"give a smaller size (24 digits are 96 bits), not {self.size}")
        elif not _is_bytes(field.type):
            raise wrong_type(self.name, "text and binary", field, "use date_shift for dates, or redact")
        elif self.prefix or self.size % 2:
            raise wrong_option(self.name, "a token of bytes", "have no prefix and an even size", "leave both out")
        elif _width(field.type) not in (None, self.size // 2):
            width = _width(field.type)
            raise wrong_option(self.name, "size", f"be twice the {width} bytes of the column", "or use redact")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return tokens of one length."""
        tag = ctx.bits(values, "hash").byteswap().view(np.uint8).reshape(len(values), 16)
        if is_text(values.type):
            digits = _HEX.take(tag).view(np.uint8)[:, : self.size]
            return text_from_matrix(_prefixed(self.prefix.encode(), digits), values.type)
        return _binary(np.ascontiguousarray(tag[:, : self.size // 2]), values.type)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _width(kind) is not None)


def _width(kind: pa.DataType) -> int | None:
    """Return the bytes of every value, where a type fixes them."""
    if isinstance(kind, pa.UuidType):
        return 16
    return int(kind.byte_width) if pa.types.is_fixed_size_binary(kind) else None


def _prefixed(prefix: bytes, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Put the same bytes before each row."""
    matrix = np.empty((len(digits), len(prefix) + digits.shape[1]), np.uint8)
    matrix[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    matrix[:, len(prefix) :] = digits
    return matrix


def _binary(rows: npt.NDArray[np.uint8], kind: pa.DataType) -> pa.Array:
    count, width = rows.shape
    if isinstance(kind, pa.UuidType):
        return pa.ExtensionArray.from_storage(kind, _binary(rows, kind.storage_type))
    if pa.types.is_fixed_size_binary(kind):
        return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(rows)])
    return text_from_bytes(rows.reshape(-1), np.arange(count + 1, dtype=np.int64) * width, kind)
