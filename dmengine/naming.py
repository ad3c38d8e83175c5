"""Names the objects of a run at its target, where folders are named by values that rules mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa

from dmengine.applying import Call, apply
from dmengine.contexts import Context
from dmengine.counts import Counts, FieldCounts
from dmengine.decisions import Decision, Rulebook
from dmengine.errors import DmengineError, MaskError, PlanError, shielded
from dmengine.foldernames import DATE, HIDDEN, INTEGER, Folder, folders, hidden_step, shown, step_of
from dmengine.folderrules import folder_label, told_finding
from dmengine.keyring import Key
from dmengine.partplans import PartPlan
from dmengine.rules import Drop, Keep, Ruleset
from dmengine.spi import Described, Finding, Limits, Masker, Part, Source, is_keyed

_IN_PLACE: Final = "write the masked objects to another target"


@dataclass(frozen=True, slots=True)
class Names:
    """What objects in folders that are named by values are called outside of their source.

    Attributes:
        of: Their names; `…` stands in them for a value that no rule decides about, so that no run may begin.
        problems: What stops a run: masks that refuse, names that become the same.
    """

    of: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: tuple[Finding, ...] = ()


@contextmanager
def told(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors that pass through speak of objects by their names at the target."""
    try:
        yield
    except DmengineError as error:
        error.message, error.hint = shown(error.message, names), shown(error.hint, names)
        error.place = {what: shown(where, names) for what, where in error.place.items()}
        error.args = (error.message,)
        raise


def described(source: Source, ruleset: Ruleset, key: Key) -> Described:
    """Describe a source, as `described_as` does, and let no error show a value in the name of a folder."""
    with told({}):
        found = shielded(source.describe)
    return described_as(found, ruleset, key)


def described_as(described: Described, ruleset: Ruleset, key: Key) -> Described:
    """Return a description whose findings and outcomes show no value of a folder's name that no rule keeps.

    Datasets keep their names, which rules are matched with, and get the names of their targets.
    """
    written = [info.name for info in described.datasets]
    written += [outcome.name for outcome in described.outcomes if outcome.outcome == "copied"]
    others = [outcome.name for outcome in described.outcomes if outcome.outcome != "copied"]
    names = names_of(ruleset, key, written, others)
    findings = tuple(told_finding(one, names.of) for one in described.findings)
    datasets = tuple(
        replace(info, target=names.of[info.name]) if info.name in names.of else info for info in described.datasets
    )
    outcomes = tuple(replace(one, name=names.of.get(one.name, one.name)) for one in described.outcomes)
    return replace(described, datasets=datasets, outcomes=outcomes, findings=(*findings, *names.problems))


def parts_as(parts: Iterable[Part], ruleset: Ruleset, key: Key) -> list[Part]:
    """Return the parts with the names of their targets.

    Raises:
        PlanError: they cannot be named; what the plan saw is not what there is now.
    """
    parts = list(parts)
    names = names_of(ruleset, key, [part.dataset for part in parts])
    if names.problems:
        raise PlanError(names.problems[0].message, hint=names.problems[0].hint)
    return [_with_target(part, names.of[part.dataset]) if part.dataset in names.of else part for part in parts]


def _with_target(part: Part, target: str) -> Part:
    if target == part.dataset:
        return part
    if part.id != part.dataset:
        message = "a part of an object cannot be named by its folders"
        raise PlanError(message, hint="this is a defect of the connector: its parts should be whole objects")
    return replace(part, target=target)


def in_place_finding(described: Described, target: str) -> Iterator[Finding]:
    """Refuse to mask in place where objects would have to move."""
    moved = [info for info in described.datasets if info.target not in ("", info.name)]
    if described.location != target or not moved:
        return
    kept = {step for info in moved for step in info.target.split("/")}
    changed = (
        folder for info in moved for folder in folders(info.name) if info.name.split("/")[folder.place] not in kept
    )
    names = dict.fromkeys(folder.field for folder in changed)
    message = f"folders are named by values ({', '.join(f'{name}=...' for name in names)}) that a rule masks or drops"
    yield Finding("error", f"{message}: in place, {len(moved)} objects would have to move", hint=_IN_PLACE)


# ------------------------------------------------------------------------------------------ the names


def names_of(ruleset: Ruleset, key: Key, written: Sequence[str], others: Sequence[str] = ()) -> Names:
    """Return the names of objects at the target.

    Args:
        ruleset: The rules.
        key: The root key.
        written: The objects that are masked or copied: no two of them may get one name.
        others: Objects that are only spoken of.
    """
    found = {name: steps for name in dict.fromkeys((*written, *others)) if (steps := folders(name))}
    if not found:
        return Names()
    values = _Values(ruleset, key)
    for name, steps in found.items():
        values.note(name, steps)
    problems = values.mask()
    names = {name: values.renamed(name, steps) for name, steps in found.items()}
    return Names(names, (*problems, *_collisions([names.get(name, name) for name in dict.fromkeys(written)])))


def _collisions(names: Sequence[str]) -> Iterator[Finding]:
    same = [name for name, count in Counter(names).items() if count > 1 and HIDDEN not in name]
    if same:
        yield Finding(
            "error",
            f"{len(same)} names at the target would stand for several objects, as their folders are masked to the same "
            f"or left out: {', '.join(same[:3])}",
            hint="use a mask that keeps different values different, or write the objects under different names first",
        )


