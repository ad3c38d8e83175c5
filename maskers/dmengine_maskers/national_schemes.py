"""The forms and check digits of the national numbers of people and companies, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from dmengine_maskers.checksums import (
    DIGITS,
    Luhn,
    NoneOf,
    NonZero,
    OneOf,
    SomeLetter,
    Weighted,
    balanced,
    powers,
    verhoeff,
)
from dmengine_maskers.forms import form
from dmengine_maskers.identifiers import Scheme, scheme
from dmengine_maskers.symbols import Codes, Flags

Kind = Literal[
    "au_abn", "au_tfn", "br_cnpj", "br_cpf", "ca_sin", "es_dni", "es_nie", "fr_nir", "in_aadhaar", "nz_ird",
    "uk_nhs", "uk_nino", "us_ein", "us_ssn",
]  # fmt: skip

_NO_ZERO: Final = "123456789"

# Australia. A business number begins with its check digits: abr.business.gov.au
_ABN: Final = Weighted(
    (0, 0, 3, 5, 7, 9, 11, 13, 15, 17, 19), 89, tuple(str(11 + (-rest - 1) % 89) for rest in range(89)), 0
)
_TFN: Final = balanced((1, 4, 3, 7, 5, 8, 6, 9, 10), 11)
_OLD_TFN: Final = balanced((1, 4, 3, 7, 5, 8, 6, 9), 11)

# Brazil. A rest of 10 is spelled 0; a letter counts as its ASCII code less 48 (Receita Federal, IN 2.229/2024)
_TEN_IS_ZERO: Final = tuple(str((-rest % 11) % 10) for rest in range(11))
_FROM_ASCII: Final = (*range(10), *range(17, 43))


def _two_digits(weights: tuple[int, ...]) -> tuple[Weighted, Weighted]:
    """Two check digits, the second of which reads the first; `weights` are those of the second."""
    count = len(weights) - 1
    return (
        Weighted((*weights[1:], 0, 0), 11, _TEN_IS_ZERO, count, _FROM_ASCII),
        Weighted((*weights, 0), 11, _TEN_IS_ZERO, count + 1, _FROM_ASCII),
    )


_CPF: Final = _two_digits((11, 10, 9, 8, 7, 6, 5, 4, 3, 2))
_CNPJ: Final = _two_digits((6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))

# Spain. The letter is the rest of a division by 23; X, Y and Z of foreigners count as 0, 1 and 2
_LETTERS: Final = tuple("TRWAGMYFPDXBNJZSQVHLCKE")
_DNI: Final = Weighted(powers(range(8), 1, 23), 23, _LETTERS, 8)
_NIE: Final = Weighted(powers(range(8), 1, 23), 23, _LETTERS, 8, (*range(10), *[0] * 23, 0, 1, 2))

# France. 2A counts as 19 and 2B as 18, so A as -1 and B as -2: Code de la sécurité sociale, INSEE
_NIR: Final = Weighted(
    powers(range(13), 2, 97), 97, tuple(f"{97 - rest:02d}" for rest in range(97)), 13, (*range(10), 96, 95, *[0] * 24)
)
_MONTHS: Final = {3: tuple(f"{month:02d}" for month in range(1, 13))}
_NIR_PARTS: Final = (_NIR, NonZero(5, 7), NonZero(7, 10), NonZero(10, 13))

# United States. Blocks of the SSN never assigned, and numbers that were published; prefixes of the EIN: irs.gov
_SSN_PARTS: Final = (
    NonZero(0, 3),
    NoneOf(0, ("666",)),
    NonZero(3, 5),
    NonZero(5, 9),
    NoneOf(0, ("078051120", "457555462", "219099999")),
)
_NO_EIN: Final = {"00", "07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97"}
_EIN: Final = OneOf(0, tuple(prefix for prefix in map("{:02d}".format, range(100)) if prefix not in _NO_EIN))

# United Kingdom. Letters and pairs of letters that never begin a national insurance number: HMRC, NIM39110
_NINO: Final[Mapping[str, Any]] = {"F": "ABCEGHJKLMNOPRSTWXYZ", "S": "ABCEGHJKLMNPRSTWXYZ", "E": "ABCD"}
_NINO_PAIRS: Final = NoneOf(0, ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))


def _nz_ird(codes: Codes) -> Flags | None:
    """Write the last digit; where the first weights leave 10, the second ones count: IRD, NBS specification."""
    short = 9 - len(codes)  # numbers of eight digits have a zero in front
    rests = [
        Weighted((*weights[short:], 0), 11, DIGITS, 0).residues(codes)
        for weights in ((3, 2, 7, 6, 5, 4, 3, 2), (7, 4, 3, 2, 5, 2, 7, 6))
    ]
    rest = np.where(rests[0] == 1, rests[1], rests[0])
    codes[-1] = np.where(rest == 0, 0, 11 - rest) % 10
    return np.asarray(rest != 1)


def _varied(codes: Codes) -> Flags | None:
    """Hold where not all digits are the same, which is how nobody's number is filled in."""
    return np.asarray((codes[1:] != codes[0]).any(axis=0))


