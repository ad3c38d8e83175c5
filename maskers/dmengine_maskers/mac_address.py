"""Replace hardware addresses of network cards with other ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_text
from dmengine.ff1 import FF1, digits_of
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.kinds import wrong_type
from dmengine_maskers.picking import mixed_case, with_case_of

_FORM: Final = (
    r"^(?:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}"
    r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12})$"
)
_HEX: Final = "0123456789abcdef"
_OWN: Final = 24  # bits that a maker numbers its cards by
_KEPT: Final = 0x0300_0000_0000  # whether it is a group's address, and whether a local one: IEEE 802, 8.2


@dataclass(frozen=True, slots=True)
class MacAddress:
    """Replace every MAC address with another of the same form; different addresses stay different.

    `keep_maker` keeps the first three bytes, which say who made the card. Without it, only the two bits stay that say
    whether an address is a group's or a local one. What is written in both cases is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(MacAddress(), ["00:1B:44:11:3A:B7", "001b.4411.3ab7", None])
    ['C0:E5:F4:5D:0E:2E', 'c0e5.f45d.0e2e', None]
    >>> mask_values(MacAddress(keep_maker=True), ["00-1b-44-11-3a-b7"])
    ['00-1b-44-a4-2b-a4']
    """

    keep_maker: bool = False

    name: ClassVar[str] = "mac_address"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    longest_bytes: ClassVar[None] = None

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text; what comes out is as long as what goes in."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use fpe for integers")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return addresses."""
        good = booleans(pc.match_substring_regex(values, _FORM)) & ~mixed_case(values)
        if not good.all():
            ctx.mismatch(~good)
        small = pc.utf8_lower(values)
        cipher = FF1(ctx.key(self.name, 32), 16)
        spelling = digits_of(_HEX, small, skip_others=True)
        masked = spelling.respell(lambda digits: self._permuted(cipher, digits), good)
        masked = pc.fill_null(masked, "") if masked.null_count else masked
        upper = pc.utf8_is_upper(values)
        return with_case_of(values, masked) if pc.any(upper).as_py() else masked

    def _permuted(self, cipher: FF1, digits: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer]:
        number = _number(digits)
        own = np.uint64((1 << _OWN) - 1)
        if self.keep_maker:
            kept, free = number & ~own, number & own
            return _digits(kept | cipher.encrypt_integers(free, 1 << _OWN))
        kept = number & np.uint64(_KEPT)
        free = (number >> np.uint64(42) << np.uint64(40)) | (number & np.uint64((1 << 40) - 1))
        free = cipher.encrypt_integers(free, 1 << 46)
        spread = (free >> np.uint64(40) << np.uint64(42)) | (free & np.uint64((1 << 40) - 1))
        return _digits(kept | spread)


def _number(digits: npt.NDArray[np.integer[Any]]) -> Words:
    number = np.zeros(len(digits), np.uint64)
    for place in range(digits.shape[1]):
        number = number << np.uint64(4) | digits[:, place].astype(np.uint64)
    return number


def _digits(number: Words) -> npt.NDArray[np.uint8]:
    shifts = np.arange(44, -4, -4, dtype=np.int64).astype(np.uint64)
    return (number[:, None] >> shifts & np.uint64(15)).astype(np.uint8)
