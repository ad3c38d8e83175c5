"""Puts a CSV block together again, with new cells and without dropped columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import offsets
from dmengine.errors import MaskError
from dmengine_connectors.formats.csv_block import Block
from dmengine_connectors.formats.csv_cells import Cells
from dmengine_connectors.formats.csv_dialect import CR, Dialect
from dmengine_connectors.formats.csv_scan import Places, scan

_MOST_BYTES = 2**31 - 1  # Arrow's 32-bit offsets


@dataclass(frozen=True, slots=True)
class _Cut:
    """A span that is cut out of each record, and what is put there instead."""

    begin: Places
    end: Places
    cells: pa.Array | None = None


def render(block: Block, cells: Mapping[int, Cells], dropped: Collection[int], dialect: Dialect) -> memoryview:
    """Return the bytes of a block: all as they were read but for the columns that changed.

    Args:
        block: As it was read.
        cells: The new cells of columns.
        dropped: Columns to leave out, each with one delimiter. Not all of them.
        dialect: How the block was read.

    Raises:
        MaskError: a record would vanish, or the block grow beyond 2 GiB.
    """
    cuts = _cuts(block, cells, dropped)
    left = block.ends.shape[1] - len(dropped)
    if not cuts or (block.num_rows == 0 and (left > 1 or not dropped)):
        return memoryview(block.content)[: block.size - block.unended]
    if block.num_rows == 0:
        return memoryview(b"")
    if left > 1:
        joined = _join(block, cuts, 0)
        return joined[: len(joined) - block.unended]
    return _one_column(block, cuts, dropped, dialect)


def _one_column(block: Block, cuts: list[_Cut], dropped: Collection[int], dialect: Dialect) -> memoryview:
    """Join records of one cell each: an empty one must not vanish, nor an empty line become one."""
    line_ends = block.line_ends()
    first = 0
    if dropped:
        first = int(block.starts[0])
        cuts = [*cuts, _Cut(line_ends, np.append(block.starts[1:], np.int32(block.size)))]
    joined = _join(block, cuts, first)
    around = b"\r" * block.after_cr + bytes(joined) + b"\n" * (joined[-1] == CR)
    if b"\r" in around and np.count_nonzero(scan(around, dialect).line_ends) != block.num_rows + block.after_cr:
        raise MaskError(
            "an empty cell of the only column would vanish between a CR and an LF",
            hint="give all lines of the file the same line end first",
        )
    is_paired = block.content[block.size - 2 : block.size - 1] == b"\r"
    is_empty = bytes(joined[-2:-1]) in (b"", b"\r", b"\n") and not is_paired
    added = block.unended and line_ends[-1] == block.size and not is_empty
    return joined[: len(joined) - added]


def _cuts(block: Block, cells: Mapping[int, Cells], dropped: Collection[int]) -> list[_Cut]:
    columns = block.ends.shape[1]
    last = max((column for column in range(columns) if column not in dropped), default=0)
    cuts = []
    for column in sorted({*cells, *dropped}):
        begin, end = block.begin(column), block.end(column)
        if column not in dropped:
            inner = cells[column].inner
            cuts.append(_Cut(begin + inner, end - inner, cells[column].content))
        elif column < last:
            cuts.append(_Cut(begin, end + np.int32(1)))
        else:
            cuts.append(_Cut(begin - np.int32(1), end))
    return cuts


def _join(block: Block, cuts: list[_Cut], first: int) -> memoryview:
    """Take what is kept and what is new, in turns, as the values of one array: their bytes lie end to end."""
    rows = block.num_rows
    bounds = np.empty((rows, 2 * len(cuts)), np.int32)
    for index, cut in enumerate(cuts):
        bounds[:, 2 * index], bounds[:, 2 * index + 1] = cut.begin, cut.end
    ends = np.concatenate([[first], bounds.reshape(-1), [block.size]], dtype=np.int32, casting="unsafe")
    tiles = pa.Array.from_buffers(pa.binary(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(block.content)])
    new = [cut.cells for cut in cuts if cut.cells is not None]
    total = block.size + sum(int(offsets(array)[-1] - offsets(array)[0]) for array in new)
    if total > _MOST_BYTES:
        raise MaskError("the masked values of one block take more than 2 GiB", hint="mask with shorter values")
    parts = pa.concat_arrays([tiles, *new]).take(pa.array(_order(cuts, rows)))
    return memoryview(parts.buffers()[2])[: int(offsets(parts)[-1])]


def _order(cuts: list[_Cut], rows: int) -> npt.NDArray[np.int32]:
    """Say which tile or new cell comes next. Tiles are kept and cut in turns; new cells follow column by column."""
    tiles = 2 * len(cuts) * rows + 1
    record = np.arange(rows, dtype=np.int32)
    order = []
    behind = tiles
    for index, cut in enumerate(cuts):
        order.append(record * np.int32(2 * len(cuts)) + np.int32(2 * index))
        if cut.cells is not None:
            order.append(record + np.int32(behind))
            behind += rows
    tail = np.array([tiles - 1], np.int32)
    return np.concatenate([np.stack(order, axis=1).reshape(-1), tail])
