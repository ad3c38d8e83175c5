"""Folders named by values: parsed and quoted as Hive does, decided by rules, hidden in texts."""

from __future__ import annotations

import pytest

import dmengine as dm
from dmengine.decisions import Rulebook
from dmengine.errors import PlanError
from dmengine.foldernames import folders, shown, step_of
from dmengine.folderrules import folder_decisions
from dmengine.maskers import Email, Hash, Shuffle
from dmengine.partplans import plan_part

RULES = dm.Ruleset([
    dm.keep("id", "city", because="no person's data"), dm.Rule("email", Email(), optional=True),
    dm.Rule("ph*", Hash(), optional=True), dm.Rule("address.street", Hash(), optional=True), dm.drop("note"),
])  # fmt: skip


def actions(dataset: str) -> list[str]:
    found = folder_decisions(Rulebook.of(RULES, dataset)).values()
    return [decision.action.name if decision is not None else "unlisted" for decision in found]


@pytest.mark.parametrize(
    ("folder", "action"),
    [("email=x", "email"), ("EMAIL=x", "email"), ("em%61il=x", "email"), ("phone=x", "hash"), ("note=x", "drop"),
     ("a/email=x/b", "email"), ("city=x", "keep"), ("ID=x", "keep"), ("address=x", "unlisted"),
     ("country=x", "unlisted"), ("name=a=b", "unlisted"), ("email=__HIVE_DEFAULT_PARTITION__", "email")],
)  # fmt: skip
def test_rules_decide_about_folders(folder: str, action: str) -> None:
    """Whatever the case and the spelling, by name or by glob; what is inside of a field is another field."""
    assert actions(f"{folder}/people.csv") == [action]


@pytest.mark.parametrize("name", ["email=x.csv", "a/b.csv", "=x/a.csv"])
def test_names_without_values_say_nothing(name: str) -> None:
    """A file's own name is no folder, and a folder needs a name to be a field."""
    assert folders(name) == []


@pytest.mark.parametrize("value", ["a/b", "50%", "x=y", "ann@x.org", "Köln", "a b", "{[^]}", "tab\t", "'\"", "."])
def test_values_survive_their_quotes(value: str) -> None:
    """What is written into a name reads back, and a value never makes a folder more."""
    step = step_of("field", value)

    assert step.count("/") == 0
    assert folders(f"{step}/a.csv")[0].value == value


def test_other_bytes_than_utf_8_stay_apart() -> None:
    """Values that cannot be decoded are taken as they are written, so that two never become one."""
    assert [folders(f"f={quoted}/a")[0].value for quoted in ("%E9", "%E8")] == ["%E9", "%E8"]


def test_values_are_hidden_in_texts() -> None:
    """Known names are replaced; of any other folder only the field stays, whatever its value holds."""
    names = {"email=a b/c.csv": "email=masked/c.csv"}

    assert shown("cannot read email=a b/c.csv: no", names) == "cannot read email=masked/c.csv: no"
    assert shown("cannot read x/email=c d/e=f/g.csv: no", names) == "cannot read x/email=…/e=…/g.csv: no"
    assert shown("set unmatched=skip", names) == "set unmatched=skip"


def test_a_folder_without_a_rule_stops_the_plan() -> None:
    """`unlisted` holds for it, in documents too, and the error shows the field and no value."""
    with pytest.raises(PlanError, match="no rule covers: country; folders are named by values of country") as caught:
        plan_part(RULES, "country=Wakanda/a.jsonl", None)

    assert "Wakanda" not in caught.value.message


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (dm.Rule("email", Shuffle()), "shuffle does not mask each value by itself"),
        (dm.Rule("email", Hash(), when=dm.field("id") == 1, otherwise=dm.keep(because="x")), "has a condition"),
    ],
)
def test_rules_that_cannot_hold_for_names_are_refused(rule: dm.Rule, why: str) -> None:
    """A name has no record: it takes a mask that needs none, and no condition."""
    with pytest.raises(PlanError, match=why):
        plan_part(dm.Ruleset([rule]), "email=x/a.jsonl", None)


def test_a_field_masked_inside_is_not_kept_as_a_folder() -> None:
    """Where unlisted fields are kept, a folder named by something of which a part is masked is refused all the same."""
    rules = dm.Ruleset([dm.Rule("address.street", Hash(), optional=True)], unlisted=dm.keep(because="public"))

    with pytest.raises(PlanError, match="a rule masks what is inside of it"):
        plan_part(rules, "Address=x/a.jsonl", None)
