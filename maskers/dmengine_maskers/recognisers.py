"""What personal data looks like in free text: expressions, and the checks that tell it from other text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from dmengine_maskers import windows
from dmengine_maskers.blocks import Flags, Spans
from dmengine_maskers.checksums import Check, Luhn, mod_97_10
from dmengine_maskers.iban_structures import LENGTHS
from dmengine_maskers.scanning import Scan
from dmengine_maskers.symbols import read_symbols
from dmengine_maskers.windows import DIGITS, WORD

What = Literal[
    "email", "url", "credit_card", "iban", "us_ssn", "ipv4", "ipv6", "mac", "date", "phone"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recogniser:
    """An expression for one kind of data.

    Attributes:
        body: What it looks like (RE2).
        near: Where it has to be looked for; None: everywhere, which is slow.
        not_before: What does not stand before it: characters as they are written within brackets.
        not_after: Bytes that do not follow it.
        check: Says which of the texts that look like it are.
        last_piece: Separators: what does not hold is looked at again without what follows the last of them, because
            it may be another number (a card's expiry date).
    """

    body: str
    near: Callable[[Scan], Spans] | None = None
    not_before: str = ""
    not_after: bytes = b""
    check: Callable[[pa.Array], Flags] | None = None
    last_piece: bytes = b""


_WORD: Final = r"\pL\pN_"

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
    for country, length in LENGTHS.items():
        lengths.setdefault(length, []).append(country)
    branches = (f"(?:{'|'.join(names)})[0-9]{{2}}(?: ?[A-Z0-9]){{{length}}}" for length, names in lengths.items())
    return f"(?i:{'|'.join(branches)})"


RECOGNISERS: Final[Mapping[What, Recogniser]] = {
    "email": Recogniser(
        r"[\pL\pN_][\pL\pN_.!#$%&'*+/=?^{|}~-]*@(?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+(?:xn--[A-Za-z0-9-]+|[\pL]{2,})",
        windows.email_windows,
    ),
    "url": Recogniser(
        r"""(?i:(?:https?|ftp)://|www\.)[^\s<>"]*[^\s<>".,;:!?)\]}']""", windows.url_windows, _WORD,
    ),
    "credit_card": Recogniser(
        "[0-9]{12,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,4}(?:[ -][0-9]{1,4})?|"
        "3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}(?:[ -][0-9]{1,4})?",
        windows.card_windows, "0-9", DIGITS, check=checked_by(Luhn()), last_piece=b" -",
    ),
    "iban": Recogniser(_iban(), windows.iban_windows, _WORD, WORD, check=checked_by(mod_97_10)),
    "us_ssn": Recogniser("[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}", windows.ssn_windows, "0-9", DIGITS),
    "ipv4": Recogniser(rf"(?:{_BYTE}\.){{3}}{_BYTE}", windows.ipv4_windows, "0-9.", DIGITS),
    "ipv6": Recogniser(
        f"(?:{_PIECE}:){{7}}{_PIECE}|(?:{_PIECE}:){{1,6}}(?::{_PIECE}){{1,6}}|(?:{_PIECE}:){{1,7}}:|:(?::{_PIECE}){{1,7}}",
        windows.ipv6_windows, _WORD + ":.", WORD + b":",
    ),
    "mac": Recogniser("(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", windows.mac_windows, _WORD + ":-", WORD + b":-"),
    "date": Recogniser(
        rf"(?i:{_YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.]{_DAY}|{_DAY}[-/.]{_DAY}[-/.](?:{_YEAR}|[0-9]{{2}})|"
        rf"{_DAY}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH}\.?,? {_YEAR}|{_MONTH}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR})",
        windows.date_windows, _WORD, DIGITS,
    ),
    "phone": Recogniser(
        r"\+[0-9]{1,3}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?[0-9](?:[ .-]?[0-9]){5,12}|"
        r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}|"
        r"(?:\(0[0-9]{1,5}\)[ /-]?|0[0-9]{1,5}[ /-])(?:[0-9][ -]?){4,9}[0-9]",
        windows.phone_windows, _WORD + ".+-", DIGITS,
    ),
}  # fmt: skip
