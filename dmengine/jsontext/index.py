"""The structural index of a block of JSON lines: where each member and element lies, without decoding any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.spi import Positions

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

QUOTE, COMMA, COLON, BACKSLASH, NEWLINE = b'",:\\\n'
OPEN_LIST, OPEN_OBJECT, CLOSE_OBJECT = b"[{}"
LOWER = np.uint8(0x20)  # sets `[` to `{` and `]` to `}`, and no other byte to either
ROUNDS = 8
PIECE = 1 << 17
SMALL_GRID = 1 << 20
MOST_EVEN = 1 << 12


@dataclass(frozen=True, slots=True)
class Tokens:
    """Brackets, commas and colons that are outside strings, in document order.

    Attributes:
        at: The byte of each.
        char: What stands there.
        level: How many brackets are open inside the container that the token belongs to.
        deepest: The deepest level.
        balanced: Whether every bracket that opens also closes.
        escapes: Every backslash, in strings or not.
        newlines: Every line feed, in strings or not.
        width: How many tokens each record has, where all are flat objects of as many members; else 0.
    """

    at: Positions
    char: Bytes
    level: npt.NDArray[np.int32]
    deepest: int
    balanced: bool
    escapes: Positions
    newlines: Positions
    width: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tree:
    """All members and elements ("children") of all containers of a block, level by level.

    Containers are numbered level by level and, within a level, in document order: container k is record k
    for k < rows. Children are in the order of their containers, so those of one path are in document order.

    Attributes:
        data: The bytes of the block.
        escapes: Every backslash of it.
        newlines: Every line feed of it.
        rows: How many records it has.
        names: The distinct keys, decoded; `key` of a child is an index into it, or -1 for an element.
        before: The bracket or comma before each child.
        lead: The colon before its value; the same as `before` for an element.
        after: The comma or bracket after it.
        parent: The container that it is in.
        inner: The container that it is, or -1 for texts, numbers, true, false and null.
        first: The first child of each container; one more at the end.
    """

    data: Bytes
    escapes: Positions
    newlines: Positions
    rows: int
    names: list[str]
    key: npt.NDArray[np.int32]
    before: Positions
    lead: Positions
    after: Positions
    parent: Positions
    inner: Positions
    first: Positions

    def starts(self, children: Positions) -> Positions:
        """Return the first byte of each child's value."""
        return skip_blank(self.data, self.lead[children] + 1)

    def ends(self, children: Positions) -> Positions:
        """Return the byte behind each child's value."""
        return skip_blank_back(self.data, self.after[children])

    def heads(self, children: Positions) -> Positions:
        """Return the first byte of each child: of its key, if it has one."""
        return skip_blank(self.data, self.before[children] + 1)


def tokenize(data: Bytes) -> Tokens:
    """Find the structure of a block. Says nothing of whether it is JSON, but never misses depth that a parser sees.

    >>> found = tokenize(np.frombuffer(b'{"a:{": [1, 2]}', np.uint8))
    >>> found.char.tobytes(), found.level.tolist(), found.deepest
    (b'{:[,]}', [1, 1, 2, 2, 2, 1], 2)
    """
    escapes = places(data, BACKSLASH)
    escaped = _escaped(escapes)
    odd = np.uint64(0)
    parts = []
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        quotes = piece == QUOTE
        if len(escaped):
            low, high = np.searchsorted(escaped, (start, start + len(piece)))
            quotes[escaped[low:high] - start] = False
        inside, odd = _inside(_pack(quotes), odd)
        folded = piece | LOWER
        structure = piece == COMMA
        structure |= piece == COLON
        structure |= folded == OPEN_OBJECT
        structure |= folded == CLOSE_OBJECT
        outside = (_pack(structure) & ~inside).view(np.uint8)
        parts.append(np.flatnonzero(np.unpackbits(outside, bitorder="little").view(np.bool_)) + start)
    at = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    char = data[at]
    newlines = places(data, NEWLINE)
    if width := _even_width(char):
        return Tokens(at, char, np.ones(len(at), np.int32), 1, True, escapes, newlines, width)
    folded = char | LOWER
    closes = (folded == CLOSE_OBJECT).view(np.int8)
    level = np.cumsum((folded == OPEN_OBJECT).view(np.int8) - closes, dtype=np.int32)
    balanced = not len(level) or bool(level[-1] == 0 and level.min() >= 0)
    level += closes
    return Tokens(at, char, level, int(level.max(initial=0)), balanced, escapes, newlines)


