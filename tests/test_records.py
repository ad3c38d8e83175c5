"""Tests of Arrow batches as records: what is found in nested fields, and what is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import InputError, MaskError, PlanError
from dmengine.paths import EACH, VALUES, FieldPath, Step
from dmengine.records import TableRecords, schema_fields, schema_with

CANARY = "CANARY"
P = FieldPath.parse


# ------------------------------------------------------------------------- arrays that hide garbage


def hidden(kind: pa.DataType, values: list[Any], tag: str) -> pa.Array:
    """Build an array whose null slots, at every level, hide canaries."""
    valid = [value is not None for value in values]
    bits = pa.py_buffer(np.packbits(valid, bitorder="little")) if not all(valid) else None
    if pa.types.is_struct(kind):
        children = [
            hidden(
                field.type, [junk(field.type) if v is None else v[field.name] for v in values], f"{tag}.{field.name}"
            )
            for field in kind.fields
        ]
        return pa.Array.from_buffers(kind, len(values), [bits], children=children)
    if pa.types.is_map(kind):
        filled = [[("k", junk(kind.item_type))] if v is None else v for v in values]
        items = [pair for each in filled for pair in each]
        keys = pa.array([key for key, _ in items], kind.key_type)
        entries = pa.StructArray.from_arrays(
            [keys, hidden(kind.item_type, [value for _, value in items], tag + "{*}")],
            fields=[kind.key_field, kind.item_field],
        )
        return pa.Array.from_buffers(kind, len(values), [bits, ends(filled)], children=[entries])
    if pa.types.is_fixed_size_list(kind):
        filled = [[junk(kind.value_type)] * kind.list_size if v is None else v for v in values]
        child = hidden(kind.value_type, [each for value in filled for each in value], tag + "[*]")
        return pa.Array.from_buffers(kind, len(values), [bits], children=[child])
    if pa.types.is_nested(kind):
        filled = [[junk(kind.value_type)] if v is None else v for v in values]
        child = hidden(kind.value_type, [each for value in filled for each in value], tag + "[*]")
        wide = np.int64 if pa.types.is_large_list(kind) else np.int32
        return pa.Array.from_buffers(kind, len(values), [bits, ends(filled, wide)], children=[child])
    text = pa.array([f"{CANARY} {tag} {'null' if v is None else v}" for v in values], pa.string())
    return pa.Array.from_buffers(kind, len(values), [bits, *text.buffers()[1:]])


def junk(kind: pa.DataType) -> Any:
    """Return a value to lie below a null."""
    if pa.types.is_struct(kind):
        return {field.name: junk(field.type) for field in kind.fields}
    if pa.types.is_map(kind):
        return [("k", junk(kind.item_type))]
    if pa.types.is_nested(kind):
        return [junk(kind.value_type)] * (kind.list_size if pa.types.is_fixed_size_list(kind) else 2)
    return "junk"


def ends(lists: list[list[Any]], width: type = np.int32) -> pa.Buffer:
    """Return the offsets of lists."""
    return pa.py_buffer(np.cumsum([0, *map(len, lists)], dtype=width))


def kinds() -> st.SearchStrategy[pa.DataType]:
    """Return types of up to three levels with text at the leaves."""
    return st.recursive(
        st.just(pa.string()),
        lambda inner: st.one_of(
            st.builds(lambda a, b: pa.struct({"a": a, "b": b}), inner, inner),
            st.builds(pa.list_, inner),
            st.builds(pa.large_list, inner),
            st.builds(lambda kind: pa.list_(kind, 2), inner),
            st.builds(lambda kind: pa.map_(pa.string(), kind), inner),
        ),
        max_leaves=4,
    )


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Return values of a type, nulls included."""
    if pa.types.is_struct(kind):
        some: st.SearchStrategy[Any] = st.fixed_dictionaries({f.name: values_of(f.type) for f in kind.fields})
    elif pa.types.is_map(kind):
        some = st.lists(st.tuples(st.sampled_from("kl"), values_of(kind.item_type)), max_size=3)
    elif pa.types.is_fixed_size_list(kind):
        some = st.lists(values_of(kind.value_type), min_size=2, max_size=2)
    elif pa.types.is_nested(kind):
        some = st.lists(values_of(kind.value_type), max_size=3)
    else:
        some = st.integers(0, 99).map(str)
    return st.none() | some


