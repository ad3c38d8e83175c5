"""Records in -> records out: every decided field of a batch through its mask; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.aligning import beside, one_column
from dmengine.applying import Call, apply, refuse
from dmengine.arrow import flat, plain_type
from dmengine.conditions import evaluate
from dmengine.contexts import Context
from dmengine.counts import Counts, FieldCounts
from dmengine.decisions import Action, Decision
from dmengine.errors import MaskError, at
from dmengine.keyring import Key
from dmengine.paths import FieldPath
from dmengine.planning import PartPlan, unlisted_error
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
        decisions = [rulebook.decide(path) for path in paths]
        unlisted = [path for path, decision in zip(paths, decisions, strict=True) if decision is None]
        if unlisted:
            with at(part=self.part):
                raise unlisted_error(unlisted)
        return [decision for decision in decisions if decision is not None]

    def _one(self, decision: Decision, batch: Batch, records: Records, counts: Counts) -> Records:
        path, action = decision.path, decision.action
        if isinstance(action, Keep):
            counts.of(str(path), "keep", "").kept += records.num_rows
            counts.of(str(path), "keep", "").seen += records.num_rows
            return records
        if isinstance(action, Drop):
            counts.of(str(path), "drop", "")
            return records.drop(path)
        field_counts = counts.of(str(path), action.name, decision.domain if is_keyed(action) else "")
        selections = records.select(path)
        if action.name == "redact" and any(pa.types.is_nested(s.values.type) for s in selections):
            field_counts.seen += sum(len(s.values) for s in selections)
            field_counts.masked += sum(len(s.values) for s in selections)
            return records.blank(path)
        masked = [self._selection(decision, action, s, batch, field_counts) for s in selections]
        return records.replace(path, masked)

    def _selection(
        self, decision: Decision, masker: Masker, here: Selection, batch: Batch, counts: FieldCounts
    ) -> Selection:
        kind = here.values.type
        if pa.types.is_null(kind):
            counts.seen += len(here.values)
            counts.null += len(here.values)
            return here
        if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            plain = here.with_values(here.values.cast(plain_type(kind)))
            masked = self._selection(decision, masker, plain, batch, counts).values
            return here.with_values(masked.cast(kind) if masked.type == plain_type(kind) else masked)
        condition = decision.rule.when
        if condition is None:
            return here.with_values(self._action(decision, masker, here, batch, counts))
        chosen = evaluate(condition, lambda name: beside(batch.records, decision.path, here, name), len(here.values))
        yes = self._action(decision, masker, _filtered(here, chosen), batch, counts)
        otherwise = decision.rule.otherwise
        assert otherwise is not None  # a condition must say what happens to the rest; rules refuse it otherwise
        no = self._action(decision, otherwise, _filtered(here, ~chosen), batch, counts)
        return here.with_values(_merged(chosen, yes, no))

    def _action(
        self, decision: Decision, action: Action, here: Selection, batch: Batch, counts: FieldCounts
    ) -> pa.Array:
        """Keep or mask the values of a selection."""
        if isinstance(action, Keep):
            counts.seen += len(here.values)
            counts.kept += len(here.values)
            return here.values
        if isinstance(action, Drop):
            raise MaskError("otherwise: drop would remove a field from some records only", hint="use null or redact")
        limits = self.plan.limits.get(str(decision.path), Limits())
        given = pa.field(decision.path.leaf, here.values.type, self._nullable(decision.path))
        planned = self.plan.rulebook.planned(decision, given, limits, action)
        call = Call(action, decision, planned, limits, self._contexts(decision, action, here, batch))
        if planned.action == "mismatch" or pa.types.is_nested(here.values.type):
            return refuse(call, here.values, counts)
        return apply(call, here.values, counts)

    def _nullable(self, path: FieldPath) -> bool:
        return next((s.given.nullable for s in self.plan.steps if s.decision.path == path), True)

    def _contexts(
        self, decision: Decision, masker: Masker, here: Selection, batch: Batch
    ) -> Callable[[Positions | None], Context]:
        """Return a maker of contexts for the values of `here`, or for those that `kept` points at."""
        place = f"{self.part}\0{decision.path}"

        def make(kept: Positions | None) -> Context:
            if masker.scope == "value":
                return Context(self.key, decision.domain)
            there = here if kept is None else _taken(here, kept)
            rows = there.rows if there.rows is not None else np.arange(len(there.values), dtype=np.int64)
            elements = there.elements[-1] if there.elements else None

            def reader(name: str) -> pa.Array:
                return one_column(beside(batch.records, decision.path, there, name), len(there.values))

            return Context(self.key, decision.domain, place, rows + batch.first_row, elements, reader)

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
