"""Replace payment card numbers with other valid ones, or truncate them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa

from dmengine.spi import Finding, Limits, MaskContext, Positions, Scope, Uniqueness
from dmengine_maskers.checksums import Luhn
from dmengine_maskers.forms import Form, form
from dmengine_maskers.identifiers import Scheme, mask_identifiers, require_identifier
from dmengine_maskers.kinds import wrong_option
from dmengine_maskers.symbols import Codes

SHORTEST: Final = 12
LONGEST: Final = 19  # ISO/IEC 7812-1
LEAST_FREE: Final = 10_000
"""What is left of 15 digits (Amex) where the first six and the last four are kept and one makes the check hold."""


@dataclass(frozen=True, slots=True)
class CreditCard:
    """Replace every card number with another of the same length that passes the Luhn check.

    `keep_prefix` digits at the start stay: `automatic` keeps as many (one to four) as tell the card network, 6 or 8
    the issuer's number (BIN). `keep_last` digits at the end stay; then a digit before them makes the check hold.

    A value is a mismatch if it has fewer than 12 or more than 19 digits, or fails the Luhn check; and where fewer
    than 10,000 numbers share its kept digits, unless `allow_small_domain` is set.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(CreditCard(), ["4111 1111 1111 1111", "378282246310005", None])
    ['4354 2748 2455 4005', '373572480554135', None]
    >>> mask_values(CreditCard(keep_prefix=6, keep_last=4), ["4111-1111-1111-1111"])
    ['4111-1136-8893-1111']
    """

    keep_prefix: int | Literal["automatic"] = "automatic"
    keep_last: int = 0
    allow_small_domain: bool = False

    name: ClassVar[str] = "credit_card"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def domain_size(self) -> int:
        """How many numbers of 16 digits share the kept ones, at the least."""
        prefix = 4 if self.keep_prefix == "automatic" else self.keep_prefix
        return _card_form(16, prefix, self.keep_last).size

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor integer, and kept digits that leave next to nothing to mask."""
        if self.keep_prefix != "automatic" and not 0 <= self.keep_prefix <= 12:
            raise wrong_option(self.name, "keep_prefix", "be 0 to 12 or automatic", "use 6 or 8 for the BIN")
        if not 0 <= self.keep_last <= 4:
            raise wrong_option(self.name, "keep_last", "be 0 to 4", "leave it out to keep none")
        if self.domain_size < (2 if self.allow_small_domain else LEAST_FREE):
            kept = f"leave {LEAST_FREE} numbers of 16 digits, not {self.domain_size}"
            raise wrong_option(self.name, "keep_prefix and keep_last", kept, "keep fewer, or set allow_small_domain")
        require_identifier(self.name, self._scheme(), field)
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say how many numbers there are to choose from, where they are few."""
        if self.allow_small_domain:
            hint = "keep fewer digits: the fewer numbers there are, the sooner pairs of number and mask tell the rest"
            yield Finding("warning", f"credit_card chooses among {self.domain_size:,} numbers of 16 digits", hint=hint)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return card numbers."""
        return mask_identifiers(values, self._scheme(), ctx, ctx.key(self.name, 32))

    def _scheme(self) -> Scheme:
        least = 2 if self.allow_small_domain else LEAST_FREE
        return _card_scheme(self.keep_prefix, self.keep_last, least)


@cache
def _card_scheme(keep_prefix: int | Literal["automatic"], keep_last: int, least: int) -> Scheme:
    def forms(codes: Codes) -> Iterable[tuple[Positions | None, tuple[Form, ...]]]:
        length = len(codes)
        if not SHORTEST <= length <= LONGEST:
            return
        prefixes = None if keep_prefix != "automatic" else network_prefix(codes)
        if prefixes is None:
            yield None, _large(_card_form(length, keep_prefix, keep_last), least)
            return
        for prefix in np.unique(prefixes).tolist():
            rows = np.flatnonzero(prefixes == prefix)
            whole = len(rows) == codes.shape[1]
            yield None if whole else rows, _large(_card_form(length, prefix, keep_last), least)

    return Scheme(tuple(range(SHORTEST, LONGEST + 1)), forms)


def network_prefix(codes: Codes) -> Codes:
    """Say how many digits tell the network of each card: all cards with these digits have as many.

    >>> network_prefix(np.array([[4, 5, 3, 2], [1, 5, 7, 2]], np.uint8)).tolist()
    [1, 2, 2, 4]
    """
    return np.asarray(_PREFIXES.take(codes[0].astype(np.uint16) * np.uint16(36) + codes[1]))


def _network_prefixes() -> Codes:
    """By the first two digits (each up to 36: other symbols fit no form anyway)."""
    table = np.ones((36, 36), np.uint8)  # 4: Visa; 1, 7, 8, 9: no card network
    table[2] = 4  # Mastercard 2221 to 2720, Mir 2200 to 2204
    table[3] = table[5] = table[6] = 2  # 34, 37: Amex; 36, 38: Diners; 51 to 55: Mastercard; 62: UnionPay; 65: Discover
    table[3, 0], table[3, 5] = 3, 4  # 300 to 305: Diners; 3528 to 3589: JCB
    table[6, 0], table[6, 4] = 4, 3  # 6011, 644 to 649: Discover
    return table.reshape(-1)


_PREFIXES: Final = _network_prefixes()


@cache
def _card_form(length: int, keep_prefix: int, keep_last: int) -> Form:
    """The form of a card: without kept last digits the check digit is the last, else the one before them."""
    check = length - 1 - keep_last
    pattern = "." * keep_prefix + "n" * (check - keep_prefix) + "#" + "." * keep_last
    pattern = pattern if keep_prefix else "F" + pattern[1:]  # no number begins with 0
    return form(pattern[:length], Luhn(check), tweak="card", F="123456789")


def _large(card: Form, least: int) -> tuple[Form, ...]:
    return (card,) if card.size >= least else ()
