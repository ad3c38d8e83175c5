"""Records that are rows of an Arrow batch, nested fields included."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from dmengine.arrow import scatter
from dmengine.errors import MaskError, PlanError
from dmengine.nested import (
    Change,
    Live,
    Slots,
    is_list,
    member,
    members,
    position,
    rebuilt,
    refuse_duplicates,
    with_member,
)
from dmengine.paths import FieldPath, Step, element_steps
from dmengine.spi import Selection


class SchemaField(NamedTuple):
    """A field that a schema presents to rules.

    Attributes:
        path: Where it is.
        field: Its Arrow field.
        nullable: Whether a record may lack the value: it, or a container around it, may be null.
    """

    path: FieldPath
    field: pa.Field
    nullable: bool


@dataclass(frozen=True, slots=True)
class TableRecords:
    """An Arrow batch as records.

    >>> records = TableRecords(pa.record_batch({"id": [1, 2], "items": [[{"sku": "a"}, {"sku": "b"}], None]}))
    >>> [str(path) for path in records.fields()]
    ['id', 'items']
    >>> sku = FieldPath.parse("items[*].sku")
    >>> [str(path) for path in records.fields([sku])]
    ['id', 'items[*].sku']
    >>> [found] = records.select(sku)
    >>> found.values.to_pylist(), found.rows.tolist(), found.elements[0].tolist()
    (['a', 'b'], [0, 0], [0, 1])
    >>> records.replace(sku, [found.with_values(pa.array(["x", "y"]))]).batch.column("items").to_pylist()
    [[{'sku': 'x'}, {'sku': 'y'}], None]

    A map is opened at its values (`attrs{*}`). Its keys have no path: they stay as they are when a rule
    opens the map, so a map whose keys are people's data has to be masked as a whole.
    """

    batch: pa.RecordBatch = dataclasses.field(repr=False)

    @property
    def num_rows(self) -> int:
        """How many records the batch has."""
        return int(self.batch.num_rows)

    @property
    def nbytes(self) -> int:
        """How many bytes its values take in memory."""
        return int(self.batch.nbytes)

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterable[FieldPath]:
        """Name the leaves, and the containers that hold none of the `opened` paths.

        Raises:
            InputError: two fields of one container have the same name.
        """
        return [found.path for found in schema_fields(self.batch.schema, opened)]

    def select(self, path: FieldPath) -> Sequence[Selection]:
        """Return the values at a path whose parents are all there; nothing if the schema has no such field."""
        if schema_field(self.batch.schema, path) is None:
            return []
        slots = Slots(self.batch.column(self._column(path)))
        for step in path.steps[1:]:
            slots = slots.enter(step)
        slots = slots.present()
        return [Selection(slots.array, slots.rows, slots.elements)]

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> TableRecords:
        """Put values back where `select` found them; nothing of the old ones stays in any buffer.

        Raises:
            MaskError: another number of values comes back than was selected.
        """
        given = [selection.values for selection in selections]
        values = given[0] if len(given) == 1 else pa.concat_arrays(given)

        def put(old: pa.Array, live: Live) -> pa.Array:
            if len(values) != (len(old) if live is None else int(live.sum())):
                raise MaskError(f"{path}: another number of values was put back than was selected")
            return values if live is None else scatter(values, live)

        return self._changed(path, put)

    def drop(self, path: FieldPath) -> TableRecords:
        """Remove a column, or a member of a struct.

        Raises:
            PlanError: elements of a list or values of a map, or a struct's only member.
        """
        self._field(path)
        if len(path.steps) == 1:
            return TableRecords(self.batch.remove_column(self._column(path)))
        step = _droppable(self.batch.schema, path)

        def remove(old: pa.Array, live: Live) -> pa.Array:
            kind = with_member(old.type, step, None)
            kept = [old.field(i) for i, field in enumerate(old.type.fields) if field.name != step.name]
            return pa.StructArray.from_arrays(kept, fields=kind.fields, mask=old.is_null() if old.null_count else None)

        return self._changed(FieldPath(path.steps[:-1]), remove)

    def blank(self, path: FieldPath) -> TableRecords:
        """Make a field null, with all that is below it.

        Raises:
            PlanError: the field may not be null.
        """
        if not self._field(path).nullable:
            raise PlanError(
                f"{path}: the field is declared not null, so it cannot be made null",
                hint="give it a mask that makes a value, or drop it",
            )
        return self._changed(path, lambda old, live: pa.nulls(len(old), old.type))

    def _changed(self, path: FieldPath, change: Change) -> TableRecords:
        field = self._field(FieldPath(path.steps[:1]))
        self._field(path)
        index = self._column(path)
        new = rebuilt(Slots(self.batch.column(index)), path.steps[1:], change)
        return TableRecords(self.batch.set_column(index, field.with_type(new.type), new))

    def _field(self, path: FieldPath) -> pa.Field:
        field = schema_field(self.batch.schema, path)
        if field is None:
            raise PlanError(f"{path}: there is no such field", hint="name a field of the schema")
        return field

    def _column(self, path: FieldPath) -> int:
        return int(self.batch.schema.get_field_index(path.steps[0].name))


def schema_fields(schema: pa.Schema, opened: Iterable[FieldPath] = ()) -> list[SchemaField]:
    """Name the fields of a schema as records of it will: leaves, and containers with no `opened` path in them.

    >>> schema = pa.schema({"id": pa.int64(), "name": pa.struct({"first": pa.string(), "last": pa.string()})})
    >>> [str(found.path) for found in schema_fields(schema, [FieldPath.parse("name.first")])]
    ['id', 'name.first', 'name.last']

    Raises:
        InputError: two fields of one container have the same name.
    """
    wanted = tuple(opened)
    refuse_duplicates(schema.names)
    found: list[SchemaField] = []
    for field in schema:
        found += _presented(SchemaField(FieldPath.of(field.name), field, field.nullable), wanted)
    return found


def schema_field(schema: pa.Schema, path: FieldPath) -> pa.Field | None:
    """Return the field at a path, or None if the schema has none.

    >>> schema_field(pa.schema({"tags": pa.list_(pa.string())}), FieldPath.parse("tags[*]")).type
    DataType(string)

    Raises:
        InputError: two fields of one container on the way have the same name.
    """
    first, *rest = path.steps
    index = position(schema, first.name)
    field: pa.Field | None = None if index is None else schema.field(index)
    for step in rest:
        field = None if field is None else member(field.type, step)
    return field


def schema_with(schema: pa.Schema, changes: Mapping[FieldPath, pa.Field | None]) -> pa.Schema:
    """Return the schema after masking: fields changed, or left out where None. Metadata stays.

    >>> schema = pa.schema({"id": pa.int64(), "born": pa.date32()})
    >>> schema_with(schema, {FieldPath.of("id"): None, FieldPath.of("born"): pa.field("born", pa.string())}).names
    ['born']

    Raises:
        PlanError: a path is not in the schema, or cannot be left out.
    """
    fields: list[pa.Field | None] = list(schema)
    for path, new in changes.items():
        if schema_field(schema, path) is None:
            raise PlanError(f"{path}: there is no such field", hint="name a field of the schema")
        if new is None and len(path.steps) > 1:
            _droppable(schema, path)
        index = schema.get_field_index(path.steps[0].name)
        old = fields[index]
        fields[index] = None if old is None else _with(old, path.steps[1:], new)
    return pa.schema([field for field in fields if field is not None], metadata=schema.metadata)


def _presented(found: SchemaField, opened: Sequence[FieldPath]) -> Iterator[SchemaField]:
    inner = _steps_into(found, opened)
    if not any(_leads_into(path, found.path, [step for step, _ in inner]) for path in opened):
        yield found
        return
    for step, field in inner:
        below = SchemaField(found.path.child(step), field, found.nullable or field.nullable)
        yield from _presented(below, opened)


def _steps_into(found: SchemaField, opened: Sequence[FieldPath]) -> list[tuple[Step, pa.Field]]:
    """Name the steps into a field; of a list, those that the opened paths tell apart."""
    depth = len(found.path.steps)
    if not is_list(found.field.type):
        return members(found.field.type)
    here = [path for path in opened if len(path.steps) > depth and FieldPath(path.steps[:depth]).covers(found.path)]
    named = [path.steps[depth].index for path in here if path.steps[depth].kind == "index"]
    return [(step, found.field.type.value_field) for step in element_steps(named)]


def _leads_into(wanted: FieldPath, container: FieldPath, inner: Sequence[Step]) -> bool:
    depth = len(container.steps)
    return (
        len(wanted.steps) > depth
        and FieldPath(wanted.steps[:depth]).covers(container)
        and any(wanted.steps[depth].covers(step) for step in inner)
    )


def _with(field: pa.Field, steps: Sequence[Step], new: pa.Field | None) -> pa.Field | None:
    if not steps:
        return new
    inner = member(field.type, steps[0])
    changed = None if inner is None else _with(inner, steps[1:], new)
    if steps[0].is_partial and inner is not None and changed is not None:
        if changed.type != inner.type:
            raise PlanError(
                f"some elements of {field.name} would become {changed.type}, but the list holds {inner.type}",
                hint="mask all elements alike, or choose a mask that keeps the type",
            )
        changed = inner
    return field.with_type(with_member(field.type, steps[0], changed))


def _droppable(schema: pa.Schema, path: FieldPath) -> Step:
    """Return the last step of a path whose field can be left out."""
    parent = FieldPath(path.steps[:-1])
    around = schema_field(schema, parent)
    if any(step.is_partial for step in path.steps[:-1]):
        raise PlanError(f"{path}: no single element can lack a member", hint="make it null, or drop it from all")
    if path.steps[-1].kind != "name":
        raise PlanError(f"{path}: elements cannot be dropped", hint=f"drop {parent} as a whole, or mask the elements")
    if around is not None and around.type.num_fields == 1:
        raise PlanError(f"{path}: the only member of {parent} cannot be dropped", hint=f"drop {parent} as a whole")
    return path.steps[-1]
