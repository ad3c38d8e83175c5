"""Tests of Arrow files and streams: all types and the form stay, and nothing hides in buffers and dictionaries."""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import InputError, MaskError
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records
from dmengine_connectors.formats.arrow_ipc import ArrowIpc
from tests.conftest import WHOLE
from tests.formats.mutating import mutants, read_or_refused
from tests.formats.test_parquet import COLUMNS

FILE, STREAM = (pa.ipc.new_file, pa.ipc.open_file), (pa.ipc.new_stream, pa.ipc.open_stream)
CODED = pa.dictionary(pa.int8(), pa.string())


def written(table: pa.Table, kind: Any = FILE, rows: int | None = None, codec: str | None = None) -> io.BytesIO:
    """Write a table by pyarrow."""
    file = io.BytesIO()
    with kind[0](file, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, rows)
    file.seek(0)
    return file


def rewritten(
    file: io.BytesIO, act: Callable[[Records], Records] = lambda r: r, form: ArrowIpc | None = None
) -> io.BytesIO:
    """Read a file, change each batch, and write it again."""
    form, out = form or ArrowIpc(), io.BytesIO()
    stream = form.read(file)
    form.write(replace(stream, batches=(act(batch) for batch in stream.batches)), out)
    out.seek(0)
    return out


def test_it_is_a_format() -> None:
    """It meets the contract, pickles, and compares by its options."""
    assert isinstance(ArrowIpc(), Format)
    assert pickle.loads(pickle.dumps(ArrowIpc(metadata="drop"))) == ArrowIpc(metadata="drop")


@pytest.mark.parametrize("kind", [FILE, STREAM], ids=["file", "stream"])
@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_comes_back(name: str, kind: Any) -> None:
    """A column of any type is the same after reading and writing, and so are its schema and batches."""
    table = pa.table({name: COLUMNS[name]})

    result = kind[1](rewritten(written(table, kind, 1))).read_all()

    assert result.schema.equals(table.schema, check_metadata=True)
    assert result.equals(table)
    assert result.column(0).num_chunks == table.num_rows
    result.validate(full=True)


@pytest.mark.parametrize("kind", [FILE, STREAM], ids=["file", "stream"])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_the_codec_stays(kind: Any, codec: str | None) -> None:
    """Buffers are compressed as they were."""
    table = pa.table({"a": ["the same"] * 10_000, "b": pa.array(["x", "y"] * 5000).dictionary_encode()})

    source = written(table, kind, codec=codec)
    result = rewritten(source)

    assert ArrowIpc().read(result).form.compression == codec
    assert abs(len(result.getvalue()) - len(source.getvalue())) < 2000


def test_metadata_is_kept_and_named_or_dropped() -> None:
    """What a schema says beside its fields is kept with a warning, or not at all."""
    table = pa.table({"a": [1]}).replace_schema_metadata({"owner": "hunter2", "pandas": "{}"})

    stream = ArrowIpc().read(written(table))

    assert [(f.severity, "owner" in f.message, "hunter2" in f.message) for f in stream.findings] == [
        ("warning", True, False)
    ]
    assert pa.ipc.open_file(rewritten(written(table))).schema.metadata == table.schema.metadata
    assert pa.ipc.open_file(rewritten(written(table), form=ArrowIpc(metadata="drop"))).schema.metadata is None


def hidden() -> dict[str, pa.Array]:
    """Return columns whose buffers hold a text that is none of their values."""
    texts = pa.array(["hunter2", "ok"])
    behind = pc.if_else(pa.array([True, False]), pa.scalar(None, pa.string()), texts)
    assert b"hunter2" in behind.buffers()[2].to_pybytes()
    validity = pa.py_buffer(b"\x02")
    struct = pa.Array.from_buffers(pa.struct([("s", pa.string())]), 2, [validity], children=[texts])
    lists = pa.Array.from_buffers(
        pa.list_(pa.string()), 2, [validity, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")], children=[texts]
    )
    coded = pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int8()), texts)
    deep = pa.ListArray.from_arrays([0, 1, 2], coded)
    return {"text": behind, "struct": struct, "list": lists, "dictionary": coded, "in a list": deep}


@pytest.mark.parametrize("kind", [FILE, STREAM], ids=["file", "stream"])
@pytest.mark.parametrize("name", hidden())
def test_nothing_hides_in_what_is_kept(name: str, kind: Any) -> None:
    """Bytes behind nulls and dictionary values that no record uses are gone, though no rule touches the column."""
    table = pa.table({"a": hidden()[name]})

    source = written(table, kind)
    result = rewritten(source)

    assert b"hunter2" in source.getvalue()
    assert b"hunter2" not in result.getvalue()
    source.seek(0)
    assert kind[1](result).read_all().to_pylist() == kind[1](source).read_all().to_pylist()


