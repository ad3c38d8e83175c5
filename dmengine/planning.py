"""Rules x description -> Plan: every refusal that can come early comes here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dmengine.arrow import plain_type
from dmengine.conditions import fields as condition_fields
from dmengine.decisions import (
    Decision,
    Planned,
    Rulebook,
    candidates,
    check_domains,
    rule_places,
    unlisted_yaml,
    works_on_columns,
)
from dmengine.errors import DmengineError, PlanError, at
from dmengine.foldernames import folder_findings
from dmengine.maskfindings import Counted, mask_findings, too_large
from dmengine.paths import FieldPath
from dmengine.records import schema_fields, schema_with
from dmengine.rules import Drop, Keep, Rule, Ruleset
from dmengine.spi import (
    Described,
    Finding,
    Limits,
    Masker,
    Severity,
    TargetLimits,
    fields_read,
    is_keyed,
)


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
    check_domains(rule for _, rule in rulebook.rules)
    if schema is None:
        return PartPlan(rulebook, limits, None, None)
    present = [(found.path, found.field) for found in schema_fields(schema, rulebook.opened)]
    with at(dataset=dataset):
        _refuse_missing(rulebook, [path for path, _ in present])
        _refuse_unlisted(rulebook, [path for path, _ in present])
        steps, problems = _steps(rulebook, present, limits)
        if problems:
            raise PlanError("; ".join(problems), hint="choose a mask that takes the type")
    changed = {s.decision.path: _out(s) for s in steps if not isinstance(s.decision.action, Keep)}
    schema_out = schema_with(schema, changed)
    matched = frozenset(mark for s in steps for mark in _marks(s.decision))
    return PartPlan(rulebook, limits, schema, schema_out, tuple(steps), matched)


def reading_mark(place: str, name: str) -> str:
    """Say "the rule at this place has found the field that it reads" in the list of what matched."""
    return f"{place} reads {name}"


def _marks(decision: Decision) -> Iterable[str]:
    yield decision.rule_id
    yield from (reading_mark(decision.rule_id, name) for name in _reads(decision.rule))


def _reads(rule: Rule) -> list[str]:
    """Name the fields that a rule reads beside its own: in its condition, or by its masks."""
    names = set(condition_fields(rule.when)) if rule.when is not None else set()
    for action in (rule.mask, rule.otherwise):
        names |= set(fields_read(action)) if isinstance(action, Masker) else set()
    return sorted(names)


def _out(step: FieldStep) -> pa.Field | None:
    if isinstance(step.decision.action, Drop):
        return None
    if step.planned is None or step.planned.action == "mismatch":
        return step.given
    same_type = step.planned.out.type == plain_type(step.given.type)
    return step.planned.out.with_type(step.given.type) if same_type else step.planned.out


def _steps(
    rulebook: Rulebook, present: Iterable[tuple[FieldPath, pa.Field]], limits: Mapping[str, Limits]
) -> tuple[list[FieldStep], list[str]]:
    steps: list[FieldStep] = []
    problems: list[str] = []
    names = {path for path, _ in present}
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
        if not any(way in names or any(way.contains(other) for other in names) for way in ways):
            yield f"{path}: its condition reads {name}, which is not there"
    for name in fields_read(masker) if masker is not None else ():
        if not any(way in names for way in candidates(path, name)):
            yield f"{path}: its mask reads {name}, which is not there"
    if isinstance(rule.otherwise, Masker) and not container:
        other = rulebook.planned(decision, given, limits.get(str(path), Limits()), rule.otherwise)
        if other.action == "mismatch":
            yield f"{path}: otherwise {other.why}"
        elif planned is not None and planned.action == "mask" and other.out.type != planned.out.type:
            yield f"{path}: the two masks of the condition give {planned.out.type} and {other.out.type}"


def _refuse_missing(rulebook: Rulebook, present: list[FieldPath]) -> None:
    """Refuse a rule field that this part lacks, where the rules speak of this dataset alone."""
    ruleset = rulebook.ruleset
    own = [rule for rule in rulebook.rules if not ruleset.datasets or not rule[0].startswith("rules")]
    missing = [path for _, rule in own if not rule.optional for path in rule.fields if not named(path, present)]
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


def _refuse_unlisted(rulebook: Rulebook, present: list[FieldPath]) -> None:
    unlisted = [path for path in present if rulebook.decide(path) is None]
    if unlisted:
        raise unlisted_error(unlisted)


def unlisted_error(paths: list[FieldPath]) -> PlanError:
    """Name every field that no rule covers, with the YAML to paste."""
    return PlanError(
        f"no rule covers: {', '.join(map(str, paths))}",
        hint='add keep("...", because="...") or a mask for each; in YAML:\n' + unlisted_yaml(paths),
    )


# ------------------------------------------------------------------------------------------ the whole plan


@dataclass(frozen=True, slots=True)
class PlannedField:
    """One line of a plan, for people."""

    dataset: str
    field: str
    type_in: str
    type_out: str
    action: str
    mask: str = ""
    domain: str = ""
    consistent: bool | None = None
    uniqueness: str = ""
    reversible: bool | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, field by field, with all that a person should know before it starts."""

    source: str
    target: str
    ruleset: str
    key: str
    fields: tuple[PlannedField, ...]
    findings: tuple[Finding, ...]
    parts: int = 0
    size: int = 0
    limits: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a run."""
        return tuple(f for f in self.findings if f.severity == "error")

    def raise_errors(self) -> None:
        """Raise all that stops a run as one PlanError."""
        if not self.errors:
            return
        first = self.errors[0]
        if len(self.errors) == 1:
            error = PlanError(first.message, hint=first.hint)
            error.place = {"part": first.where} if first.where else {}
            raise error
        lines = [f.message + (f" ({f.where})" if f.where else "") for f in self.errors]
        hints = list(dict.fromkeys(f.hint for f in self.errors if f.hint))
        message = "\n".join([f"{len(lines)} reasons not to run:", *(f"  - {line}" for line in lines)])
        raise PlanError(message, hint="\n".join(hints))


def make_plan(
    described: Described,
    target: str,
    limits: TargetLimits,
    ruleset: Ruleset,
    key_fingerprint: str,
    documents: Mapping[str, Iterable[FieldPath]],
) -> Plan:
    """Hold a ruleset against everything a source has; collect findings, change nothing.

    Args:
        described: What the source says it has.
        target: The target's location.
        limits: What the target can hold.
        ruleset: The rules.
        key_fingerprint: Of the key that the run would use.
        documents: The paths seen in datasets without a schema.
    """
    findings = [*described.findings, *limits.findings]
    lines: dict[tuple[str, str], PlannedField] = {}
    matched: set[str] = set()
    counted = Counted()
    for info in described.datasets:
        try:
            with at(part=info.name):
                plan = plan_part(ruleset, info.name, info.schema, limits.fields)
                decisions = _decisions(plan, documents.get(info.name, ()))
                findings += folder_findings(plan.rulebook)
        except DmengineError as error:
            findings.append(_as_finding("error", error))
            continue
        for decision, given, line in decisions:
            lines.setdefault((line.dataset, line.field), line)
            findings += mask_findings(decision, given)
            counted.add(decision, info)
        if plan.works_on_columns and (finding := too_large(info)):
            findings.append(finding)
        matched |= plan.matched
    findings += [*counted.findings(), *_whole_findings(ruleset, described, matched, findings)]
    unique = tuple(dict.fromkeys(findings))
    size = sum(info.size or 0 for info in described.datasets)
    return Plan(
        described.location, target, ruleset.fingerprint, key_fingerprint, tuple(lines.values()), unique,
        len(described.datasets), size, limits.fields,
    )  # fmt: skip


def _decisions(plan: PartPlan, paths: Iterable[FieldPath]) -> list[tuple[Decision, pa.Field | None, PlannedField]]:
    if plan.schema_in is not None:
        return [(s.decision, s.given, _line(plan, s.decision, str(s.given.type), s)) for s in plan.steps]
    decisions = [(path, plan.rulebook.decide(path)) for path in paths]
    unlisted = [path for path, decision in decisions if decision is None]
    if unlisted:
        raise unlisted_error(unlisted)
    return [(d, None, _line(plan, d, "document", None)) for _, d in decisions if d is not None]


def _line(plan: PartPlan, decision: Decision, type_in: str, step: FieldStep | None) -> PlannedField:
    dataset = _group(plan.rulebook.ruleset, plan.rulebook.dataset)
    path = str(decision.path)
    if isinstance(decision.action, Keep):
        return PlannedField(dataset, path, type_in, type_in, "keep", because=decision.action.because)
    if isinstance(decision.action, Drop):
        return PlannedField(dataset, path, type_in, "", "drop")
    masker = decision.action
    out = _out(step) if step is not None else None
    otherwise = decision.rule.otherwise
    because = ""
    if isinstance(otherwise, Keep):
        because = f"otherwise keep: {otherwise.because}"
    elif otherwise is not None:
        because = f"otherwise {getattr(otherwise, 'name', 'drop')}"
    return PlannedField(
        dataset, path, type_in, str(out.type) if out is not None else type_in, "mask", masker.name,
        decision.domain if is_keyed(masker) else "", masker.consistent, masker.uniqueness,
        masker.reversible, because,
    )  # fmt: skip


def _group(ruleset: Ruleset, dataset: str) -> str:
    found = next((d.match for d in ruleset.datasets if d.matches(dataset)), "")
    return found or "*"


def _whole_findings(
    ruleset: Ruleset,
    described: Described,
    matched: set[str],
    so_far: list[Finding],
) -> Iterable[Finding]:
    failed = any(f.severity == "error" for f in so_far)
    if not described.datasets and not failed:
        yield Finding("error", "the source has nothing to mask", described.location, "check the path and the globs")
    everything_typed = all(info.schema is not None for info in described.datasets)
    if everything_typed and described.datasets and not failed:
        yield from unmatched_findings(ruleset, matched)
    for dataset in ruleset.datasets:
        if described.datasets and not any(dataset.matches(info.name) for info in described.datasets):
            yield Finding("error", f"the dataset {dataset.match!r} matches nothing there", hint="check its glob")
    if isinstance(ruleset.unlisted, Keep):
        yield Finding("warning", f"fields that no rule names are kept unmasked: {ruleset.unlisted.because}")


def unmatched_findings(ruleset: Ruleset, matched: Iterable[str]) -> Iterable[Finding]:
    """Name the rules that matched nothing in the whole run."""
    seen = set(matched)
    places = rule_places(ruleset)
    for rule in [*ruleset.rules, *(rule for dataset in ruleset.datasets for rule in dataset.rules)]:
        place, names = places[id(rule)], ", ".join(map(str, rule.fields))
        if rule.optional:
            continue
        if place not in seen:
            message = f"a rule matched nothing in the whole source: {names}"
            yield Finding("error", message, place, "check the name, or set optional: true")
        for name in _reads(rule) if place in seen else ():
            if reading_mark(place, name) not in seen:
                message = f"the rule for {names} reads {name}, which no record has"
                yield Finding("error", message, place, "check the name, or set optional: true")


def _as_finding(severity: Severity, error: DmengineError) -> Finding:
    return Finding(severity, error.message, ", ".join(dict.fromkeys(error.place.values())), error.hint)
