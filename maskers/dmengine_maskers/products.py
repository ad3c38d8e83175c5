"""Replace the numbers of things, such as vehicles, books and goods, with other valid ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pyarrow as pa

from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.checksums import Fails, SomeLetter, Weighted, balanced
from dmengine_maskers.forms import Form, form
from dmengine_maskers.identifiers import Scheme, mask_identifiers, require_identifier, scheme

_NO_ZERO: Final = "123456789"

# ISO 3779 leaves out I, O and Q; the model year leaves out U, Z and 0 as well (49 CFR 565.15)
_VIN_SYMBOLS: Final = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_YEARS: Final = "123456789ABCDEFGHJKLMNPRSTVWXY"
_VIN_WORTH: Final = (*range(10), 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9)
_VIN_CHECK: Final = Weighted(
    (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2), 11, tuple("0123456789X"), 8, _VIN_WORTH
)
_VIN_LETTER: Final = SomeLetter((0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12))


def _vin_scheme(kept: str) -> Scheme:
    """VINs whose check digit holds, as in North America, and VINs where that place has another meaning."""
    alphabets: dict[str, Any] = {"W": _VIN_SYMBOLS, "V": _VIN_SYMBOLS, "Y": _YEARS}
    return scheme(
        form("WWWVVVVV$YVVVnnnn", _VIN_CHECK, _VIN_LETTER, has_letter=True, tweak="checked", kept=kept, **alphabets),
        form("WWWVVVVVVVVVVnnnn", Fails((_VIN_CHECK,)), _VIN_LETTER, has_letter=True, kept=kept, **alphabets),
        integers=False,
    )


VINS: Final = {True: _vin_scheme("W"), False: _vin_scheme("")}

_ISBN_10: Final = balanced(range(10, 0, -1), 11, digits="0123456789X")
ISBNS: Final = scheme(
    form("nnnnnnnnn$", _ISBN_10),
    form("978nnnnnnnnn#", balanced((1, 3) * 6 + (1,), 10)),
    form("979nnnnnnnnn#", balanced((1, 3) * 6 + (1,), 10), tweak="979"),
)


def _gtin(pattern: str) -> Form:
    """A number whose digits weigh 3 and 1 in turn from the end: GS1 General Specifications, 7.9."""
    weights = (1 if place % 2 else 3 for place in range(len(pattern), 0, -1))
    return form(pattern, balanced(weights, 10), F=_NO_ZERO)


EANS: Final = scheme(
    *(_gtin(pattern) for pattern in ("Fnnnnnn#", "0nnnnnn#")),
    *(_gtin(zeros + pattern) for zeros in ("", "0", "00") for pattern in ("Fnnnnnnnnnn#", "0nnnnnnnnnn#")),
    *(_gtin(zeros + pattern) for zeros in ("", "0") for pattern in ("Fnnnnnnnnnnn#",)),
    _gtin("Fnnnnnnnnnnnn#"),
)


@dataclass(frozen=True, slots=True)
class Vin:
    """Replace every vehicle identification number with another one.

    The first three symbols, which name the manufacturer, stay unless `keep_manufacturer` is false. Where the check
    digit holds (North America), it holds afterwards; where it does not (Europe), it does not.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Vin(), ["1M8GDM9AXKP042788", "WVWZZZ1JZ3W386752", None])
    ['1M8G3R6E2AGDP3261', 'WVWSZG4YAL0GW2967', None]
    """

    keep_manufacturer: bool = True

    name: ClassVar[str] = "vin"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text."""
        require_identifier(self.name, VINS[self.keep_manufacturer], field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return VINs."""
        return mask_identifiers(values, VINS[self.keep_manufacturer], ctx, ctx.key(self.name, 32))


@dataclass(frozen=True, slots=True)
class Isbn:
    """Replace every ISBN, of 10 or 13 digits, with another valid one of as many.

    The two spellings of one book become the two spellings of one other book. Hyphens stay where they are.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Isbn(), ["0-306-40615-2", "978-0-306-40615-7", None])
    ['6-662-48828-3', '978-6-662-48828-8', None]
    """

    name: ClassVar[str] = "isbn"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor a wide integer."""
        require_identifier(self.name, ISBNS, field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return ISBNs."""
        return mask_identifiers(values, ISBNS, ctx, ctx.key(self.name, 32))


@dataclass(frozen=True, slots=True)
class Ean:
    """Replace every article number (EAN-8, UPC-A, EAN-13, GTIN-14) with another valid one of as many digits.

    Leading zeros stay, so the same article is masked alike as UPC-A, EAN-13 and GTIN-14, and as an integer.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Ean(), ["4006381333931", "036000291452", "0036000291452", None])
    ['2224144456815', '088313746006', '0088313746006', None]
    """

    name: ClassVar[str] = "ean"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor a wide integer."""
        require_identifier(self.name, EANS, field)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return article numbers."""
        return mask_identifiers(values, EANS, ctx, ctx.key(self.name, 32))
