"""Tests of Parquet files: every type comes back, the form stays, damage is named."""

from __future__ import annotations

import datetime as dt
import io
import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dmengine.errors import DmengineError, InputError, MaskError, PlanError, StoreError
from dmengine.records import TableRecords
from dmengine.spi import Format, Records, RecordStream
from dmengine_connectors.formats.parquet import Parquet

SMALL = Parquet(batch_rows=1000)


def parquet(table: pa.Table, **options: Any) -> io.BytesIO:
    """Write a table with pyarrow."""
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file


def copied(file: io.BytesIO, how: Parquet = SMALL) -> io.BytesIO:
    """Read a file and write it again."""
    out = io.BytesIO()
    how.write(how.read(file), out)
    return out


def footer(file: io.BytesIO) -> pq.FileMetaData:
    """Return the footer of a file."""
    return pq.ParquetFile(file).metadata


def column(file: io.BytesIO, index: int = 0) -> pq.ColumnChunkMetaData:
    """Return a column chunk of the first row group."""
    return footer(file).row_group(0).column(index)


def text(rows: int, distinct: int) -> pa.Array:
    """Return texts that repeat."""
    return pa.array([f"value {i % distinct:08d}" for i in range(rows)])


# ------------------------------------------------------------------------------------------- types

INSTANTS = [
    dt.datetime(1, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 2, 29),
    dt.datetime(2024, 4, 7, 2, 30),
    None,
]
COLUMNS = {
    "bool": pa.array([True, None]),
    "int8": pa.array([-128, None], pa.int8()),
    "uint32": pa.array([2**32 - 1, None], pa.uint32()),
    "uint64": pa.array([2**64 - 1, None], pa.uint64()),
    "int64": pa.array([2**53 + 1, None]),
    "half": pa.array([1.5, None], pa.float16()),
    "double": pa.array([float("inf"), -0.0, None]),
    "decimal32": pa.array([Decimal("1.10"), None], pa.decimal32(9, 2)),
    "decimal128": pa.array([Decimal("1.10"), None], pa.decimal128(38, 2)),
    "decimal256": pa.array([Decimal("9" * 60), None], pa.decimal256(76, 2)),
    "date": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "time32": pa.array([1, None], pa.time32("ms")),
    "time64": pa.array([86_399_999_999_999, None], pa.time64("ns")),
    "duration": pa.array([1, None], pa.duration("us")),
    "timestamp ms": pa.array(INSTANTS, pa.timestamp("us")).cast(pa.timestamp("ms"), safe=False),
    "timestamp us": pa.array(INSTANTS, pa.timestamp("us")),
    "timestamp ns": pa.array([1, -1, 2**62, None], pa.timestamp("ns")),
    "timestamp utc": pa.array(INSTANTS, pa.timestamp("us", "UTC")),
    "timestamp zone": pa.array([1, -1, None], pa.timestamp("ms", "Pacific/Auckland")),
    "string": pa.array(["", "a\0b", "\U0001f600", None]),
    "large_string": pa.array(["a", None], pa.large_string()),
    "string_view": pa.array(["a", "longer than twelve bytes", None], pa.string_view()),
    "binary": pa.array([b"\xff\0", None]),
    "binary_view": pa.array([b"\xff", None], pa.binary_view()),
    "fixed": pa.array([b"ab", None], pa.binary(2)),
    "null": pa.nulls(2),
    "all null": pa.nulls(2, pa.string()),
    "dictionary": pa.array(["a", None, "a"], pa.dictionary(pa.int8(), pa.string())),
    "uuid": pa.array([b"0" * 16, None], pa.uuid()),
    "json": pa.array(['{"a": 1}', None], pa.json_()),
    "list": pa.array([["a", None], [], None]),
    "large_list": pa.array([["a"], None], pa.large_list(pa.field("thing", pa.string(), nullable=False))),
    "fixed_list": pa.array([["a", "b"], None], pa.list_(pa.string(), 2)),
    "list_view": pa.array([["a"], None], pa.list_view(pa.string())),
    "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array(
        [{"a": 1, "b.c": "x"}, None], pa.struct([pa.field("a", pa.int8(), False), ("b.c", pa.string())])
    ),
    "deep": pa.array(
        [[[("k", {"a": ["x"]})]]], pa.list_(pa.map_(pa.string(), pa.struct({"a": pa.list_(pa.string())})))
    ),
    "dictionary in list": pa.array([["a"], None], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
}


