"""Runs from bucket to bucket in processes that may be killed, and what is to be seen in the buckets afterwards."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import Contents, Stored, objects
from tests.aws.standins.faults import Kill
from tests.aws.standins.server import Moto
from tests.aws.standins.world import BASE, REGION, World
from tests.crash.lab import COMMIT, MANIFEST, RUN, Lab, Outcome
from tests.crash.samples import CANARY, make_source
from tests.crash.server import Job

Scene = Literal["new", "over", "place"]
When = Literal["before", "after"]
BUCKET_B, BUCKET_C = "bucket-of-b", "bucket-of-c"
OWNERS = {BUCKET_B: ACCOUNT_B, BUCKET_C: ACCOUNT_C}
HOME = "out/_dmengine/"
_CHANGES = ("CompleteMultipartUpload", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects")
_LOOKS = 24  # a call that changes something may be done only after so many more have come
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True, slots=True)
class CloudJob(Job):
    """One call of dmengine on objects: by account A, through roles in B and C.

    Attributes:
        endpoint: The proxy.
        source_options: More for the source.
    """

    endpoint: str = ""
    source_options: dict[str, Any] = field(default_factory=dict)


class CloudLab(Lab):
    """Starts such jobs in processes of their own, each with a disk of its own."""

    def __init__(self, scratch: Path) -> None:
        keys = dict(zip(_KEYS, BASE.values(), strict=True))
        keys |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_REGION": REGION}
        super().__init__(scratch, "tests.aws.children", keys)


class Stage:
    """A source in B and a target in C (or in B, in place), behind a proxy of their own; a context manager.

    Attributes:
        unmasked: Calls and local files that held an original value.
        unowned: Calls that did not name the owner of their bucket.
        seen: What a reader listed at the target while calls came, whenever that could have changed: keys with ETags.
    """

    def __init__(self, moto: Moto, scene: Scene) -> None:
        self.world = World(moto)
        self.scene = scene
        self.unmasked: list[str] = []
        self.unowned: list[str] = []
        self.seen: list[dict[str, str]] = []
        self._looks = 0
        self._read: tuple[int, Contents] | None = None
        for bucket, account in OWNERS.items():
            self.world.make_bucket(account, bucket)
        self.source = f"s3://{BUCKET_B}/{'out' if scene == 'place' else 'in'}/"
        self.target = f"s3://{BUCKET_B if scene == 'place' else BUCKET_C}/out/"
        self._fill()
        self.before = self.shown()
        self.first = self.listed()
        self.world.proxy.watch = self._watch

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.close()

    def _fill(self) -> None:
        """Put the twenty objects with all that can belong to an object, and where asked some at the target."""
        b, c = self.world.truth(ACCOUNT_B), self.world.truth(ACCOUNT_C)
        for number, (name, body) in enumerate(samples().items()):
            b.put_object(
                Bucket=BUCKET_B, Key=self.source.split("/", 3)[3] + name, Body=body,
                Metadata={"number": str(number)}, Tagging=f"number={number}&team=a b",
                ContentType="text/plain", CacheControl="no-cache", ContentLanguage="de",
            )  # fmt: skip
        if self.scene == "over":
            for name in [*list(samples())[::4], "of-somebody-else.txt"]:
                c.put_object(Bucket=BUCKET_C, Key=f"out/{name}", Body=f"what {name} held before".encode())

    def _watch(self, call: Call) -> None:
        """Look at each call as it comes: no value in what is sent, and the bucket's owner named."""
        if CANARY.encode() in opened(call.body) or CANARY in f"{call.target}{dict(call.headers.items())}":
            self.unmasked.append(str(call))
        if call.operation == "HeadBucket":
            return  # botocore's own, after a HEAD that was answered with a bare 400: is it another region?
        if call.operation in _CHANGES and HOME not in call.key:
            self._looks = _LOOKS
        if self._looks:
            self._looks -= 1
            self.seen.append(self.listed())
        if call.bucket and call.headers.get("x-amz-expected-bucket-owner") != OWNERS.get(call.bucket):
            self.unowned.append(str(call))

    def job(self, action: Literal["run", "resume", "clean"], **more: Any) -> CloudJob:
        """Return a job from this source to this target."""
        return CloudJob(action, self.source, self.target, endpoint=self.world.proxy.url, **more)

    def killed(self, lab: Lab, job: Job, kill: Kill) -> Outcome:
        """Do a job that is killed at one of its requests, and wait until nothing is under way any more."""
        self.world.proxy.forget()
        self.world.proxy.kill = kill
        child = lab.start(job)
        kill.aim(child.pid)
        outcome = child.wait()
        self.world.proxy.forget()
        kept = [path for path in child.result.with_suffix(".disk").rglob("*") if path.is_file()]
        self.unmasked += [str(path) for path in kept if CANARY.encode() in opened(path.read_bytes())]
        return outcome

    def contents(self) -> Contents:
        """Return all that is in the target bucket; it is read again once calls have come."""
        now = self.world.proxy.moments
        if self._read is None or self._read[0] != now:
            bucket = self.target.split("/")[2]
            self._read = now, objects(self.world.truth(OWNERS[bucket]), bucket)
        return self._read[1]

    def listed(self) -> dict[str, str]:
        """Return what a reader lists at the target: keys with ETags."""
        found = self.world.moto.listed(self.target.split("/")[2])
        return {key: etag for key, etag in found.items() if not key.startswith(HOME)}

    def shown(self) -> dict[str, Stored]:
        """Return what a reader of the target sees."""
        return self.contents().shown()

    def notes(self) -> dict[str, bytes]:
        """Return what lies under `_dmengine/` and is not empty."""
        found = self.contents().objects
        return {key.removeprefix(HOME): one.body for key, one in found.items() if key.startswith(HOME) and one.body}

    def only_manifests(self) -> bool:
        """Say whether runs have ended here, and have left nothing else."""
        return {name.rpartition("/")[2] for name in self.notes()} == {MANIFEST}

    def state(self) -> Literal["nothing", "begun", "committed", "finished"]:
        """Say how far the run came, by the names of its notes."""
        names = {name.rpartition("/")[2] for name in self.notes()}
        if MANIFEST in names:
            return "finished"
        return "committed" if COMMIT in names else "begun" if RUN in names else "nothing"

    def check_clean(self) -> None:
        """Assert that no value was sent, that every call named the owner, and that no note holds a value."""
        assert (self.unmasked, self.unowned) == ([], []), (self.unmasked[:3], self.unowned[:3])
        assert [name for name, body in self.notes().items() if CANARY.encode() in opened(body)] == []

    def check_finished(self, final: Mapping[str, Stored]) -> None:
        """Assert that the target is as if nothing had happened, and that only the manifest is left."""
        found = self.contents()
        differ = [key for key in {*found.shown(), *final} if found.shown().get(key) != final.get(key)]
        assert (differ, found.uploads, self.only_manifests()) == ([], (), True), (
            differ,
            found.uploads,
            [*self.notes()],
        )
        self.check_clean()

    def check_shown(self, final: Mapping[str, Stored]) -> None:
        """Assert that each object is as it was before, or as it is in the end; none is missing, none is between."""
        shown = self.shown()
        assert [k for k, stored in shown.items() if stored not in (self.before.get(k), final.get(k))] == []
        assert [k for k in self.before if k not in shown] == []
        self.check_clean()

    def check_seen(self, final: Mapping[str, str]) -> None:
        """Assert that at no time anything was listed that was neither there before nor is there in the end."""
        assert [s for s in self.seen if any(e not in (self.first.get(k), final.get(k)) for k, e in s.items())] == []
        assert [s for s in self.seen if set(self.first) - set(s)] == []


