"""What can be wrong with a ruleset before any data is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import get_args

from dmengine.conditions import All, AnyOf, Compare, Condition, Not, comparisons_of, regex_problem
from dmengine.errors import RulesetError
from dmengine.paths import FieldPath, Step, path_inside
from dmengine.problems import Problem, Where, as_error
from dmengine.rules import Drop, Keep, Normalize, OnMismatch, OnMissing, OnNull, ReadAs, Rule, Ruleset
from dmengine.spi import Masker, is_keyed

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
    sound = [(number, rule) for number, rule in enumerate(rules) if isinstance(rule, Rule)]
    yield from _hidden(sound, where)
    yield from _documents(sound, where)


def _rule(rule: Rule, where: Where) -> Iterator[Problem]:
    if not rule.fields:
        yield Problem((*where, "field"), "the rule names no field", "name at least one")
    for path in rule.fields:
        if path.inner is not None:
            yield from _inside(rule, path, where)
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
            last = path.inner.last if path.inner is not None else path.steps[-1] if path.steps else Step("name")
            if last.glob and set(last.name) <= {"*", "?"}:
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
    many = [path for path in rule.fields if path.inner is None and (path.lists or path.has_glob)]
    if rule.on_missing == "fail" and many:
        yield Problem((*where, "on_missing"), f"{many[0]} may be any number of fields", "name one field of the record")
    if rule.format is not None and rule.as_ not in ("date", "timestamp"):
        yield Problem((*where, "format"), "format without as", "write as: date or as: timestamp too")
    if rule.format is not None and "%" not in rule.format:
        yield Problem((*where, "format"), "format has no %-directive", 'write it as for strptime: "%d.%m.%Y"')
    if rule.domain is not None and not rule.domain.strip():
        yield Problem((*where, "domain"), "the domain is empty", "name it, or leave it out")


# ---------------------------------------------------------------------------------------------- documents


def _inside(rule: Rule, path: FieldPath, where: Where) -> Iterator[Problem]:
    """Find what cannot be said of a field inside of a document."""
    if isinstance(rule.mask, Drop):
        hint = "mask: redact hides it; unlisted: drop leaves out what no rule names"
        yield Problem(where, f"{path} lies inside of a document, from which no field can be dropped", hint)
    if isinstance(rule.mask, (Keep, Drop)):
        return
    if rule.when is not None or rule.otherwise is not None:
        why = f"{path} lies inside of a document, where no condition can hold"
        yield Problem((*where, "when" if rule.when is not None else "otherwise"), why, "take when and otherwise out")
    if rule.as_ is not None:
        why = f"{path} lies inside of a document, whose values are masked as what they are"
        yield Problem((*where, "as"), why, "take as and format out")
    if rule.on_mismatch == "redact":
        why = f"{path} lies inside of a document, where a mismatch can stop the run or become null"
        yield Problem((*where, "on_mismatch"), why, "choose fail or null")
    if rule.domain is None and path.inner is not None and path.inner.last.glob and is_keyed(rule.mask):
        why = f"{path} is a pattern, and inside of a document that has no domain of its own"
        yield Problem(where, why, "name the domain, or each of the fields")


def _documents(rules: Sequence[tuple[int, Rule]], where: Where) -> Iterator[Problem]:
    """Find fields that one rule takes whole and another looks into, or that are taken for two kinds of document."""
    whole = {path: number for number, rule in reversed(rules) for path in rule.fields if path.inner is None}
    seen: dict[FieldPath, FieldPath] = {}
    for number, rule in rules:
        for path in rule.fields:
            if path.inner is None:
                continue
            first = seen.setdefault(path.outer, path)
            if path.outer in whole:
                why = f"{path} lies inside of {path.outer}, which {where[-1]}[{whole[path.outer]}] takes whole"
                yield Problem((*where, number), why, "take one of them out")
            elif first.inner is not None and first.inner.kind != path.inner.kind:
                why = f"{path} and {first} take {path.outer} for two kinds of document"
                yield Problem((*where, number), why, "write the same kind in both")


# ---------------------------------------------------------------------------------------------- hidden rules


def _hidden(rules: Sequence[tuple[int, Rule]], where: Where) -> Iterator[Problem]:
    taken = _Taken()
    by_number = dict(rules)
    for number, rule in rules:
        for path in rule.fields:
            first = taken.by(path)
            if first is not None and path.inner is not None and path.outer in by_number[first].fields:
                continue  # `_documents` says so, whichever of them goes before
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
        if path.has_glob or path.inner is not None:
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
    if wide.inner is not None:
        return _includes_inside(wide, path, subtree)
    if len(wide.steps) > len(path.steps) or (len(wide.steps) < len(path.steps) and not subtree):
        return False
    return all(_step_includes(w, p) for w, p in zip(wide.steps, path.steps, strict=False))


def _includes_inside(wide: FieldPath, path: FieldPath, subtree: bool) -> bool:
    """Do so for a path into a document; of two paths into XML we know only whether they are the same."""
    if wide.outer != path.outer:
        return includes(wide.outer, path.outer)  # all that is in a document goes to the first rules that look into it
    if wide.inner is None or path.inner is None or wide.inner.kind != path.inner.kind:
        return False
    if wide.inner.kind == "xml":
        return wide.inner == path.inner
    return includes(path_inside(wide.inner.path), path_inside(path.inner.path), subtree)


def _step_includes(wide: Step, step: Step) -> bool:
    if not step.glob or wide == step:
        return wide.covers(step)
    if not wide.glob or wide.kind != step.kind or ("?" in wide.name and "*" in step.name):
        return False  # `a?` does not include `a*`; where a pattern might, we say no
    return fnmatchcase(step.name, wide.name)  # the wildcards of `step` are letters here, which only `*` and `?` take
