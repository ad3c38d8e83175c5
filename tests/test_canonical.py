"""Promises of the canonical form: equal values have equal bytes, whatever type they are stored in."""

from __future__ import annotations

import json
import re
import traceback
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.arrow import NUMBER
from dmengine.canonical import MAX_DIGITS, can_be_keyed, canonical
from dmengine.errors import MaskError, PlanError

GOLDEN = [
    tuple(pair) for pair in json.loads((Path(__file__).parent / "golden" / "canonical.json").read_text())["pairs"]
]


def number(*texts: str | None) -> pa.Array:
    return pa.ExtensionArray.from_storage(NUMBER, pa.array(texts, pa.string()))


def stored(kind: str, text: str) -> pa.Array:
    """Make the array of one value that a golden line describes; dates as text, times and instants as counts."""
    special: dict[str, Callable[[], pa.Array]] = {
        "dmengine.number": lambda: number(text),
        "dictionary": lambda: pa.array([text]).dictionary_encode(),
        "uuid": lambda: pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(text).bytes], pa.binary(16))),
        "float16": lambda: pa.array(np.array([text], np.float16)),
        "binary": lambda: pa.array([text.encode()], pa.binary()),
        "date64": lambda: pa.array([text]).cast(pa.date32()).cast(pa.date64()),
    }
    if kind in special:
        return special[kind]()
    if match := re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.+))?\]", kind):
        return pa.array([int(text)], pa.int64()).view(pa.timestamp(match[1], match[2]))
    if match := re.fullmatch(r"time(32|64)\[(\w+)\]", kind):
        width, time = (pa.int32(), pa.time32) if match[1] == "32" else (pa.int64(), pa.time64)
        return pa.array([int(text)], width).view(time(match[2]))
    if match := re.fullmatch(r"decimal(128|256)\((\d+), (-?\d+)\)", kind):
        decimal = pa.decimal128 if match[1] == "128" else pa.decimal256
        return pa.array([Decimal(text)], decimal(int(match[2]), int(match[3])))
    if match := re.fullmatch(r"fixed_size_binary\((\d+)\)", kind):
        return pa.array([text.encode()], pa.binary(int(match[1])))
    if kind == "string_view":
        return pa.array([text], pa.string_view())
    return pa.array([text]).cast(pa.type_for_alias(kind))


def bytes_of(values: pa.Array) -> list[bytes | None]:
    return list(values.cast(pa.large_binary()).to_pylist())


@pytest.mark.parametrize(("kind", "text", "expected"), GOLDEN)
def test_canonical_forms_are_pinned(kind: str, text: str, expected: str) -> None:
    """Every golden line holds, alone and within a sliced array with nulls beside it."""
    values = stored(kind, text)
    beside = pa.concat_arrays([pa.nulls(2, values.type), values, pa.nulls(1, values.type)]).slice(1, 2)

    assert bytes_of(canonical(values)) == [expected.encode()]
    assert bytes_of(canonical(beside)) == [None, expected.encode()]


def test_golden_table_is_large() -> None:
    """At least sixty pairs pin the format."""
    assert len({(kind, text) for kind, text, _ in GOLDEN}) >= 60


@given(st.lists(st.floats() | st.none()))
def test_floats_match_pythons_shortest_form(numbers: list[float | None]) -> None:
    """A float's form is Python's repr written out without an exponent, in whatever batch it comes."""
    found = canonical(pa.array(numbers, pa.float64())).to_pylist()

    for value, text in zip(numbers, found, strict=True):
        if value is None or value != value or value in (float("inf"), float("-inf")):
            assert text == (None if value is None else str(value))
        else:
            assert Decimal(text) == Decimal(repr(value))
            assert text == canonical(number(repr(value)))[0].as_py()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_narrow_floats_keep_their_own_shortest_form(numbers: list[float]) -> None:
    """A float32 is written as the shortest decimal that reads back as the same float32."""
    found = canonical(pa.array(numbers, pa.float32())).to_pylist()

    assert found == [canonical(number(str(np.float32(value))))[0].as_py() for value in numbers]


@given(st.lists(st.decimals(-(10**29), 10**29, places=8, allow_nan=False)))
def test_decimals_equal_document_numbers(numbers: list[Decimal]) -> None:
    """A decimal has the form of the same number in a document, and no needless digit."""
    found = canonical(pa.array(numbers, pa.decimal128(38, 8))).to_pylist()

    assert found == canonical(number(*map(str, numbers))).to_pylist()
    assert all(re.fullmatch(r"0|-?[1-9]\d*|-?(0|[1-9]\d*)\.\d*[1-9]", text) for text in found)


@given(st.lists(st.sampled_from(["7", "-0", "1.50", "1E3", "2e-3", "+8", "007", "0.0", "NaN", "9" * 30]), min_size=1))
def test_numbers_do_not_depend_on_their_batch(texts: list[str]) -> None:
    """A document's number has one form, whichever numbers stand beside it."""
    together = canonical(number(*texts)).to_pylist()

    assert together == [canonical(number(text))[0].as_py() for text in texts]


