"""Fixed-width files of random layouts, in blocks of any size, whole and damaged: byte identity, and exact cells."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
from tests.formats.fixed_width_rewriting import columns, rewrite
from tests.formats.mutating import mutants, read_or_refused
from tests.formats.rewriting import Values

LETTERS = {"utf-8": "aZ0 ü€𝄞", "latin-1": "aZ0 üß", "cp037": "aZ0 üß", "ascii": "aZ0 "}


@st.composite
def files(draw: st.DrawFn) -> tuple[FixedWidth, list[list[str]], list[str]]:
    """Draw options, the padded cells of records (gaps among them), and a line end for each."""
    encoding = draw(st.sampled_from(list(LETTERS)))
    widths = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), min_size=1, max_size=4))
    fields, position = [], 1
    for number, (width, gap) in enumerate(widths):
        align = draw(st.sampled_from(["left", "right"]))
        pad = draw(st.sampled_from([None, "0", "*"]))
        fields.append(FixedField(f"f{number}", position, width, align=align, pad=pad))  # type: ignore[arg-type]
        position += width + gap
    one_byte = encoding != "utf-8"
    line_end = draw(st.sampled_from(["lf", "none"])) if one_byte else "lf"
    blocks = draw(st.integers(1, 60))
    options = FixedWidth(tuple(fields), position - 1, encoding, line_end=line_end, block_bytes=blocks)  # type: ignore[arg-type]
    cell = st.text(LETTERS[encoding] + "*")
    rows = [
        [draw(cell).ljust(width)[:width] + " " * gap for width, gap in widths] for _ in range(draw(st.integers(0, 6)))
    ]
    ends = [draw(st.sampled_from(["\n", "\r\n"])) if line_end == "lf" else "" for _ in rows]
    if ends and line_end == "lf" and draw(st.booleans()):
        ends[-1] = ""
    return options, rows, ends


def encoded(options: FixedWidth, rows: list[list[str]], ends: list[str]) -> bytes:
    return "".join("".join(row) + end for row, end in zip(rows, ends, strict=True)).encode(options.encoding)


def value(options: FixedWidth, index: int, cell: str) -> str | None:
    """What a cell is, by the words of the docs."""
    one = options.layout[index]
    pad = one.pad or " "
    text = cell[: one.width].lstrip(pad) if one.align == "right" else cell[: one.width].rstrip(pad)
    if pad == "0":
        return None if not cell[: one.width].strip(" ") else text or "0"
    return text or None


def cell_of(options: FixedWidth, index: int, text: str | None, cell: str) -> str:
    """What must be written for a value."""
    one = options.layout[index]
    assert one.width is not None
    pad = one.pad or " "
    filled = (text or "").rjust(one.width, pad) if one.align == "right" else (text or "").ljust(one.width, pad)
    return (" " * one.width if pad == "0" and not text else filled) + cell[one.width :]


@settings(max_examples=300, deadline=None)
@given(files())
def test_every_byte_comes_back(file: tuple[FixedWidth, list[list[str]], list[str]]) -> None:
    """Without a mask, and with one that returns what it was given, the file is the same; values are as documented."""
    options, rows, ends = file
    content = encoded(options, rows, ends)
    same = {one.name: lambda old: old for one in options.layout}

    found = columns(content, options)

    assert rewrite(content, options) == content
    assert rewrite(content, options, same) == content
    assert found == {
        one.name: [value(options, index, row[index]) for row in rows] for index, one in enumerate(options.layout)
    }


@settings(max_examples=300, deadline=None)
@given(files(), st.data())
def test_masked_cells_are_padded_and_all_others_stay(
    file: tuple[FixedWidth, list[list[str]], list[str]], data: st.DataObject
) -> None:
    """One field changes: its cells hold the new values, and no other byte is another."""
    options, rows, ends = file
    index = data.draw(st.integers(0, len(options.layout) - 1))
    one = options.layout[index]
    texts = st.none() | st.text(LETTERS[options.encoding], max_size=one.width or 0)
    new = [data.draw(texts) for _ in rows]
    left = iter(new)

    def mask(old: Values) -> Values:
        return [next(left) for _ in old]

    made = rewrite(encoded(options, rows, ends), options, {one.name: mask})

    cells = [
        [*row[:index], cell_of(options, index, n, row[index]), *row[index + 1 :]]
        for row, n in zip(rows, new, strict=True)
    ]
    assert made == encoded(options, cells, ends)


@pytest.mark.proof
@pytest.mark.parametrize(
    "options",
    [
        FixedWidth((FixedField("a", 1, 4), FixedField("b", 6, 5)), 12),
        FixedWidth(
            (FixedField("a", 1, 4), FixedField("b", 6, 5)), 12, unit="bytes", keep_first=1, keep_prefixes=("#",)
        ),
        FixedWidth((FixedField("a", 1, 4), FixedField("b", 6, 5)), 12, "cp037", line_end="none", keep_last=1),
    ],
    ids=["utf-8 lines", "bytes with headers", "EBCDIC of fixed length"],
)
def test_damaged_files_are_read_or_refused(options: FixedWidth) -> None:
    """Whatever was done to a file: it comes back byte for byte, or is refused by name; masked, it keeps its length."""
    end = "\n" if options.line_end == "lf" else ""
    rows = [f"{'Zoë' if number % 3 else 'Ann':<4} {number:<5}  {end}" for number in range(40)]
    if options.unit == "bytes":
        rows = [row.replace("ë ", "ë") for row in rows]
    content = "".join(rows).encode(options.encoding)
    small = replace(options, block_bytes=100)
    same = {one.name: lambda old: old for one in options.layout}

    for told, made in mutants(content, f"fixed width {options.encoding} {options.unit}"):
        if read_or_refused(partial(rewrite, made, small), told) is None:
            assert rewrite(made, small) == rewrite(made, options) == made, told
            error = read_or_refused(partial(rewrite, made, small, same), told)
            assert error is not None or rewrite(made, small, same) == made, told


def test_memory_is_bounded_by_the_block() -> None:
    """A file far larger than a block is read and written within a few blocks of memory."""
    record = b"%07d" % 7 + b" " * 92 + b"\n"
    options = FixedWidth((FixedField("id", 1, 7), FixedField("rest", 8, 92)), block_bytes=1 << 18, keep_last=1)

    class Endless(io.RawIOBase):
        left = 64 << 20

        def read(self, size: int = -1) -> bytes:
            taken = min(size // 100 * 100 or 100, self.left)
            self.left -= taken
            return record * (taken // 100)

    class Nothing(io.RawIOBase):
        def write(self, content: bytes) -> int:  # type: ignore[override]
            return len(content)

    tracemalloc.start()
    options.write(options.read(Endless()), Nothing())  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20
