"""The national check digits inside an IBAN, for the countries that have and publish them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from dmengine_maskers.checksums import DIGITS, Check, Luhn, NonZero, Weighted, Within, powers, remainder
from dmengine_maskers.symbols import Codes, Flags

FIRST: Final = 4
"""Where the account number begins, after the country and the check digits of the IBAN."""


class NationalCheck(NamedTuple):
    """Check digits within an account number: positions (counted in the account number) and what writes them."""

    positions: tuple[int, ...]
    checks: tuple[Check, ...]


def _within(length: int, positions: tuple[int, ...], *checks: Check) -> NationalCheck:
    return NationalCheck(positions, tuple(Within(FIRST, FIRST + length, check) for check in checks))


def _mod_97_10(length: int) -> NationalCheck:
    """ISO 7064 over all that comes before the last two digits."""
    spelled = tuple(f"{98 - rest * 100 % 97:02d}" for rest in range(97))
    check = Weighted(powers(range(length - 2), 2, 97), 97, spelled, length - 2)
    return _within(length, (length - 2, length - 1), check)


# Belgium: the rest of a division by 97, where 0 is written 97
_BE: Final = Weighted(powers(range(10), 2, 97), 97, ("97", *(f"{rest:02d}" for rest in range(1, 97))), 10)

# Spain: one digit for bank and branch, one for the account; 10 is written 1 and 11 is written 0
_ES_SPELLED: Final = tuple("01987654321"[rest] if rest else "0" for rest in range(11))
_ES: Final = (
    Weighted((4, 8, 5, 10, 9, 7, 3, 6, *[0] * 12), 11, _ES_SPELLED, 8),
    Weighted((*[0] * 10, 1, 2, 4, 8, 5, 10, 9, 7, 3, 6), 11, _ES_SPELLED, 9),
)

# France: letters count as 1 to 9 for A to I and J to R, and 2 to 9 for S to Z
_RIB: Final = Weighted(
    (*powers(range(23), 0, 97)[:21], 0, 0),
    97,
    tuple(f"{97 - rest:02d}" for rest in range(97)),
    21,
    (*range(10), *range(1, 10), *range(1, 10), *range(2, 10)),
)

# Italy: a letter; characters at odd places count by a table, and at even ones by their order
_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_EVEN_WORTH: Final = (*range(10), *range(26))
_ODD_WORTH: Final = (*_ODD[:10], *_ODD)


def _italian(codes: Codes) -> Flags | None:
    """Write the first letter (CIN) of an Italian account number."""
    odd = Weighted((0, *[1, 0] * 11), 26, DIGITS, 0, _ODD_WORTH).residues(codes)
    even = Weighted((0, *[0, 1] * 11), 26, DIGITS, 0, _EVEN_WORTH).residues(codes)
    codes[0] = 10 + remainder(odd + even, 26)
    return None


_NO: Final = Weighted((6, 7, 8, 9, 4, 5, 6, 7, 8, 9, 0), 11, (*DIGITS, ""), 10)

CHECKS: Final[Mapping[str, NationalCheck]] = {
    "BE": _within(12, (10, 11), _BE),
    "ES": _within(20, (8, 9), *_ES),
    "FI": _within(14, (13,), Luhn()),
    "FR": _within(23, (21, 22), _RIB),
    "IT": _within(23, (0,), _italian),
    "MC": _within(23, (21, 22), _RIB),
    "NO": _within(11, (10,), _NO, NonZero(0, 4)),
    "SM": _within(23, (0,), _italian),
    **{country: _mod_97_10(length) for country, length in (
        ("BA", 16), ("ME", 18), ("PT", 21), ("RS", 18), ("SI", 15),
    )},
}  # fmt: skip
