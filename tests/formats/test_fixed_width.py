"""Fixed-width files: what a layout reads, what masks write, and what stays byte for byte."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import InputError, MaskError
from dmengine.maskers import Email, FirstName, Redact
from dmengine.spi import Masker
from dmengine_connectors.formats.codecs import compressed
from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
from tests.formats.fixed_width_rewriting import columns, rewrite
from tests.formats.rewriting import refusal

LAYOUT = (
    FixedField("id", 1, 4, align="right", pad="0"),
    FixedField("name", 5, end=9),
    FixedField("amount", 12, 5, align="right"),
)
LINES = FixedWidth(LAYOUT)
CONTENT = b"0042Ann    12.50\n0000          7 \r\n    Zo\xc3\xab         "


def test_a_file_that_no_rule_changes_is_the_same() -> None:
    """Line ends of both kinds, a missing last one and characters of two bytes come back as they were."""
    assert rewrite(CONTENT, LINES) == CONTENT
    assert rewrite(b"", LINES) == b""
    assert rewrite(b"\xef\xbb\xbf" + CONTENT, LINES) == b"\xef\xbb\xbf" + CONTENT


def test_values_are_read_without_padding() -> None:
    """Padding goes from its own side only; a number of zeros is 0, and a blank cell is null."""
    assert columns(CONTENT, LINES) == {
        "id": ["42", "0", None],
        "name": ["Ann", None, "Zoë"],
        "amount": ["12.50", "7 ", None],
    }


def test_values_are_written_with_padding() -> None:
    """Shorter values are filled on their side; null and the empty text leave a cell blank."""
    masks = {
        "id": lambda old: ["7", None, ""],
        "name": lambda old: ["Bo", "Renée", None],
        "amount": lambda old: ["1", None, ""],
    }

    made = rewrite(CONTENT + b"\n", LINES, masks)

    assert made.decode() == "0007Bo         1\n    Renée       \r\n" + " " * 16 + "\n"


def test_what_is_read_is_written_the_same() -> None:
    """Values that a mask leaves alone give the bytes that they were read from."""
    same = {name: lambda old: old for name in ("id", "name", "amount")}

    assert rewrite(CONTENT, LINES, same) == CONTENT


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp037", "cp500", "cp1140"])
@pytest.mark.parametrize("line_end", ["lf", "none"])
def test_code_pages_of_one_byte_are_read_and_written(encoding: str, line_end: str) -> None:
    """EBCDIC with and without line ends (RECFM=F), and the pages of PCs: other bytes, the same values."""
    options = FixedWidth((FixedField("a", 1, 3), FixedField("b", 4, 4)), encoding=encoding, line_end=line_end)  # type: ignore[arg-type]
    end = "\n" if line_end == "lf" else ""
    content = f"Zoë1234{end}Ab  ß  {end}".encode(encoding)

    made = rewrite(content, options, {"a": lambda old: [value[::-1] for value in old if value]})

    assert columns(content, options) == {"a": ["Zoë", "Ab"], "b": ["1234", " ß"]}
    assert made == f"ëoZ1234{end}bA  ß  {end}".encode(encoding)


def test_lines_of_ebcdic_may_end_with_nel() -> None:
    """Text files of z/OS end their lines with a byte of their own."""
    options = FixedWidth((FixedField("a", 1, 2),), encoding="cp037", line_end="nel")
    content = b"\xc1\xc2\x15\xc3\xc4\x15"

    assert columns(content, options) == {"a": ["AB", "CD"]}
    assert rewrite(content, options) == content


def test_fields_that_no_mask_reads_may_hold_any_bytes() -> None:
    """Packed decimals and binary numbers are kept as they are: they are never decoded."""
    options = FixedWidth(
        (FixedField("name", 1, 3), FixedField("packed", 4, 4)), encoding="cp037", line_end="none", record_length=8,
        pad="\x00",
    )  # fmt: skip
    content = "Ann".encode("cp037") + b"\x00\x01\x25\x0c\x00" + "Bob".encode("cp037") + b"\x99\x99\x9d\x15\x00"

    made = rewrite(content, options, {"name": lambda old: ["Cy", "D"]})

    assert made == b"\xc3\xa8\x00\x00\x01\x25\x0c\x00" + b"\xc4\x00\x00\x99\x99\x9d\x15\x00"


def test_widths_of_utf8_are_characters_or_bytes() -> None:
    """`unit` says which: a record of characters has more bytes where these take two."""
    fields = (FixedField("a", 1, 3), FixedField("b", 4, 2))
    characters, by_bytes = FixedWidth(fields), FixedWidth(fields, unit="bytes")

    assert columns("Zoë12\nAnn34\n".encode(), characters) == {"a": ["Zoë", "Ann"], "b": ["12", "34"]}
    assert columns("Zë12\nAnn34\n".encode(), by_bytes) == {"a": ["Zë", "Ann"], "b": ["12", "34"]}
    assert rewrite(b"Ann34\n", characters, {"a": lambda old: ["Zoë"]}) == "Zoë34\n".encode()
    assert rewrite(b"Ann34\n", by_bytes, {"a": lambda old: ["ë"]}) == "ë 34\n".encode()
    assert "longer than the 3 bytes" in refusal(
        lambda: rewrite(b"Ann34\n", by_bytes, {"a": lambda old: ["Zoë"]}), MaskError, "Zoë"
    )


@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_headers_and_trailers_are_kept_where_a_job_says_so(block_bytes: int) -> None:
    """The first, the last, and those that begin in a certain way: as they are, of any length, and in no column."""
    content = b"FILE OF 2024-01-31\nAnn  \n#note\nBob  \nTOTAL 2\n"
    options = FixedWidth(
        (FixedField("name", 1, 5),), keep_first=1, keep_last=1, keep_prefixes=("#",), block_bytes=block_bytes
    )

    assert columns(content, options) == {"name": ["Ann", "Bob"]}
    assert rewrite(content, options, {"name": lambda old: ["Cy"] * len(old)}) == (
        b"FILE OF 2024-01-31\nCy   \n#note\nCy   \nTOTAL 2\n"
    )
    assert "have 5 characters" in refusal(lambda: columns(content, FixedWidth(options.layout)), InputError, "FILE")


def test_a_file_of_headers_alone_has_no_records() -> None:
    """Fewer records than are kept is no error."""
    options = FixedWidth((FixedField("name", 1, 5),), keep_first=2, keep_last=3)

    assert columns(b"A\nB\n", options) == {"name": []}
    assert rewrite(b"A\nB\nC\nD", options) == b"A\nB\nC\nD"


def test_a_dropped_field_is_padding() -> None:
    """Its place stays: all other fields are where the layout says."""
    assert rewrite(b"0042Ann    12.50\n", LINES, drop=("name", "id")) == b" " * 11 + b"12.50\n"


def test_a_gap_that_holds_anything_is_refused() -> None:
    """What lies between fields is in no rule's sight, so it must be padding, or be listed as a field."""
    content = b"0042Ann    12.50\n0043Bob  X 12.50\n"

    told = refusal(lambda: rewrite(content, LINES), InputError)
    filled = FixedWidth((*LAYOUT, FixedField("filler_10", 10, end=11)))

    assert "more than padding at 10 to 11" in told
    assert "record 2 at byte 17" in told
    assert "{name: filler_10, start: 10, end: 11}" in told
    assert columns(content, filled)["filler_10"] == [None, "X"]


