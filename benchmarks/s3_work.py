"""One way of getting objects from bucket to bucket, done once: `python -m benchmarks.s3_work NAME ENDPOINT`."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from benchmarks.contenders import KEY, rules
from benchmarks.machine import peak_mb

SOURCE, TARGET = "source", "target"
MIB: Final = 1 << 20
RANGE, AHEAD, PART, SENDING = 8 * MIB, 4, 8 * MIB, 3  # as dmengine reads and writes streams


def session(endpoint: str) -> Any:
    """Return the session that all of them use: the same client, with the same settings."""
    import boto3

    from dmengine.connectors import SessionFactory

    return SessionFactory(boto3.Session("key", "secret", region_name="eu-west-1"), endpoint_url=endpoint)


def dmengine(endpoint: str, at_once: int) -> None:
    """A whole run: plan, journal, read, mask, seal, commit, publish, clean up."""
    import dmengine as dm
    from dmengine.connectors import S3Files

    calls = session(endpoint)
    dm.run(
        S3Files(f"s3://{SOURCE}/", session=calls), S3Files(f"s3://{TARGET}/", session=calls), rules(),
        dm.Key.from_bytes(bytes.fromhex(KEY)), workers=at_once, progress=False,
    )  # fmt: skip


def copy(endpoint: str, at_once: int, *, sealed: bool) -> None:
    """The floor: read ranges ahead, send parts with their SHA-256 while the next ones come.

    Sealed, every object is a multipart upload, completed when all of them are sent; else the small ones are put.
    """
    session_ = session(endpoint)
    client = session_.client("s3")
    found = [one for page in client.get_paginator("list_objects_v2").paginate(Bucket=SOURCE)
             for one in page.get("Contents", ())]  # fmt: skip
    with ThreadPoolExecutor(at_once) as objects, ThreadPoolExecutor(16) as completing:
        ends = objects.map(partial(_copied, client, sealed), found)
        list(completing.map(lambda end: end(), list(ends)))


def _copied(client: Any, sealed: bool, found: dict[str, Any]) -> Callable[[], Any]:
    """Copy one object; return what completes it."""
    key, size = found["Key"], found["Size"]
    if size <= PART and not sealed:
        body = client.get_object(Bucket=SOURCE, Key=key, IfMatch=found["ETag"], ChecksumMode="ENABLED")["Body"].read()
        client.put_object(Bucket=TARGET, Key=key, Body=body, ChecksumSHA256=_sha256(body))
        return lambda: None
    upload = client.create_multipart_upload(Bucket=TARGET, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    with ThreadPoolExecutor(SENDING) as pool:
        ranges = enumerate(_ranges(client, key, found["ETag"], size), 1)
        parts = list(_in_order(pool, SENDING, partial(_sent, client, key, upload), ranges))
    return partial(client.complete_multipart_upload, Bucket=TARGET, Key=key, UploadId=upload,
                   MultipartUpload={"Parts": parts})  # fmt: skip


def _ranges(client: Any, key: str, etag: str, size: int) -> Iterator[bytes]:
    def got(start: int) -> bytes:
        wanted = {} if size <= RANGE else {"Range": f"bytes={start}-{start + RANGE - 1}"}
        answer = client.get_object(Bucket=SOURCE, Key=key, IfMatch=etag, ChecksumMode="ENABLED", **wanted)
        body: bytes = answer["Body"].read()
        return body

    with ThreadPoolExecutor(AHEAD) as pool:
        yield from _in_order(pool, AHEAD, got, iter(range(0, size, RANGE)))


def _sent(client: Any, key: str, upload: str, part: tuple[int, bytes]) -> dict[str, Any]:
    number, body = part
    sha256 = _sha256(body)
    answer = client.upload_part(
        Bucket=TARGET, Key=key, UploadId=upload, PartNumber=number, Body=body, ChecksumSHA256=sha256
    )
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sha256}


def _in_order(pool: ThreadPoolExecutor, ahead: int, work: Callable[[Any], Any], items: Iterator[Any]) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


WORKS: Final[dict[str, Callable[[str, int], None]]] = {
    "copy": partial(copy, sealed=False),
    "sealed copy": partial(copy, sealed=True),
    "dmengine": dmengine,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WORKS)
    parser.add_argument("endpoint")
    parser.add_argument("--at-once", type=int, default=2, help="objects at the same time")
    parser.add_argument("--warm", help="an endpoint with a few objects, to load what is to be loaded")
    given = parser.parse_args()
    os.environ |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
    work = WORKS[given.name]
    if given.warm:
        work(given.warm, given.at_once)
    wall, cpu = time.perf_counter(), time.process_time()
    work(given.endpoint, given.at_once)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"seconds": wall, "cpu_seconds": cpu, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