@pytest.mark.parametrize("store_schema", [True, False])
@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_comes_back(name: str, store_schema: bool) -> None:
    """A column of any type that Parquet holds is the same after reading and writing, and so is its schema."""
    source = parquet(pa.table({name: COLUMNS[name]}), store_schema=store_schema)

    result = copied(source)

    before, after = pq.ParquetFile(source), pq.ParquetFile(result)
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert after.schema.equals(before.schema)
    assert after.read().equals(before.read())


def test_metadata_ids_and_nullability_stay() -> None:
    """Field ids, field and file metadata, and not-null come back; keys beside Arrow's schema too."""
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "7", "note": "x"}),
            pa.field("s", pa.struct([pa.field("a", pa.string(), metadata={"PARQUET:field_id": "9"})])),
        ],
        metadata={"owner": "me"},
    )
    source = io.BytesIO()
    with pq.ParquetWriter(source, schema) as writer:
        writer.write_table(pa.Table.from_pylist([{"id": 1, "s": {"a": "b"}}], schema=schema))
        writer.add_key_value_metadata({"extra": "yes"})

    result = copied(source)

    expected = schema.with_metadata({"owner": "me", "extra": "yes"})
    assert pq.ParquetFile(result).schema_arrow.equals(expected, check_metadata=True)
    assert pq.ParquetFile(result).schema.equals(pq.ParquetFile(source).schema)
    assert set(footer(result).metadata) == {b"owner", b"extra", b"ARROW:schema"}
    [finding] = [f for f in Parquet().read(source).form.findings if "metadata" in f.message]
    assert (finding.severity, "owner, extra" in finding.message) == ("warning", True)


def test_metadata_can_be_dropped() -> None:
    """With metadata="drop" nothing of the file's own metadata is carried over, in Arrow's schema neither."""
    source = parquet(pa.table({"a": [1]}).replace_schema_metadata({"owner": "CANARY"}))

    result = copied(source, Parquet(metadata="drop"))

    assert set(footer(result).metadata) == {b"ARROW:schema"}
    assert pq.ParquetFile(result).schema_arrow.metadata is None


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_files_come_back(rows: int) -> None:
    """Files without row groups, or with an empty one, keep their schema."""
    schema = pa.schema({"a": pa.string(), "d": pa.dictionary(pa.int8(), pa.string())})
    source = io.BytesIO()
    with pq.ParquetWriter(source, schema) as writer:
        for _ in range(rows):
            writer.write_table(schema.empty_table())

    result = copied(source)

    assert pq.read_table(result).equals(pq.read_table(source))
    assert pq.ParquetFile(result).schema_arrow.equals(schema)


# ------------------------------------------------------------------------------------------ errors


def test_what_is_not_parquet_is_refused() -> None:
    """Files that are empty, cut short, foreign, followed by other bytes, or encrypted are refused in plain words."""
    whole = parquet(pa.table({"a": ["CANARY"] * 100})).getvalue()
    broken = [b"", b"PAR1", b"id,name\n1,CANARY\n", whole[:-1], whole + b"CANARY", whole[4:], b"PAR1" + whole[-8:]]

    for body in broken:
        with pytest.raises(InputError) as caught:
            list(Parquet().read(io.BytesIO(body)).batches)
        assert "CANARY" not in str(caught.value)
        assert caught.value.__context__ is None
    with pytest.raises(InputError, match="encrypted"):
        Parquet().schema(io.BytesIO(whole[:-4] + b"PARE"))


