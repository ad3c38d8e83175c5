"""Fixed-width layouts, files and values that are refused: named by their place, never shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dmengine.errors import InputError, MaskError, PlanError, PluginError, RulesetError
from dmengine.jobfile import load_job
from dmengine.paths import FieldPath
from dmengine.spi import RecordStream
from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
from tests.formats.fixed_width_rewriting import columns, rewrite
from tests.formats.rewriting import refusal

NAME = (FixedField("name", 1, 6),)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": ()}, "it has no fields"),
        ({"layout": (FixedField("a", 1),)}, "a has neither width nor end"),
        ({"layout": (FixedField("a", 0, 3),)}, "counted from 1"),
        ({"layout": (FixedField("a", 1, 3, end=4),)}, "does not fit its start"),
        ({"layout": (FixedField("a", 5, end=4),)}, "does not fit its start"),
        ({"layout": (FixedField("a", 1, 3), FixedField("b", 3, 3))}, "b overlaps a"),
        ({"layout": (FixedField("a", 1, 3), FixedField("a", 4, 3))}, "a is there twice"),
        ({"layout": (FixedField("", 1, 3),)}, "position 1 has no name"),
        ({"layout": NAME, "record_length": 5}, "behind the record_length 5"),
        ({"layout": NAME, "record_length": -5}, "record_length must be"),
        ({"layout": NAME, "pad": "ab"}, "the pad of the format"),
        ({"layout": (FixedField("a", 1, 3, pad="ü"),)}, "the pad of a"),
        ({"layout": NAME, "encoding": "utf-16"}, "one byte of its own"),
        ({"layout": NAME, "encoding": "cp932"}, "one byte of its own"),
        ({"layout": NAME, "encoding": "nonsense"}, "no text encoding"),
        ({"layout": NAME, "line_end": "none"}, "set unit: bytes"),
        ({"layout": NAME, "line_end": "nel"}, "no nel of one byte"),
        ({"layout": NAME, "keep_first": -1}, "keep_first must be"),
        ({"layout": NAME, "keep_prefixes": ("",)}, "a prefix in keep_prefixes is empty"),
    ],
)
def test_layouts_that_do_not_hold_are_refused(options: dict[str, Any], words: str) -> None:
    """What is wrong with the options is said before a file is read."""
    assert words in refusal(lambda: FixedWidth(**options).schema(io.BytesIO()), PlanError)


def test_all_that_is_wrong_with_a_layout_is_said_at_once() -> None:
    """Nobody mends a layout of a hundred fields one error at a time."""
    fields = (FixedField("a", 1, 3), FixedField("b", 3, 3), FixedField("c", 9))

    told = refusal(lambda: FixedWidth(fields).checked(), PlanError)

    assert "c has neither width nor end" in told
    assert "b overlaps a" in told


@pytest.mark.parametrize("block_bytes", [1, 20, 1 << 20])
def test_records_of_another_length_are_refused(block_bytes: int) -> None:
    """Too long or too short: the first is named, and nothing of it is shown."""
    options = FixedWidth(NAME, block_bytes=block_bytes)

    for content in (b"Ann   \nSECRET!\nBob   \n", b"Ann   \nSECRE\nBob   \n", b"Ann   \nSECR"):
        told = refusal(lambda: columns(content, options), InputError, "SECR")  # noqa: B023
        assert "record 2 at byte 7" in told


def test_a_file_that_ends_within_a_record_is_refused() -> None:
    """Records without line ends must fill the file."""
    options = FixedWidth(NAME, unit="bytes", line_end="none", block_bytes=12)

    told = refusal(lambda: columns(b"Ann   Bob   Cy    SECR", options), InputError, "SECR")

    assert "within a record of 6 bytes: record 4 at byte 18" in told


def test_a_line_that_never_ends_is_refused() -> None:
    """A file of another kind does not fill the memory."""
    options = FixedWidth(NAME, max_record_bytes=100, block_bytes=10)

    assert "byte 7 is longer than 100 bytes" in refusal(lambda: columns(b"Ann   \n" + b"x" * 999, options), InputError)


def test_bytes_that_are_no_text_are_refused_where_they_are_read() -> None:
    """The record is named; a field that is not read may hold them, unless positions are characters."""
    fields = (FixedField("a", 1, 2), FixedField("b", 3, 2))
    content = b"aabb\naa\xff\xfe\n"
    by_bytes = FixedWidth(fields, unit="bytes")

    told = refusal(lambda: rewrite(content, by_bytes, {"b": lambda old: old}), InputError)

    assert "b is not utf-8 text in record 2 at byte 5" in told
    assert rewrite(content, by_bytes, {"a": lambda old: ["x"] * len(old)}) == b"x bb\nx \xff\xfe\n"
    assert "byte 7 is not utf-8 text, in or after record 2" in refusal(
        lambda: rewrite(content, FixedWidth(fields)), InputError
    )
    cp1252 = FixedWidth(fields, encoding="cp1252")
    assert "record 2" in refusal(lambda: rewrite(b"aabb\naa\x81b\n", cp1252, {"b": lambda old: old}), InputError)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("SECRETS", "1 masked values are longer than the 6 characters of name"),
        ("SEC\n", "hold a line end"),
        ("SEC\r", "hold a line end"),
        ("SEC€", "cannot be written in iso8859-1"),
    ],
)
def test_values_that_do_not_fit_are_refused(value: str, words: str) -> None:
    """Nothing is cut, and no record broken: the error names the field, and not the value."""
    options = FixedWidth(NAME, encoding="latin-1")

    assert words in refusal(lambda: rewrite(b"Ann   \n", options, {"name": lambda old: [value]}), MaskError, "SEC")


def test_a_masked_record_never_looks_like_one_that_is_kept() -> None:
    """A reader of the target would take it for a header."""
    options = FixedWidth(NAME, keep_prefixes=("HDR",))

    told = refusal(lambda: rewrite(b"Ann   \nHDR 1\n", options, {"name": lambda old: ["HDR"]}), MaskError)

    assert "begin as only those may" in told


def test_only_records_of_fixed_width_are_written() -> None:
    """Records of another format have no layout."""
    stream = RecordStream(iter([object()]), None)  # type: ignore[list-item]

    assert "writes only" in refusal(lambda: FixedWidth(NAME).write(stream, io.BytesIO()), PluginError)


def test_a_mask_must_return_a_text_for_each_record() -> None:
    """Another number of values would move them all."""
    [records] = FixedWidth(NAME).read(io.BytesIO(b"Ann   \nBob   \n")).batches
    path = FieldPath.of("name")
    [found] = records.select(path)

    for wrong in (pa.array(["x"]), pa.array([1, 2])):
        assert "one text for each" in refusal(lambda: records.replace(path, [found.with_values(wrong)]), MaskError)  # noqa: B023


def test_a_job_file_holds_the_layout(tmp_path: Path) -> None:
    """It is read strictly, with the place of what is wrong in it."""
    job = """
version: 1
source:
  type: local_files
  path: in
  formats:
    "**/*.dat":
      type: fixed_width
      encoding: cp037
      line_end: none
      record_length: 80
      layout:
        - {name: id, start: 1, width: 8, align: right, pad: "0"}
        - {name: filler, start: 9, end: 80}
target: {type: local_files, path: out}
ruleset: {rules: [{field: [id, filler], keep: "an example"}]}
key: env:DMENGINE_KEY
"""
    (tmp_path / "job.yaml").write_text(job)
    (tmp_path / "wrong.yaml").write_text(job.replace("align: right", "aligned: right"))

    source: Any = load_job(tmp_path / "job.yaml").source
    with pytest.raises(RulesetError) as caught:
        load_job(tmp_path / "wrong.yaml")

    assert source.formats["**/*.dat"] == FixedWidth(
        (FixedField("id", 1, 8, align="right", pad="0"), FixedField("filler", 9, end=80)), 80, "cp037", line_end="none"
    )
    assert "there is no aligned here" in str(caught.value)
