"""Tests of ORC files: types and form stay, nested fields are reached, damage is named."""

from __future__ import annotations

import datetime as dt
import io
import pickle
import traceback
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import orc

from dmengine.errors import InputError, MaskError, PlanError
from dmengine.paths import FieldPath
from dmengine.records import TableRecords
from dmengine.spi import Format, Records, RecordStream
from dmengine_connectors.formats.orc import Orc, OrcForm
from tests.conftest import WHOLE
from tests.formats.mutating import MUTANTS, mutants, read_or_refused

COLUMNS = {
    "bool": pa.array([True, None]),
    "int8": pa.array([-128, None], pa.int8()),
    "int64": pa.array([2**63 - 1, None]),
    "float": pa.array([1.5, None], pa.float32()),
    "double": pa.array([float("inf"), -0.0, None]),
    "decimal": pa.array([Decimal("1.10"), None], pa.decimal128(38, 2)),
    "date": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "timestamp": pa.array([1, -1, 2**62, None], pa.timestamp("ns")),
    "timestamp utc": pa.array([1, -1, None], pa.timestamp("ns", "UTC")),
    "string": pa.array(["", "a\0b", "\U0001f600", None]),
    "binary": pa.array([b"\xff\0", None]),
    "list": pa.array([["a", None], [], None]),
    "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int8()), ("b", pa.string())])),
    "deep": pa.array(
        [[[("k", {"a": ["x"]})]]], pa.list_(pa.map_(pa.string(), pa.struct({"a": pa.list_(pa.string())}))),
    ),
}  # fmt: skip


def written(table: pa.Table, **options: Any) -> io.BytesIO:
    """Write a table by pyarrow."""
    file = io.BytesIO()
    orc.write_table(table, file, **options)
    return file


def rewritten(file: io.BytesIO, act: Callable[[Records], Records] = lambda r: r, form: Orc | None = None) -> io.BytesIO:
    """Read a file, change each batch, and write it again."""
    form, out = form or Orc(), io.BytesIO()
    stream = form.read(file)
    form.write(replace(stream, batches=(act(batch) for batch in stream.batches)), out)
    return out


def test_it_is_a_format() -> None:
    """It meets the contract, pickles, and compares by its options."""
    assert isinstance(Orc(), Format)
    assert pickle.loads(pickle.dumps(Orc(batch_rows=5))) == Orc(batch_rows=5)


@pytest.mark.parametrize("codec", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_and_codec_comes_back(name: str, codec: str) -> None:
    """A column of any type is the same after reading and writing, and so are schema and codec."""
    source = written(pa.table({name: COLUMNS[name]}), compression=codec)

    before, after = orc.ORCFile(source), orc.ORCFile(rewritten(source))

    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.read().equals(before.read())
    assert after.compression == before.compression == codec.upper()


def test_the_form_stays() -> None:
    """Chunks, index stride and version are as they were, and stripes about as large."""
    table = pa.table({"a": [f"number {i}" for i in range(300_000)], "b": range(300_000)})
    source = written(
        table, stripe_size=1 << 20, compression="snappy", compression_block_size=1 << 17, row_index_stride=5000
    )

    before, after = orc.ORCFile(source), orc.ORCFile(rewritten(source))

    assert after.read().equals(table)
    assert (after.compression_size, after.row_index_stride, after.file_version) == (1 << 17, 5000, before.file_version)
    assert before.nstripes <= after.nstripes <= before.nstripes + 1


def test_a_file_without_records_keeps_its_schema() -> None:
    """An empty file is an empty file."""
    source = written(pa.schema({"a": pa.int8(), "b": pa.list_(pa.string())}).empty_table())

    after = orc.ORCFile(rewritten(source))

    assert after.nrows == 0
    assert after.schema == orc.ORCFile(source).schema


def test_nested_values_are_changed_and_no_original_stays() -> None:
    """A changed element is in the file; no byte of the one before is, in a dictionary or in statistics either."""
    table = pa.table({"items": [[{"sku": "hunter2"}], None, [{"sku": None}]] * 50, "id": range(150)})
    path = FieldPath.parse("items[*].sku")

    def act(records: Records) -> Records:
        [found] = records.select(path)
        return records.replace(path, [found.with_values(pc.utf8_reverse(found.values))])

    result = rewritten(written(table), act)

    assert orc.ORCFile(result).read()["items"].to_pylist() == [[{"sku": "2retnuh"}], None, [{"sku": None}]] * 50
    assert b"hunter2" in written(table).getvalue()
    assert b"hunter2" not in result.getvalue()


@settings(max_examples=1000 if WHOLE else 40, deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | st.text(max_size=20), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3))
    ),
    st.integers(1, 7),
)
def test_any_table_comes_back(rows: list[tuple[str | None, list[int | None]]], size: int) -> None:
    """Values come back whatever they are, in whatever batches they are read."""
    table = pa.table(
        {"a": pa.array([a for a, _ in rows], pa.string()), "b": pa.array([b for _, b in rows], pa.list_(pa.int64()))}
    )

    assert orc.ORCFile(rewritten(written(table), form=Orc(batch_rows=size))).read().equals(table)


