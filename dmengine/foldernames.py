"""Values in the names of objects: folders such as `country=DE/`, which stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from dmengine.decisions import Rulebook
from dmengine.paths import Step
from dmengine.rules import Keep, Rule
from dmengine.spi import Finding

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def folder_findings(rulebook: Rulebook) -> Iterator[Finding]:
    """Refuse a dataset whose folders hold values of a field that a rule masks; warn of any other values there.

    Names are compared without regard to case, as Hive and Glue do. No finding shows a value, or the object's name.
    """
    for field in dict.fromkeys(_fields(rulebook.dataset)):
        message = f"folders are named by values of {field} ({field}=...): the names of objects stay as they are"
        rule = next((rule for _, rule in rulebook.rules if _names(rule, field)), None)
        if rule is None or isinstance(rule.mask, Keep):
            yield Finding("warning", message)
        else:
            hint = "exclude these objects, or write them without such folders first"
            yield Finding("error", f"{message}, and a rule masks {field}", hint=hint)


def _names(rule: Rule, field: str) -> bool:
    """Say whether a rule names a field, or something inside it."""
    wanted = Step("name", field.casefold())
    firsts = (path.steps[0] for path in rule.fields)
    return any(Step(first.kind, first.name.casefold(), first.glob).covers(wanted) for first in firsts)


def _fields(dataset: str) -> Iterator[str]:
    for folder in dataset.split("/")[:-1]:
        name, _, value = folder.partition("=")
        if name and value and value != _NO_VALUE:
            yield unquote(name)