def _even_width(char: Bytes) -> int:
    """Return how many tokens each record has, if all are flat objects of as many members; else 0."""
    width = char[:MOST_EVEN].tobytes().find(b"}") + 1
    if width < 3 or len(char) % width or char[:width].tobytes() != b"{" + b":," * (width // 2 - 1) + b":}":
        return 0
    return width if bool((char.reshape(-1, width) == char[:width]).all()) else 0


def places(data: Bytes, char: int) -> Positions:
    """Return where a character occurs, looking at pieces that stay in the cache."""
    found = []
    for start in range(0, len(data), PIECE):
        hits = data[start : start + PIECE] == char
        if hits.any():
            found.append(np.flatnonzero(hits) + start)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _escaped(escapes: Positions) -> Positions:
    """Return the bytes that a backslash escapes: those after the odd ones of each run of backslashes."""
    odd = nth_in_run(np.diff(escapes, prepend=-2) != 1) % 2 == 0
    escaped: Positions = escapes[odd] + 1
    return escaped


def nth_in_run(starts: Flags) -> Positions:
    """Count from 0 within each run, given where runs start.

    >>> nth_in_run(np.array([True, False, False, True, False])).tolist()
    [0, 1, 2, 0, 1]
    """
    index = np.arange(len(starts))
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _pack(flags: Flags) -> npt.NDArray[np.uint64]:
    """Pack flags into words, the first flag in the lowest bit: 64 bytes of text a word, as simdjson does it."""
    packed = np.packbits(flags, bitorder="little")
    if len(packed) % 8:
        packed = np.concatenate([packed, np.zeros(-len(packed) % 8, np.uint8)])
    return packed.view("<u8")


def _inside(quotes: npt.NDArray[np.uint64], odd: np.uint64) -> tuple[npt.NDArray[np.uint64], np.uint64]:
    """Mark the bits from each opening quote up to its closing quote: the running parity of the quotes.

    `odd` is the parity before the first word, and is returned as it is after the last.
    """
    inside = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        inside ^= inside << np.uint64(shift)
    parity = np.bitwise_xor.accumulate(inside >> np.uint64(63)) ^ odd
    before = np.concatenate([[odd], parity[:-1]])
    return inside ^ (np.uint64(0) - before), parity[-1]


def build_tree(data: Bytes, tokens: Tokens) -> Tree | None:
    """Index a block of valid JSON values; None if a key occurs twice in one object or is not text.

    >>> text = np.frombuffer(b'{"a": {"b": 1}}', np.uint8)
    >>> tree = build_tree(text, tokenize(text))
    >>> both = np.arange(2)
    >>> tree.names, tree.starts(both).tolist(), tree.ends(both).tolist()
    (['a', 'b'], [6, 12], [14, 13])
    """
    if tokens.width and (tree := _even_tree(data, tokens)) is not None:
        return tree
    order = np.argsort(tokens.level.astype(np.uint16), kind="stable") if tokens.deepest > 1 else None
    at, char = (tokens.at, tokens.char) if order is None else (tokens.at[order], tokens.char[order])
    opens = (char | LOWER) == OPEN_OBJECT
    child = np.flatnonzero(opens | (char == COMMA))
    keyed = char[child + 1] == COLON
    empty = _empty(data, at, char, child, opens[child] & ~keyed)
    if empty.any():
        child, keyed = child[~empty], keyed[~empty]
    lead = child + keyed
    parent = (np.cumsum(opens) - 1)[child]
    named = _keys(data, tokens)
    if named is None:
        return None
    names, ids = named
    key = np.full(len(child), -1, np.int32)
    key[keyed] = ids if order is None else _spread(tokens.char, ids)[order[lead[keyed]]]
    count = int(np.count_nonzero(opens))
    if _twice(parent[keyed], key[keyed], count, len(names)):
        return None
    rows = int(np.count_nonzero((tokens.level == 1) & ((tokens.char | LOWER) == OPEN_OBJECT)))
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(parent, minlength=count), out=first[1:])
    inner = _inner(tokens, order, lead, rows)
    return Tree(
        data, tokens.escapes, tokens.newlines, rows, names, key, at[child], at[lead], at[lead + 1], parent, inner, first
    )


def _even_tree(data: Bytes, tokens: Tokens) -> Tree | None:
    """Index a block whose records have the same keys in the same order, as files of one writer do; None if not."""
    at = tokens.at.reshape(-1, tokens.width)
    rows, count = len(at), tokens.width // 2
    before, lead, after = at[:, :-1:2], at[:, 1::2], at[:, 2::2]
    starts, ends = skip_blank(data, before + 1) + 1, skip_blank_back(data, lead) - 1
    sizes = ends[0] - starts[0]
    keys = [data[start:end].tobytes() for start, end in zip(starts[0], ends[0], strict=True)]
    if len(set(keys)) < count or not all(keys) or any(b"\\" in key for key in keys):
        return None
    if (ends - starts != sizes).any():
        return None
    for column, key in enumerate(keys):
        windows = np.ndarray(len(data) - len(key) + 1, f"V{len(key)}", data, strides=(1,))
        if windows[starts[:, column]].tobytes() != key * rows:
            return None
    return Tree(
        data, tokens.escapes, tokens.newlines, rows, [str(key, "utf-8") for key in keys],
        np.tile(np.arange(count, dtype=np.int32), rows), before.reshape(-1), lead.reshape(-1), after.reshape(-1),
        np.repeat(np.arange(rows), count), np.full(rows * count, -1, np.int64), np.arange(rows + 1) * count,
    )  # fmt: skip


