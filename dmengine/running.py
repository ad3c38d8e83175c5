"""Drives parts from a source to a sink: plan, seal, COMMIT, publish, clean up; or roll back, or roll forward."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from dmengine.counts import Counts
from dmengine.errors import DmengineError, PlanError, RunError
from dmengine.executors import ExecutorChoice, default_workers, part_executor, run_parts
from dmengine.journal import EndedError, Journal, manifests, new_run_id, unfinished
from dmengine.keyring import Key, KeyReference
from dmengine.logs import event
from dmengine.planning import Plan, unmatched_findings
from dmengine.progress import Progress, progress_bar
from dmengine.report import FieldReport, Output, Report
from dmengine.rules import Ruleset
from dmengine.spi import Described, Finding, Part, Sink, Source, Store
from dmengine.versions import version
from dmengine.working import PartDone, Task, mask_part

ALGORITHM = 1
_STARTS = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run works, beside what it masks.

    Attributes:
        workers: Parts at once (and, for one part, batches at once); None: one for each processor.
        executor: "threads", "processes" (one per worker, spawned), or any `concurrent.futures.Executor`.
        resume: "auto" goes on with an unfinished run of the same source, target, rules and key; None starts anew
            and refuses while there is one.
        on_failure: "discard" leaves nothing; "keep" leaves sealed parts for `resume`.
        remask: Mask objects in place again that an earlier run has masked already.
        journal: Where the journal lies; None: where the sink says.
        progress: Show a bar; None: on a terminal or in a notebook.
    """

    workers: int | None = None
    executor: ExecutorChoice = "threads"
    resume: Literal["auto"] | None = "auto"
    on_failure: Literal["discard", "keep"] = "discard"
    remask: bool = False
    journal: Store | None = None
    progress: bool | None = None


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
        with _forward_only():
            return self._finish(done)

    @property
    def source_location(self) -> str:
        """Where the source lies."""
        return self.described.location

    def _seal_all(self) -> list[PartDone]:
        self.sink.start(self.journal, self.described)
        parts = list(self.source.prepare(self.journal))
        if self.described.location == self.sink.location:
            parts = [part for part in parts if part.action != "copy"]  # in place they lie where they belong
        done = {d.sealed.part: d for part in parts if (d := self._sealed_before(part)) is not None}
        todo = [part for part in parts if part.id not in done]
        workers = self.settings.workers if self.settings.workers is not None else default_workers()
        alone = max(1, workers // max(1, min(len(todo), workers)))
        with (
            progress_bar(self.settings.progress) as bar,
            part_executor(self.settings.executor, workers, self.key) as pool,
        ):
            reference = KeyReference.of(self.key)
            tasks = (
                Task(self.source, self.sink, self.ruleset, reference, self.journal, part, self.plan.limits, alone)
                for part in todo
            )
            remote = self.settings.executor != "threads"
            work = mask_part if remote else partial(mask_part, advance=bar.rows)

            def one_done(part: PartDone) -> None:
                done[part.sealed.part] = part
                self._show(bar, part, len(parts), remote)

            run_parts(pool, work, tasks, ahead=workers, done=one_done)
        return [done[part.id] for part in parts]

    def _sealed_before(self, part: Part) -> PartDone | None:
        note = self.journal.get(part.id, "sealed")
        return None if note is None else PartDone.from_json(note)

    def _show(self, bar: Progress, done: PartDone, parts: int, remote: bool) -> None:
        if remote:
            bar.rows(done.counts.rows)
        bar.part(parts)
        event("sealed", run=self.journal.run_id, part=done.sealed.part, rows=done.sealed.rows,
              bytes=done.sealed.size, seconds=round(done.seconds, 3))  # fmt: skip

    def _verify(self, done: Iterable[PartDone]) -> None:
        """Check what can only be known when every part is sealed."""
        matched = set(Counts().add(d.counts for d in done).matched)
        problems = list(unmatched_findings(self.ruleset, matched))
        if problems:
            raise PlanError("; ".join(f.message for f in problems), hint=problems[0].hint)

    def _finish(self, done: list[PartDone]) -> Report:
        """Publish, clean up and close the journal; after COMMIT this is all that a resumed run does."""
        self.journal.check_owner(self.epoch)
        self.sink.publish(self.journal, [d.sealed for d in done])
        left = (*self.source.cleanup(self.journal).names, *self.sink.cleanup(self.journal).names)
        report = self._report(done, left)
        self.journal.finish(report.to_dict())
        event("finished", run=self.journal.run_id, rows=report.rows, leftovers=len(left),
              seconds=round(report.seconds, 3))  # fmt: skip
        return report

    def _deal_with(self, error: BaseException) -> None:
        """Roll back, unless COMMIT is there although writing it failed, or the run is no longer ours, or in doubt."""
        try:
            committed, ours = self.journal.committed() is not None, self.journal.owned(self.epoch)
        except DmengineError:
            return
        if committed:
            _add_forward_hint(error)
        elif ours and self.settings.on_failure == "discard":
            self._roll_back(error)

    def _roll_back(self, error: BaseException) -> None:
        """Leave nothing: sealed parts, what the source made, and the journal, in this order."""
        event("rolled back", run=self.journal.run_id, error=type(error).__name__)
        try:
            left = _discard(self.source, self.sink, self.journal)
        except DmengineError as second:
            left = (second.message,)
        if left and isinstance(error, DmengineError):
            error.hint += f"\n  Left behind: {', '.join(left)}; run `clean` when that can be removed"

    def _report(self, done: list[PartDone], left: tuple[str, ...]) -> Report:
        findings = (*self.plan.findings, *(finding for part in done for finding in part.findings))
        return Report(
            self.journal.run_id, "finished", self.source_location, self.sink.location, self.ruleset.fingerprint,
            self.key.fingerprint, time.perf_counter() - self.started, field_reports(self.ruleset, done),
            tuple(_output(d) for d in done), self.described.outcomes, findings, left, version(),
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
        found = _unfinished_of(store, identity, settings)
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


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs between a journal's identity and today's."""
    words = {"listing": "the source's objects", "key": "the key", "ruleset": "the ruleset"}
    return [words.get(name, f"the {name}") for name in now if then.get(name) != now[name]]


def _unfinished_of(store: Store, identity: Mapping[str, Any], settings: Settings) -> Journal | None:
    """Find the run to take up; clear away what never began; refuse while another one is unfinished."""
    for journal in unfinished(store):
        found = journal.identity()
        if found is None or journal.finished() is not None:
            journal.forget(keep="manifest.json")  # died before its first note, or after its last
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


def field_reports(ruleset: Ruleset, done: Iterable[PartDone]) -> tuple[FieldReport, ...]:
    """Add up the counts of all parts, by the dataset of the ruleset and the field."""
    groups: dict[str, Counts] = {}
    for part in done:
        if part.action == "mask":
            match = next((d.match for d in ruleset.datasets if d.matches(part.dataset)), "*")
            groups.setdefault(match, Counts()).add([part.counts])
    return tuple(
        FieldReport(dataset, path, *counts.actions[path], **asdict(seen))
        for dataset, counts in groups.items()
        for path, seen in counts.fields.items()
    )


def _output(done: PartDone) -> Output:
    sealed = done.sealed
    return Output(
        sealed.location, "masked" if done.action == "mask" else "copied", sealed.rows, done.size_in, sealed.size,
        sealed.checksum, round(done.seconds, 4), sealed.notes.get("pin", ""),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ resume and clean


def roll_forward(source: Source | None, sink: Sink, ruleset: Ruleset | None, journal: Journal) -> Report:
    """Finish a committed run: publish what is sealed, clean up, write the manifest. No key is needed."""
    epoch = journal.claim()
    try:
        with _forward_only():
            return _publish(source, sink, ruleset, journal, epoch)
    finally:
        journal.release()


def _publish(source: Source | None, sink: Sink, ruleset: Ruleset | None, journal: Journal, epoch: int) -> Report:
    committed, identity = journal.committed(), journal.identity()
    assert committed is not None
    assert identity is not None
    started = time.perf_counter()
    done = [_noted(journal, part) for part in committed["parts"]]
    journal.check_owner(epoch)
    sink.publish(journal, [d.sealed for d in done])
    left = (*(source.cleanup(journal).names if source else ()), *sink.cleanup(journal).names)
    report = Report(
        journal.run_id, "finished", identity["source"], sink.location, identity["ruleset"], identity["key"],
        time.perf_counter() - started, field_reports(ruleset or Ruleset([]), done), tuple(_output(d) for d in done),
        leftovers=left, version=version(), findings=(Finding("info", "published by a later process after a crash"),),
    )  # fmt: skip
    journal.finish(report.to_dict())
    return report


def discard(source: Source | None, sink: Sink, journal: Journal) -> tuple[str, ...]:
    """Remove all that an uncommitted run has left; return the names of what could not be removed."""
    if journal.identity() is None:  # it never began, or its end was all but done
        journal.forget()
        return ()
    journal.claim()
    try:
        return _discard(source, sink, journal)
    finally:
        journal.release()


def _discard(source: Source | None, sink: Sink, journal: Journal) -> tuple[str, ...]:
    """Remove the notes of sealed parts, the parts, what the source made, and the journal, in this order."""
    journal.unseal()
    sink.discard(journal)
    left = (*(source.cleanup(journal).names if source else ()), *sink.cleanup(journal).names)
    if not left:
        journal.forget()
    return left


def _noted(journal: Journal, part: str) -> PartDone:
    note = journal.get(part, "sealed")
    if note is None:
        raise RunError(f"the journal has lost its note of {part}", hint="restore the folder of the journal")
    return PartDone.from_json(note)


@contextmanager
def _forward_only() -> Iterator[None]:
    """Say with any failure after COMMIT that the run only has to be finished."""
    try:
        yield
    except DmengineError as error:
        _add_forward_hint(error)
        raise


def _add_forward_hint(error: BaseException) -> None:
    if isinstance(error, DmengineError):
        error.hint += "; the run has committed, and `dmengine resume` finishes it"
