"""What personal data looks like in free text: expressions, and the checks that tell it from other text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine_maskers.checksums import Check, Luhn, mod_97_10
from dmengine_maskers.iban_structures import STRUCTURES
from dmengine_maskers.symbols import read_symbols

Flags = npt.NDArray[np.bool_]

What = Literal[
    "email", "url", "credit_card", "iban", "us_ssn", "ipv4", "ipv6", "mac", "date", "phone"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recogniser:
    """An expression for one kind of data.

    Attributes:
        body: What it looks like (RE2).
        lead: What may stand before it: an expression for one character that is not part of it, or for nothing.
        not_after: Bytes that do not follow it.
        sign: A text without which there can be none, so that most values need no look.
        check: Says which of the texts that look like it are.
        last_piece: Separators: what does not hold is looked at again without what follows the last of them, because
            it may be another number (a card's expiry date).
    """

    body: str
    lead: str = ""
    not_after: bytes = b""
    sign: str = ""
    check: Callable[[pa.Array], Flags] | None = None
    last_piece: bytes = b""


_DIGITS: Final = b"0123456789"
_WORD: Final = _DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_" + bytes(range(0x80, 0x100))
_NO_DIGIT: Final = "^|[^0-9]"
_NO_WORD: Final = r"^|[^\pL\pN_]"

_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_PIECE: Final = "[0-9A-Fa-f]{1,4}"
_MONTH: Final = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?)"
)
_DAY: Final = "(?:[12][0-9]|3[01]|0?[1-9])"  # the longer ones first: the first that fits is taken
_YEAR: Final = "(?:[12][0-9]{3})"


def checked_by(check: Check) -> Callable[[pa.Array], Flags]:
    """Return a function that says which texts have the right check digits.

    >>> checked_by(Luhn())(pa.array(["4111 1111 1111 1111", "4111 1111 1111 1112"])).tolist()
    [True, False]
    """

    def holds(texts: pa.Array) -> Flags:
        symbols = read_symbols(texts, ())
        right = np.zeros(len(texts), np.bool_)
        for rows, codes in symbols.groups():
            written = codes.copy()
            possible = check(written)
            same = (written == codes).all(axis=0)
            right[slice(None) if rows is None else rows] = same if possible is None else same & possible
        return right & ~symbols.refused

    return holds


def _iban() -> str:
    """One branch for each length, so that words that follow are not taken for more of the number."""
    lengths: dict[int, list[str]] = {}
    for country, structure in STRUCTURES.items():
        digits = "".join(c if c.isdigit() else " " for c in structure).split()
        lengths.setdefault(sum(map(int, digits)), []).append(country)
    branches = (f"(?:{'|'.join(names)})[0-9]{{2}}(?: ?[A-Z0-9]){{{length}}}" for length, names in lengths.items())
    return f"(?i:{'|'.join(branches)})"


RECOGNISERS: Final[Mapping[What, Recogniser]] = {
    "email": Recogniser(
        r"[\pL\pN_][\pL\pN_.!#$%&'*+/=?^{|}~-]*@(?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+(?:xn--[A-Za-z0-9-]+|\pL{2,})",
        sign="@",
    ),
    "url": Recogniser(
        r"""(?i:(?:https?|ftp)://|www\.)[^\s<>"]*[^\s<>".,;:!?)\]}']""", lead=_NO_WORD, sign=".",
    ),
    "credit_card": Recogniser(
        "[0-9]{12,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,4}(?:[ -][0-9]{1,4})?|"
        "3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}(?:[ -][0-9]{1,4})?",
        lead=_NO_DIGIT, not_after=_DIGITS, check=checked_by(Luhn()), last_piece=b" -",
    ),
    "iban": Recogniser(_iban(), lead=_NO_WORD, not_after=_WORD, check=checked_by(mod_97_10)),
    "us_ssn": Recogniser("[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}", lead=_NO_DIGIT, not_after=_DIGITS),
    "ipv4": Recogniser(rf"(?:{_BYTE}\.){{3}}{_BYTE}", lead="^|[^0-9.]", not_after=_DIGITS, sign="."),
    "ipv6": Recogniser(
        f"(?:{_PIECE}:){{7}}{_PIECE}|(?:{_PIECE}:){{1,6}}(?::{_PIECE}){{1,6}}|(?:{_PIECE}:){{1,7}}:|:(?::{_PIECE}){{1,7}}",
        lead=r"^|[^\pL\pN_:.]", not_after=_WORD + b":", sign=":",
    ),
    "mac": Recogniser("(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", lead=r"^|[^\pL\pN_:-]", not_after=_WORD + b":-"),
    "date": Recogniser(
        rf"(?i:{_YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.]{_DAY}|{_DAY}[-/.]{_DAY}[-/.](?:{_YEAR}|[0-9]{{2}})|"
        rf"{_DAY}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH}\.?,? {_YEAR}|{_MONTH}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR})",
        lead=_NO_WORD, not_after=_DIGITS,
    ),
    "phone": Recogniser(
        r"\+[0-9]{1,3}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?[0-9](?:[ .-]?[0-9]){5,12}|"
        r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}|"
        r"(?:\(0[0-9]{1,5}\)[ /-]?|0[0-9]{1,5}[ /-])(?:[0-9][ -]?){4,9}[0-9]",
        lead=r"^|[^\pL\pN_.+-]", not_after=_DIGITS,
    ),
}  # fmt: skip


@cache
def table_of(characters: bytes) -> Flags:
    """Return, for each byte, whether it is one of these."""
    table = np.zeros(256, np.bool_)
    table[list(characters)] = True
    return table
