"""Text columns as bytes that lie end to end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import offsets, text_from_bytes

BLOCK_ROWS = 16_384
"""Rows that are worked on together: few enough that their bytes stay in the cache."""


def spans(values: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of a text array without nulls, and where each value begins and the last one ends.

    >>> content, ends = spans(pa.array(["x", "ab", ""]).slice(1))
    >>> content.tobytes(), ends.tolist()
    (b'ab', [0, 2, 2])
    """
    ends = offsets(values)
    buffer = values.buffers()[2]
    content = np.empty(0, np.uint8) if buffer is None else np.frombuffer(buffer, np.uint8)[ends[0] : ends[-1]]
    return content, ends - ends[0]


def in_blocks(change: Callable[[pa.Array], pa.Array], values: pa.Array) -> pa.Array:
    """Apply a function to blocks of rows that stay in the cache, and join the results.

    >>> in_blocks(lambda block: block, pa.array(["a", "b"])).to_pylist()
    ['a', 'b']
    """
    if len(values) <= BLOCK_ROWS:
        return change(values)
    return pa.concat_arrays([change(values.slice(start, BLOCK_ROWS)) for start in range(0, len(values), BLOCK_ROWS)])


def cut(
    content: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64], kind: pa.DataType
) -> pa.Array:
    """Return the stretches of bytes from each start to its stop, as texts.

    >>> cut(np.frombuffer(b"abcdef", np.uint8), np.array([1, 4]), np.array([3, 4]), pa.string()).to_pylist()
    ['bc', '']
    """
    lengths = stops - starts
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    index = np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])
    return text_from_bytes(content.take(index), ends, kind)
