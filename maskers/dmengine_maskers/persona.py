"""Give every subject a made-up person, whose parts go together wherever the subject is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.errors import PlanError
from dmengine.prf import below
from dmengine.spi import Finding, Limits, MaskContext, Masker, Scope, Uniqueness, Words
from dmengine_maskers import corpora
from dmengine_maskers.capacity import capacity_finding
from dmengine_maskers.email import SAFE_DOMAINS, is_domain
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.locales import MANNERS, Locale
from dmengine_maskers.person_parts import (
    born,
    full_name,
    longest_of,
    person_capacity,
    phone,
    phone_capacity,
    someone,
)
from dmengine_maskers.placing import PARTS as ADDRESS_PARTS
from dmengine_maskers.placing import address_part, longest_part
from dmengine_maskers.subjects import bits_of, permuted, subject_domain, subjects

Part = Literal[
    "first_name", "last_name", "full_name", "gender", "email", "username", "phone", "birth_date", "company", "job",
    "street", "city", "state", "state_code", "postcode", "country", "country_code", "address",
]  # fmt: skip
NAME_PARTS: Final = ("first_name", "last_name", "full_name", "gender", "email", "username")
OTHER_PARTS: Final = ("phone", "birth_date", "company", "job")
PARTS: Final = (*NAME_PARTS, *OTHER_PARTS, *ADDRESS_PARTS)
UNIQUE_PARTS: Final = ("email", "username", "phone")

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Persona:
    """Replace a value by a part of the made-up person that the subject of its record stands for.

    The value of the field `subject` alone decides, so any parts in any tables agree: the e-mail address has the name,
    the name fits the gender, the postcode lies in the state. The subject's domain is its own, whatever domain a rule
    names; `group` names it where the field of the subject has different names. A record without subject is a mismatch.

    With `unique`, subjects must be whole numbers; e-mail addresses, user names and phone numbers of different
    subjects then differ (a permutation, no memory). A subject that is none, or above the capacity, is a mismatch.

    `genders` is how women and men are written; `mail_domain` is `"safe"` or a domain of yours; `born` are the first
    and the last birth date. Birth dates may be dates, timestamps or text.

    >>> from dmengine.testing.context import mask_values
    >>> for part in ("full_name", "gender", "email", "city", "postcode"):
    ...     print(mask_values(Persona(part, subject="id"), ["a", "b"], beside={"id": [1, 2]}))
    ['Shaun Henson', 'Henry Dennis']
    ['male', 'male']
    ['shaun.henson25012183@example.net', 'henry.dennis85216328@example.com']
    ['Watsonberg', 'Rebeccaview']
    ['36381', '05293']
    """

    part: Part
    subject: str
    locale: Locale = "en_US"
    unique: bool = False
    group: str | None = None
    genders: tuple[str, str] = ("female", "male")
    mail_domain: str = "safe"
    born: tuple[date, date] = (date(1940, 1, 1), date(2005, 12, 31))

    name: ClassVar[str] = "persona"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "row"

    @property
    def reads(self) -> tuple[str, ...]:
        """The field of the subject."""
        return (self.subject,)

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domain of the subject, which all parts share."""
        return (
            (subject_domain(self.name, self.subject, self.group), replace(self, part="email", subject="", group="")),
        )

    @property
    def capacity(self) -> int:
        """How many different results the part has, where it is one that may be unique."""
        return phone_capacity(self.locale) if self.part == "phone" else person_capacity(self.locale)

    @property
    def longest_bytes(self) -> int:
        """The most bytes that a result may have."""
        if self.part in ADDRESS_PARTS:
            return longest_part(self.part, self.locale)
        if self.part == "gender":
            return max(len(gender.encode()) for gender in self.genders)
        return longest_of(self.part, self.locale, 1 + max(map(len, self._mail_domains())))

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse a type that the part cannot have, and a target too narrow."""
        self._check_options()
        dated = pa.types.is_date(field.type) or pa.types.is_timestamp(field.type)
        if not is_text(field.type) and not (self.part == "birth_date" and dated):
            takes = "text and dates" if self.part == "birth_date" else "text"
            raise wrong_type(f"{self.name} ({self.part})", takes, field, "use another part, or fpe for identifiers")
        if is_text(field.type):
            hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
            require_room(self.name, self.longest_bytes, limits, hint)
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say how many results there are, where they should differ."""
        if self.part not in UNIQUE_PARTS or self.locale not in MANNERS:
            return
        if self.unique:
            told = f"persona ({self.part}) keeps subjects from 0 to {self.capacity - 1:,} apart; others are mismatches"
            yield Finding("info", told)
        else:
            yield from capacity_finding(
                f"persona ({self.part})", self.capacity, "unique: true, if subjects are integers"
            )

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the part of each subject's person."""
        found = subjects(self.subject, ctx)
        shared = ctx.in_domain(subject_domain(self.name, self.subject, self.group))
        if self.part in NAME_PARTS:
            made = self._named(self._number(found, shared, ctx, "person", person_capacity(self.locale)), found, shared)
        elif self.part == "phone":
            made = phone(self.locale, self._number(found, shared, ctx, "phone", self.capacity))
        else:
            made = self._other(bits_of(found, shared, "address" if self.part in ADDRESS_PARTS else self.part))
        return made.cast(values.type)

    def _number(self, found: pa.Array, shared: MaskContext, ctx: MaskContext, purpose: str, size: int) -> Words:
        """Return the number of each subject's person: by a permutation, or as if by lot."""
        if not self.unique:
            return below(bits_of(found, shared, purpose)[:, 0], size)
        number, outside = permuted(found, shared, purpose, size)
        if outside.any():
            ctx.mismatch(outside)
        return number

    def _named(self, number: Words, found: pa.Array, shared: MaskContext) -> pa.Array:
        who = someone(self.locale, number)
        if self.part == "gender":
            female = who.of.female[who.first.astype(np.int64)]
            return pa.array(self.genders).take(pa.array(np.where(female, 0, 1)))
        if self.part == "first_name":
            return who.first_name()
        if self.part == "last_name":
            return who.last_name()
        if self.part == "full_name":
            return full_name(self.locale, who.first_name(), who.last_name())
        if self.part == "username":
            return who.handle()
        ends = pa.array(self._mail_domains())
        end = ends.take(pa.array(below(bits_of(found, shared, "mail")[:, 0], len(ends)))) if len(ends) > 1 else ends[0]
        return pc.binary_join_element_wise(who.handle(), end, "@")

    def _other(self, bits: Words) -> pa.Array:
        if self.part in ADDRESS_PARTS:
            return address_part(self.part, self.locale, bits)
        if self.part == "birth_date":
            return born(bits, *self.born)
        pool = corpora.load(self.part, self.locale)
        return pool.take(pa.array(below(bits[:, 0], len(pool))))

    def _mail_domains(self) -> tuple[str, ...]:
        return SAFE_DOMAINS if self.mail_domain == "safe" else (self.mail_domain,)

    def _check_options(self) -> None:
        if self.part not in PARTS:
            raise wrong_option(self.name, "part", f"be one of {', '.join(PARTS)}", "such as part: email")
        if not self.subject:
            raise wrong_option(self.name, "subject", "name a field", "such as subject: customer_id")
        if self.locale not in MANNERS:
            raise wrong_option(self.name, "locale", f"be one of {', '.join(MANNERS)}", "leave it out for en_US")
        if len(set(self.genders)) != 2:
            raise wrong_option(self.name, "genders", "be two different texts", "such as [F, M]: women first")
        if self.mail_domain != "safe" and not is_domain(self.mail_domain):
            raise wrong_option(self.name, "mail_domain", 'be "safe" or a domain name', 'such as "mail.example.com"')
        first, last = self.born
        if not first < last:
            raise PlanError("persona: born must be two dates that rise", hint="such as [1940-01-01, 2005-12-31]")
