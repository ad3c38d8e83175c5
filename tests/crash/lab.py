"""Runs in processes that may be killed, and what is to be seen at the target afterwards; knows no dmengine."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.crash.samples import CANARY, make_source
from tests.crash.server import Job
from tests.crash.traps import digests

T = TypeVar("T")
Scene = Literal["new", "over", "place"]
PROVE = bool(os.environ.get("DMENGINE_PROVE"))
ROOT = Path(__file__).parents[2]
RUN, COMMIT, MANIFEST = "run.json", "COMMIT.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended: an exit code (below zero: the signal), and what its call returned or raised."""

    code: int
    error: str = ""
    message: str = ""
    leaks: bool = False
    traceback: str = ""
    value: Any = None
    calls: tuple[str, ...] = ()
    seen: tuple[dict[str, str], ...] = ()
    sprung: bool = False


class Lab:
    """Starts jobs in processes of their own, children of a server."""

    def __init__(
        self, scratch: Path, server: str = "tests.crash.server", environment: Mapping[str, str] | None = None
    ) -> None:
        self._scratch = scratch
        self._count = 0
        self._server = subprocess.Popen(
            [sys.executable, "-m", server], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            # a fork wants no threads
            env=os.environ | dict(environment or {}) | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._answer() == "ready"

    def close(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def do(self, job: Job) -> Outcome:
        """Do one job and wait for its end."""
        return self.start(job).wait()

    def start(self, job: Job) -> Child:
        """Start a job."""
        self._count += 1
        result = self._scratch / f"{self._count}.json"
        return Child(self, int(self.ask(f"start {result} {job.to_json()}")), result)

    def ask(self, line: str) -> str:
        """Send the server one line, and return its answer."""
        assert self._server.stdin is not None
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


@dataclass(frozen=True, slots=True)
class Child:
    """A job under way."""

    lab: Lab
    pid: int
    result: Path

    def wait(self) -> Outcome:
        """Wait for its end."""
        code = int(self.lab.ask(f"wait {self.pid}"))
        plain = json.loads(self.result.read_text()) if self.result.exists() else {}
        for name in ("calls", "seen"):
            plain[name] = tuple(plain.get(name, ()))
        return Outcome(code, **plain)

    def ended(self) -> bool:
        """Say whether its call has returned or raised."""
        return self.result.exists()

    def stopped(self) -> bool:
        """Say whether it was stopped, and could go on."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; a minute is for ever."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


@dataclass(frozen=True, slots=True)
class Stage:
    """A source and a target on the disk."""

    source: Path
    target: Path

    @staticmethod
    def set_up(folder: Path, scene: Scene) -> Stage:
        """Make the files of a scene: into a new folder, over some existing files, or in place."""
        source, target = folder / "in", folder / "out"
        if scene == "place":
            target = source
        make_source(source)
        if scene == "over":
            (target / "part=0").mkdir(parents=True)
            for name in ("people-01.csv.gz", "people-02.jsonl", "part=0/people-00.csv", "of-somebody-else.txt"):
                (target / name).write_text(f"what {name} held before\n")
        return Stage(source, target)

    def copied(self, folder: Path) -> Stage:
        """Return the same files in another folder."""
        shutil.copytree(self.source.parent, folder)
        return Stage(folder / self.source.name, folder / self.target.name)

    def job(self, action: Literal["run", "resume", "clean"], **more: Any) -> Job:
        """Return a job from this source to this target."""
        return Job(action, str(self.source), str(self.target), **more)

    def shown(self) -> dict[str, str]:
        """Return what a reader of the target sees."""
        return digests(self.target)

    def hidden(self) -> list[str]:
        """Name all that lies in `_dmengine/`: files, and folders that are empty."""
        home = self.target / "_dmengine"
        return sorted(
            path.relative_to(home).as_posix()
            for path in home.rglob("*")
            if not path.is_dir() or not any(path.iterdir())
        )

    def only_manifests(self) -> bool:
        """Say whether runs have ended here, and have left nothing else."""
        return {name.rsplit("/", 1)[-1] for name in self.hidden()} == {MANIFEST}

    def state(self) -> Literal["nothing", "begun", "committed", "finished"]:
        """Say how far the run came, by the names of its notes."""
        names = {name.rsplit("/", 1)[-1] for name in self.hidden()}
        if MANIFEST in names:
            return "finished"
        return "committed" if COMMIT in names else "begun" if RUN in names else "nothing"

    def unmasked(self) -> list[str]:
        """Name the files in `_dmengine/` that hold an original value, also compressed or half-written."""
        files = [path for path in (self.target / "_dmengine").rglob("*") if path.is_file()]
        return [str(path) for path in files if CANARY.encode() in _opened(path.read_bytes())]


def _opened(body: bytes) -> bytes:
    if body[:2] != b"\x1f\x8b":
        return body
    return body + zlib.decompressobj(31).decompress(body)


def check_shown(shown: dict[str, str], before: dict[str, str], final: dict[str, str]) -> None:
    """Assert that each file is as it was before, or as it is in the end; none is missing, none is between."""
    strange = [name for name in shown if shown[name] not in (before.get(name), final.get(name))]
    assert strange == []
    assert [name for name in before if name not in shown] == []


def chance(salt: str) -> random.Random:
    """Return the random choices of one test: those of the printed seed."""
    return random.Random(f"{os.environ['DMENGINE_SEED']}/{salt}")


def sampled(points: Iterable[T], few: int, salt: str, *, whole: int) -> list[T]:
    """Return a few points by the printed seed; for a whole proof, `whole` of them at equal distances."""
    every = list(points)
    if PROVE:
        step = max(1, len(every) // whole)
        return every[chance(salt).randrange(step) :: step]
    return chance(salt).sample(every, min(few, len(every)))
