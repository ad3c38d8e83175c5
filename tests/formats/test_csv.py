"""CSV: what no mask changes stays byte for byte, and what a mask changes reads back as it was meant."""

from __future__ import annotations

import csv
import io
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import DmengineError, InputError, MaskError, PlanError, PluginError
from dmengine.paths import EACH, FieldPath
from dmengine.spi import Format, Records, RecordStream
from dmengine_connectors.formats.csv import Csv, read_blocks

Values = list[str | None]
NO_CHANGE: dict[str, Callable[[Values], Values]] = {}


def rewrite(
    content: bytes,
    options: Csv = Csv(),  # noqa: B008  # frozen
    masks: dict[str, Callable[[Values], Values]] = NO_CHANGE,
    *,
    drop: tuple[str, ...] = (),
    block_bytes: int = 1 << 20,
) -> bytes:
    """Read, mask, drop and write, as the engine does."""
    stream = read_blocks(options, io.BytesIO(content), block_bytes)
    assert stream.schema is not None

    def changed() -> Iterator[Records]:
        for records in stream.batches:
            for name, mask in masks.items():
                path = FieldPath.of(name)
                (selection,) = records.select(path)
                values = pa.array(mask(selection.values.to_pylist()), pa.string())
                records = records.replace(path, [selection.with_values(values)])
            for name in drop:
                records = records.drop(FieldPath.of(name))
            yield records

    schema = pa.schema([field for field in stream.schema if field.name not in drop])
    target = io.BytesIO()
    options.write(RecordStream(changed(), schema, stream.form), target)
    return target.getvalue()


def columns(content: bytes, options: Csv = Csv(), block_bytes: int = 1 << 20) -> dict[str, Values]:  # noqa: B008
    """Read all columns of a file."""
    stream = read_blocks(options, io.BytesIO(content), block_bytes)
    assert stream.schema is not None
    found: dict[str, Values] = {name: [] for name in stream.schema.names}
    for records in stream.batches:
        for name in found:
            (selection,) = records.select(FieldPath.of(name))
            found[name] += selection.values.to_pylist()
    return found


def refusal(act: Callable[[], object], kind: type[DmengineError], *secrets: str) -> str:
    """Return the message of an error, having checked that nothing of it holds a secret."""
    with pytest.raises(kind) as caught:
        act()
    told = "".join(traceback.format_exception(caught.value)) if secrets else ""
    lines = [line for line in told.splitlines() if "test_csv.py" not in line and not line.startswith("    ")]
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert not any(secret in line for line in lines for secret in secrets)
    return str(caught.value)


# ---------------------------------------------------------------------------------------- whole files


@dataclass(frozen=True)
class File:
    """A random file: its bytes, and what each cell of it is, raw and read."""

    options: Csv
    before: str
    lines: list[tuple[list[str], str]]  # raw cells and line end; no cells: an empty line that is no record

    def text(self, rows: list[list[str]]) -> str:
        """Write the file with other raw cells."""
        left = iter(rows)
        delimiter = self.options.delimiter or ","
        return self.before + "".join(delimiter.join(next(left)) + end if cells else end for cells, end in self.lines)

    @property
    def rows(self) -> list[list[str]]:
        return [cells for cells, _ in self.lines if cells]

    @property
    def records(self) -> list[list[str]]:
        return self.rows[1:] if self.options.header else self.rows

    def encode(self, rows: list[list[str]]) -> bytes:
        return self.text(rows).encode(self.options.encoding)

    def is_quoted(self, raw: str) -> bool:
        return self.options.quote != "" and raw.startswith(self.options.quote)

    def value(self, raw: str) -> str | None:
        quote = self.options.quote
        if self.is_quoted(raw):
            return raw[1:-1].replace(quote * 2, quote)
        return None if raw == self.options.null else raw

    def cell(self, raw: str, value: str | None) -> str:
        """What the raw cell must become when it is to hold a value."""
        quote = self.options.quote
        if value is None:
            return self.options.null
        if value == self.value(raw):
            return raw
        special = any(byte in value for byte in (quote, self.options.delimiter or ",", "\r", "\n"))
        empty = value == "" and len(self.rows[0]) == 1
        if self.is_quoted(raw) or special or empty or value == self.options.null:
            return quote + value.replace(quote, quote * 2) + quote
        return value


