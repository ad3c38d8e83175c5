"""One part from source to sink: read ahead, mask in threads, write, and note it as sealed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from dmengine.columns import hold
from dmengine.counts import Counts
from dmengine.drift import Planner
from dmengine.engine import Batch, Engine
from dmengine.errors import MaskError, RunError, at, shielded
from dmengine.executors import ordered_map, read_ahead
from dmengine.foldernames import folders
from dmengine.folderrules import told_finding
from dmengine.journal import Journal
from dmengine.keyring import KeyReference
from dmengine.naming import count_folders, told
from dmengine.rules import Ruleset
from dmengine.spi import Finding, Limits, Part, Records, RecordStream, Sealed, Sink, Source

AHEAD = 2


@dataclass(frozen=True, slots=True)
class Task:
    """All that a worker needs for one part. It pickles, and holds no secret.

    Attributes:
        must_be: The checksum of the part as it was sealed before, where that is gone and it is sealed again.
    """

    source: Source
    sink: Sink
    ruleset: Ruleset
    key: KeyReference
    journal: Journal
    part: Part
    limits: Mapping[str, Limits] = field(default_factory=dict)
    threads: int = 1
    must_be: str = ""


@dataclass(frozen=True, slots=True)
class PartDone:
    """A sealed part with what was counted on the way."""

    sealed: Sealed
    action: str
    counts: Counts
    dataset: str
    size_in: int
    seconds: float
    findings: tuple[Finding, ...] = ()
    pin: str = ""
    renamed: bool = False

    @property
    def part(self) -> Part:
        """The part of the source that it was made of; of one that was renamed only the source knows the id."""
        action: Literal["mask", "copy"] = "copy" if self.action == "copy" else "mask"
        return Part(self.sealed.part, self.dataset, self.size_in, self.pin, action)

    def to_json(self) -> str:
        """Return the note that the journal keeps."""
        plain = asdict(self) | {"counts": self.counts.to_dict()}
        return json.dumps(plain, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> PartDone:
        """Read back what `to_json` wrote."""
        plain: dict[str, Any] = json.loads(text)
        plain["sealed"] = Sealed(**(plain["sealed"] | {"findings": ()}))
        plain["counts"] = Counts.from_dict(plain["counts"])
        plain["findings"] = tuple(Finding(**finding) for finding in plain["findings"])
        return PartDone(**plain)


def mask_part(task: Task, advance: Callable[[int], None] | None = None) -> PartDone:
    """Mask one part and seal it; the journal's note comes last, so a part without one is done again."""
    started = time.perf_counter()
    names = _names(task.part)
    with told(names) if names else nullcontext(), at(part=task.part.name):
        done = shielded(lambda: _mask(task, advance or (lambda rows: None), started))
        if not task.must_be:
            task.journal.note(task.part.name, "sealed", done.to_json())
        elif done.sealed.checksum == task.must_be:
            task.journal.note_anew(task.part.name, "sealed", done.to_json())
        else:
            raise RunError(
                "sealed once more, it is not what it was: its checksum is another one",
                hint="resume with the versions of Python, dmengine and pyarrow that the run was begun with",
            )
    return done


def _mask(task: Task, advance: Callable[[int], None], started: float) -> PartDone:
    part = task.part
    counts = Counts()
    findings: tuple[Finding, ...] = ()
    if part.action == "copy":
        sealed = task.sink.copy(task.journal, part, task.source)
        findings = _of(part, sealed.findings)
    else:
        with closing(task.source.read(part)) as stream:
            sealed = _seal(task, stream, counts, advance)
            findings = _of(part, (*stream.findings, *sealed.findings))
        if sealed.rows != counts.rows:
            raise MaskError(f"read {counts.rows} records and wrote {sealed.rows}", hint="this is a defect: report it")
    if sealed.part != part.name:
        raise RunError("the target does not know parts by their names", hint="this is a defect of its connector")
    sealed = replace(sealed, findings=())  # from here on they are the part's
    seconds = time.perf_counter() - started
    renamed = part.name != part.id
    return PartDone(
        sealed, part.action, counts, part.name if renamed else part.dataset, part.size or 0, seconds, findings,
        part.pin, renamed,
    )  # fmt: skip


def _names(part: Part) -> dict[str, str]:
    """Return what a part is to be called, where its own name may hold values."""
    return {part.id: part.name} if folders(part.id) else {}


def _of(part: Part, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    names = _names(part)
    return tuple(replace(told_finding(f, names) if names else f, where=part.name) for f in findings)


def _seal(task: Task, stream: RecordStream, counts: Counts, advance: Callable[[int], None]) -> Sealed:
    plan = _planner(task).plan(task.part.dataset, stream.schema)
    counts.matched |= plan.matched
    count_folders(plan, task.part, counts)
    engine = Engine(plan, task.key.resolve(), task.part.name)
    with (
        ThreadPoolExecutor(task.threads, thread_name_prefix="dmengine-mask") as pool,
        closing(read_ahead(_numbered(stream.batches), AHEAD)) as batches,
        closing(_results(engine, batches, counts, pool, task.threads)) as results,
    ):

        def masked() -> Iterator[Records]:
            for records, seen in results:
                counts.add([seen])
                advance(seen.rows)
                yield records

        return task.sink.write(task.journal, task.part, replace(stream, batches=masked(), schema=plan.schema_out))


_planners: list[Planner] = []


def _planner(task: Task) -> Planner:
    """Return what plans the parts of a run in this process: objects of one schema are planned once."""
    known = next((one for one in _planners if one.ruleset == task.ruleset and one.limits == task.limits), None)
    if known is None:
        known = Planner(task.ruleset, task.limits)
        _planners[:] = [known]
    return known


def _results(
    engine: Engine, batches: Iterator[Batch], counts: Counts, pool: Executor, threads: int
) -> Generator[tuple[Records, Counts], None, None]:
    """Mask batches in a pool, in order; where a mask needs the whole part, once all of it is read."""
    ready, given = hold(engine, batches, counts)
    yield from ordered_map(ready.mask, iter(given), pool, threads + 1)


def _numbered(batches: Iterator[Records]) -> Iterator[Batch]:
    first = 0
    for records in batches:
        yield Batch(records, first)
        first += records.num_rows
