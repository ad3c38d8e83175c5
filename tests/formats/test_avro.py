"""Tests of Avro files: the form stays, nested fields are reached, and nothing is put where the schema has no place."""

from __future__ import annotations

import datetime as dt
import io
import pickle
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dmengine.errors import InputError, MaskError, PlanError
from dmengine.paths import FieldPath
from dmengine.spi import Format
from dmengine_connectors.formats.avro import Avro
from dmengine_connectors.formats.avro_header import written_long
from tests.formats.avro_making import avro, blocks, changing, header, plain, read, record, rewritten, selected

ADDRESS = record("Address", street="string", zip=["null", "string"])
PERSON = record(
    "Person",
    id="long",
    name=["null", "string"],
    home=["null", ADDRESS],
    tags={"type": "array", "items": "string"},
    notes={"type": "map", "values": "string"},
    orders={"type": "array", "items": record("Order", sku="string", amounts={"type": "array", "items": "double"})},
    level={"type": "enum", "name": "Level", "symbols": ["LOW", "HIGH"]},
    contact=["null", "string", record("Contact", email="string"), "long"],
)
PEOPLE: list[dict[str, Any]] = [
    {
        "id": 1, "name": "Ann", "home": {"street": "Main 1", "zip": "10115"},
        "tags": ["a", "b"], "notes": {"k": "x", "l": "y"},
               "orders": [{"sku": "S1", "amounts": [1.5, 2.0]}, {"sku": "S2", "amounts": []}],
        "level": "LOW", "contact": "ann@x.org",
    },
    {
        "id": -7, "name": None, "home": None, "tags": [], "notes": {}, "orders": [], "level": "HIGH",
        "contact": ("Contact", {"email": "bob@x.org"}),
    },
    {
        "id": 2**63 - 1, "name": "Cy", "home": {"street": "Side 2", "zip": None}, "tags": ["c"], "notes": {"k": "z"},
        "orders": [{"sku": "S3", "amounts": [0.5]}], "level": "LOW", "contact": 42,
    },
]  # fmt: skip


def upper(values: pa.Array) -> pa.Array:
    return pc.utf8_upper(values) if pa.types.is_string(values.type) else values


def test_it_is_a_format() -> None:
    """It meets the contract, pickles, and compares by its options."""
    form = Avro(metadata="drop")

    assert isinstance(form, Format)
    assert pickle.loads(pickle.dumps(form)) == form


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2", "xz"])
def test_codec_and_blocks_stay(codec: str) -> None:
    """A file of any codec is written with the same codec, blocks and records, under a marker of its own."""
    content = avro(PERSON, PEOPLE * 100, codec=codec, sync_interval=500)

    result = rewritten(content)

    assert header(result).codec == codec
    assert len(blocks(result)) > 10
    assert blocks(result) == blocks(content)
    assert read(result) == read(content)
    assert result[-16:] != content[-16:]
    assert rewritten(content) == result


def test_zstandard_is_read_as_it_is_written() -> None:
    """What is written with zstandard is read again."""
    content = avro(PERSON, PEOPLE * 100)
    schema, sync = header(content).metadata["avro.schema"].encode(), content[-16:]
    body = plain(content)[0]
    packed = pa.Codec("zstd").compress(body, asbytes=True)
    pairs = [(b"avro.schema", schema), (b"avro.codec", b"zstandard")]
    head = b"Obj\x01\x04" + b"".join(written_long(len(each)) + each for pair in pairs for each in pair) + b"\0" + sync
    file = head + written_long(300) + written_long(len(packed)) + packed + sync

    result = rewritten(file)

    assert selected(result, "name") == selected(content, "name")


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("name", [["Ann", None, "Cy"]], [["ANN", None, "CY"]]),
        ("home.street", [["Main 1", "Side 2"]], [["MAIN 1", "SIDE 2"]]),
        ("home.zip", [["10115", None]], [["10115", None]]),
        ("tags[*]", [["a", "b", "c"]], [["A", "B", "C"]]),
        ("notes{*}", [["x", "y", "z"]], [["X", "Y", "Z"]]),
        ("orders[*].sku", [["S1", "S2", "S3"]], [["S1", "S2", "S3"]]),
        ("orders[*].amounts[*]", [[1.5, 2.0, 0.5]], [[1.5, 2.0, 0.5]]),
        ("level", [["LOW", "HIGH", "LOW"]], [["LOW", "HIGH", "LOW"]]),
        ("contact.email", [["bob@x.org"]], [["BOB@X.ORG"]]),
        ("contact", [["ann@x.org"], [{}], [42]], [["ANN@X.ORG"], [{}], [42]]),
    ],
)
def test_nested_fields_are_reached(path: str, before: list[Any], after: list[Any]) -> None:
    """Fields of records, elements, values of maps and branches of unions are read, and changed, where they are."""
    content = avro(PERSON, PEOPLE)

    result = rewritten(content, changing(path, upper))

    assert selected(content, path) == before
    assert selected(result, path) == after
    others = [name for name in PEOPLE[0] if not path.startswith(name)]
    assert [[each[name] for name in others] for each in read(result)] == [
        [each[name] for name in others] for each in read(content)
    ]


