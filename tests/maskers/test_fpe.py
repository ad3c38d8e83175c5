"""Fpe."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.arrow import NUMBER
from dmengine.contexts import Context
from dmengine.errors import PlanError
from dmengine.ff1 import FF1
from dmengine.keyring import Key
from dmengine.spi import Limits
from dmengine.testing.context import TEST_KEY, mask_array, mask_values, unmask_array, unmask_values
from dmengine_maskers import Fpe
from dmengine_maskers.fpe import ALPHABETS

SMALL = Fpe(allow_small_domain=True)


def test_digits_are_encrypted_by_ff1_with_the_domain_key() -> None:
    """The mask is FF1 of SP 800-38G over the digits, with the domain's key and no tweak."""
    cipher = FF1(Context(Key.from_bytes(TEST_KEY), "test").key("fpe", 32), 10)
    digits = cipher.encrypt_digits(np.array([[4, 1, 1, 1, 1, 1, 1, 2]], np.uint8))

    assert mask_values(Fpe(), ["4111-1112"]) == ["{}{}{}{}-{}{}{}{}".format(*digits[0].tolist())]


@given(st.lists(st.from_regex(r"[0-9 ./-]{0,6}[0-9]{6,20}", fullmatch=True), min_size=1))
def test_form_stays_and_comes_back(texts: list[str]) -> None:
    """Digits become digits, everything else stays in place, and the key gives the original back."""
    masked = mask_values(Fpe(), texts)

    assert [re.sub(r"\d", "0", text) for text in masked] == [re.sub(r"\d", "0", text) for text in texts]
    assert unmask_values(Fpe(), masked) == texts


@given(st.lists(st.integers(10**6, 10**18 - 1) | st.integers(-(10**18) + 1, -(10**6)), min_size=1))
def test_integers_keep_sign_and_digits_and_come_back(numbers: list[int]) -> None:
    """An integer becomes one with the same sign and as many digits, in the type of the column."""
    values = pa.array(numbers, pa.int64())
    masked = mask_array(Fpe(), values)

    assert masked.type == pa.int64()
    assert [len(str(n)) for n in masked.to_pylist()] == [len(str(n)) for n in numbers]
    assert unmask_array(Fpe(), masked).to_pylist() == numbers


def test_integers_are_masked_alike_in_every_type() -> None:
    """The same number gets the same mask in every integer type and as a number of documents: joins still work."""
    number = 12345678
    kinds = (pa.int32(), pa.uint32(), pa.int64(), pa.uint64())

    masked = {mask_array(Fpe(), pa.array([number], kind))[0].as_py() for kind in kinds}
    document = mask_array(Fpe(), pa.ExtensionArray.from_storage(NUMBER, pa.array([str(number)])))

    assert masked == {int(document.to_pylist()[0])}


def test_all_numbers_of_two_digits_are_permuted() -> None:
    """Every count of digits is a permutation of its own."""
    masked = mask_values(SMALL, list(range(100)))

    assert sorted(masked[:10]) == list(range(10))
    assert sorted(masked[10:]) == list(range(10, 100))


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 999_999), (-(2**63), 2**63 - 1), (-5, 2_000_000)])
def test_range_is_kept(minimum: int, maximum: int) -> None:
    """Integers stay within the range given, whatever its ends, and come back."""
    mask = Fpe(minimum=minimum, maximum=maximum)
    numbers = [minimum, maximum, 0, 77]

    masked = mask_values(mask, numbers)

    assert all(minimum <= number <= maximum for number in masked)
    assert unmask_values(mask, masked) == numbers


def test_whole_range_of_unsigned_integers_is_permuted() -> None:
    """A range above what a signed integer holds works too."""
    mask, values = Fpe(minimum=2**63, maximum=2**64 - 1), pa.array([2**63, 2**64 - 1], pa.uint64())

    assert unmask_array(mask, mask_array(mask, values)).to_pylist() == [2**63, 2**64 - 1]


