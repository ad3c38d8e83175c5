"""What can be wrong with a ruleset before any data is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import get_args

from dmengine.conditions import All, AnyOf, Compare, Condition, Not, comparisons_of, regex_problem
from dmengine.errors import RulesetError
from dmengine.paths import FieldPath, Step
from dmengine.problems import Problem, Where, as_error
from dmengine.rules import Drop, Keep, Normalize, OnMismatch, OnMissing, OnNull, ReadAs, Rule, Ruleset
from dmengine.spi import Masker

VERSION = 1
_REASON = "say why it may stay, for whoever reads the report"
_TURN_ROUND = "give the rule a mask, and put keep(because=...) into otherwise"


def check_ruleset(ruleset: Ruleset) -> None:
    """Refuse a ruleset that cannot mean what its author wanted.

    >>> from dmengine.rules import Ruleset, keep
    >>> check_ruleset(Ruleset([keep("id", because="surrogate key"), keep("id", because="twice")]))
    Traceback (most recent call last):
    dmengine.errors.RulesetError: rules[1] (id): id never comes to this rule: rules[0] (id) goes before
      To fix: take it out, or put the narrower rule first

    Raises:
        RulesetError: with every problem there is.
    """
    problems = problems_of(ruleset)
    if problems:
        raise as_error(problems, "the ruleset", lambda problem: _place(ruleset, problem.where))


def problems_of(ruleset: Ruleset) -> list[Problem]:
    """List every problem, in the order of the ruleset."""
    return [*_general(ruleset), *_datasets(ruleset), *_list(ruleset.rules, ("rules",))]


def _place(ruleset: Ruleset, where: Where) -> str:
    text = ""
    here: object = ruleset
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        here = here[step] if isinstance(step, int) and isinstance(here, tuple) else getattr(here, str(step), None)
    return f"{text} ({_names(here)})" if isinstance(here, Rule) else text


def _names(rule: Rule) -> str:
    return ", ".join(str(path) for path in rule.fields)


def _general(ruleset: Ruleset) -> Iterator[Problem]:
    if ruleset.version != VERSION:
        yield Problem(("version",), "this version of dmengine reads rulesets of version 1", "write version: 1")
    if isinstance(ruleset.unlisted, Keep):
        yield from _reason(ruleset.unlisted, ("unlisted",))
    elif ruleset.unlisted not in ("fail", "drop", "redact"):
        yield Problem(("unlisted",), "unlisted is not known", 'choose "fail", "drop", "redact" or keep(because="...")')


def _datasets(ruleset: Ruleset) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, dataset in enumerate(ruleset.datasets):
        where = ("datasets", number)
        if not dataset.match:
            yield Problem((*where, "match"), "a dataset has no name", "write a glob over objects, or a table's name")
        if dataset.match in seen:
            first = seen[dataset.match]
            yield Problem((*where, "match"), f"datasets[{first}] has the same match", "put the rules of both together")
        seen.setdefault(dataset.match, number)
        yield from _list(dataset.rules, (*where, "rules"))


def _list(rules: Sequence[Rule], where: Where) -> Iterator[Problem]:
    for number, rule in enumerate(rules):
        if isinstance(rule, Rule):
            yield from _rule(rule, (*where, number))
        else:
            kind = type(rule).__name__
            yield Problem((*where, number), f"a {kind} stands where a rule should", 'write Rule("field", ...)')
    yield from _hidden([(number, rule) for number, rule in enumerate(rules) if isinstance(rule, Rule)], where)


def _rule(rule: Rule, where: Where) -> Iterator[Problem]:
    if not rule.fields:
        yield Problem((*where, "field"), "the rule names no field", "name at least one")
    yield from _action(rule, rule.mask, where)
    if isinstance(rule.mask, (Keep, Drop)):
        yield from _settings_without_mask(rule, where)
        return
    if rule.otherwise is not None:
        yield from _action(rule, rule.otherwise, (*where, "otherwise"))
    yield from _condition(rule, where)
    yield from _choices(rule, where)


def _action(rule: Rule, action: object, where: Where) -> Iterator[Problem]:
    if isinstance(action, Keep):
        yield from _reason(action, where)
        for path in rule.fields:
            if path.steps and set(path.steps[-1].name) <= {"*", "?"} and path.steps[-1].glob:
                yield Problem(where, f"{path} would keep fields that nobody has named", "name the fields to keep")
    elif isinstance(action, type):
        yield Problem(where, f"{action.__name__} is a class", f"write {action.__name__}()")
    elif not isinstance(action, (Masker, Drop)):
        kind = type(action).__name__
        yield Problem(
            where, f"a {kind} is not a mask", "give a mask; decorate functions of yours with @dmengine.masker"
        )


def _reason(keep: Keep, where: Where) -> Iterator[Problem]:
    if not isinstance(keep.because, str) or not keep.because.strip():
        yield Problem(where, "keep has no reason", _REASON)


def _settings_without_mask(rule: Rule, where: Where) -> Iterator[Problem]:
    if rule.when is not None or rule.otherwise is not None:
        yield Problem((*where, "when"), f"{rule.mask.name} takes no condition", _TURN_ROUND)
    given = {
        "domain": rule.domain is not None,
        "normalize": bool(rule.normalize),
        "as": rule.as_ is not None,
        "format": rule.format is not None,
        "on_mismatch": rule.on_mismatch != "fail",
        "on_missing": rule.on_missing != "skip",
        "on_null": rule.on_null != "keep",
    }
    for name in (name for name, is_given in given.items() if is_given):
        yield Problem((*where, name), f"{name} says how to mask, and {rule.mask.name} masks nothing", "take it out")


def _condition(rule: Rule, where: Where) -> Iterator[Problem]:
    if rule.when is not None and rule.otherwise is None:
        yield Problem(where, "when without otherwise", "say what happens to the records for which it is false")
    if rule.otherwise is not None and rule.when is None:
        yield Problem((*where, "otherwise"), "otherwise without when", "say when the mask holds")
    if isinstance(rule.otherwise, Drop):
        yield Problem(
            (*where, "otherwise"), "a field cannot be dropped from some records only", "mask: null empties it"
        )
    if rule.when is not None and not isinstance(rule.when, (Compare, All, AnyOf, Not)):
        yield Problem((*where, "when"), f"a {type(rule.when).__name__} is not a condition", "build one with field(...)")
    elif rule.when is not None:
        yield from _comparisons(rule.when, (*where, "when"))


def _comparisons(condition: Condition, where: Where) -> Iterator[Problem]:
    for compare in comparisons_of(condition):
        if compare.op == "matches" and (problem := regex_problem(str(compare.value))):
            yield Problem(where, f"the regular expression for {compare.field} is not one: {problem}")
        try:
            FieldPath.parse(compare.field)
        except RulesetError as error:
            yield Problem(where, error.message, error.hint)


def _choices(rule: Rule, where: Where) -> Iterator[Problem]:
    for name, given, known in (
        ("normalize", rule.normalize, get_args(Normalize)),
        ("as", () if rule.as_ is None else (rule.as_,), get_args(ReadAs)),
        ("on_mismatch", (rule.on_mismatch,), get_args(OnMismatch)),
        ("on_missing", (rule.on_missing,), get_args(OnMissing)),
        ("on_null", (rule.on_null,), get_args(OnNull)),
    ):
        if not set(given) <= set(known):
            yield Problem((*where, name), f"{name} is not known", f"choose from {', '.join(known)}")
    many = [path for path in rule.fields if path.lists or path.has_glob]
    if rule.on_missing == "fail" and many:
        yield Problem((*where, "on_missing"), f"{many[0]} may be any number of fields", "name one field of the record")
    if rule.format is not None and rule.as_ not in ("date", "timestamp"):
        yield Problem((*where, "format"), "format without as", "write as: date or as: timestamp too")
    if rule.format is not None and "%" not in rule.format:
        yield Problem((*where, "format"), "format has no %-directive", 'write it as for strptime: "%d.%m.%Y"')
    if rule.domain is not None and not rule.domain.strip():
        yield Problem((*where, "domain"), "the domain is empty", "name it, or leave it out")


# ---------------------------------------------------------------------------------------------- hidden rules


def _hidden(rules: Sequence[tuple[int, Rule]], where: Where) -> Iterator[Problem]:
    taken = _Taken()
    by_number = dict(rules)
    for number, rule in rules:
        for path in rule.fields:
            first = taken.by(path)
            if first == number and path in taken.exact:
                yield Problem((*where, number), f"{path} is named twice", "take one out")
            elif first is not None and first != number:
                yield _hides(path, (*where, number), f"{where[-1]}[{first}] ({_names(by_number[first])})")
            taken.add(path, rule, number)


class _Taken:
    """The fields that earlier rules take. Plain paths are looked up, so that only patterns are gone through."""

    def __init__(self) -> None:
        self.exact: dict[FieldPath, int] = {}
        self._subtrees: dict[FieldPath, int] = {}
        self._patterns: list[tuple[FieldPath, bool, int]] = []

    def add(self, path: FieldPath, rule: Rule, number: int) -> None:
        subtree = isinstance(rule.mask, (Keep, Drop)) or getattr(rule.mask, "name", "") == "redact"
        self.exact.setdefault(path, number)
        if path.has_glob:
            self._patterns.append((path, subtree, number))
        elif subtree:
            self._subtrees.setdefault(path, number)

    def by(self, path: FieldPath) -> int | None:
        """Return the first rule that takes all that a path can mean."""
        above = (FieldPath(path.steps[:depth]) for depth in range(1, len(path.steps) + 1))
        found = [self.exact.get(path), *(self._subtrees.get(prefix) for prefix in above)]
        found += [next((n for wide, deep, n in self._patterns if includes(wide, path, deep)), None)]
        if any(step.kind == "index" for step in path.steps):
            found += [number for wide, number in self.exact.items() if includes(wide, path)]
            found += [number for wide, number in self._subtrees.items() if includes(wide, path, True)]
        return min((number for number in found if number is not None), default=None)


def _hides(path: FieldPath, where: Where, first: str) -> Problem:
    return Problem(
        where, f"{path} never comes to this rule: {first} goes before", "take it out, or put the narrower rule first"
    )


def includes(wide: FieldPath, path: FieldPath, subtree: bool = False) -> bool:
    """Say whether every field that a path of a rule can mean is meant by another one too.

    >>> includes(FieldPath.parse("addr_*"), FieldPath.parse("addr_city"))
    True
    >>> includes(FieldPath.parse("person"), FieldPath.parse("person.name"), subtree=True)
    True
    """
    if len(wide.steps) > len(path.steps) or (len(wide.steps) < len(path.steps) and not subtree):
        return False
    return all(_step_includes(w, p) for w, p in zip(wide.steps, path.steps, strict=False))


def _step_includes(wide: Step, step: Step) -> bool:
    if not step.glob or wide == step:
        return wide.covers(step)
    if not wide.glob or wide.kind != step.kind or ("?" in wide.name and "*" in step.name):
        return False  # `a?` does not include `a*`; where a pattern might, we say no
    return fnmatchcase(step.name, wide.name)  # the wildcards of `step` are letters here, which only `*` and `?` take
