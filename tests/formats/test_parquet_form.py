"""Tests of the form of Parquet files: how columns are stored stays, and what cannot stay is named."""

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

from dmengine.errors import InputError, MaskError
from dmengine.paths import FieldPath
from dmengine.records import TableRecords, schema_with
from dmengine.spi import Records, RecordStream
from dmengine_connectors.formats.parquet import Parquet

SMALL = Parquet(batch_rows=1000)
INSTANTS = [
    dt.datetime(1, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 2, 29),
    dt.datetime(2024, 4, 7, 2, 30),
    None,
]


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


def masked(stream: RecordStream, name: str, values: pa.Array) -> RecordStream:
    """Replace a column of a stream of one batch, as the engine does."""
    path = FieldPath.of(name)

    def batches() -> Iterator[Records]:
        for records in stream.batches:
            [found] = records.select(path)
            yield records.replace(path, [found.with_values(values)])

    assert stream.schema is not None
    return RecordStream(batches(), stream.schema, stream.form)


# -------------------------------------------------------------------------------------------- form


def test_the_way_each_column_is_stored_stays() -> None:
    """Codec, dictionary, encoding, statistics and bloom filter of each column are kept, nested ones too."""
    rows = 3000
    table = pa.table(
        {
            "a": text(rows, 10),
            "b": text(rows, rows),
            "c": pa.array(range(rows)),
            "d": pa.array(np.linspace(0, 1, rows)),
            "e": pa.array([[{"x": "y"}]] * rows),
        }
    )
    source = parquet(
        table,
        compression={"a": "zstd", "b": "snappy", "c": "none", "d": "gzip", "e.list.element.x": "brotli"},
        use_dictionary=["a"],
        column_encoding={"b": "DELTA_BYTE_ARRAY", "c": "DELTA_BINARY_PACKED", "d": "BYTE_STREAM_SPLIT"},
        write_statistics=["a", "c"],
        bloom_filter_options={"b": True},
        write_page_index=True,
    )

    result = copied(source)

    for index in range(5):
        before, after = column(source, index), column(result, index)
        assert after.path_in_schema == before.path_in_schema
        assert after.compression == before.compression
        assert sorted(after.encodings) == sorted(before.encodings)
        assert after.is_stats_set == before.is_stats_set
        assert (after.bloom_filter_offset is None) == (before.bloom_filter_offset is None)
        assert after.has_column_index == before.has_column_index
    assert pq.read_table(result).equals(table)


@pytest.mark.parametrize("pages", ["1.0", "2.0"])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
@pytest.mark.parametrize("arrow", [True, False])
def test_versions_stay(version: str, pages: str, arrow: bool) -> None:
    """Format version, data page version and whether Arrow's schema is stored are kept."""
    source = parquet(pa.table({"a": text(100, 3)}), version=version, data_page_version=pages, store_schema=arrow)

    result = copied(source)

    assert footer(result).format_version == version
    assert (b"ARROW:schema" in (footer(result).metadata or {})) == arrow
    assert Parquet().read(result).form == Parquet().read(source).form
    assert Parquet().read(result).form.data_pages == pages


def test_decimals_and_times_keep_their_physical_form() -> None:
    """Decimals stored as integers stay so, and so do times of day in UTC."""
    table = pa.table({"d": pa.array([Decimal("1.10")], pa.decimal128(9, 2)), "t": pa.array([1], pa.time64("us"))})
    source = parquet(table, store_decimal_as_integer=True, write_time_adjusted_to_utc=True)

    result = copied(source)

    assert column(result).physical_type == "INT32"
    assert pq.ParquetFile(result).schema.equals(pq.ParquetFile(source).schema)


def test_list_elements_keep_their_names() -> None:
    """A file whose list elements are not called `element` keeps their names."""
    source = parquet(pa.table({"a": [["x"]]}), use_compliant_nested_type=False)

    assert column(copied(source)).path_in_schema == "a.list.item"


