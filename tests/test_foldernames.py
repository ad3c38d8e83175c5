"""Folders named by values: refused where a rule masks the field, and a finding where none does."""

from __future__ import annotations

import pytest

import dmengine as dm
from dmengine.decisions import Rulebook
from dmengine.foldernames import folder_findings
from dmengine.maskers import Email, Hash

RULES = dm.Ruleset([
    dm.keep("id", "city", because="no person's data"), dm.Rule("email", Email()), dm.Rule("ph*", Hash()),
    dm.Rule("address.street", Hash()), dm.drop("note"),
])  # fmt: skip


def severities(dataset: str) -> list[str]:
    return [finding.severity for finding in folder_findings(Rulebook.of(RULES, dataset))]


@pytest.mark.parametrize("folder", ["email=x", "EMAIL=x", "em%61il=x", "phone=x", "address=x", "note=x", "a/email=x/b"])
def test_folders_of_a_field_that_a_rule_masks_are_refused(folder: str) -> None:
    """Whatever the case and the spelling, by a glob, for a part of it, or dropped: the folder would show the value."""
    assert severities(f"{folder}/people.csv") == ["error"]


@pytest.mark.parametrize("folder", ["city=x", "ID=x", "country=x", "name=a=b"])
def test_folders_of_other_fields_are_a_warning(folder: str) -> None:
    """Kept by a rule, or not named by any: the plan says that the names go along."""
    assert severities(f"{folder}/people.csv") == ["warning"]


@pytest.mark.parametrize(
    "name", ["email=x.csv", "a/b.csv", "=x/a.csv", "email=/a.csv", "email=__HIVE_DEFAULT_PARTITION__/a.csv"]
)
def test_names_without_values_say_nothing(name: str) -> None:
    """A file's own name is no folder, and an empty or null partition holds no value."""
    assert severities(name) == []


def test_findings_show_no_value() -> None:
    """Each field is named once, and no value, nor the object's name."""
    found = list(folder_findings(Rulebook.of(RULES, "email=ann@x.org/email=bob@x.org/city=Rome/a.csv")))

    assert len(found) == 2
    assert not any(word in repr(found) for word in ("ann@", "bob@", "Rome", "a.csv"))
