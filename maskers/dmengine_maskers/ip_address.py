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
from dmengine_maskers.bit_permutations import feistel, keep_prefixes, steps_of
from dmengine_maskers.ip_text import Flags, read_ipv4, read_ipv6, write_ipv4, write_ipv6
from dmengine_maskers.kinds import require_room, wrong_type

LONGEST: Final = 39


@dataclass(frozen=True, slots=True)
class IpAddress:
    """Replace every IPv4 or IPv6 address with another of its kind; different addresses stay different.

    With `keep_subnets`, addresses that share just their first k bits still share just their first k bits: networks
    stay networks, and their sizes and neighbours show. Without it nothing of the network is left. What is no address,
    or has a zone, a prefix length or a port, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(IpAddress(), ["10.1.2.3", "10.1.2.4", "2001:db8::1", None])
    ['231.71.181.206', '231.71.181.202', '479c:a5ac:3a4e:38e9:4321:f47e:f12f:caf2', None]
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
        wrong = np.zeros(len(values), np.bool_)
        parts = [
            self._masked(values.slice(start, BLOCK_ROWS), ctx, wrong[start : start + BLOCK_ROWS])
            for start in range(0, len(values), BLOCK_ROWS)
        ]
        if wrong.any():
            ctx.mismatch(wrong)
        return pa.concat_arrays(parts) if parts else values

    def _masked(self, values: pa.Array, ctx: MaskContext, wrong: Flags) -> pa.Array:
        """Return the addresses of a block of rows, and flag what is none."""
        six = booleans(pc.match_substring(values, ":"))
        if not six.any():
            return self._four(values, ctx, wrong)
        if six.all():
            return self._six(values, ctx, wrong)
        fours, sixes = np.flatnonzero(~six), np.flatnonzero(six)
        wrong_four, wrong_six = np.zeros(len(fours), np.bool_), np.zeros(len(sixes), np.bool_)
        four = self._four(values.take(pa.array(fours)), ctx, wrong_four)
        both = pa.concat_arrays([four, self._six(values.take(pa.array(sixes)), ctx, wrong_six)])
        wrong[fours], wrong[sixes] = wrong_four, wrong_six
        return both.take(pa.array(np.argsort(np.concatenate([fours, sixes]))))

    def _four(self, values: pa.Array, ctx: MaskContext, wrong: Flags) -> pa.Array:
        numbers, ok = read_ipv4(values)
        np.logical_not(ok, out=wrong)
        if self.keep_subnets:
            high, _ = keep_prefixes(_keys(ctx, 32), numbers << np.uint64(32), np.zeros_like(numbers), 32)
            numbers = high >> np.uint64(32)
        else:
            numbers = FF1(ctx.key("ip/4", 32), 10).encrypt_integers(numbers, 1 << 32)
        return write_ipv4(numbers).cast(values.type)

    def _six(self, values: pa.Array, ctx: MaskContext, wrong: Flags) -> pa.Array:
        high, low, ok = read_ipv6(values)
        np.logical_not(ok, out=wrong)
        if self.keep_subnets:
            high, low = keep_prefixes(_keys(ctx, 128), high, low, 128)
        else:
            high, low = feistel(ctx.key("ip/6", 32), high, low, 64)
        return write_ipv6(high, low).cast(values.type)


def _keys(ctx: MaskContext, width: int) -> list[bytes]:
    return [ctx.key(f"ip/{width}/{step}", 32) for step in range(steps_of(width))]
