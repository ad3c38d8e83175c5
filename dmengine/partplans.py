"""Rules x the schema of one part -> what happens to each of its fields, or why that cannot be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from dmengine.arrow import plain_type
from dmengine.conditions import fields as condition_fields
from dmengine.decisions import (
    Decision,
    Planned,
    Rulebook,
    candidates,
    check_domains,
    unlisted_yaml,
    works_on_columns,
)
from dmengine.errors import PlanError, at
from dmengine.folderrules import folder_decisions, names_folder, refuse_unfit
from dmengine.paths import FieldPath
from dmengine.records import schema_fields, schema_with
from dmengine.rules import Drop, Keep, Rule, Ruleset
from dmengine.spi import Limits, Masker, fields_read
from dmengine.values import limits_of


@dataclass(frozen=True, slots=True)
class FieldStep:
    """What happens to one field of a part with a schema."""

    decision: Decision
    given: pa.Field
    planned: Planned | None
    container: bool = False


@dataclass(frozen=True, slots=True)
class PartPlan:
    """All that the engine needs to mask one part: steps where there is a schema, else a rulebook to ask."""

    rulebook: Rulebook
    limits: Mapping[str, Limits]
    schema_in: pa.Schema | None
    schema_out: pa.Schema | None
    steps: tuple[FieldStep, ...] = ()
    matched: frozenset[str] = frozenset()
    folders: tuple[Decision, ...] = ()

    @property
    def works_on_columns(self) -> bool:
        """Whether a mask needs the values of the whole part at once."""
        if self.schema_in is None:
            return any(works_on_columns(rule) for _, rule in self.rulebook.rules)
        return any(works_on_columns(step.decision.rule) for step in self.steps)


def plan_part(
    ruleset: Ruleset, dataset: str, schema: pa.Schema | None, limits: Mapping[str, Limits] | None = None
) -> PartPlan:
    """Hold the rules of a dataset against a schema; refuse what does not fit, all of it at once.

    Documents (schema None) say for themselves what they hold: their fields are decided as they come.

    Raises:
        PlanError: fields that no rule names, rules that name nothing, masks that cannot take a type.
    """
    limits = limits or {}
    rulebook = Rulebook.of(ruleset, dataset)
    check_domains(ruleset.for_dataset(dataset))  # as they are written: those put together name all their domains
    present = [(found.path, found.field) for found in schema_fields(schema, rulebook.opened)] if schema else []
    named_by = folder_decisions(rulebook)
    with at(dataset=dataset):
        if schema is not None:
            _refuse_missing(rulebook, [path for path, _ in present], named_by)
        _refuse_unlisted(rulebook, [path for path, _ in present], named_by)
        refuse_unfit(rulebook, named_by)
    folders = tuple(decision for decision in named_by.values() if decision is not None)
    marks = {mark for decision in folders for mark in _marks(decision)}
    if schema is None:
        return PartPlan(rulebook, limits, None, None, (), frozenset(marks), folders)
    limits = {**{str(path): own for path, given in present if (own := limits_of(given)) is not None}, **limits}
    with at(dataset=dataset):
        steps, problems = _steps(rulebook, present, limits, named_by)
        if problems:
            raise PlanError("; ".join(problems), hint="choose a mask that takes the type")
    changed = {s.decision.path: out_of(s) for s in steps if not isinstance(s.decision.action, Keep)}
    schema_out = schema_with(schema, changed)
    matched = frozenset(marks | {mark for s in steps for mark in _marks(s.decision)})
    return PartPlan(rulebook, limits, schema, schema_out, tuple(steps), matched, folders)


def reading_mark(place: str, name: str) -> str:
    """Say "the rule at this place has found the field that it reads" in the list of what matched."""
    return f"{place} reads {name}"


def _marks(decision: Decision) -> Iterable[str]:
    yield decision.rule_id
    yield from (reading_mark(decision.rule_id, name) for name in reads_of(decision.rule))


def reads_of(rule: Rule) -> list[str]:
    """Name the fields that a rule reads beside its own: in its condition, or by its masks."""
    names = set(condition_fields(rule.when)) if rule.when is not None else set()
    for action in (rule.mask, rule.otherwise):
        names |= set(fields_read(action)) if isinstance(action, Masker) else set()
    return sorted(names)


def out_of(step: FieldStep) -> pa.Field | None:
    """Return the field that comes out; None where it is dropped."""
    if isinstance(step.decision.action, Drop):
        return None
    if step.planned is None or step.planned.action == "mismatch":
        return step.given
    same_type = step.planned.out.type == plain_type(step.given.type)
    return step.planned.out.with_type(step.given.type) if same_type else step.planned.out


def _steps(
    rulebook: Rulebook,
    present: Iterable[tuple[FieldPath, pa.Field]],
    limits: Mapping[str, Limits],
    named_by: Iterable[str],
) -> tuple[list[FieldStep], list[str]]:
    steps: list[FieldStep] = []
    problems: list[str] = []
    names = {path for path, _ in present} | {FieldPath.of(field) for field in named_by}
    for path, given in present:
        decision = rulebook.decide(path)
        assert decision is not None  # unlisted fields were refused before
        container = pa.types.is_nested(given.type)
        planned = None
        if decision.masker is not None and not container:
            planned = rulebook.planned(decision, given, limits.get(str(path), Limits()))
        problems += _step_problems(decision, planned, given, container, names, rulebook, limits)
        steps.append(FieldStep(decision, given, planned, container))
    return steps, problems


def _step_problems(
    decision: Decision,
    planned: Planned | None,
    given: pa.Field,
    container: bool,
    names: set[FieldPath],
    rulebook: Rulebook,
    limits: Mapping[str, Limits],
) -> Iterable[str]:
    path, rule = decision.path, decision.rule
    masker = decision.masker
    if masker is not None and masker.scope == "column" and fields_read(masker):
        yield f"{path}: {masker.name} works on whole columns, where no other field can be read"
    if container and masker is not None and masker.name != "redact":
        yield f"{path} is a {given.type} and {masker.name} masks single values: name what is inside ({path}.member)"
    if container and masker is not None and rule.when is not None:
        yield f"{path} is a {given.type}, which a condition cannot redact whole: name what is inside"
    if container and masker is not None and not given.nullable:
        yield f"{path} cannot be null in this schema, so it cannot be redacted whole: name what is inside"
    if planned is not None and planned.action == "mismatch":
        yield f"{path}: {planned.why}"
    for name, ways in decision.conditions:
        if not any(way in names or any(way.contains(other) or other.covers(way) for other in names) for way in ways):
            yield f"{path}: its condition reads {name}, which is not there"
    for name in fields_read(masker) if masker is not None else ():
        if not any(way in names or any(other.covers(way) for other in names) for way in candidates(path, name)):
            yield f"{path}: its mask reads {name}, which is not there"
    if isinstance(rule.otherwise, Masker) and not container:
        other = rulebook.planned(decision, given, limits.get(str(path), Limits()), rule.otherwise)
        if other.action == "mismatch":
            yield f"{path}: otherwise {other.why}"
        elif planned is not None and planned.action == "mask" and other.out.type != planned.out.type:
            yield f"{path}: the two masks of the condition give {planned.out.type} and {other.out.type}"


def _refuse_missing(rulebook: Rulebook, present: list[FieldPath], named_by: Iterable[str]) -> None:
    """Refuse a rule field that this part lacks, where the rules speak of this dataset alone."""
    ruleset = rulebook.ruleset
    own = [rule for rule in rulebook.rules if not ruleset.datasets or not rule[0].startswith("rules")]
    wanted = [path for _, rule in own if not rule.optional for path in rule.fields if not named(path, present)]
    missing = [path for path in wanted if not any(names_folder(path, field) for field in named_by)]
    if missing:
        near = _suggestions(missing, present)
        have = ", ".join(str(p) for p in present[:40])
        raise PlanError(
            f"rules name fields that the data lacks: {', '.join(map(str, missing))}",
            hint=near + f"the data has: {have or 'no fields'}; set optional: true where a part may lack the field",
        )


def named(pattern: FieldPath, present: Iterable[FieldPath]) -> bool:
    """Say whether a path of a rule names something that is there."""
    return any(pattern.contains(path) for path in present)


def _suggestions(missing: list[FieldPath], present: list[FieldPath]) -> str:
    names = [str(p) for p in present]
    for path in missing:
        quoted = str(FieldPath.of(str(path)))
        near = [quoted] if quoted in names else difflib.get_close_matches(str(path), names, n=1)
        if near:
            return f"did you mean {near[0]}? "
    return ""


def _refuse_unlisted(rulebook: Rulebook, present: list[FieldPath], named_by: Mapping[str, Decision | None]) -> None:
    unlisted = [path for path in present if rulebook.decide(path) is None]
    folders = [FieldPath.of(field) for field, decision in named_by.items() if decision is None]
    if unlisted or folders:
        error = unlisted_error(list(dict.fromkeys([*unlisted, *folders])))
        if folders:
            error.message += f"; folders are named by values of {', '.join(map(str, folders))}"
        raise error


def unlisted_error(paths: list[FieldPath]) -> PlanError:
    """Name every field that no rule covers, with the YAML to paste."""
    return PlanError(
        f"no rule covers: {', '.join(map(str, paths))}",
        hint='add keep("...", because="...") or a mask for each; in YAML:\n' + unlisted_yaml(paths),
    )
