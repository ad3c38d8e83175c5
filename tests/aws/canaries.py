"""A source of canaries in a bucket of B, the requests that come of masking it, and all that is left behind."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dmengine as dm
from dmengine.connectors import S3Files, SessionFactory
from dmengine.keyring import Key
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import objects
from tests.aws.standins.world import EXTERNAL_ID, REGION, ROLE_B, ROLE_C, World
from tests.leak.canaries import Canaries
from tests.leak.evidence import Evidence
from tests.leak.sources import FORMATS, make_source, ruleset

BUCKET_B, BUCKET_C = "source-of-b", "target-of-c"
OWNERS = {BUCKET_B: ACCOUNT_B, BUCKET_C: ACCOUNT_C}
SOURCE, TARGET = f"s3://{BUCKET_B}/in/", f"s3://{BUCKET_C}/out/"
ROOT = "1f8a03c97be4d25601937ae8c4b56df2a90e1c73d85f4b26708c3da19e5f6b02"


class Scene:
    """Canaries in a bucket of B, an empty bucket of C, and a record of every request.

    Attributes:
        sent: Each request, as (what it is, its URL, headers and body); those to STS are left out.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.canaries = Canaries()
        self.sent: list[tuple[str, bytes]] = []
        for bucket, account in OWNERS.items():
            world.make_bucket(account, bucket)
        world.proxy.watch = self._watch

    def _watch(self, call: Call) -> None:
        # the ids of credentials are part of every request, as are the tokens of sessions: they are no leak there
        headers = {name: value for name, value in call.headers.items() if name.lower() != "x-amz-security-token"}
        self.sent.append((f"request {call}", f"{call.target}\n{headers}\n".encode()))
        if call.body and call.service == "s3":
            self.sent.append((f"body of {call}", call.body))

    def fill(self, folder: Path, rows: int) -> None:
        """Put a file of each format and codec into the source."""
        make_source(folder, self.canaries, rows)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def put(self, name: str, body: bytes, **more: Any) -> None:
        """Put one object into the source."""
        self.world.truth(ACCOUNT_B).put_object(Bucket=BUCKET_B, Key=f"in/{name}", Body=body, **more)

    def keep_versions(self) -> None:
        """Let the source keep old versions."""
        self.world.truth(ACCOUNT_B).put_bucket_versioning(
            Bucket=BUCKET_B, VersioningConfiguration={"Status": "Enabled"}
        )

    def bucket(self, bucket: str) -> Evidence:
        """Yield every version of every object, with its key, metadata, tags and headers, and every open upload."""
        found = objects(self.world.truth(OWNERS[bucket]), bucket)
        yield "open uploads", repr(found.uploads).encode()
        for (key, version), stored in [*(((key, ""), one) for key, one in found.objects.items()), *found.older.items()]:
            yield f"name of {key} {version}", key.encode()
            if stored is not None:
                yield f"what belongs to {key} {version}", repr((stored.metadata, stored.tags, stored.headers)).encode()
                yield f"{key} {version}", stored.body

    def uploads(self, bucket: str) -> int:
        """Count open uploads."""
        return len(objects(self.world.truth(OWNERS[bucket]), bucket).uploads)


def places(endpoint: str, **options: Any) -> tuple[S3Files, S3Files]:
    """Return the source and the target, seen by whoever the environment says."""
    a = SessionFactory(region=REGION, endpoint_url=endpoint)
    source = S3Files(SOURCE, session=a.assume(ROLE_B, external_id=EXTERNAL_ID), formats=FORMATS, **options)
    return source, S3Files(TARGET, session=a.assume(ROLE_C), formats=FORMATS)


def run_in_child(endpoint: str, temp: str, *, in_place: bool) -> None:
    """Mask all of it in a process that will be killed; its temp files lie where they can be searched."""
    os.environ["TMPDIR"] = tempfile.tempdir = temp
    source, target = places(endpoint)
    dm.run(source, source if in_place else target, ruleset(), Key.from_bytes(bytes.fromhex(ROOT)), workers=2,
           progress=False)  # fmt: skip


def locals_of(error: BaseException) -> Iterator[tuple[str, bytes]]:
    """Yield the traceback of an error with the local names of every frame, as some loggers write it down."""
    traced = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback with locals", "".join(traced.format()).encode("utf-8", "replace")
