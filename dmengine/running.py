"""Drives parts from a source to a sink: plan, seal, COMMIT, publish, clean up; or roll back, or roll forward."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dmengine.counts import Counts
from dmengine.errors import DmengineError, PlanError, RunError
from dmengine.journal import EndedError, Journal, manifests, new_run_id, unfinished
from dmengine.keyring import Key
from dmengine.logs import event
from dmengine.planning import Plan, unmatched_findings
from dmengine.recovery import (
    add_forward_hint,
    cleaned_up,
    differences,
    discard,
    ended,
    field_reports,
    forward_only,
    output_of,
    publish,
    roll_back,
    tell_left,
)
from dmengine.report import Report, found_findings, gathered
from dmengine.rules import Ruleset
from dmengine.sealing import Sealing, Settings
from dmengine.spi import Described, Leftovers, Sink, Source, Store
from dmengine.versions import version
from dmengine.working import PartDone

ALGORITHM = 1
_STARTS = 20


@dataclass(slots=True)
class Run:
    """One run from source to sink."""

    source: Source
    sink: Sink
    ruleset: Ruleset
    key: Key = field(repr=False)
    settings: Settings
    described: Described
    plan: Plan
    journal: Journal
    started: float = field(default_factory=time.perf_counter)
    epoch: int = 0

    def go(self) -> Report:
        """Mask and seal every part, commit, publish and clean up.

        Raises:
            DmengineError: whatever stopped the run; before COMMIT nothing is visible then, and nothing is left.
        """
        self.epoch = self.epoch or self.journal.claim()
        try:
            return self._go()
        finally:
            self.journal.release()

    def _go(self) -> Report:
        event("run started", run=self.journal.run_id, source=self.source_location, target=self.sink.location,
              key=self.key.fingerprint, ruleset=self.ruleset.fingerprint[:16])  # fmt: skip
        try:
            done = self._seal_all()
            self._verify(done)
            self.journal.check_owner(self.epoch)
            self.journal.commit({"parts": [d.sealed.part for d in done]})
        except BaseException as error:
            self._deal_with(error)
            raise
        event("committed", run=self.journal.run_id, parts=len(done))
        with forward_only():
            return self._finish(done)

    @property
    def source_location(self) -> str:
        """Where the source lies."""
        return self.described.location

    def _seal_all(self) -> list[PartDone]:
        self.sink.start(self.journal, self.described)
        parts = self._sealing().parts()
        if self.described.location == self.sink.location:
            parts = [part for part in parts if part.action != "copy"]  # in place they lie where they belong
        notes = self.journal.newest("sealed", [part.name for part in parts])
        done = {part: PartDone.from_json(note) for part, note in notes.items()}
        done |= self._sealing().seal([part for part in parts if part.name not in done], len(parts))
        return [done[part.name] for part in parts]

    def _sealing(self) -> Sealing:
        return Sealing(
            self.source, self.sink, self.ruleset, self.key, self.settings, self.journal, self.plan.limits
        )  # fmt: skip

    def _verify(self, done: Iterable[PartDone]) -> None:
        """Check what can only be known when every part is sealed."""
        matched = set(Counts().add(d.counts for d in done).matched)
        problems = list(unmatched_findings(self.ruleset, matched))
        if problems:
            raise PlanError("; ".join(f.message for f in problems), hint=problems[0].hint)

    def _finish(self, done: list[PartDone]) -> Report:
        """Publish, clean up and close the journal; after COMMIT this is all that a resumed run does."""
        done = publish(self.sink, self.journal, self.epoch, done, self._sealing)
        left = cleaned_up(self.source, self.sink, self.journal)
        report = ended(self._report(done, left), self.journal)
        event("finished", run=self.journal.run_id, rows=report.rows, leftovers=len(left.names),
              seconds=round(report.seconds, 3))  # fmt: skip
        return report

    def _deal_with(self, error: BaseException) -> None:
        """Roll back, unless COMMIT is there although writing it failed, or the run is no longer ours, or in doubt."""
        try:
            committed, ours = self.journal.committed() is not None, self.journal.owned(self.epoch)
        except DmengineError:
            return
        if committed:
            add_forward_hint(error)
        elif ours and self.settings.on_failure == "discard":
            self._roll_back(error)

    def _roll_back(self, error: BaseException) -> None:
        """Leave nothing: sealed parts, what the source made, and the journal, in this order."""
        event("rolled back", run=self.journal.run_id, error=type(error).__name__)
        try:
            left = roll_back(self.source, self.sink, self.journal)
        except DmengineError as second:
            left = Leftovers((second.message,))
        tell_left(error, left)

    def _report(self, done: list[PartDone], left: Leftovers) -> Report:
        fields = field_reports(self.ruleset, done)
        of_parts = gathered(finding for part in done for finding in part.findings)
        findings = (*self.plan.findings, *of_parts, *found_findings(fields), *left.findings)
        return Report(
            self.journal.run_id, "finished", self.source_location, self.sink.location, self.ruleset.fingerprint,
            self.key.fingerprint, time.perf_counter() - self.started, fields,
            tuple(map(output_of, done)), self.described.outcomes, findings, left.names, version(),
        )  # fmt: skip


def start(
    source: Source, sink: Sink, ruleset: Ruleset, key: Key, settings: Settings, described: Described, plan: Plan
) -> Run:
    """Begin a run, or take up an unfinished one of the same source, target, ruleset and key.

    Raises:
        PlanError: what the plan found, or objects in place that are masked already.
        RunError: another run into this target is not finished.
    """
    if settings.workers is not None and settings.workers < 1:
        raise PlanError(f"workers={settings.workers} is no number of parts", hint="use 1 or more, or leave it out")
    store = settings.journal or sink.journal()
    identity = identify(described, sink, ruleset, key)
    for _ in range(_STARTS):
        found = _unfinished_of(store, sink, identity, settings)
        journal = found or Journal(store, new_run_id())
        if found is None:
            plan.raise_errors()
            if described.location == sink.location and not settings.remask:
                _refuse_masked(source, store)
        else:
            event("resuming", run=found.run_id)
        with suppress(EndedError):
            if epoch := journal.claim() if found else _begin(journal, identity):
                return Run(source, sink, ruleset, key, settings, described, plan, journal, epoch=epoch)
        time.sleep(random.uniform(0.01, 0.2))  # noqa: S311  # whoever wakes first, begins
    raise RunError("other runs into this target begin and end all the time", hint="run one at a time")


def _begin(journal: Journal, identity: Mapping[str, Any]) -> int:
    """Begin a run and return its first epoch; 0, and nothing is left, if another one into this target begins too."""
    alone = False
    try:
        journal.begin(identity)
        epoch = journal.claim()
        alone = all(other.run_id == journal.run_id for other in unfinished(journal.store))
    finally:
        if not alone:
            journal.release()
            with suppress(DmengineError):
                if journal.is_mine():
                    journal.forget()
    return epoch if alone else 0


def identify(described: Described, sink: Sink, ruleset: Ruleset, key: Key) -> dict[str, Any]:
    """Say what a run is a run of; when any of it changes, it is another run."""
    return {
        "source": described.location,
        "listing": described.fingerprint,
        "target": sink.location,
        "ruleset": ruleset.fingerprint,
        "key": key.fingerprint,
        "algorithm": ALGORITHM,
    }


def _unfinished_of(store: Store, sink: Sink, identity: Mapping[str, Any], settings: Settings) -> Journal | None:
    """Find the run to take up; clear away what never began; refuse while another one is unfinished."""
    for journal in unfinished(store):
        found = journal.identity()
        if journal.finished() is not None:
            journal.forget(keep="manifest.json")  # it died after its last note
        elif found is None:
            discard(None, sink, journal)  # it died before its first
        elif journal.committed() is not None:
            raise RunError(
                f"run {journal.run_id} into this target is committed, and not all of it is published",
                hint="resume it (`dmengine resume`); it only has to finish",
            )
        elif found == identity:
            if settings.resume == "auto":
                return journal
            raise RunError(
                f"run {journal.run_id} into this target is not finished",
                hint="resume it, or discard it (`dmengine clean`)",
            )
        else:
            changed = ", ".join(differences(found, identity))
            raise RunError(
                f"run {journal.run_id} into this target is not finished, and is not this run: {changed} changed",
                hint="resume it as it was, or discard it (`dmengine clean`)",
            )
    return None


def _refuse_masked(source: Source, store: Store) -> None:
    """Refuse objects in place that are the output of an earlier run: masked twice is masked wrongly."""
    pins = {output.get("pin") for manifest in manifests(store) for output in manifest["outputs"]} - {"", None}
    if not pins:
        return
    again = [part.id for part in source.prepare(_NoRun()) if part.pin in pins and part.action == "mask"]
    if again:
        raise PlanError(
            f"{len(again)} objects are masked already, by an earlier run in place: {', '.join(again[:5])}",
            hint="leave them out with exclude, or set remask=True to mask the masked values once more",
        )


class _NoRun:
    """A run that only lists: nothing is noted."""

    run_id = ""

    def note(self, part: str, key: str, value: str) -> None:
        """Refuse: listing has no side effects."""
        raise AssertionError("listing must not write notes")

    def get(self, part: str, key: str) -> str | None:
        """Know nothing."""
        return None
