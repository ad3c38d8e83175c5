"""Where things were found in a block of texts, which of them hold, and how their masks are put in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, text_from_bytes
from dmengine_maskers.recognisers import Recogniser, table_of
from dmengine_maskers.spans import cut, spans

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_BEGIN, _END = 0xFE, 0xFF  # bytes that UTF-8 never has
_MARKED: Final = bytes([_BEGIN]) + b"\\0" + bytes([_END])  # RE2 is quicker without groups
_BEHIND: Final = b"\\1" + bytes([_BEGIN]) + b"\\2" + bytes([_END])


@dataclass(frozen=True, slots=True)
class Block:
    """Some texts (no nulls) with their bytes end to end; places are counted from the first of them."""

    values: pa.Array
    content: npt.NDArray[np.uint8]
    ends: Places

    @staticmethod
    def of(values: pa.Array) -> Block:
        """Lay out a block."""
        return Block(values, *spans(values))

    def texts(self, found: Spans) -> pa.Array:
        """Return what was found."""
        return cut(self.content, found.starts, found.stops, self.values.type)


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of a block, in order; none is in two values."""

    starts: Places
    stops: Places

    def only(self, chosen: Flags) -> Spans:
        """Return some of them."""
        return self if chosen.all() else Spans(self.starts[chosen], self.stops[chosen])

    def __len__(self) -> int:
        return len(self.starts)


NONE: Final = Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class Resolved:
    """Findings of several kinds that do not overlap any more.

    Attributes:
        spans: Where they are.
        kinds: The kind of each: that of the longest where some overlapped.
        whole: Whether that one covers all that was found there; where not, it is more than one thing.
    """

    spans: Spans
    kinds: Places
    whole: Flags


def find(block: Block, recogniser: Recogniser, *, check: bool = True) -> Spans:
    """Find what a recogniser knows.

    >>> block = Block.of(pa.array(["a 12", "x", "34 and 5"]))
    >>> block.texts(find(block, Recogniser("[0-9]+"))).to_pylist()
    ['12', '34', '5']
    """
    rows = None
    if recogniser.sign:
        rows = booleans(pc.match_substring(block.values, recogniser.sign))
    found = search(block, recogniser.body, recogniser.lead, rows)
    holds = _holds(block, found, recogniser, check=check)
    if holds.all() or not recogniser.last_piece:
        return found.only(holds)
    shorter = _without_last_piece(block, found.only(~holds), recogniser.last_piece)
    stops = found.stops.copy()
    stops[~holds] = shorter.stops
    holds[~holds] = _holds(block, shorter, recogniser, check=check)
    return Spans(found.starts, stops).only(holds)


def search(block: Block, body: str, lead: str = "", rows: Flags | None = None) -> Spans:
    """Find an expression, where another stands before it if one is given, in all values or in some."""
    rows = None if rows is None or rows.all() else rows
    values = block.values if rows is None else block.values.filter(pa.array(rows))
    pattern, marked = (f"({lead})({body})", _BEHIND) if lead else (body, _MARKED)
    content, ends = spans(pc.replace_substring_regex(values, pattern, marked))
    begins, closes = np.flatnonzero(content == _BEGIN), np.flatnonzero(content == _END)
    if len(begins) == 0:
        return NONE
    marks = 2 * np.arange(len(begins))
    starts, stops = begins - marks, closes - marks - 1
    if rows is None:
        return Spans(starts, stops)
    row = np.searchsorted(ends, begins, side="right") - 1
    unmarked = ends[:-1] - 2 * np.searchsorted(begins, ends[:-1])
    shift = (block.ends[:-1][rows] - unmarked)[row]  # from the chosen values to the block
    return Spans(starts + shift, stops + shift)