def leaves(kind: pa.DataType, path: FieldPath) -> Iterator[FieldPath]:
    """Name every leaf below a path."""
    if pa.types.is_struct(kind):
        for field in kind.fields:
            yield from leaves(field.type, path.child(field.name))
    elif pa.types.is_map(kind):
        yield from leaves(kind.item_type, path.child(VALUES))
    elif pa.types.is_nested(kind):
        yield from leaves(kind.value_type, path.child(EACH))
    else:
        yield path


@st.composite
def nested(draw: st.DrawFn) -> tuple[pa.RecordBatch, FieldPath]:
    """Draw a batch of one nested column, sliced out of a longer one, and a leaf of it."""
    kind = draw(kinds())
    rows = draw(st.lists(values_of(kind), max_size=6))
    column = hidden(kind, [junk(kind), None, *rows, junk(kind)], "x").slice(2, len(rows))
    path = draw(st.sampled_from(list(leaves(kind, FieldPath.of("x")))))
    return pa.record_batch({"x": column}), path


Place = tuple[int, tuple[int, ...]]


def walk(rows: list[Any], steps: tuple[Step, ...]) -> list[tuple[Place, Any]]:
    """Find what is at a path, the plain way: (record, element of each level), value."""
    found: list[tuple[Place, Any]] = []
    for row, value in enumerate(rows):
        counters = [0] * len(steps)

        def go(value: Any, depth: int, at: tuple[int, ...], row: int = row, counters: list[int] = counters) -> None:
            if depth == len(steps):
                found.append(((row, at), value))
            elif value is not None and steps[depth].kind == "name":
                go(value[steps[depth].name], depth + 1, at)
            elif value is not None:
                for each in value:
                    counters[depth] += 1
                    inner = each[1] if steps[depth].kind == "values" else each
                    go(inner, depth + 1, (*at, counters[depth] - 1))

        go(value, 0, ())
    return found


