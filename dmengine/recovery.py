"""Finishes a run that has committed, or discards one that has not: in its own process or in a later one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any, cast

from dmengine.counts import Counts
from dmengine.errors import DmengineError, InputError, RunError
from dmengine.folderrules import is_folder_label
from dmengine.journal import Journal, unfinished
from dmengine.keyring import Key
from dmengine.logs import event
from dmengine.naming import described
from dmengine.paths import FieldPath
from dmengine.report import FieldReport, Output, Report, found_findings
from dmengine.rules import Drop, Keep, Ruleset
from dmengine.sealing import Sealing, Settings
from dmengine.spi import Finding, GoneError, Leftovers, Part, Sink, Source, Store
from dmengine.versions import version
from dmengine.working import PartDone

_ROUNDS = 3
_CHANGED = "put it back as it was read, then resume: what was sealed of it is gone, and is masked again from there"


# ------------------------------------------------------------------------------------------ after COMMIT


def roll_forward(
    source: Source | None, sink: Sink, ruleset: Ruleset | None, journal: Journal,
    key: Key | None = None, settings: Settings | None = None,
) -> Report:  # fmt: skip
    """Finish a committed run: publish what is sealed, clean up, write the manifest.

    Source, rules and key are only needed where something sealed is gone, and has to be masked again.
    """
    epoch = journal.claim()
    try:
        with forward_only():
            sealing = None
            if source is not None and ruleset is not None and key is not None:
                sealing = partial(_sealing_later, source, sink, ruleset, key, settings or Settings(), journal)
            return _finish(source, sink, ruleset, journal, epoch, sealing)
    finally:
        journal.release()


def _finish(
    source: Source | None, sink: Sink, ruleset: Ruleset | None, journal: Journal, epoch: int,
    sealing: Callable[[], Sealing] | None,
) -> Report:  # fmt: skip
    committed, identity = journal.committed(), journal.identity()
    assert committed is not None
    assert identity is not None
    started = time.perf_counter()
    done = publish(sink, journal, epoch, _noted(journal, committed["parts"]), sealing)
    left = cleaned_up(source, sink, journal)
    fields = field_reports(ruleset or Ruleset([]), done)
    report = Report(
        journal.run_id, "finished", identity["source"], sink.location, identity["ruleset"], identity["key"],
        time.perf_counter() - started, fields, tuple(map(output_of, done)),
        leftovers=left.names, version=version(),
        findings=(
            Finding("info", "published by a later process after a crash"), *found_findings(fields), *left.findings
        ),
    )  # fmt: skip
    return ended(report, journal)


def ended(report: Report, journal: Journal) -> Report:
    """End a run that is published; return its report, with what of the journal's notes stays."""
    stays = journal.finish(report.to_dict())
    return replace(report, findings=(*report.findings, *stays)) if stays else report


def _noted(journal: Journal, parts: list[str]) -> list[PartDone]:
    notes = journal.newest("sealed", parts)
    lost = [part for part in parts if part not in notes]
    if lost:
        raise RunError(f"the journal has lost its note of {lost[0]}", hint="restore the folder of the journal")
    return [PartDone.from_json(notes[part]) for part in parts]


def publish(
    sink: Sink, journal: Journal, epoch: int, done: list[PartDone], sealing: Callable[[], Sealing] | None
) -> list[PartDone]:
    """Publish all parts. What was sealed of a part and is gone is masked and sealed again, if there is a way to.

    Raises:
        GoneError: sealed parts are gone, and there is no source to mask them from.
    """
    now = {one.sealed.part: one for one in done}
    waiting = list(now)
    for rounds_left in reversed(range(_ROUNDS)):
        journal.check_owner(epoch)
        try:
            sink.publish(journal, [now[part].sealed for part in waiting])
            break
        except GoneError as error:
            if sealing is None or not rounds_left:
                raise
            waiting = list(error.parts)
        event("sealing again", run=journal.run_id, parts=len(waiting))
        now |= _sealed_again(sealing(), [now[part] for part in waiting], len(done))
    return list(now.values())


def _sealed_again(sealing: Sealing, gone: list[PartDone], of: int) -> dict[str, PartDone]:
    """Mask parts once more, as they were read and to what they were: no reader may tell the difference."""
    try:
        return sealing.seal(_parts_of(sealing, gone), of, {one.sealed.part: one.sealed.checksum for one in gone})
    except InputError as error:
        error.hint = _CHANGED
        raise


def _parts_of(sealing: Sealing, gone: list[PartDone]) -> list[Part]:
    """Return the parts of the source; the source is asked for those that have other names at the target."""
    there = {part.name: part for part in sealing.parts()} if any(one.renamed for one in gone) else {}
    if lost := [one.sealed.part for one in gone if one.renamed and one.sealed.part not in there]:
        raise InputError(f"{lost[0]} was made of an object that is no longer there")
    return [replace(there[one.sealed.part], pin=one.pin) if one.renamed else one.part for one in gone]


