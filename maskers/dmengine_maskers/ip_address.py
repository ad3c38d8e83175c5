"""Replace IP addresses with other ones, subnet by subnet where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_text
from dmengine.ff1 import FF1
from dmengine.prf import BLOCK_ROWS
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.bit_permutations import keep_prefixes, one_block
from dmengine_maskers.hex_text import Flags
from dmengine_maskers.ip_text import read_ipv4, read_ipv6, write_ipv4, write_ipv6
from dmengine_maskers.kinds import require_room, wrong_type
from dmengine_maskers.spans import spans

LONGEST: Final = 39
_COLON: Final = ord(":")
_DOT: Final = ord(".")


@dataclass(frozen=True, slots=True)
class IpAddress:
    """Replace every IPv4 or IPv6 address with another of its kind; different addresses stay different.

    With `keep_subnets`, addresses that share just their first k bits still share just their first k bits: networks
    stay networks, and their sizes and neighbours show. Without it nothing of the network is left. What is no address,
    or has a zone, a prefix length or a port, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(IpAddress(), ["10.1.2.3", "10.1.2.4", "2001:db8::1", None])
    ['207.205.142.199', '207.205.142.192', '4b9f:50c5:e606:3063:4b2f:6555:d697:7818', None]
    >>> mask_values(IpAddress(keep_subnets=False), ["10.1.2.3", "10.1.2.4"])
    ['95.146.155.142', '151.149.147.233']
    """

    keep_subnets: bool = True

    name: ClassVar[str] = "ip_address"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    longest_bytes: ClassVar[int] = LONGEST

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target that holds no IPv6 address."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use fpe for integers")
        require_room(self.name, LONGEST, limits, "use fpe, which keeps the length, or hash with a size")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return addresses."""
        content, _ = spans(values)
        wrong = np.zeros(len(values), np.bool_)
        if not (content == _COLON).any():
            masked = self._four(values, ctx, wrong)
        elif not (content == _DOT).any():
            masked = self._six(values, ctx, wrong)
        else:
            masked = self._both(values, ctx, wrong)
        if wrong.any():
            ctx.mismatch(wrong)
        return masked.cast(values.type)

    def _both(self, values: pa.Array, ctx: MaskContext, wrong: Flags) -> pa.Array:
        six = booleans(pc.match_substring(values, ":"))
        fours, sixes = np.flatnonzero(~six), np.flatnonzero(six)
        wrong_four, wrong_six = np.zeros(len(fours), np.bool_), np.zeros(len(sixes), np.bool_)
        four = self._four(values.take(pa.array(fours)), ctx, wrong_four)
        both = pa.concat_arrays([four, self._six(values.take(pa.array(sixes)), ctx, wrong_six)])
        wrong[fours], wrong[sixes] = wrong_four, wrong_six
        return both.take(pa.array(np.argsort(np.concatenate([fours, sixes]))))

    def _four(self, values: pa.Array, ctx: MaskContext, wrong: Flags) -> pa.Array:
        """Return the addresses of IPv4, and flag what is none."""
        numbers = np.empty(len(values), np.uint64)
        for part in _parts(len(values)):
            numbers[part], ok = read_ipv4(values[part])
            np.logical_not(ok, out=wrong[part])
        if self.keep_subnets:
            high, _ = keep_prefixes(ctx.key("ip/32", 32), numbers << np.uint64(32), np.zeros_like(numbers), 32)
            numbers = high >> np.uint64(32)
        else:
            numbers = FF1(ctx.key("ip/4", 32), 10).encrypt_integers(numbers, 1 << 32)
        return write_ipv4(numbers)

    def _six(self, values: pa.Array, ctx: MaskContext, wrong: Flags) -> pa.Array:
        """Return the addresses of IPv6, and flag what is none."""
        words = np.empty((2, len(values)), np.uint64)
        for part in _parts(len(values)):
            words[0, part], words[1, part], ok = read_ipv6(values[part])
            np.logical_not(ok, out=wrong[part])
        if self.keep_subnets:
            high, low = keep_prefixes(ctx.key("ip/128", 32), words[0], words[1], 128)
        else:
            high, low = np.ascontiguousarray(one_block(ctx.key("ip/6", 32), np.ascontiguousarray(words.T)).T)
        return write_ipv6(high, low)


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS)]