def test_row_groups_stay() -> None:
    """Row groups have the same records as before, whatever the size of a batch, empty ones aside."""
    table = pa.table({"a": pa.array(range(2500)), "b": text(2500, 7)})
    source = io.BytesIO()
    with pq.ParquetWriter(source, table.schema) as writer:
        for start, count in [(0, 1), (1, 0), (1, 1500), (1501, 3), (1504, 996)]:
            writer.write_table(table.slice(start, count))

    result = copied(source, Parquet(batch_rows=700))

    counts = [footer(result).row_group(i).num_rows for i in range(footer(result).num_row_groups)]
    assert counts == [1, 1500, 3, 996]
    assert pq.read_table(result).equals(table)


def test_large_row_groups_are_split_and_reported() -> None:
    """A row group over the limit is written in even pieces, and a finding says so."""
    table = pa.table({"a": pa.array(range(10_000))})
    how = Parquet(max_group_bytes=30_000, batch_rows=1000)
    stream = how.read(parquet(table))
    out = io.BytesIO()

    rows = how.write(stream, out)

    assert rows == 10_000
    assert {footer(out).row_group(i).num_rows for i in range(footer(out).num_row_groups - 1)} == {stream.form.groups[0]}
    assert footer(out).num_row_groups == len(stream.form.groups) > 2
    assert pq.read_table(out).equals(table)
    assert "1 of 1 row groups" in stream.form.findings[0].message


def test_a_declared_sort_order_is_reported_as_lost() -> None:
    """A file that declares a sort order loses the declaration, and a finding says so."""
    source = parquet(pa.table({"a": [1, 2]}), sorting_columns=[pq.SortingColumn(0)])

    assert "sort order" in Parquet().read(source).form.findings[0].message
    assert footer(copied(source)).row_group(0).sorting_columns == ()


def test_a_form_travels_between_processes() -> None:
    """The form pickles, findings and all."""
    form = Parquet().read(parquet(pa.table({"a": ["x"]}).replace_schema_metadata({"k": "v"}))).form

    assert pickle.loads(pickle.dumps(form)) == form


