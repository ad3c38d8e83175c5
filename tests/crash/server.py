"""A process that has everything imported, and forks a child for each job: a run that starts in milliseconds."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import struct
import sys
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa

import dmengine
from dmengine.connectors import LocalFiles
from tests.crash.samples import CANARY, KEYS, RULES, make_source
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


def serve() -> None:
    """Read `start JOB RESULT` and `wait PID` from standard input, and answer each with one line."""
    _warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        command, _, rest = line.rstrip("\n").partition(" ")
        if command == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(int(rest), 0)[1]), flush=True)
            continue
        result, _, job = rest.partition(" ")
        if pid := os.fork():
            print(pid, flush=True)
        else:
            _child(Job.from_json(job), Path(result))


def _warm_up() -> None:
    """Do one whole run, so that no child has to import or build anything; Arrow starts no threads to be forked."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with TemporaryDirectory() as folder:
        make_source(Path(folder, "in"))
        _call(Job("run", f"{folder}/in", f"{folder}/out"))


def _child(job: Job, result: Path) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    os.close(0)
    os.dup2(2, 1)
    try:
        outcome = _outcome(job)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        whole = result.with_suffix(".part")
        whole.write_text(json.dumps(outcome))
        whole.rename(result)
    except BaseException:  # noqa: BLE001  # a forked child must never go on as the server
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _outcome(job: Job) -> dict[str, Any]:
    if job.trap_of_workers:
        os.environ[TRAP_OF_WORKERS] = json.dumps(asdict(job.trap_of_workers))
    if job.powerless:
        _give_up_power()
    if job.largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file, resource.RLIM_INFINITY))
    watch = install(job.trap) if job.trap else Watch(Trap(""))
    found: dict[str, Any] = {"error": "", "message": "", "leaks": False}
    while job.wait_for and not os.path.exists(job.wait_for):
        pass  # so that those who wait for one file start in the same moment
    try:
        found["value"] = _call(job)
    except BaseException as error:  # noqa: BLE001  # told to the test, whatever it is
        text = "".join(traceback.format_exception(error))
        found |= {"error": type(error).__name__, "message": str(error), "leaks": CANARY in text, "traceback": text}
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
    serve()
elif __name__ == "__mp_main__" and TRAP_OF_WORKERS in os.environ:  # a worker process that a child has spawned
    plain = json.loads(os.environ[TRAP_OF_WORKERS])
    install(Trap(**{**plain, "ops": tuple(plain["ops"])}))
