"""The keyed pseudo-random function, AES-CMAC, over a whole Arrow column at a time.

A loop of MACs costs a microsecond a value, most of it the call. Here the blocks of thousands of values lie side
by side as two uint64 words each, one AES-ECB call encrypts them all, and numpy does the rest of CMAC (NIST SP
800-38B, RFC 4493) on the words.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from dmengine.errors import KeyringError, MaskError

Words: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.int64]

BLOCK_ROWS: Final = 16_384
"""Rows that are worked on together: few enough that all their words stay in the cache."""

LONG_VALUE: Final = 1_024
"""Bytes above which a value goes through the library's own CMAC: there the call no longer dominates."""

_AES_BLOCK: Final = 16
_PART_BYTES: Final = 4 << 20
_LOW: Final = np.uint64(0xFFFF_FFFF)
_HALF: Final = np.uint64(32)

if sys.byteorder != "little":  # the words are read as they lie in memory
    raise ImportError("dmengine needs a little-endian machine, as every machine type of AWS is")


class AesBlocks:
    """AES of many 16-byte blocks in one call.

    ECB is the bare block cipher, which CMAC and FF1 are made of; no data is ever encrypted "in ECB mode". The
    encryptor inside cannot be shared: make one per call, and never hand it to another thread.
    """

    def __init__(self, key: bytes, rows: int) -> None:
        if len(key) not in (16, 24, 32):
            raise KeyringError(
                f"an AES key has 16, 24 or 32 bytes, not {len(key)}",
                hint="derive the key for its purpose, or load it whole",
            )
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
        # update_into wants 15 bytes to spare, even where it does not use them
        self._out = np.empty(rows * _AES_BLOCK + _AES_BLOCK - 1, dtype=np.uint8)

    def encrypt(self, blocks: Words) -> Words:
        """Encrypt (n, 2) words; the result is overwritten by the next call."""
        size = blocks.nbytes
        self._encryptor.update_into(blocks.reshape(-1).view(np.uint8).data, self._out.data)
        return self._out[:size].view(np.uint64).reshape(-1, 2)


def cmac(key: bytes, values: pa.Array) -> Words:
    """Compute the AES-CMAC of every value of a text or binary array.

    Row by row, the result holds the first and the last eight bytes of the tag as big-endian integers. A null
    counts as the empty value.

    >>> key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    >>> [f"{first:016x}{last:016x}" for first, last in cmac(key, pa.array([""])).tolist()]
    ['bb1d6929e95937287fa37d129b756746']
    """
    starts, lengths, content = _spans(values)
    rows = len(lengths)
    aes = AesBlocks(key, min(rows, BLOCK_ROWS) or 1)
    tags = np.empty((rows, 2), dtype=np.uint64)
    if rows == 0:
        return tags
    masks, marks = _tail_tables(aes)
    for part in _parts(starts):
        _absorb(starts[part], lengths[part], content, masks, marks, aes, tags[part])
    tags.byteswap(inplace=True)
    if int(lengths.max()) > LONG_VALUE:
        _absorb_long(key, starts, lengths, content, tags)
    return tags


