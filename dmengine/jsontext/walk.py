"""Paths in an indexed block: which are present, and where the children of one of them are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dmengine.jsontext.index import Tree, nth_in_run
from dmengine.paths import VALUES, FieldPath, Step, at_index, element_steps
from dmengine.spi import Positions


@dataclass(frozen=True, slots=True)
class Found:
    """The children at one path, in document order.

    Attributes:
        children: Which children of the tree.
        rows: The record of each.
        elements: For each list or map level of the path, the ordinal of the element within its record.
    """

    children: Positions
    rows: Positions
    elements: tuple[Positions, ...] = ()

    def where(self, chosen: Positions) -> Found:
        """Return some of the children."""
        return Found(self.children[chosen], self.rows[chosen], tuple(level[chosen] for level in self.elements))


def find(tree: Tree, path: FieldPath) -> Found:
    """Find the children at a path, in all records."""
    first, *others = path.steps
    members = tree.key[: tree.first[tree.rows]]
    chosen = np.flatnonzero(members == tree.names.index(first.name)) if first.name in tree.names else members[:0]
    found = Found(chosen.astype(np.int64, copy=False), tree.parent[chosen])
    for step in others:
        found = _step(tree, found, step)
    return found


def _step(tree: Tree, found: Found, step: Step) -> Found:
    """Go from containers to those of their children that a step means."""
    containers = tree.inner[found.children]
    held = np.flatnonzero(containers >= 0)
    found, containers = found.where(held), containers[held]
    children, owners = children_of(tree, containers)
    key = tree.key[children]
    if step.kind == "name":
        wanted = tree.names.index(step.name) if step.name in tree.names else -2
        chosen = np.flatnonzero(key == wanted)
    else:
        chosen = np.flatnonzero(key >= 0 if step.kind == "values" else key < 0)
    owners = owners[chosen]
    rows = found.rows[owners]
    elements = tuple(level[owners] for level in found.elements)
    if step.kind == "name":
        return Found(children[chosen], rows, elements)
    meant = Found(children[chosen], rows, (*elements, nth_in_run(np.diff(rows, prepend=-1) != 0)))
    if not step.is_partial:
        return meant
    index = _index_of(tree, meant.children)
    return meant.where(np.flatnonzero(index == step.index if step.kind == "index" else ~np.isin(index, step.without)))


def _index_of(tree: Tree, children: Positions) -> Positions:
    """Count from 0 within each container."""
    index: Positions = children - tree.first[tree.parent[children]]
    return index


def children_of(tree: Tree, containers: Positions) -> tuple[Positions, Positions]:
    """Return all children of some containers, and the index of the container of each."""
    starts = tree.first[containers]
    counts = tree.first[containers + 1] - starts
    owners = np.repeat(np.arange(len(containers)), counts)
    ends = np.cumsum(counts)
    return np.arange(len(owners)) + np.repeat(starts - ends + counts, counts), owners


def present(tree: Tree, opened: Sequence[FieldPath]) -> Iterator[FieldPath]:
    """Name the paths that are present: leaves, and containers below which no opened path lies.

    An object is a map, its keys not part of the path, where an opened path goes on with `{*}`.
    """
    if not (tree.inner >= 0).any():
        yield from map(FieldPath.of, tree.names)
        return
    indexes = sorted({step.index for path in opened for step in path.steps if step.kind == "index"})
    width = len(tree.names) + 2 + len(indexes)
    paths = [FieldPath(())]
    containers, group = np.arange(tree.rows), np.zeros(tree.rows, np.int64)
    while len(containers):
        children, owners = children_of(tree, containers)
        groups, keys = group[owners], tree.key[children].astype(np.int64)
        maps = np.array([_is_map(path, opened) for path in paths], np.bool_)
        keys[maps[groups] & (keys >= 0)] = len(tree.names)
        named = [_named(path, opened) for path in paths]
        for number, wanted in enumerate(indexes):
            here = np.array([wanted in some for some in named], np.bool_)
            keys[here[groups] & (keys < 0) & (_index_of(tree, children) == wanted)] = len(tree.names) + 1 + number
        coded = pa.array(groups * width + keys + 1).dictionary_encode()
        which, distinct = coded.indices.to_numpy(), coded.dictionary.to_pylist()
        paths = [
            paths[code // width].child(_step_of(tree, code % width - 1, indexes, named[code // width]))
            for code in distinct
        ]
        entered = np.array([_is_opened(path, opened) for path in paths], np.bool_)
        inner = tree.inner[children]
        leaf = np.zeros(len(paths), np.bool_)
        leaf[which[inner < 0]] = True
        for index in np.flatnonzero(leaf | ~entered):
            yield paths[index]
        deeper = (inner >= 0) & entered[which]
        containers, group = inner[deeper], which[deeper]


def _step_of(tree: Tree, key: int, indexes: Sequence[int], named: Sequence[int]) -> Step:
    if key < 0:
        return element_steps(named)[-1]
    if key > len(tree.names):
        return at_index(indexes[key - len(tree.names) - 1])
    return VALUES if key == len(tree.names) else Step("name", tree.names[key])


def _is_opened(path: FieldPath, opened: Sequence[FieldPath]) -> bool:
    """Say whether one of the opened paths lies below a path."""
    return any(_reaches(path, other) for other in opened)


def _is_map(path: FieldPath, opened: Sequence[FieldPath]) -> bool:
    return any(_reaches(path, other) and other.steps[len(path.steps)] == VALUES for other in opened)


def _named(path: FieldPath, opened: Sequence[FieldPath]) -> list[int]:
    """List the elements that opened paths name by their index, of a list at a path."""
    steps = [other.steps[len(path.steps)] for other in opened if _reaches(path, other)]
    return [step.index for step in steps if step.kind == "index"]


def _reaches(path: FieldPath, opened: FieldPath) -> bool:
    """Say whether an opened path, which may hold patterns, goes on below a path."""
    depth = len(path.steps)
    return len(opened.steps) > depth and FieldPath(opened.steps[:depth]).covers(path)
