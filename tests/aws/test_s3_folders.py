"""Keys of S3 whose folders are named by values: masked at the target, and nowhere shown on the way."""

from __future__ import annotations

import gzip
from typing import Any

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.connectors import S3Files
from dmengine.errors import PlanError, StoreError
from dmengine.maskers import Email
from tests.aws.s3_lab import TARGET, put, source_now, target_now
from tests.aws.standins.accounts import ACCOUNT_C
from tests.aws.standins.calls import Call
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import World
from tests.leak.evidence import listening, of_error, of_plan, of_report

MAILS = ("canary-ann@x.org", "canary-bob@x.org")
RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", "day", because="no person's")])


@pytest.fixture
def masked(world: World, source: S3Files, key: dm.Key) -> list[str]:
    """Put two objects for each of two people; return the keys that they get."""
    for mail in MAILS:
        for number in range(2):
            put(
                world,
                f"in/email={mail.replace('@', '%40')}/day=2026-01-0{number + 1}/a.csv.gz",
                gzip.compress(b"id\n1\n"),
            )
    table = dm.mask_table(pa.table({"email": MAILS}), dm.Ruleset(RULES.rules[:1]), key)
    days = ("2026-01-01", "2026-01-02")
    return sorted(f"out/email={mail}/day={day}/a.csv.gz" for mail in table["email"].to_pylist() for day in days)


def watched(world: World) -> list[str]:
    """Note every call to the target that shows a value, in its URL, its headers or its body."""
    found: list[str] = []

    def watch(call: Call) -> None:
        sent = f"{call.target}{dict(call.headers.items())}".encode() + bytes(call.body)
        if call.bucket == TARGET and b"canary" in sent:
            found.append(str(call))

    world.proxy.watch = watch
    return found


def keys(world: World) -> list[str]:
    return sorted(key for key in target_now(world).shown() if "_dmengine" not in key)


def open_uploads(world: World) -> list[Any]:
    found: list[Any] = world.truth(ACCOUNT_C).list_multipart_uploads(Bucket=TARGET).get("Uploads", [])
    return found


def test_keys_are_masked_and_nothing_shows_a_value(
    world: World, source: S3Files, target: S3Files, key: dm.Key, masked: list[str]
) -> None:
    """Neither a call to the target, a note of the journal, a report nor a log holds the value of a folder."""
    sent = watched(world)

    with listening() as log:
        plan = dm.plan(source, target, RULES, key)
        report = dm.run(source, target, RULES, key)

    said = [*of_plan(plan), *of_report(report), *((where, body) for where, body in log.evidence())]
    ours = [where for where, body in said if b"canary" in b"\n".join(_ours(body))]
    assert keys(world) == masked
    assert sent == []
    assert ours == []


def _ours(body: bytes) -> list[bytes]:
    """Leave out what botocore and urllib3 log of the calls to the source, which name its keys."""
    foreign = (b"botocore", b"urllib3", b"boto3")
    return [line for line in body.split(b"\n") if not any(word in line for word in foreign)]


@pytest.mark.parametrize(("operation", "made"), [("UploadPart", 1), ("CompleteMultipartUpload", 4)])
def test_a_run_that_broke_off_is_finished_under_the_masked_names(
    operation: str, made: int, world: World, source: S3Files, target: S3Files, key: dm.Key, masked: list[str]
) -> None:
    """Before and after COMMIT: `resume` finds the notes and the uploads again, by names that show nothing."""
    sent = watched(world)
    world.proxy.fates = Fates(1, Fault(("denied",), (operation,)))
    with pytest.raises(StoreError) as caught:
        dm.run(source, target, RULES, key, on_failure="keep", workers=1)
    before = keys(world), len(open_uploads(world))
    world.proxy.fates = Fates(1)

    report = dm.resume(source, target, RULES, key)

    assert before == ([], made if made > 1 else 0)
    assert keys(world) == masked
    assert report.rows == 4
    assert open_uploads(world) == []
    assert sent == []
    assert [where for where, body in of_error(caught.value) if b"canary" in body] == []


def test_uploads_that_are_gone_are_made_again(
    world: World, source: S3Files, target: S3Files, key: dm.Key, masked: list[str]
) -> None:
    """After COMMIT the source is asked for the objects by whose values the keys were made."""
    world.proxy.fates = Fates(1, Fault(("denied",), ("CompleteMultipartUpload",)))
    with pytest.raises(StoreError):
        dm.run(source, target, RULES, key)
    world.proxy.fates = Fates(1)
    for upload in open_uploads(world)[:2]:
        world.truth(ACCOUNT_C).abort_multipart_upload(Bucket=TARGET, Key=upload["Key"], UploadId=upload["UploadId"])

    dm.resume(source, target, RULES, key)

    assert keys(world) == masked


def test_clean_ends_uploads_of_masked_names(
    world: World, source: S3Files, target: S3Files, key: dm.Key, masked: list[str]
) -> None:
    """`clean` needs no source, rules or key: the journal knows the names at the target."""
    world.proxy.fates = Fates(1, Fault(("denied",), ("UploadPart",), keys="*02/a.csv.gz"))
    with pytest.raises(StoreError):
        dm.run(source, target, RULES, key, on_failure="keep", workers=1)
    world.proxy.fates = Fates(1)
    kept = len(open_uploads(world))

    ended = dm.clean(target)

    assert (len(ended), kept > 0) == (1, True)
    assert open_uploads(world) == []
    assert target_now(world).shown() == {}


def test_kept_folders_keep_their_keys(
    world: World, source: S3Files, target: S3Files, key: dm.Key, masked: list[str]
) -> None:
    """A rule that keeps the field keeps the key, quotes included; the watch of these tests sees it."""
    sent = watched(world)

    dm.run(source, target, dm.Ruleset([dm.keep("id", "day", "email", because="public")]), key)

    assert keys(world) == sorted(key.replace("in/", "out/", 1) for key in source_now(world).shown())
    assert sent != []


def test_masked_folders_in_place_are_refused(world: World, source: S3Files, key: dm.Key, masked: list[str]) -> None:
    """The keys would have to change, so nothing is written."""
    with pytest.raises(PlanError, match="in place, 4 objects would have to move"):
        dm.run(source, source, RULES, key)

    assert len(source_now(world).shown()) == 4
