"""Replace e-mail addresses with ones that reach nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text, text_from_matrix
from dmengine.errors import PlanError
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers import corpora
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

SAFE_DOMAINS: Final = ("example.com", "example.net", "example.org")
"""Reserved by RFC 2606: no mail to them is ever delivered."""

DIGITS: Final = 8
FEWEST_NAMES: Final = 50

_DOMAIN = re.compile(r"(?=.{4,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)
_FOUR_DIGITS = np.frombuffer("".join(f"{n:04d}" for n in range(10_000)).encode(), np.uint32)


@dataclass(frozen=True, slots=True)
class Email:
    """Replace every address with a made-up one: a first name, a last name and eight digits.

    `mail_domain` is `"safe"` (example.com, example.net or example.org, chosen by key), `"keep"` (the value's own; a
    value without one is a mismatch), or a domain of yours. No address is longer than `max_bytes`: shorter names are
    taken, and with `"keep"` a value whose domain leaves no room is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Email(), ["alice@corp.com", None])
    ['austin.meza02138007@example.org', None]
    >>> mask_values(Email(mail_domain="keep"), ["alice@corp.com"])
    ['austin.meza02138007@corp.com']
    """

    mail_domain: str = "safe"
    max_bytes: int = 254  # the longest address that SMTP carries: RFC 5321, 4.5.3.1.3

    name: ClassVar[str] = "email"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, a domain that is none, and a target too narrow."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        if self.mail_domain not in ("safe", "keep") and not _DOMAIN.fullmatch(self.mail_domain):
            wanted = 'be "safe", "keep" or a domain name'
            raise wrong_option(self.name, "mail_domain", wanted, 'such as "mail.example.com"')
        longest = self.max_bytes if self.mail_domain == "keep" else sum(map(corpora.longest, self._parts())) + DIGITS
        require_room(self.name, longest, limits, f"give max_bytes={limits.max_bytes}")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return addresses."""
        bits = ctx.bits(values, self.name)
        if self.mail_domain != "keep":
            return _made(bits, *self._parts()).cast(values.type)
        domains, missing = _domains_of(values)
        first, last, _ = self._parts()
        local = _made(bits, first, last, None).cast(values.type)
        masked = pc.binary_join_element_wise(local, domains, pa.scalar("@", values.type))
        too_long = pc.greater(pc.binary_length(masked), self.max_bytes).to_numpy(zero_copy_only=False)
        if (missing | too_long).any():
            ctx.mismatch(missing | too_long)
        return masked

    def _parts(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """The first names, the last names, and the domains with their @."""
        domains = SAFE_DOMAINS if self.mail_domain == "safe" else (self.mail_domain,)
        ends = pa.array([f"@{domain}" for domain in domains])
        if self.mail_domain == "keep":  # half of the address is for the names, and half for the domain
            return *_names(self.max_bytes // 2 - DIGITS), ends
        return *_names(self.max_bytes - DIGITS - corpora.longest(ends)), ends


def _made(bits: Words, first: pa.Array, last: pa.Array, ends: pa.Array | None) -> pa.Array:
    """Join a first name, a last name, digits and (where given) an end, all by different bits."""
    high, low = bits[:, 0], bits[:, 1]
    parts = [
        first.take(pa.array(below(high, len(first)))),
        last.take(pa.array(below(high << np.uint64(32), len(last)))),
        _digits(below(low, 10**DIGITS)),
    ]
    if ends is not None:
        parts.append(ends.take(pa.array(below(low << np.uint64(32), len(ends)))))
    return pc.binary_join_element_wise(*parts, "")


def _digits(numbers: Words) -> pa.Array:
    """Write numbers below 10^8 with eight digits each."""
    halves = np.empty((len(numbers), 2), np.uint64)
    np.floor_divide(numbers, np.uint64(10_000), out=halves[:, 0])
    np.subtract(numbers, halves[:, 0] * np.uint64(10_000), out=halves[:, 1])
    return text_from_matrix(_FOUR_DIGITS.take(halves.view(np.int64)).view(np.uint8))


def _domains_of(values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return what follows the last @ of each value, and which values have nothing there."""
    pieces = pc.split_pattern(values, "@", max_splits=1, reverse=True)
    ends = pieces.offsets.to_numpy()[1:]
    domains = pieces.values.take(pa.array(ends - 1))
    single = pc.equal(pc.list_value_length(pieces), 1).to_numpy(zero_copy_only=False)
    return domains, single | pc.equal(pc.binary_length(domains), 0).to_numpy(zero_copy_only=False)


@lru_cache(maxsize=64)
def _names(room: int) -> tuple[pa.Array, pa.Array]:
    """Return first names with a dot, and last names, that together fit in so many bytes."""
    first, last = _plain_names("first_name"), _plain_names("last_name")
    longest = min(corpora.longest(first) + 1, max(room // 2, 0))
    first = first.filter(pc.less(pc.binary_length(first), longest))
    last = last.filter(pc.less_equal(pc.binary_length(last), max(room - longest, 0)))
    if min(len(first), len(last)) < FEWEST_NAMES:
        raise PlanError("email: max_bytes leaves no room for names", hint="allow at least 32 bytes, or use hash")
    return pc.binary_join_element_wise(first, ".", ""), last


def _plain_names(corpus: str) -> pa.Array:
    small = pc.utf8_lower(corpora.load(corpus, "en_US"))
    return pc.unique(pc.replace_substring_regex(small, "[^a-z]", ""))
