"""Format-preserving encryption, FF1 of NIST SP 800-38G, over a whole column at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dmengine.errors import KeyringError, MaskError, PlanError
from dmengine.ff1.narrow import Narrow, fits
from dmengine.ff1.numerals import Numerals, numeral_type
from dmengine.ff1.text import (
    FLOOR,
    MIN_DOMAIN,
    domain_size,
)
from dmengine.ff1.wide import Wide
from dmengine.prf import BLOCK_ROWS, Words

Integers: TypeAlias = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class FF1:
    """A keyed permutation of the texts of every length over `radix` digits.

    `tweak` separates uses of one key. With `allow_small_domain=False`, lengths with fewer than `MIN_DOMAIN` texts
    are refused, as SP 800-38G Rev. 1 demands; the default leaves that decision to the caller.

    >>> cipher = FF1(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), radix=10)
    >>> cipher
    FF1(radix=10, allow_small_domain=True)
    >>> cipher.encrypt_digits(np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]], dtype=np.uint8)).tolist()
    [[2, 4, 3, 3, 4, 7, 7, 4, 8, 4]]
    """

    key: bytes = field(repr=False)
    radix: int
    tweak: bytes = field(default=b"", repr=False)
    allow_small_domain: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.key) not in (16, 24, 32):
            raise KeyringError(
                f"an FF1 key has 16, 24 or 32 bytes, not {len(self.key)}", hint="derive one with ctx.key(purpose, 32)"
            )
        if not 2 <= self.radix <= 1 << 16:
            raise PlanError(f"FF1 works in radix 2 to 65536, not {self.radix}", hint="give an alphabet of that size")

    def encrypt_digits(self, digits: Integers) -> Integers:
        """Encipher every row of an (n, length) array of digits below the radix; shape and type stay.

        Raises:
            PlanError: the length has too few texts.
            MaskError: a digit is not below the radix.
        """
        return self._apply(digits, decrypt=False)

    def decrypt_digits(self, digits: Integers) -> Integers:
        """Undo `encrypt_digits`."""
        return self._apply(digits, decrypt=True)

    def encrypt_integers(self, values: Integers, size: int) -> Words:
        """Permute the integers of [0, size), for any size from 2 to 2^64. The radix of the cipher plays no part.

        Small sizes are served too: a permutation of few values hides little from who knows a part of it.

        >>> cipher = FF1(bytes(32), radix=10)
        >>> sorted(cipher.encrypt_integers(np.arange(5), 5).tolist())
        [0, 1, 2, 3, 4]
        """
        return self._permute(values, size, decrypt=False)

    def decrypt_integers(self, values: Integers, size: int) -> Words:
        """Undo `encrypt_integers`."""
        return self._permute(values, size, decrypt=True)

    def encrypt_bits(self, values: Words, bits: int) -> Words:
        """Encipher words of so many bits, an even number from 8 to 64, as that many digits of radix 2.

        The same as `encrypt_digits` of a cipher with radix 2, whatever the radix of this one; the first digit is the
        highest bit.

        >>> cipher = FF1(bytes(32), radix=2)
        >>> [f"{word:08b}" for word in cipher.encrypt_bits(np.array([5], np.uint64), 8).tolist()]
        ['01000011']
        >>> cipher.encrypt_digits(np.array([[0, 0, 0, 0, 0, 1, 0, 1]], np.uint8)).tolist()
        [[0, 1, 0, 0, 0, 0, 1, 1]]
        """
        if bits not in range(8, 65, 2):
            raise PlanError(f"no permutation of words of {bits} bits", hint="give an even number from 8 to 64")
        if values.size and bits < 64 and int(values.max()) >> bits:
            raise MaskError(f"a word has more than {bits} bits", hint="give integers below 2 to the power of bits")
        result = values.astype(np.uint64)
        if len(result):
            cipher = Narrow(self.key, 2, self.tweak, bits, min(len(result), BLOCK_ROWS))
            _encipher(cipher, result, decrypt=False)
        return result

    def encrypt_halves(self, left: Words, right: Words, length: int) -> tuple[Words, Words]:
        """Encipher texts of so many digits, each given as the number of its first half and that of its second.

        The same as `encrypt_digits`, where a half is below 2^63; nothing is spelled.

        >>> cipher = FF1(bytes(32), radix=10)
        >>> left, right = cipher.encrypt_halves(np.array([0], np.uint64), np.array([57], np.uint64), 5)
        >>> int(left[0]), int(right[0]), cipher.encrypt_digits(np.array([[0, 0, 0, 5, 7]])).tolist()
        (85, 141, [[8, 5, 1, 4, 1]])
        """
        sizes = self.radix ** (length // 2), self.radix ** (length - length // 2)
        if length < 2 or sizes[0] * sizes[1] < FLOOR or sizes[1] >= 1 << 63:
            raise PlanError(
                f"no halves of {length} digits of radix {self.radix}", hint="give a length whose halves are below 2^63"
            )
        if any(half.size and int(half.max()) >= size for half, size in zip((left, right), sizes, strict=True)):
            raise MaskError(f"a half has too many digits of radix {self.radix}", hint="give smaller numbers")
        halves = left.astype(np.uint64), right.astype(np.uint64)
        if len(left):
            cipher = Narrow(self.key, self.radix, self.tweak, length, min(len(left), BLOCK_ROWS))
            for part in _parts(len(left)):
                cipher.apply_halves(halves[0][part], halves[1][part])
        return halves

    def _apply(self, digits: Integers, *, decrypt: bool) -> Integers:
        self._check(digits)
        rows, length = digits.shape
        result = np.empty_like(digits, order="C")
        if rows == 0:
            return result
        path = Narrow if fits(self.radix, length) else Wide
        cipher = path(self.key, self.radix, self.tweak, length, min(rows, BLOCK_ROWS))
        for part in _parts(rows):
            block: Numerals = np.ascontiguousarray(digits[part], dtype=numeral_type(self.radix))
            masked = np.empty_like(block)
            cipher.apply(block, masked, decrypt=decrypt)
            result[part] = masked
        return result

    def _check(self, digits: Integers) -> None:
        if digits.ndim != 2 or not np.issubdtype(digits.dtype, np.integer):
            raise MaskError(
                f"FF1 takes rows of integer digits, not {digits.ndim} dimensions of {digits.dtype}",
                hint="give an array of shape (rows, length)",
            )
        length = digits.shape[1]
        size = domain_size(self.radix, length)
        if length < 2 or size < FLOOR:
            raise PlanError(
                f"FF1 is not defined for {length} digits of radix {self.radix}",
                hint=f"NIST SP 800-38G wants two digits and {FLOOR} texts at least; mask such values otherwise",
            )
        if size < MIN_DOMAIN and not self.allow_small_domain:
            raise PlanError(
                f"{length} digits of radix {self.radix} make fewer than {MIN_DOMAIN} texts",
                hint="mask such values otherwise, or say allow_small_domain=True",
            )
        if digits.size and (int(digits.max()) >= self.radix or int(digits.min()) < 0):
            raise MaskError(f"a digit is outside radix {self.radix}", hint="give digits from 0 to radix - 1")

    def _permute(self, values: Integers, size: int, *, decrypt: bool) -> Words:
        if not 2 <= size <= 1 << 64:
            raise PlanError(f"no permutation of {size} integers", hint="give a size from 2 to 2^64")
        if values.size and (int(values.max()) >= size or int(values.min()) < 0):
            raise MaskError(f"an integer is outside [0, {size})", hint="give integers below the size")
        rows = len(values)
        if size < rows:  # cheaper to walk through the whole permutation once
            return self._permute(np.arange(size), size, decrypt=decrypt)[values]
        result = values.astype(np.uint64)
        if rows:
            radix, length = integer_shape(size)
            cipher = Narrow(self.key, radix, self.tweak, length, min(rows, BLOCK_ROWS))
            cipher.tabulate(rows)
            _walk(cipher, result, size, decrypt=decrypt)
        return result


def integer_shape(size: int) -> tuple[int, int]:
    """Return the radix and length in which integers below a size are enciphered.

    Two or four digits of the least radix that suffices: that leaves next to nothing to walk over, gives both halves
    the same modulus, and keeps them within 32 bits, where a round is cheapest.

    >>> integer_shape(1_000_000), integer_shape(2**64), integer_shape(3)
    ((1000, 2), (65536, 4), (10, 2))
    """
    root = math.isqrt(size - 1)
    if size <= 1 << 32:
        return max(math.isqrt(FLOOR), root + 1), 2
    return math.isqrt(root) + 1, 4


def _walk(cipher: Narrow, values: Words, size: int, *, decrypt: bool) -> None:
    """Encipher in place, and again where the result is not below the size (cycle walking)."""
    _encipher(cipher, values, decrypt=decrypt)
    if size == cipher.radix**cipher.length:
        return
    outside = np.flatnonzero(values >= np.uint64(size))
    while outside.size:
        again = values[outside]
        _encipher(cipher, again, decrypt=decrypt)
        values[outside] = again
        outside = outside[again >= np.uint64(size)]


def _encipher(cipher: Narrow, values: Words, *, decrypt: bool) -> None:
    modulus = np.uint64(cipher.radix**cipher.low_half)
    for part in _parts(len(values)):
        number = values[part]
        high = number // modulus
        low = number - high * modulus
        cipher.apply_halves(high, low, decrypt=decrypt)
        np.multiply(high, modulus, out=number)
        number += low


def _parts(rows: int) -> Iterator[slice]:
    """Blocks of rows that stay in the cache."""
    return (slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS))
