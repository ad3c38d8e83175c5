"""Replace national numbers of people and companies with other valid ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.identifiers import Scheme, mask_identifiers, require_identifier
from dmengine_maskers.kinds import wrong_option
from dmengine_maskers.national_schemes import SCHEMES, Kind


@dataclass(frozen=True, slots=True)
class NationalId:
    """Replace every number with another valid one of the same kind and form.

    Dots, dashes, slashes and spaces stay where they are. A value that is not a valid number of its kind, check digits
    included, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(NationalId("us_ssn"), ["123-45-6789", "123456789", None])
    ['733-84-6696', '733846696', None]
    >>> mask_values(NationalId("br_cpf"), ["390.533.447-05"])
    ['729.486.349-03']
    >>> mask_values(NationalId("es_dni"), ["54362315-K"])
    ['99341704-N']
    """

    kind: Kind

    name: ClassVar[str] = "national_id"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse an unknown kind, and a column that cannot hold such numbers."""
        if self.kind not in SCHEMES:
            raise wrong_option(self.name, "kind", "be one that is known", f"one of: {', '.join(sorted(SCHEMES))}")
        require_identifier(f"{self.name} ({self.kind})", self._scheme(), field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return numbers of the same kind."""
        return mask_identifiers(values, self._scheme(), ctx, ctx.key(self.kind, 32))

    def _scheme(self) -> Scheme:
        return SCHEMES[self.kind]
