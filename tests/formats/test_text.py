"""Free text as records: the file, or each of its lines."""

import io
import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import InputError, MaskError, PlanError, PluginError, RulesetError
from dmengine.spi import Format, Records, RecordStream
from dmengine_connectors.formats.text import Text
from dmengine_connectors.formats.text_records import FIELD, TextRecords
from tests.formats.mutating import mutants, read_or_refused


def copied(content: bytes, **options: Any) -> bytes:
    copy, form = io.BytesIO(), Text(**options)
    form.write(form.read(io.BytesIO(content)), copy)
    return copy.getvalue()


def batches(content: bytes, **options: Any) -> list[TextRecords]:
    return list(Text(**options).read(io.BytesIO(content)).batches)  # type: ignore[arg-type]


def texts(parts: list[TextRecords]) -> list[str]:
    return [text for part in parts for found in part.select(FIELD) for text in found.values.to_pylist()]


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"a", "utf-8"),
        (b"\n\r\n\r\r\na\r", "utf-8"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xef\xbb\xbfx\n\ny", "utf-8"),
        ("hé\r\nx\u2028y\x85z".encode("utf-16"), "utf-8"),
        ("hé\r\nx".encode("utf-16-be"), "utf-16-be"),
        (b"h\xe9\r\n\x80", "cp1252"),
        (b"\0\x1b[0m\n", "latin-1"),
    ],
    ids=repr,
)
def test_a_copy_is_the_file(content: bytes, encoding: str, size: int, lines: bool) -> None:
    """Encoding, byte order mark and the ends of lines leave as they came, wherever blocks are cut."""
    assert copied(content, lines=lines, encoding=encoding, block_bytes=size) == content


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from("ab\r\n\u00e9\U0001f600\u2028"), max_size=30), st.integers(1, 20))
def test_lines_end_at_line_feeds(text: str, size: int) -> None:
    """Only a line feed ends a line, with a return before it; other breaks are letters."""
    found = texts(batches(text.encode(), lines=True, block_bytes=size))

    expected = [line[:-1] if line.endswith("\r") else line for line in text.split("\n")[:-1]]
    rest = text.rpartition("\n")[2]
    assert found == expected + ([rest] if rest else [])


def test_new_texts_take_the_places_of_the_old() -> None:
    """A masked line keeps its end, and null is no text."""
    (part,) = batches(b"Ann\r\nBo\n", lines=True)
    (found,) = part.select(FIELD)

    assert part.replace(FIELD, [found.with_values(pa.array(["é", None]))]).to_bytes() == "é\r\n\n".encode()
    assert part.blank(FIELD).to_bytes() == b"\r\n\n"


def test_what_would_break_the_file_is_refused() -> None:
    """Two lines for one, letters that the encoding lacks, and a text without its text are errors."""
    (part,) = batches(b"Ann\n", lines=True, encoding="latin-1")
    (found,) = part.select(FIELD)

    with pytest.raises(MaskError, match="several lines"):
        part.replace(FIELD, [found.with_values(pa.array(["a\nb"]))])
    with pytest.raises(MaskError, match="letters") as caught:
        part.replace(FIELD, [found.with_values(pa.array(["\u20ac"]))]).to_bytes()
    assert caught.value.__context__ is None
    with pytest.raises(PlanError, match="cannot be dropped"):
        part.drop(FIELD)


def test_the_format_meets_the_contracts() -> None:
    """The format and its records are what the engine expects; no file is text unless somebody says so."""
    form = Text(lines=True, encoding="cp1252")

    assert isinstance(form, Format)
    assert isinstance(batches(b"x")[0], Records)
    assert pickle.loads(pickle.dumps(form)) == form
    assert Text.suffixes == ()
    with pytest.raises(PluginError, match="only what text has read"):
        form.write(RecordStream(iter([object()]), None), io.BytesIO())  # type: ignore[list-item]
    with pytest.raises(RulesetError, match="encoding"):
        Text(encoding="utf-7").read(io.BytesIO())


@pytest.mark.parametrize("lines", [False, True])
def test_bytes_that_are_no_text_are_refused_by_their_place(lines: bool) -> None:
    """The error names the encoding and the byte, and not what stands there."""
    with pytest.raises(InputError, match="not utf-8") as caught:
        batches(b"hunter2\nhunter2\xff\n", lines=lines, block_bytes=4)

    assert caught.value.place["byte"].isdigit()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_over_the_limit_is_refused(lines: bool) -> None:
    """A line, or a file, without end is not read into memory."""
    with pytest.raises(InputError, match="longer than") as caught:
        batches(b"a\n" * 3 + b"x" * 1000, lines=lines, max_record_bytes=500, block_bytes=100)

    assert caught.value.place == {"line": "4" if lines else "1"}


@pytest.mark.proof
@pytest.mark.parametrize("lines", [False, True])
def test_damaged_texts_are_copied_or_refused(lines: bool) -> None:
    """A mutant is copied byte for byte, or it is not UTF-8."""
    for told, content in mutants("Dear Ann,\r\nhow is Zoë?\n\nBo\n".encode() * 3, f"text {lines}"):
        error = read_or_refused(lambda content=content: batches(content, lines=lines, block_bytes=7), told)  # type: ignore[misc]
        if error is None:
            assert copied(content, lines=lines, block_bytes=7) == content, told
        else:
            assert isinstance(error, InputError), told