def cmac_blocks(key: bytes, high: Words, low: Words) -> Words:
    """Compute the AES-CMAC of 16-byte messages, given as two columns of big-endian words.

    >>> high, low = np.array([0x6BC1BEE22E409F96], np.uint64), np.array([0xE93D7E117393172A], np.uint64)
    >>> tag = cmac_blocks(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), high, low)
    >>> f"{tag[0, 0]:016x}{tag[0, 1]:016x}"
    '070a16b46b4d4144f79bdd9dd04a287c'
    """
    rows = len(high)
    aes = AesBlocks(key, min(rows, BLOCK_ROWS) or 1)
    whole = _subkeys(aes)[0].byteswap()
    tags = np.empty((rows, 2), dtype=np.uint64)
    for start in range(0, rows, BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        blocks = tags[part]
        big_endian = blocks.view(">u8")
        big_endian[:, 0] = high[part] ^ whole[0]
        big_endian[:, 1] = low[part] ^ whole[1]
        blocks[:] = aes.encrypt(blocks).view(">u8")
    return tags


def below(bits: Words, n: int) -> Words:
    """Map uniform words to integers in [0, n), for n up to 2^64.

    It takes the high half of the 128-bit product, so that the bias is at most n / 2^64 and no division is made.

    >>> below(np.array([0, 2**63, 2**64 - 1], dtype=np.uint64), 10).tolist()
    [0, 5, 9]
    """
    if not 1 <= n <= 1 << 64:
        raise MaskError(f"no integers lie below {n} in a 64-bit word", hint="ask for a bound from 1 to 2^64")
    if n == 1 << 64:
        return bits.copy()
    return mul_high(bits, n)


def mul_high(words: Words, factor: int) -> Words:
    """Return the high 64 bits of words x factor, for a factor below 2^64."""
    upper, lower = words >> _HALF, words & _LOW
    factor_upper, factor_lower = np.uint64(factor >> 32), np.uint64(factor & 0xFFFF_FFFF)
    # schoolbook on 32-bit limbs; no sum of the middle column passes 2^64
    middle = upper * factor_lower
    middle += (lower * factor_lower) >> _HALF
    if factor_upper == 0:
        middle >>= _HALF
        return middle
    cross = lower * factor_upper
    cross += middle & _LOW
    upper *= factor_upper
    upper += middle >> _HALF
    upper += cross >> _HALF
    return upper


def _spans(values: pa.Array) -> tuple[Positions, Positions, npt.NDArray[np.uint8]]:
    """Where each value starts, how many bytes it has, and the buffer they lie in."""
    offsets, content = _layout(values)
    starts, lengths = offsets[:-1], np.diff(offsets)
    if values.null_count:
        # a null slot may still span bytes
        lengths[values.is_null().to_numpy(zero_copy_only=False)] = 0
    return starts, lengths, content


def _layout(values: pa.Array) -> tuple[Positions, npt.NDArray[np.uint8]]:
    kind, rows = values.type, len(values)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return _layout(values.cast(pa.large_binary()))
    if pa.types.is_fixed_size_binary(kind):
        width = kind.byte_width
        return np.arange(values.offset, values.offset + rows + 1, dtype=np.int64) * width, _bytes(values.buffers()[1])
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        item: type[np.signedinteger[Any]] = np.int32
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        item = np.int64
    else:
        raise MaskError(f"the PRF reads text and binary, not {kind}", hint="give it the canonical bytes of the values")
    if rows == 0:  # Arrow allows an empty array to have no offsets at all
        return np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.uint8)
    _, raw_offsets, raw_content = values.buffers()
    first = values.offset * np.dtype(item).itemsize
    offsets = np.frombuffer(raw_offsets, dtype=item, count=rows + 1, offset=first)
    return offsets.astype(np.int64), _bytes(raw_content)


def _bytes(buffer: pa.Buffer | None) -> npt.NDArray[np.uint8]:
    return np.empty(0, dtype=np.uint8) if buffer is None else np.frombuffer(buffer, dtype=np.uint8)


def _parts(starts: Positions) -> Iterator[slice]:
    """Blocks of rows that stay in the cache, and of fewer rows where the values are large."""
    low = 0
    while low < len(starts):
        reached = int(np.searchsorted(starts, starts[low] + _PART_BYTES))
        high = min(low + BLOCK_ROWS, max(low + 1, reached))
        yield slice(low, high)
        low = high


def _subkeys(aes: AesBlocks) -> Words:
    """K1 and K2 of SP 800-38B, section 6.1, as words in memory order."""
    zero = aes.encrypt(np.zeros((1, 2), dtype=np.uint64)).tobytes()
    first = _double(int.from_bytes(zero))
    both = first.to_bytes(_AES_BLOCK) + _double(first).to_bytes(_AES_BLOCK)
    return np.frombuffer(both, dtype=np.uint64).reshape(2, 2)