@dataclass(frozen=True, slots=True)
class Play:
    """A run of a scene that nothing disturbed.

    Attributes:
        final: What the target shows after it.
        etags: The same, as it is listed.
        log: Its requests.
    """

    final: Mapping[str, Stored]
    etags: Mapping[str, str]
    log: tuple[str, ...]

    def points(self, since: str = "") -> list[tuple[int, When]]:
        """Return each request, from the first that is named so, before and after it is applied."""
        first = next(number for number, call in enumerate(self.log, 1) if call.startswith(since))
        return [(number, when) for number in range(first, len(self.log) + 1) for when in ("before", "after")]


Plays = Mapping[Scene, Play]


def play(moto: Moto, lab: CloudLab, scene: Scene) -> Play:
    """Run a scene to its end. Not while there is another stage: they share one moto."""
    with Stage(moto, scene) as stage:
        outcome = lab.do(stage.job("run"))
        assert outcome.error == "", outcome.traceback
        stage.check_finished(stage.shown())
        return Play(stage.shown(), stage.listed(), tuple(stage.world.proxy.log))


@cache
def samples() -> dict[str, bytes]:
    """Return the twenty small objects of every crash proof."""
    with TemporaryDirectory() as folder:
        make_source(Path(folder, "in"))
        paths = sorted(path for path in Path(folder, "in").rglob("*") if path.is_file())
        return {path.relative_to(Path(folder, "in")).as_posix(): path.read_bytes() for path in paths}


def opened(body: bytes) -> bytes:
    """Return a body, with what is compressed in it."""
    if body[:2] != b"\x1f\x8b":
        return body
    try:
        return body + gzip.decompress(body)
    except (EOFError, OSError):
        return body + zlib.decompressobj(31).decompress(body)


def noted(stage: Stage) -> list[Any]:
    """Return the manifests of the runs that ended at a target."""
    return [json.loads(body) for name, body in stage.notes().items() if name.endswith(MANIFEST)]