def ipc(batch: pa.RecordBatch) -> bytes:
    """Write a batch as Arrow IPC, which shows every byte of every buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


# ------------------------------------------------------------------------------- select and replace


@settings(max_examples=150, deadline=None)
@given(nested())
def test_select_finds_what_a_plain_walk_finds(drawn: tuple[pa.RecordBatch, FieldPath]) -> None:
    """Values, records and element numbers are those of a plain walk, whatever lies below nulls."""
    batch, path = drawn
    expected = walk(batch.column(0).to_pylist(), path.steps[1:])

    [found] = TableRecords(batch).select(path)

    rows = list(range(len(found.values))) if found.rows is None else found.rows.tolist()
    levels = [level.tolist() for level in found.elements]
    places = [(row, tuple(level[i] for level in levels)) for i, row in enumerate(rows)]
    assert list(zip(places, found.values.to_pylist(), strict=True)) == expected


@settings(max_examples=150, deadline=None)
@given(nested())
def test_replace_puts_values_back_and_leaves_no_byte_behind(drawn: tuple[pa.RecordBatch, FieldPath]) -> None:
    """After a replace every place holds its new value, and no byte of the old column is in any buffer."""
    batch, path = drawn
    records = TableRecords(batch)
    [found] = records.select(path)
    masked = pa.array([i if i % 3 else None for i in range(len(found.values))], pa.int64())

    changed = records.replace(path, [found.with_values(masked)])

    changed.batch.validate(full=True)
    before, after = batch.column(0).to_pylist(), changed.batch.column(0).to_pylist()
    places = [place for place, _ in walk(before, path.steps[1:])]
    assert walk(after, path.steps[1:]) == list(zip(places, masked.to_pylist(), strict=True))
    others = [other for other in leaves(batch.column(0).type, FieldPath.of("x")) if other != path]
    assert all(walk(before, o.steps[1:]) == walk(after, o.steps[1:]) for o in others)
    assert f"{CANARY} {path} ".encode() not in ipc(changed.batch)


@settings(max_examples=50, deadline=None)
@given(nested())
def test_blank_makes_null_and_leaves_no_byte_behind(drawn: tuple[pa.RecordBatch, FieldPath]) -> None:
    """After a blank every place is null, and no byte of the old column is in any buffer."""
    batch, path = drawn
    blank = TableRecords(batch).blank(path)

    assert blank.batch.schema.equals(batch.schema)
    assert all(value is None for _, value in walk(blank.batch.column(0).to_pylist(), path.steps[1:]))
    assert f"{CANARY} {path} ".encode() not in ipc(blank.batch)


def test_the_canary_scan_would_see_a_leak() -> None:
    """A shallow replacement, as an unwary author would write it, is caught by the scan of these tests."""
    column = hidden(pa.struct({"a": pa.string()}), [None, {"a": "1"}], "x")
    batch = pa.record_batch({"x": column})

    assert f"{CANARY} x.a junk".encode() in ipc(batch)


def test_a_flat_column_is_selected_without_a_copy() -> None:
    """A top-level column comes as it is, dictionary and nulls included."""
    column = pa.array(["a", None, "a"]).dictionary_encode()

    [found] = TableRecords(pa.record_batch({"x": column})).select(P("x"))

    assert found.rows is None
    assert found.values.type == column.type
    assert found.values.indices.buffers()[1].address == column.indices.buffers()[1].address


def test_list_views_are_opened_and_kept() -> None:
    """A list_view column is masked like a list and is a list_view afterwards."""
    places = [0, 2, 0, 0, 1], [1, 1, 2, 1, 0]
    column = pa.ListViewArray.from_arrays(
        *places, pa.array(["a", "b", "c"]), mask=pa.array([False] * 3 + [True, False])
    )
    column = column.slice(1)
    records = TableRecords(pa.record_batch({"x": column}))
    [found] = records.select(P("x[*]"))

    changed = records.replace(P("x[*]"), [found.with_values(pa.array(["1", "2", "3"]))])

    assert found.values.to_pylist() == ["c", "a", "b"]
    assert changed.batch.column(0).type == column.type
    assert changed.batch.column(0).to_pylist() == [["1"], ["2", "3"], None, []]


def test_a_path_that_is_not_there_selects_nothing() -> None:
    """A field that the schema lacks selects nothing, so optional rules pass."""
    records = TableRecords(pa.record_batch({"x": [1]}))

    assert records.select(P("y")) == []
    assert records.select(P("x.y")) == []


def test_a_wrong_number_of_values_is_refused() -> None:
    """Values that do not fill their places are refused by name."""
    records = TableRecords(pa.record_batch({"x": [1, 2]}))
    [found] = records.select(P("x"))

    with pytest.raises(MaskError, match="x: another number of values"):
        records.replace(P("x"), [found.with_values(pa.array([1]))])


def test_extension_types_stay() -> None:
    """Extension columns are leaves, inside structs too."""
    ids = pa.array([b"0" * 16, None], pa.uuid())
    records = TableRecords(pa.record_batch({"x": pa.StructArray.from_arrays([ids], ["id"])}))
    [found] = records.select(P("x.id"))

    changed = records.replace(P("x.id"), [found])

    assert found.values.type == pa.uuid()
    assert changed.batch.equals(records.batch)


# -------------------------------------------------------------------------------- drop, blank, names


def test_drop_removes_columns_and_members() -> None:
    """A dropped column or struct member is gone, the rest and the number of records stay."""
    people = pa.array([{"first": "a", "last": "b"}, None])
    records = TableRecords(pa.record_batch({"id": [1, 2], "name": people}))

    changed = records.drop(P("name.last")).drop(P("id"))

    assert changed.batch.to_pylist() == [{"name": {"first": "a"}}, {"name": None}]
    assert records.drop(P("name")).drop(P("id")).num_rows == 2


def test_drop_refuses_what_cannot_be_left_out() -> None:
    """Elements of lists, only members and unknown fields cannot be dropped."""
    records = TableRecords(pa.record_batch({"x": [[1]], "s": [{"a": 1}]}))

    for path, why in [("x[*]", "elements"), ("s.a", "only member"), ("nope", "no such field")]:
        with pytest.raises(PlanError, match=why):
            records.drop(P(path))


def test_blank_refuses_a_field_that_may_not_be_null() -> None:
    """A field declared not null is not blanked, and is named."""
    schema = pa.schema([pa.field("x", pa.int64(), nullable=False)])
    records = TableRecords(pa.record_batch([pa.array([1])], schema=schema))

    with pytest.raises(PlanError, match="x: the field is declared not null"):
        records.blank(P("x"))


@pytest.mark.parametrize("inside", [False, True])
def test_duplicate_names_are_refused(inside: bool) -> None:
    """Two fields of one name are refused, at the top and inside structs, and are named."""
    kind = pa.struct([pa.field("ssn", pa.string()), pa.field("ssn", pa.string())])
    schema = pa.schema([pa.field("x", kind)]) if inside else pa.schema(kind.fields)
    records = TableRecords(pa.RecordBatch.from_pylist([], schema=schema))
    path = P("x.ssn" if inside else "ssn")

    for act in (lambda: records.fields([path]), lambda: records.select(path)):
        with pytest.raises(InputError, match="same name: ssn"):
            act()


# ------------------------------------------------------------------------------------------- schemas

NESTED = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "1"}),
        pa.field(
            "items", pa.large_list(pa.field("el", pa.struct({"sku": pa.string(), "n": pa.int8()}), metadata={"m": "1"}))
        ),
        pa.field("attrs", pa.map_(pa.string(), pa.struct({"v": pa.string()}), keys_sorted=True)),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
    ],
    metadata={"owner": "me"},
)


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        ([], ["id", "items", "attrs", "kind"]),
        (["items[*].sku"], ["id", "items[*].sku", "items[*].n", "attrs", "kind"]),
        (["*[*].s*"], ["id", "items[*].sku", "items[*].n", "attrs", "kind"]),
        (["attrs{*}"], ["id", "items", "attrs{*}", "kind"]),
        (["attrs{*}.v"], ["id", "items", "attrs{*}.v", "kind"]),
        (["items.sku", "attrs[*]", "id.x"], ["id", "items", "attrs", "kind"]),
        (["items[*]"], ["id", "items[*]", "attrs", "kind"]),
    ],
)
def test_only_containers_that_rules_open_are_opened(opened: list[str], expected: list[str]) -> None:
    """Containers are looked into only where a rule's path leads into them."""
    found = schema_fields(NESTED, [P(text) for text in opened])

    assert [str(each.path) for each in found] == expected