@pytest.mark.parametrize(
    ("mask", "values"),
    [
        (Fpe(), ["12345", "123456"]),
        (Fpe(), ["123456a", "123456"]),
        (Fpe(), ["１２３４５６７", "1234567"]),
        (Fpe(chars_to_ignore=""), ["123-4567", "1234567"]),
        (Fpe(alphabet="upper"), ["Abcdefg", "ABCDEFG"]),
        (Fpe(), [999_999, 1_000_000]),
        (Fpe(), [-(2**63), 1_000_000]),
        (Fpe(), [10**18, 10**18 - 1]),
        (Fpe(minimum=0, maximum=10**6), [-1, 0]),
        (SMALL, ["7", "77"]),
    ],
)
def test_value_that_cannot_be_hidden_is_a_mismatch(mask: Fpe, values: list[object]) -> None:
    """A value with too few forms, or with a character of neither alphabet nor punctuation, is reported, not masked."""
    masked = mask_values(mask, values, on_mismatch="null")

    assert masked[0] is None
    assert masked[1] is not None


def test_numbers_of_documents_that_are_no_integers_are_mismatches() -> None:
    """Fractions, exponents and integers of more than 18 digits are not encrypted as if they were identifiers."""
    texts = ["1234567", "1234567.0", "1e9", "-0", "1234567890123456789"]
    values = pa.ExtensionArray.from_storage(NUMBER, pa.array(texts))

    masked = mask_values(SMALL, values, on_mismatch="null")

    assert [text is None for text in masked] == [False, True, True, True, True]


def test_empty_text_stays_empty() -> None:
    """There is nothing to hide in an empty text, and no other text of its length."""
    assert mask_values(Fpe(), ["", "123456"])[0] == ""


def test_fully_kept_text_is_a_mismatch() -> None:
    """A text of nothing but punctuation has one form only, so it is reported."""
    assert mask_values(Fpe(), ["--", "123456"], on_mismatch="null")[0] is None


@pytest.mark.parametrize("name", sorted(ALPHABETS))
def test_named_alphabets_stay_within_themselves(name: str) -> None:
    """Each named alphabet maps its own characters to its own."""
    text = (ALPHABETS[name] * 4)[:40]

    masked = mask_values(Fpe(alphabet=name), [text])[0]

    assert set(masked) <= set(ALPHABETS[name])
    assert masked != text


@pytest.mark.parametrize(
    ("mask", "kind", "problem"),
    [
        (Fpe(alphabet="a"), pa.string(), "alphabet"),
        (Fpe(alphabet="aa"), pa.string(), "alphabet"),
        (Fpe(minimum=0, maximum=10**7), pa.string(), "left out for text"),
        (Fpe(), pa.int16(), "fewer than"),
        (Fpe(), pa.float64(), "text and integers"),
        (Fpe(), pa.decimal128(9, 0), "text and integers"),
        (Fpe(minimum=0), pa.int64(), "both"),
        (Fpe(minimum=5, maximum=4), pa.int64(), "both"),
        (Fpe(minimum=0, maximum=2**40), pa.int32(), "fit in int32"),
        (Fpe(minimum=0, maximum=99), pa.int32(), "fewer than"),
    ],
)
def test_unfit_column_or_option_is_refused(mask: Fpe, kind: pa.DataType, problem: str) -> None:
    """What cannot work is refused when the run is planned."""
    with pytest.raises(PlanError, match=problem):
        mask.plan(pa.field("f", kind), Limits())


def test_alphabet_of_mixed_widths_is_refused_where_bytes_are_limited() -> None:
    """A masked text can have more bytes than the original where letters differ in bytes, so a byte limit refuses it."""
    mask = Fpe(alphabet="abcäöü")
    mask.plan(pa.field("f", pa.string()), Limits())

    with pytest.raises(PlanError, match="one width"):
        mask.plan(pa.field("f", pa.string()), Limits(max_bytes=40))