@pytest.mark.parametrize("kind", [FILE, STREAM], ids=["file", "stream"])
def test_masked_dictionaries_grow_by_what_batches_add(kind: Any) -> None:
    """Values of later batches join the dictionary of the first, and none of the originals is in it."""
    table = pa.table({"a": pa.array(["hunter2", "b", None, "c", "b", "hunter2"], CODED)})
    path = FieldPath.of("a")

    def act(records: Records) -> Records:
        [found] = records.select(path)
        plain = pc.binary_join_element_wise("masked", found.values.dictionary_decode().cast(pa.string()), "-")
        short = pc.utf8_slice_codeunits(plain, 0, 8)
        return records.replace(path, [found.with_values(short.dictionary_encode())])

    result = rewritten(written(table, kind, 2), act)

    assert b"hunter2" not in result.getvalue()
    read = kind[1](result).read_all()
    assert read["a"].to_pylist() == ["masked-h", "masked-b", None, "masked-c", "masked-b", "masked-h"]
    assert read.schema.field("a").type == CODED


def test_more_values_than_a_dictionary_counts_are_refused() -> None:
    """A mask that makes all values different overflows an int8 index, and the error says what to do."""
    table = pa.table({"a": pa.array(["x"] * 300, CODED)})

    def act(records: Records) -> Records:
        [found] = records.select(FieldPath.of("a"))
        return records.replace(FieldPath.of("a"), [found.with_values(pa.array([str(i) for i in range(300)]))])

    with pytest.raises(MaskError, match="distinct values"):
        rewritten(written(table), act)


@settings(max_examples=1000 if WHOLE else 40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.text(max_size=9), st.none() | st.lists(st.none() | st.text("abc", max_size=2), max_size=3)
        )
    ),
    st.integers(1, 7),
    st.sampled_from([FILE, STREAM]),
)
def test_any_table_comes_back(rows: list[tuple[str | None, list[str | None] | None]], size: int, kind: Any) -> None:
    """Values come back whatever they are, in dictionaries or not, in whatever batches they lie."""
    deep = pa.list_(pa.dictionary(pa.int32(), pa.string()))
    table = pa.table(
        {
            "a": pa.array([a for a, _ in rows], pa.string()),
            "b": pa.array([b for _, b in rows], pa.list_(pa.string())),
            "c": pa.array([b for _, b in rows], deep),
            "d": pa.array(
                [None if b is None else {"e": a, "f": b} for a, b in rows], pa.struct({"e": pa.string(), "f": deep})
            ),
        }
    )

    result = kind[1](rewritten(written(table, kind, size))).read_all()

    assert result.schema == table.schema
    assert result.to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "neither"),
        (b"FEA1hunter2FEA1", "version 1"),
        (b"ARROW1\0\0hunter2", "damaged"),
        (b"PAR1hunter2PAR1", "neither"),
        (b"\xff\xff\xff\xff\x10\0\0\0hunter2", "damaged"),
    ],
)
def test_other_files_are_refused(content: bytes, says: str) -> None:
    """What is no Arrow file is named as that, and never shown."""
    with pytest.raises(InputError, match=says) as caught:
        rewritten(io.BytesIO(content))

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_polars_files_come_back() -> None:
    """A Feather file that another library wrote, views and all, is the same for it."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": ["x", None, "longer than twelve bytes"], "b": [[1], None, []]})
    file = io.BytesIO()
    frame.write_ipc(file, compression="zstd")

    result = rewritten(file)

    assert polars.read_ipc(io.BytesIO(result.getvalue())).equals(frame)


@pytest.mark.proof
@pytest.mark.parametrize("kind", [FILE, STREAM], ids=["file", "stream"])
@pytest.mark.parametrize("codec", [None, "zstd"])
def test_damaged_files_are_read_or_refused_by_name(kind: Any, codec: str | None) -> None:
    """Whatever is changed, cut or moved in a file, it is read, or refused by an error of ours, in bounded time."""
    table = pa.table(
        {"a": ["x", None, "y"] * 20, "b": [[1], None, []] * 20, "c": pa.array(["x", "y", None] * 20, CODED)}
    )
    content = written(table, kind, 20, codec).getvalue()
    known = 0
    for told, made in mutants(content, f"arrow {kind is FILE} {codec}"):
        known += read_or_refused(lambda made=made: rewritten(io.BytesIO(made)), told) is not None  # type: ignore[misc]

    assert known
