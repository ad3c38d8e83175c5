"""Where things were found in a block of texts, which of them hold, and how their masks are put in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import text_from_bytes
from dmengine_maskers.blocks import NONE, Block, Flags, Places, Spans
from dmengine_maskers.recognisers import Recogniser
from dmengine_maskers.scanning import Scan, table_of
from dmengine_maskers.spans import spans

_BEGIN, _END = 0xFE, 0xFF  # bytes that UTF-8 never has
_MARKED: Final = bytes([_BEGIN]) + b"\\0" + bytes([_END])
_NOTHING, _ANYTHING = ord(" "), ord("0")  # before a stretch: the beginning of a value, and what is before nothing


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


def find(scan: Scan, recogniser: Recogniser, *, check: bool = True) -> Spans:
    """Find what a recogniser knows.

    >>> block = Block.of(pa.array(["a 12", "x", "34 and 5"]))
    >>> block.texts(find(Scan(block), Recogniser("[0-9]+"))).to_pylist()
    ['12', '34', '5']
    """
    block = scan.block
    if recogniser.near is None:
        found = search(block, recogniser.body)
    else:
        found = search_near(block, recogniser.near(scan), recogniser.body, recogniser.not_before)
    holds = _holds(block, found, recogniser, check=check)
    if holds.all() or not recogniser.last_piece:
        return found.only(holds)
    shorter = _without_last_piece(block, found.only(~holds), recogniser.last_piece)
    stops = found.stops.copy()
    stops[~holds] = shorter.stops
    holds[~holds] = _holds(block, shorter, recogniser, check=check) & (shorter.stops > shorter.starts)
    return Spans(found.starts, stops).only(holds)


def search(block: Block, body: str) -> Spans:
    """Find an expression wherever it is."""
    found, _ = _marked(block.values, body)
    return found


def search_near(block: Block, near: Spans, body: str, not_before: str = "") -> Spans:
    """Find an expression in some stretches of the texts, where some characters are not before it.

    Each stretch is searched for itself, so it has to hold whatever begins in it as a whole. Digits are among the
    characters that are not before it, if any are.

    >>> block = Block.of(pa.array(["12 34", "56 78"]))
    >>> found = search_near(block, Spans(np.array([1, 5]), np.array([5, 7])), "[0-9]+", "0-9")
    >>> block.texts(found).to_pylist()
    ['34', '56']
    """
    if len(near) == 0:
        return NONE
    before = 1 if not_before else 0
    texts, sizes = _copied(block, near, before)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    pattern = f"[^{not_before}](?:{body})" if not_before else body
    values = text_from_bytes(texts, ends, pa.large_string())
    plain = np.bitwise_or.reduceat(texts, ends[:-1]) < 0x80
    if plain.all():
        found, first = _marked(values, in_ascii(pattern))
    else:
        found, first = _marked_apart(values, ends, plain, pattern)
    begins = found.starts + _character_size(first) if before else found.starts
    stretch = np.searchsorted(ends, found.starts, side="right") - 1
    shift = (near.starts - before - ends[:-1])[stretch]
    return Spans(begins + shift, found.stops + shift)


def in_ascii(pattern: str) -> str:
    r"""Return what an expression is for texts that are ASCII: RE2 is four times as quick without all of Unicode.

    Classes have to be written within brackets.

    >>> in_ascii(r"[\pL\pN_]@[\pL]")
    '[A-Za-z0-9_]@[A-Za-z]'
    """
    return pattern.replace(r"\pL", "A-Za-z").replace(r"\pN", "0-9")


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
    _, new_ends = spans(masked)
    places = np.zeros(2 * len(found) + 2, np.int64)
    places[1:-1:2], places[2::2], places[-1] = found.starts, found.stops, len(block.content)
    pieces = text_from_bytes(block.content, places, pa.large_binary())
    of_mask = np.arange(len(pieces)) % 2 == 1
    written, _ = spans(pc.replace_with_mask(pieces, pa.array(of_mask), masked.cast(pa.large_binary())))
    grown = np.concatenate([[0], np.cumsum(np.diff(new_ends) - (found.stops - found.starts))])
    ends = block.ends + grown[np.searchsorted(found.stops, block.ends, side="right")]
    return text_from_bytes(written, ends, block.values.type)


def _marked(values: pa.Array, pattern: str) -> tuple[Spans, npt.NDArray[np.uint8]]:
    """Return where an expression is in the bytes of all values, and the first byte of each finding."""
    content, _ = spans(pc.replace_substring_regex(values, pattern, _MARKED))
    begins, closes = np.flatnonzero(content == _BEGIN), np.flatnonzero(content == _END)
    marks = 2 * np.arange(len(begins))
    return Spans(begins - marks, closes - marks - 1), content.take(begins + 1)


def _marked_apart(values: pa.Array, ends: Places, plain: Flags, pattern: str) -> tuple[Spans, npt.NDArray[np.uint8]]:
    """Do as `_marked`, with an expression of its own for the values that are ASCII."""
    parts = []
    for chosen, written in ((plain, in_ascii(pattern)), (~plain, pattern)):
        some = values.filter(pa.array(chosen))
        found, first = _marked(some, written)
        own = np.concatenate([[0], np.cumsum(np.diff(ends)[chosen])])
        shift = (ends[:-1][chosen] - own[:-1])[np.searchsorted(own, found.starts, side="right") - 1]
        parts.append((found.starts + shift, found.stops + shift, first))
    starts, stops, first = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(starts)
    return Spans(starts[order], stops[order]), first[order]


def _copied(block: Block, near: Spans, before: int) -> tuple[npt.NDArray[np.uint8], Places]:
    """Copy stretches, each with a byte before it that says whether a value begins there."""
    sizes = near.stops - near.starts + before
    starts = np.cumsum(sizes) - sizes
    index = np.repeat(near.starts - before - starts, sizes) + np.arange(int(sizes.sum()))
    texts = block.content.take(index, mode="clip")
    if before:
        at_start = block.ends[block.row_of(near.starts)] == near.starts
        texts[starts] = np.where(at_start, _NOTHING, _ANYTHING)
    return texts, sizes


def _character_size(first: npt.NDArray[np.uint8]) -> Places:
    """Return how many bytes a character has, by its first byte."""
    return np.asarray(1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0), np.int64)


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
