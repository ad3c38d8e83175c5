"""Replace user names with made-up ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import corpora
from dmengine_maskers.handles import people, split, write_digits
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.locales import MANNERS, Locale

MOST_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Username:
    """Replace every value with a first name, a last name and digits, all in small ASCII letters.

    `digits` says how many; with `unique` they are twelve, so many that two values hardly ever share a name: see
    `capacity`. `separator` stands between the names.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Username(), ["alice99", "bob", "alice99", None])
    ['darryl.ritter0357', 'peter.rojas6899', 'darryl.ritter0357', None]
    >>> mask_values(Username(locale="de_DE", separator="_", unique=True), ["alice99"])
    ['donata_ullmann035777625106']
    """

    locale: Locale = "en_US"
    digits: int = 4
    separator: str = "."
    unique: bool = False

    name: ClassVar[str] = "username"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many names there are to choose from."""
        of = people(self.locale)
        return int(len(of.first) * len(of.last) * 10 ** self._count())

    @property
    def longest_bytes(self) -> int:
        """The most bytes that a result may have."""
        of = people(self.locale)
        names = corpora.longest(of.first_plain) + corpora.longest(of.last_plain)
        return names + len(self.separator.encode()) + self._count()

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest name."""
        if self.locale not in MANNERS:
            raise wrong_option(self.name, "locale", f"be one of {', '.join(MANNERS)}", "leave it out for en_US")
        if not 0 <= self.digits <= MOST_DIGITS:
            raise wrong_option(self.name, "digits", f"be 0 to {MOST_DIGITS}", "leave it out for 4")
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use fpe or number")
        hint = "use hash with a size, or fpe, which keeps the length"
        require_room(self.name, self.longest_bytes, limits, hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return names."""
        of, count = people(self.locale), self._count()
        number = below(ctx.bits(values, self.name)[:, 0], self.capacity)
        first, last, digits = split(number, len(of.first), len(of.last), 10**count)
        parts = (of.first_plain.take(pa.array(first)), of.last_plain.take(pa.array(last)))
        made = pc.binary_join_element_wise(*parts, self.separator)
        if count:
            made = pc.binary_join_element_wise(made, write_digits(digits, count), "")
        return made.cast(values.type)

    def _count(self) -> int:
        return MOST_DIGITS if self.unique else self.digits
