"""A process that has everything imported, and forks a child for each job on buckets: it is killed, others go on."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import pyarrow as pa

import dmengine
from dmengine.connectors import LocalFiles, S3Files, SessionFactory
from tests.aws.lab import BUCKET_B, BUCKET_C, CloudJob
from tests.aws.standins.world import EXTERNAL_ID, REGION, ROLE_B, ROLE_C
from tests.crash.samples import CANARY, KEYS, RULES, make_source

PATIENCE = 300  # seconds; a child that hangs prints where, and ends


def serve() -> None:
    """Read `start RESULT JOB` and `wait PID` from standard input, and answer each with one line."""
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
            _child(CloudJob(**json.loads(job)), Path(result))


def _warm_up() -> None:
    """Import and build all that a run needs; Arrow starts no threads to be forked."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as folder:
        make_source(Path(folder, "in"))
        source = LocalFiles(f"{folder}/in", unmatched="copy")
        dmengine.run(source, LocalFiles(f"{folder}/out"), RULES["rules"], KEYS["key"], workers=1)
    factory = SessionFactory(region=REGION)
    factory.client("s3")
    factory.client("sts")


def _child(job: CloudJob, result: Path) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    os.close(0)
    os.dup2(2, 1)
    disk = result.with_suffix(".disk")
    disk.mkdir()
    os.chdir(disk)
    tempfile.tempdir = str(disk)
    os.environ |= {"HOME": str(disk), "TMPDIR": str(disk)}
    asleep = time.sleep
    time.sleep = lambda seconds: asleep(min(float(seconds), 0.005))  # pauses between attempts are not what is tested
    try:
        outcome = _outcome(job)
        whole = result.with_suffix(".part")
        whole.write_text(json.dumps(outcome))
        whole.rename(result)
    except BaseException:  # noqa: BLE001  # a forked child must never go on as the server
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _outcome(job: CloudJob) -> dict[str, Any]:
    found: dict[str, Any] = {"error": "", "message": "", "leaks": False}
    try:
        found["value"] = _call(job)
    except BaseException as error:  # noqa: BLE001  # told to the test, whatever it is
        text = "".join(traceback.format_exception(error))
        found |= {"error": type(error).__name__, "message": str(error), "leaks": CANARY in text, "traceback": text}
    return found


def _call(job: CloudJob) -> Any:
    a = SessionFactory(region=REGION, endpoint_url=job.endpoint)
    sessions = {BUCKET_B: a.assume(ROLE_B, external_id=EXTERNAL_ID), BUCKET_C: a.assume(ROLE_C)}
    source, target = (
        S3Files(url, session=sessions[url.split("/")[2]], **more)
        for url, more in ((job.source, {"unmatched": "copy", **job.source_options}), (job.target, {}))
    )
    if job.source == job.target:
        target = source
    rules, key = RULES[job.rules], KEYS[job.key]
    options = {"workers": 1, **job.options}
    if job.action == "clean":
        return list(dmengine.clean(target, source=source, **job.options))
    call = dmengine.resume if job.action == "resume" else dmengine.run
    return call(source, target, rules, key, **options).to_dict()


if __name__ == "__main__":
    serve()
