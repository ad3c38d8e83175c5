"""CSV: what no mask changes stays byte for byte, and what a mask changes reads back as it was meant."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import MaskError, PlanError
from dmengine.paths import EACH, FieldPath
from dmengine.spi import Format
from dmengine_connectors.formats.csv import Csv
from tests.formats.csv_rewriting import columns, rewrite
from tests.formats.rewriting import Values, refusal


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b"\n\r", b"a", b"a,b", b"\xef\xbb\xbfa,b\r"]
)
def test_files_without_records_come_back(content: bytes) -> None:
    """Empty files, byte order marks, empty lines and lone headers are kept."""
    assert rewrite(content) == content
    assert rewrite(content, Csv(header=False)) == content
    assert rewrite(content, block_bytes=1) == content


def test_an_empty_file_has_no_columns() -> None:
    """Without a first record there is no schema to speak of."""
    assert Csv().schema(io.BytesIO(b"")).names == []
    assert list(Csv().read(io.BytesIO(b"\n\n")).batches) == []


def test_files_may_come_in_dribs() -> None:
    """A file that returns less than was asked for is read whole."""

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size else 0)

    content = b'a,b\r\n1,"x\r\n"\r\n\r\n3,'
    target = io.BytesIO()

    rows = Csv().write(Csv().read(Slow(content)), target)

    assert (rows, target.getvalue()) == (2, content)


def test_a_large_file_is_cut_into_blocks() -> None:
    """Blocks of the real size hold all records, in order, once."""
    lines = [f'{number},"{number % 7}",x' for number in range(300_000)]
    content = "\n".join(["id,digit,x", *lines]).encode()

    stream = Csv().read(io.BytesIO(content))
    sizes = [records.num_rows for records in stream.batches]

    assert len(sizes) > 1
    assert sum(sizes) == 300_000
    masked = rewrite(content, masks={"digit": lambda old: [value and value * 2 for value in old]}, block_bytes=2 << 20)
    assert masked.decode().splitlines()[1:] == [f'{number},"{number % 7}{number % 7}",x' for number in range(300_000)]


# ---------------------------------------------------------------------------------------- names and fields


def test_the_first_name_is_without_the_byte_order_mark() -> None:
    """A mark before the header is no part of a name, in UTF-8 or UTF-16."""
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-32"):
        text = "id,name\n1,x\n"
        content = text.encode(encoding) if encoding in ("utf-16", "utf-32") else ("\ufeff" + text).encode(encoding)

        assert Csv(encoding=encoding).schema(io.BytesIO(content)).names == ["id", "name"]
        assert rewrite(content, Csv(encoding=encoding)) == content


def test_columns_without_a_header_get_names() -> None:
    """They are numbered, or named by the user."""
    assert Csv(header=False).schema(io.BytesIO(b"1,2\n")).names == ["column_1", "column_2"]
    assert Csv(header=False, column_names=("a", "b")).schema(io.BytesIO(b"1,2\n")).names == ["a", "b"]
    assert columns(b"\n7\n", Csv(header=False, column_names=("a",))) == {"a": [None, "7"]}
    assert columns(b"\n7\n", Csv(header=False)) == {"column_1": [None, "7"]}


def test_the_delimiter_of_tsv_is_a_tab_unless_one_is_set() -> None:
    """The name decides only what the user has not."""
    assert Csv().for_name("a/people.TSV").delimiter == "\t"
    assert Csv(delimiter=";").for_name("people.tsv").delimiter == ";"
    assert Csv().for_name("people.csv") == Csv()


def test_fields_are_the_columns_that_are_left() -> None:
    """A dropped or unknown or nested path is not there."""
    (records,) = Csv().read(io.BytesIO(b"a,b.c\n1,2\n")).batches

    assert list(records.fields()) == [FieldPath.of("a"), FieldPath.of("b.c")]
    assert list(records.drop(FieldPath.of("a")).fields()) == [FieldPath.of("b.c")]
    assert records.drop(FieldPath.of("a")).select(FieldPath.of("a")) == ()
    assert records.select(FieldPath.of("a", "b")) == ()
    assert records.select(FieldPath.of("a").child(EACH)) == ()
    assert records.select(FieldPath.of("B")) == ()


def test_csv_is_a_format() -> None:
    """It says its name, endings, and that the file may be compressed."""
    form: Format = Csv()

    assert isinstance(form, Format)
    assert (form.name, form.suffixes, form.codecs) == ("csv", (".csv", ".tsv"), True)


# ---------------------------------------------------------------------------------------- nulls and changes


def test_empty_and_quoted_empty_differ() -> None:
    """Nothing is null; quotes around nothing are an empty text; both keep their bytes."""
    content = b'a,b\n,""\n"",\n'

    assert columns(content) == {"a": [None, ""], "b": ["", None]}
    assert rewrite(content, masks={"a": lambda old: old}) == content


def test_a_null_is_written_without_quotes() -> None:
    """A quoted cell that becomes null loses its quotes; a value that looks like null gets some."""
    written = rewrite(
        b'a\n"x"\ny\nNULL\n', Csv(null="NULL"), {"a": lambda old: [None if v == "x" else "NULL" for v in old]}
    )

    assert written == b'a\nNULL\n"NULL"\n"NULL"\n'


def test_blank_makes_every_cell_null() -> None:
    """All cells of the column are the null text then."""
    stream = Csv(null="-").read(io.BytesIO(b'a,b\n1,"2"\n3,4\n'))
    target = io.BytesIO()

    Csv().write(replace(stream, batches=(r.blank(FieldPath.of("b")) for r in stream.batches)), target)

    assert target.getvalue() == b"a,b\n1,-\n3,-\n"


def test_a_second_change_sees_the_first() -> None:
    """A column can be masked again; its quoting is still the file's."""
    (records,) = Csv().read(io.BytesIO(b'a\n"1"\n')).batches
    path = FieldPath.of("a")

    for suffix in ("x", "y"):
        (selection,) = records.select(path)
        records = records.replace(path, [selection.with_values(pa.array([selection.values[0].as_py() + suffix]))])

    assert bytes(records.content()) == b'"1xy"\n'  # type: ignore[attr-defined]


