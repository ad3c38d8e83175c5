"""Changes to a block of JSON: the spans that go, the pieces that take their places, and the splicing of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dmengine.arrow import booleans, equal, is_text
from dmengine.errors import RunError
from dmengine.jsontext.index import Flags, Tree
from dmengine.jsontext.text import quoted, written
from dmengine.spi import Positions

TEXT, NUMERIC, BOOLEAN, NULL, CONTAINER = range(5)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Slots:
    """Where the values of a selection, all of one kind, lie in their block."""

    tree: Tree
    starts: Positions
    ends: Positions
    kind: int
    values: pa.Array


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Change:
    """Spans of a block, and the pieces (large_binary) that take their places."""

    starts: Positions
    ends: Positions
    pieces: pa.Array


def replacement(slots: Slots, values: pa.Array) -> Change:
    """Write values for the slots; a slot whose value is the same is left alone.

    Raises:
        MaskError: a value has no JSON form.
    """
    values = values.cast(pa.string()) if is_text(values.type) else values
    starts, ends = slots.starts, slots.ends
    if values.type == slots.values.type:
        new = np.flatnonzero(~_same(values, slots.values))
        if not len(new):
            return Change(starts[new], ends[new], pa.array([], pa.large_binary()))
        if len(new) < len(starts):
            values, starts, ends = values.take(pa.array(new)), starts[new], ends[new]
    pieces = written(values)
    if is_text(values.type):
        if slots.kind == TEXT:  # the quotes that are there stay, but around a null
            valid = booleans(values.is_valid())
            starts, ends = starts + valid, ends - valid
        else:
            pieces = quoted(pieces, booleans(values.is_valid()))
    return Change(starts, ends, pieces)


def _same(values: pa.Array, originals: pa.Array) -> Flags:
    if pa.types.is_struct(values.type) or pa.types.is_null(values.type):
        return booleans(values.is_valid()) | booleans(originals.is_null())
    return equal(values, originals)


def removal(tree: Tree, children: Positions) -> Change:
    """Remove children (sorted), so that what stays is JSON: one comma goes with each.

    That is the comma before a child, if any child before it stays; else the one behind it.
    """
    stays = np.ones(len(tree.parent) + 1, np.bool_)
    stays[children] = False
    staying = np.concatenate([[0], np.cumsum(stays)])
    parent = tree.parent[children]
    follows = staying[children] > staying[tree.first[parent]]
    last = children + 1 == tree.first[parent + 1]
    starts, ends = tree.heads(children), tree.ends(children)
    starts = np.where(follows, tree.before[children], starts)
    leads = np.flatnonzero(~follows & ~last)
    ends[leads] = tree.heads(children[leads] + 1)
    return Change(starts, ends, pa.nulls(len(children), pa.large_binary()).fill_null(b""))


def splice(text: bytes, changes: Sequence[Change]) -> bytes:
    """Make changes, whose spans are apart and in any order; all other bytes stay.

    >>> change = Change(np.array([3, 1]), np.array([4, 2]), pa.array([b"D", b""], pa.large_binary()))
    >>> splice(b"abcd", [change])
    b'acD'
    """
    starts = np.concatenate([change.starts for change in changes])
    ends = np.concatenate([change.ends for change in changes])
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    if (starts[1:] <= starts[:-1]).any() or (ends[:-1] > starts[1:]).any():
        raise RunError(
            "two changes of one batch overlap", hint="let no rule name what lies inside another rule's field"
        )
    count = len(starts)
    bounds = np.zeros(2 * count + 2, np.int64)
    bounds[1:-1:2], bounds[2:-1:2], bounds[-1] = starts, ends, len(text)
    kept = pa.Array.from_buffers(pa.large_binary(), 2 * count + 1, [None, pa.py_buffer(bounds), pa.py_buffer(text)])
    index = np.arange(2 * count + 1)
    index[1::2] = 2 * count + 1 + order
    spliced = pa.concat_arrays([kept, *(change.pieces for change in changes)]).take(pa.array(index))
    _, ends_buffer, body = spliced.buffers()
    size = int(np.frombuffer(ends_buffer, np.int64, len(spliced) + 1)[-1])
    return bytes(memoryview(body)[:size])
