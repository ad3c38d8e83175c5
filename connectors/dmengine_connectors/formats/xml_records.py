"""A batch of XML as records: values are read out of the bytes and spliced back into them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, equal, flat
from dmengine.errors import MaskError, RunError
from dmengine.jsontext.check import Place
from dmengine.jsontext.edit import Change, splice
from dmengine.jsontext.index import Flags
from dmengine.paths import FieldPath
from dmengine.spi import Positions, Selection
from dmengine_connectors.formats.xml_encoding import Encoding
from dmengine_connectors.formats.xml_scan import Wanted, scan
from dmengine_connectors.formats.xml_text import Where, plain_texts, texts
from dmengine_connectors.formats.xml_tree import ATTRIBUTE, ELEMENT, Tree
from dmengine_connectors.formats.xml_walk import find, present
from dmengine_connectors.formats.xml_write import pieces

_BLANK = r"^[ \t\r\n]*$"
_UTF8 = Encoding("utf-8")
_PLACES: Final[tuple[Where, ...]] = ("element", "attribute", "element", "note", "note")  # by kind of node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Slots:
    """Where the values of a selection lie, and what they were."""

    tree: Tree
    nodes: Positions
    values: pa.Array


@dataclass(frozen=True, eq=False, repr=False)
class XmlRecords:
    """Elements of XML, as they were read; a change is kept aside until `to_bytes` splices it in.

    >>> records = XmlRecords.parse(b'<user id="7"><name>Ann</name></user>', Wanted(FieldPath.of("user")))
    >>> [str(path) for path in records.fields()]
    ['@id', 'name']
    >>> (name,) = records.select(FieldPath.of("name"))
    >>> records.replace(FieldPath.of("name"), [name.with_values(pa.array(["<Eve>"]))]).to_bytes()
    b'<user id="7"><name>&lt;Eve&gt;</name></user>'

    Attributes:
        text: UTF-8, with what stands before and between the records.
        tree: What is in it.
        wanted: What the records are.
        outside: The elements that are open where it begins.
        place: Where it begins in its file.
        encoding: What it is written in.
        head: What is written before it: a byte order mark.
    """

    text: bytes
    tree: Tree
    wanted: Wanted = field(default_factory=Wanted)
    outside: tuple[str, ...] = ()
    place: Place = field(default_factory=Place)
    encoding: Encoding = _UTF8
    head: bytes = b""
    changes: tuple[Change, ...] = ()
    changed: tuple[tuple[FieldPath, bool], ...] = ()

    @staticmethod
    def parse(text: bytes, wanted: Wanted) -> XmlRecords:
        """Read a text that is well-formed.

        Raises:
            InputError: it nests too deep, or has something outside of records that is not to be kept.
        """
        return XmlRecords(text, scan(text, wanted).tree, wanted)

    @property
    def num_rows(self) -> int:
        """How many records there are."""
        return len(self.tree.roots)

    @property
    def nbytes(self) -> int:
        """How many bytes the text and its index take in memory."""
        return self.tree.nbytes

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterator[FieldPath]:
        """Name what is present in any record: leaves, and elements with others inside that are not opened."""
        return present(self._settled.tree if self.changed else self.tree, list(opened))

    def select(self, path: FieldPath) -> list[Selection]:
        """Return what is at the path: texts, nulls for what has none, and elements that hold others."""
        if any(done == path or (deep and done.contains(path)) for done, deep in self.changed):
            return self._settled.select(path)
        found = find(self.tree, path)
        holds = ~self.tree.leaf[found.nodes]
        selections = []
        simple = found.where(~holds)
        if len(simple.nodes):
            values, blank = self._texts(simple.nodes)
            for chosen, some in ((~blank, values), (blank, pa.nulls(int(blank.sum())))):
                if chosen.any():
                    part = simple.where(chosen)
                    selections.append(Selection(some, part.rows, part.elements, Slots(self.tree, part.nodes, some)))
        if holds.any():
            part = found.where(holds)
            some = pa.Array.from_buffers(pa.struct([]), len(part.nodes), [None])
            selections.append(Selection(some, part.rows, part.elements, Slots(self.tree, part.nodes, some)))
        return selections

    def _texts(self, nodes: Positions) -> tuple[pa.Array, Flags]:
        """Return the texts of nodes that have one, and which nodes have none."""
        tree = self.tree
        values = texts(tree.data, tree.start[nodes], tree.end[nodes], _PLACES[int(tree.kind[nodes[0]])])
        blank = booleans(pc.match_substring_regex(values, _BLANK))
        return values.filter(pa.array(~blank)), blank

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> XmlRecords:
        """Put texts in the places of what `select` found; equal ones keep their bytes.

        Raises:
            MaskError: a value has no form in XML.
        """
        records = self
        for selection in selections:
            records = records._replace(path, selection)
        return records

    def _replace(self, path: FieldPath, selection: Selection) -> XmlRecords:
        slots = selection.slots
        if not isinstance(slots, Slots) or len(selection.values) != len(slots.nodes):
            raise _foreign(path)
        if slots.tree is not self.tree:
            if not self.changed or slots.tree is not self._settled.tree:
                raise _foreign(path)
            return self._settled._replace(path, selection)
        values = flat(selection.values)
        if not pa.types.is_string(slots.values.type):  # nulls, and elements that hold others: nothing to write to
            if values.null_count < len(values) and not pa.types.is_nested(values.type):
                raise MaskError(f"{path}: a value cannot take the place of an element without text", hint="keep it")
            if pa.types.is_nested(slots.values.type) and values.null_count:
                return self._blanked(path, slots.nodes)
            return self
        new = plain_texts(values)
        nodes = slots.nodes
        other = np.flatnonzero(~equal(new, slots.values))
        changes = pieces(self.tree, nodes[other], new.take(pa.array(other)), self.encoding)
        return self._with(path, changes, deep=False)

    def drop(self, path: FieldPath) -> XmlRecords:
        """Remove elements with all that is in them, attributes with the white space before, or notes."""
        if self._overlaps(path):
            return self._settled.drop(path)
        nodes = find(self.tree, path).nodes
        change = Change(self.tree.outer[nodes], self.tree.outer_end[nodes], _nothing(len(nodes)))
        return self._with(path, [change], deep=True)

    def blank(self, path: FieldPath) -> XmlRecords:
        """Leave elements without content and with empty attributes, and attributes without value."""
        if self._overlaps(path):
            return self._settled.blank(path)
        return self._blanked(path, find(self.tree, path).nodes)

    def _blanked(self, path: FieldPath, nodes: Positions) -> XmlRecords:
        tree = self.tree
        inside, _ = tree.children(nodes[tree.kind[nodes] == ELEMENT])
        nodes = np.concatenate([nodes, inside[tree.kind[inside] == ATTRIBUTE]])
        nodes = nodes[tree.start[nodes] < tree.end[nodes]]
        return self._with(path, [Change(tree.start[nodes], tree.end[nodes], _nothing(len(nodes)))], deep=True)

    def to_bytes(self) -> bytes:
        """Return the text with all changes made, and all other bytes as they were."""
        return self.head + self.encoding.encode(self._body())

    def _body(self) -> bytes:
        return splice(self.text, self.changes) if self.changes else self.text

    @cached_property
    def _settled(self) -> XmlRecords:
        """The same records with the changes made, for those who look at what has changed."""
        text = self._body()
        tree = scan(text, self.wanted, self.outside, place=self.place, last=False).tree
        return dataclasses.replace(self, text=text, tree=tree, changes=(), changed=())

    def _overlaps(self, path: FieldPath) -> bool:
        return any(done.contains(path) or path.contains(done) for done, _ in self.changed)

    def _with(self, path: FieldPath, changes: Sequence[Change], *, deep: bool) -> XmlRecords:
        made = tuple(change for change in changes if len(change.starts))
        return dataclasses.replace(self, changes=(*self.changes, *made), changed=(*self.changed, (path, deep)))


def _nothing(count: int) -> pa.Array:
    return pa.nulls(count, pa.large_binary()).fill_null(b"")


def _foreign(path: FieldPath) -> RunError:
    return RunError(f"the values for {path} were not selected from this batch", hint="replace what was selected")
