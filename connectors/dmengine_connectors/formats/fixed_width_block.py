"""A block of whole fixed-width records: its bytes, and where each record begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import offsets
from dmengine.errors import InputError
from dmengine.jsontext.edit import Change, splice
from dmengine.jsontext.index import places, slices
from dmengine.spi import Positions
from dmengine_connectors.formats.fixed_width_layout import Layout

_CR = 13


@dataclass(frozen=True, slots=True)
class Place:
    """How many records and bytes of a file come before a block."""

    records: int = 0
    byte: int = 0


@dataclass(frozen=True)
class Block:
    """Whole records of one file, as they were read; those that are kept as they are lie between the others.

    Attributes:
        content: All bytes, line ends included.
        layout: What lies where in a record.
        starts: The first byte of each record that is not kept as it is.
        numbers: For each of them, which record of the file it is, from 0; None: they follow each other.
        place: Where the block begins.
    """

    content: bytes = field(repr=False)
    layout: Layout
    starts: Positions = field(repr=False)
    numbers: Positions | None = field(repr=False)
    place: Place

    @cached_property
    def inner(self) -> Positions | None:
        """The bytes of characters behind their first, where positions are characters and some take several bytes."""
        if not self.layout.counts_characters or self.content.isascii():
            return None
        return np.flatnonzero((np.frombuffer(self.content, np.uint8) & 0xC0) == 0x80)

    def cells(self, begin: int, stop: int) -> pa.Array:
        """Return the bytes of each record from one position to another, as a binary array."""
        data, width = np.frombuffer(self.content, np.uint8), stop - begin
        if self.inner is not None:
            return slices(data, *self.spans(begin, stop))
        ends = np.arange(len(self.starts) + 1, dtype=np.int32) * np.int32(width)
        cells = _windows(data, width)[self.starts + begin]
        return pa.Array.from_buffers(pa.binary(), len(self.starts), [None, pa.py_buffer(ends), pa.py_buffer(cells)])

    def spans(self, begin: int, stop: int) -> tuple[Positions, Positions]:
        """Return where each record's bytes from one position to another lie."""
        if self.inner is None:
            return self.starts + begin, self.starts + stop
        before = self.inner - np.arange(len(self.inner))  # how many characters come before each of these bytes
        first = self.starts - np.searchsorted(self.inner, self.starts)
        begins, stops = first + begin, first + stop
        begins += np.searchsorted(before, begins, "right")
        stops += np.searchsorted(before, stops, "right")
        return begins, stops

    def with_cells(self, changes: Mapping[tuple[int, int], pa.Array]) -> bytes | bytearray:
        """Return the bytes with new cells (binary) put between some positions."""
        size = len(self.starts)
        if self.inner is None and all(
            _size(cells) == size * (stop - begin) for (begin, stop), cells in changes.items()
        ):
            out = bytearray(self.content)
            data = np.frombuffer(out, np.uint8)
            for (begin, stop), cells in changes.items():
                windows = _windows(data, stop - begin)
                rows = np.frombuffer(cells.buffers()[2] or b"", windows.dtype, size, int(offsets(cells)[0]))
                windows[self.starts + begin] = rows
            return out
        return splice(
            self.content,
            [Change(*self.spans(*where), cells.cast(pa.large_binary())) for where, cells in changes.items()],
        )

    def spot(self, row: int) -> str:
        """Name a record: records are counted from 1, with those that are kept as they are; bytes from 0."""
        number = row if self.numbers is None else int(self.numbers[row])
        return spot(Place(self.place.records + number, self.place.byte + int(self.starts[row])))


def spot(place: Place) -> str:
    """Name the record that begins at a place.

    >>> spot(Place(2, 160))
    'record 3 at byte 160'
    """
    return f"record {place.records + 1} at byte {place.byte}"


def lay_out(content: bytes, layout: Layout, place: Place, kept: int) -> tuple[Block, int]:
    """Find the records of a block, of which the first `kept` are kept as they are; say how many there are in all.

    Raises:
        InputError: a record is longer or shorter than the layout says, or is not text in its encoding.
    """
    data = np.frombuffer(content, np.uint8)
    if not kept and (starts := _even(content, data, layout)) is not None:
        block = Block(content, layout, starts, None, place)
        count = len(starts)
    else:
        starts, ends = _records(content, layout)
        count = len(starts)
        masked = ~_begins_kept(data, starts, layout)
        masked[:kept] = False
        numbers = np.flatnonzero(masked)
        block = Block(content, layout, starts[numbers], numbers, place)
        _check_lengths(block, ends[numbers])
    _check_gaps(block)
    return block, count


