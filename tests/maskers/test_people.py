"""Names, user names, addresses and personas: what goes together, what differs, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.errors import PlanError
from dmengine.spi import Limits, Masker
from dmengine.testing.context import TEST_KEY, mask_array, mask_values
from dmengine_maskers import Address, Email, FirstName, FullName, Persona, Username
from dmengine_maskers.capacity import expected_merged
from dmengine_maskers.corpora import columns, load
from dmengine_maskers.locales import MANNERS

phonenumbers = pytest.importorskip("phonenumbers")

MANY = pa.array(range(20_000)).cast(pa.string())
TEXT = pa.field("f", pa.string())


def parts(
    subjects: list[Any], *names: str, field: str = "id", domain: str = "test", **options: Any
) -> list[tuple[Any, ...]]:
    """Return parts of the persona of each subject, masked as separate columns."""
    filler = ["x"] * len(subjects)
    made = [
        mask_values(Persona(name, subject=field, **options), filler, beside={field: subjects}, domain=domain)  # type: ignore[arg-type]
        for name in names
    ]
    return list(zip(*made, strict=True))


@pytest.mark.parametrize("locale", sorted(MANNERS))
def test_parts_of_a_persona_go_together(locale: str) -> None:
    """Names, full name and gender agree, and so do city, state, postcode, street and address."""
    women, men = (set(load(f"first_name_{gender}", locale).to_pylist()) for gender in ("female", "male"))
    rows = {tuple(row) for row in zip(*(column.to_pylist() for column in columns("place", locale)), strict=True)}

    made = parts(list(range(300)), "first_name", "last_name", "full_name", "gender", locale=locale)
    places = parts(list(range(300)), "city", "state", "state_code", "postcode", "address", "street", locale=locale)

    assert all({first, last} <= set(full.split(" ")) or f"{first} {last}" == full for first, last, full, _ in made)
    assert all(first in (women if gender == "female" else men) for first, _, _, gender in made)
    assert {gender for *_, gender in made} == {"female", "male"}
    assert all(row[:4] in rows for row in places)
    assert all(row[0] in row[4] and row[5] in row[4] for row in places)


def test_address_and_user_name_of_a_persona_are_spelt_as_the_name() -> None:
    """The e-mail address begins with the user name, and that with the plain name."""
    made = parts(list(range(100)), "first_name", "last_name", "username", "email", locale="en_US")

    for first, last, username, email in made:
        assert email.partition("@")[0] == username
        assert username.startswith(f"{first}.{last}".lower().replace("'", "").replace(" ", ""))


def test_persona_is_the_same_in_every_domain_type_and_spelling_of_the_field() -> None:
    """The subject decides, not the domain of the rule, the type of its column, or how the field is spelt."""
    first = parts([1, 2], "email", field="customer_id", domain="one")

    assert parts(["1", "2"], "email", field="customerId", domain="two") == first
    assert parts([1, 2], "email", field="cust", group="customerid") == first
    assert parts([1, 2], "email", field="other") != first


def test_unique_personas_of_whole_numbers_never_share_an_address() -> None:
    """With unique, different numbers get different addresses, user names and phone numbers, whatever their count."""
    subjects = list(range(50_000))

    made = parts(subjects, "email", "username", "phone", unique=True)

    for column in zip(*made, strict=True):
        assert len(set(column)) == len(subjects)


@pytest.mark.parametrize("subject", [-1, 10**18, "a7", "007", "1.0", None])
def test_unique_persona_refuses_what_is_no_number_of_its_space(subject: object) -> None:
    """A subject that the permutation has no place for is reported, not merged."""
    mask = Persona("email", subject="id", unique=True)

    assert mask_values(mask, ["x"], beside={"id": [subject]}, on_mismatch="null") == [None]


def test_record_without_subject_is_reported() -> None:
    """No two records without a subject are taken for one person."""
    mask = Persona("city", subject="id")

    masked = mask_values(mask, ["x", "x"], beside={"id": [1, None]}, on_mismatch="null")

    assert masked[0] is not None
    assert masked[1] is None


@pytest.mark.parametrize("locale", sorted(MANNERS))
def test_phone_numbers_of_personas_are_valid(locale: str) -> None:
    """Every number that a persona has is one of the country's numbering plan."""
    country = MANNERS[locale].country[1]

    for (number,) in parts(list(range(1500)), "phone", locale=locale):
        read = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(read), number[:5]
        assert country in phonenumbers.region_code_for_number(read)


def test_birth_date_lies_in_the_range() -> None:
    """Both ends of the range are possible, and nothing else."""
    from datetime import date

    born = (date(2000, 2, 28), date(2000, 3, 1))
    mask = Persona("birth_date", subject="id", born=born)
    days = mask_array(mask, pa.array([0] * 200, pa.int32()).cast(pa.date32()), _beside(list(range(200)))).to_pylist()

    assert set(days) == {date(2000, 2, 28), date(2000, 2, 29), date(2000, 3, 1)}


