"""CSV files of random dialects, in blocks of any size: byte identity, and exact cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import MaskError
from dmengine_connectors.formats.csv import Csv, read_blocks
from tests.formats.csv_rewriting import columns, rewrite
from tests.formats.rewriting import Values, refusal


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
