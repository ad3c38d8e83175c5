"""SetChecksum."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn, verhoeff

from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine.testing.context import mask_values
from dmengine_maskers import SetChecksum
from tests.maskers.samples_identifiers import EANS, IBANS, ISBNS, NATIONAL

KINDS: dict[str, list[str]] = {
    **{kind: texts for kind, texts in NATIONAL.items() if kind not in ("uk_nino", "us_ein", "us_ssn")},
    "iban": [text for text in IBANS if text],
    "isbn": [text for text in ISBNS if text],
    "ean": [text for text in EANS if text],
    "vin": ["1M8GDM9AXKP042788"],
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_right_check_digits_stay(kind: str) -> None:
    """A valid identifier is left as it is."""
    assert mask_values(SetChecksum(kind), KINDS[kind]) == KINDS[kind]  # type: ignore[arg-type]


@given(st.from_regex(r"[0-9]{1,30}", fullmatch=True), st.sampled_from("0123456789"))
def test_luhn_and_verhoeff_are_as_everywhere(digits: str, wrong: str) -> None:
    """Only the last digit changes, to the one that python-stdnum reckons."""
    assert mask_values(SetChecksum("luhn"), [digits + wrong]) == [digits + str(luhn.calc_check_digit(digits))]
    assert mask_values(SetChecksum("verhoeff"), [digits + wrong]) == [digits + str(verhoeff.calc_check_digit(digits))]


def test_wrong_check_digits_are_made_right() -> None:
    """Check digits are written anew wherever they stand in the number."""
    assert mask_values(SetChecksum("iban"), ["DE00 3704 0044 0532 0130 00"]) == ["DE89 3704 0044 0532 0130 00"]
    assert mask_values(SetChecksum("br_cpf"), ["390.533.447-00"]) == ["390.533.447-05"]
    assert mask_values(SetChecksum("au_abn"), ["00 914 571 673"]) == ["83 914 571 673"]
    assert mask_values(SetChecksum("luhn"), [79927398710]) == [79927398713]


def test_numbers_without_a_check_digit_are_mismatches() -> None:
    """Some numbers have no valid check digit (the NHS never issues them): they are reported, as other shapes are."""
    texts = ["0000000060", "0000000010", "12", "x"]

    masked = mask_values(SetChecksum("uk_nhs"), texts, on_mismatch="null")

    assert masked == [None, "0000000019", None, None]


def test_unknown_kind_is_refused() -> None:
    """A kind that has no check digit, or is unknown, is refused at plan time."""
    with pytest.raises(PlanError, match="kind"):
        SetChecksum("us_ssn").plan(pa.field("id", pa.string()), Limits())  # type: ignore[arg-type]
