"""FF1 over texts whose halves fit a machine word: the path that nearly every column takes."""

from __future__ import annotations

import numpy as np

from dmengine.ff1.numerals import Numerals, make_frame, number_size, numbers_of, write_digits
from dmengine.prf import AesBlocks, Words, mul_high

ROUNDS = 10

_LOW_HALF = 0xFFFF_FFFF_FFFF_FFFF
_WORD = 1 << 64

MOST_TABULATED = 1 << 13
"""Halves for which the rounds may be computed beforehand: their tables stay in the cache."""


def fits(radix: int, length: int) -> bool:
    """Say whether both halves of a text fit: below 2^63, so that a sum fits too, or 2^64, where it wraps rightly."""
    half = int(radix ** (length - length // 2))
    return half < 1 << 63 or half == _WORD


class Narrow:
    """FF1 for one key, radix, tweak and length, in one call over at most `rows` rows at a time."""

    def __init__(self, key: bytes, radix: int, tweak: bytes, length: int, rows: int) -> None:
        self.radix, self.length = radix, length
        self.low_half = length // 2
        moduli = radix**self.low_half, radix ** (length - self.low_half)
        self._reducers = tuple(_Reducer(modulus, number_size(radix, length - self.low_half) > 4) for modulus in moduli)
        self._aes = AesBlocks(key, rows)
        frame = make_frame(self._aes, radix, tweak, length)
        self._tail = int.from_bytes(frame.tail)
        self._round_at = 8 * frame.number_bytes
        self._blocks = np.empty((rows, 2), dtype=np.uint64)
        self._scratch = np.empty(rows, dtype=np.uint64)
        # a number of eight bytes pushes the round into the upper word; else that is the same in all rounds
        self._upper_varies = frame.number_bytes > 7
        self._blocks.view(">u8")[:, 0] = self._tail >> 64
        self._tables: list[Words] = []

    def tabulate(self, rows: int) -> None:
        """Compute the rounds for all halves beforehand, where there are far more rows to encipher than halves.

        A round is then a look-up. It is for halves so few that the tables of a round stay in the cache.
        """
        moduli = self.radix**self.low_half, self.radix ** (self.length - self.low_half)
        if max(moduli) > MOST_TABULATED or 8 * max(moduli) > rows:
            return
        for number in range(ROUNDS):
            halves = np.arange(moduli[1 - number % 2], dtype=np.uint64)
            size = len(self._scratch)
            parts = [halves[start : start + size] for start in range(0, len(halves), size)]
            self._tables.append(np.concatenate([self._round(number, part).copy() for part in parts]))

    def apply(self, digits: Numerals, out: Numerals, *, decrypt: bool = False) -> None:
        """Encipher rows of digits into `out`."""
        split = self.low_half
        a = numbers_of(digits[:, :split], self.radix)
        b = numbers_of(digits[:, split:], self.radix)
        self.apply_halves(a, b, decrypt=decrypt)
        write_digits(a, self.radix, out[:, :split])
        write_digits(b, self.radix, out[:, split:])

    def apply_halves(self, a: Words, b: Words, *, decrypt: bool = False) -> None:
        """Encipher pairs of halves in place: ten rounds, so each array ends where it began."""
        for number in reversed(range(ROUNDS)) if decrypt else range(ROUNDS):
            # after an even number of swaps `a` is the side that round 0 changes
            changed, read = (a, b) if number % 2 == 0 else (b, a)
            by = self._tables[number].take(read) if self._tables else self._round(number, read)
            if decrypt:
                self._reducers[number % 2].subtract(changed, by)
            else:
                self._reducers[number % 2].add(changed, by)

    def _round(self, number: int, half: Words) -> Words:
        """Return what a round adds to the other half; the next call overwrites it."""
        return self._reducers[number % 2].reduce(*self._digest(number, half))

    def _digest(self, number: int, half: Words) -> tuple[Words, Words]:
        """Run the round function over one half; return the words of the one block that it needs.

        Tweak, padding and round number are constants. Only the eight bytes of the half differ between rows.
        """
        constant = self._tail ^ (number << self._round_at)
        blocks, scratch = self._blocks[: len(half)], self._scratch[: len(half)]
        np.bitwise_xor(half, np.uint64(constant & _LOW_HALF), out=scratch)
        big_endian = blocks.view(">u8")
        if self._upper_varies:
            big_endian[:, 0] = constant >> 64
        big_endian[:, 1] = scratch
        digest = self._aes.encrypt(blocks).view(">u8")
        np.copyto(scratch, digest[:, 0])
        return scratch, digest[:, 1]


class _Reducer:
    """Arithmetic modulo a power of the radix: of the 64-bit digest, or of the 96-bit one of longer halves."""

    def __init__(self, modulus: int, long: bool) -> None:
        self._long = long
        # 2^64 becomes 0, which leaves a sum as the machine wrapped it
        self._modulus = np.uint64(modulus & _LOW_HALF)
        self._mask = np.uint64(modulus - 1) if modulus & (modulus - 1) == 0 else None
        # floor(2^32 * 2^64 / m): turns "times 2^32 modulo m" into a multiplication (Shoup's trick)
        self._shift_factor = (1 << 96) // modulus if modulus > 1 << 32 else 0
        self._halves = modulus <= 1 << 48

    def reduce(self, high: Words, low: Words) -> Words:
        """Reduce the digest, modifying `high`."""
        if self._mask is not None:
            if self._long:
                high <<= np.uint64(32)
                high |= low.astype(np.uint64) >> np.uint64(32)
            high &= self._mask
            return high
        self._remainder(high)
        if not self._long:
            return high
        more = low.astype(np.uint64) >> np.uint64(32)
        if self._shift_factor:
            return self._shifted_twice(high, more) if self._halves else self._shifted(high, more)
        high <<= np.uint64(32)
        high |= more
        self._remainder(high)
        return high

    def add(self, number: Words, by: Words) -> None:
        """Add modulo m, in place."""
        number += by
        if self._mask is not None:
            number &= self._mask
            return
        # where the sum is below m, the difference wraps to something larger
        np.minimum(number, number - self._modulus, out=number)

    def subtract(self, number: Words, by: Words) -> None:
        """Subtract modulo m, in place."""
        number -= by
        np.minimum(number, number + self._modulus, out=number)

    def _remainder(self, words: Words) -> None:
        # numpy divides by a constant with a multiplication, but its remainder does not
        quotient = words // self._modulus
        quotient *= self._modulus
        words -= quotient

    def _shifted_twice(self, residue: Words, more: Words) -> Words:
        """Compute residue * 2^32 + more modulo m, for m up to 2^48: two shifts by 16 stay within a word."""
        residue <<= np.uint64(16)
        residue |= more >> np.uint64(16)
        self._remainder(residue)
        residue <<= np.uint64(16)
        more &= np.uint64(0xFFFF)
        residue |= more
        self._remainder(residue)
        return residue

    def _shifted(self, residue: Words, more: Words) -> Words:
        """Compute residue * 2^32 + more modulo m, for a residue below m and m above 2^32."""
        quotient = mul_high(residue, self._shift_factor)
        quotient *= self._modulus
        residue <<= np.uint64(32)
        residue -= quotient  # modulo 2^64, but the true difference is below 2 m
        np.minimum(residue, residue - self._modulus, out=residue)
        residue += more
        np.minimum(residue, residue - self._modulus, out=residue)
        return residue
