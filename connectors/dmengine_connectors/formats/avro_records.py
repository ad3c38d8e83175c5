"""A batch of Avro records: values are read out of the bytes and spliced back into them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, equal, flat, scatter
from dmengine.errors import DmengineError, MaskError, PlanError, RunError
from dmengine.jsontext.edit import Change, splice
from dmengine.paths import FieldPath
from dmengine.spi import Positions, Selection
from dmengine_connectors.formats.avro_columns import Columns, Places, optional
from dmengine_connectors.formats.avro_encode import PIECE, encoded, prefixed
from dmengine_connectors.formats.avro_scan import Walk
from dmengine_connectors.formats.avro_schema import Node, at_path, paths


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Slots:
    """Where the values of a selection lie: one kind of one node."""

    columns: Columns
    node: Node
    values: pa.Array


@dataclass(frozen=True, eq=False, repr=False)
class AvroRecords:
    """The records of some blocks, as they were read; a change is kept aside until `blocks` splices it in.

    >>> from dmengine_connectors.formats.avro_schema import read_schema
    >>> schema = read_schema(b'{"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}]}')
    >>> records = AvroRecords.parse(schema, [(1, b"\\x06Ann")])
    >>> (name,) = records.select(FieldPath.of("name"))
    >>> list(records.replace(FieldPath.of("name"), [name.with_values(pa.array(["Eva M"]))]).blocks())
    [(1, b'\\nEva M')]

    Attributes:
        columns: The index of the bytes.
        counts: The records of each block.
        bounds: Where each block begins, and the last one ends.
        sized: Blocks of arrays and maps that say how many bytes they take.
        first: The number of the first record within the file.
        changes: What will be put in place of what.
        dropped: The paths that are left out.
        changed: The paths that are not as they were.
    """

    columns: Columns
    counts: tuple[int, ...]
    bounds: tuple[int, ...]
    sized: npt.NDArray[np.int64]
    first: int = 0
    changes: tuple[Change, ...] = ()
    dropped: tuple[FieldPath, ...] = ()
    changed: tuple[FieldPath, ...] = field(default=())

    @staticmethod
    def parse(root: Node, blocks: Sequence[tuple[int, bytes]], *, first: int = 0) -> AvroRecords:
        """Walk over the blocks, each a number of records and their bytes.

        Raises:
            InputError: they do not hold what the schema says.
        """
        text = b"".join(body for _, body in blocks)
        bounds = [0, *np.cumsum([len(body) for _, body in blocks]).tolist()]
        walk = Walk.of(root)
        for (count, _), (start, end) in zip(blocks, pairwise(bounds), strict=True):
            with _counted_from(first):
                walk.block(text, start, end, count)
        columns = Columns(text, root, np.array(walk.starts, np.int64), walk.notes)
        sized = np.array(walk.sized, np.int64).reshape(-1, 4)
        return AvroRecords(columns, tuple(count for count, _ in blocks), tuple(bounds), sized, first)

    @property
    def num_rows(self) -> int:
        """How many records there are."""
        return len(self.columns.starts)

    @property
    def nbytes(self) -> int:
        """How many bytes the records and their index take in memory."""
        noted = sum(len(each.starts) + len(each.counts) + len(each.ends) for each in self.columns.notes.values())
        return len(self.columns.text) + 8 * (self.num_rows + noted)

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterator[FieldPath]:
        """Name what the schema has: leaves, and containers that hold none of the `opened` paths."""
        gone = self.dropped
        return (path for path in paths(self.columns.root, tuple(opened)) if not any(d.contains(path) for d in gone))

    def select(self, path: FieldPath) -> list[Selection]:
        """Return what is at the path: one selection for each type that the schema allows there, if it occurs.

        Raises:
            InputError: a value is none of its type, such as a text that is not UTF-8.
        """
        if any(gone.contains(path) for gone in self.dropped):
            return []
        if self._has_changed(path):
            return self._settled.select(path)
        with _counted_from(self.first):
            return [found for node in at_path(self.columns.root, path) for found in self._selections(node)]

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> AvroRecords:
        """Put values in the places of what `select` found; equal ones keep their bytes.

        Raises:
            MaskError: a value does not fit the schema.
        """
        if self._has_changed(path) and selections:
            return self._settled.replace(path, selections)
        changes = [change for found in selections for change in self._replacements(path, found)]
        return dataclasses.replace(self, changes=(*self.changes, *changes), changed=(*self.changed, path))

    def drop(self, path: FieldPath) -> AvroRecords:
        """Leave a field out of its record, and out of the schema.

        Raises:
            PlanError: it is no field of a record.
        """
        if self._has_changed(path):
            return self._settled.drop(path)
        nodes = at_path(self.columns.root, path)
        if not nodes or path.steps[-1].kind != "name":
            raise PlanError(f"{path}: only fields of records can be dropped", hint="drop what holds it, or mask it")
        changes = [self._put(node, np.arange(len(self.columns.places(node).starts)), None) for node in nodes]
        return dataclasses.replace(
            self,
            changes=(*self.changes, *changes),
            dropped=(*self.dropped, path),
            changed=(*self.changed, path),
        )

    def blank(self, path: FieldPath) -> AvroRecords:
        """Make the field null, with all that is below it.

        Raises:
            PlanError: the schema allows no null there.
        """
        if self._has_changed(path):
            return self._settled.blank(path)
        changes = []
        for node in at_path(self.columns.root, path):
            if node.kind != "null":
                live = np.flatnonzero(~self._nulls(node))
                pieces = pa.array([_null(node, path)] * len(live), PIECE)
                changes.append(self._put(node, live, pieces))
        return dataclasses.replace(self, changes=(*self.changes, *changes), changed=(*self.changed, path))

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Return the records of each block with all changes made, and all other bytes as they were."""
        text, bounds = self.columns.text, np.array(self.bounds)
        if self.changes:
            changes = [*self.changes, *self._without_sizes()]
            text = splice(text, changes)
            bounds = bounds + _growth(changes, bounds)
        for count, (start, end) in zip(self.counts, pairwise(bounds.tolist()), strict=True):
            yield count, text[start:end]

    def _selections(self, node: Node) -> Iterator[Selection]:
        columns = self.columns
        places = columns.places(node)
        if not len(places.starts):
            return
        if node.is_optional and not node.branches()[0].is_container:
            values = optional(node, columns)
            yield Selection(values, places.rows, places.elements, Slots(columns, node, values))
        elif node.kind == "union":
            for branch in node.children:
                yield from self._selections(branch)
        else:
            values = _containers(len(places.starts)) if node.is_container else columns.values(node)
            yield Selection(values, places.rows, places.elements, Slots(columns, node, values))

    def _replacements(self, path: FieldPath, found: Selection) -> Iterator[Change]:
        slots = found.slots
        if not isinstance(slots, Slots) or slots.columns is not self.columns:
            raise _foreign(path)
        values, originals = flat(found.values), flat(slots.values)
        if len(values) != len(originals):
            raise MaskError(f"{path}: another number of values was put back than was selected")
        if slots.node.is_container:
            where = np.flatnonzero(booleans(values.is_null()))
            yield self._put(slots.node, where, pa.array([_null(slots.node, path)] * len(where), PIECE))
            return
        changed = np.arange(len(values))
        if values.type == originals.type:
            changed = np.flatnonzero(~_same(values, originals))
        if len(changed):
            pieces = _pieces(slots.node, values.take(pa.array(changed)), path)
            yield self._put(slots.node, changed, pieces)

    def _put(self, node: Node, where: Positions, pieces: pa.Array | None) -> Change:
        """Make the change of some occurrences of a node, with the number of the union's branch that it is."""
        places: Places = self.columns.places(node)
        starts = places.starts if places.heads is None else places.heads
        if pieces is None:
            pieces = pa.array([b""] * len(where), PIECE)
        starts, ends = starts[where], self.columns.ends(node)[where]
        real = np.flatnonzero((ends > starts) | np.array(pc.binary_length(pieces), np.int64).astype(np.bool_))
        return Change(starts[real], ends[real], pieces.take(pa.array(real)))

    def _nulls(self, node: Node) -> npt.NDArray[np.bool_]:
        if node.kind != "union":
            return np.zeros(len(self.columns.places(node).starts), np.bool_)
        kinds = np.array([child.kind == "null" for child in node.children])
        return kinds[self.columns.chosen(node)]

    def _without_sizes(self) -> Iterator[Change]:
        """Let blocks of elements that change say only how many they are: their sizes would be wrong."""
        if not len(self.sized):
            return
        touched = np.sort(np.concatenate([change.starts for change in self.changes]))
        heads, bodies, ends, counts = self.sized.T
        hit = np.flatnonzero(np.searchsorted(touched, bodies) < np.searchsorted(touched, ends))
        if len(hit):
            yield Change(heads[hit], bodies[hit], encoded(Node("long", arrow=pa.int64()), pa.array(counts[hit]), ""))

    @cached_property
    def _settled(self) -> AvroRecords:
        """The same records with the changes made, for those who look at what has changed."""
        if self.dropped:
            raise RunError("a field was read after another of its record was dropped", hint="drop fields last")
        return AvroRecords.parse(self.columns.root, list(self.blocks()), first=self.first)

    def _has_changed(self, path: FieldPath) -> bool:
        return any(done.contains(path) or path.contains(done) for done in self.changed)