def test_elements_are_numbered_within_their_record() -> None:
    """Of lists in lists, each level says which of its elements a value belongs to."""
    [batch] = Avro().read(io.BytesIO(avro(PERSON, PEOPLE))).batches

    [amounts] = batch.select(FieldPath.parse("orders[*].amounts[*]"))

    assert amounts.rows is not None
    assert amounts.rows.tolist() == [0, 0, 2]
    assert [level.tolist() for level in amounts.elements] == [[0, 0, 0], [0, 1, 0]]


def test_every_branch_of_a_union_is_a_field() -> None:
    """Branches that no rule opens are one field; opened, their fields stand beside the branches that are values."""
    [batch] = Avro().read(io.BytesIO(avro(PERSON, PEOPLE))).batches

    assert "contact" in map(str, batch.fields())
    opened = [str(path) for path in batch.fields([FieldPath.parse("contact.email"), FieldPath.parse("tags[*]")])]
    assert [each for each in opened if each.startswith(("contact", "tags"))] == ["tags[*]", "contact", "contact.email"]


def test_the_schema_is_known_where_each_value_has_one_type() -> None:
    """A plan sees Arrow types, unless a union has several: then each record says for itself what it holds."""
    typed = record("R", a="int", b=["null", {"type": "array", "items": ADDRESS}], c={"type": "map", "values": "bytes"})

    address = pa.struct([pa.field("street", pa.string(), False), ("zip", pa.string())])

    assert Avro().schema(io.BytesIO(avro(typed, []))) == pa.schema(
        [
            pa.field("a", pa.int32(), False),
            pa.field("b", pa.list_(pa.field("item", address, False))),
            pa.field("c", pa.map_(pa.string(), pa.field("value", pa.binary(), False)), False),
        ]
    )  # fmt: skip
    assert Avro().schema(io.BytesIO(avro(PERSON, PEOPLE))) is None


LOGICAL: list[tuple[Any, Any, pa.DataType]] = [
    ({"type": "int", "logicalType": "date"}, dt.date(1, 1, 1), pa.date32()),
    ({"type": "int", "logicalType": "time-millis"}, dt.time(23, 59, 59, 999000), pa.time32("ms")),
    ({"type": "long", "logicalType": "time-micros"}, dt.time(23, 59, 59, 999999), pa.time64("us")),
    (
        {"type": "long", "logicalType": "timestamp-millis"},
        dt.datetime(9999, 12, 31, 1, 2, 3, 4000, dt.timezone.utc),  # noqa: UP017
        pa.timestamp("ms", "UTC"),
    ),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, dt.datetime(1, 1, 1), pa.timestamp("us")),
    ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, Decimal("-1.28"), pa.decimal128(5, 2)),
    ({"type": "bytes", "logicalType": "decimal", "precision": 50}, Decimal(10**49), pa.decimal256(50, 0)),
    (
        {"type": "fixed", "name": "D", "size": 20, "logicalType": "decimal", "precision": 6, "scale": 3},
        Decimal("-999.999"),
        pa.decimal128(6, 3),
    ),
    ({"type": "fixed", "name": "F", "size": 3}, b"abc", pa.binary(3)),
    ({"type": "enum", "name": "E", "symbols": ["X"]}, "X", pa.dictionary(pa.int32(), pa.string())),
]


@pytest.mark.parametrize(("kind", "value", "arrow"), LOGICAL, ids=lambda each: str(each)[:40])
def test_logical_types_are_arrow_types(kind: Any, value: Any, arrow: pa.DataType) -> None:
    """A value of a logical type is read as Arrow's own type for it, and written so that others read the same."""
    content = avro(record("R", a=kind, b=["null", "long"]), [{"a": value, "b": 1}, {"a": value, "b": None}])
    [batch] = Avro().read(io.BytesIO(content)).batches
    [found] = batch.select(FieldPath.of("a"))

    assert found.values.type == arrow
    assert found.values.to_pylist() == [value, value]