def test_a_huge_footer_is_refused_unread() -> None:
    """A footer over the limit is refused by its length, and the option is named."""
    source = parquet(pa.table({"a": [1]}).replace_schema_metadata({"k": "x" * 100_000}))

    with pytest.raises(InputError, match="footer is") as caught:
        Parquet(max_footer_bytes=50_000).read(source)

    assert "max_footer_bytes" in str(caught.value)


def test_damaged_files_are_read_or_refused() -> None:
    """Files with flipped bytes raise InputError or are read; nothing else is raised, and no chain holds a value."""
    table = pa.table({"a": text(500, 20), "b": pa.array(range(500)), "c": [[{"x": "y"}]] * 500})
    whole = parquet(table, write_page_checksum=True).getvalue()
    random = np.random.default_rng(7)
    errors: list[DmengineError] = []

    for _ in range(300):
        body = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            body[place] = random.integers(0, 256)
        try:
            copied(io.BytesIO(bytes(body)))
        except InputError as error:
            errors.append(error)

    assert len(errors) > 100
    assert all(error.__context__ is None for error in errors)


def test_duplicate_columns_are_refused() -> None:
    """Two columns of one name are refused by name."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["ssn", "ssn"])

    with pytest.raises(InputError, match="same name: ssn"):
        Parquet().schema(parquet(table))


def test_an_abandoned_write_leaves_no_footer() -> None:
    """When records fail half-way, what was written cannot be taken for a whole file."""
    table = pa.table({"a": text(5000, 5000)})
    stream = Parquet(batch_rows=1000).read(parquet(table, row_group_size=1000))

    def failing() -> Iterator[Records]:
        yield next(stream.batches)
        yield next(stream.batches)
        raise MaskError("no")

    out = io.BytesIO()
    with pytest.raises(MaskError, match="no"):
        Parquet().write(RecordStream(failing(), stream.schema, stream.form), out)

    assert out.tell() > 0
    assert not out.getvalue().endswith(b"PAR1")


def test_an_error_of_the_store_passes_as_it_is() -> None:
    """What goes wrong below the file, in the store, is not called damage of the file."""

    class Cut(io.BytesIO):
        cut = False

        def read(self, size: int | None = -1, /) -> bytes:
            if self.cut:
                raise StoreError("the connection is gone")
            return super().read(size)

    file = Cut(parquet(pa.table({"a": text(5000, 5000)}), row_group_size=1000).getvalue())
    batches = Parquet(batch_rows=1000).read(file).batches
    next(batches)
    file.cut = True

    with pytest.raises(StoreError, match="connection"):
        next(batches)


def test_records_that_do_not_fit_the_schema_are_refused() -> None:
    """Wrong types, nulls where none may be, and types unknown to Parquet are refused by name, without values."""
    required = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    cases: list[tuple[pa.Schema, pa.Array, type[DmengineError], str]] = [
        (pa.schema({"a": pa.int64()}), pa.array(["CANARY"]), MaskError, "a: values of type string"),
        (required, pa.array([None], pa.int64()), MaskError, "a: the field is declared not null"),
        (pa.schema({"a": pa.month_day_nano_interval()}), pa.nulls(1, pa.month_day_nano_interval()), PlanError, "a \\("),
    ]
    for schema, values, error, words in cases:
        records = TableRecords(pa.record_batch({"a": values}))

        with pytest.raises(error, match=words) as caught:
            Parquet().write(RecordStream(iter([records]), schema), io.BytesIO())

        assert caught.value.__context__ is None
    with pytest.raises(PlanError, match="needs a schema"):
        Parquet().write(RecordStream(iter([]), None), io.BytesIO())


def test_parquet_is_a_format() -> None:
    """The class meets the contract of formats."""
    how: Format = Parquet()

    assert isinstance(how, Format)
    assert (how.name, how.suffixes, how.codecs) == ("parquet", (".parquet", ".pq"), False)
    assert pickle.loads(pickle.dumps(how)) == how