def _pieces(node: Node, values: pa.Array, path: FieldPath) -> pa.Array:
    """Write values, which may hold nulls, for a node and the branches of the union that it is or is one of."""
    union = node if node.kind == "union" else node.parent if node.parent and node.parent.kind == "union" else None
    valid = booleans(values.is_valid())
    if union is None:
        if not valid.all() and node.kind != "null":
            raise _no_null(path)
        return encoded(node, values, str(path))
    branch = node if node.kind != "union" else node.branches()[0]
    if values.type != branch.arrow:  # a mask that makes another type may fit another branch
        fits = [each for each in union.branches() if each.arrow == values.type]
        branch = fits[0] if fits else branch
    if branch.kind == "null" and valid.any():
        raise MaskError(f"{path}: a mask made values of what is null", hint="use a mask that keeps nulls")
    pieces = prefixed(union.children.index(branch), encoded(branch, values.drop_null(), str(path)))
    if valid.all():
        return pieces
    spread = scatter(pieces, valid)
    return spread.fill_null(_null(union, path))


def _null(node: Node, path: FieldPath) -> bytes:
    """Return the bytes of a null in the place of a node."""
    union = node if node.kind == "union" else node.parent
    for number, child in enumerate(union.children if union is not None and union.kind == "union" else ()):
        if child.kind == "null":
            return bytes([2 * number])
    raise _no_null(path)


