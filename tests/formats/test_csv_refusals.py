"""CSV files, options and values that are refused: named by their place, never shown."""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow as pa
import pytest

from dmengine.errors import InputError, MaskError, PlanError, PluginError
from dmengine.paths import FieldPath
from dmengine.spi import RecordStream
from dmengine_connectors.formats.csv import Csv
from tests.formats.csv_rewriting import columns, rewrite
from tests.formats.rewriting import refusal


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
