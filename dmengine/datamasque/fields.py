"""All that a DataMasque ruleset says of one field, as one rule of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from json import dumps
from typing import Any, cast

from dmengine.conditions import Condition, all_of
from dmengine.datamasque.conditions import Untranslated, skipped
from dmengine.datamasque.masks import GENERATING, Reading, Spec, Unknown
from dmengine.datamasque.notes import Notes
from dmengine.paths import FieldPath
from dmengine.pluginparams import read_masker
from dmengine.rules import Action, Keep, Normalize, ReadAs, Rule
from dmengine.spi import Masker, is_keyed
from dmengine.yamlfile import Document


@dataclass(frozen=True, slots=True)
class Branch:
    """One side of an `if`: the condition of the `if` numbered so, as it is or turned round."""

    number: int
    holds: bool
    condition: Condition


@dataclass(frozen=True, slots=True)
class Part:
    """One rule of DataMasque for a field, with all that is in force around it."""

    place: Any
    masks: Sequence[Any]
    hashed: Sequence[Any] = ()
    skip: Any = None
    branches: tuple[Branch, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    action: Masker | Action
    domain: str | None = None
    normalize: tuple[Normalize, ...] = ()
    as_: ReadAs | None = None
    format: str | None = None


def rule_of(path: FieldPath, parts: Sequence[Part], notes: Notes, today: date) -> Rule:
    """Make one rule of all parts; a field for which that cannot be done is redacted, and noted."""
    problem = ""
    try:
        return _rule(path, parts, notes, today)
    except (Unknown, Untranslated) as error:
        problem = str(error)
    notes.add(parts[0].place, str(path), "redacted", problem)
    return Rule(path, _masker({"type": "redact"}), optional=all(part.optional for part in parts))


def _rule(path: FieldPath, parts: Sequence[Part], notes: Notes, today: date) -> Rule:
    if len(parts) > 1 and not any(part.branches for part in parts):
        parts = [_joined(parts, notes)]
    part = parts[0]
    made = _made(path, part, notes, today)
    if len(parts) == 1:
        when = _when(path, part, notes)
        otherwise: Masker | Action | None = None
        if when is not None:
            otherwise = Keep("the DataMasque ruleset left such records unmasked")
        return _with(path, part, made, when, otherwise)
    if len(parts) > 2 or not _opposite(*parts):
        raise Unknown("several rules with conditions cannot be one rule with when and otherwise")
    if any(one.skip is not None for one in parts):
        notes.add(part.place, f"{path}: skip", "differs", "beside if and else_rules, such values are masked too")
    other = _made(path, parts[1], notes, today)
    if (made.normalize, made.as_, made.format) != (other.normalize, other.as_, other.format):
        raise Unknown("both branches of a condition read the value alike here: hash_columns and formats must be equal")
    yes, no = (made, other) if part.branches[-1].holds else (other, made)
    domain = yes.domain if yes.domain == no.domain else None
    both = _Made(yes.action, domain, yes.normalize, yes.as_, yes.format)
    return _with(path, part, both, part.branches[-1].condition, no.action)


def _with(path: FieldPath, part: Part, made: _Made, when: Condition | None, otherwise: Masker | Action | None) -> Rule:
    if isinstance(made.action, Keep) and when is not None:
        if not isinstance(otherwise, Masker):
            return Rule(path, made.action, optional=part.optional)
        when, made, otherwise = ~when, _Made(otherwise, made.domain, made.normalize, made.as_, made.format), made.action
    return Rule(
        path, made.action, domain=made.domain, normalize=made.normalize, as_=made.as_, format=made.format, when=when,
        otherwise=otherwise, optional=part.optional,
    )  # fmt: skip


def _joined(parts: Sequence[Part], notes: Notes) -> Part:
    first = parts[0]
    for part in parts[1:]:
        notes.add(part.place, "a second rule for a column", "differs", "its masks follow those of the first rule")
        if (part.hashed, part.skip) != (first.hashed, first.skip):
            raise Unknown("several rules for one column differ in hash_columns or skip")
    return Part(
        first.place, [mask for part in parts for mask in part.masks], first.hashed, first.skip,
        optional=all(part.optional for part in parts),
    )  # fmt: skip


def _opposite(one: Part, other: Part) -> bool:
    """Say whether two parts stand in the two branches of one `if`, and not deeper."""
    if len(one.branches) != 1 or len(other.branches) != 1:
        return False
    (left,), (right,) = one.branches, other.branches
    return left.number == right.number and left.holds != right.holds


def _when(path: FieldPath, part: Part, notes: Notes) -> Condition | None:
    conditions = [branch.condition if branch.holds else ~branch.condition for branch in part.branches]
    skip = skipped(path.leaf, part.skip) if part.skip is not None else None
    if skip is not None and path.steps[-1].kind != "name":
        notes.add(
            part.place, f"{path}: skip", "differs", "elements of a list have no name for a condition: all are masked"
        )
    elif skip is not None:
        conditions.append(~skip)
    return None if not conditions else conditions[0] if len(conditions) == 1 else all_of(*conditions)


def _made(path: FieldPath, part: Part, notes: Notes, today: date) -> _Made:
    own, others, normalize = _hashed(path, part, notes)
    reading = Reading(notes, keyed=bool(own or others), today=today)
    steps = reading.steps(list(part.masks))
    if not steps:
        return _Made(Keep("the DataMasque ruleset does nothing to it"))
    if others:
        steps = _keyed_by(others, steps, path, part, notes)
    spec: Spec = steps[0] if len(steps) == 1 else {"type": "chain", "masks": steps}
    masker = _masker(spec)
    seeds = [mask["seed"] for mask in part.masks if isinstance(mask, dict) and "seed" in mask]
    domain = _domain(masker, spec, seeds) if masker.consistent or others or seeds else None
    return _Made(masker, domain, normalize, cast(ReadAs | None, reading.as_), reading.format)


def _hashed(path: FieldPath, part: Part, notes: Notes) -> tuple[bool, list[str], tuple[Normalize, ...]]:
    """Say whether the value itself is hashed, which other fields are, and how the value is folded before."""
    own, others, normalize = False, list[str](), set[Normalize]()
    for entry in part.hashed:
        named = entry.get("column_name") if isinstance(entry, dict) else entry
        if isinstance(entry, dict) and (entry.get("source") == "self" or named == path.leaf):
            normalize |= {"trim"} if entry.get("trim") else set()
            normalize |= {"casefold"} if entry.get("case_transform") else set()
            own = True
        elif named == path.leaf:
            own = True
        elif isinstance(named, str) and not (isinstance(entry, dict) and "json_path" in entry):
            others.append(named)
            if isinstance(entry, dict) and len(entry) > 1:
                notes.add(
                    part.place, f"{path}: hash_columns", "differs", f"{named} is not folded (trim, case_transform)"
                )
        else:
            notes.add(part.place, f"{path}: hash_columns", "differs", "an entry of this kind has no counterpart")
    folds: tuple[Normalize, ...] = ("trim", "casefold")
    return own, others, tuple(fold for fold in folds if fold in normalize)


def _keyed_by(others: list[str], steps: list[Spec], path: FieldPath, part: Part, notes: Notes) -> list[Spec]:
    """Put the fields whose hash decides in front of masks that do not look at the value they replace."""
    names = ", ".join(others)
    first = part.masks[0].get("type")
    if first in ("from_fixed", "from_column", "set_checksum"):
        return steps
    if steps[0]["type"] == "from_file" and len(others) == 1:
        return [steps[0] | {"subject": str(FieldPath.of(others[0]))}, *steps[1:]]
    if first not in GENERATING:
        why = f"the result follows from the value itself, not from {names}"
        notes.add(part.place, f"{path}: hash_columns", "differs", why)
        return steps
    why = f"equal results for equal {names} hold for this mask with the same fields; other types than the field's fail"
    notes.add(part.place, f"{path}: hash_columns", "differs", why)
    if len(others) == 1:
        return [{"type": "from_field", "field": str(FieldPath.of(others[0]))}, *steps]
    return [{"type": "template", "template": "|".join(f"{{{name}}}" for name in others)}, *steps]


def _masker(spec: Spec) -> Masker:
    found = read_masker(spec, Document(spec, "", {}, {}), ())
    if isinstance(found, list):
        raise Unknown("; ".join(f"{problem.message}" for problem in found))
    return found


def _domain(masker: Masker, spec: Spec, seeds: list[Any]) -> str | None:
    """Name the domain that all fields with this mask share, in whatever ruleset: so DataMasque kept them consistent."""
    if not is_keyed(masker) and not seeds:
        return None
    if seeds:
        return f"datamasque.{masker.name}.{'.'.join(map(str, seeds))}"
    return f"datamasque.{masker.name}.{sha256(dumps(spec, sort_keys=True, default=str).encode()).hexdigest()[:8]}"
