"""Rulesets as values: what they mean, what they refuse, and that their fingerprint is theirs alone."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dmengine.conditions import Compare, field
from dmengine.errors import PlanError, RulesetError
from dmengine.functions import masker
from dmengine.paths import FieldPath
from dmengine.rulecheck import includes
from dmengine.rules import Dataset, Drop, Keep, Rule, Ruleset, default_domain, drop, keep
from dmengine_maskers.character_mask import CharacterMask
from dmengine_maskers.email import Email
from dmengine_maskers.names import FirstName
from dmengine_maskers.redact import Redact

KEY = keep("id", because="surrogate key")


@masker
def shout(value: str) -> str:
    return value.upper()


def example() -> Ruleset:
    """The ruleset of the front page."""
    return Ruleset(
        [
            Rule(["email", "contacts[*].email"], Email(), domain="person.email"),
            Rule("name", FirstName(), when=field("country").isin(["DE"]), otherwise=keep(because="public register")),
            keep("id", because="surrogate key"),
            drop("fax"),
        ],
        unlisted="fail",
        datasets=[Dataset("customers/**", [Rule("notes", Redact(), on_mismatch="null")])],
    )


def test_a_ruleset_is_a_value() -> None:
    """Rulesets made alike are equal, hash alike, pickle, and can be changed into new ones."""
    rules = example()

    rules.validate()
    assert rules == example()
    assert hash(rules) == hash(example())
    assert pickle.loads(pickle.dumps(rules)) == rules
    assert replace(rules, unlisted="drop") != rules
    assert replace(rules.rules[0], domain=None).fields == rules.rules[0].fields


def test_arguments_may_be_written_the_short_way() -> None:
    """One field or several, text or paths, one normalisation or several: the rule is the same."""
    assert Rule("a", Email()) == Rule(["a"], Email()) == Rule(FieldPath.of("a"), Email())
    assert Rule("a", Email(), normalize="trim").normalize == ("trim",)  # type: ignore[arg-type]
    assert keep("a", "b", because="x") == Rule(["a", "b"], Keep("x"))
    assert drop("a", "b") == Rule(["a", "b"], Drop())
    assert keep(because="x") == Keep("x")


def test_a_dataset_s_own_rules_go_first() -> None:
    """The rules of the one dataset that matches come before the general ones."""
    rules = example()

    own, *general = rules.for_dataset("customers/2024/07.parquet")

    assert own is rules.datasets[0].rules[0]
    assert tuple(general) == rules.rules


def test_without_datasets_the_general_rules_are_for_all() -> None:
    """A ruleset that lists no datasets fits any name."""
    assert Ruleset([KEY]).for_dataset("anything at all") == (KEY,)


MATCHES: list[tuple[str, str, bool]] = [
    ("customers/**", "customers/2024/a.csv", True),
    ("customers/**", "customers.csv", False),
    ("customers/*", "customers/a.csv", True),
    ("customers/*", "customers/2024/a.csv", False),
    ("**/a.csv", "a.csv", True),
    ("crm.customers", "crm.customers", True),
    ("crm.customers", "crmXcustomers", False),
    ("a[1].csv", "a[1].csv", True),
    ("a(b|c).csv", "ab.csv", False),
]


@pytest.mark.parametrize(("match", "name", "fits"), MATCHES)
def test_dataset_globs_know_folders(match: str, name: str, fits: bool) -> None:
    """`*` stays in its folder, `**` does not; dots and brackets are plain."""
    assert Dataset(match, []).matches(name) is fits


def test_a_name_that_no_dataset_or_several_match_is_refused() -> None:
    """Each object matches exactly one dataset; the error names the object and the globs."""
    rules = Ruleset([KEY], datasets=[Dataset("a/**", []), Dataset("**/x.csv", [])])

    assert rules.for_dataset("a/y.csv") == (KEY,)
    with pytest.raises(PlanError, match=r"a/x\.csv matches several datasets of the ruleset: 'a/\*\*', '\*\*/x\.csv'"):
        rules.for_dataset("a/x.csv")
    with pytest.raises(PlanError, match=r"no dataset of the ruleset matches b/y\.csv"):
        rules.for_dataset("b/y.csv")


ON_A = field("a") == 1
BAD: list[tuple[str, Callable[[], Ruleset]]] = [
    ("when without otherwise", lambda: Ruleset([Rule("x", Email(), when=ON_A)])),
    ("otherwise without when", lambda: Ruleset([Rule("x", Email(), otherwise=Redact())])),
    ("cannot be dropped from some", lambda: Ruleset([Rule("x", Email(), when=ON_A, otherwise=Drop())])),
    ("keep takes no condition", lambda: Ruleset([Rule("x", Keep("y"), when=ON_A, otherwise=Email())])),
    ("drop takes no condition", lambda: Ruleset([Rule("x", Drop(), when=ON_A, otherwise=Email())])),
    ("keep has no reason", lambda: Ruleset([keep("x", because=" ")])),
    ("keep has no reason", lambda: Ruleset([Rule("x", Email(), when=ON_A, otherwise=keep(because=""))])),
    ("keep has no reason", lambda: Ruleset([KEY], unlisted=Keep(""))),
    ("would keep fields that nobody", lambda: Ruleset([keep("*", because="x")])),
    ("would keep fields that nobody", lambda: Ruleset([keep("**", because="x")])),
    ("would keep fields that nobody", lambda: Ruleset([keep("a.*", because="x")])),
    ("would keep fields that nobody", lambda: Ruleset([keep("a[*].??", because="x")])),
    ("would keep fields", lambda: Ruleset([Rule("*", Email(), when=ON_A, otherwise=Keep("x"))])),
    ("never comes to this rule", lambda: Ruleset([Rule("x", Email()), Rule("x", Redact())])),
    ("never comes to this rule", lambda: Ruleset([Rule("x*", Email()), Rule("xy", Redact())])),
    ("never comes to this rule", lambda: Ruleset([drop("x"), Rule("x.y", Redact())])),
    ("never comes to this rule", lambda: Ruleset([Rule("x", Redact()), Rule("x[*].y", Email())])),
    ("b never comes", lambda: Ruleset([Rule("b", Email()), Rule(["a", "b"], Redact())])),
    ("x is named twice", lambda: Ruleset([Rule(["x", "x"], Email())])),
    ("format without as", lambda: Ruleset([Rule("x", Email(), format="%Y")])),
    ("format without as", lambda: Ruleset([Rule("x", Email(), as_="number", format="%Y")])),
    ("no %-directive", lambda: Ruleset([Rule("x", Email(), as_="date", format="YYYY")])),
    ("normalize says how to mask", lambda: Ruleset([Rule("x", Keep("y"), normalize=["trim"])])),
    ("domain says how to mask", lambda: Ruleset([Rule("x", Drop(), domain="d")])),
    ("as says how to mask", lambda: Ruleset([Rule("x", Keep("y"), as_="date")])),
    ("on_mismatch says how to mask", lambda: Ruleset([Rule("x", Keep("y"), on_mismatch="null")])),
    ("domain is empty", lambda: Ruleset([Rule("x", Email(), domain="")])),
    ("names no field", lambda: Ruleset([Rule([], Email())])),
    ("Email is a class", lambda: Ruleset([Rule("x", Email)])),  # type: ignore[arg-type]
    ("a function is not a mask", lambda: Ruleset([Rule("x", lambda v: v)])),  # type: ignore[arg-type]
    ("a Keep stands where", lambda: Ruleset([keep(because="x")])),  # type: ignore[list-item]
    ("as is not known", lambda: Ruleset([Rule("x", Email(), as_="day")])),  # type: ignore[arg-type]
    ("normalize is not known", lambda: Ruleset([Rule("x", Email(), normalize=["up"])])),  # type: ignore[list-item]
    ("on_mismatch is not known", lambda: Ruleset([Rule("x", Email(), on_mismatch="keep")])),  # type: ignore[arg-type]
    ("unlisted is not known", lambda: Ruleset([KEY], unlisted="keep")),  # type: ignore[arg-type]
    ("version 1", lambda: Ruleset([KEY], version=2)),
    ("has the same match", lambda: Ruleset(datasets=[Dataset("a", [KEY]), Dataset("a", [])])),
    ("has no name", lambda: Ruleset(datasets=[Dataset("", [])])),
    ("is not a condition", lambda: Ruleset([Rule("x", Email(), when=True, otherwise=Redact())])),  # type: ignore[arg-type]
    (
        "regular expression for a is not one",
        lambda: Ruleset([Rule("x", Email(), when=Compare("a", "matches", "("), otherwise=Redact())]),
    ),
    (
        "is not a field path",
        lambda: Ruleset([Rule("x", Email(), when=Compare("a..b", "eq", 1), otherwise=Redact())]),
    ),
]


@pytest.mark.parametrize(("said", "make"), BAD)
def test_what_a_ruleset_cannot_mean_is_refused(said: str, make: Callable[[], Ruleset]) -> None:
    """Each mistake is named before any data is touched, and the same mistake stops for_dataset too."""
    rules = make()

    with pytest.raises(RulesetError, match=said):
        rules.validate()
    with pytest.raises(RulesetError, match=said):
        rules.for_dataset("a")


def test_all_mistakes_are_told_at_once() -> None:
    """One error lists every problem with the rule it is in."""
    rules = Ruleset(
        [keep("x", because=""), Rule("y", Email(), when=ON_A)],
        datasets=[Dataset("a", [Rule("z", Email(), format="%Y")])],
    )

    with pytest.raises(RulesetError) as caught:
        rules.validate()

    text = str(caught.value)
    assert text.startswith("3 problems in the ruleset:")
    for place in ("rules[0] (x): keep has no reason", "rules[1] (y): when without", "datasets[0].rules[0].format: "):
        assert place in text


GOOD: list[Callable[[], Ruleset]] = [
    example,
    Ruleset,
    lambda: Ruleset([Rule("x", Email()), Rule("x*", Redact()), Rule("*", shout)]),
    lambda: Ruleset([keep("addr_*", because="no names in it"), Rule("a.x", Email()), Rule("a", Redact())]),
    lambda: Ruleset([Rule("x", Email())], datasets=[Dataset("a", [Rule("x", Redact())])]),
    lambda: Ruleset([Rule("x", Email()), Rule("x.y", Redact())]),
    lambda: Ruleset([Rule('"a.*"', Email()), keep('"*"', because="a column called star")]),
    lambda: Ruleset([Rule("x", Email(), as_="timestamp", format="%d.%m.%Y %H:%M"), keep("a{*}", because="b")]),
]


@pytest.mark.parametrize("make", GOOD)
def test_narrow_rules_before_broad_ones_are_fine(make: Callable[[], Ruleset]) -> None:
    """What can come to a rule is no mistake: narrow before broad, own before general, containers after members."""
    make().validate()


@pytest.mark.parametrize(
    ("wide", "path", "subtree", "answer"),
    [
        ("a*", "ab*", False, True),
        ("a*", "a?", False, True),
        ("a?", "a*", False, False),
        ("a?", "a?", False, True),
        ("?b", "ab", False, True),
        ("*", "a*b?", False, True),
        ("a*c", "a*", False, False),
        ("a", "a*", False, False),
        ("a", "a.b", False, False),
        ("a", "a.b", True, True),
        ("*.b", "a.b", False, True),
        ("a.b", "a", True, False),
        ("a[*]", "a{*}", True, False),
        ("a[*].*", "a[*].b", False, True),
        ('"*"', "a", False, False),
        ("*", '"*"', False, True),
    ],
)
def test_inclusion_of_patterns_is_never_claimed_in_vain(wide: str, path: str, subtree: bool, answer: bool) -> None:
    """A rule counts as hidden only where every field that it could mean is taken before."""
    assert includes(FieldPath.parse(wide), FieldPath.parse(path), subtree) is answer


def test_default_domains_join_spellings_of_one_name() -> None:
    """customer_id, customerId and customer-ID of one mask are one domain; other names and masks are not."""
    spellings = ("customer_id", "orders[*].customerId", "a.b.customer-ID")
    domains = {default_domain(Email(), FieldPath.parse(path)) for path in spellings}

    assert domains == {"email:customerid"}
    assert default_domain(Redact(), FieldPath.parse("customerid")) == "redact:customerid"
    assert default_domain(shout, FieldPath.parse("name")) == "shout:name"


# ------------------------------------------------------------------------------------------ fingerprints

CHANGES: list[Callable[[], Ruleset]] = [
    example,
    Ruleset,
    lambda: Ruleset(unlisted="drop"),
    lambda: Ruleset(unlisted=Keep("drop")),
    lambda: Ruleset([KEY]),
    lambda: Ruleset([keep("id", because="surrogate key!")]),
    lambda: Ruleset(datasets=[Dataset("**", [KEY])]),
    lambda: Ruleset(datasets=[Dataset("*", [KEY])]),
    lambda: Ruleset([KEY, drop("fax")]),
    lambda: Ruleset([drop("fax"), KEY]),
    lambda: Ruleset([Rule("a", Email())]),
    lambda: Ruleset([Rule("a", Email(mail_domain="keep"))]),
    lambda: Ruleset([Rule("a", Email(), domain="keep")]),
    lambda: Ruleset([Rule("a", Redact())]),
    lambda: Ruleset([Rule("a", Email(), optional=True)]),
    lambda: Ruleset([Rule("a", Email(), on_mismatch="null")]),
    lambda: Ruleset([Rule("a", Email(), normalize=["trim", "nfc"])]),
    lambda: Ruleset([Rule("a", Email(), normalize=["nfc", "trim"])]),
    lambda: Ruleset([Rule("a", Email(), as_="date")]),
    lambda: Ruleset([Rule("a", Email(), as_="date", format="%Y")]),
    lambda: Ruleset([Rule("a", Email(), when=field("b") == 1, otherwise=Redact())]),
    lambda: Ruleset([Rule("a", Email(), when=field("b") == "1", otherwise=Redact())]),
    lambda: Ruleset([Rule("a", Email(), when=field("b") == True, otherwise=Redact())]),  # noqa: E712
    lambda: Ruleset([Rule("a", Email(), when=~(field("b") == 1), otherwise=Redact())]),
    lambda: Ruleset([Rule("a", shout)]),
    lambda: Ruleset([Rule("a", replace(shout, version=2))]),
]


def test_every_change_of_meaning_changes_the_fingerprint() -> None:
    """Order, reasons, parameters, types of values and versions of functions all count."""
    prints = [make().fingerprint for make in CHANGES]

    assert len(set(prints)) == len(prints)
    assert prints == [make().fingerprint for make in CHANGES]


def test_a_fingerprint_outlives_its_process() -> None:
    """Another process, with another hash seed, finds the same fingerprint; this one is pinned for all versions."""
    script = (
        "from dmengine.rules import *\nfrom dmengine_maskers.character_mask import CharacterMask\n"
        "print(Ruleset([Rule('a', CharacterMask(keep_first=1)), keep('id', because='key')]).fingerprint)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    here = Ruleset([Rule("a", CharacterMask(keep_first=1)), keep("id", because="key")]).fingerprint
    assert done.stdout.strip() == here == "afb0d024b558b4ba0adcb194ac9a9cfb58667233bd57f1f370a728927d081cb3"


def test_a_mask_that_cannot_be_written_down_has_no_fingerprint() -> None:
    """A parameter of an unknown type is an error, not a fingerprint that says too little."""

    @dataclass(frozen=True)
    class Odd(CharacterMask):
        thing: Any = None

    with pytest.raises(RulesetError, match="a parameter of type object cannot be part"):
        _ = Ruleset([Rule("a", Odd(thing=object()))]).fingerprint