@st.composite
def files(draw: st.DrawFn) -> File:
    delimiter = draw(st.sampled_from(",;\t|^"))
    quote = draw(st.sampled_from("\"'"))
    null = draw(st.sampled_from(["", "NULL", r"\N"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16-le", "utf-16-be", "latin-1"]))
    letters = "ab 0é\0" + delimiter + quote + "\r\n" + ("" if encoding == "latin-1" else "名🎈")
    width = draw(st.integers(1, 4))
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]))

    def raw(*, always_quoted: bool) -> str:
        value = draw(st.text(letters, max_size=6) | st.sampled_from(["", null, "NULL"]))
        plain = not value.startswith(quote) and not any(byte in value for byte in delimiter + "\r\n")
        if plain and not always_quoted and draw(st.integers(0, 3)):
            return value
        return quote + value.replace(quote, quote * 2) + quote

    header = draw(st.booleans())
    lines: list[tuple[list[str], str]] = []
    if header:
        lines.append(([f"{quote}c{index}{quote}" if index % 2 else f"c{index}" for index in range(width)], "\n"))
    for _ in range(draw(st.integers(0 if header else 1, 6))):
        lines.append(([raw(always_quoted=False) for _ in range(width)], draw(st.sampled_from(ends))))
        if width > 1 and not draw(st.integers(0, 4)):
            lines.append(([], draw(st.sampled_from(ends))))
    if not header and all(cells == [""] for cells, _ in lines):  # a file of empty lines alone has no columns
        lines[0] = ([quote * 2], lines[0][1])
    for index in range(1, len(lines)):  # CR, then an empty line that ends with LF, would read as one CR LF
        cells, end = lines[index]
        if "".join(cells) == "" and len(cells) < 2 and lines[index - 1][1] == "\r" and end == "\n":
            lines[index] = (cells, "\r\n")
    if lines[-1][0] and lines[-1][0] != [""] and draw(st.booleans()):
        lines[-1] = (lines[-1][0], "")
    before = draw(st.sampled_from(["", "\ufeff"])) if encoding != "latin-1" else ""
    return File(Csv(delimiter, quote, header, encoding, null), before, lines)


def vanishes(file: File, rows: list[list[str]]) -> bool:
    """Whether an empty cell of an only column lies between a CR and an LF."""
    ends = [end for cells, end in file.lines if cells]
    cells = [*([] if not file.options.header else [["head"]]), *rows]
    return any(
        cells[index] == [""] and ends[index - 1] == "\r" and ends[index] in ("\n", "") for index in range(1, len(cells))
    )


def ended(file: File, rows: list[list[str]]) -> File:
    """Return the file with a line end after an empty last record, which is none without."""
    if rows and rows[-1] == [""] and file.lines[-1][1] == "":
        return replace(file, lines=[*file.lines[:-1], (file.lines[-1][0], "\n")])
    return file


BLOCKS = st.sampled_from([1, 2, 3, 5, 8, 13, 64, 1 << 20])


@given(files(), BLOCKS)
@settings(max_examples=150, deadline=None)
def test_a_file_without_changes_is_byte_identical(file: File, block_bytes: int) -> None:
    """Whatever the dialect, and wherever blocks are cut, every byte comes back."""
    content = file.encode(file.rows)

    assert rewrite(content, file.options, block_bytes=block_bytes) == content


@given(files(), BLOCKS)
@settings(max_examples=150, deadline=None)
def test_cells_are_read_as_their_dialect_says(file: File, block_bytes: int) -> None:
    """Quotes are undone, and only an unquoted null text is null."""
    found = columns(file.encode(file.rows), file.options, block_bytes)

    assert [list(row) for row in zip(*found.values(), strict=True)] == [
        [file.value(raw) for raw in row] for row in file.records
    ]


