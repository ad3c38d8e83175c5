"""Text read as something else, and written back in the form it had."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.casting import read_text, read_type
from dmengine.errors import PlanError


@pytest.mark.parametrize(
    ("as_", "form", "texts"),
    [
        ("integer", None, ["0", "42", "-7", "007", "-0042", "999999999999999999"]),
        ("number", None, ["0", "1.10", "-3.0", "1e5", "123456789012345678901234567890.5"]),
        ("date", None, ["2024-02-29", "0001-01-01", "9999-12-31"]),
        ("date", "%d.%m.%Y", ["31.12.1999", "01.02.2003", "1.2.2003", "1.12.2003"]),
        ("date", "%m/%d/%y", ["12/31/99", "02/03/04"]),
        ("timestamp", None, ["2024-01-02T03:04:05", "2024-01-02 03:04:05.100", "2024-01-02T03:04:05.000001"]),
        ("timestamp", "%Y%m%d%H%M%S", ["20240102030405"]),
        ("timestamp", "%Y-%m-%dT%H:%M:%SZ", ["2024-01-02T03:04:05Z"]),
        ("boolean", None, ["true", "FALSE", "1", "0", "Yes", "n"]),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_what_is_read_is_written_back_as_it_was(
    as_: str, form: str | None, texts: list[str], kind: pa.DataType
) -> None:
    """An unmasked value comes out letter for letter."""
    values = pa.array(texts, kind)

    reading = read_text(values, read_type(as_, form), form)

    assert not reading.failed.any()
    assert reading.write(reading.values).equals(values)


@pytest.mark.parametrize(
    ("as_", "form", "texts"),
    [
        ("integer", None, ["", " 1", "1.0", "+1", "1_000", "9999999999999999999", "x", "1\n"]),
        ("number", None, ["", ".5", "1.", "0x10", "nan", "inf", "1,5", "1e9999"]),
        ("date", None, ["", "2024-02-30", "2023-02-29", "24-01-01", "2024-01-01T00:00:00", "2024-1-1x"]),
        ("date", "%d.%m.%Y", ["2024-01-01", "31.02.2024", "01.13.2024"]),
        ("timestamp", None, ["2024-01-01", "2024-02-30T00:00:00", "2024-01-01T25:00:00", "2024-01-01T00:00:00Z"]),
        ("boolean", None, ["", "maybe", "2", "tRuE"]),
    ],
)
def test_what_is_not_of_the_form_is_reported(as_: str, form: str | None, texts: list[str]) -> None:
    """Every text that is not exactly of the form fails, and the good one beside it does not."""
    good = {"integer": "5", "number": "5.5", "timestamp": "2024-01-01T00:00:00", "boolean": "true"}
    first = good.get(as_, "01.01.2024" if form else "2024-01-01")

    reading = read_text(pa.array([first, *texts]), read_type(as_, form), form)

    assert reading.failed.tolist() == [False] + [True] * len(texts)


def test_numbers_keep_all_their_digits() -> None:
    """Numbers travel as exact decimal text, never as floats."""
    reading = read_text(pa.array(["9007199254740993.10"]), read_type("number", None), None)

    assert reading.values.type == NUMBER
    assert reading.values.storage.to_pylist() == ["9007199254740993.10"]


def test_padding_follows_the_original() -> None:
    """A masked integer is padded with zeros as the original was."""
    reading = read_text(pa.array(["00042", "42", "-0042"]), read_type("integer", None), None)

    assert reading.write(pa.array([7, 7, -7])).to_pylist() == ["00007", "7", "-0007"]


def test_an_unknown_type_is_refused() -> None:
    """`as:` takes a closed list of types."""
    with pytest.raises(PlanError, match="as: uuid is not known"):
        read_type("uuid", None)