def test_values_may_be_any_text_type() -> None:
    """Large and dictionary text is written like plain text."""
    (records,) = Csv().read(io.BytesIO(b"a,b\n1,x\n2,y\n")).batches
    (selection,) = records.select(FieldPath.of("b"))

    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        values = pa.array(["p,q", None]).cast(kind) if kind != pa.string_view() else pa.array(["p,q", None], kind)
        changed = records.replace(FieldPath.of("b"), [selection.with_values(values)])
        assert bytes(changed.content()) == b'1,"p,q"\n2,\n'  # type: ignore[attr-defined]


def test_no_original_hides_behind_a_null() -> None:
    """The buffers of a selection hold no bytes of cells that are null."""
    (records,) = Csv(null="SECRET").read(io.BytesIO(b"a,b\nSECRET,1\nx,2\n")).batches

    (selection,) = records.select(FieldPath.of("a"))

    assert selection.values.to_pylist() == [None, "x"]
    assert all(b"SECRET" not in buffer.to_pybytes() for buffer in selection.values.buffers() if buffer)


def test_the_form_holds_no_record() -> None:
    """What travels with a stream is its head alone."""
    stream = Csv().read(io.BytesIO(b"name,b\nSECRET,1\n"))

    assert b"SECRET" not in pickle.dumps(stream.form)
    assert "SECRET" not in repr(list(stream.batches))


# ---------------------------------------------------------------------------------------- one column


def test_an_empty_line_is_a_record_of_one_column() -> None:
    """In a file of one column it holds null; in wider files it is kept, and is no record."""
    assert columns(b"a\n1\n\n2\n\n") == {"a": ["1", None, "2", None]}
    assert columns(b"a,b\n\n1,2\n\n\n") == {"a": ["1"], "b": ["2"]}


def test_empty_lines_go_when_one_column_is_left() -> None:
    """They would become records otherwise."""
    assert rewrite(b"a,b\n\n1,2\r\n\r\n\n3,4\n\n", drop=("a",)) == b"b\n2\r\n4\n"
    assert rewrite(b"a,b\n1,2\n\n\r", drop=("b",)) == b"a\n1\n"
    assert rewrite(b"a,b\n1,2\n\n3,4", drop=("b",)) == b"a\n1\n3"
    assert rewrite(b"a,b\n1,2\n\n\n\n\n", drop=("b",), block_bytes=4) == b"a\n1\n"


def test_an_empty_cell_of_an_only_column_does_not_vanish() -> None:
    """It gets the line end that it needs, or is refused where its line end would join another."""
    nothing: dict[str, Callable[[Values], Values]] = {"a": lambda old: [None] * len(old)}

    assert rewrite(b"a\nx", masks=nothing) == b"a\n\n"
    assert rewrite(b"a\nx\r", masks=nothing) == b"a\n\r"
    for block_bytes in (1, 1 << 20):
        refusal(lambda: rewrite(b"a\rx\ny\n", masks=nothing, block_bytes=block_bytes), MaskError)  # noqa: B023
        refusal(lambda: rewrite(b"a\nx\ry\n", masks=nothing, block_bytes=block_bytes), MaskError)  # noqa: B023


def test_an_only_column_has_a_name() -> None:
    """A header that would be an empty line is refused."""
    refusal(lambda: rewrite(b",b\n1,2\n", drop=("b",)), PlanError)


def test_the_last_column_cannot_be_dropped() -> None:
    """A record without cells cannot be told from none."""
    (records,) = Csv().read(io.BytesIO(b"a,b\n1,2\n")).batches

    refusal(lambda: records.drop(FieldPath.of("a")).drop(FieldPath.of("b")), PlanError)


def test_slices_of_values_are_written() -> None:
    """Values that begin within a buffer are placed right, special bytes too."""
    (records,) = Csv().read(io.BytesIO(b"a,b\n1,x\n2,y\n")).batches
    (selection,) = records.select(FieldPath.of("b"))

    changed = records.replace(FieldPath.of("b"), [selection.with_values(pa.array(["no,", "p", "q,"]).slice(1))])

    assert bytes(changed.content()) == b'1,p\n2,"q,"\n'  # type: ignore[attr-defined]
    assert np.array_equal(changed.select(FieldPath.of("b"))[0].values.to_pylist(), ["p", "q,"])