@dataclass(slots=True)
class _Values:
    """The values in the names of folders, masked once for each rule and field."""

    ruleset: Ruleset
    key: Key = field(repr=False)
    books: dict[tuple[int, ...], Rulebook] = field(default_factory=dict)
    decisions: dict[tuple[tuple[int, ...], str], Decision | None] = field(default_factory=dict)
    masked: dict[tuple[str, str], dict[str, str | None]] = field(default_factory=dict, repr=False)
    used: dict[tuple[str, str], tuple[Rulebook, Decision]] = field(default_factory=dict)

    def note(self, name: str, steps: Sequence[Folder]) -> None:
        """Collect the values of a name that are to be masked."""
        for step in steps:
            decision = self._decide(name, step.field)
            if decision is not None and decision.masker is not None:
                column = self.masked.setdefault(_column(decision), {})
                self.used[_column(decision)] = (self.books[self._group(name)], decision)
                if step.value is not None:
                    column[step.value] = None

    def mask(self) -> list[Finding]:
        """Mask all values that were collected; return what refused."""
        problems = []
        for column, values in self.masked.items():
            book, decision = self.used[column]
            try:
                values.update(_masked(book, decision, self.key, list(values)))
            except DmengineError as error:
                message = f"folders are named by values of {decision.path} ({decision.path.leaf}=...): {error.message}"
                problems.append(Finding("error", message, hint=error.hint))
                self.masked[column] = {}
        return problems

    def renamed(self, name: str, steps: Sequence[Folder]) -> str:
        """Return the name at the target."""
        folded: list[str | None] = list(name.split("/"))
        for step in steps:
            decision = self._decide(name, step.field)
            old = str(folded[step.place])
            if decision is not None and isinstance(decision.action, Drop):
                folded[step.place] = None
            elif step.value is None or (decision is not None and isinstance(decision.action, Keep)):
                continue
            elif decision is None or step.value not in self.masked[_column(decision)]:
                folded[step.place] = hidden_step(old)
            else:
                folded[step.place] = step_of(old.partition("=")[0], self.masked[_column(decision)][step.value])
        return "/".join(step for step in folded if step is not None)

    def _decide(self, name: str, field_name: str) -> Decision | None:
        group = self._group(name)
        if (group, field_name) not in self.decisions:
            if group not in self.books:
                self.books[group] = self._book(name, group)
            self.decisions[group, field_name] = self.books[group].decide_folder(field_name)
        return self.decisions[group, field_name]

    def _group(self, name: str) -> tuple[int, ...]:
        return tuple(number for number, dataset in enumerate(self.ruleset.datasets) if dataset.matches(name))

    def _book(self, name: str, group: tuple[int, ...]) -> Rulebook:
        """Return the rules for a name; where it belongs to no dataset, or to several, those for all of them."""
        if len(group) == min(1, len(self.ruleset.datasets)):
            return Rulebook.of(self.ruleset, name)
        return Rulebook.holding(name, self.ruleset.rules, self.ruleset)


def _column(decision: Decision) -> tuple[str, str]:
    return decision.rule_id, str(decision.path)


def _masked(book: Rulebook, decision: Decision, key: Key, values: list[str]) -> dict[str, str | None]:
    """Mask the values of one field: as integers or dates if all of them are and the mask takes these, else as text."""
    masker = decision.masker
    assert isinstance(masker, Masker)
    if any("\udc80" <= sign <= "\udcff" for value in values for sign in value):
        raise MaskError("a folder's name is not UTF-8", hint="rename the folder, or exclude it")
    for given in _typed(values):
        planned = book.planned(decision, pa.field(decision.path.leaf, given.type), Limits())
        if planned.action == "mask":
            call = Call(masker, decision, planned, Limits(), lambda kept: Context(key, decision.domain))
            return dict(zip(values, _texts(apply(call, given, FieldCounts())), strict=True))
    raise MaskError(planned.why, hint="choose a mask that takes text, or drop the field")


def _typed(values: list[str]) -> Iterator[pa.Array]:
    text = pa.array(values, pa.string())
    for pattern, kind in ((INTEGER, pa.int64()), (DATE, pa.date32())):
        if values and all(pattern.fullmatch(value) for value in values):
            try:
                typed = text.cast(kind)
            except pa.ArrowInvalid:  # a day that no month has
                continue
            yield typed
    yield text


def _texts(masked: pa.Array) -> list[str | None]:
    """Return masked values as a folder's name has them."""
    found: list[str | None] = masked.cast(pa.string()).to_pylist()
    return found


def count_folders(plan: PartPlan, part: Part, counts: Counts) -> None:
    """Count what happened to the names of a part's folders, one value for each folder."""
    before = {folder.field: folder for folder in folders(part.dataset)}
    after = part.name.split("/")
    for decision in plan.folders:
        folder = before[decision.path.leaf]
        masker = decision.masker
        domain = decision.domain if masker is not None and is_keyed(masker) else ""
        counted = counts.of(folder_label(decision.path), decision.action.name, domain)
        if isinstance(decision.action, Drop):
            continue
        counted.seen += 1
        counted.null += folder.value is None
        counted.kept += folder.value is not None and isinstance(decision.action, Keep)
        masked = folder.value is not None and masker is not None
        counted.masked += masked
        counted.unchanged += masked and part.dataset.split("/")[folder.place] in after
