"""Paths in a block of XML: which are present, and which nodes are at one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dmengine.jsontext.index import Flags, nth_in_run
from dmengine.paths import EACH, FieldPath
from dmengine.spi import Positions
from dmengine_connectors.formats.xml_tree import ATTRIBUTE, ELEMENT, Tree


@dataclass(frozen=True, slots=True)
class Found:
    """The nodes at one path, in document order.

    Attributes:
        nodes: Which nodes of the tree.
        rows: The record of each.
        elements: For each list level of the path, the ordinal of the element within its record.
    """

    nodes: Positions
    rows: Positions
    elements: tuple[Positions, ...] = ()

    def where(self, chosen: Positions | Flags) -> Found:
        """Return some of the nodes."""
        return Found(self.nodes[chosen], self.rows[chosen], tuple(level[chosen] for level in self.elements))


def find(tree: Tree, path: FieldPath) -> Found:
    """Find the nodes at a path, in all records.

    A name means an element that stands alone; a name and `[*]` all elements of that name.
    """
    found = Found(tree.roots, np.arange(len(tree.roots)))
    steps = list(path.steps)
    while steps:
        step = steps.pop(0)
        if step.kind != "name" or step.name not in tree.names:
            return found.where(np.zeros(len(found.nodes), np.bool_))
        each = bool(steps) and steps[0] == EACH
        if each:
            steps.pop(0)
        nodes, owners = tree.children(found.nodes)
        kind = tree.kind[nodes]
        fits = tree.name[nodes] == tree.names.index(step.name)
        if each:
            fits &= kind != ATTRIBUTE
        else:
            fits &= (kind == ATTRIBUTE) | ((kind == ELEMENT) & ~tree.repeated[nodes])
        chosen = np.flatnonzero(fits)
        within = found.where(owners[chosen])
        ordinals = (nth_in_run(np.diff(within.rows, prepend=-1) != 0),) if each else ()
        found = Found(nodes[chosen], within.rows, (*within.elements, *ordinals))
    return found


def present(tree: Tree, opened: Sequence[FieldPath]) -> Iterator[FieldPath]:
    """Name the paths that are present: leaves, and elements with others inside that no opened path leads into.

    An element is one of a list where it stands beside another of its name, or where an opened path says so. Texts
    between elements, comments and processing instructions are always lists.
    """
    paths = [FieldPath(())]
    nodes, group = tree.roots, np.zeros(len(tree.roots), np.int64)
    width = 2 * len(tree.names)
    while len(nodes):
        children, owners = tree.children(nodes)
        keys = group[owners] * width + 2 * tree.name[children]
        kind = tree.kind[children]
        keys += ((kind != ELEMENT) & (kind != ATTRIBUTE)) | tree.repeated[children]
        keys = _as_lists(keys, kind == ELEMENT, paths, tree, opened)
        coded = pa.array(keys).dictionary_encode()
        which, distinct = coded.indices.to_numpy(), coded.dictionary.to_pylist()
        paths = [_path(paths, tree, key) for key in distinct]
        entered = np.array([_reaches(path, opened) for path in paths], np.bool_)
        leaf = tree.leaf[children]
        shown = np.zeros(len(paths), np.bool_)
        shown[which[leaf]] = True
        closed = np.zeros(len(paths), np.bool_)
        closed[which[~leaf]] = True
        for index in np.flatnonzero(shown | (closed & ~entered)):
            yield paths[index]
        deeper = (kind == ELEMENT) & (leaf | entered[which])
        nodes, group = children[deeper], which[deeper].astype(np.int64)


def _as_lists(
    keys: Positions, elements: Flags, paths: list[FieldPath], tree: Tree, opened: Sequence[FieldPath]
) -> Positions:
    """Mark elements as elements of lists where an opened path takes them so."""
    for key in np.unique(keys[elements & (keys % 2 == 0)]).tolist():
        if _reaches(_path(paths, tree, key), opened, as_list=True):
            keys[elements & (keys == key)] += 1
    return keys


def _path(paths: list[FieldPath], tree: Tree, key: int) -> FieldPath:
    group, rest = divmod(key, 2 * len(tree.names))
    path = paths[group].child(tree.names[rest // 2])
    return path.child(EACH) if rest % 2 else path


def _reaches(path: FieldPath, opened: Sequence[FieldPath], *, as_list: bool = False) -> bool:
    """Say whether an opened path, which may hold patterns, goes on below a path; or there to each of a list."""
    depth = len(path.steps)
    return any(
        len(other.steps) > depth
        and (other.steps[depth] == EACH) == as_list
        and FieldPath(other.steps[:depth]).covers(path)
        for other in opened
    )
