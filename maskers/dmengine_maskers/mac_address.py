"""Replace hardware addresses of network cards with other ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa

from dmengine.arrow import is_text
from dmengine.ff1 import FF1
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.hex_text import Layout, change_hex
from dmengine_maskers.kinds import wrong_type

_LAYOUTS: Final = tuple(map(Layout, ("xx:xx:xx:xx:xx:xx", "xx-xx-xx-xx-xx-xx", "xxxx.xxxx.xxxx", "x" * 12)))
_UNUSED: Final = np.uint64(16)  # bits of a word beside the 48 of an address
_OWN: Final = 24  # bits that a maker numbers its cards by
_KEPT: Final = 0x0300_0000_0000  # whether it is a group's address, and whether a local one: IEEE 802, 8.2


@dataclass(frozen=True, slots=True)
class MacAddress:
    """Replace every MAC address with another of the same form; different addresses stay different.

    `keep_maker` keeps the first three bytes, which say who made the card. Without it, only the two bits stay that say
    whether an address is a group's or a local one. What is written in both cases is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(MacAddress(), ["00:1B:44:11:3A:B7", "001b.4411.3ab7", None])
    ['E8:DE:7E:AF:46:AA', 'e8de.7eaf.46aa', None]
    >>> mask_values(MacAddress(keep_maker=True), ["00-1b-44-11-3a-b7"])
    ['00-1b-44-86-3e-02']
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
        cipher = FF1(ctx.key(self.name, 32), 2)
        return change_hex(values, _LAYOUTS, lambda words: self._permuted(cipher, words), ctx)

    def _permuted(self, cipher: FF1, words: Words) -> Words:
        number = words[0].byteswap()
        number >>= _UNUSED
        if self.keep_maker:
            own = np.uint64((1 << _OWN) - 1)
            number = (number & ~own) | cipher.encrypt_bits(number & own, _OWN)
        else:
            kept = number & np.uint64(_KEPT)
            free = (number >> np.uint64(42) << np.uint64(40)) | (number & np.uint64((1 << 40) - 1))
            free = cipher.encrypt_bits(free, 46)
            number = kept | (free >> np.uint64(40) << np.uint64(42)) | (free & np.uint64((1 << 40) - 1))
        number <<= _UNUSED
        return np.asarray(number.byteswap(inplace=True)[None, :])
