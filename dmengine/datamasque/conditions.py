"""Conditions of a DataMasque ruleset (`if`, `skip`) as conditions of ours."""

from __future__ import annotations

from typing import Any, Final

from dmengine.conditions import Condition, all_of, any_of, field
from dmengine.errors import RulesetError
from dmengine.paths import FieldPath

_EDGES: Final = {
    "less_than": ("lt", False), "less_than_or_equal": ("lt", True), "less_than_or_equal_to": ("lt", True),
    "greater_than": ("gt", False), "greater_than_or_equal": ("gt", True), "greater_than_or_equal_to": ("gt", True),
}  # fmt: skip
_BESIDE: Final = {"column", "case_sensitive"}


class Untranslated(Exception):  # noqa: N818 - it is caught where it is raised for, and noted
    """A condition has no counterpart; the message says why."""


def condition_of(written: Any) -> Condition:
    """Translate the list of an `if`, all of which must hold, or one entry of it.

    >>> condition_of([{"column": "country", "equals": "DE"}, {"not": [{"column": "age", "less_than": 18}]}])
    All(conditions=(Compare(field='country', op='eq', value='DE'),
        Not(condition=Compare(field='age', op='lt', value=18))))

    Raises:
        Untranslated: with the reason.
    """
    if isinstance(written, list):
        parts = [condition_of(part) for part in written]
        if not parts:
            raise Untranslated("it is empty")
        return parts[0] if len(parts) == 1 else all_of(*parts)
    if not isinstance(written, dict):
        raise Untranslated("it is no condition")
    for word, join in (("and", all_of), ("or", any_of)):
        if word in written:
            inner = written[word] if isinstance(written[word], list) else [written[word]]
            return join(*(condition_of(part) for part in inner))
    if "not" in written:
        return ~condition_of(written["not"])
    return _comparison(written)


def _comparison(written: dict[str, Any]) -> Condition:
    column, tests = written.get("column"), [word for word in written if word not in _BESIDE]
    if not isinstance(column, str) or not tests:
        raise Untranslated("only comparisons of a column are carried")
    if written.get("case_sensitive") is False:
        raise Untranslated("comparisons without regard to case are not offered")
    wanted = field(str(FieldPath.of(column)))
    problem = ""
    try:
        parts = [_test(wanted, word, written[word]) for word in tests]
    except RulesetError as error:
        problem = error.message
    if problem:
        raise Untranslated(problem)
    return parts[0] if len(parts) == 1 else all_of(*parts)


def _test(wanted: Any, word: str, value: Any) -> Condition:
    if word == "equals":
        return wanted.is_null() if value is None else wanted.eq(value)  # type: ignore[no-any-return]
    if word == "matches":
        return wanted.matches(f"^(?:{value})")  # type: ignore[no-any-return]  # as Python's match: from the start
    if word in _EDGES:
        how, equal = _EDGES[word]
        edge = getattr(wanted, how)(value)
        return edge | wanted.eq(value) if equal else edge  # type: ignore[no-any-return]
    raise Untranslated(f"{word} is not offered")


def skipped(column: str, values: Any) -> Condition | None:
    """Translate `skip`: true for values that are left as they are. None where only nulls are, which stay anyway.

    Raises:
        Untranslated: with the reason.
    """
    wanted = field(str(FieldPath.of(column)))
    several = values if isinstance(values, list) else [values]
    plain = [value for value in several if value is not None and not isinstance(value, dict)]
    parts: list[Condition] = []
    problem = ""
    try:
        parts += [wanted.isin(plain)] if plain else []
        for one in several:
            for word, value in one.items() if isinstance(one, dict) else ():
                parts.append(_test(wanted, word, f"(?:{value})$" if word == "matches" else value))
    except RulesetError as error:
        problem = error.message
    if problem:
        raise Untranslated(problem)
    return None if not parts else parts[0] if len(parts) == 1 else any_of(*parts)
