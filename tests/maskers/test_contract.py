"""Every registered masker, on every type that it takes, against the contract kit."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from dmengine.arrow import NUMBER
from dmengine.spi import Masker, fields_read
from dmengine.testing.maskers import check_masker

TEXTS = ["Alice", "BOB", "alice", None, "Zoë Müller", "Alice", "", "\u202eעברית", "e\u0301", "👩‍👩‍👧 👍🏽", "a\0b"]
ADDRESSES = ["a@corp.com", None, "b@corp.com", "a@corp.com", "x@y@mail.example", "Ünï@dömäin.de"]
IDENTIFIERS = ["123-45-6789", None, "4111 1111 1111 1111", "000000", "123-45-6789", "", "(020) 7946/0018"]
INTEGERS = [1234567, -7654321, None, 9999999, 1234567, 1000000, 2147483]
NUMBERS = ["12.50", "-3", None, "9007199254740993", "0.001", "12.50", "0"]
DAYS = [date(1985, 4, 12), None, date(2000, 2, 29), date(1985, 4, 12), date(1970, 1, 1), date(1969, 12, 31)]
MOMENTS = [datetime(1985, 4, 12, 23, 59, 59, 999999), None, datetime(1969, 12, 31), datetime(2100, 2, 28, 12)]


def numbers(texts: list[str | None]) -> pa.Array:
    return pa.ExtensionArray.from_storage(NUMBER, pa.array(texts, pa.string()))


def texts(values: list[str | None]) -> list[pa.Array]:
    return [pa.array(values, kind) for kind in (pa.string(), pa.large_string())]


def integers(values: list[int | None], *kinds: pa.DataType) -> list[pa.Array]:
    return [pa.array(values, kind) for kind in kinds]


def dates() -> list[pa.Array]:
    zoned = [moment and moment.replace(tzinfo=UTC) for moment in MOMENTS]
    return [
        *(pa.array(DAYS, kind) for kind in (pa.date32(), pa.date64())),
        *(pa.array(MOMENTS, pa.timestamp("us")).cast(pa.timestamp(u), safe=False) for u in ("s", "ms", "us", "ns")),
        pa.array(zoned, pa.timestamp("us", "Europe/Berlin")),
    ]


def small_numbers() -> list[pa.Array]:
    small = [7, -42, None, 7, 0, 127, -128]
    signed = integers(small, pa.int8(), pa.int16(), pa.int32(), pa.int64())
    unsigned = integers([7, None, 0, 255, 7], pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    floats = [pa.array([0.3, -1.5, None, 0.3, 1e9, 0.0], kind) for kind in (pa.float32(), pa.float64())]
    halves = pa.array([np.float16(1.5), None, np.float16(-7)], pa.float16())
    money = [Decimal("12.50"), None, Decimal("-0.01"), Decimal("12.50"), Decimal("99999.99")]
    kinds = (pa.decimal32(7, 2), pa.decimal64(12, 2), pa.decimal128(20, 2), pa.decimal256(50, 2))
    return [*signed, *unsigned, *floats, halves, *(pa.array(money, kind) for kind in kinds), numbers(NUMBERS)]


def uuids() -> pa.Array:
    return pa.array([UUID(int=7).bytes, None, UUID(int=2**127).bytes], pa.binary(16)).cast(pa.uuid())


def everything() -> list[pa.Array]:
    flags = pa.array([True, None, False, True])
    clock = [pa.array([time(23, 59), None, time(0)], kind) for kind in (pa.time32("s"), pa.time64("us"))]
    spans = pa.array([timedelta(days=1), None], pa.duration("us"))
    blobs = [pa.array([b"\xff\0", None, b""], kind) for kind in (pa.binary(), pa.large_binary())]
    fixed = pa.array([b"abcd", None, b"efgh"], pa.binary(4))
    return [*texts(TEXTS), *small_numbers(), *dates(), flags, *clock, spans, *blobs, fixed, uuids()]


def wide_integers() -> list[pa.Array]:
    return [
        *integers(INTEGERS, pa.int32(), pa.int64()),
        pa.array([1234567, None, 9999999999999999999, 18], pa.uint64()).filter(pa.array([True, True, True, False])),
        numbers(["1234567", None, "-7654321", "123456789012345678"]),
    ]


Sample = tuple[str, dict[str, Any], list[pa.Array]]
SAMPLES: list[Sample] = [
    ("fixed", {"value": "x"}, texts(TEXTS)),
    ("fixed", {"value": 7}, small_numbers()),
    ("fixed", {"value": "2000-01-01"}, dates()[:2]),
    ("null", {}, everything()),
    ("redact", {}, everything()),
    ("redact", {"text": "[höchst geheim]"}, texts(TEXTS)),
    ("character_mask", {}, texts(TEXTS)),
    ("character_mask", {"keep_first": 1, "keep_last": 2, "chars_to_ignore": "- ", "masking_char": "X"}, texts(TEXTS)),
    ("hash", {}, [*texts(TEXTS), pa.array([b"\xff", None, b""]), pa.array([b"0123456789abcdef", None], pa.binary(16))]),
    ("hash", {}, [uuids()]),
    ("hash", {"size": 9, "prefix": "ü-"}, texts(TEXTS)),
    ("fpe", {}, [*texts(IDENTIFIERS), *wide_integers()]),
    ("fpe", {"alphabet": "alphanumeric"}, texts(["a1B2c3", None, "Passwort", "a1B2c3"])),
    ("fpe", {"alphabet": "abcdefghijklmnopqrstuvwxyzäöüß"}, texts(["müller", None, "größer"])),
    ("fpe", {"minimum": -5_000_000, "maximum": 5_000_000}, integers([0, -5000000, None, 17], pa.int32(), pa.int64())),
    ("fpe", {"allow_small_domain": True}, [pa.array([1, 2, None, 99, 9, -5], pa.int8()), pa.array(["123", "99"])]),
    ("first_name", {}, texts(TEXTS)),
    ("first_name", {"locale": "fr_FR", "gender": "male", "keep_case": True, "max_bytes": 6}, texts(TEXTS)),
    ("last_name", {}, texts(TEXTS)),
    ("last_name", {"locale": "de_DE", "keep_case": True}, texts(TEXTS)),
    ("email", {}, texts(ADDRESSES)),
    ("email", {"domain": "keep", "max_bytes": 80}, texts(ADDRESSES)),
    ("email", {"domain": "mail.example", "max_bytes": 40}, texts(TEXTS)),
    ("lookup", {"corpus": "city"}, texts(TEXTS)),
    ("lookup", {"corpus": "street", "max_bytes": 20}, texts(TEXTS)),
    ("date_shift", {}, dates()),
    ("date_shift", {"days": 3, "by": "person"}, dates()),
    ("bucket", {"width": 10}, small_numbers()),
    ("bucket", {"width": 10, "at": "middle"}, small_numbers()),
    ("bucket", {"bounds": [-60000, 0, 10, 100]}, small_numbers()),
    ("number", {"minimum": 1, "maximum": 100}, small_numbers()),
    ("number", {"minimum": 1, "maximum": 100, "consistent": False}, small_numbers()),
]

for family in sorted(Path(__file__).parent.glob("samples_*.py")):
    SAMPLES += import_module(f"tests.maskers.{family.stem}").SAMPLES

BESIDE: dict[str, list[Any]] = {
    "person": ["p1", "p2", None, "p1"],
    "place": ["Berlin", "Köln", None, "Berlin", ""],
    "latitude": [52.5, -33.25, 0.0, 52.5, None],
    "longitude": [13.4, 151.125, 179.9999, 13.4],
    "customer": [17, 4, 17, 99],
    "sex": ["F", "m", None, "divers"],
    "land": ["DE", "FR", "DE", "FR"],
}
"""Values of the fields that masks ask for, over and over."""

REGISTERED = {
    entry.name: entry for entry in entry_points(group="dmengine.maskers") if entry.value.startswith("dmengine_maskers.")
}
CASES = [
    pytest.param(name, options, values, id=f"{name}-{number}-{values.type}")
    for number, (name, options, columns) in enumerate(SAMPLES)
    for values in columns
]


def build(name: str, options: dict[str, Any]) -> Masker:
    """Make a masker as a ruleset does: validated by pydantic."""
    masker: Masker = TypeAdapter(REGISTERED[name].load()).validate_python(options)
    return masker


@pytest.mark.parametrize(("name", "options", "values"), CASES)
def test_masker_keeps_its_contract(name: str, options: dict[str, Any], values: pa.Array) -> None:
    """Every registered masker keeps the whole contract on every type that it takes."""
    masker = build(name, options)
    beside = {field: (BESIDE[field] * len(values))[: len(values)] for field in fields_read(masker)}

    check_masker(masker, values, beside=beside or None)


def test_every_registered_masker_is_sampled() -> None:
    """No masker of ours is registered without samples for the contract kit."""
    assert set(REGISTERED) == {name for name, _, _ in SAMPLES}


@pytest.mark.parametrize("name", sorted(REGISTERED))
def test_registered_name_is_the_maskers_own(name: str) -> None:
    """The name in the registry is the name that the masker says it has."""
    options = next(options for sample, options, _ in SAMPLES if sample == name)

    assert build(name, options).name == name
