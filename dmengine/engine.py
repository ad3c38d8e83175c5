"""Records in -> records out: every decided field of a batch through its mask; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.aligning import beside, named_by, one_column
from dmengine.applying import Call, apply, refuse
from dmengine.arrow import flat, plain_type
from dmengine.conditions import Aligned, evaluate
from dmengine.contexts import Context
from dmengine.counts import Counts, FieldCounts
from dmengine.decisions import Action, Decision, works_on_columns
from dmengine.errors import MaskError, at
from dmengine.keyring import Key
from dmengine.partplans import PartPlan, reading_mark, unlisted_error
from dmengine.rules import Drop, Keep
from dmengine.spi import Limits, Masker, Positions, Records, Selection, is_keyed


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of one part: the records, and the number of the first one within the part."""

    records: Records
    first_row: int


@dataclass(frozen=True, slots=True)
class Slot:
    """Where values that a mask of whole columns sees come from: a field, a branch of its rule, a type, a batch."""

    path: str
    branch: Literal["mask", "otherwise"]
    kind: str
    first_row: int


Gathered = dict[Slot, tuple[Call, Selection]]


@dataclass(frozen=True, slots=True)
class Engine:
    """Masks the batches of one part. Pure: the result depends on plan, key, part and values alone.

    Attributes:
        plan: What happens to each field.
        key: The root key.
        part: The part's id.
        columns: What masks of whole columns made of the part, batch by batch (`columns.hold`).
    """

    plan: PartPlan
    key: Key = field(repr=False)
    part: str
    columns: Mapping[Slot, pa.Array] = field(default_factory=dict, repr=False)

    def mask(self, batch: Batch) -> tuple[Records, Counts]:
        """Mask one batch; return the masked records and what was counted.

        Raises:
            PlanError: a document has a field that no rule names.
            MaskError: a mask cannot take a value, or breaks its contract.
        """
        records = batch.records
        counts = Counts(rows=records.num_rows)
        self._refuse_missing(records)
        for decision in self.decisions(records):
            counts.matched.add(decision.rule_id)
            with at(part=self.part, field=str(decision.path)):
                records = self._one(decision, batch, records, counts)
        return records, counts

    def _refuse_missing(self, records: Records) -> None:
        """Stop at records that lack a field which a rule wants in each of them."""
        wanted = [path for _, rule in self.plan.rulebook.rules if rule.on_missing == "fail" for path in rule.fields]
        for path in wanted:
            lacking = records.num_rows - sum(len(found.values) for found in records.select(path))
            if lacking:
                with at(part=self.part, field=str(path)):
                    raise MaskError(f"{lacking} records lack it", hint="set on_missing: skip, or mend the source")

    def gather(self, batch: Batch) -> Gathered:
        """Collect the original values of a batch that masks of whole columns will see; mask nothing."""
        gathered: Gathered = {}
        for decision in self.decisions(batch.records) if batch.records.num_rows else ():
            if works_on_columns(decision.rule) and isinstance(decision.action, Masker):
                with at(part=self.part, field=str(decision.path)):
                    pass_ = _Gathering(self, decision, decision.action, batch, Counts(), gathered)
                    for found in batch.records.select(decision.path):
                        pass_.selection(found)
        return gathered

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
        if decision.rule.on_null == "fail" and (nulls := sum(s.values.null_count for s in selections)):
            raise MaskError(f"{nulls} values are null", hint="set on_null: keep, or mend the source")
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
        no = self._action(rule.otherwise, _filtered(here, ~chosen), "otherwise")
        return here.with_values(_merged(chosen, yes, no))

    def _beside(self, here: Selection, name: str, most: int = 2) -> list[Aligned]:
        """Find a field beside these values, and note that it is there at all: a misspelt one never is.

        A field that folders are named by has the same value everywhere, in up to `most` types.
        """
        found = beside(self.batch.records, self.decision.path, here, name)
        if not found:
            found = named_by(self.engine.plan.rulebook.dataset, name, len(here.values))[:most]
        if found:
            self.counts.matched.add(reading_mark(self.decision.rule_id, name))
        return found

    def _action(self, action: Action, here: Selection, branch: Literal["mask", "otherwise"] = "mask") -> pa.Array:
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
        return self._masked(call, here, Slot(str(path), branch, str(here.values.type), self.batch.first_row))

    def _masked(self, call: Call, here: Selection, slot: Slot) -> pa.Array:
        """Mask the values now, or return what a mask of the whole column has made of them."""
        if call.masker.scope != "column" or len(here.values) == 0:
            return apply(call, here.values, self.field)
        return self.engine.columns[slot]

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
                return one_column(self._beside(there, name, most=1), len(there.values))

            return Context(key, domain, place, rows + self.batch.first_row, elements, reader)

        return make


@dataclass(frozen=True, slots=True)
class _Gathering(_FieldPass):
    """The same way without masking: it stops at the masks of whole columns, and notes what they will see."""

    gathered: Gathered

    def _masked(self, call: Call, here: Selection, slot: Slot) -> pa.Array:
        if call.masker.scope == "column":
            self.gathered[slot] = (call, here)
        return pa.nulls(len(here.values), call.planned.out.type)


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