@given(files(), BLOCKS, st.data())
@settings(max_examples=150, deadline=None)
def test_only_masked_cells_change(file: File, block_bytes: int, data: st.DataObject) -> None:
    """A masked cell holds its new value in its old quoting, and each byte beside it is as it was."""
    content = file.encode(file.rows)
    stream = read_blocks(file.options, io.BytesIO(content), block_bytes)
    assert stream.schema is not None
    masked = data.draw(st.sets(st.sampled_from(stream.schema.names)))
    indexes = [index for index, name in enumerate(stream.schema.names) if name in masked]
    texts = st.none() | st.text("xyé, ;\"'\r\n|", max_size=5) | st.sampled_from(["NULL", ""])
    rows = [list(row) for row in file.records]
    new: dict[int, Values] = {}
    for index in indexes:
        new[index] = [data.draw(texts | st.just(file.value(row[index]))) for row in rows]
        for row, value in zip(rows, new[index], strict=True):
            row[index] = file.cell(row[index], value)
    queues = {stream.schema.names[index]: iter(values) for index, values in new.items()}
    masks: dict[str, Callable[[Values], Values]] = {
        name: partial(lambda queue, old: [next(queue) for _ in old], queue) for name, queue in queues.items()
    }

    if vanishes(file, rows):
        refusal(lambda: rewrite(content, file.options, masks, block_bytes=block_bytes), MaskError)
        return

    written = rewrite(content, file.options, masks, block_bytes=block_bytes)

    head = file.rows[:1] if file.options.header else []
    assert written == ended(file, rows).encode([*head, *rows])
    dialect = {"delimiter": file.options.delimiter or ",", "quotechar": file.options.quote}
    text = io.StringIO(written.decode(file.options.encoding).removeprefix("\ufeff"), newline="")
    if "\0" not in text.getvalue():  # the standard library's reader refuses it before Python 3.12
        width = len(stream.schema.names)
        parsed = [row or [""] for row in csv.reader(text, **dialect) if row or width == 1]  # type: ignore[arg-type]
        for index, values in new.items():
            assert [row[index] for row in parsed[len(head) :]] == [
                v if v is not None else file.options.null for v in values
            ]