def _double(block: int) -> int:
    """Multiply by x in GF(2^128) of SP 800-38B."""
    return (block << 1) & ((1 << 128) - 1) ^ (0x87 if block >> 127 else 0)


def _tail_tables(aes: AesBlocks) -> tuple[Words, Words]:
    """What a block is ANDed and XORed with, by the number of bytes that remain, 0 to 16, or 17 for "more".

    One constant holds the padding and the subkey of a last block, and nothing for one that is not the last.
    """
    whole, padded = _subkeys(aes)
    masks = np.zeros((_AES_BLOCK + 2, _AES_BLOCK), dtype=np.uint8)
    marks = np.zeros_like(masks)
    for rest in range(_AES_BLOCK):
        masks[rest, :rest] = 0xFF
        marks[rest, rest] = 0x80
    masks[_AES_BLOCK:] = 0xFF
    mark_words = marks.view(np.uint64)
    mark_words[:_AES_BLOCK] ^= padded
    mark_words[_AES_BLOCK] = whole
    # a column per word, contiguous, so that a look-up is one take
    return np.ascontiguousarray(masks.view(np.uint64).T), np.ascontiguousarray(mark_words.T)


def _absorb(
    starts: Positions,
    lengths: Positions,
    content: npt.NDArray[np.uint8],
    masks: Words,
    marks: Words,
    aes: AesBlocks,
    tags: Words,
) -> None:
    """Run CMAC over rows that lie side by side, block by block, and leave the tags in memory order."""
    base = int(starts[0])
    words = _aligned_words(content[base : int(starts[-1]) + int(lengths[-1])])
    at, rest = starts - base, np.where(lengths > LONG_VALUE, 0, lengths)
    blocks = np.empty_like(tags)
    _load(words, at, rest, masks, marks, blocks)
    tags[:] = aes.encrypt(blocks)
    rows = np.flatnonzero(rest > _AES_BLOCK)
    at, rest = at[rows], rest[rows]
    while rows.size:  # only the values that have more blocks go round again
        at += _AES_BLOCK
        rest -= _AES_BLOCK
        blocks = blocks[: rows.size]
        _load(words, at, rest, masks, marks, blocks)
        blocks ^= tags[rows]
        tags[rows] = aes.encrypt(blocks)
        more = rest > _AES_BLOCK
        if not more.all():
            rows, at, rest = rows[more], at[more], rest[more]


def _aligned_words(content: npt.NDArray[np.uint8]) -> Words:
    """Copy bytes into words, with room after the last byte for a block that starts there."""
    words = np.empty(content.size // 8 + 4, dtype=np.uint64)
    view = words.view(np.uint8)
    view[: content.size] = content
    view[content.size :] = 0
    return words


def _load(words: Words, at: Positions, rest: Positions, masks: Words, marks: Words, blocks: Words) -> None:
    """Read the 16 bytes at each position, then cut, pad and mark what is a last block.

    A gather of unaligned words costs numpy four times an aligned one, so three aligned words are shifted into two.
    """
    index = at >> 3
    shift = ((at & 7) << 3).view(np.uint64)
    back = np.uint64(64) - shift  # a shift by 64 gives 0 in numpy, as wanted here
    kind = np.minimum(rest, _AES_BLOCK + 1)
    word = words.take(index)
    for column in (0, 1):
        index += 1
        following = words.take(index)
        word >>= shift
        word |= following << back
        word &= masks[column].take(kind)
        np.bitwise_xor(word, marks[column].take(kind), out=blocks[:, column])
        word = following


def _absorb_long(
    key: bytes, starts: Positions, lengths: Positions, content: npt.NDArray[np.uint8], tags: Words
) -> None:
    """Compute the tags of the few long values one by one, where AES itself is the cost."""
    fresh = CMAC(algorithms.AES(key))
    for row in np.flatnonzero(lengths > LONG_VALUE).tolist():
        mac = fresh.copy()
        mac.update(content[starts[row] : starts[row] + lengths[row]].tobytes())
        tags[row] = np.frombuffer(mac.finalize(), dtype=">u8")
