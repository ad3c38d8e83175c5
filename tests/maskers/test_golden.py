"""Golden vectors: what every mask made of these values, and makes of them for ever."""

from __future__ import annotations

import json
import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.spi import Masker
from dmengine.testing.context import Setting, mask_array
from dmengine_maskers import (
    Bucket,
    CharacterMask,
    DateShift,
    Email,
    FirstName,
    Fixed,
    Fpe,
    Hash,
    LastName,
    Lookup,
    Null,
    Number,
    Redact,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "maskers.json"
TEXTS = pa.array(["Alice", "bob", "", "Zoë Müller", "👍🏽 \u202eעברית"])
IDS = pa.array(["4111-1111-1111-1234", "000000", "(020) 7946 0018", "99999999999999999999", ""])
ADDRESSES = pa.array(["alice@corp.com", "ALICE@corp.com", "x@y@mail.example", "ü@dömäin.de", "a@b"])
INTEGERS = pa.array([1_000_000, 9_999_999, -1_234_567, 10**18 - 1, 42_000_000])
SMALL = pa.array([0, 7, -42, 127, -128], pa.int8())
FLOATS = pa.array([0.3, -1.5, 1e9, 0.1 + 0.2, -0.0])
MONEY = pa.array([Decimal(text) for text in ("12.50", "-0.01", "0.00", "99999.99", "1.10")], pa.decimal128(12, 2))
NUMBERS = pa.ExtensionArray.from_storage(NUMBER, pa.array(["12.50", "-3", "9007199254740993", "0.001", "1e3"]))
DATES = pa.array([date(1985, 4, 12), date(2000, 2, 29), date(1970, 1, 1), date(1969, 12, 31), date(2038, 1, 19)])
MOMENTS = pa.array([datetime(1985, 4, 12, 23, 59, 59, 999999), datetime(1969, 12, 31), datetime(2100, 2, 28, 12)])
BLOBS = pa.array([b"", b"\xff\0", b"Alice"])

CASES: dict[str, tuple[Masker, pa.Array]] = {
    "fixed": (Fixed("unknown"), TEXTS),
    "null": (Null(), TEXTS),
    "redact": (Redact(), TEXTS),
    "redact/date": (Redact(), DATES),
    "character_mask": (CharacterMask(keep_first=1, keep_last=2, chars_to_ignore=" "), TEXTS),
    "hash": (Hash(), TEXTS),
    "hash/prefix": (Hash(size=13, prefix="c-"), TEXTS),
    "hash/binary": (Hash(), BLOBS),
    "fpe": (Fpe(), IDS),
    "fpe/alphanumeric": (Fpe(alphabet="alphanumeric"), pa.array(["a1B2c3", "Passwort"])),
    "fpe/characters": (Fpe(alphabet="abcdefghijklmnopqrstuvwxyzäöüß"), pa.array(["müller", "größer"])),
    "fpe/int64": (Fpe(), INTEGERS),
    "fpe/range": (Fpe(minimum=-(10**18), maximum=10**18), INTEGERS),
    "fpe/small": (Fpe(allow_small_domain=True), pa.array([0, 7, 42, -99, 100])),
    "first_name": (FirstName(), TEXTS),
    "first_name/female": (FirstName(gender="female"), TEXTS),
    "first_name/max_bytes": (FirstName(locale="es_ES", max_bytes=5), TEXTS),
    "last_name": (LastName(), TEXTS),
    "last_name/keep_case": (LastName(locale="de_DE", keep_case=True), TEXTS),
    "email": (Email(), ADDRESSES),
    "email/keep": (Email(mail_domain="keep"), ADDRESSES),
    "email/max_bytes": (Email(max_bytes=32), ADDRESSES),
    "lookup/city": (Lookup("city"), TEXTS),
    "lookup/street": (Lookup("street"), TEXTS),
    "date_shift": (DateShift(), DATES),
    "date_shift/timestamp": (DateShift(days=3), MOMENTS),
    "date_shift/by": (DateShift(by="person"), DATES),
    "bucket": (Bucket(width=10), SMALL),
    "bucket/float": (Bucket(width=0.1, at="middle"), FLOATS),
    "bucket/decimal": (Bucket(bounds=(-100, 0, 100)), MONEY),
    "bucket/number": (Bucket(width=0.5), NUMBERS),
    "number": (Number(18, 99), INTEGERS),
    "number/float": (Number(0, 1), FLOATS),
    "number/rounded": (Number(0, 1000, decimals=2), FLOATS),
    "number/decimal": (Number(0, 1000), MONEY),
    "number/number": (Number(0, 1000), NUMBERS),
    "number/int8": (Number(-128, 127), SMALL),
    "number/row": (Number(0, 100, consistent=False), SMALL),
    "first_name/de_DE": (FirstName(locale="de_DE"), TEXTS),
    "first_name/en_GB": (FirstName(locale="en_GB"), TEXTS),
    "first_name/es_ES": (FirstName(locale="es_ES"), TEXTS),
    "first_name/fr_FR": (FirstName(locale="fr_FR", gender="male"), TEXTS),
    "last_name/de_DE": (LastName(locale="de_DE"), TEXTS),
    "last_name/en_GB": (LastName(locale="en_GB"), TEXTS),
    "last_name/es_ES": (LastName(locale="es_ES"), TEXTS),
    "last_name/fr_FR": (LastName(locale="fr_FR"), TEXTS),
}


def masked(name: str) -> list[Any]:
    """Mask the sample, with an entity beside that changes from row to row, as plain JSON."""
    masker, values = CASES[name]
    people = pa.array(["p1", "p2", None, "p1", "p3"])
    return [plain(value) for value in mask_array(masker, values, Setting(beside={"person": people})).to_pylist()]


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


@pytest.fixture(scope="module")
def golden() -> dict[str, list[Any]]:
    """Read the vectors. DMENGINE_UPDATE_GOLDEN=1 writes them anew first: a breaking change for all masked data."""
    if os.environ.get("DMENGINE_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps({name: masked(name) for name in CASES}, indent=1) + "\n")
    vectors: dict[str, list[Any]] = json.loads(GOLDEN.read_text())
    return vectors


@pytest.mark.parametrize("name", sorted(CASES))
def test_mask_gives_what_it_always_gave(name: str, golden: dict[str, list[Any]]) -> None:
    """A masked value never changes between versions."""
    assert masked(name) == golden[name]


def test_no_vector_is_forgotten(golden: dict[str, list[Any]]) -> None:
    """The file holds the cases that are tested, and no other."""
    assert set(golden) == set(CASES)
