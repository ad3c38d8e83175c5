"""The parts that FF1's two paths share: numerals to numbers and back, and the constant input of the round function.

Numerals are packed a word at a time: eight one-byte digits (or four two-byte ones) lie in a uint64, and a multiply
and an add join all pairs of neighbours at once, then pairs of pairs. Unpacking divides the same way, in ever
narrower integers, which numpy divides many at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dmengine.prf import AesBlocks, Words

Numerals: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]

# every other lane of a word, by the width of a lane in bits
_EVEN_LANES: Final = {8: 0x00FF_00FF_00FF_00FF, 16: 0x0000_FFFF_0000_FFFF, 32: 0x0000_0000_FFFF_FFFF}
_UNSIGNED: Final[dict[int, type[np.unsignedinteger[Any]]]] = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


def numeral_type(radix: int) -> type[np.uint8] | type[np.uint16]:
    """Return the narrowest type that holds the digits of a radix."""
    return np.uint8 if radix <= 256 else np.uint16


def numbers_of(digits: Numerals, radix: int) -> Words:
    """Read each row of digits, most significant first, as one number below 2^64.

    >>> numbers_of(np.array([[0, 4, 2], [9, 9, 9]], dtype=np.uint8), 10).tolist()
    [42, 999]
    """
    words = _packed(_words_of(digits), 8 * digits.itemsize, radix)
    numbers = words[:, 0]
    for column in range(1, words.shape[1]):
        numbers = numbers * np.uint64(radix ** (8 // digits.itemsize)) + words[:, column]
    return numbers


def write_digits(numbers: Words, radix: int, digits: Numerals) -> None:
    """Write each number as a row of digits, most significant first. The numbers are used up.

    >>> digits = np.empty((2, 3), dtype=np.uint8)
    >>> write_digits(np.array([42, 999], dtype=np.uint64), 10, digits)
    >>> digits.tolist()
    [[0, 4, 2], [9, 9, 9]]
    """
    rows, length = digits.shape
    per_word = 8 // digits.itemsize
    count = -(-length // per_word)
    words = np.empty((rows, count), dtype=np.uint64)
    for column in range(count - 1, 0, -1):
        _divide(numbers, radix**per_word, out=words[:, column])
    words[:, 0] = numbers
    spelled = _unpacked(words, 8 * digits.itemsize, radix)
    digits[:] = spelled[:, spelled.shape[1] - length :]


def _words_of(digits: Numerals) -> Words:
    """View rows of digits as words, with zeros in front where a row does not fill them."""
    rows, length = digits.shape
    per_word = 8 // digits.itemsize
    missing = -length % per_word
    if missing:
        padded = np.zeros((rows, missing + length), dtype=digits.dtype)
        padded[:, missing:] = digits
        digits = padded
    return digits.view(np.uint64)


def _packed(words: Words, width: int, radix: int) -> Words:
    weight = radix
    while width < 64:
        # the more significant of two neighbours comes first in memory, so it is the lower lane
        lanes = np.uint64(_EVEN_LANES[width])
        words = (words & lanes) * np.uint64(weight) + ((words >> np.uint64(width)) & lanes)
        width, weight = 2 * width, weight * weight
    return words


def _unpacked(words: Words, width: int, radix: int) -> Numerals:
    wide, lanes = 64, words
    while wide > width:
        half = wide // 2
        lane = _UNSIGNED[wide]
        weight = lane(radix ** (half // width))
        upper = lanes // weight
        # lower lane first in memory: upper + (lanes - upper * weight) * 2^half, in place
        lanes = lanes - upper * weight
        lanes <<= lane(half)
        lanes |= upper
        lanes = lanes.view(_UNSIGNED[half])
        wide = half
    return lanes


def _divide(numbers: Words, divisor: int, *, out: Words) -> None:
    """Leave the quotient in `numbers` and put the remainder into `out`."""
    quotient = numbers // np.uint64(divisor)
    np.subtract(numbers, quotient * np.uint64(divisor), out=out)
    numbers[:] = quotient


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """What the round function of FF1 reads besides a round's number and half: the same for all rows of a length.

    `tail` is what is left of the input after the constant blocks, with their CBC-MAC folded in. It ends in one
    byte for the round and `number_bytes` for the half.
    """

    tail: bytes
    number_bytes: int
    digest_bytes: int


def make_frame(aes: AesBlocks, radix: int, tweak: bytes, length: int) -> Frame:
    """Prepare the round function of SP 800-38G, algorithm 7, steps 3 to 6.ii."""
    u = length // 2
    number_bytes = number_size(radix, length - u)
    head = bytes([1, 2, 1]) + radix.to_bytes(3) + bytes([10, u % 256]) + length.to_bytes(4) + len(tweak).to_bytes(4)
    constant = head + tweak + bytes((-len(tweak) - number_bytes - 1) % 16)
    split = (len(constant) + 1 + number_bytes) - 16 * (-(-(number_bytes + 1) // 16))
    state = bytes(16)
    for start in range(0, split, 16):
        state = aes.encrypt(np.frombuffer(_xor(state, constant[start : start + 16]), dtype=np.uint64)).tobytes()
    rest = constant[split:] + bytes(1 + number_bytes)
    return Frame(_xor(state, rest[:16]) + rest[16:], number_bytes, 4 * (-(-number_bytes // 4)) + 4)


def number_size(radix: int, digits: int) -> int:
    """Return the bytes that any number of that many digits fits: b in SP 800-38G.

    >>> number_size(10, 8), number_size(256, 4)
    (4, 4)
    """
    largest = int(radix**digits) - 1
    return -(-largest.bit_length() // 8)


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))
