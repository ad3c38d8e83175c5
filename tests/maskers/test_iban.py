"""Iban."""

from __future__ import annotations

import re

import numpy as np
import pytest
from stdnum import iban

from dmengine.testing.context import mask_values
from dmengine_maskers import Iban
from dmengine_maskers.bban_checks import CHECKS
from dmengine_maskers.iban import iban_scheme
from dmengine_maskers.iban_structures import STRUCTURES
from dmengine_maskers.symbols import SYMBOLS


def ibans(country: str, count: int) -> list[list[str]]:
    """Make up valid IBANs of a country, form by form."""
    length = 4 + sum(int(size) for size in re.findall("[0-9]+", STRUCTURES[country]))
    head = np.zeros((length, 1), np.uint8)
    head[0], head[1] = (SYMBOLS.index(letter) for letter in country)
    random = np.random.default_rng(5)
    made = []
    for _, forms in iban_scheme(False).forms(head):
        for form in forms:
            rows = [[SYMBOLS.index(symbol) for symbol in alphabet] for alphabet in form.alphabets]
            codes = np.array([random.choice(row, count) for row in rows], np.uint8)
            codes = codes[:, form.complete(codes)]
            made.append(list(dict.fromkeys("".join(SYMBOLS[code] for code in column) for column in codes.T.tolist())))
    return made


@pytest.mark.parametrize("keep_bank", [False, True])
@pytest.mark.parametrize("country", sorted(STRUCTURES))
def test_ibans_stay_valid_different_and_of_their_country(country: str, keep_bank: bool) -> None:
    """In every country of the registry an IBAN becomes another valid one of the same structure, and none are merged."""
    originals = [text for texts in ibans(country, 40) for text in texts]

    masked = mask_values(Iban(keep_bank=keep_bank), originals)

    assert all(iban.is_valid(text, check_country=False) for text in [*originals, *masked])
    assert len(set(masked)) == len(originals)
    assert all(text[:2] == country for text in masked)


@pytest.mark.parametrize("country", ["ES", "ME", "NO"])  # the national checks that python-stdnum knows
def test_national_check_digits_hold_where_they_held(country: str) -> None:
    """Account numbers with right national check digits keep right ones, and others have wrong ones still."""
    right, wrong = ibans(country, 40)

    masked_right, masked_wrong = mask_values(Iban(), right), mask_values(Iban(), wrong)

    assert all(map(iban.is_valid, [*right, *masked_right]))
    assert not any(map(iban.is_valid, [*wrong, *masked_wrong]))


@pytest.mark.parametrize(
    "text",
    [
        "BE68539007547034", "ES9121000418450200051332", "FI2112345600000785", "FR1420041010050500013M02606",
        "IT60X0542811101000000123456", "MC5811222000010123456789030", "NO9386011117947", "PT50000201231234567890154",
        "SI56263300012039086", "SM86U0322509800000000270100", "BA391290079401028494", "RS35260005601001611379",
        "ME25505000012345678951",
    ],
)  # fmt: skip
def test_national_checks_agree_with_the_registry(text: str) -> None:
    """The examples of the IBAN registry have the national check digits that we reckon."""
    codes = np.array([[SYMBOLS.index(symbol)] for symbol in text], np.uint8)
    right = codes.copy()

    possible = [check(right) for check in CHECKS[text[:2]].checks]

    assert all(flags is None or flags.all() for flags in possible)
    assert (right == codes).all()


def test_bank_stays_where_it_is_asked_for() -> None:
    """With keep_bank the bank's code is the same, and the account is another."""
    before = ["DE89370400440532013000", "GB29NWBK60161331926819", "IT60X0542811101000000123456"]

    german, british, italian = mask_values(Iban(keep_bank=True), before)

    assert german[4:12] == "37040044"
    assert british[4:8] == "NWBK"
    assert italian[5:10] == "05428"
    assert [german, british, italian] != before


def test_accounts_of_digits_stay_digits() -> None:
    """Where letters are allowed but not used, none come in; where some are used, some stay."""
    digits, letters = mask_values(Iban(), ["FR7630006000011234567890189", "FR1420041010050500013M02606"])

    assert re.fullmatch("FR[0-9]{25}", digits)
    assert re.search("[A-Z]", letters[2:])


def test_countries_in_one_column_do_not_disturb_each_other() -> None:
    """An IBAN is masked alike alone and among others, whatever the spaces and the case of its neighbours."""
    column = ["DE89 3704 0044 0532 0130 00", "gb29nwbk60161331926819", "NO9386011117947", "be68539007547034"]

    assert mask_values(Iban(), column) == [mask_values(Iban(), [text])[0] for text in column]


@pytest.mark.parametrize(
    "text", ["DE88370400440532013000", "DE8937040044053201300", "ZZ89370400440532013000", "D", "", "DE89 3704ü"]
)
def test_what_is_no_iban_is_a_mismatch(text: str) -> None:
    """Wrong check digits, a wrong length, an unknown country and foreign characters are reported."""
    assert mask_values(Iban(), [text], on_mismatch="null") == [None]