def _no_palindrome(codes: Codes) -> Flags | None:
    return np.asarray((codes != codes[::-1]).any(axis=0))


SCHEMES: Final[Mapping[Kind, Scheme]] = {
    "au_abn": scheme(form("##nnnnnnnnn", _ABN)),
    "au_tfn": scheme(
        form("Fnnnnnnn#", _TFN, F=_NO_ZERO),
        form("0nnnnnnn#", _TFN),
        form("Fnnnnnn#", _OLD_TFN, F=_NO_ZERO),
        form("0nnnnnn#", _OLD_TFN),
    ),
    "br_cnpj": scheme(
        form("nnnnnnnnnnnn##", *_CNPJ, NonZero(0, 12)),
        form("cccccccccccc##", *_CNPJ, SomeLetter(tuple(range(12))), has_letter=True),
    ),
    "br_cpf": scheme(form("nnnnnnnnn##", *_CPF, _varied)),
    "ca_sin": scheme(form("Fnnnnnnn#", Luhn(), F="12345679")),
    "es_dni": scheme(form("nnnnnnnn@", _DNI, has_letter=True), integers=False),
    "es_nie": scheme(form("Fnnnnnnn@", _NIE, has_letter=True, F="XYZ"), integers=False),
    "fr_nir": scheme(
        *(form("SnnMnnnnnnnnn##", *_NIR_PARTS, joint=_MONTHS, S=sexes, M="01") for sexes in ("12", "78")),
        *(
            form("SnnMn2Dnnnnnn##", *_NIR_PARTS, has_letter=True, joint=_MONTHS, S=sexes, M="01", D="AB")
            for sexes in ("12", "78")
        ),
    ),
    "in_aadhaar": scheme(form("Fnnnnnnnnnn#", verhoeff, _no_palindrome, F="23456789")),
    "nz_ird": scheme(
        form("Fnnnnnn#", _nz_ird, F=_NO_ZERO),
        form("0Fnnnnnn#", _nz_ird, F=_NO_ZERO),
        form("1Fnnnnnn#", _nz_ird, F="01234"),
    ),
    "uk_nhs": scheme(form("nnnnnnnnn#", balanced(range(10, 0, -1), 11), _varied)),
    "uk_nino": scheme(
        form("FSnnnnnnE", _NINO_PAIRS, has_letter=True, **_NINO),
        form("FSnnnnnn", _NINO_PAIRS, has_letter=True, **_NINO),
        integers=False,
    ),
    "us_ein": scheme(form("nnnnnnnnn", _EIN)),
    "us_ssn": scheme(form("Fnnnnnnnn", *_SSN_PARTS, F="012345678")),
}
