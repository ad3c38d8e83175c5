"""A block of whole CSV records: its bytes, and where each record and cell lies in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine_connectors.formats.csv_dialect import CR, LF
from dmengine_connectors.formats.csv_scan import Bytes, Flags, Places


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of one file, as they were read.

    Attributes:
        content: UTF-8; only its first `size` bytes belong to the block.
        size: The last of these bytes is a line end.
        starts: Where each record begins.
        ends: Where each cell ends, one row a record.
        unended: The last line end is not in the file.
        record: How many records of the file come before it.
        offset: Where it begins in the file.
        after_cr: Whether the record before it ends with a CR alone.
    """

    content: bytes = field(repr=False)
    size: int
    starts: Places = field(repr=False)
    ends: npt.NDArray[np.int32] = field(repr=False)
    unended: bool = False
    record: int = 0
    offset: int = 0
    after_cr: bool = False

    @property
    def num_rows(self) -> int:
        """How many records the block has."""
        return len(self.starts)

    @property
    def data(self) -> Bytes:
        """The bytes as numpy sees them."""
        return np.frombuffer(self.content, np.uint8, self.size)

    @property
    def ends_in_cr(self) -> bool:
        """Whether the last record ends with a CR alone."""
        end = int(self.ends[-1, -1])
        return self.content[end] == CR and self.content[end + 1 : min(end + 2, self.size)] != b"\n"

    def begin(self, column: int) -> Places:
        """Return where each cell of a column begins."""
        return self.starts if column == 0 else self.ends[:, column - 1] + np.int32(1)

    def end(self, column: int) -> Places:
        """Return where each cell of a column ends."""
        return self.ends[:, column]

    def line_ends(self) -> Places:
        """Return where the line end of each record ends."""
        last = self.ends[:, -1]
        return last + np.where(self.data[last] == CR, self._pairs(last), 1).astype(np.int32)

    def _pairs(self, last: Places) -> npt.NDArray[np.int64]:
        after = self.data[np.minimum(last + 1, self.size - 1)]
        return np.where((after == LF) & (last + 1 < self.size), 2, 1)


@dataclass(frozen=True, slots=True)
class Ragged:
    """What is wrong with the lines of a block.

    Attributes:
        count: How many records have another number of cells than the file has columns.
        first: The first of them, counted from 0 within the block.
        place: Where it begins in the block.
        cells: How many cells it has.
    """

    count: int
    first: int
    place: int
    cells: int


def lay_out(content: bytes, places: Places, line_ends: Flags, columns: int) -> Block | Ragged:
    """Arrange separators as records of `columns` cells; empty lines between them are no records.

    >>> import numpy as np
    >>> places, line_ends = np.array([1, 3, 4], np.int32), np.array([False, True, True])
    >>> block = lay_out(b"a,b\\n\\n", places, line_ends, 2)
    >>> block.begin(1).tolist(), block.end(1).tolist()
    ([2], [3])

    In a file of one column, an empty line is a record with an empty cell.
    """
    size = int(places[-1]) + 1
    data = np.frombuffer(content, np.uint8, size)
    if len(places) % columns == 0:
        ends = places.reshape(-1, columns)
        if line_ends[columns - 1 :: columns].all() and np.count_nonzero(line_ends) == len(ends):
            starts = np.zeros(len(ends), np.int32)
            starts[1:] = ends[:-1, -1] + 1
            return Block(content, size, starts, _without_cr(data, starts, ends))
    lines = np.flatnonzero(line_ends)
    cells = np.diff(lines, prepend=-1)
    stops = places[lines]
    starts = np.concatenate([np.zeros(1, np.int32), stops[:-1] + np.int32(1)])
    blank = (cells == 1) & (_without_cr(data, starts, stops[:, None])[:, 0] == starts) & (columns > 1)
    bad = np.flatnonzero((cells != columns) & ~blank)
    if len(bad):
        first = int(bad[0])
        return Ragged(len(bad), int(np.count_nonzero(~blank[:first])), int(starts[first]), int(cells[first]))
    ends = places[~np.repeat(blank, cells)].reshape(-1, columns)
    starts = starts[~blank]
    return Block(content, size, starts, _without_cr(data, starts, ends))


def cells_of(block: Block, begin: Places, end: Places, missing: Flags | None = None) -> pa.Array:
    """Return spans of a block as a binary array; `missing` ones are null, with no byte behind them."""
    bounds = np.empty(2 * len(begin) + 1, np.int32)
    bounds[0:-1:2], bounds[1::2], bounds[-1] = begin, end, block.size
    tiles = pa.Array.from_buffers(
        pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(block.content)]
    )
    wanted = np.arange(0, len(bounds) - 1, 2, dtype=np.int32)
    return tiles.take(pa.array(wanted, mask=missing if missing is not None and missing.any() else None))


def _without_cr(data: Bytes, starts: Places, ends: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Move the end of each record's last cell before the CR of a CR LF."""
    last = ends[:, -1]
    paired = (data[last - 1] == CR) & (data[last] == LF) & (last > starts)
    if not paired.any():
        return ends
    ends = ends.copy()
    ends[:, -1] -= paired
    return ends
