"""Rules x description -> Plan: every refusal that can come early comes here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from dmengine.decisions import Decision, rule_places
from dmengine.drift import Drift, Kind, Planner, Refused
from dmengine.errors import DmengineError, PlanError, at
from dmengine.folderrules import folder_label, told_finding
from dmengine.gathering import inside_of, places_of
from dmengine.maskfindings import Counted, mask_findings, too_large
from dmengine.partplans import FieldStep, PartPlan, out_of, reading_mark, reads_of, unlisted_error
from dmengine.paths import FieldPath
from dmengine.rules import Drop, Keep, Ruleset
from dmengine.spi import Described, Finding, Limits, Severity, TargetLimits, is_keyed


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
    planner, drift, refused = Planner(ruleset, limits.fields), Drift(), Refused()
    decided: dict[Kind, list[Decision]] = {}
    counted = Counted()
    for info in described.datasets:
        kind = planner.kind(info.name, info.schema)
        drift.note(_group(ruleset, info.name), kind, info.shown, info.schema)
        if info.schema is not None and refused.again(kind):
            continue
        try:
            with at(part=info.name):
                plan = planner.plan(info.name, info.schema)
                known = decided.get(kind) if info.schema is not None else None
                decisions = [] if known is not None else _decisions(plan, documents.get(info.name, ()))
        except DmengineError as error:
            refused.note(kind, told_finding(_as_finding("error", error), {info.name: info.shown}))
            continue
        decided[kind] = known if known is not None else [decision for decision, _, _ in decisions]
        for decision, given, line in decisions:
            for one in (line, *_lines_inside(decision, line)):
                lines.setdefault((one.dataset, one.field), one)
            findings += mask_findings(decision, given)
        for decision in decided[kind]:
            counted.add(decision, info)
        if plan.works_on_columns and (finding := too_large(info)):
            findings.append(finding)
        matched |= plan.matched
    findings += [*refused.findings(), *drift.findings(), *counted.findings()]
    findings += _whole_findings(ruleset, described, matched, findings)
    unique = tuple(dict.fromkeys(findings))
    size = sum(info.size or 0 for info in described.datasets)
    return Plan(
        described.location, target, ruleset.fingerprint, key_fingerprint, tuple(lines.values()), unique,
        len(described.datasets), size, limits.fields,
    )  # fmt: skip


def _decisions(plan: PartPlan, paths: Iterable[FieldPath]) -> list[tuple[Decision, pa.Field | None, PlannedField]]:
    if plan.schema_in is not None:
        lines = [(s.decision, s.given, _line(plan, s.decision, str(s.given.type), s)) for s in plan.steps]
        return [*lines, *_folder_lines(plan)]
    decisions = [(path, plan.rulebook.decide(path)) for path in paths]
    unlisted = [path for path, decision in decisions if decision is None]
    if unlisted:
        raise unlisted_error(unlisted)
    lines = [(d, None, _line(plan, d, "document", None)) for _, d in decisions if d is not None]
    return [*lines, *_folder_lines(plan)]


def _folder_lines(plan: PartPlan) -> list[tuple[Decision, pa.Field | None, PlannedField]]:
    """Say what happens to the fields that folders are named by: their values are text, in a place of their own."""
    lines = [(d, _line(plan, d, "text", None)) for d in plan.folders]
    return [(d, None, replace(line, field=folder_label(d.path))) for d, line in lines]


def _line(plan: PartPlan, decision: Decision, type_in: str, step: FieldStep | None) -> PlannedField:
    dataset = _group(plan.rulebook.ruleset, plan.rulebook.dataset)
    path = str(decision.path)
    if isinstance(decision.action, Keep):
        return PlannedField(dataset, path, type_in, type_in, "keep", because=decision.action.because)
    if isinstance(decision.action, Drop):
        return PlannedField(dataset, path, type_in, "", "drop")
    masker = decision.action
    out = out_of(step) if step is not None else None
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


def _lines_inside(decision: Decision, line: PlannedField) -> Iterable[PlannedField]:
    """Say what happens to the fields inside of documents."""
    masker = decision.masker
    for one in inside_of(masker) if masker is not None else ():
        told = replace(line, field=f"{line.field}|{line.mask}|{one.field}", type_in=line.mask, type_out=line.mask)
        if one.mask is None:
            yield PlannedField(line.dataset, told.field, line.mask, line.mask, "keep", because=one.keep or "")
            continue
        domain = one.domain or ""
        yield replace(
            told, mask=one.mask.name, domain=domain if is_keyed(one.mask) else "", consistent=one.mask.consistent,
            uniqueness=one.mask.uniqueness, reversible=one.mask.reversible, because="",
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
    marks = set(matched)
    seen = marks | {place for mark in marks if " reads " not in mark for place in places_of(mark)}
    places = rule_places(ruleset)
    for rule in [*ruleset.rules, *(rule for dataset in ruleset.datasets for rule in dataset.rules)]:
        place, names = places[id(rule)], ", ".join(map(str, rule.fields))
        if rule.optional:
            continue
        if place not in seen:
            message = f"a rule matched nothing in the whole source: {names}"
            yield Finding("error", message, place, "check the name, or set optional: true")
        for name in reads_of(rule) if place in seen else ():
            if reading_mark(place, name) not in seen:
                message = f"the rule for {names} reads {name}, which no record has"
                yield Finding("error", message, place, "check the name, or set optional: true")


def _as_finding(severity: Severity, error: DmengineError) -> Finding:
    return Finding(severity, error.message, ", ".join(dict.fromkeys(error.place.values())), error.hint)