def _empty(data: Bytes, at: Positions, char: Bytes, child: Positions, candidate: Flags) -> Flags:
    """Mark the opening brackets that have no child: `{` without a colon, `[` with nothing up to the next bracket."""
    empty: Flags = candidate & (char[child] == OPEN_OBJECT)
    lists = np.flatnonzero(candidate & ~empty)
    lists = lists[(char[child[lists] + 1] | LOWER) == CLOSE_OBJECT]
    if len(lists):
        place = child[lists]
        empty[lists] = skip_blank(data, at[place] + 1) == at[place + 1]
    return empty


def _inner(tokens: Tokens, order: Positions | None, lead: Positions, rows: int) -> Positions:
    """Number the children that are containers: where a bracket opens, with no token between it and its lead."""
    inner = np.full(len(lead), -1, np.int64)
    if order is not None:
        held = np.flatnonzero((tokens.char[order[lead] + 1] | LOWER) == OPEN_OBJECT)
        inner[held] = rows + np.arange(len(held))
    return inner


def _spread(char: Bytes, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Put the key of each colon where the colon is among the tokens."""
    spread = np.zeros(len(char), np.int32)
    spread[char == COLON] = ids
    return spread


def _keys(data: Bytes, tokens: Tokens) -> tuple[list[str], npt.NDArray[np.int32]] | None:
    """Return the distinct keys and, for each colon in document order, which of them stands before it."""
    colons = np.flatnonzero(tokens.char == COLON)
    if not len(colons):
        return [], np.zeros(0, np.int32)
    starts = skip_blank(data, tokens.at[colons - 1] + 1) + 1
    ends = skip_blank_back(data, tokens.at[colons]) - 1
    encoded = slices(data, starts, ends).dictionary_encode()
    ids = encoded.indices.to_numpy()
    raw = encoded.dictionary.to_pylist()
    names = [_name(key) if b"\\" in key else str(key, "utf-8") for key in raw]
    if any(name is None for name in names):
        return None
    known = {name: index for index, name in enumerate(dict.fromkeys(names))}
    if len(known) < len(names):  # one name, written once with an escape and once without
        ids = np.array([known[name] for name in names], np.int32)[ids]
    return cast("list[str]", list(known)), ids


def _name(key: bytes) -> str | None:
    name = cast(str, json.loads(b'"' + key + b'"'))
    return None if any("\ud800" <= letter <= "\udfff" for letter in name) else name


def _twice(parent: Positions, key: npt.NDArray[np.int32], containers: int, keys: int) -> bool:
    """Say whether one container has one key twice."""
    pairs = parent * keys + key
    if containers * keys <= max(SMALL_GRID, 8 * len(pairs)):
        seen = np.zeros(containers * keys, np.bool_)
        seen[pairs] = True
        return int(np.count_nonzero(seen)) < len(pairs)
    pairs.sort()
    return bool((pairs[1:] == pairs[:-1]).any())


def slices(data: Bytes, starts: Positions, ends: Positions) -> Any:
    """Copy slices, which are in order and apart, into an Arrow binary array.

    >>> slices(np.frombuffer(b"abcdef", np.uint8), np.array([0, 4]), np.array([2, 5])).to_pylist()
    [b'ab', b'e']
    """
    count = len(starts)
    if not count:
        return pa.array([], pa.binary())
    bounds = np.empty(2 * count, np.int32)
    bounds[0::2], bounds[1::2] = starts, ends
    both = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    return both.take(pa.array(np.arange(0, 2 * count, 2)))


def skip_blank(data: Bytes, at: Positions) -> Positions:
    """Move each place forward to the next byte that is not white space."""
    for _ in range(ROUNDS):
        blank = data[at] <= LOWER
        if not blank.any():
            return at
        at = at + blank
    solid = np.flatnonzero(data > LOWER)  # long runs of white space: once over the block, not once a byte
    return solid[np.searchsorted(solid, at)]


def skip_blank_back(data: Bytes, at: Positions) -> Positions:
    """Move each place back until the byte before it is not white space."""
    for _ in range(ROUNDS):
        blank = data[at - 1] <= LOWER
        if not blank.any():
            return at
        at = at - blank
    solid = np.flatnonzero(data > LOWER)
    return solid[np.searchsorted(solid, at) - 1] + 1