def test_a_type_that_orc_lacks_is_refused_by_its_field() -> None:
    """What ORC cannot hold is named before a byte is written; so is a column that is not what the plan says."""
    batch = pa.record_batch({"a": pa.array([1], pa.uint64())})
    text = TableRecords(pa.record_batch({"a": ["hunter2"]}))
    out = io.BytesIO()

    with pytest.raises(PlanError, match=r"a \(uint64\)"):
        Orc().write(RecordStream(iter([TableRecords(batch)]), batch.schema), out)
    with pytest.raises(MaskError, match="do not fit the planned type"):
        Orc().write(RecordStream(iter([text]), pa.schema({"a": pa.int64()})), out)
    assert b"ORC" not in out.getvalue()[3:]


def test_timestamps_beyond_nanoseconds_are_refused() -> None:
    """A year that Arrow cannot read exactly is named as such, and without the value."""
    late = pa.table({"t": pa.array([dt.datetime(9999, 12, 31)], pa.timestamp("us"))})

    with pytest.raises(InputError, match="1677 to 2262") as caught:
        rewritten(written(late))

    assert "253402" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("content", [b"", b"OR", b"PAR1 hunter2 PAR1", b"ORC", b"ORC hunter2"])
def test_other_files_are_refused(content: bytes) -> None:
    """What is no ORC file is named as that, and never shown."""
    with pytest.raises(InputError) as caught:
        Orc().schema(io.BytesIO(content))

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_form_that_arrow_cannot_write_is_an_error_of_ours() -> None:
    """Whatever a damaged footer says of the form, writing it fails by one of our errors."""
    stream = replace(Orc().read(written(pa.table({"a": [1]}))), form=OrcForm(index_stride=0))

    with pytest.raises(MaskError, match="cannot be written as ORC"):
        Orc().write(stream, io.BytesIO())


def test_a_type_that_an_attribute_claims_is_refused() -> None:
    """An attribute that Arrow would see a type of its own in is named, however deep the column lies."""
    claimed = pa.field("b", pa.int8(), metadata={"ARROW:extension:name": "arrow.bool8"})
    schema = pa.schema([pa.field("a", pa.struct([claimed]))])

    with pytest.raises(InputError, match="claim a type"):
        Orc().schema(written(pa.table({"a": [{"b": 1}]}, schema=schema)))


def test_large_stripes_are_refused() -> None:
    """A stripe that would fill the memory is refused by the footer."""
    with pytest.raises(InputError, match="max_stripe_bytes"):
        Orc(max_stripe_bytes=10).read(written(pa.table({"a": [1, 2, 3]})))


@pytest.mark.proof
@pytest.mark.parametrize("codec", ["uncompressed", "zlib", "zstd"])
def test_damaged_files_are_read_or_refused_by_name(codec: str) -> None:
    """A damaged file is read, or refused by our error in bounded time, whatever becomes of Arrow's reader."""
    table = pa.table(
        {"a": ["x", None, "y"] * 40, "b": [[1, 2], None, []] * 40, "c": [{"d": 1.5}, None, {"d": 2.5}] * 40}
    )
    content = written(table, compression=codec).getvalue()
    known = 0
    count = MUTANTS if WHOLE else MUTANTS // 3  # each that is refused costs the start of a process
    for told, made in mutants(content, f"orc {codec}", count):
        known += read_or_refused(lambda made=made: rewritten(io.BytesIO(made)), told) is not None  # type: ignore[misc]

    assert known
