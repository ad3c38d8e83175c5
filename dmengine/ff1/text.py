"""Texts as digits of an alphabet, and back, for a whole column at a time.

A cipher over digits wants rows of one length. `digits_of` spells a text column in the digits of an alphabet, finds
the rows that cannot be spelled or are too short, and groups the others by length; the way back leaves every
character that is not of the alphabet where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.errors import MaskError, PlanError

Digits: TypeAlias = npt.NDArray[np.integer[Any]]
Mask: TypeAlias = npt.NDArray[np.bool_]
Positions: TypeAlias = npt.NDArray[np.int64]

MIN_DOMAIN: Final = 1_000_000
"""The fewest texts that SP 800-38G Rev. 1 lets FF1 work on: below that, a table of all of them is soon complete."""

FLOOR: Final = 100
"""The fewest texts of a length that SP 800-38G (2016) allows; FF1 is not defined below."""

_INT32_MAX: Final = (1 << 31) - 1


class DigitCipher(Protocol):
    """What can encipher rows of digits: an `FF1`."""

    @property
    def radix(self) -> int: ...  # noqa: D102
    @property
    def allow_small_domain(self) -> bool: ...  # noqa: D102
    def encrypt_digits(self, digits: Digits) -> Digits: ...  # noqa: D102
    def decrypt_digits(self, digits: Digits) -> Digits: ...  # noqa: D102


def domain_size(radix: int, length: int) -> int:
    """Count the texts of a length.

    >>> domain_size(10, 6) >= MIN_DOMAIN, domain_size(36, 3) >= MIN_DOMAIN
    (True, False)
    """
    return int(radix**length)


def smallest_length(radix: int, domain: int = MIN_DOMAIN) -> int:
    """Return the least length, two or more, that has at least so many texts.

    >>> smallest_length(10), smallest_length(36), smallest_length(2, 100)
    (6, 4, 7)
    """
    length = 2
    while radix**length < domain:
        length += 1
    return length


def encrypt_text(cipher: DigitCipher, alphabet: str, values: pa.Array, *, skip_others: bool = False) -> pa.Array:
    """Encipher every value of a text array within an alphabet; length, type and nulls stay.

    With `skip_others`, a character that is not of the alphabet stays where it is and the rest is enciphered;
    without, such a value is refused. Ask `digits_of` first where single values should be treated otherwise.

    >>> from dmengine.ff1 import FF1
    >>> cards = pa.array(["4111-1111-1111-1111", None])
    >>> masked = encrypt_text(FF1(bytes(32), radix=10), "0123456789", cards, skip_others=True)
    >>> [text and (len(text), text[4]) for text in masked.to_pylist()]
    [(19, '-'), None]

    Raises:
        MaskError: values with a character outside the alphabet, or too short for the cipher; all or nothing.
    """
    return _checked(cipher, alphabet, values, skip_others).encrypt(cipher)


def decrypt_text(cipher: DigitCipher, alphabet: str, values: pa.Array, *, skip_others: bool = False) -> pa.Array:
    """Undo `encrypt_text`."""
    return _checked(cipher, alphabet, values, skip_others).decrypt(cipher)


def digits_of(alphabet: str, values: pa.Array, *, skip_others: bool = False) -> Spelling:
    """Spell a string or large_string array in the digits of an alphabet: its first character is digit 0.

    >>> spelling = digits_of("0123456789", pa.array(["12", "3x", None, ""]))
    >>> spelling.outside.tolist(), spelling.lengths.tolist()
    ([False, True, False, False], [2, 2, 0, 0])
    """
    script = _Script(alphabet)
    symbols, offsets = script.read(values)
    absent = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else np.zeros(len(values), np.bool_)
    codes = script.codes(symbols)
    outside = np.zeros(len(values), dtype=np.bool_)
    if not codes.size or int(codes.max()) < script.radix:
        return Spelling(script, values.type, symbols, offsets, absent, outside, None, codes, offsets)
    spelt = codes < script.radix
    before = np.concatenate(([0], np.cumsum(spelt)))[offsets]
    if skip_others:
        return Spelling(script, values.type, symbols, offsets, absent, outside, spelt, codes[spelt], before)
    outside = (np.diff(before) != np.diff(offsets)) & ~absent
    return Spelling(script, values.type, symbols, offsets, absent, outside, None, codes, offsets)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Spelling:
    """A text column spelled in the digits of an alphabet.

    `outside` marks the rows that hold another character, never with `skip_others`. Nulls are marked nowhere.
    """

    script: _Script
    type: pa.DataType
    symbols: Digits
    offsets: Positions
    absent: Mask
    outside: Mask
    spelt: Mask | None
    digits: Digits
    digit_offsets: Positions

    @property
    def lengths(self) -> Positions:
        """Digits of each row; 0 for a null."""
        return np.where(self.absent, 0, np.diff(self.digit_offsets))

    def too_short(self, domain: int = MIN_DOMAIN) -> Mask:
        """Mark the rows, apart from nulls, with so few digits that fewer than `domain` texts share their form.

        >>> digits_of("0123456789", pa.array(["123456", "12345", None])).too_short().tolist()
        [False, True, False]
        """
        return (self.lengths < smallest_length(self.script.radix, domain)) & ~self.absent

    def refused(self, cipher: DigitCipher) -> Mask:
        """Mark the rows that this cipher cannot take: a character outside, or too short."""
        return self.outside | self.too_short(FLOOR if cipher.allow_small_domain else MIN_DOMAIN)

    def encrypt(self, cipher: DigitCipher) -> pa.Array:
        """Encipher the column. A refused row comes out null, never as it was."""
        self._match(cipher)
        return self.respell(cipher.encrypt_digits, ~self.refused(cipher))

    def decrypt(self, cipher: DigitCipher) -> pa.Array:
        """Undo `encrypt`."""
        self._match(cipher)
        return self.respell(cipher.decrypt_digits, ~self.refused(cipher))

    def groups(self, chosen: Mask | None = None) -> Iterator[tuple[Positions, Digits]]:
        """Yield the rows of each length, and their digits as a (rows, length) array.

        Nulls, rows with a character outside and rows without any digit are left out, and so is what is not chosen.

        >>> [(rows.tolist(), digits.tolist()) for rows, digits in digits_of("ab", pa.array(["ab", "b", "aa"])).groups()]
        [([1], [[1]]), ([0, 2], [[0, 1], [0, 0]])]
        """
        lengths = self.lengths
        spelt = ~(self.absent | self.outside) & (lengths > 0)
        rows = np.flatnonzero(spelt if chosen is None else spelt & chosen)
        if rows.size == 0:
            return
        lengths = lengths[rows]
        if int(lengths.min()) != int(lengths.max()):
            order = np.argsort(lengths, kind="stable")
            rows, lengths = rows[order], lengths[order]
        for group in np.split(rows, np.flatnonzero(np.diff(lengths)) + 1):
            starts = self.digit_offsets[group]
            length = int(self.digit_offsets[group[0] + 1] - starts[0])
            if len(group) == len(self.absent):  # all rows, all of one length: the digits lie ready
                yield group, self.digits.reshape(-1, length)
            else:
                yield group, _windows(self.digits, length)[starts].view(self.digits.dtype).reshape(-1, length)

    def respell(self, change: Callable[[Digits], Digits], chosen: Mask) -> pa.Array:
        """Write the column anew from changed digits. A row that is not chosen or is outside comes out null."""
        changed = np.zeros_like(self.digits)
        for rows, digits in self.groups(chosen):
            length = digits.shape[1]
            result = np.ascontiguousarray(change(digits), dtype=changed.dtype)
            if len(rows) == len(self.absent):
                changed = result.reshape(-1)
            else:
                _windows(changed, length)[self.digit_offsets[rows]] = _rows_as_items(result)
        symbols = self.script.symbols_of(changed)
        if self.spelt is not None:
            others, symbols = symbols, self.symbols.copy()
            symbols[self.spelt] = others
        return self._array(symbols, chosen & ~(self.absent | self.outside))

    def _array(self, symbols: Digits, present: Mask) -> pa.Array:
        offsets = self.offsets
        validity = None
        if not present.all():  # nothing of a row that is null may stay in the buffers
            lengths = np.diff(offsets)
            symbols = symbols[np.repeat(present, lengths)]
            offsets = np.concatenate(([0], np.cumsum(np.where(present, lengths, 0))))
            validity = pa.py_buffer(np.packbits(present, bitorder="little"))
        content, offsets = self.script.write(symbols, offsets)
        if pa.types.is_string(self.type) and int(offsets[-1]) > _INT32_MAX:
            raise MaskError(
                "the masked text passes the 2 GiB of a string array", hint="use large_string or smaller batches"
            )
        offset_type = np.int32 if pa.types.is_string(self.type) else np.int64
        buffers = [validity, pa.py_buffer(offsets.astype(offset_type)), pa.py_buffer(content)]
        return pa.Array.from_buffers(self.type, len(present), buffers)

    def _match(self, cipher: DigitCipher) -> None:
        if cipher.radix != self.script.radix:
            raise PlanError(
                f"a cipher of radix {cipher.radix} cannot work in an alphabet of {self.script.radix} characters",
                hint="give the cipher radix=len(alphabet)",
            )


class _Script:
    """Reads and writes the characters of an alphabet: bytes where all are ASCII, else code points."""

    def __init__(self, alphabet: str) -> None:
        points = [ord(character) for character in alphabet]
        if not 2 <= len(points) <= 1 << 16 or len(set(points)) != len(points):
            raise PlanError("an alphabet has 2 to 65536 characters, all different", hint="remove what occurs twice")
        if any(0xD800 <= point < 0xE000 for point in points):
            raise PlanError("an alphabet cannot hold lone surrogates", hint="give whole characters")
        self.radix = len(points)
        self._ascii = max(points) < 0x80
        unit = np.uint8 if self._ascii else np.uint32
        self._points: Digits = np.array(points, dtype=unit)
        # digits, or letters of one case, are a run: a subtraction looks them up
        self._run = points == list(range(points[0], points[0] + len(points)))
        self._first = self._points[0]
        # what lies above the table is clipped to its last entry
        self._table: Digits = np.full(1 if self._run else max(points) + 2, np.iinfo(unit).max, dtype=unit)
        if not self._run:
            self._table[self._points] = np.arange(self.radix, dtype=unit)

    def codes(self, symbols: Digits) -> Digits:
        """Look up the digit of each symbol; `radix` or more is no digit."""
        return symbols - self._first if self._run else self._table.take(symbols, mode="clip")

    def symbols_of(self, digits: Digits) -> Digits:
        return digits + self._first if self._run else self._points.take(digits)

    def read(self, values: pa.Array) -> tuple[Digits, Positions]:
        """Return the symbols of all rows, and where each row begins and the last ends."""
        content, offsets = _text_bytes(values)
        if self._ascii:
            return content, offsets
        text = _decoded(content)
        if text is None:
            raise MaskError("a text column holds bytes that are not UTF-8", hint="read it as binary, or repair it")
        begins = (content & 0xC0) != 0x80
        characters = np.concatenate(([0], np.cumsum(begins)))
        return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32), characters[offsets]

    def write(self, symbols: Digits, offsets: Positions) -> tuple[bytes | Digits, Positions]:
        """Return the UTF-8 bytes of symbols, and the offsets in bytes."""
        if self._ascii:
            return np.ascontiguousarray(symbols), offsets
        sizes = 1 + (symbols >= 0x80).astype(np.int64) + (symbols >= 0x800) + (symbols >= 0x10000)
        sums = np.concatenate(([0], np.cumsum(sizes)))
        return symbols.astype("<u4").tobytes().decode("utf-32-le").encode(), sums[offsets]


def _checked(cipher: DigitCipher, alphabet: str, values: pa.Array, skip_others: bool) -> Spelling:
    spelling = digits_of(alphabet, values, skip_others=skip_others)
    outside = int(spelling.outside.sum())
    if outside:
        raise MaskError(
            f"{outside} of {len(values)} values hold a character outside the alphabet",
            hint="add it to the alphabet, skip other characters, or set on_mismatch",
        )
    short = int(spelling.refused(cipher).sum())
    if short:
        raise MaskError(
            f"{short} of {len(values)} values are too short to encipher in {cipher.radix} characters",
            hint="set on_mismatch, or mask them otherwise",
        )
    return spelling


def _text_bytes(values: pa.Array) -> tuple[npt.NDArray[np.uint8], Positions]:
    kind, rows = values.type, len(values)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise MaskError(f"text in an alphabet is string or large_string, not {kind}", hint="cast the column to string")
    if rows == 0:  # Arrow allows an empty array to have no offsets at all
        return np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    _, raw_offsets, raw_content = values.buffers()
    item = np.dtype(np.int32 if pa.types.is_string(kind) else np.int64)
    offsets = np.frombuffer(raw_offsets, item, count=rows + 1, offset=values.offset * item.itemsize).astype(np.int64)
    content = np.empty(0, dtype=np.uint8) if raw_content is None else np.frombuffer(raw_content, dtype=np.uint8)
    return content[offsets[0] : offsets[-1]], offsets - offsets[0]


def _decoded(content: npt.NDArray[np.uint8]) -> str | None:
    try:
        return str(content.data, "utf-8")
    except UnicodeDecodeError:  # it holds the text, so nothing may be raised from here
        return None


def _windows(items: Digits, length: int) -> npt.NDArray[np.void]:
    """View every run of `length` items as one item, so that numpy moves a row at a time."""
    size = length * items.itemsize
    return np.ndarray((items.size - length + 1,), dtype=f"V{size}", buffer=items, strides=(items.itemsize,))


def _rows_as_items(rows: Digits) -> npt.NDArray[np.void]:
    return rows.view(f"V{rows.shape[1] * rows.itemsize}")[:, 0]