def test_a_dropped_field_leaves_records_and_schema() -> None:
    """Fields of the record and of records inside it go; all others stay, and so do types that were defined in them."""
    schema = record("R", first=ADDRESS, second="Address", last="int")
    rows = [{"first": {"street": "a", "zip": "b"}, "second": {"street": "c", "zip": None}, "last": 3}]

    result = rewritten(avro(schema, rows), lambda records: records.drop(FieldPath.of("first")))

    assert read(result) == [{"second": {"street": "c", "zip": None}, "last": 3}]
    assert [each["name"] for each in header(result).writer_schema["fields"]] == ["second", "last"]


def test_a_field_of_a_shared_type_is_dropped_everywhere_or_not_at_all() -> None:
    """A record type that two fields have can lose a member only in both."""
    schema = record("R", first=ADDRESS, second=["null", "Address"])
    content = avro(schema, [{"first": {"street": "a", "zip": "b"}, "second": {"street": "c", "zip": "d"}}])
    one, two = FieldPath.parse("first.zip"), FieldPath.parse("second.zip")

    with pytest.raises(PlanError, match=r"Address is used at several places"):
        rewritten(content, lambda records: records.drop(one))
    result = rewritten(content, lambda records: records.drop(one).drop(two))

    assert read(result) == [{"first": {"street": "a"}, "second": ("Address", {"street": "c"})}]


def test_a_type_that_holds_definitions_may_be_used_twice() -> None:
    """A record type with other types defined in it is one type wherever it is named."""
    outer = record("Outer", inner=ADDRESS)
    rows = [{"a": {"inner": {"street": "x", "zip": None}}, "b": {"inner": {"street": "y", "zip": None}}}]
    content = avro(record("R", a=outer, b="Outer"), rows)

    assert read(rewritten(content, changing("b.inner.street", upper))) == [
        {"a": rows[0]["a"], "b": {"inner": {"street": "Y", "zip": None}}}
    ]


def test_a_file_without_records_loses_its_dropped_field_too() -> None:
    """The schema of an empty file is that of its neighbours."""
    result = rewritten(avro(PERSON, []), lambda records: records.drop(FieldPath.of("name")))

    assert "name" not in [each["name"] for each in header(result).writer_schema["fields"]]


def test_a_container_is_blanked_whole() -> None:
    """A nullable record becomes null; one that may not be null is refused, and so is a list in the schema as such."""
    content = avro(PERSON, PEOPLE)

    result = rewritten(content, lambda records: records.blank(FieldPath.of("home")))

    assert [each["home"] for each in read(result)] == [None, None, None]
    with pytest.raises(PlanError, match="allows no null"):
        rewritten(content, lambda records: records.blank(FieldPath.of("tags")))


@pytest.mark.parametrize(
    ("path", "new"),
    [("level", "MEDIUM-secret"), ("id", "secret"), ("tags[*]", None), ("orders[*].amounts[*]", "secret")],
)
def test_what_does_not_fit_the_schema_is_refused(path: str, new: Any) -> None:
    """No symbol, type or null is written that the schema does not have; the error names the field, not the value."""
    with pytest.raises((MaskError, PlanError)) as caught:
        rewritten(avro(PERSON, PEOPLE), changing(path, lambda v: pa.array([new] * len(v), pa.string())))

    assert path in caught.value.message
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_mask_may_use_another_branch_of_the_union() -> None:
    """A text in the place of a number takes the branch for texts."""
    content = avro(PERSON, PEOPLE)

    result = rewritten(
        content, changing("contact", lambda v: pa.array(["x"], pa.string()) if v.type == pa.int64() else v)
    )

    assert [each["contact"] for each in read(result)][2] == "x"