@given(files(), BLOCKS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_dropped_column_goes_with_one_delimiter(file: File, block_bytes: int, data: st.DataObject) -> None:
    """Records and header lose the cells of dropped columns, and nothing else."""
    width = len(file.rows[0])
    gone = data.draw(st.sets(st.integers(0, width - 1), max_size=width - 1))
    prefix = "c" if file.options.header else "column_"
    names = tuple(f"{prefix}{index + (not file.options.header)}" for index in sorted(gone))

    kept = [[raw for index, raw in enumerate(row) if index not in gone] for row in file.rows]
    if vanishes(file, kept[int(file.options.header) :]):
        refusal(lambda: rewrite(file.encode(file.rows), file.options, drop=names, block_bytes=block_bytes), MaskError)
        return

    written = rewrite(file.encode(file.rows), file.options, drop=names, block_bytes=block_bytes)

    lines = [line for line in file.lines if line[0]] if gone and width - len(gone) == 1 else file.lines
    assert written == ended(replace(file, lines=lines), kept).encode(kept)


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


def test_the_last_column_cannot_be_dropped() -> None:
    """A record without cells cannot be told from none."""
    (records,) = Csv().read(io.BytesIO(b"a,b\n1,2\n")).batches

    refusal(lambda: records.drop(FieldPath.of("a")).drop(FieldPath.of("b")), PlanError)


# ---------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("block_bytes", [1, 16, 1 << 20])
def test_ragged_records_are_refused(block_bytes: int) -> None:
    """Too many cells or too few: the first record is named, and nothing of it is shown."""
    content = b"a,b\n1,2\n\nSECRET\n3,4\n5,SECRET,7\n"

    told = refusal(lambda: rewrite(content, block_bytes=block_bytes), InputError, "SECRET")

    assert "record 2 at byte 9, with 1" in told
    if block_bytes > len(content):
        assert told.startswith("2 records of one block do not have 2 cells")


@pytest.mark.parametrize("block_bytes", [1, 16, 1 << 20])
def test_an_unclosed_quote_is_refused(block_bytes: int) -> None:
    """A file that ends within quotes was cut short."""
    told = refusal(lambda: rewrite(b'a,b\n1,"2"\n3,"SECRET\n', block_bytes=block_bytes), InputError, "SECRET")

    assert "not closed in record 2 at byte 12" in told


@pytest.mark.parametrize("block_bytes", [1, 16, 1 << 20])
def test_text_after_a_closing_quote_is_refused(block_bytes: int) -> None:
    """Nobody can say what such a cell means."""
    told = refusal(lambda: rewrite(b'a,b\n1,2\n3,"SEC"RET\n4,5\n', block_bytes=block_bytes), InputError, "SEC", "RET")

    assert "text follows a closing quote in record 2 at byte 15" in told


def test_quotes_inside_an_unquoted_cell_are_data() -> None:
    """An inch sign neither opens nor closes anything."""
    content = b'a,b\n5" pipe,"x,""y"""\n6","\n"\n7"",z\n'

    assert columns(content) == {"a": ['5" pipe', '6"', '7""'], "b": ['x,"y"', "\n", "z"]}
    assert rewrite(content, masks={"a": lambda old: old}) == content
    assert rewrite(content, masks={"a": lambda old: ['8"'] * len(old)}).startswith(b'a,b\n"8""","x,')


def test_a_record_that_is_too_long_is_refused() -> None:
    """An unclosed quote does not fill the memory."""
    content = b"a,b\n1,2\n" + b'"' + b"x,\n" * 1000

    for block_bytes in (8, 1 << 20):
        told = refusal(lambda: rewrite(content, Csv(max_record_bytes=100), block_bytes=block_bytes), InputError)  # noqa: B023
        assert "record 2 at byte 8" in told
    refusal(lambda: rewrite(b"x" * 200 + b"\n1\n", Csv(max_record_bytes=100)), InputError)
    refusal(lambda: rewrite(b"\n" * 200, Csv(max_record_bytes=100), block_bytes=32), InputError)
    assert rewrite(content[:8] + b"x" * 90 + b",\n", Csv(max_record_bytes=100)).endswith(b"x,\n")


def test_two_columns_of_one_name_are_refused() -> None:
    """A rule could mean only one of them. Names that differ by case are different."""
    told = refusal(lambda: Csv().schema(io.BytesIO(b'ssn,b,"ssn"\n')), InputError)

    assert "columns 1 and 3 of the header have the same name" in told
    assert Csv().schema(io.BytesIO(b"ssn,SSN\n")).names == ["ssn", "SSN"]


def test_bytes_that_are_no_text_are_refused_where_they_are_looked_at() -> None:
    """A column that is kept may hold any bytes; one that is masked must be text."""
    content = b"a,b\n1,x\n2,SECRET\xff\n"

    told = refusal(lambda: rewrite(content, masks={"b": lambda old: old}), InputError, "SECRET")

    assert "b is not utf-8 text in record 2 at byte 10" in told
    assert rewrite(content, masks={"a": lambda old: old}) == content
    refusal(lambda: Csv().schema(io.BytesIO(b"a,\xff\n")), InputError)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-16-le", b"a\0\n\0\0\xd8x\0"),
        ("utf-16", b"a\0\n\0x"),
        ("ascii", b"a\nSECRET\xff\n"),
        ("cp1252", b"a\n\x81\n"),
    ],
)
def test_bytes_outside_the_encoding_are_refused(encoding: str, content: bytes) -> None:
    """The place is named, the bytes are not."""
    told = refusal(lambda: rewrite(content, Csv(encoding=encoding)), InputError, "SECRET", "\\xff", "81")

    assert "is not" in told


