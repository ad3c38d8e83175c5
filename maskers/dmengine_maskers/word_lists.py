"""Find the words of a list in free text, whole words only."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans
from dmengine_maskers.blocks import NONE, Block, Places, Spans
from dmengine_maskers.findings import search_near
from dmengine_maskers.scanning import table_of

_WORD = r"[\pL\pM\pN]+"
_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def find_words(block: Block, words: tuple[str, ...], *, ignore_case: bool = True) -> Spans:
    """Find the entries of a list, of one word or of several, the longest where one begins another.

    >>> block = Block.of(pa.array(["Mary Ann met ann; Annabel did not"]))
    >>> block.texts(find_words(block, ("Ann", "Mary Ann"))).to_pylist()
    ['Mary Ann', 'ann']
    """
    entries, firsts, most = _entries(words, ignore_case)
    tokens = _tokens(block)
    if len(tokens) == 0:
        return NONE
    spelt = _folded(block.texts(tokens), ignore_case)
    here = np.flatnonzero(booleans(pc.is_in(spelt, firsts)))
    found: list[Spans] = []
    for count in range(most, 0, -1):
        last = here + count - 1
        begin = here[last < len(tokens)]
        some = Spans(tokens.starts[begin], tokens.stops[begin + count - 1])
        one_value = np.searchsorted(block.ends, some.starts, side="right") == np.searchsorted(block.ends, some.stops)
        some = some.only(one_value)
        if len(some):
            found.append(some.only(booleans(pc.is_in(_folded(block.texts(some), ignore_case), entries))))
    if not found:
        return NONE
    starts, stops = _in_order(found)
    # an entry that an earlier or a longer one covers is not found again; one that goes on behind it is
    new = np.concatenate([[True], stops[1:] > np.maximum.accumulate(stops)[:-1]]) if len(stops) else np.zeros(0, bool)
    return Spans(starts[new], stops[new])


def _tokens(block: Block) -> Spans:
    """Split into runs of letters and digits: by their bytes where all is ASCII."""
    plain = booleans(pc.string_is_ascii(block.values))
    letter = np.zeros(len(block.content) + 1, np.bool_)
    letter[:-1] = table_of(_LETTERS).take(block.content)
    if not plain.all():
        letter[:-1] &= np.repeat(plain, np.diff(block.ends))
    before = np.concatenate([[False], letter[:-1]])
    before[block.ends] = False
    starts = np.flatnonzero(letter & ~before)
    follows = np.concatenate([letter[1:], [False]])
    follows[block.ends[1:] - 1] = False
    tokens = Spans(starts, np.flatnonzero(letter & ~follows) + 1)
    if plain.all():
        return tokens
    others = Spans(block.ends[:-1], block.ends[1:]).only(~plain)
    return Spans(*_in_order([tokens, search_near(block, others, _WORD)]))


def _in_order(found: list[Spans]) -> tuple[Places, Places]:
    starts = np.concatenate([spans.starts for spans in found])
    stops = np.concatenate([spans.stops for spans in found])
    order = np.lexsort((-stops, starts))
    return starts[order], stops[order]


@lru_cache(maxsize=32)
def _entries(words: tuple[str, ...], ignore_case: bool) -> tuple[pa.Array, pa.Array, int]:
    """The entries as they are compared, the first word of each, and the most words that one has."""
    folded = _folded(pa.array(words, pa.string()), ignore_case)
    block = Block.of(folded)
    tokens = _tokens(block)
    row = np.searchsorted(block.ends, tokens.starts, side="right") - 1
    first = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, np.bool_)
    counts = np.bincount(row, minlength=len(words))
    heads = block.texts(tokens.only(first))
    starts = np.zeros(len(words), np.int64)
    stops = np.zeros(len(words), np.int64)
    starts[row[::-1]] = tokens.starts[::-1]
    stops[row] = tokens.stops
    return block.texts(Spans(starts, stops)), heads, int(counts.max(initial=0))


def _folded(texts: pa.Array, ignore_case: bool) -> pa.Array:
    texts = texts.cast(pa.string())
    return pc.utf8_lower(texts) if ignore_case else texts
