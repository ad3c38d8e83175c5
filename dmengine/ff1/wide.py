"""FF1 over long texts, whose halves are too large for a machine word.

A half is a list of limbs: numbers below radix^k, the largest power within 2^32, least significant first, each a
column over all rows. A sum or a change of base goes limb by limb with a carry, for all rows at once. Where there are
more limbs than that pays for, Python's own large integers change the base, row by row.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from dmengine.ff1.numerals import Frame, Numerals, make_frame, numbers_of, write_digits
from dmengine.prf import AesBlocks, Words

Limbs: TypeAlias = list[Words]

_WORD = np.uint64(32)
_LOW = np.uint64(0xFFFF_FFFF)
_ROWS_PER_LIMB = 5  # measured: with fewer rows for each limb, numpy's calls cost more than Python's integers


class Wide:
    """FF1 for one key, radix, tweak and length, in one call."""

    def __init__(self, key: bytes, radix: int, tweak: bytes, length: int, rows: int) -> None:
        self.radix, self.length = radix, length
        frame = make_frame(AesBlocks(key, 1), radix, tweak, length)
        self._round = _Round(key, frame, radix, rows)
        self._digits_per_limb = _digits_per_limb(radix)
        half = length // 2
        self._bases = (self._limb_bases(half), self._limb_bases(length - half))

    def apply(self, digits: Numerals, out: Numerals, *, decrypt: bool = False) -> None:
        """Encipher rows of digits into `out`."""
        half = self.length // 2
        a, b = self._limbs(digits[:, :half]), self._limbs(digits[:, half:])
        for number in reversed(range(10)) if decrypt else range(10):
            bases = self._bases[number % 2]
            if decrypt:
                a, b = _subtracted(b, self._round.of(number, a, bases), bases), a
            else:
                a, b = b, _added(a, self._round.of(number, b, bases), bases)
        self._write(a, out[:, :half])
        self._write(b, out[:, half:])

    def _limb_bases(self, digits: int) -> list[int]:
        """One base a limb; the topmost holds the digits that are left, which makes a dropped carry the modulus."""
        count = -(-digits // self._digits_per_limb)
        full = [self.radix**self._digits_per_limb] * (count - 1)
        return [*full, self.radix ** (digits - self._digits_per_limb * (count - 1))]

    def _limbs(self, digits: Numerals) -> Limbs:
        return [numbers_of(digits[:, start:stop], self.radix) for start, stop in self._limb_slices(digits.shape[1])]

    def _write(self, limbs: Limbs, digits: Numerals) -> None:
        for limb, (start, stop) in zip(limbs, self._limb_slices(digits.shape[1]), strict=True):
            write_digits(limb, self.radix, digits[:, start:stop])

    def _limb_slices(self, digits: int) -> list[tuple[int, int]]:
        step = self._digits_per_limb
        return [(max(0, stop - step), stop) for stop in range(digits, 0, -step)]


class _Round:
    """The round function: CBC-MAC of the frame, the round and the half, stretched and reduced."""

    def __init__(self, key: bytes, frame: Frame, radix: int, rows: int) -> None:
        self._frame = frame
        self._base = radix ** _digits_per_limb(radix)
        self._aes = AesBlocks(key, rows)

    def of(self, number: int, half: Limbs, bases: list[int]) -> Limbs:
        by_row = len(half[0]) < _ROWS_PER_LIMB * len(half)
        to_words, to_limbs = (_words_by_row, _limbs_by_row) if by_row else (_words_of, _limbs_of)
        digest = self._digest(number, to_words(half, self._base, -(-self._frame.number_bytes // 4)))
        return to_limbs(digest.view(">u4").astype(np.uint64), bases)

    def _digest(self, number: int, words: Words) -> Numerals:
        """Step 6.ii to 6.iv of SP 800-38G, algorithm 7: the bytes S."""
        size, wanted = self._frame.number_bytes, self._frame.digest_bytes
        rows = words.shape[0]
        inputs = np.empty((rows, len(self._frame.tail)), dtype=np.uint8)
        inputs[:] = np.frombuffer(self._frame.tail, dtype=np.uint8)
        inputs[:, -size - 1] ^= np.uint8(number)
        inputs[:, -size:] ^= words.astype(">u4").view(np.uint8)[:, -size:]
        blocks = inputs.view(np.uint64).reshape(rows, -1, 2)
        state = np.zeros((rows, 2), dtype=np.uint64)
        for index in range(blocks.shape[1]):
            state = self._aes.encrypt(blocks[:, index] ^ state)
        stretched = [state.copy()]
        for counter in range(1, -(-wanted // 16)):
            block = stretched[0].copy()
            block[:, 1] ^= np.uint64(counter).byteswap()
            stretched.append(self._aes.encrypt(block).copy())
        return np.ascontiguousarray(np.concatenate(stretched, axis=1).view(np.uint8)[:, :wanted])


def _digits_per_limb(radix: int) -> int:
    count = 1
    while radix ** (count + 1) <= 1 << 32:
        count += 1
    return count


def _words_of(half: Limbs, base: int, count: int) -> Words:
    """Turn limbs into 32-bit words, most significant first."""
    rows = len(half[0])
    words = np.zeros((count, rows), dtype=np.uint64)
    factor = np.uint64(base)
    for position, limb in enumerate(reversed(half)):
        carry = limb
        for word in words[: position + 1]:  # a number of p limbs has at most p words
            grown = word * factor
            grown += carry
            np.bitwise_and(grown, _LOW, out=word)
            carry = grown >> _WORD
    return np.ascontiguousarray(words[::-1].T)


def _limbs_of(words: Words, bases: list[int]) -> Limbs:
    """Turn 32-bit words, most significant first, into limbs, modulo the product of the bases."""
    rows, count = words.shape
    limbs = [np.zeros(rows, dtype=np.uint64) for _ in bases]
    limb_bits = max(1, bases[0].bit_length() - 1)
    for position in range(count):
        carry = words[:, position]
        reached = -(-32 * (position + 1) // limb_bits)  # limbs that so many words can fill
        for limb, base in zip(limbs[:reached], bases[:reached], strict=True):
            grown = limb << _WORD
            grown |= carry
            carry = grown // np.uint64(base)
            np.subtract(grown, carry * np.uint64(base), out=limb)
    return limbs


def _words_by_row(half: Limbs, base: int, count: int) -> Words:
    """Do what `_words_of` does."""
    words = bytearray()
    for row in np.stack(half[::-1], axis=1).tolist():
        number = 0
        for limb in row:
            number = number * base + limb
        words += number.to_bytes(4 * count, "big")
    return np.frombuffer(words, ">u4").astype(np.uint64).reshape(-1, count)


def _limbs_by_row(words: Words, bases: list[int]) -> Limbs:
    """Do what `_limbs_of` does."""
    limbs = np.empty((len(bases), words.shape[0]), dtype=np.uint64)
    for row, body in enumerate(words.astype(">u4")):
        number = int.from_bytes(body.tobytes(), "big")
        for position, base in enumerate(bases):
            number, limbs[position, row] = divmod(number, base)
    return list(limbs)


def _added(left: Limbs, right: Limbs, bases: list[int]) -> Limbs:
    total, carry = [], np.zeros(len(left[0]), dtype=np.uint64)
    for x, y, base in zip(left, right, bases, strict=True):
        limb = x + y + carry
        carry = (limb >= np.uint64(base)).astype(np.uint64)
        total.append(limb - carry * np.uint64(base))
    return total


def _subtracted(left: Limbs, right: Limbs, bases: list[int]) -> Limbs:
    total, borrow = [], np.zeros(len(left[0]), dtype=np.uint64)
    for x, y, base in zip(left, right, bases, strict=True):
        limb = x + np.uint64(base) - y - borrow
        enough = (limb >= np.uint64(base)).astype(np.uint64)
        total.append(limb - enough * np.uint64(base))
        borrow = np.uint64(1) - enough
    return total
