"""Replace values with entries of a word list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dmengine.arrow import is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import corpora
from dmengine_maskers.kinds import require_room, wrong_type
from dmengine_maskers.picking import choose_entry


@dataclass(frozen=True, slots=True)
class Lookup:
    """Replace every value with an entry of a built-in word list, chosen by key.

    Cities and streets are made up. `max_bytes` leaves out longer entries, for narrow targets.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Lookup("city"), ["London", "Paris", "London", None])
    ['North Calebbury', 'East Laurahaven', 'North Calebbury', None]
    """

    corpus: Literal["city", "street"]
    locale: Literal["en_US"] = "en_US"
    max_bytes: int | None = None

    name: ClassVar[str] = "lookup"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def capacity(self) -> int:
        """How many entries there are to choose from."""
        return len(self._pool())

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target narrower than the longest entry."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        longest = corpora.longest(self._pool())
        require_room(self.name, longest, limits, f"give max_bytes={limits.max_bytes}: it leaves longer entries out")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return entries."""
        return choose_entry(self._pool(), ctx.bits(values, f"{self.name}/{self.corpus}"), values.type)

    def _pool(self) -> pa.Array:
        return corpora.load(self.corpus, self.locale, self.max_bytes)
