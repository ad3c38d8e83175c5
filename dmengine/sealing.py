"""Seals the parts of a run, several at a time, in whatever executor the user chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Literal

from dmengine.errors import shielded
from dmengine.executors import ExecutorChoice, default_workers, part_executor, run_parts
from dmengine.journal import Journal
from dmengine.keyring import Key, KeyReference
from dmengine.logs import event
from dmengine.naming import parts_as, told
from dmengine.progress import progress_bar
from dmengine.rules import Ruleset
from dmengine.spi import Limits, Part, Sink, Source, Store
from dmengine.working import PartDone, Task, mask_part


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


@dataclass(frozen=True, slots=True)
class Sealing:
    """All that the parts of one run are sealed with."""

    source: Source
    sink: Sink
    ruleset: Ruleset
    key: Key = field(repr=False)
    settings: Settings
    journal: Journal
    limits: Mapping[str, Limits]

    def parts(self) -> list[Part]:
        """List the parts of the source, with the names that they get at the target."""
        with told({}):
            found = shielded(lambda: list(self.source.prepare(self.journal)))
        return parts_as(found, self.ruleset, self.key)

    def seal(self, parts: Sequence[Part], of: int, must_be: Mapping[str, str] | None = None) -> dict[str, PartDone]:
        """Mask and seal parts, and return what was done by the id of each.

        Args:
            parts: What to seal.
            of: How many parts the run has, for those who look at the bar.
            must_be: The checksum that a part must have when it is sealed, where it was sealed before.
        """
        done: dict[str, PartDone] = {}
        settings = self.settings
        workers = settings.workers if settings.workers is not None else default_workers()
        alone = max(1, workers // max(1, min(len(parts), workers)))
        remote = settings.executor != "threads"
        with (
            progress_bar(settings.progress) as bar,
            part_executor(settings.executor, workers, self.key) as pool,
        ):
            tasks = self._tasks(parts, alone, must_be or {})
            stopped = Event()

            def advance(rows: int) -> None:
                if stopped.is_set():  # a large part would go on for long, and for nothing
                    raise CancelledError
                bar.rows(rows)

            work = mask_part if remote else partial(mask_part, advance=advance)

            def one_done(part: PartDone) -> None:
                done[part.sealed.part] = part
                if remote:
                    bar.rows(part.counts.rows)
                bar.part(of)
                self._tell(part)

            run_parts(pool, work, tasks, ahead=workers, done=one_done, stop=stopped.set)
        return done

    def _tasks(self, parts: Sequence[Part], threads: int, must_be: Mapping[str, str]) -> list[Task]:
        reference = KeyReference.of(self.key)
        return [
            Task(
                self.source, self.sink, self.ruleset, reference, self.journal, part, self.limits, threads,
                must_be.get(part.name, ""),
            )
            for part in parts
        ]  # fmt: skip

    def _tell(self, done: PartDone) -> None:
        event("sealed", run=self.journal.run_id, part=done.sealed.part, rows=done.sealed.rows,
              bytes=done.sealed.size, seconds=round(done.seconds, 3))  # fmt: skip
