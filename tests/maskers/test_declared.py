"""What becomes of odd values, and how often a value stays as it was: as the docs declare it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import PlanError
from dmengine.spi import Limits, Masker, fields_read
from dmengine.testing.context import Setting, mask_array, mask_values
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
from tests.maskers.test_contract import SAMPLES, build

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


SHOWS: dict[str, str] = {
    "case": "changes letters only",
    "pad": "adds only",
    "json": "changes what is inside of documents only",
    "lorem": "keeps the empty text",
    "imitate": "changes letters and digits only",
    "scrub": "changes what it finds only",
    "regex_replace": "changes matches only, if told to",
    "set_checksum": "changes check digits only",
    "substring": "keeps the part that is asked for",
    "truncate": "keeps the beginning",
    "chain": "keeps what its masks keep",
    "concat": "keeps what its masks keep",
    "from_field": "keeps nothing of this value, and shows another",
    "template": "keeps nothing of this value, and shows others",
    "choice": "may pick the value itself, which its author gave",
    "fixed": "may be the value itself, which its author gave",
    "character_mask": "keeps the empty text, and what it is told to",
    "fpe": "keeps the empty text",
}
"""The masks that may leave an odd text as it is, and why; every other mask changes or reports it."""


def sampled() -> list[Any]:
    """Make each mask of the contract's samples once for each set of options; other fields are left to the contract."""
    masks = [(f"{name}-{number}", build(name, options)) for number, (name, options, _) in enumerate(SAMPLES)]
    return [pytest.param(mask, id=label) for label, mask in masks if not fields_read(mask)]


def takes(mask: Masker, kind: pa.DataType) -> bool:
    try:
        mask.plan(pa.field("value", kind), Limits())
    except PlanError:
        return False
    return True


@pytest.mark.parametrize("mask", sampled())
def test_no_mask_shows_an_odd_text_but_where_that_is_its_work(mask: Masker) -> None:
    """Every registered mask of text changes or reports each odd text, or stands in the list of those that may not."""
    if not takes(mask, pa.string()):
        return
    texts = [text[:1000] for text in ODD_TEXTS]

    masked = mask_values(mask, texts, on_mismatch="null")

    shown = [after for before, after in zip(texts, masked, strict=True) if before == after]
    assert not shown or mask.scope == "column" or mask.name in SHOWS


@pytest.mark.parametrize("mask", sampled())
def test_no_mask_breaks_on_the_ends_of_a_type(mask: Masker) -> None:
    """The lowest and the highest integer, NaN and infinities are masked or reported, and keep the planned type."""
    widths = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
    ends = [pa.array([np.iinfo(k.to_pandas_dtype()).min, np.iinfo(k.to_pandas_dtype()).max], k) for k in widths]
    odd = [pa.array([math.nan, math.inf, -math.inf, 1e308, -0.0])]
    reported = Setting(on_mismatch="null")

    for values in [values for values in (*ends, *odd) if takes(mask, values.type)]:
        masked = mask_array(mask, values, reported)

        assert len(masked) == len(values)