def test_an_encoding_that_would_change_bytes_is_refused() -> None:
    """A byte sequence with a second spelling would not come back."""
    told = refusal(lambda: rewrite(b"a\n+AGE-\n", Csv(encoding="utf-7")), InputError)

    assert "would not come back the same" in told
    content = "a,b\nかな,x\n".encode("shift_jis")
    assert rewrite(content, Csv(encoding="shift_jis"), {"b": lambda old: ["な"]}) == "a,b\nかな,な\n".encode(
        "shift_jis"
    )


def test_a_masked_value_outside_the_encoding_is_refused() -> None:
    """The column is named."""
    content = "a,b\né,x\n".encode("latin-1")

    told = refusal(
        lambda: rewrite(content, Csv(encoding="latin-1"), {"b": lambda old: ["SECRETł"]}), MaskError, "SECRET"
    )

    assert "b cannot be written in iso8859-1" in told
    assert rewrite(content, Csv(encoding="latin-1"), {"b": lambda old: ["ü"]}) == "a,b\né,ü\n".encode("latin-1")


def test_a_file_without_quotes_cannot_hold_every_value() -> None:
    """Where quotes are not special, a value that would need them is refused."""
    options = Csv(quote="")
    content = b'a,b\n"1,2"\n'

    assert columns(content, options) == {"a": ['"1'], "b": ['2"']}
    assert rewrite(content, options, {"a": lambda old: ['""']}) == b'a,b\n"",2"\n'
    refusal(lambda: rewrite(content, options, {"a": lambda old: ["SECRET,"]}), MaskError, "SECRET")


def test_masked_values_that_are_no_text_are_refused() -> None:
    """A number has no one spelling, and a missing value no place."""
    (records,) = Csv().read(io.BytesIO(b"a\n1\n2\n")).batches
    (selection,) = records.select(FieldPath.of("a"))

    for values in (pa.array([1, 2]), pa.array(["1"])):
        refusal(lambda: records.replace(FieldPath.of("a"), [selection.with_values(values)]), MaskError)  # noqa: B023


@pytest.mark.parametrize(
    "options",
    [
        Csv(delimiter=""),
        Csv(delimiter="§"),
        Csv(delimiter="\n"),
        Csv(delimiter=",,"),
        Csv(delimiter='"'),
        Csv(quote="''"),
        Csv(null="a,b"),
        Csv(null='"'),
        Csv(null="ł", encoding="latin-1"),
        Csv(encoding="klingon"),
        Csv(encoding="rot13"),
        Csv(max_record_bytes=0),
        Csv(column_names=("a",)),
        Csv(header=False, column_names=()),
        Csv(header=False, column_names=("a", "a")),
    ],
    ids=repr,
)
def test_options_that_contradict_each_other_are_refused(options: Csv) -> None:
    """Before a record is read."""
    refusal(lambda: options.schema(io.BytesIO(b"1\n")), PlanError)


def test_names_must_fit_the_first_record() -> None:
    """As many names as cells."""
    refusal(lambda: Csv(header=False, column_names=("a",)).schema(io.BytesIO(b"1,2\n")), InputError)


def test_only_what_csv_has_read_is_written() -> None:
    """Another format's stream, or a schema that the records do not have, is refused."""
    refusal(lambda: Csv().write(RecordStream(iter(()), pa.schema([]), None), io.BytesIO()), PluginError)
    stream = Csv().read(io.BytesIO(b"a,b\n1,2\n"))
    refusal(lambda: Csv().write(replace(stream, schema=pa.schema([("b", pa.string())])), io.BytesIO()), PluginError)


def test_slices_of_values_are_written() -> None:
    """Values that begin within a buffer are placed right, special bytes too."""
    (records,) = Csv().read(io.BytesIO(b"a,b\n1,x\n2,y\n")).batches
    (selection,) = records.select(FieldPath.of("b"))

    changed = records.replace(FieldPath.of("b"), [selection.with_values(pa.array(["no,", "p", "q,"]).slice(1))])

    assert bytes(changed.content()) == b'1,p\n2,"q,"\n'  # type: ignore[attr-defined]
    assert np.array_equal(changed.select(FieldPath.of("b"))[0].values.to_pylist(), ["p", "q,"])
