"""Keyed permutations of whole words of bits, a column at a time."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from dmengine.arrow import positions, repeats
from dmengine.prf import BLOCK_ROWS, AesBlocks
from dmengine.spi import Positions, Words

STEP: Final = 4
"""Bits that one AES block decides: a tree of four levels has 15 forks, so few that a table knows all ways through."""

ROUNDS: Final = 6
"""Enough for a Feistel network of two halves of b bits to look like chance for far fewer than 2^b values.

J. Patarin, Security of Random Feistel Schemes with 5 or More Rounds (CRYPTO 2004). With four rounds, 2^(b/2) values
would be the limit (M. Luby, C. Rackoff, How to Construct Pseudorandom Permutations, 1988).
"""

_ALL: Final = (1 << 64) - 1
_FORKS: Final = np.uint64(0xFFFE)
_ROWS: Final = 8_192  # beside the table, they stay in the cache

_MANY: Final = 0.9
"""The share of different prefixes in a sample from which on it is quicker to look at every row."""

_SHARED: Final = {32: (24,), 128: (64, 112)}
"""Prefixes that many addresses of a column may share, and that are then looked at once."""


def keep_prefixes(key: bytes, high: Words, low: Words, width: int) -> tuple[Words, Words]:
    """Permute numbers of 32 or 128 bits so that two with just k leading bits in common still have just k in common.

    The numbers lie at the upper end of two words. Every bit is flipped or not by a PRF of the bits before it, as
    Crypto-PAn does (Xu, Fan, Ammar, Moon: ICNP 2002); there is no other way to keep all prefixes. Here one PRF block
    decides about seven bits.

    >>> a, b = np.array([0xC0A80101 << 32, 0xC0A80102 << 32], np.uint64), np.zeros(2, np.uint64)
    >>> masked, _ = keep_prefixes(bytes(32), a, b, 32)
    >>> [64 - int(word).bit_length() for word in (a[0] ^ a[1], masked[0] ^ masked[1])]
    [30, 30]
    """
    results = high.copy(), low.copy()
    first, codes = 0, np.zeros(len(high), np.int64)
    for shared in _SHARED[width]:
        found = _codes(codes, high, low, first, shared)
        if found is None:
            break
        codes = found
        rows = np.empty(int(codes.max()) + 1, np.int64)
        rows[codes] = np.arange(len(codes))  # any row of a prefix stands for it
        for result, flips in zip(results, _flips(key, high[rows], low[rows], first, shared), strict=True):
            result ^= flips.take(codes)
        first = shared
    for result, flips in zip(results, _flips(key, high, low, first, width), strict=True):
        result ^= flips
    return results


def feistel(key: bytes, words: Words, free: tuple[int, int]) -> Words:
    """Permute the free bits of a row of words and another: a Feistel network over AES; the other bits are a tweak.

    >>> words = feistel(bytes(32), np.arange(8, dtype=np.uint64).reshape(2, 4), (2**64 - 2, 2**61 - 1))
    >>> len(set(words[1].tolist())), (words[0] & np.uint64(1)).tolist()
    (4, [0, 1, 0, 1])
    """
    result = words.copy()
    rows = min(words.shape[1], BLOCK_ROWS) or 1
    aes, blocks, scratch = AesBlocks(key, rows), np.empty((rows, 2), np.uint64), np.empty(rows, np.uint64)
    masks = tuple(map(np.uint64, free))
    for start in range(0, words.shape[1], BLOCK_ROWS):
        halves = result[:, start : start + BLOCK_ROWS]
        here, mixed = blocks[: halves.shape[1]], scratch[: halves.shape[1]]
        for number in range(ROUNDS):
            changed, read = number % 2, 1 - number % 2
            here[:, 0], here[:, 1] = halves[read], number
            np.bitwise_and(aes.encrypt(here)[:, 0], masks[changed], out=mixed)
            halves[changed] ^= mixed
    return result


def one_block(key: bytes, words: Words) -> Words:
    """Permute rows of two words, which are a block of AES each.

    >>> one_block(bytes(32), np.zeros((1, 2), np.uint64)).tobytes().hex()
    'dc95c078a2408989ad48a21492842087'
    """
    result = np.empty_like(words)
    aes = AesBlocks(key, min(len(words), BLOCK_ROWS) or 1)
    for start in range(0, len(words), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        result[part] = aes.encrypt(words[part])
    return result


def _codes(codes: Positions, high: Words, low: Words, first: int, stop: int) -> Positions | None:
    """Number the different prefixes, given the numbers of shorter ones; None where few rows share one."""
    bits = (
        high >> np.uint64(64 - stop) if stop <= 64 else (high << np.uint64(stop - 64)) | (low >> np.uint64(128 - stop))
    )
    bits &= np.uint64((1 << (stop - first)) - 1)
    keys = pa.array(bits | codes.astype(np.uint64) << np.uint64(stop - first))
    if int(codes.max(initial=0)) >> (64 - stop + first) or not repeats(keys, _MANY):
        return None
    return positions(keys.dictionary_encode().indices)


def _flips(key: bytes, high: Words, low: Words, first: int, stop: int) -> tuple[Words, Words]:
    """Return the bits to flip, of those from `first` to `stop`, both whole numbers of steps."""
    flips = np.zeros_like(high), np.zeros_like(low)
    rows = min(len(high), _ROWS) or 1
    aes, blocks = AesBlocks(key, rows), np.empty((rows, 2), np.uint64)
    ways = _ways()
    for start in range(0, len(high), _ROWS):
        part = slice(start, start + _ROWS)
        words = high[part], low[part]
        here = blocks[: len(words[0])]
        for half in range(first // 64, -(-stop // 64)):
            here[:, 0], here[:, 1] = words[0], 0
            for place in range(max(first - 64 * half, 0), min(stop - 64 * half, 64), STEP):
                # the bits before the place, then a 1: no two steps share a block
                word = words[half] & np.uint64(_ALL << (64 - place) & _ALL)
                word |= np.uint64(1 << (63 - place))
                here[:, half] = word
                np.bitwise_and(aes.encrypt(here)[:, 0], _FORKS, out=word)
                word <<= np.uint64(STEP - 1)
                word |= words[half] >> np.uint64(60 - place) & np.uint64(15)
                flips[half][part] |= ways.take(word.view(np.int64)) << np.uint64(60 - place)
    return flips


@cache
def _ways() -> Words:
    """Return which of four bits to flip, by the forks (bits 4 to 18) and the four bits (0 to 3).

    The first bit is at fork 1, and what comes after fork n and a bit b is at fork 2 n + b.
    """
    forks, bits = np.divmod(np.arange(1 << 19), 1 << STEP)
    forks, node, flips = forks << 1, np.ones_like(bits), np.zeros_like(bits)
    for level in range(STEP - 1, -1, -1):
        flips |= (forks >> node & 1) << level
        node = node << 1 | bits >> level & 1
    return flips.astype(np.uint8)
