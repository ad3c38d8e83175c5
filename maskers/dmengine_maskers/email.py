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

from dmengine.arrow import is_text
from dmengine.errors import PlanError
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers import corpora
from dmengine_maskers.handles import write_digits
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

SAFE_DOMAINS: Final = ("example.com", "example.net", "example.org")
"""Reserved by RFC 2606: no mail to them is ever delivered."""

DIGITS: Final = 8
UNIQUE_DIGITS: Final = 12
FEWEST_NAMES: Final = 50

_DOMAIN = re.compile(r"(?=.{4,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Email:
    """Replace every address with a made-up one: a first name, a last name and eight digits.

    `mail_domain` is `"safe"` (example.com, example.net or example.org, chosen by key), `"keep"` (the value's own; a
    value without one is a mismatch), or a domain of yours. No address is longer than `max_bytes`: shorter names are
    taken, and with `"keep"` a value whose domain leaves no room is a mismatch. With `unique` it has twelve digits: so
    many addresses that two values hardly ever share one (see `capacity`).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Email(), ["alice@corp.com", None])
    ['austin.meza02138007@example.org', None]
    >>> mask_values(Email(unique=True), ["alice@corp.com"])
    ['austin.meza021380077050@example.org']
    >>> mask_values(Email(mail_domain="keep"), ["alice@corp.com"])
    ['austin.meza02138007@corp.com']
    """

    mail_domain: str = "safe"
    max_bytes: int = 254  # the longest address that SMTP carries: RFC 5321, 4.5.3.1.3
    unique: bool = False

    name: ClassVar[str] = "email"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many addresses there are to choose from; with a domain that is kept, of each domain."""
        first, last, ends = self._parts()
        return int(len(first) * len(last) * 10 ** self._digits() * (1 if self.mail_domain == "keep" else len(ends)))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, a domain that is none, and a target too narrow."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        if self.mail_domain not in ("safe", "keep") and not _DOMAIN.fullmatch(self.mail_domain):
            wanted = 'be "safe", "keep" or a domain name'
            raise wrong_option(self.name, "mail_domain", wanted, 'such as "mail.example.com"')
        longest = (
            self.max_bytes if self.mail_domain == "keep" else sum(map(corpora.longest, self._parts())) + self._digits()
        )
        require_room(self.name, longest, limits, f"give max_bytes={limits.max_bytes}")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return addresses."""
        bits = ctx.bits(values, self.name)
        if self.mail_domain != "keep":
            return _made(bits, *self._parts(), self._digits()).cast(values.type)
        domains, missing = _domains_of(values)
        first, last, _ = self._parts()
        local = _made(bits, first, last, None, self._digits()).cast(values.type)
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
            return *_names(self.max_bytes // 2 - self._digits()), ends
        return *_names(self.max_bytes - self._digits() - corpora.longest(ends)), ends

    def _digits(self) -> int:
        return UNIQUE_DIGITS if self.unique else DIGITS


def is_domain(text: str) -> bool:
    """Say whether a text is the name of a domain.

    >>> is_domain("mail.example.com"), is_domain("a b")
    (True, False)
    """
    return _DOMAIN.fullmatch(text) is not None


def _made(bits: Words, first: pa.Array, last: pa.Array, ends: pa.Array | None, digits: int) -> pa.Array:
    """Join a first name, a last name, digits and (where given) an end, all by different bits."""
    high, low = bits[:, 0], bits[:, 1]
    parts = [
        first.take(pa.array(below(high, len(first)))),
        last.take(pa.array(below(high << np.uint64(32), len(last)))),
        write_digits(below(low, 10**digits), digits),
    ]
    if ends is not None:
        parts.append(ends.take(pa.array(below(low << np.uint64(32), len(ends)))))
    return pc.binary_join_element_wise(*parts, "")


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