def test_a_field_below_a_nullable_one_is_nullable() -> None:
    """A value may be absent when any container around it may be null."""
    schema = pa.schema([pa.field("s", pa.struct([pa.field("a", pa.int8(), nullable=False)]))])

    [inner] = schema_fields(schema, [P("s.a")])

    assert (inner.field.nullable, inner.nullable) == (False, True)


def test_the_schema_after_masking_keeps_all_else() -> None:
    """Changed and dropped fields change; names, metadata, nullability and list kinds do not."""
    changes = {
        P("items[*].sku"): pa.field("sku", pa.int64()),
        P("attrs{*}.v"): pa.field("v", pa.int8()),
        P("kind"): None,
    }

    changed = schema_with(NESTED, changes)

    assert changed.names == ["id", "items", "attrs"]
    assert changed.metadata == NESTED.metadata
    assert changed.field("id").equals(NESTED.field("id"), check_metadata=True)
    element = changed.field("items").type.value_field
    assert pa.types.is_large_list(changed.field("items").type)
    assert (element.name, element.metadata) == ("el", {b"m": b"1"})
    assert element.type == pa.struct({"sku": pa.int64(), "n": pa.int8()})
    assert changed.field("attrs").type.keys_sorted
    assert changed.field("attrs").type.item_type == pa.struct({"v": pa.int8()})


def test_the_schema_after_masking_is_that_of_the_records() -> None:
    """schema_with and the records agree on what comes out."""
    records = TableRecords(pa.RecordBatch.from_pylist([{"id": 1, "items": [{"sku": "a", "n": 1}]}], schema=NESTED))
    [found] = records.select(P("items[*].sku"))

    changed = (
        records.replace(P("items[*].sku"), [found.with_values(pa.array([7]))]).drop(P("items[*].n")).drop(P("kind"))
    )

    planned = {P("items[*].sku"): pa.field("sku", pa.int64()), P("items[*].n"): None, P("kind"): None}
    assert changed.batch.schema.equals(schema_with(NESTED, planned), check_metadata=True)


def test_a_change_of_an_unknown_field_is_refused() -> None:
    """A change to a field that is not there is refused."""
    with pytest.raises(PlanError, match="nope: there is no such field"):
        schema_with(NESTED, {P("nope"): None})
