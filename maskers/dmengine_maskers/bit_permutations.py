"""Keyed permutations of whole words of bits, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dmengine.prf import BLOCK_ROWS, cmac_blocks
from dmengine.spi import Words

STEP: Final = 7
"""Bits that one AES block decides: a tree of seven levels has 127 forks, and a block 128 bits."""

ROUNDS: Final = 10
"""Those of FF1, and more than the four that make a Feistel network of a PRF a strong permutation."""

_ONE: Final = np.uint64(1)
_ALL: Final = np.uint64(2**64 - 1)


def steps_of(width: int) -> int:
    """Return how many keys a width needs.

    >>> steps_of(32), steps_of(128)
    (5, 19)
    """
    return -(-width // STEP)


def keep_prefixes(keys: Sequence[bytes], high: Words, low: Words, width: int) -> tuple[Words, Words]:
    """Permute numbers of `width` bits so that two with just k leading bits in common still have just k in common.

    The numbers lie at the upper end of two words. Every bit is flipped or not by a PRF of the bits before it, as
    Crypto-PAn does (Xu, Fan, Ammar, Moon: ICNP 2002); there is no other way to keep all prefixes. Here one PRF block
    decides about seven bits.

    >>> a, b = np.array([0xC0A80101 << 32, 0xC0A80102 << 32], np.uint64), np.zeros(2, np.uint64)
    >>> masked, _ = keep_prefixes([bytes([n]) * 32 for n in range(5)], a, b, 32)
    >>> [64 - int(word).bit_length() for word in (a[0] ^ a[1], masked[0] ^ masked[1])]
    [30, 30]
    """
    results = np.empty_like(high), np.empty_like(low)
    for start in range(0, len(high), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        _keep_prefixes(keys, (high[part], low[part]), width, (results[0][part], results[1][part]))
    return results


def _keep_prefixes(keys: Sequence[bytes], words: tuple[Words, Words], width: int, results: tuple[Words, Words]) -> None:
    flips = [np.zeros_like(words[0]), np.zeros_like(words[0])]
    for step in range(steps_of(width)):
        first = step * STEP
        forks = cmac_blocks(keys[step], words[0] & _leading(first), words[1] & _leading(first - 64))
        upper, lower = forks[:, 0].copy(), forks[:, 1].copy()
        node = np.ones(len(upper), np.uint64)
        for place in range(first, min(first + STEP, width)):
            # the first six levels of the tree are bits 1 to 63 of one word, the seventh is the other word
            flip = (upper >> node if place - first < STEP - 1 else lower >> (node & np.uint64(63))) & _ONE
            half, shift = divmod(place, 64)
            up = np.uint64(63 - shift)
            flips[half] |= flip << up
            node <<= _ONE
            node |= words[half] >> up & _ONE
    for result, word, flip in zip(results, words, flips, strict=True):
        np.bitwise_xor(word, flip, out=result)


def feistel(key: bytes, left: Words, right: Words, bits: int) -> tuple[Words, Words]:
    """Permute pairs of words of so many bits each (at most 64): a balanced Feistel network over AES-CMAC.

    >>> left, right = feistel(bytes(32), np.arange(4, dtype=np.uint64), np.zeros(4, np.uint64), 61)
    >>> len(set(left.tolist())), bool((left < 2**61).all())
    (4, True)
    """
    mask = np.uint64((1 << bits) - 1)
    for number in range(ROUNDS):
        mixed = cmac_blocks(key, np.full(len(right), number, np.uint64), right)[:, 0]
        left, right = right, (left ^ mixed) & mask
    return left, right


def _leading(count: int) -> np.uint64:
    """Return the mask of the first bits of a word."""
    if count <= 0:
        return np.uint64(0)
    return _ALL if count >= 64 else np.uint64(((1 << count) - 1) << (64 - count))