def count_kept(content: bytes, layout: Layout) -> int:
    """Count the records that begin as those do that are kept as they are."""
    starts, _ = _records(content, layout)
    return int(np.count_nonzero(_begins_kept(np.frombuffer(content, np.uint8), starts, layout)))


def _even(content: bytes, data: npt.NDArray[np.uint8], layout: Layout) -> Positions | None:
    """Return the starts of records that are all as long in bytes as the layout says, none of them kept; else None."""
    size = layout.length
    if layout.line_end:
        first = content.find(layout.line_end)
        paired = first == size + 1 and content[size] == _CR
        if first != size and not paired:
            return None
        size = first + 1
        count = -(-len(content) // size)
        ends = data[first::size]
        is_end = data == layout.line_end[0]
        if len(content) % size not in (0, layout.length) or np.count_nonzero(is_end) != len(ends):
            return None
        if (ends != layout.line_end[0]).any() or (data[first - 1 :: size] == _CR).any() != paired:
            return None
        if paired and not (data[first - 1 :: size][: len(ends)] == _CR).all():
            return None
        if layout.counts_characters and not content.isascii():
            return None
    else:
        count = len(content) // size
    starts = np.arange(count, dtype=np.int64) * size
    return None if layout.prefixes and _begins_kept(data, starts, layout).any() else starts


def _records(content: bytes, layout: Layout) -> tuple[Positions, Positions]:
    """Return where each record begins and ends, without what ends a line: a CR before the line end goes with it."""
    if not layout.line_end:
        ends = np.arange(layout.length, len(content) + 1, layout.length, dtype=np.int64)
        return ends - layout.length, ends
    data = np.frombuffer(content, np.uint8)
    feeds = places(data, layout.line_end[0])
    starts = np.concatenate([np.zeros(1, np.int64), feeds + 1])
    ends = feeds - ((data[feeds - 1] == _CR) & (feeds > starts[:-1]))
    return (starts[:-1], ends) if starts[-1] == len(content) else (starts, np.append(ends, len(content)))


def _begins_kept(data: npt.NDArray[np.uint8], starts: Positions, layout: Layout) -> npt.NDArray[np.bool_]:
    """Say which records begin as those do that are kept as they are."""
    found = np.zeros(len(starts), np.bool_)
    for prefix in layout.prefixes:
        fits = np.flatnonzero(starts + len(prefix) <= len(data))
        if len(fits):
            begins = _windows(data, len(prefix))[starts[fits]].view(np.uint8).reshape(len(fits), len(prefix))
            found[fits] |= (begins == np.frombuffer(prefix, np.uint8)).all(axis=1)
    return found


def _check_lengths(block: Block, ends: Positions) -> None:
    layout = block.layout
    lengths = ends - block.starts
    if block.inner is not None:
        _check_utf8(block)
        lengths -= np.searchsorted(block.inner, ends) - np.searchsorted(block.inner, block.starts)
    wrong = np.flatnonzero(lengths != layout.length)
    if len(wrong):
        first = int(wrong[0])
        raise InputError(
            f"{len(wrong)} records of one block do not have {layout.length} {layout.unit}; "
            f"the first is {block.spot(first)}, with {int(lengths[first])}",
            hint="check record_length, encoding and unit; headers and trailers are named in keep_first, keep_last or "
            "keep_prefixes",
        )


def _check_utf8(block: Block) -> None:
    byte = -1
    try:
        block.content.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = error.start
    if byte >= 0:
        row = max(int(np.searchsorted(block.starts, byte, "right")) - 1, 0)
        raise InputError(
            f"byte {block.place.byte + byte} is not utf-8 text, in or after {block.spot(row)}",
            hint="set the encoding that the file is in, or unit: bytes",
        )


def _check_gaps(block: Block) -> None:
    """Refuse what lies between fields: no rule would see it."""
    layout = block.layout
    pad = layout.encoding.encode(layout.pad)
    for begin, stop in layout.gaps:
        cells = block.cells(begin, stop)
        content = cells.buffers()[2].to_pybytes() if len(cells) else b""
        if content.count(pad) == len(content):
            continue
        row = next(row for row, cell in enumerate(cells.to_pylist()) if cell.strip(pad))
        raise InputError(
            f"there is more than padding at {begin + 1} to {stop}, where the layout has no field: {block.spot(row)}",
            hint=f"add to the layout, with a rule: {{name: filler_{begin + 1}, start: {begin + 1}, end: {stop}}}",
        )


def _windows(data: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.void]:
    """Return a view of bytes whose item i is the `width` bytes from i on."""
    return np.ndarray((max(len(data) - width + 1, 0),), f"V{width}", data, strides=(1,))


def _size(cells: pa.Array) -> int:
    bounds = offsets(cells)
    return int(bounds[-1] - bounds[0])