@pytest.mark.parametrize("text", ["1e1000000", "-1E999999999999999999999", "1e-5000", "9" * (MAX_DIGITS + 1)])
def test_numbers_that_would_explode_are_refused(text: str) -> None:
    """A number that needs more than 400 digits is refused without being written out."""
    with pytest.raises(MaskError, match="more than 400 digits") as caught:
        canonical(number("1", text))

    assert text not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("text", ["0x1F", "0X1F", "1_000", "twelve-canary", "", " 7", "٣", "1e", "."])
def test_numbers_that_are_none_are_refused(text: str) -> None:
    """Text that no document has as a number is refused, and not quoted."""
    with pytest.raises(MaskError, match="not a number") as caught:
        canonical(number(text))

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert not text.strip() or text == "." or text not in str(caught.value)


def test_largest_and_smallest_floats_fit() -> None:
    """Any float is within the limit of digits."""
    values = pa.array([1.7976931348623157e308, -5e-324, 2.2250738585072014e-308])

    found = canonical(values).to_pylist()

    assert [float(text) for text in found] == values.to_pylist()
    assert max(map(len, found)) <= MAX_DIGITS


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()], ids=str)
def test_text_and_binary_are_not_copied(kind: pa.DataType) -> None:
    """The canonical form of text and binary is the same array, no byte moved."""
    values = pa.array(["a", None, "b"], pa.string()).cast(kind)

    assert canonical(values).buffers()[2].address == values.buffers()[2].address


def test_binary_is_itself() -> None:
    """Bytes that are no text stay as they are, in every binary type."""
    raw = [b"\xff\x00\xfe", None]

    for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)):
        assert bytes_of(canonical(pa.array(raw, kind))) == raw


def test_dictionaries_equal_their_values() -> None:
    """A dictionary column has the forms of the values it stands for, nulls in the dictionary too."""
    index, words = pa.array([1, 0, None, 2], pa.int8()), pa.array([1.0, 2.5, None])

    found = canonical(pa.DictionaryArray.from_arrays(index, words))

    assert found.to_pylist() == ["2.5", "1", None, None]


def test_nulls_and_emptiness_survive() -> None:
    """An array of nulls stays nulls, and an empty one stays empty, for every kind in the golden table."""
    for kind, text, _ in GOLDEN:
        values = stored(kind, text)

        assert canonical(pa.nulls(3, values.type)).null_count == 3
        assert len(canonical(values.slice(0, 0))) == 0
    assert canonical(pa.nulls(2)).to_pylist() == [None, None]


def test_extremes_of_time_have_a_bounded_form() -> None:
    """Days, instants and times at the ends of their types differ from each other, and fit in 40 characters."""
    ends = [-(2**63) + 1, -(2**62), 2**62, 2**63 - 1]
    arrays = [pa.array(ends).view(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")]
    arrays += [pa.array(ends).view(pa.time64("us")), pa.array([-(2**31), 2**31 - 1], pa.int32()).view(pa.date32())]

    for values in arrays:
        found = canonical(values).to_pylist()

        assert len(set(found)) == len(values)
        assert all(len(text) <= 40 and "out of range" not in text for text in found)


def test_zoned_and_naive_instants_differ() -> None:
    """The same clock reading with and without a zone is not one value; two zones of one instant are."""
    counts = pa.array([0])

    naive, utc, tokyo = (canonical(counts.view(pa.timestamp("s", zone))) for zone in (None, "UTC", "Asia/Tokyo"))

    assert naive.to_pylist() == ["1970-01-01T00:00:00"]
    assert utc.to_pylist() == tokyo.to_pylist() == ["1970-01-01T00:00:00Z"]


def test_slices_are_read_from_their_start() -> None:
    """UUIDs behind the start of a slice are the ones that are written."""
    ids = [uuid.UUID(int=n) for n in range(3)]
    values = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([one.bytes for one in ids], pa.binary(16)))

    assert canonical(values.slice(1)).to_pylist() == [str(one) for one in ids[1:]]


def test_bool8_is_a_boolean() -> None:
    """The eight-bit booleans of Arrow have the form of booleans."""
    values = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))

    assert canonical(values).to_pylist() == ["true", "false", None]


@pytest.mark.parametrize(
    "kind",
    [pa.duration("s"), pa.month_day_nano_interval(), pa.list_(pa.int8()), pa.struct([("a", pa.int8())])],
    ids=str,
)
def test_types_without_a_form_are_refused(kind: pa.DataType) -> None:
    """Durations, intervals and nested values are refused by type, at plan time and again at masking."""
    values: Any = pa.nulls(1, kind)

    assert not can_be_keyed(kind)
    with pytest.raises(PlanError, match="cannot be keyed"):
        canonical(values)


def test_can_be_keyed_agrees_with_canonical() -> None:
    """Every type of the golden table can be keyed, and so can a dictionary of it."""
    for kind, text, _ in GOLDEN:
        assert can_be_keyed(stored(kind, text).type)
    assert can_be_keyed(pa.dictionary(pa.int8(), pa.string()))
    assert not can_be_keyed(pa.dictionary(pa.int8(), pa.duration("s")))
    assert not can_be_keyed(pa.fixed_shape_tensor(pa.int8(), (2,)))