def test_masks_are_told_how_much_room_there_is(tmp_path: Path) -> None:
    """A mask whose values are too long is refused before the run, with the width; one that fits is taken."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.dat").write_bytes("Zoë ü   \nAnn b   \n".encode("latin-1"))
    layout = (FixedField("name", 1, 4), FixedField("code", 5, 4))
    source = LocalFiles(tmp_path / "in", formats={"*.dat": FixedWidth(layout, encoding="latin-1")})
    key = dm.Key.generate()

    @dm.masker
    def umlauts(value: str) -> str:
        return "äöüß"

    def rules(mask: Masker) -> dm.Ruleset:
        return dm.Ruleset([dm.Rule("name", mask), dm.Rule("code", umlauts)])

    refused = dm.plan(source, LocalFiles(tmp_path / "out"), rules(Email()), key)
    dm.run(source, LocalFiles(tmp_path / "out"), rules(Redact()), key)

    assert "target holds 4" in str(refused)
    assert (tmp_path / "out" / "people.dat").read_bytes() == "*   äöüß\n*   äöüß\n".encode("latin-1")


def test_a_run_masks_compressed_files_of_fixed_width(tmp_path: Path) -> None:
    """The codec goes by the name, the layout by the job; the same names as in a CSV file get the same masks."""
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / "people.dat.gz").open("wb") as file, compressed(file, "gzip") as packed:
        packed.write(b"007Ann            \n042Bob            \n")
    (tmp_path / "in" / "people.csv").write_text("id,first_name\n7,Ann\n42,Bob\n")
    layout = (FixedField("id", 1, 3, align="right", pad="0"), FixedField("first_name", 4, 15))
    source = LocalFiles(tmp_path / "in", formats={"*.dat.gz": FixedWidth(layout)})
    rules = dm.Ruleset([dm.Rule("first_name", FirstName()), dm.keep("id", because="surrogate")])

    report = dm.run(source, LocalFiles(tmp_path / "out"), rules, dm.Key.generate())

    assert report.rows == 4
    csv = [line.split(",")[1] for line in (tmp_path / "out" / "people.csv").read_text().splitlines()[1:]]
    fixed = gzip.decompress((tmp_path / "out" / "people.dat.gz").read_bytes()).decode().splitlines()
    assert [line[:3] for line in fixed] == ["007", "042"]
    assert [line[3:].rstrip() for line in fixed] == csv


def test_no_file_is_fixed_width_by_its_name(tmp_path: Path) -> None:
    """Without a format, .txt and .dat are refused: nobody can guess a layout."""
    (tmp_path / "people.txt").write_bytes(b"007Ann\n")

    rules = dm.Ruleset([dm.Rule("name", Redact())])
    plan = dm.plan(LocalFiles(tmp_path), LocalFiles(f"{tmp_path}-out"), rules, dm.Key.generate())

    assert "its format is not known" in str(plan)


def test_what_is_kept_is_in_the_report() -> None:
    """Records that no rule sees are named as such."""
    options = FixedWidth((FixedField("name", 1, 5),), keep_first=1, keep_prefixes=("#", "*"))

    [finding] = options.read(io.BytesIO(b"")).findings

    assert finding.message == "records are kept as they are: the first 1, those that begin with one of 2 prefixes"