def test_sized_blocks_of_arrays_are_counted_anew_when_they_change() -> None:
    """An array whose blocks say their size in bytes is still an array after an element has grown."""
    schema = record("R", a={"type": "array", "items": {"type": "array", "items": "string"}}, b="string")
    whole = avro(schema, [{"a": [["xy"]], "b": "end"}])
    body = plain(whole)[0]
    inner = written_long(-1) + written_long(3) + b"\x04xy" + b"\0"
    outer = written_long(-1) + written_long(len(inner)) + inner + b"\0"
    sized = outer + b"\x06end"
    start = whole.index(body, 16) - 2
    content = whole[:start] + written_long(1) + written_long(len(sized)) + sized + whole[-16:]

    assert read(content) == [{"a": [["xy"]], "b": "end"}]
    assert sized in rewritten(content)
    assert read(rewritten(content, changing("a[*][*]", lambda v: pa.array(["longer"])))) == [
        {"a": [["longer"]], "b": "end"}
    ]
    assert sized[:-4] in rewritten(content, changing("b", lambda v: pa.array(["other"])))


def test_records_within_themselves_are_one_field() -> None:
    """A recursive record is read one level deep; what is below is kept, or blanked, whole."""
    node = record("Node", value="string", next=["null", "Node"], kids={"type": "array", "items": "Node"})
    leaf: dict[str, Any] = {"value": "c", "next": None, "kids": []}
    content = avro(node, [{"value": "a", "next": {"value": "b", "next": leaf, "kids": [leaf]}, "kids": [leaf, leaf]}])

    result = rewritten(content, changing("value", lambda v: pa.array(["secret"])))

    [batch] = Avro().read(io.BytesIO(content)).batches
    opened = batch.fields([FieldPath.parse("next.value"), FieldPath.parse("kids[*].value")])
    assert [str(each) for each in opened] == ["value", "next", "kids[*]"]
    assert read(result) == [{**read(content)[0], "value": "secret"}]
    assert read(rewritten(content, lambda r: r.blank(FieldPath.of("next"))))[0]["next"] is None


def test_metadata_is_kept_and_named_or_dropped() -> None:
    """What a file says beside its schema is kept with a warning, or not at all."""
    content = avro(PERSON, PEOPLE, metadata={"owner": "secret"})

    stream = Avro().read(io.BytesIO(content))

    assert [finding.severity for finding in stream.findings] == ["warning"]
    assert "owner" in stream.findings[0].message
    assert "secret" not in stream.findings[0].message
    assert header(rewritten(content)).metadata["owner"] == "secret"
    assert "owner" not in header(rewritten(content, form=Avro(metadata="drop"))).metadata


def test_fields_of_one_file_are_planned_by_their_types() -> None:
    """A mask that was planned to make another type is refused before a byte is written."""
    content, out = avro(record("R", a="int"), [{"a": 1}]), io.BytesIO()
    stream = Avro().read(io.BytesIO(content))
    with pytest.raises(PlanError, match=r"a \(int32 to string\)"):
        Avro().write(replace(stream, schema=pa.schema({"a": pa.string()})), out)
    assert out.getvalue() == b""


def test_what_is_selected_after_a_change_is_the_change() -> None:
    """A batch that was changed shows what will be written."""
    [batch] = Avro().read(io.BytesIO(avro(PERSON, PEOPLE))).batches

    changed = changing("name", upper)(batch)

    assert changed.select(FieldPath.of("name"))[0].values.to_pylist() == ["ANN", None, "CY"]
    assert batch.select(FieldPath.of("name"))[0].values.to_pylist() == ["Ann", None, "Cy"]


def test_polars_files_are_read() -> None:
    """A file that another writer made, in Rust, comes back."""
    polars = pytest.importorskip("polars")
    file = io.BytesIO()
    frame = polars.DataFrame({"a": [1, None, 3], "b": ["x", "y", None], "c": [[1.5], [], None]})
    frame.write_avro(file, compression="snappy")

    result = rewritten(file.getvalue(), changing("b", upper))

    assert polars.read_avro(io.BytesIO(result)).to_dicts() == [
        {**row, "b": row["b"] and row["b"].upper()} for row in frame.to_dicts()
    ]


def test_bare_values_are_refused() -> None:
    """A file whose schema is no record has no fields to name."""
    with pytest.raises(InputError, match="bare values"):
        Avro().read(io.BytesIO(avro("string", ["secret"])))


def test_a_file_is_read_as_it_is_asked_for() -> None:
    """One batch takes little more than its own blocks from a file of any length."""
    content = avro(PERSON, PEOPLE * 2000, sync_interval=1000)
    file = io.BytesIO(content)

    batches = Avro(batch_bytes=4000).read(file).batches
    first = next(batches)

    assert 0 < first.num_rows < 200
    assert file.tell() < 10_000 < len(content)
