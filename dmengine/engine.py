"""Records in -> records out: every decided field of a batch through its mask; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.aligning import beside, one_column
from dmengine.applying import Call, apply, refuse
from dmengine.arrow import flat, plain_type
from dmengine.conditions import Aligned, evaluate
from dmengine.contexts import Context
from dmengine.counts import Counts, FieldCounts
from dmengine.decisions import Action, Decision
from dmengine.errors import MaskError, at
from dmengine.keyring import Key
from dmengine.planning import PartPlan, reading_mark, unlisted_error
from dmengine.rules import Drop, Keep
from dmengine.spi import Limits, Masker, Positions, Records, Selection, is_keyed


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of one part: the records, and the number of the first one within the part."""

    records: Records
    first_row: int


@dataclass(frozen=True, slots=True)
class Engine:
    """Masks the batches of one part. Pure: the result depends on plan, key, part and values alone."""

    plan: PartPlan
    key: Key = field(repr=False)
    part: str

    def mask(self, batch: Batch) -> tuple[Records, Counts]:
        """Mask one batch; return the masked records and what was counted.

        Raises:
            PlanError: a document has a field that no rule names.
            MaskError: a mask cannot take a value, or breaks its contract.
        """
        records = batch.records
        counts = Counts(rows=records.num_rows)
        for decision in self.decisions(records):
            counts.matched.add(decision.rule_id)
            with at(part=self.part, field=str(decision.path)):
                records = self._one(decision, batch, records, counts)
        return records, counts

    def decisions(self, records: Records) -> Iterable[Decision]:
        """Say what happens to each field of a batch; refuse a document with a field that no rule names."""
        if self.plan.schema_in is not None:
            return [step.decision for step in self.plan.steps]
        rulebook = self.plan.rulebook
        paths = list(records.fields(rulebook.opened))
        if unlisted := rulebook.undecided(records, paths):
            with at(part=self.part):
                raise unlisted_error(unlisted)
        return [decision for path in paths if (decision := rulebook.decide(path)) is not None]

    def _one(self, decision: Decision, batch: Batch, records: Records, counts: Counts) -> Records:
        path, action = decision.path, decision.action
        if isinstance(action, Keep):
            kept = counts.of(str(path), "keep", "")
            kept.kept += records.num_rows
            kept.seen += records.num_rows
            return records
        if isinstance(action, Drop):
            counts.of(str(path), "drop", "")
            return records.drop(path)
        pass_ = _FieldPass(self, decision, action, batch, counts)
        selections = records.select(path)
        if action.name == "redact" and any(pa.types.is_nested(s.values.type) for s in selections):
            pass_.count_container(selections)
            return records.blank(path)
        return records.replace(path, [pass_.selection(s) for s in selections])


@dataclass(frozen=True, slots=True)
class _FieldPass:
    """One decided field of one batch on its way through its mask."""

    engine: Engine
    decision: Decision
    masker: Masker
    batch: Batch
    counts: Counts

    @property
    def field(self) -> FieldCounts:
        """The counts of this field."""
        domain = self.decision.domain if is_keyed(self.masker) else ""
        return self.counts.of(str(self.decision.path), self.masker.name, domain)

    def count_container(self, selections: Sequence[Selection]) -> None:
        """Count a container that is redacted whole."""
        if self.decision.rule.when is not None:
            raise MaskError("a condition cannot redact a container whole", hint="name what is inside it")
        total = sum(len(s.values) for s in selections)
        self.field.seen += total
        self.field.masked += total

    def selection(self, here: Selection) -> Selection:
        """Mask the values of one kind, where the rule's condition holds."""
        kind = here.values.type
        if pa.types.is_null(kind):
            self.field.seen += len(here.values)
            self.field.null += len(here.values)
            return here
        if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            masked = self.selection(here.with_values(here.values.cast(plain_type(kind)))).values
            return here.with_values(masked.cast(kind) if masked.type == plain_type(kind) else masked)
        rule = self.decision.rule
        if rule.when is None:
            return here.with_values(self._action(self.masker, here))
        chosen = evaluate(rule.when, lambda name: self._beside(here, name), len(here.values))
        assert rule.otherwise is not None  # rules that do not say what happens to the rest are refused
        yes = self._action(self.masker, _filtered(here, chosen))
        no = self._action(rule.otherwise, _filtered(here, ~chosen))
        return here.with_values(_merged(chosen, yes, no))

    def _beside(self, here: Selection, name: str) -> list[Aligned]:
        """Find a field beside these values, and note that it is there at all: a misspelt one never is."""
        found = beside(self.batch.records, self.decision.path, here, name)
        if found:
            self.counts.matched.add(reading_mark(self.decision.rule_id, name))
        return found

    def _action(self, action: Action, here: Selection) -> pa.Array:
        """Keep or mask the values of a selection."""
        if isinstance(action, Keep):
            self.field.seen += len(here.values)
            self.field.kept += len(here.values)
            return here.values
        if isinstance(action, Drop):
            raise MaskError("otherwise: drop would remove a field from some records only", hint="use null or redact")
        path, plan = self.decision.path, self.engine.plan
        limits = plan.limits.get(str(path), Limits())
        nullable = next((s.given.nullable for s in plan.steps if s.decision.path == path), True)
        given = pa.field(path.leaf, here.values.type, nullable)
        planned = plan.rulebook.planned(self.decision, given, limits, action)
        call = Call(action, self.decision, planned, limits, self._contexts(action, here))
        if planned.action == "mismatch" or pa.types.is_nested(here.values.type):
            return refuse(call, here.values, self.field)
        return apply(call, here.values, self.field)

    def _contexts(self, masker: Masker, here: Selection) -> Callable[[Positions | None], Context]:
        """Return a maker of contexts for the values of `here`, or for those that `kept` points at."""
        key, domain = self.engine.key, self.decision.domain
        place = f"{self.engine.part}\0{self.decision.path}"

        def make(kept: Positions | None) -> Context:
            if masker.scope == "value":
                return Context(key, domain)
            there = here if kept is None else _taken(here, kept)
            rows = there.rows if there.rows is not None else np.arange(len(there.values), dtype=np.int64)
            elements = there.elements[-1] if there.elements else None

            def reader(name: str) -> pa.Array:
                return one_column(self._beside(there, name), len(there.values))

            return Context(key, domain, place, rows + self.batch.first_row, elements, reader)

        return make


def _taken(here: Selection, index: Positions) -> Selection:
    rows = here.rows[index] if here.rows is not None else index
    values = here.values.take(pa.array(index))
    return Selection(values, rows, tuple(e[index] for e in here.elements))


def _filtered(here: Selection, chosen: npt.NDArray[np.bool_]) -> Selection:
    if chosen.all():
        return here
    return _taken(here, np.flatnonzero(chosen))


def _merged(chosen: npt.NDArray[np.bool_], yes: pa.Array, no: pa.Array) -> pa.Array:
    """Put the values of both branches back in their order."""
    if chosen.all():
        return yes
    if not chosen.any():
        return no
    yes, no = flat(yes), flat(no)
    if pa.types.is_null(yes.type) or pa.types.is_null(no.type):
        wanted = no.type if pa.types.is_null(yes.type) else yes.type
        yes, no = yes.cast(wanted), no.cast(wanted)
    index = np.empty(len(chosen), np.int64)
    index[chosen] = np.arange(len(yes))
    index[~chosen] = np.arange(len(no)) + len(yes)
    return pa.concat_arrays([yes, no]).take(pa.array(index))
