"""What lies where in a block of XML: elements, attributes, texts and notes, as columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dmengine.jsontext.index import Bytes, Flags
from dmengine.spi import Positions

ELEMENT, ATTRIBUTE, TEXT, COMMENT, INSTRUCTION = range(5)
TEXTS, COMMENTS, INSTRUCTIONS = "#text", "#comment", "#pi"
ROOT: Final = -1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tree:
    """All nodes of the records of a block, in document order.

    Attributes:
        data: The bytes of the block.
        names: Local names: of elements, of attributes after an `@`, and those of texts and notes.
        roots: The nodes that are records.
        kind: What each node is.
        name: Its name, as an index into `names`.
        parent: The element that it is in, or -1 for records.
        start: The first byte of its value: of what is between an element's tags, between an attribute's quotes.
        end: The byte behind its value.
        outer: The first byte of all that it takes: for an attribute, of the white space before it.
        outer_end: The byte behind that.
        leaf: Whether a node is no element with elements inside.
        repeated: Whether an element stands beside another of its name.
        order: The nodes, those of one parent together.
        first: Where those of each parent begin in `order`; one more at the end.
    """

    data: Bytes
    names: list[str]
    roots: Positions
    kind: npt.NDArray[np.uint8]
    name: Positions
    parent: Positions
    start: Positions
    end: Positions
    outer: Positions
    outer_end: Positions
    leaf: Flags
    repeated: Flags
    order: Positions
    first: Positions

    @property
    def nbytes(self) -> int:
        """How many bytes the block and its index take in memory."""
        return len(self.data) + len(self.kind) * 75

    def rows(self, nodes: Positions) -> Positions:
        """Return the record of each node."""
        return np.searchsorted(self.roots, nodes, "right") - 1

    def children(self, nodes: Positions) -> tuple[Positions, Positions]:
        """Return all that is directly in some elements, and the index of the element of each."""
        starts = self.first[nodes]
        counts = self.first[nodes + 1] - starts
        owners = np.repeat(np.arange(len(nodes)), counts)
        ends = np.cumsum(counts)
        return self.order[np.arange(len(owners)) + np.repeat(starts - ends + counts, counts)], owners


@dataclass(slots=True)
class Nodes:
    """The nodes of a block while it is scanned."""

    kind: list[int]
    name: list[int]
    parent: list[int]
    start: list[int]
    end: list[int]
    outer: list[int]
    outer_end: list[int]

    @staticmethod
    def none() -> Nodes:
        """Return no nodes."""
        return Nodes([], [], [], [], [], [], [])

    def add(self, kind: int, name: int, parent: int, start: int, end: int, outer: int, outer_end: int) -> None:
        """Add a node."""
        self.kind.append(kind)
        self.name.append(name)
        self.parent.append(parent)
        self.start.append(start)
        self.end.append(end)
        self.outer.append(outer)
        self.outer_end.append(outer_end)

    def cut(self, count: int) -> None:
        """Forget all nodes but the first ones."""
        for column in (self.kind, self.name, self.parent, self.start, self.end, self.outer, self.outer_end):
            del column[count:]


def build(data: Bytes, names: list[str], nodes: Nodes) -> Tree:
    """Make the tree of the nodes of whole records."""
    kind = np.array(nodes.kind, np.uint8)
    name, parent = np.array(nodes.name, np.int64), np.array(nodes.parent, np.int64)
    count = len(kind)
    elements = kind == ELEMENT
    inside = np.flatnonzero(elements & (parent >= 0))
    leaf = np.ones(count, np.bool_)
    leaf[parent[inside]] = False
    roots = np.flatnonzero(parent == ROOT)
    leaf[roots] = False
    # The text of an element without elements is the element's own value; what is between elements is a value apart.
    stays = ~((kind == TEXT) & leaf[parent])
    order = np.flatnonzero(stays & (parent >= 0))
    order = order[np.argsort(parent[order], kind="stable")]
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(parent[order], minlength=count), out=first[1:])
    return Tree(
        data, names, roots, kind, name, parent,
        np.array(nodes.start, np.int64), np.array(nodes.end, np.int64),
        np.array(nodes.outer, np.int64), np.array(nodes.outer_end, np.int64),
        leaf, _repeated(inside, name, parent, count, len(names)), order, first,
    )  # fmt: skip


def _repeated(inside: Positions, name: Positions, parent: Positions, count: int, names: int) -> Flags:
    repeated = np.zeros(count, np.bool_)
    if len(inside):
        _, which, counts = np.unique(parent[inside] * names + name[inside], return_inverse=True, return_counts=True)
        repeated[inside] = counts[which] > 1
    return repeated
