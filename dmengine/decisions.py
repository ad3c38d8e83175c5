"""Which rule decides about a field: the first match, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from dmengine import registry
from dmengine.arrow import is_text, plain_type
from dmengine.casting import read_type
from dmengine.conditions import fields as condition_fields
from dmengine.errors import DmengineError, PlanError, at
from dmengine.gathering import gathered
from dmengine.paths import FieldPath, Step
from dmengine.rules import Drop, Keep, Rule, Ruleset, default_domain
from dmengine.spi import Limits, Masker, Records, domains_used, is_keyed

Action = Masker | Keep | Drop
UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one real field, and because of which rule."""

    path: FieldPath
    rule: Rule
    action: Action
    domain: str
    rule_id: str
    conditions: tuple[tuple[str, tuple[FieldPath, ...]], ...] = ()

    @property
    def masker(self) -> Masker | None:
        """The mask, or None where the field is kept or dropped."""
        return None if isinstance(self.action, (Keep, Drop)) else self.action


@dataclass(frozen=True, slots=True)
class Planned:
    """How one mask meets values of one Arrow type.

    Attributes:
        action: `mask`, or `mismatch` where the mask cannot take values of this type at all.
        read_as: The type that text is read as before masking (`as:`), or None.
        out: The field that comes out.
        why: Why the mask refused, without a value.
    """

    action: Literal["mask", "mismatch"]
    out: pa.Field
    read_as: pa.DataType | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules that hold for one dataset, ready to be asked field by field.

    It is asked for every field of a schema at plan time, and for every new path of a document while
    a run reads; it never looks at a value.
    """

    dataset: str
    rules: tuple[tuple[str, Rule], ...]
    ruleset: Ruleset
    _seen: dict[FieldPath, Decision | None] = field(default_factory=dict, repr=False, compare=False)
    _types: dict[tuple[FieldPath, str, str], Planned] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(ruleset: Ruleset, dataset: str) -> Rulebook:
        """Collect the rules of one dataset: its own first, then the general ones."""
        return Rulebook.holding(dataset, ruleset.for_dataset(dataset), ruleset)

    @staticmethod
    def holding(dataset: str, rules: Iterable[Rule], ruleset: Ruleset) -> Rulebook:
        """Make the book of some rules of a ruleset; those for the inside of one document become the mask of its field.

        Raises:
            PlanError: a rule says what cannot be done inside of a document.
        """
        places = rule_places(ruleset)
        return Rulebook(dataset, gathered([(places[id(rule)], rule) for rule in rules], ruleset.unlisted), ruleset)

    @property
    def opened(self) -> tuple[FieldPath, ...]:
        """The paths that rules name, so that a reader knows which containers to look into."""
        return tuple(path for _, rule in self.rules for path in rule.fields)

    def decide(self, path: FieldPath) -> Decision | None:
        """Return what happens to a field; None means that no rule names it and `unlisted` is "fail"."""
        if path not in self._seen:
            self._seen[path] = self._decide(path)
        return self._seen[path]

    def decide_folder(self, field: str) -> Decision | None:
        """Return what happens to a field by whose values folders are named; as Hive and Glue do, whatever its case."""
        exact = self.decide(FieldPath.of(field))
        if exact is not None and exact.rule_id != UNLISTED:
            return exact
        wanted = Step("name", field.casefold())
        for number, rule in self.rules:
            for path in rule.fields:
                step = path.steps[0]
                if len(path.steps) == 1 and Step("name", step.name.casefold(), step.glob).covers(wanted):
                    return self._decision(FieldPath.of(field), number, rule)
        return exact

    def undecided(self, records: Records, paths: Iterable[FieldPath]) -> list[FieldPath]:
        """List the paths of documents that no rule names; a null where rules name what is inside hides nothing."""
        return [path for path in paths if self.decide(path) is None and not self._is_absent(records, path)]

    def _is_absent(self, records: Records, path: FieldPath) -> bool:
        depth = len(path.steps)
        if not any(len(p.steps) > depth and FieldPath(p.steps[:depth]).covers(path) for p in self.opened):
            return False
        kinds = [found.values.type for found in records.select(path)]
        return all(pa.types.is_null(kind) or pa.types.is_nested(kind) for kind in kinds)

    def _decide(self, path: FieldPath) -> Decision | None:
        for number, rule in self.rules:
            if any(p.covers(path) or (covers_subtree(rule) and p.contains(path)) for p in rule.fields):
                return self._decision(path, number, rule)
        return self._unlisted(path)

    def _decision(self, path: FieldPath, number: str, rule: Rule) -> Decision:
        domain = ""
        if not isinstance(rule.mask, (Keep, Drop)):
            domain = rule.domain or default_domain(rule.mask, path)
        names = sorted(condition_fields(rule.when)) if rule.when is not None else []
        return Decision(path, rule, rule.mask, domain, number, tuple((n, candidates(path, n)) for n in names))

    def _unlisted(self, path: FieldPath) -> Decision | None:
        unlisted = self.ruleset.unlisted
        if unlisted == "fail":
            return None
        action: Action
        if unlisted == "drop":
            action = Drop()
        elif unlisted == "redact":
            action = redact()
        else:
            action = unlisted
        rule = Rule(path, action)
        return Decision(path, rule, action, default_domain(action, path) if action is not unlisted else "", UNLISTED)

    def planned(self, decision: Decision, values: pa.Field, limits: Limits, mask: Masker | None = None) -> Planned:
        """Ask a decision's mask (or its `otherwise` mask) whether it takes values of this field's type."""
        masker = mask or decision.masker
        if masker is None:
            raise PlanError("a field that is kept or dropped has no mask to plan")
        known = (decision.path, f"{masker.name} {limits}", str(values.type))
        if known not in self._types:
            self._types[known] = _planned(decision, masker, values, limits)
        return self._types[known]


def _planned(decision: Decision, masker: Masker, values: pa.Field, limits: Limits) -> Planned:
    read_as = None
    given = values = values.with_type(plain_type(values.type))
    if decision.rule.as_ is not None and is_text(given.type):
        read_as = read_type(decision.rule.as_, decision.rule.format)
        given = given.with_type(read_as)
    try:
        out = masker.plan(given, Limits() if read_as is not None else limits)
    except DmengineError as error:  # a refusal speaks of types and parameters only
        return Planned("mismatch", values, None, f"{error.message}" + (f"; {error.hint}" if error.hint else ""))
    return Planned("mask", values if read_as is not None else out, read_as)


def covers_subtree(rule: Rule) -> bool:
    """Say whether a rule on a container also decides about everything below it."""
    return isinstance(rule.mask, (Keep, Drop)) or rule.mask.name == "redact"


def works_on_columns(rule: Rule) -> bool:
    """Say whether a mask of a rule needs the values of a whole part at once."""
    masks = [one for one in (rule.mask, rule.otherwise) if one is not None and not isinstance(one, (Keep, Drop))]
    return any(mask.scope == "column" for mask in masks)


def check_domains(rules: Iterable[Rule]) -> None:
    """Refuse one domain with two masks or parameter sets: its values would not match each other."""
    masks: dict[str, Masker] = {}
    for rule in rules:
        for masker in (rule.mask, rule.otherwise):
            if masker is None or isinstance(masker, (Keep, Drop)):
                continue
            named = domains_used(masker) if rule.domain is None else ((rule.domain, masker), *domains_used(masker))
            for domain, used in named:
                if is_keyed(used) and masks.setdefault(domain, used) != used:
                    raise PlanError(
                        f"the domain {domain!r} has two masks or parameter sets ({masks[domain].name}, {used.name})",
                        hint="give each its own domain, or the same mask with the same parameters",
                    )


def redact() -> Masker:
    """Return the mask that hides a value of any type whole; it comes by the same door as any plugin."""
    masker: Masker = registry.load("dmengine.maskers", "redact")()
    return masker


def rule_places(ruleset: Ruleset) -> dict[int, str]:
    """Name each rule by its place in the ruleset (`rules[0]`, `datasets[1].rules[2]`), keyed by identity."""
    places = {id(rule): f"rules[{i}]" for i, rule in enumerate(ruleset.rules)}
    for number, dataset in enumerate(ruleset.datasets):
        places |= {id(rule): f"datasets[{number}].rules[{i}]" for i, rule in enumerate(dataset.rules)}
    return places


def candidates(path: FieldPath, name: str) -> tuple[FieldPath, ...]:
    """List where a field named beside `path` may lie: in the same element first, then in its parents.

    >>> [str(p) for p in candidates(FieldPath.parse("contacts[*].email"), "country")]
    ['contacts[*].country', 'country']
    """
    with at(field=str(path)):
        beside = FieldPath.parse(name)
        if any(step.kind in ("each", "values") for step in beside.steps):
            raise PlanError(
                f"{name} lies in a list of its own, so no single value of it stands beside {path}",
                hint="name a field of the same element or of a parent, or one element by its index: items[0].sku",
            )
        records = (path.steps[:k] for k in reversed(range(len(path.steps))) if path.steps[k].kind == "name")
        return tuple(FieldPath((*record, *beside.steps)) for record in records)


def unlisted_yaml(paths: Iterable[FieldPath]) -> str:
    """Return the YAML to paste for fields that no rule names."""
    return "\n".join(f'      - field: {path}\n        keep: "why may it stay?"   # or mask: redact' for path in paths)
