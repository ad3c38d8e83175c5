"""Encrypt identifiers so that they keep their form, and the key gives them back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, is_text
from dmengine.errors import PlanError
from dmengine.ff1 import FF1, MIN_DOMAIN, digits_of
from dmengine.spi import Finding, Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers.kinds import wrong_option, wrong_type

_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHABETS: Final = {
    "digits": _DIGITS,
    "lower": _UPPER.lower(),
    "upper": _UPPER,
    "letters": _UPPER + _UPPER.lower(),
    "lower_alphanumeric": _DIGITS + _UPPER.lower(),
    "upper_alphanumeric": _DIGITS + _UPPER,
    "alphanumeric": _DIGITS + _UPPER + _UPPER.lower(),
    "hex": "0123456789abcdef",
    "upper_hex": "0123456789ABCDEF",
}
PUNCTUATION: Final = " -./_:,+()#@"

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64 | np.uint64]
_DOCUMENT_INTEGER: Final = r"^(0|-?[1-9][0-9]{0,17})$"


@dataclass(frozen=True, slots=True)
class Fpe:
    """Encrypt within an alphabet (FF1 of NIST SP 800-38G): same length, same punctuation, and reversible by key.

    `alphabet` is one of `ALPHABETS` by name, or the characters themselves; the characters of `chars_to_ignore` stay
    where they are, and any other character makes a mismatch. An empty text stays empty.

    Integers keep their sign and count of digits, or stay within `minimum` to `maximum` where these are given.

    A form with fewer than a million values (six digits) gives itself away, so such a value is a mismatch unless
    `allow_small_domain` is set.

    >>> from dmengine.testing.context import mask_values, unmask_values
    >>> cards = ["4111-1111-1111-1234", None]
    >>> masked = mask_values(Fpe(), cards)
    >>> masked
    ['2355-4370-9245-8044', None]
    >>> unmask_values(Fpe(), masked) == cards
    True
    """

    alphabet: str = "digits"
    chars_to_ignore: str = PUNCTUATION
    minimum: int | None = None
    maximum: int | None = None
    allow_small_domain: bool = False

    name: ClassVar[str] = "fpe"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "injective"
    reversible: ClassVar[bool] = True
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is neither text nor integer, and domains that are too small."""
        ranged = self.minimum is not None or self.maximum is not None
        if is_text(field.type):
            if ranged:
                raise wrong_option(self.name, "minimum and maximum", "be left out for text", "they are for integers")
            self._check_alphabet(limits)
        elif not (pa.types.is_integer(field.type) or isinstance(field.type, NumberType)):
            raise wrong_type(self.name, "text and integers", field, "use number, date_shift or redact")
        elif ranged:
            self._check_range(field.type)
        elif not self.allow_small_domain and _range_of(field.type)[1] < MIN_DOMAIN:
            raise PlanError(
                f"fpe: {field.type} holds fewer than {MIN_DOMAIN} values", hint="use number, or set allow_small_domain"
            )
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say how small a domain is that was allowed to be."""
        if not self.allow_small_domain:
            return
        size = ""
        if self.minimum is not None and self.maximum is not None:
            size = f": {self.maximum - self.minimum + 1:,} values"
        hint = "whoever sees some pairs of original and mask learns the others: NIST SP 800-38G asks for 1,000,000"
        yield Finding("warning", f"fpe may work in a small domain{size}", hint=hint)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the encrypted values."""
        return self._apply(values, ctx, decrypt=False)

    def unmask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the originals of masked values."""
        return self._apply(values, ctx, decrypt=True)

    def _check_alphabet(self, limits: Limits) -> None:
        characters = self._characters()
        if len(set(characters)) != len(characters) or len(characters) < 2:
            names = ", ".join(ALPHABETS)
            raise wrong_option(self.name, "alphabet", "have two or more different characters", f"or be one of: {names}")
        widths = {len(character.encode()) for character in characters}
        if limits.max_bytes is not None and len(widths) > 1:
            raise wrong_option(
                self.name, "alphabet", "have characters of one width in a target with a byte limit", "use ASCII only"
            )

    def _check_range(self, kind: pa.DataType) -> None:
        if self.minimum is None or self.maximum is None or self.minimum >= self.maximum:
            raise wrong_option(self.name, "minimum and maximum", "be given both, and rise", "such as 0 and 9999999")
        low, high = (-(2**63), 2**63 - 1) if isinstance(kind, NumberType) else _range_of(kind)
        if self.minimum < low or self.maximum > high:
            raise wrong_option(self.name, "minimum and maximum", f"fit in {kind}", "give a smaller range")
        if self.maximum - self.minimum + 1 < MIN_DOMAIN and not self.allow_small_domain:
            raise PlanError(
                f"fpe: the range has fewer than {MIN_DOMAIN} values", hint="widen it, or set allow_small_domain"
            )

    def _characters(self) -> str:
        return ALPHABETS.get(self.alphabet, self.alphabet)

    def _apply(self, values: pa.Array, ctx: MaskContext, *, decrypt: bool) -> pa.Array:
        cipher = FF1(ctx.key(self.name, 32), len(self._characters()), allow_small_domain=self.allow_small_domain)
        if is_text(values.type):
            return self._text(cipher, values, ctx, decrypt=decrypt)
        numbers, refused = _integers(values)
        if self.minimum is not None and self.maximum is not None:
            refused |= ~_within(numbers, self.minimum, self.maximum)
            result = _in_range(cipher, numbers, ~refused, self.minimum, self.maximum, decrypt=decrypt)
        else:
            result, done = self._by_digits(cipher, numbers, _range_of(values.type)[1], decrypt=decrypt)
            refused |= ~done
        if refused.any():
            ctx.mismatch(refused)
        return _as_column(result, values.type)

    def _text(self, cipher: FF1, values: pa.Array, ctx: MaskContext, *, decrypt: bool) -> pa.Array:
        spelling = digits_of(self._characters(), values, skip_others=True)
        empty = booleans(pc.equal(pc.binary_length(values), 0))
        refused = spelling.refused(cipher) & ~empty
        if spelling.spelt is not None:
            kept = "".join(sorted(set(self.chars_to_ignore) - set(self._characters())))
            refused |= digits_of(self._characters() + kept, values).outside
        if refused.any():
            ctx.mismatch(refused)
        result = spelling.decrypt(cipher) if decrypt else spelling.encrypt(cipher)
        return pc.fill_null(result, "") if result.null_count else result

    def _by_digits(self, cipher: FF1, numbers: Integers, highest: int, *, decrypt: bool) -> tuple[Integers, Flags]:
        """Permute the numbers of each count of digits among themselves, where the type holds all of them."""
        size, negative = np.abs(numbers), numbers < 0
        result, done = np.zeros_like(numbers), np.zeros(len(numbers), np.bool_)
        low, digits = 0, 1
        while 10**digits - 1 <= highest:
            count = 10**digits - low
            rows = np.flatnonzero((size >= low) & (size < 10**digits))
            if rows.size and (count >= MIN_DOMAIN or self.allow_small_domain):
                result[rows] = _permuted(cipher, size[rows] - low, count, decrypt=decrypt) + low
                done[rows] = True
            low, digits = 10**digits, digits + 1
        return np.where(negative, -result, result), done


def _permuted(cipher: FF1, places: npt.NDArray[np.uint64], count: int, *, decrypt: bool) -> npt.NDArray[np.uint64]:
    return cipher.decrypt_integers(places, count) if decrypt else cipher.encrypt_integers(places, count)


def _in_range(cipher: FF1, numbers: Integers, chosen: Flags, minimum: int, maximum: int, *, decrypt: bool) -> Integers:
    """Permute the chosen numbers within a range; the others come out 0."""
    first = np.uint64(minimum % (1 << 64))  # differences wrap around at 2^64, and back
    places = numbers[chosen].view(np.uint64) - first
    result = np.zeros_like(numbers)
    permuted = _permuted(cipher, places, maximum - minimum + 1, decrypt=decrypt)
    result[chosen] = (permuted + first).view(numbers.dtype)
    return result


def _integers(values: pa.Array) -> tuple[Integers, Flags]:
    """Return integers as they are, or those of documents, and which of them are none of 18 digits."""
    if not isinstance(values.type, NumberType):
        wide = np.uint64 if pa.types.is_uint64(values.type) else np.int64
        return values.to_numpy(zero_copy_only=False).astype(wide), np.zeros(len(values), np.bool_)
    texts = values.storage
    whole = pc.match_substring_regex(texts, _DOCUMENT_INTEGER)
    numbers = pc.if_else(whole, texts, "0").cast(pa.int64())
    return numbers.to_numpy(zero_copy_only=False).copy(), ~booleans(whole)


def _within(numbers: Integers, minimum: int, maximum: int) -> Flags:
    return (numbers >= minimum) & (numbers <= maximum)


def _range_of(kind: pa.DataType) -> tuple[int, int]:
    if isinstance(kind, NumberType):
        return 1 - 10**18, 10**18 - 1
    info = np.iinfo(kind.to_pandas_dtype())
    return int(info.min), int(info.max)


def _as_column(numbers: Integers, kind: pa.DataType) -> pa.Array:
    if isinstance(kind, NumberType):
        return pa.ExtensionArray.from_storage(kind, pa.array(numbers).cast(pa.string()))
    return pa.array(numbers.astype(kind.to_pandas_dtype()), kind)
