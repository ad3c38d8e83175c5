"""What the rules of a dataset say of the fields by whose values its folders are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dmengine.decisions import UNLISTED, Decision, Rulebook
from dmengine.errors import PlanError
from dmengine.foldernames import folders, shown
from dmengine.paths import FieldPath, Step
from dmengine.rules import Keep
from dmengine.spi import Finding, Masker, fields_read


def folder_decisions(rulebook: Rulebook) -> dict[str, Decision | None]:
    """Return what happens to each field that names folders of a dataset; None where no rule says.

    >>> from dmengine.rules import Ruleset, keep
    >>> rules = Ruleset([keep("country", because="no person's data")])
    >>> {name: found and found.action.name for name, found in
    ...  folder_decisions(Rulebook.of(rules, "Country=DE/email=x/a.csv")).items()}
    {'Country': 'keep', 'email': None}
    """
    return {folder.field: rulebook.decide_folder(folder.field) for folder in folders(rulebook.dataset)}


def refuse_unfit(rulebook: Rulebook, decisions: dict[str, Decision | None]) -> None:
    """Refuse rules that cannot hold for the names of folders.

    Raises:
        PlanError: a mask that is not consistent, or a condition; or a rule masks what is inside of such a field.
    """
    problems = [
        f"folders are named by values of {name} ({name}=...), and {why}"
        for name, decision in decisions.items()
        if decision is not None and (why := _unfit(rulebook, decision))
    ]
    if problems:
        hint = "give the field a mask without a condition that gives equal masks to equal values, or drop it"
        raise PlanError("; ".join(problems), hint=hint)


def _unfit(rulebook: Rulebook, decision: Decision) -> str:
    masker = decision.masker
    if decision.rule.when is not None:
        return "its rule has a condition, which may hold for some of the records in a folder only"
    if isinstance(masker, Masker) and (masker.scope != "value" or not masker.consistent or fields_read(masker)):
        return f"{masker.name} does not mask each value by itself"
    masked = [rule for _, rule in rulebook.rules if not isinstance(rule.mask, Keep)]
    inside = any(_begins(path, decision.path) for rule in masked for path in rule.fields)
    if decision.rule_id == UNLISTED and isinstance(decision.action, Keep) and inside:
        return "a rule masks what is inside of it"
    return ""


def _begins(path: FieldPath, folder: FieldPath) -> bool:
    first, wanted = path.steps[0], folder.steps[0]
    return Step("name", first.name.casefold(), first.glob).covers(Step("name", wanted.name.casefold()))


def names_folder(pattern: FieldPath, field: str) -> bool:
    """Say whether a path of a rule means the field that folders are named by.

    >>> names_folder(FieldPath.parse("e*"), "EMAIL"), names_folder(FieldPath.parse("email.host"), "email")
    (True, False)
    """
    return len(pattern.steps) == 1 and _begins(pattern, FieldPath.of(field))


def told_finding(finding: Finding, names: Mapping[str, str]) -> Finding:
    """Return a finding that speaks of objects by their names at the target."""
    return replace(
        finding, message=shown(finding.message, names), where=shown(finding.where, names),
        hint=shown(finding.hint, names),
    )  # fmt: skip


_FOLDERS: Final = " (folders)"


def folder_label(path: FieldPath) -> str:
    """Name a field as the name of folders, beside the field of the same name in records."""
    return f"{path}{_FOLDERS}"


def is_folder_label(text: str) -> bool:
    """Say whether a report speaks of folders, not of records."""
    return text.endswith(_FOLDERS)