def resolve(found: list[Spans]) -> Resolved:
    """Join what overlaps into one finding: of the kind of the longest, or of the first listed of those.

    >>> one, other = Spans(np.array([0, 10]), np.array([4, 12])), Spans(np.array([2]), np.array([9]))
    >>> resolved = resolve([one, other])
    >>> resolved.spans.starts.tolist(), resolved.spans.stops.tolist(), resolved.kinds.tolist(), resolved.whole.tolist()
    ([0, 10], [9, 12], [1, 0], [False, True])
    """
    starts = np.concatenate([spans.starts for spans in found])
    stops = np.concatenate([spans.stops for spans in found])
    kinds = np.repeat(np.arange(len(found)), [len(spans) for spans in found])
    order = np.lexsort((kinds, -stops, starts))
    starts, stops, kinds = starts[order], stops[order], kinds[order]
    if len(starts) == 0:
        return Resolved(NONE, kinds, np.zeros(0, np.bool_))
    reached = np.maximum.accumulate(stops)
    first = np.flatnonzero(np.concatenate([[True], starts[1:] >= reached[:-1]]))
    union = Spans(starts[first], reached[np.append(first[1:], len(starts)) - 1])
    if len(first) == len(starts):
        return Resolved(union, kinds, np.ones(len(first), np.bool_))
    group = np.repeat(np.arange(len(first)), np.diff(first, append=len(starts)))
    best = np.lexsort((kinds, starts - stops, group))[first]
    whole = stops[best] - starts[best] == union.stops - union.starts
    return Resolved(union, kinds[best], whole)


def put_back(block: Block, found: Spans, masked: pa.Array) -> pa.Array:
    """Return the texts with a masked text in the place of each finding.

    >>> block = Block.of(pa.array(["a 12", "x"]))
    >>> put_back(block, Spans(np.array([2]), np.array([4])), pa.array(["345"])).to_pylist()
    ['a 345', 'x']
    """
    if len(found) == 0:
        return block.values
    new, new_ends = spans(masked)
    size, count = len(block.content), len(found)
    starts, stops = np.empty(2 * count + 1, np.int64), np.empty(2 * count + 1, np.int64)
    starts[0::2], stops[0::2] = np.concatenate([[0], found.stops]), np.append(found.starts, size)
    starts[1::2], stops[1::2] = new_ends[:-1] + size, new_ends[1:] + size
    pieces, _ = spans(cut(np.concatenate([block.content, new]), starts, stops, pa.large_binary()))
    grown = np.concatenate([[0], np.cumsum(np.diff(new_ends) - (found.stops - found.starts))])
    ends = block.ends + grown[np.searchsorted(found.stops, block.ends, side="right")]
    return text_from_bytes(pieces, ends, block.values.type)


def _holds(block: Block, found: Spans, recogniser: Recogniser, *, check: bool) -> Flags:
    """Say which candidates are what they look like."""
    holds = np.ones(len(found), np.bool_)
    if recogniser.not_after:
        holds = ~_followed(block, found, recogniser.not_after)
    if check and recogniser.check is not None and holds.any():
        holds[holds] = recogniser.check(block.texts(found.only(holds)))
    return holds


def _without_last_piece(block: Block, found: Spans, separators: bytes) -> Spans:
    """Cut candidates before their last separator; one without any becomes empty."""
    bytes_of, ends = spans(block.texts(found))
    places = np.flatnonzero(table_of(separators).take(bytes_of))
    last = np.searchsorted(places, ends[1:]) - 1
    cut_at = places[last] - ends[:-1] if len(places) else np.full(len(found), -1, np.int64)
    inside = (last >= 0) & (cut_at > 0)
    return Spans(found.starts, np.where(inside, found.starts + cut_at, found.starts))


def _followed(block: Block, found: Spans, characters: bytes) -> Flags:
    """Say which findings are followed by one of these bytes, in the same value."""
    last = found.stops == block.ends[np.searchsorted(block.ends, found.stops, side="left")]
    following = block.content.take(np.where(last, 0, found.stops))
    follows: Flags = ~last & table_of(characters).take(following)
    return follows
