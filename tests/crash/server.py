"""The process of the crash tests: each of its children does one job on local files, with a trap if it is told."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa

import dmengine
from dmengine.connectors import LocalFiles
from tests.crash.samples import KEYS, RULES, make_source
from tests.crash.serving import serve, told
from tests.crash.traps import Trap, Watch, install

PATIENCE = 60  # seconds; a child that hangs prints where, and ends
TRAP_OF_WORKERS = "DMENGINE_TEST_TRAP"


@dataclass(frozen=True, slots=True)
class Job:
    """One call of dmengine in a process of its own."""

    action: Literal["run", "resume", "clean"]
    source: str
    target: str
    trap: Trap | None = None
    trap_of_workers: Trap | None = None
    rules: str = "rules"
    key: str = "key"
    options: dict[str, Any] = field(default_factory=dict)
    wait_for: str = ""
    largest_file: int = 0  # bytes; the kernel itself refuses to write more
    powerless: bool = False  # permissions count for the superuser too

    def to_json(self) -> str:
        """Return the line that the server reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Job:
        """Read the line back."""
        plain = json.loads(text)
        for name in ("trap", "trap_of_workers"):
            if plain[name]:
                plain[name] = Trap(**{**plain[name], "ops": tuple(plain[name]["ops"])})
        return Job(**plain)


def _warm_up() -> None:
    """Do one whole run, so that no child has to import or build anything; Arrow starts no threads to be forked."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with TemporaryDirectory() as folder:
        make_source(Path(folder, "in"))
        _call(Job("run", f"{folder}/in", f"{folder}/out"))


def _outcome(line: str, _: Path) -> dict[str, Any]:
    job = Job.from_json(line)
    if job.trap_of_workers:
        os.environ[TRAP_OF_WORKERS] = json.dumps(asdict(job.trap_of_workers))
    if job.powerless:
        _give_up_power()
    if job.largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file, resource.RLIM_INFINITY))
    watch = install(job.trap) if job.trap else Watch(Trap(""))
    while job.wait_for and not os.path.exists(job.wait_for):
        pass  # so that those who wait for one file start in the same moment
    found = told(lambda: _call(job))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return found | {"calls": watch.calls, "seen": watch.seen, "sprung": watch.sprung}


def _give_up_power() -> None:
    """Drop all capabilities, so that a test that is run by root is refused what anybody is refused."""
    version_3 = struct.pack("Ii", 0x20080522, 0)  # linux/capability.h
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).capset(version_3, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def _call(job: Job) -> Any:
    source, rules, key = LocalFiles(job.source, unmatched="copy"), RULES[job.rules], KEYS[job.key]
    target = source if job.source == job.target else LocalFiles(job.target)
    options = {"workers": 1, **job.options}
    if job.action == "clean":
        return list(dmengine.clean(target, source=source, **job.options))
    if job.action == "resume":
        return dmengine.resume(source, target, rules, key, **options).to_dict()
    return dmengine.run(source, target, rules, key, **options).to_dict()


if __name__ == "__main__":
    serve(_warm_up, _outcome, PATIENCE)
elif __name__ == "__mp_main__" and TRAP_OF_WORKERS in os.environ:  # a worker process that a child has spawned
    plain = json.loads(os.environ[TRAP_OF_WORKERS])
    install(Trap(**{**plain, "ops": tuple(plain["ops"])}))
