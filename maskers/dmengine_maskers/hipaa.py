"""The two generalisations that HIPAA's safe harbor prescribes: ages over 89, and ZIP codes to three digits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_number, is_text
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.calendar_days import anniversaries, days_of, from_ticks, per_day, require_dates, ticks_of
from dmengine_maskers.coding import TopCode
from dmengine_maskers.kinds import wrong_option, wrong_type

CENSUS_2000: Final = (
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890",
    "893",
)  # fmt: skip
"""The 17 prefixes with at most 20,000 people in 2000: HHS, guidance on de-identification, and 67 FR 53233."""

CENSUS_2010: Final = (
    "036", "059", "102", "202", "203", "204", "205", "369", "556", "692", "753", "772", "821", "823", "878", "879",
    "884", "893",
)  # fmt: skip
"""Those of 2010, by the populations of ZIP code tabulation areas; 202, 204, 753 and 772 have next to nobody."""

_SETS: Final = {
    "2000": CENSUS_2000,
    "2010": CENSUS_2010,
    "both": tuple(sorted({*CENSUS_2000, *CENSUS_2010})),
}
_ZIP: Final = r"^[0-9]{5}(-?[0-9]{4})?$"


@dataclass(frozen=True, slots=True)
class AgeCap:
    """Bring all ages over `over` together in the next one: over 89, as HIPAA asks, all are 90.

    Of birth dates, all that mean such an age on the day `on` become the latest of them.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(AgeCap(), [34, 89, 97, None])
    [34, 89, 90, None]
    >>> mask_values(AgeCap(on=date(2026, 7, 1)), [date(1929, 3, 2), date(1985, 4, 12)])
    [datetime.date(1936, 7, 1), datetime.date(1985, 4, 12)]
    """

    over: int = 89
    on: date | None = None

    name: ClassVar[str] = "age_cap"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither number nor date, and birth dates without the day that ages are reckoned for."""
        if not 1 <= self.over <= 150:
            raise wrong_option(self.name, "over", "be 1 to 150", "leave it out for 89")
        if is_number(field.type):
            if self.on is not None:
                raise wrong_option(self.name, "on", "be left out for ages", "it is for birth dates")
            return self._code().plan(field, limits)
        require_dates(self.name, field)
        if self.on is None:
            raise wrong_option(self.name, "on", "be given for birth dates", "name the day that ages are reckoned for")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return ages or birth dates."""
        if is_number(values.type):
            return self._code().mask(values, ctx)
        assert self.on is not None, "refused by plan"
        latest = int(anniversaries(np.array([self.on.year - self.over - 1]), self.on)[0])
        old = days_of(values) <= latest
        ticks = np.where(old, latest * per_day(values.type), ticks_of(values))
        return from_ticks(ticks, values.type)

    def _code(self) -> TopCode:
        return TopCode(self.over, shown=self.over + 1)


@dataclass(frozen=True, slots=True)
class Zip3:
    """Keep the first three digits of US ZIP codes, and none where too few people live there.

    A prefix of the `census` list becomes 000: that of 2000, which HHS publishes, of 2010, or (the default) both. With
    `keep_length` zeros stand for the digits taken. ZIP+4 codes are read too; anything else is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Zip3(), ["94105", "03601", "94105-1234", None])
    ['941', '000', '941', None]
    >>> mask_values(Zip3(keep_length=True), ["94105", "94105-1234"])
    ['94100', '94100-0000']
    """

    census: Literal["2000", "2010", "both"] = "both"
    keep_length: bool = False

    name: ClassVar[str] = "zip3"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text: numbers have lost their leading zeros."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "write ZIP codes as text, with their leading zeros")
        if self.census not in _SETS:
            raise wrong_option(self.name, "census", "be 2000, 2010 or both", "leave it out for both")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return prefixes."""
        odd = ~booleans(pc.match_substring_regex(values, _ZIP))
        if odd.any():
            ctx.mismatch(odd)
        prefix = pc.utf8_slice_codeunits(values, 0, 3)
        few = pc.is_in(prefix, value_set=pa.array(_SETS[self.census], values.type))
        kept = pc.if_else(few, pa.scalar("000", values.type), prefix)
        if not self.keep_length:
            return kept
        rest = pc.replace_substring_regex(pc.utf8_slice_codeunits(values, 3), "[0-9]", "0")
        return pc.binary_join_element_wise(kept, rest, pa.scalar("", values.type))
