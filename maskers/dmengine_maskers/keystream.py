"""As many keyed random numbers for each value as it has bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dmengine.prf import cmac_blocks
from dmengine.spi import Words

_PER_BLOCK = 8


def sixteens(key: bytes, bits: Words, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Return 16 random bits for each byte of each value, end to end, and one more in all.

    Args:
        key: For the expansion alone.
        bits: The keyed bits of each value; what is made of them depends on nothing else.
        lengths: The bytes of each value.

    >>> numbers = sixteens(bytes(32), np.array([[1, 2], [3, 4]], np.uint64), np.array([9, 1]))
    >>> len(numbers), numbers.dtype
    (11, dtype('uint16'))
    """
    blocks = (lengths + (_PER_BLOCK - 1)) // _PER_BLOCK
    if len(lengths) and (blocks == blocks[0]).all():
        return _even(key, bits, int(blocks[0]), lengths)
    first = np.cumsum(blocks) - blocks
    of = np.repeat(np.arange(len(lengths)), blocks)
    number = (np.arange(len(of)) - first[of]).astype(np.uint64)
    drawn = cmac_blocks(key, bits[of, 0], bits[of, 1] ^ number).view(np.uint16).reshape(-1)
    before = np.cumsum(lengths) - lengths
    shift = np.repeat(first * _PER_BLOCK - before, lengths)
    return _and_one(drawn.take(shift + np.arange(len(shift))))


def _even(key: bytes, bits: Words, blocks: int, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Do the same for values of as many blocks each, without a gather by block."""
    rows = len(lengths)
    if blocks == 1:
        drawn = cmac_blocks(key, bits[:, 0], bits[:, 1])
    else:
        number = np.arange(blocks, dtype=np.uint64)
        low = (bits[:, 1][:, None] ^ number).reshape(-1)
        drawn = cmac_blocks(key, np.repeat(bits[:, 0], blocks), low)
    matrix = drawn.view(np.uint16).reshape(rows, -1)
    if (lengths == lengths[0]).all():
        return _and_one(matrix[:, : int(lengths[0])].reshape(-1))
    return _and_one(matrix[np.arange(matrix.shape[1]) < lengths[:, None]])


def _and_one(numbers: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    return np.append(numbers, np.uint16(0))