def test_pages_have_checksums() -> None:
    """Every bit that flips in a data page of our output is found on reading."""
    result = copied(parquet(pa.table({"a": pa.array(range(1000))}), use_dictionary=False, compression="none"))
    whole = bytearray(result.getvalue())
    chunk = column(result)
    whole[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1

    with pytest.raises(InputError, match="checksum"):
        list(Parquet().read(io.BytesIO(bytes(whole))).batches)


def test_a_dropped_and_a_retyped_column_are_written() -> None:
    """Masked types and dropped columns are written; what is left keeps its own form."""
    table = pa.table({"a": [1, 2], "b": ["x", "y"], "c": pa.array([1, 2])})
    source = parquet(table, compression={"a": "zstd", "b": "gzip", "c": "snappy"}, use_dictionary=False,
                     column_encoding={"a": "DELTA_BINARY_PACKED", "c": "DELTA_BINARY_PACKED"})  # fmt: skip
    a, b = FieldPath.of("a"), FieldPath.of("b")
    stream = Parquet().read(source)
    [records] = stream.batches
    [found] = records.select(a)
    changed = records.replace(a, [found.with_values(pa.array(["p", "q"]))]).drop(b)
    assert stream.schema is not None
    schema = schema_with(stream.schema, {a: pa.field("a", pa.string()), b: None})
    out = io.BytesIO()

    Parquet().write(RecordStream(iter([changed]), schema, stream.form), out)

    assert pq.read_table(out).to_pylist() == [{"a": "p", "c": 1}, {"a": "q", "c": 2}]
    assert [column(out, i).compression for i in range(2)] == ["ZSTD", "SNAPPY"]
    assert "DELTA_BINARY_PACKED" in column(out, 1).encodings


def test_long_records_make_short_batches() -> None:
    """Batches are bounded in bytes, where a dictionary hides how long the values are, too."""
    table = pa.table({"a": [["x" * 10_000]] * 2000})
    stream = Parquet(max_batch_bytes=1 << 20).read(parquet(table))

    sizes = [records.batch.nbytes for records in stream.batches if isinstance(records, TableRecords)]

    assert max(sizes) < 2 << 20


# ----------------------------------------------------------------------------------- dictionaries


def repeated(rows: int = 40_000) -> pa.Table:
    """Return a table of a column that repeats and one that does not."""
    return pa.table({"few": text(rows, 50), "all": text(rows, rows)})


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_repeating_text_is_read_and_written_as_dictionary(kind: pa.DataType) -> None:
    """A column that repeats comes as a dictionary, though the schema says text, and is written as it was."""
    table = repeated().cast(pa.schema({"few": kind, "all": kind}))
    source = parquet(table)
    stream = Parquet(batch_rows=10_000).read(source)

    batches = [records.batch for records in stream.batches if isinstance(records, TableRecords)]

    assert stream.schema == table.schema
    assert {batch.schema.field("few").type for batch in batches} == {pa.dictionary(pa.int32(), kind)}
    assert {batch.schema.field("all").type for batch in batches} == {kind}
    result = copied(source, Parquet(batch_rows=10_000))
    assert pq.ParquetFile(result).schema_arrow == table.schema
    assert pq.read_table(result).equals(table)
    assert column(result).encodings == column(source).encodings


def test_a_dictionary_that_would_be_given_up_is_not_begun() -> None:
    """Where nearly all values differ, no dictionary is written beside them; where they repeat, there still is one."""
    source = parquet(repeated(100_000))
    assert all(column(source, i).has_dictionary_page for i in (0, 1))

    result = copied(source)

    assert [column(result, i).has_dictionary_page for i in (0, 1)] == [True, False]
    assert column(result, 1).total_compressed_size < column(source, 1).total_compressed_size
    assert pq.read_table(result).equals(pq.read_table(source))


def test_masked_dictionaries_hold_only_what_is_used() -> None:
    """No value of a dictionary that no record uses reaches the file, and equal masks are written once."""
    original = pa.array(["CANARY 1", "CANARY 2"] * 50)
    source = parquet(pa.table({"a": original}))
    values = pa.DictionaryArray.from_arrays(
        pa.array([1, 2] * 50, pa.int32()), pa.array(["CANARY 1", "same mask", "same mask"])
    )
    out = io.BytesIO()

    Parquet().write(masked(Parquet().read(source), "a", values), out)

    read = pq.ParquetFile(out, read_dictionary=["a"]).read()["a"].chunk(0)
    assert read.dictionary.to_pylist() == ["same mask"]
    assert b"CANARY" not in out.getvalue()
    assert column(out).statistics.max == "same mask"


def test_batches_may_change_between_dictionary_and_plain() -> None:
    """Records are right whether a masked column comes as a dictionary in all batches, in some, or in none."""
    plain = pa.array(["a", None, "b", "a"])
    coded = pa.array(["b", "a", "c", None]).dictionary_encode()
    schema = pa.schema({"x": pa.string()})
    for columns in ([plain, coded], [coded, plain], [coded, coded.slice(2)], [coded, plain.dictionary_encode()]):
        batches = [TableRecords(pa.record_batch({"x": values})) for values in columns]
        out = io.BytesIO()

        Parquet().write(RecordStream(iter(batches), schema), out)

        assert pq.read_table(out)["x"].to_pylist() == [v for values in columns for v in values.to_pylist()]


def test_a_dictionary_too_large_for_its_type_is_refused() -> None:
    """More masked values than an 8-bit dictionary can count are refused, for readers could not read them."""
    source = parquet(pa.table({"a": pa.array(["x"] * 300, pa.dictionary(pa.int8(), pa.string()))}))

    with pytest.raises(MaskError, match="a: there are more distinct values"):
        Parquet().write(masked(Parquet().read(source), "a", text(300, 300).dictionary_encode()), io.BytesIO())


# ------------------------------------------------------------------------------------------- INT96


@pytest.mark.parametrize("nest", [False, True])
def test_int96_timestamps_keep_all_years(nest: bool) -> None:
    """INT96 timestamps of the years 1 to 9999 come back, as INT96."""
    values = pa.array(INSTANTS, pa.timestamp("us"))
    values = pa.ListArray.from_arrays([0, 2, 2, 5], values) if nest else values
    source = parquet(pa.table({"t": values}), use_deprecated_int96_timestamps=True)

    result = copied(source, Parquet(batch_rows=2))

    assert column(result).physical_type == "INT96"
    read = pq.ParquetFile(result, coerce_int96_timestamp_unit="us").read()
    assert read["t"].to_pylist() == values.to_pylist()


def test_int96_timestamps_lose_no_digit() -> None:
    """Nanoseconds are refused where they would be lost, and kept where they are asked for."""
    values = pa.array([-1, 1_000, None], pa.timestamp("ns"))
    source = parquet(pa.table({"t": values}), use_deprecated_int96_timestamps=True)

    with pytest.raises(InputError, match="t: INT96 timestamps are finer"):
        copied(source)
    assert pq.read_table(copied(source, Parquet(int96_unit="ns")))["t"].to_pylist() == values.to_pylist()


def test_int96_years_beyond_nanoseconds_are_refused() -> None:
    """Years that nanoseconds cannot hold are refused, not wrapped."""
    source = parquet(pa.table({"t": pa.array(INSTANTS, pa.timestamp("us"))}), use_deprecated_int96_timestamps=True)

    with pytest.raises(InputError, match="1677 to 2262"):
        copied(source, Parquet(int96_unit="ns"))


def test_int96_can_be_written_as_int64() -> None:
    """On demand INT96 timestamps become INT64 ones."""
    values = pa.array(INSTANTS, pa.timestamp("us"))
    source = parquet(pa.table({"t": values}), use_deprecated_int96_timestamps=True)

    result = copied(source, Parquet(int96_as="int64"))

    assert column(result).physical_type == "INT64"
    assert pq.read_table(result)["t"].to_pylist() == values.to_pylist()


@pytest.mark.parametrize("kind", ["INTERVAL", "ENUM"])
def test_a_lost_annotation_is_reported(kind: str) -> None:
    """Annotations that Arrow cannot write again are named with their columns."""
    code = {"ENUM": b"\x08", "INTERVAL": b"\x2a"}[kind]  # ConvertedType 4 and 21, as zigzag
    values = pa.array([b"x" * 12], pa.binary(12) if kind == "INTERVAL" else pa.binary())
    body = parquet(pa.table({"thing": values}), store_schema=False).getvalue()
    name = b"\x18\x05thing"
    changed = body[:-8].replace(name + b"\0", name + b"\x25" + code + b"\0", 1)
    source = io.BytesIO(changed + (int.from_bytes(body[-8:-4], "little") + 2).to_bytes(4, "little") + b"PAR1")

    findings = Parquet().read(source).form.findings

    assert [f.severity for f in findings if f"thing ({kind})" in f.message] == ["warning"]


def test_int96_beside_other_timestamps_is_refused() -> None:
    """A file that has both kinds of timestamps is refused, unless all may become INT64."""
    table = pa.table({"old": pa.array(INSTANTS, pa.timestamp("us")), "stamp": pa.array([1, 2, 3, 4, None])})
    body = parquet(table, use_deprecated_int96_timestamps=True, store_schema=False).getvalue()
    name = b"\x18\x05stamp"  # of the schema element; TIMESTAMP_MICROS (10) is its field 6, converted_type
    changed = body[:-8].replace(name + b"\0", name + b"\x25\x14\0", 1)
    mixed = io.BytesIO(changed + (int.from_bytes(body[-8:-4], "little") + 2).to_bytes(4, "little") + b"PAR1")

    with pytest.raises(InputError, match=r"INT96 timestamps beside others \(stamp\)"):
        Parquet().schema(mixed)

    result = copied(mixed, Parquet(int96_as="int64"))
    assert pq.read_table(result)["old"].to_pylist() == INSTANTS
    assert pq.ParquetFile(result).schema_arrow.field("stamp").type == pa.timestamp("us", "UTC")


def test_nested_dictionaries_hold_nothing_unused() -> None:
    """A dictionary inside a list is written without the values that no record uses."""
    coded = pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int32()), pa.array(["CANARY", "mask"]))
    values = pa.ListArray.from_arrays([0, 2], coded)
    out = io.BytesIO()

    Parquet().write(
        RecordStream(iter([TableRecords(pa.record_batch({"a": values}))]), pa.schema({"a": values.type})), out
    )

    assert pq.read_table(out)["a"].to_pylist() == [["mask", "mask"]]
    assert b"CANARY" not in out.getvalue()