def _no_null(path: FieldPath) -> DmengineError:
    return PlanError(
        f"{path}: the Avro schema allows no null there", hint="give it a mask that makes a value, or drop it"
    )


def _foreign(path: FieldPath) -> RunError:
    return RunError(f"the values for {path} were not selected from this batch", hint="replace what was selected")


def _containers(count: int) -> pa.Array:
    return pa.Array.from_buffers(pa.struct([]), count, [None])


def _same(values: pa.Array, originals: pa.Array) -> npt.NDArray[np.bool_]:
    """Compare values bit by bit where they are floats: -0.0 and 0.0 are not the same bytes."""
    if pa.types.is_floating(values.type):
        width = pa.int32() if values.type.bit_width == 32 else pa.int64()
        values, originals = values.view(width), originals.view(width)
    return booleans(values.is_valid()) if pa.types.is_null(values.type) else equal(values, originals)


def _growth(changes: Sequence[Change], bounds: Positions) -> Positions:
    """Say how far each bound moves."""
    starts = np.concatenate([change.starts for change in changes])
    ends = np.concatenate([change.ends for change in changes])
    lengths = np.concatenate([np.array(pc.binary_length(change.pieces), np.int64) for change in changes])
    order = np.argsort(starts, kind="stable")
    total = np.concatenate([[0], np.cumsum((lengths - (ends - starts))[order])])
    return total[np.searchsorted(starts[order], bounds)].astype(np.int64)


class _counted_from:  # noqa: N801  # it reads as a clause: with _counted_from(first)
    """Make the record of an error, counted within the batch, the one within the file."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DmengineError) and "record" in error.place:
            error.place = {**error.place, "record": str(int(error.place["record"]) + self._first)}
