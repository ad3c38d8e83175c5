"""Ways into and out of nested Arrow arrays: structs, lists of every kind, and the values of maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, choose
from dmengine.errors import InputError
from dmengine.paths import EACH, VALUES, Step
from dmengine.spi import Positions

Live = npt.NDArray[np.bool_] | None
"""Which slots of an array are really there (all parents valid); None: all of them."""

Change = Callable[[pa.Array, Live], pa.Array]
"""Makes a new array of the same length out of the slots at a path."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Every slot at one level of a nested column, live or not.

    Attributes:
        array: One entry for each slot; what lies in slots that are not live is garbage.
        live: The slots whose parents are all valid.
        rows: The record of each slot; None: slot i is record i's.
        elements: For each list level passed, the ordinal of the slot's element within its record.
    """

    array: pa.Array
    live: Live = None
    rows: Positions | None = None
    elements: tuple[Positions, ...] = ()

    def enter(self, step: Step) -> Slots:
        """Go one step down."""
        live = both(self.live, validity(self.array))
        if step.kind == "name":
            return Slots(self.array.field(self.array.type.get_field_index(step.name)), live, self.rows, self.elements)
        ends, child = unpacked(self.array)
        owner = np.repeat(np.arange(len(self.array), dtype=np.int64), np.diff(ends))
        chosen = _chosen(step, ends, owner)
        rows = owner if self.rows is None else self.rows[owner]
        live = None if live is None else live[owner]
        outer = tuple(level[owner] for level in self.elements)
        return Slots(_inner(child, step), both(live, chosen), rows, (*outer, _ordinals(rows, live)))

    def present(self) -> Slots:
        """Leave out the slots that are not live."""
        if self.live is None:
            return self
        rows = np.flatnonzero(self.live) if self.rows is None else self.rows[self.live]
        elements = tuple(level[self.live] for level in self.elements)
        return Slots(self.array.filter(pa.array(self.live)), None, rows, elements)


def is_list(kind: pa.DataType) -> bool:
    """Say whether a type is a list of any kind (a map is not)."""
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def members(kind: pa.DataType) -> list[tuple[Step, pa.Field]]:
    """Name the steps that lead from a type into it, with the field behind each.

    A map is entered at its values only; its keys have no path.

    >>> [(str(step), str(field.type)) for step, field in members(pa.list_(pa.int8()))]
    [('[*]', 'int8')]

    Raises:
        InputError: a struct has two members of one name.
    """
    if pa.types.is_struct(kind):
        refuse_duplicates(kind.names)
        return [(Step("name", field.name), field) for field in kind.fields]
    if pa.types.is_map(kind):
        return [(VALUES, kind.item_field)]
    return [(EACH, kind.value_field)] if is_list(kind) else []


def member(kind: pa.DataType, step: Step) -> pa.Field | None:
    """Return the field one step into a type, or None if there is none."""
    if pa.types.is_struct(kind):
        index = position(kind, step.name) if step.kind == "name" else None
        return None if index is None else kind.field(index)
    if is_list(kind):
        return kind.value_field if step.kind in ("each", "index") else None
    return kind.item_field if pa.types.is_map(kind) and step.kind == "values" else None


def with_member(kind: pa.DataType, step: Step, field: pa.Field | None) -> pa.DataType:
    """Return the type with one member changed; None leaves out the member of a struct.

    >>> str(with_member(pa.struct({"a": pa.int8(), "b": pa.int8()}), Step("name", "a"), None))
    'struct<b: int8>'
    """
    types = pa.types
    if types.is_struct(kind):
        changed = [field if old.name == step.name else old for old in kind.fields]
        return pa.struct([each for each in changed if each is not None])
    if types.is_map(kind):
        return pa.map_(kind.key_field, field, keys_sorted=kind.keys_sorted)
    if types.is_fixed_size_list(kind):
        return pa.list_(field, kind.list_size)
    if types.is_list_view(kind):
        return pa.list_view(field)
    if types.is_large_list_view(kind):
        return pa.large_list_view(field)
    return pa.large_list(field) if types.is_large_list(kind) else pa.list_(field)


def position(fields: pa.Schema | pa.StructType, name: str) -> int | None:
    """Return the place of a name among the fields of a schema or a struct, or None.

    Raises:
        InputError: several fields have that name.
    """
    places = fields.get_all_field_indices(name)
    if len(places) > 1:
        refuse_duplicates([name] * len(places))
    return places[0] if places else None


def refuse_duplicates(names: Sequence[str]) -> None:
    """Refuse fields that share a name: a rule could reach only one of them.

    Raises:
        InputError: names the names.
    """
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(
            f"several fields have the same name: {', '.join(twice)}",
            hint="give every field of the source its own name; a rule could reach only one of them",
        )


def rebuilt(slots: Slots, steps: Sequence[Step], change: Change) -> pa.Array:
    """Return the array with what lies at `steps` changed, and all parents built anew around it.

    Parents keep their validity and lengths, other members keep their arrays.
    """
    if not steps:
        return change(slots.array, slots.live)
    array, kind = slots.array, slots.array.type
    new = rebuilt(slots.enter(steps[0]), steps[1:], change)
    field = member(kind, steps[0])
    assert field is not None
    kind = with_member(kind, steps[0], field.with_type(new.type))
    if pa.types.is_struct(kind):
        children = [array.field(i) for i in range(kind.num_fields)]
        children[kind.get_field_index(steps[0].name)] = new
        return pa.Array.from_buffers(kind, len(array), [bitmap(array)], children=children)
    ends, child = unpacked(array)
    if steps[0].is_partial:  # what other steps mean stays as it is
        owner = np.repeat(np.arange(len(array), dtype=np.int64), np.diff(ends))
        chosen = _chosen(steps[0], ends, owner)
        new = new if chosen is None else choose(chosen, new, child)
    if pa.types.is_map(kind):
        entries = pa.struct([kind.key_field, kind.item_field])
        new = pa.Array.from_buffers(entries, len(child), [None], children=[child.field(0), new])
    return packed(array, kind, ends, new)


def unpacked(array: pa.Array) -> tuple[Positions, pa.Array]:
    """Return the n + 1 offsets (from 0) of a list or map array, and the child that they tile."""
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        return _tiled(array)
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        ends = np.arange(len(array) + 1, dtype=np.int64) * size
        return ends, array.values.slice(array.offset * size, len(array) * size)
    if len(array) == 0:
        return np.zeros(1, np.int64), array.values.slice(0, 0)
    ends = array.offsets.to_numpy().astype(np.int64)
    return ends - ends[0], array.values.slice(ends[0], ends[-1] - ends[0])


def packed(like: pa.Array, kind: pa.DataType, ends: Positions, child: pa.Array) -> pa.Array:
    """Return a list or map array of type `kind` with the nulls of `like`, from what `unpacked` gives."""
    types = pa.types
    wide = types.is_large_list(kind) or types.is_large_list_view(kind)
    buffers = [bitmap(like)]
    if not types.is_fixed_size_list(kind):
        index = ends.astype(np.int64 if wide else np.int32)
        if types.is_list_view(kind) or types.is_large_list_view(kind):
            buffers += [pa.py_buffer(index[:-1].copy()), pa.py_buffer(np.diff(index))]
        else:
            buffers.append(pa.py_buffer(index))
    return pa.Array.from_buffers(kind, len(like), buffers, children=[child])


def validity(array: pa.Array) -> Live:
    """Say which entries are not null; None: all."""
    return booleans(pc.is_valid(array)) if array.null_count else None


def bitmap(array: pa.Array) -> pa.Buffer | None:
    """Return the validity of an array as a bitmap that starts at bit 0; None: no nulls."""
    valid = validity(array)
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def both(one: Live, other: Live) -> Live:
    """Say which slots are live in both."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _tiled(array: pa.Array) -> tuple[Positions, pa.Array]:
    """Lay the elements of list views end to end: views may overlap and jump."""
    valid = validity(array)
    starts, sizes = array.offsets.to_numpy().astype(np.int64), array.sizes.to_numpy().astype(np.int64)
    sizes = sizes if valid is None else np.where(valid, sizes, 0)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    index = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], sizes)
    return ends, array.values.take(pa.array(index))


def _chosen(step: Step, ends: Positions, owner: Positions) -> Live:
    """Say which elements a step means, given the offsets of their lists and the list of each; None: all."""
    if not step.is_partial:
        return None
    index = np.arange(len(owner)) - ends[owner]
    return index == step.index if step.kind == "index" else ~np.isin(index, step.without)


def _inner(child: pa.Array, step: Step) -> pa.Array:
    return child.field(1) if step.kind == "values" else child


def _ordinals(rows: Positions, live: Live) -> Positions:
    """Number the live slots of each record from 0, so that garbage in other slots changes no number."""
    before = np.arange(len(rows), dtype=np.int64) if live is None else np.cumsum(live) - live
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    return before - np.repeat(before[first], np.diff(first, append=len(rows)))
