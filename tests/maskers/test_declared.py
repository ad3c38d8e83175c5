"""What becomes of odd values, and how often a value stays as it was: as the docs declare it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dmengine.spi import Masker
from dmengine.testing.context import mask_array, mask_values
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
    Number,
    Redact,
)
from dmengine_maskers.corpora import load

MISMATCH = "reported"
OTHER = "another value"
ODD_TEXTS = ["", " ", "NA", "null", "NaN", "999-99-9999", "a\0b", "\u202eעברית", "e\u0301", "👩‍👩‍👧", "x" * 100_000]
TEXT_MASKS: list[tuple[Masker, dict[str, str]]] = [
    (Hash(), {}),
    (FirstName(), {}),
    (LastName(), {}),
    (Lookup("street"), {}),
    (Email(), {}),
    (Redact(), {}),
    (Fixed("x"), {}),
    (CharacterMask(), {"": ""}),
    (Fpe(), {text: MISMATCH for text in ODD_TEXTS if text not in ("", "999-99-9999")} | {"": ""}),
    (Email(mail_domain="keep"), dict.fromkeys(ODD_TEXTS, MISMATCH)),
]


@pytest.mark.parametrize(("mask", "declared"), TEXT_MASKS, ids=lambda value: getattr(value, "name", None))
def test_odd_text_becomes_what_is_declared(mask: Masker, declared: dict[str, str]) -> None:
    """Empty texts, spaces, sentinels and texts of any script are values like any other, but where a mask says so."""
    masked = mask_values(mask, ODD_TEXTS, on_mismatch="null")

    for before, after in zip(ODD_TEXTS, masked, strict=True):
        outcome = declared.get(before, OTHER)
        if outcome == OTHER:
            assert after is not None
            assert after != before
        else:
            assert after == (None if outcome == MISMATCH else outcome)


@pytest.mark.parametrize("mask", [Number(5, 9), Redact(), Fixed(3)])
def test_nan_and_infinity_are_hidden(mask: Masker) -> None:
    """NaN and infinities do not shine through a mask that needs no arithmetic."""
    masked = mask_values(mask, [math.nan, math.inf, -math.inf, 1e308, -0.0])

    assert all((math.isfinite(value) and value in (0, 3)) or 5 <= value <= 9 for value in masked)


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
)
@pytest.mark.parametrize("mask", [Redact(), Fixed(1), Number(1, 9), Bucket(width=100)])
def test_ends_of_integer_types_are_masked(kind: pa.DataType, mask: Masker) -> None:
    """The lowest and the highest integer of a type are values like any other."""
    ends = np.iinfo(kind.to_pandas_dtype())

    masked = mask_array(mask, pa.array([ends.min, ends.max], kind))

    assert masked.type == kind
    assert masked.null_count == 0


NAMES = [
    (FirstName(), load("first_name", "en_US")),
    (LastName(), load("last_name", "en_US")),
    (Lookup("city"), load("city", "en_US")),
    (Lookup("street"), load("street", "en_US")),
]


@pytest.mark.parametrize(("mask", "pool"), NAMES, ids=lambda value: getattr(value, "name", None))
def test_value_of_the_list_stays_as_it_was_as_rarely_as_declared(mask: Masker, pool: pa.Array) -> None:
    """An entry of the list itself is picked for itself with a chance of one in the length of the list."""
    same = sum(
        before == after
        for domain in range(20)
        for before, after in zip(pool.to_pylist(), mask_values(mask, pool, domain=f"domain {domain}"), strict=True)
    )

    assert abs(same - 20) < 5 * 20**0.5


@pytest.mark.parametrize(
    ("mask", "values"),
    [
        (Hash(), pa.array([f"{n:032x}" for n in range(20_000)])),
        (Email(), pa.array([f"ada.smith{n:08d}@example.com" for n in range(20_000)])),
        (Fpe(), pa.array([f"{n:012d}" for n in range(20_000)])),
        (Fpe(), pa.array(range(10**9, 10**9 + 20_000))),
        (DateShift(), pa.array(range(20_000), pa.int32()).cast(pa.date32())),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_no_value_stays_as_it_was(mask: Masker, values: pa.Array) -> None:
    """Where the masked values are many, none of twenty thousand is its own mask."""
    masked: list[Any] = mask_array(mask, values).to_pylist()

    assert not any(before == after for before, after in zip(values.to_pylist(), masked, strict=True))
