"""CreditCard and PanTruncate."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from dmengine.contexts import Context
from dmengine.errors import PlanError
from dmengine.ff1 import FF1
from dmengine.keyring import Key
from dmengine.spi import Limits
from dmengine.testing.context import TEST_KEY, mask_array, mask_values
from dmengine_maskers import CreditCard, PanTruncate

NETWORKS = {
    "4": 1, "34": 2, "37": 2, "36": 2, "51": 2, "55": 2, "62": 2, "65": 2, "300": 3, "305": 3, "644": 3, "649": 3,
    "2221": 4, "2720": 4, "3528": 4, "3589": 4, "6011": 4,
}  # fmt: skip


def card(start: str, length: int = 16, fill: str = "0") -> str:
    """Make up a card number that passes the Luhn check."""
    digits = start + fill * (length - 1 - len(start))
    return digits + str(luhn.calc_check_digit(digits))


def cards() -> st.SearchStrategy[str]:
    digits = st.from_regex(r"[1-9][0-9]{10,17}", fullmatch=True)
    return digits.map(lambda text: text + str(luhn.calc_check_digit(text)))


@given(st.lists(cards(), min_size=1, unique=True), st.sampled_from(["automatic", 0, 1, 4, 6]))
def test_cards_stay_valid_different_and_as_long(numbers: list[str], keep: int | Literal["automatic"]) -> None:
    """A card becomes another that passes the Luhn check, with as many digits and the kept prefix; none are merged."""
    masked = mask_values(CreditCard(keep_prefix=keep), numbers)

    assert all(map(luhn.is_valid, masked))
    assert list(map(len, masked)) == list(map(len, numbers))
    assert len(set(masked)) == len(numbers)
    kept = 1 if keep == "automatic" else keep
    assert [text[:kept] for text in masked] == [text[:kept] for text in numbers]


@pytest.mark.parametrize("prefix", sorted(NETWORKS))
def test_automatic_keeps_the_network(prefix: str) -> None:
    """As many digits stay as tell the network, and not one more."""
    numbers = [card(prefix, fill=digit) for digit in "0123456789"]

    masked = mask_values(CreditCard(), numbers)

    assert all(text.startswith(prefix) for text in masked)
    assert len({text[len(prefix) :][:4] for text in masked}) > 5


def test_both_ends_may_stay() -> None:
    """With the first six and last four kept, one of the other digits makes the check hold; all differ still."""
    numbers = sorted({card(f"411111{number:05d}") for number in range(2000)})
    numbers = [text for text in numbers if luhn.is_valid(text)]

    masked = mask_values(CreditCard(keep_prefix=6, keep_last=4), numbers)

    assert all(map(luhn.is_valid, masked))
    assert [(text[:6], text[-4:]) for text in masked] == [(text[:6], text[-4:]) for text in numbers]
    assert len(set(masked)) == len(numbers)


def test_small_domain_is_a_permutation() -> None:
    """Over all cards that share their kept digits, the mask is a permutation."""
    numbers = [card(f"4111111111{number:03d}", 14) for number in range(1000)]
    mask = CreditCard(keep_prefix=10, allow_small_domain=True)

    assert sorted(mask_values(mask, numbers)) == sorted(numbers)


def test_free_digits_are_permuted_by_ff1() -> None:
    """The mask is FF1 of SP 800-38G over the free digits as an integer, with the key of the domain."""
    key = Context(Key.from_bytes(TEST_KEY), "test").key("credit_card", 32)
    free = FF1(key, 10, b"card").encrypt_integers(np.array([111111111]), 10**9)[0]

    [masked] = mask_values(CreditCard(keep_prefix=6), ["4111111111111111"])

    assert masked[6:15] == f"{free:09d}"


def test_integers_are_masked_as_text_is() -> None:
    """A card number in an integer column gets the mask of the text."""
    numbers = ["4111111111111111", "378282246310005"]

    masked = mask_array(CreditCard(), pa.array(list(map(int, numbers))))

    assert list(map(str, masked.to_pylist())) == mask_values(CreditCard(), numbers)


@pytest.mark.parametrize("text", ["4111111111111112", "41111111116", "4111-1111-1111-111x", "", "0" * 16, "٤111"])
def test_what_is_no_card_is_a_mismatch(text: str) -> None:
    """A failing Luhn check, too few digits, foreign characters, a leading zero without a prefix: reported."""
    assert mask_values(CreditCard(keep_prefix=0), [text], on_mismatch="null") == [None]


@pytest.mark.parametrize("options", [(8, 4), (12, 0), (10, 2), (13, 0), (6, 5), (-1, 0)])
def test_keeping_nearly_everything_is_refused(options: tuple[int, int]) -> None:
    """Where fewer than ten thousand numbers of 16 digits share the kept ones, the plan says so and refuses."""
    with pytest.raises(PlanError):
        CreditCard(*options).plan(pa.field("card", pa.string()), Limits())


def test_small_domains_are_taken_when_asked() -> None:
    """What is refused by default is masked with allow_small_domain, and the mask tells the size of its domain."""
    mask = CreditCard(8, 4, allow_small_domain=True)

    assert mask.plan(pa.field("card", pa.string()), Limits())
    assert mask.domain_size == 1000
    assert CreditCard(6, 4).domain_size == 100_000


def test_a_short_card_with_little_left_is_a_mismatch() -> None:
    """A card of 13 digits has too few digits between six and four kept ones."""
    assert mask_values(CreditCard(6, 4), [card("411111", 13)], on_mismatch="null") == [None]


@pytest.mark.parametrize(
    ("mask", "text", "truncated"),
    [
        (PanTruncate(), "4111111111111234", "411111******1234"),
        (PanTruncate(), "4111-1111-1111-1234", "4111-11**-****-1234"),
        (PanTruncate(8), "4111111111111234", "41111111****1234"),
        (PanTruncate(8), "378282246310005", "378282*****0005"),
        (PanTruncate(8), "6304000000000000000", "63040000*******0000"),
        (PanTruncate(8), "36000000000008", "360000****0008"),
        (PanTruncate(), "630400000000", "630400**0000"),
        (PanTruncate(0, 4, "X"), "4111111111111234", "XXXXXXXXXXXX1234"),
        (PanTruncate(6, 0), "4111111111111234", "411111**********"),
        (PanTruncate(), "41111111111", None),
        (PanTruncate(), "41111111111111111111", None),
        (PanTruncate(), "4111111111111234x", None),
        (PanTruncate(), "ü4111111111111234", None),
        (PanTruncate(), "", None),
    ],
)
def test_truncation_keeps_no_more_than_pci_allows(mask: PanTruncate, text: str, truncated: str | None) -> None:
    """Of 16 digits and more eight and four stay at most, of fewer six and four; other values are reported."""
    assert mask_values(mask, [text, "4111111111111234"], on_mismatch="null")[0] == truncated


@given(st.lists(cards(), min_size=1), st.integers(0, 8), st.integers(0, 4))
def test_at_least_as_many_digits_are_removed_as_pci_asks(numbers: list[str], first: int, last: int) -> None:
    """Four digits go of 16, five of 15, and what was not kept is nowhere to be seen."""
    masked = mask_values(PanTruncate(first, last), numbers)

    for before, after in zip(numbers, masked, strict=True):
        removed = after.count("*")
        assert len(after) == len(before)
        assert removed >= max(len(before) - (12 if len(before) >= 16 else 10), 2)
        assert re.fullmatch(r"[0-9]*\*+[0-9]*", after)


@pytest.mark.parametrize("mask", [PanTruncate(9), PanTruncate(6, 5), PanTruncate(6, 4, "1"), PanTruncate(6, 4, "ab")])
def test_more_than_pci_allows_is_refused(mask: PanTruncate) -> None:
    """More kept digits than the standard allows, or crossing out with a digit, are refused at plan time."""
    with pytest.raises(PlanError):
        mask.plan(pa.field("card", pa.string()), Limits())
