"""A process that has everything imported, and forks a child for each job: a run that starts in milliseconds."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tests.crash.samples import CANARY


def serve(warm_up: Callable[[], None], work: Callable[[str, Path], dict[str, Any]], patience: int) -> None:
    """Read `start RESULT JOB` and `wait PID` from standard input, and answer each with one line.

    Args:
        warm_up: Imports and builds all that a child needs.
        work: Does a job in a child, given as its line and the file that its outcome will go to.
        patience: Seconds; a child that hangs for so long prints where, and ends.
    """
    warm_up()
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
            faulthandler.dump_traceback_later(patience, exit=True)
            _child(work, job, Path(result))


def _child(work: Callable[[str, Path], dict[str, Any]], job: str, result: Path) -> NoReturn:
    os.close(0)
    os.dup2(2, 1)
    try:
        outcome = work(job, result)
        whole = result.with_suffix(".part")
        whole.write_text(json.dumps(outcome))
        whole.rename(result)
    except BaseException:  # noqa: BLE001  # a forked child must never go on as the server
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def told(call: Callable[[], Any]) -> dict[str, Any]:
    """Do a job, and return what became of it: its value, or its error, and whether that shows a value of the data."""
    found: dict[str, Any] = {"error": "", "message": "", "leaks": False}
    try:
        found["value"] = call()
    except BaseException as error:  # noqa: BLE001  # told to the test, whatever it is
        text = "".join(traceback.format_exception(error))
        found |= {"error": type(error).__name__, "message": str(error), "leaks": CANARY in text, "traceback": text}
    return found