def _sealing_later(
    source: Source, sink: Sink, ruleset: Ruleset, key: Key, settings: Settings, journal: Journal
) -> Sealing:
    """Return what parts are sealed with, in a process that did not begin the run; refuse other rules and keys."""
    now = {"target": sink.location, "ruleset": ruleset.fingerprint, "key": key.fingerprint}
    if changed := differences(journal.identity() or {}, now):
        raise RunError(
            f"parts that were sealed are gone, and cannot be masked again: {', '.join(changed)} changed",
            hint="resume with what the run was begun with",
        )
    return Sealing(source, sink, ruleset, key, settings, journal, sink.limits(described(source, ruleset, key)).fields)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs between a journal's identity and today's."""
    words = {"listing": "the source's objects", "key": "the key", "ruleset": "the ruleset"}
    return [words.get(name, f"the {name}") for name in now if then.get(name) != now[name]]


@contextmanager
def forward_only() -> Iterator[None]:
    """Say with any failure after COMMIT that the run only has to be finished."""
    try:
        yield
    except DmengineError as error:
        add_forward_hint(error)
        raise


def add_forward_hint(error: BaseException) -> None:
    """Say that `resume` finishes the run."""
    if isinstance(error, DmengineError):
        error.hint += "; the run has committed, and `dmengine resume` finishes it"


# ------------------------------------------------------------------------------------------ before COMMIT


def clear_unbegun(store: Store, sink: Sink) -> list[str]:
    """Clear away the runs that were killed before their first note, or after their last; return their ids."""
    gone = [found for found in unfinished(store) if found.identity() is None and found.finished() is None]
    for found in gone:
        discard(None, sink, found)
    return [found.run_id for found in gone]


def discard(source: Source | None, sink: Sink, journal: Journal) -> Leftovers:
    """Remove all that an uncommitted run has left, and name what could not be removed."""
    if journal.identity() is None:  # it never began, or its end was all but done; a process taken for dead goes on
        sink.discard(journal)
        journal.forget()
        return Leftovers()
    journal.claim()
    try:
        return roll_back(source, sink, journal)
    finally:
        journal.release()


def roll_back(source: Source | None, sink: Sink, journal: Journal) -> Leftovers:
    """Remove the notes of sealed parts, the parts, what the source made, and the journal, in this order.

    The journal stays as long as `clean` may find something to do. What we are not allowed to remove is no such thing.
    """
    journal.unseal()
    sink.discard(journal)
    left = cleaned_up(source, sink, journal)
    if not left.names or left.denied:
        left = replace(left, findings=(*left.findings, *journal.forget()))
    return left


def cleaned_up(source: Source | None, sink: Sink, journal: Journal) -> Leftovers:
    """Let source and sink clean up; in place they are one, and what is left is named once."""
    same = source is None or cast(object, source) is sink
    both: list[Source | Sink] = [sink] if source is None or same else [source, sink]
    found = [one.cleanup(journal) for one in both]
    left = [one for one in found if one.names]
    return Leftovers(
        tuple(dict.fromkeys(name for one in left for name in one.names)),
        denied=bool(left) and all(one.denied for one in left),
        findings=tuple(dict.fromkeys(finding for one in found for finding in one.findings)),
    )


def tell_left(error: BaseException, left: Leftovers) -> None:
    """Say with the failure of a run what it has left behind."""
    told = [f"{finding.message}; {finding.hint}" for finding in left.findings]
    if left.names:
        ending = "not allowed to remove it; the run has ended all the same" if left.denied else _REMOVABLE
        told.insert(0, f"Left behind: {', '.join(left.names)}; {ending}")
    for line in told:
        if isinstance(error, DmengineError):
            error.hint += f"\n  {line}"
        else:
            error.add_note(line)


_REMOVABLE = "run `clean` when that can be removed"


# ------------------------------------------------------------------------------------------ what the report tells


def field_reports(ruleset: Ruleset, done: Iterable[PartDone]) -> tuple[FieldReport, ...]:
    """Add up the counts of all parts, by the dataset of the ruleset and the field."""
    groups: dict[str, Counts] = {}
    for part in done:
        if part.action == "mask":
            match = next((d.match for d in ruleset.datasets if d.matches(part.dataset)), "*")
            groups.setdefault(match, Counts()).add([part.counts])
    return tuple(
        FieldReport(dataset, path, *counts.actions[path], **asdict(seen), missing=_missing(path, counts))
        for dataset, counts in groups.items()
        for path, seen in counts.fields.items()
    )


def _missing(path: str, counts: Counts) -> int:
    """Return how many records lack a field that is masked; of the elements of lists nobody can say."""
    masked = counts.actions[path][0] not in (Keep.name, Drop.name)
    if not masked or is_folder_label(path) or FieldPath.parse(path).lists:
        return 0
    return counts.rows - counts.fields[path].seen


def output_of(done: PartDone) -> Output:
    """Return a part as the report names it."""
    sealed = done.sealed
    return Output(
        sealed.location, "masked" if done.action == "mask" else "copied", sealed.rows, done.size_in, sealed.size,
        sealed.checksum, round(done.seconds, 4), sealed.notes.get("pin", ""),
    )  # fmt: skip
