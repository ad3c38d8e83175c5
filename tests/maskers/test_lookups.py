"""FirstName, LastName, Lookup and Email."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import PlanError
from dmengine.spi import Limits, Masker
from dmengine.testing.context import mask_array, mask_values
from dmengine_maskers import Email, FirstName, LastName, Lookup
from dmengine_maskers.corpora import load

MANY = pa.array(range(50_000)).cast(pa.string())


@pytest.mark.parametrize(
    ("mask", "pool"),
    [
        (FirstName(), load("first_name", "en_US")),
        (FirstName(gender="female"), load("first_name_female", "en_US")),
        (FirstName(locale="de_DE", gender="male"), load("first_name_male", "de_DE")),
        (LastName(locale="fr_FR"), load("last_name", "fr_FR")),
        (Lookup("city"), load("city", "en_US")),
        (Lookup("street"), load("street", "en_US")),
    ],
)
def test_every_entry_is_picked_about_equally_often(mask: Masker, pool: pa.Array) -> None:
    """Masked values come from the list alone, and the key spreads values evenly over it."""
    picked = mask_array(mask, MANY).value_counts()
    counts = np.array([entry["counts"].as_py() for entry in picked])
    expected = len(MANY) / len(pool)

    assert {entry["values"].as_py() for entry in picked} <= set(pool.to_pylist())
    assert len(picked) > 0.95 * len(pool)
    assert np.sum((counts - expected) ** 2 / expected) < len(pool) + 5 * (2 * len(pool)) ** 0.5


def test_case_follows_the_value_where_asked() -> None:
    """Capitals stay capitals and small letters small; anything else gets the name as it is written."""
    upper, lower, mixed, none = mask_values(LastName(keep_case=True), ["MÜLLER", "müller", "McLean", "12"])

    assert upper.isupper()
    assert lower.islower()
    assert mixed.istitle()
    assert none.istitle()


def test_name_is_chosen_by_the_value_as_it_is() -> None:
    """Spelling counts: names that should join although written differently need `normalize` in their rule."""
    small, capital = mask_values(FirstName(), ["alice", "Alice"])

    assert small != capital


@pytest.mark.parametrize("mask", [FirstName(), LastName(locale="de_DE"), Lookup("city"), Email()])
def test_narrow_target_is_refused_with_the_option_that_helps(mask: Masker) -> None:
    """A target that cannot hold the longest entry is refused, and the refusal says what to set."""
    with pytest.raises(PlanError, match="max_bytes=9"):
        mask.plan(pa.field("f", pa.string()), Limits(max_bytes=9))


def test_longer_entries_are_left_out_where_asked() -> None:
    """With max_bytes no entry has more bytes, in any case."""
    mask = FirstName(locale="es_ES", max_bytes=5, keep_case=True)
    mask.plan(pa.field("f", pa.string()), Limits(max_bytes=5))

    masked = mask_values(mask, [text for n in range(500) for text in (f"A{n}", f"a{n}")])

    assert max(len(text.encode()) for text in masked) == 5


@pytest.mark.parametrize("mask", [FirstName(locale="xx_XX"), FirstName(max_bytes=1), Lookup("city", max_bytes=2)])  # type: ignore[arg-type]
def test_empty_choice_is_refused(mask: Masker) -> None:
    """A locale that has no list, or a limit that no entry meets, is refused at plan time."""
    with pytest.raises(PlanError, match=r"there is no list|no entry"):
        mask.plan(pa.field("f", pa.string()), Limits())


def test_safe_addresses_reach_nobody() -> None:
    """Every address by default lies in a domain that RFC 2606 reserves, and all of them are used."""
    masked = mask_array(Email(), MANY).to_pylist()

    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\d{8}@example\.(com|net|org)", address) for address in masked)
    assert {address.rpartition("@")[2] for address in masked} == {"example.com", "example.net", "example.org"}


def test_addresses_do_not_collide() -> None:
    """Two hundred thousand different values get different addresses."""
    masked = mask_array(Email(), pa.array(range(200_000)).cast(pa.string()))

    assert len(masked.unique()) == 200_000


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@b.com", "b.com"), ('"x@y"@Mail.Example', "Mail.Example"), ("a@dömäin.de", "dömäin.de"), ("@b", "b")],
)
def test_kept_domain_is_what_follows_the_last_at_sign(address: str, domain: str) -> None:
    """With domain="keep" only the part before the last @ is masked."""
    assert mask_values(Email(mail_domain="keep"), [address])[0].rpartition("@")[2] == domain


@pytest.mark.parametrize("address", ["nobody", "", "a@", f"a@{'x' * 300}.com"])
def test_value_without_a_domain_to_keep_is_a_mismatch(address: str) -> None:
    """Where there is no domain, or one that leaves no room, the value is reported."""
    assert mask_values(Email(mail_domain="keep"), [address, "a@b.com"], on_mismatch="null")[0] is None


@pytest.mark.parametrize("domain", ["safe", "mail.example"])
def test_addresses_shrink_to_a_narrow_target(domain: str) -> None:
    """With max_bytes shorter names are taken, and no address is longer."""
    mask = Email(mail_domain=domain, max_bytes=32)
    mask.plan(pa.field("f", pa.string()), Limits(max_bytes=32))

    assert max(len(address) for address in mask_array(mask, MANY).to_pylist()) <= 32


@pytest.mark.parametrize(
    "mask", [Email(mail_domain="x"), Email(mail_domain="a b.com"), Email(mail_domain=""), Email(max_bytes=20)]
)
def test_bad_domain_or_room_is_refused(mask: Email) -> None:
    """What cannot make an address is refused at plan time."""
    with pytest.raises(PlanError, match=r"domain|room"):
        mask.plan(pa.field("f", pa.string()), Limits())
