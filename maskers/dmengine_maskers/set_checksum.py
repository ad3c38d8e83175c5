"""Make the check digits of an identifier right again after other masks have changed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final, Literal, get_args

import pyarrow as pa

from dmengine.spi import Finding, Limits, MaskContext, Positions, Scope, Uniqueness
from dmengine_maskers.cards import LONGEST, SHORTEST
from dmengine_maskers.checksums import Check, Luhn, verhoeff
from dmengine_maskers.forms import Form, form
from dmengine_maskers.iban import iban_scheme
from dmengine_maskers.identifiers import Scheme, require_identifier, rewritten
from dmengine_maskers.kinds import wrong_option
from dmengine_maskers.national_schemes import SCHEMES
from dmengine_maskers.products import EANS, ISBNS, VINS
from dmengine_maskers.symbols import Codes, Flags

ChecksumKind = Literal[
    "luhn", "verhoeff", "credit_card", "ean", "iban", "isbn", "vin", "au_abn", "au_tfn", "br_cnpj", "br_cpf", "ca_sin",
    "es_dni", "es_nie", "fr_nir", "in_aadhaar", "nz_ird", "uk_nhs",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SetChecksum:
    """Write the right check digits over those that a value has; every other digit stays as it is.

    This hides nothing: use it after a mask that changed the value, as a step of a chain.

    A value of another form, or for which no check digit exists, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(SetChecksum("luhn"), ["4111-1111-1111-1112", "7992739871-0", None])
    ['4111-1111-1111-1111', '7992739871-3', None]
    >>> mask_values(SetChecksum("iban"), ["DE00 3704 0044 0532 0130 00"])
    ['DE89 3704 0044 0532 0130 00']
    """

    kind: ChecksumKind

    name: ClassVar[str] = "set_checksum"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse an unknown kind, and a column that cannot hold such identifiers."""
        if self.kind not in get_args(ChecksumKind):
            names = ", ".join(get_args(ChecksumKind))
            raise wrong_option(self.name, "kind", "be one that is known", f"one of: {names}")
        require_identifier(f"{self.name} ({self.kind})", _scheme(self.kind), field)
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say that it hides nothing by itself; a chain that it is a step of does not ask."""
        hint = "make it the last step of a chain, after a mask"
        yield Finding("warning", "set_checksum alone hides nothing: all but the check digits stay", hint=hint)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the values with right check digits."""
        return rewritten(values, _scheme(self.kind), ctx, _completes, _completed)


def _completes(form: Form, codes: Codes) -> Flags:
    """Say which values are spelt in a form and can be given check digits."""
    fits = form.spelt(codes)
    fits[fits] = form.complete(codes[:, fits])
    return fits


def _completed(form: Form, codes: Codes) -> Codes:
    result = codes.copy()
    form.complete(result)
    return result


@cache
def _scheme(kind: ChecksumKind) -> Scheme:
    if kind == "luhn":
        return _of_any_length(Luhn(), 2, None)
    if kind == "credit_card":
        return _of_any_length(Luhn(), SHORTEST, LONGEST)
    if kind == "verhoeff":
        return _of_any_length(verhoeff, 2, None)
    others: Final = {"iban": iban_scheme(False), "isbn": ISBNS, "ean": EANS, "vin": VINS[True]}
    return others.get(kind) or next(scheme for name, scheme in SCHEMES.items() if name == kind)


def _of_any_length(check: Check, shortest: int, longest: int | None) -> Scheme:
    """Digits, the last of which is the check digit."""

    @cache
    def of_length(length: int) -> tuple[Form, ...]:
        return (form("." * (length - 1) + "#", check),)

    def forms(codes: Codes) -> Iterable[tuple[Positions | None, tuple[Form, ...]]]:
        length = len(codes)
        if length >= shortest and (longest is None or length <= longest):
            yield None, of_length(length)

    return Scheme((shortest, longest or shortest + 1), forms)
