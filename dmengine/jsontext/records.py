"""A batch of JSON objects as records: values are read out of the bytes and spliced back into them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from dmengine.arrow import NUMBER, flat
from dmengine.errors import InputError, RunError
from dmengine.jsontext.check import Bounds, Fault, Place, checked, refusal
from dmengine.jsontext.edit import (
    BOOLEAN,
    CONTAINER,
    NULL,
    NUMERIC,
    TEXT,
    Change,
    Slots,
    removal,
    replacement,
    splice,
)
from dmengine.jsontext.index import Tokens, Tree, slices
from dmengine.jsontext.run import Separator, checked_run
from dmengine.jsontext.text import texts, written
from dmengine.jsontext.walk import Found, find, present
from dmengine.paths import FieldPath
from dmengine.spi import Positions, Selection

_KIND = np.full(256, NUMERIC, np.uint8)
_KIND[list(b'"')] = TEXT
_KIND[list(b"tf")] = BOOLEAN
_KIND[list(b"n")] = NULL
_KIND[list(b"{[")] = CONTAINER


@dataclass(frozen=True, eq=False, repr=False)
class JsonRecords:
    """JSON objects, as they were read; a change is kept aside until `to_bytes` splices it in.

    >>> records = JsonRecords.parse(b'{"id": 1.50, "name": "Ann"}\\n')
    >>> [str(path) for path in records.fields()]
    ['id', 'name']
    >>> (name,) = records.select(FieldPath.of("name"))
    >>> records.replace(FieldPath.of("name"), [name.with_values(pa.array(["Eve"]))]).to_bytes()
    b'{"id": 1.50, "name": "Eve"}\\n'

    Attributes:
        text: Whole lines; or, where no lines separate records, all from the first of them to the last.
        head: What stands before them and belongs to no record: a byte order mark, a bracket.
        tree: The index of the text.
        place: Where the text begins in its file.
        bounds: What it was checked against.
        separator: What stands between two records.
    """

    text: bytes
    tree: Tree
    head: bytes = b""
    place: Place = field(default_factory=Place)
    bounds: Bounds = field(default_factory=Bounds)
    separator: Separator = "line"
    changes: tuple[Change, ...] = ()
    dropped: tuple[Positions, ...] = ()
    changed: tuple[FieldPath, ...] = ()

    @staticmethod
    def parse(
        text: bytes,
        *,
        head: bytes = b"",
        place: Place | None = None,
        bounds: Bounds | None = None,
        separator: Separator = "line",
        tokens: Tokens | None = None,
    ) -> JsonRecords:
        """Check and index whole lines, or a run of records that something else separates.

        Args:
            text: With `separator`, all from the first byte of a record to the last of another.
            head: What is written before it.
            place: Where the text begins in its file.
            bounds: The limits of a record.
            separator: What stands between two records: a line's end, a comma, or nothing but white space.
            tokens: The structure of the text, where it is known, and lines are not the separator.

        Raises:
            InputError: a record is not a JSON object in UTF-8, or is beyond the bounds.
        """
        place, bounds = place or Place(), bounds or Bounds()
        if separator == "line":
            tree = checked(text, place, bounds)
        else:
            tree = checked_run(text, place, bounds, separator, tokens)
        return JsonRecords(text, tree, head, place, bounds, separator)

    @property
    def num_rows(self) -> int:
        """How many records there are; a blank line is none."""
        return self.tree.rows

    @property
    def nbytes(self) -> int:
        """How many bytes the text and its index take in memory."""
        arrays = (getattr(self.tree, one.name) for one in dataclasses.fields(self.tree))
        return len(self.text) + sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterator[FieldPath]:
        """Name what is present in any record: leaves, and containers that hold none of the `opened` paths."""
        tree = self._settled.tree if self.changed else self.tree
        return present(tree, list(opened))

    def select(self, path: FieldPath) -> list[Selection]:
        """Return what is at the path: texts, numbers, true and false, nulls, and containers, each if present.

        Raises:
            InputError: a text holds half of a surrogate pair, which is no Unicode.
        """
        if self._has_changed(path):
            return self._settled.select(path)
        found = find(self.tree, path)
        if not len(found.children):
            return []
        starts = self.tree.starts(found.children)
        kinds = _KIND[self.tree.data[starts]]
        if (kinds == kinds[0]).all():
            return [self._selection(path, found, starts, int(kinds[0]))]
        parts = [(kind, np.flatnonzero(kinds == kind)) for kind in range(5)]
        return [self._selection(path, found.where(at), starts[at], kind) for kind, at in parts if len(at)]

    def _selection(self, path: FieldPath, found: Found, starts: Positions, kind: int) -> Selection:
        ends = self.tree.ends(found.children)
        values = self._values(path, starts, ends, kind)
        return Selection(values, found.rows, found.elements, Slots(self.tree, starts, ends, kind, values))

    def _values(self, path: FieldPath, starts: Positions, ends: Positions, kind: int) -> pa.Array:
        data = self.tree.data
        if kind == TEXT:
            values = texts(data, starts, ends, self.tree.escapes)
            if isinstance(values, int):
                raise self._refuse(path, int(starts[values]))
            return values
        if kind == NUMERIC:
            number = slices(data, starts, ends)
            return NUMBER.wrap_array(pa.Array.from_buffers(pa.string(), len(number), number.buffers()))
        if kind == BOOLEAN:
            return pa.array(data[starts] == ord("t"))
        if kind == NULL:
            return pa.nulls(len(starts))
        return pa.Array.from_buffers(pa.struct([]), len(starts), [None])

    def _refuse(self, path: FieldPath, byte: int) -> InputError:
        line = Place(self.place.line + int(np.searchsorted(self.tree.newlines, byte)), self.place.byte)
        hint = "correct the text, or give its field a rule that does not read it: keep or drop"
        return refusal(Fault(f"half of a surrogate pair in a text of {path}", byte, hint), line)

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> JsonRecords:
        """Put values of any kind that JSON has in the places of what `select` found; equal ones keep their bytes.

        Raises:
            MaskError: a value has no JSON form.
        """
        records = self
        for selection in selections:
            records = records._replace(path, selection)
        return records

    def _replace(self, path: FieldPath, selection: Selection) -> JsonRecords:
        slots = selection.slots
        if not isinstance(slots, Slots) or len(selection.values) != len(slots.starts):
            raise _foreign(path)
        if slots.tree is not self.tree:
            if not self.changed or slots.tree is not self._settled.tree:
                raise _foreign(path)
            return self._settled._replace(path, selection)
        return self._with(path, replacement(slots, flat(selection.values)))

    def drop(self, path: FieldPath) -> JsonRecords:
        """Remove the members or elements at the path, each with one comma."""
        if self._has_changed(path):
            return self._settled.drop(path)
        children = find(self.tree, path).children
        return dataclasses.replace(self, dropped=(*self.dropped, children), changed=(*self.changed, path))

    def blank(self, path: FieldPath) -> JsonRecords:
        """Put `null` in the place of each value at the path, with all that is below it."""
        if self._has_changed(path):
            return self._settled.blank(path)
        children = find(self.tree, path).children
        nulls = written(pa.nulls(len(children)))
        return self._with(path, Change(self.tree.starts(children), self.tree.ends(children), nulls))

    def to_bytes(self) -> bytes:
        """Return the text with all changes made, and all other bytes as they were."""
        return self.head + self._body()

    def _body(self) -> bytes:
        changes = list(self.changes)
        if self.dropped:
            changes.append(removal(self.tree, np.unique(np.concatenate(self.dropped))))
        return splice(self.text, changes) if changes else self.text

    @cached_property
    def _settled(self) -> JsonRecords:
        """The same records with the changes made, for those who look at what has changed."""
        text = self._body()
        return JsonRecords.parse(text, head=self.head, place=self.place, bounds=self.bounds, separator=self.separator)

    def _has_changed(self, path: FieldPath) -> bool:
        return any(done.contains(path) or path.contains(done) for done in self.changed)

    def _with(self, path: FieldPath, change: Change) -> JsonRecords:
        changes = (*self.changes, change) if len(change.starts) else self.changes
        return dataclasses.replace(self, changes=changes, changed=(*self.changed, path))


def _foreign(path: FieldPath) -> RunError:
    return RunError(f"the values for {path} were not selected from this batch", hint="replace what was selected")
