"""Replace addresses and their parts, so that those of one record still go together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pyarrow as pa

from dmengine.arrow import is_text
from dmengine.spi import Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.locales import MANNERS, Locale
from dmengine_maskers.placing import PARTS, AddressPart, address_part, longest_part
from dmengine_maskers.subjects import bits_of, subject_domain, subjects


@dataclass(frozen=True, slots=True)
class Address:
    """Replace an address, or one part of it, by that of a place that the key chooses.

    With `subject`, the value of that field chooses: all parts with the same subject, `locale` and `group` are those
    of one place, in every table, whatever domain their rules name. `group` names the subject where its field has
    different names; without it, it is the field's. Without `subject` the value itself chooses.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Address(), ["10 Downing Street, London", None])
    ['137 Ponce Tunnel, New Jonathan, MA 02053', None]
    >>> for part in ("city", "state_code", "postcode"):
    ...     print(mask_values(Address(part, subject="id"), ["x", "y"], beside={"id": [1, 1]}))
    ['Rayside', 'Rayside']
    ['KS', 'KS']
    ['67659', '67659']
    """

    part: AddressPart = "address"
    locale: Locale = "en_US"
    subject: str | None = None
    group: str | None = None

    name: ClassVar[str] = "address"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where it names a subject."""
        return "row" if self.subject else "value"

    @property
    def reads(self) -> tuple[str, ...]:
        """The field that names the subject, if one does."""
        return (self.subject,) if self.subject else ()

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domain of the subject, which all parts share."""
        if not self.subject:
            return ()
        return (
            (subject_domain(self.name, self.subject, self.group), replace(self, part="address", subject="", group="")),
        )

    @property
    def longest_bytes(self) -> int:
        """The most bytes that a result may have."""
        return longest_part(self.part, self.locale)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest result."""
        if self.part not in PARTS:
            raise wrong_option(self.name, "part", f"be one of {', '.join(PARTS)}", "leave it out for a whole address")
        if self.locale not in MANNERS:
            raise wrong_option(self.name, "locale", f"be one of {', '.join(MANNERS)}", "leave it out for en_US")
        if self.group and not self.subject:
            raise wrong_option(self.name, "group", "be left out without subject", "name the field of the subject")
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use fpe or number")
        hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
        require_room(self.name, self.longest_bytes, limits, hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return addresses, or parts of them."""
        if not self.subject:
            bits = ctx.bits(values, self.name)
        else:
            found = subjects(self.subject, ctx)
            shared = ctx.in_domain(subject_domain(self.name, self.subject, self.group))
            bits = bits_of(found, shared, self.name)
        return address_part(self.part, self.locale, bits).cast(values.type)
