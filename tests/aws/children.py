"""The process of the tests on buckets: each of its children does one job; it is killed, and others go on."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

import dmengine
from dmengine.connectors import LocalFiles, S3Files, SessionFactory
from tests.aws.lab import BUCKET_B, BUCKET_C, CloudJob
from tests.aws.standins.world import EXTERNAL_ID, REGION, ROLE_B, ROLE_C
from tests.crash.samples import KEYS, RULES, make_source
from tests.crash.serving import serve, told

PATIENCE = 300  # seconds; a child that hangs prints where, and ends


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


def _outcome(line: str, result: Path) -> dict[str, Any]:
    disk = result.with_suffix(".disk")
    disk.mkdir()
    os.chdir(disk)
    tempfile.tempdir = str(disk)
    os.environ |= {"HOME": str(disk), "TMPDIR": str(disk)}
    asleep = time.sleep
    time.sleep = lambda seconds: asleep(min(float(seconds), 0.005))  # pauses between attempts are not what is tested
    return told(lambda: _call(CloudJob(**json.loads(line))))


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
    serve(_warm_up, _outcome, PATIENCE)