def test_address_parts_with_one_subject_are_of_one_place() -> None:
    """City, state and postcode of one subject are one row, in any column and domain."""
    rows = {tuple(row) for row in zip(*(column.to_pylist() for column in columns("place", "de_DE")), strict=True)}
    subjects = {"id": list(range(200))}

    made = [
        mask_values(Address(part, "de_DE", subject="id"), ["x"] * 200, beside=subjects, domain=part)
        for part in ("city", "state", "state_code", "postcode")
    ]

    assert set(zip(*made, strict=True)) <= rows


def test_gender_is_read_from_the_field() -> None:
    """A field that says female or male keeps to that list, and anything else to both."""
    women, men = (set(load(f"first_name_{gender}", "en_US").to_pylist()) for gender in ("female", "male"))
    said = ["F", "weiblich", "m", "Male"] * 100
    values = [str(number) for number in range(400)]

    for mask in (FirstName(gender_field="sex"), FullName(gender_field="sex")):
        names = [name.split(" ")[0] for name in mask_values(mask, values, beside={"sex": said})]
        assert {name for name, sex in zip(names, said, strict=True) if sex[0] in "Fw"} <= women
        assert {name for name, sex in zip(names, said, strict=True) if sex[0] in "mM"} <= men


@pytest.mark.parametrize("mask", [Email(unique=True), Username(unique=True), FullName(unique=True)])
def test_unique_masks_merge_no_value_of_many(mask: Masker) -> None:
    """With unique, two hundred thousand different values get different results, as their capacity promises."""
    values = pa.array(range(200_000)).cast(pa.string())
    capacity: int = mask.capacity  # type: ignore[attr-defined]

    masked = mask_array(mask, values)

    assert expected_merged(len(values), capacity) < 0.001
    assert len(masked.unique()) == len(values)


def test_expected_merges_are_what_happens() -> None:
    """The figure in the plan is what a mask does: names by the hundred thousand merge as often as it says."""
    mask = FullName()
    values = pa.array(range(100_000)).cast(pa.string())

    merged = len(values) - len(mask_array(mask, values).unique())

    assert abs(merged - expected_merged(len(values), mask.capacity)) < 5 * np.sqrt(merged)


@pytest.mark.parametrize("locale", sorted(MANNERS))
def test_user_names_are_plain(locale: str) -> None:
    """A user name has small ASCII letters, its separator and digits only."""
    masked = mask_array(Username(locale=locale), MANY).to_pylist()  # type: ignore[arg-type]

    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz.0123456789") for name in masked)


@pytest.mark.parametrize(
    "mask",
    [
        Persona("nose", subject="id"),  # type: ignore[arg-type]
        Persona("email", subject=""),
        Persona("email", subject="id", locale="xx_XX"),  # type: ignore[arg-type]
        Persona("email", subject="id", mail_domain="a b"),
        Persona("gender", subject="id", genders=("x", "x")),
        Address("nose"),  # type: ignore[arg-type]
        Address(group="x"),
        FullName(gender="female", gender_field="sex"),
        FirstName(gender="female", gender_field="sex"),
        Username(digits=99),
    ],
)
def test_bad_parameters_are_refused(mask: Masker) -> None:
    """What cannot be is refused at plan time, with a hint."""
    with pytest.raises(PlanError) as refused:
        mask.plan(TEXT, Limits())

    assert refused.value.hint


def test_parts_of_one_subject_with_other_parameters_are_refused() -> None:
    """A persona of one subject in two locales would not go together, so a ruleset with both is refused."""
    from dmengine import Rule
    from dmengine.decisions import check_domains

    check_domains([Rule("a", Persona("email", subject="id")), Rule("b", Persona("city", subject="id"))])
    with pytest.raises(PlanError, match="persona:id"):
        check_domains([Rule("a", Persona("email", subject="id")), Rule("b", Persona("city", "id", locale="de_DE"))])


RULES = """
version: 1
rules:
  - field: {field}
    mask: {{type: persona, part: {part}, subject: {subject}, genders: [F, M], born: ["1950-01-01", "1990-12-31"]}}
  - field: {subject}
    mask: fpe
"""


def test_personas_join_tables_by_their_rulesets() -> None:
    """Tables that spell the subject in two ways get parts of the same people, also by rules written back."""
    names = dm.Ruleset.from_yaml(RULES.format(field="name", part="full_name", subject="customer_id"))
    mails = dm.Ruleset.from_yaml(RULES.format(field="mail", part="email", subject="customerId"))
    key = dm.Key(TEST_KEY)

    people = dm.mask_table(pa.table({"customer_id": [1234567, 7654321], "name": ["a", "b"]}), names, key)
    orders = pa.table({"customerId": ["7654321", "1234567"], "mail": ["e", "f"]})
    orders = dm.mask_table(orders, dm.Ruleset.from_yaml(mails.to_yaml()), key)

    plain = [name.lower().replace(" ", ".") for name in people["name"].to_pylist()]
    assert [mail.partition("@")[0].rstrip("0123456789") for mail in orders["mail"].to_pylist()] == plain[::-1]


def _beside(subjects: list[int]) -> Any:
    from dmengine.testing.context import Setting

    return Setting(beside={"id": subjects})
