"""Objects are sealed and published all or nothing, into another bucket or in place."""

from __future__ import annotations

from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles, S3Files, SessionFactory
from dmengine.errors import MaskError, PlanError, RunError, StoreError
from dmengine.journal import Journal
from dmengine.maskers import Email, Fpe
from dmengine.spi import GoneError, Part, Sealed
from dmengine_connectors.stores import s3_upload
from dmengine_connectors.stores.s3 import Bucket
from dmengine_connectors.stores.s3_calls import Calls
from tests.aws.s3_lab import (
    PEOPLE,
    RULES,
    SOURCE,
    TARGET,
    bodies,
    csv_of,
    many,
    parquet_of,
    put,
    source_now,
    target_now,
)
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import Contents
from tests.aws.standins.faults import Fate, Fates, Fault
from tests.aws.standins.world import World

# ---------------------------------------------------------------------------------------------- sealing and publishing


def test_a_failure_leaves_nothing(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """A value that a mask cannot take stops the run; no object, upload or journal is left."""
    for number in range(3):
        put(world, f"in/{number}.csv", PEOPLE)
    put(world, "in/9.csv", b"id,email\n1,x\n")

    with pytest.raises(MaskError, match="fpe cannot take"):
        dm.run(source, target, dm.Ruleset([dm.Rule("email", Fpe()), dm.keep("id", because="x")]), key, workers=1)

    assert target_now(world) == Contents({}, {}, ())


def test_a_kept_failure_is_resumed(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Sealed uploads wait, invisible, and a resumed run does only what is left."""
    put(world, "in/a.csv", PEOPLE)
    put(world, "in/b.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault(("denied",), ("UploadPart",), keys="out/b.csv"))
    with pytest.raises(StoreError, match="AccessDenied"):
        dm.run(source, target, RULES, key, on_failure="keep", workers=1)
    world.proxy.forget()
    waiting = target_now(world)

    report = dm.resume(source, target, RULES, key)

    assert waiting.shown() == {}
    assert [key for key, _ in waiting.uploads] == ["out/a.csv"]
    assert report.rows == 4
    assert world.proxy.count("UploadPart") == 1
    assert sorted(bodies(target_now(world))) == ["out/a.csv", "out/b.csv"]
    assert target_now(world).uploads == ()


def test_an_empty_object_is_masked_and_copied(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """An upload needs a part: an empty object is one empty part."""
    put(world, "in/empty.jsonl", b"")
    put(world, "in/empty.txt", b"")
    rules = dm.Ruleset([dm.Rule("email", Email(), optional=True)])

    dm.run(S3Files(source.url, source.session, unmatched="copy"), target, rules, key)

    assert bodies(target_now(world)) == {"out/empty.jsonl": b"", "out/empty.txt": b""}


def test_large_objects_are_sent_in_parts(
    world: World, source: S3Files, target: S3Files, key: dm.Key, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are sent while the next one fills, each with its checksum, and together are the object."""
    monkeypatch.setattr(s3_upload, "SMALLEST_PART", 5 << 20)
    body = csv_of(many(400_000))
    put(world, "in/a.csv", body)
    (tmp_path / "a.csv").write_bytes(body)

    report = dm.run(source, target, RULES, key)
    dm.run(LocalFiles(tmp_path / "a.csv"), LocalFiles(tmp_path / "out"), RULES, key)

    assert world.proxy.count("UploadPart") > 2
    assert all("x-amz-checksum-sha256" in c.headers for c in world.proxy.calls if c.operation == "UploadPart")
    assert bodies(target_now(world))["out/a.csv"] == (tmp_path / "out" / "a.csv").read_bytes()
    assert report.outputs[0].size == len(bodies(target_now(world))["out/a.csv"])


@pytest.mark.parametrize("expected", [0, 10 << 30, 5 << 40, 50 * 10**12])
def test_ten_thousand_parts_are_enough_for_the_largest_object(expected: int) -> None:
    """Parts grow so that what is expected fits in half of them, and as much again and more in the rest."""
    sizes = [s3_upload.part_size(number, expected) for number in range(1, s3_upload.MOST_PARTS + 1)]

    assert sum(sizes) >= min(max(2 * expected, 8 << 40), 50 * 10**12)
    assert max(sizes) <= 5 << 30
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("kind", ["reset_after", "empty_200_applied"])
def test_a_lost_reply_to_complete_is_no_failure(
    world: World, source: S3Files, target: S3Files, key: dm.Key, no_pauses: None, kind: Any
) -> None:
    """What was completed is known by its checksum, whatever the answer was."""
    put(world, "in/a.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault((kind,), ("CompleteMultipartUpload",), times=1))

    report = dm.run(source, target, RULES, key)
    world.proxy.forget()

    assert report.leftovers == ()
    assert list(bodies(target_now(world))) == ["out/a.csv"]


def test_a_target_changed_under_way_is_not_overwritten(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """Somebody else's object at the place stops publishing; once it is moved away, the run is finished."""
    put(world, "in/a.csv", PEOPLE)
    truth = world.truth(ACCOUNT_C)

    def meddle(call: Any) -> None:
        if call.operation == "CompleteMultipartUpload":
            world.proxy.watch = lambda call: None
            truth.put_object(Bucket=TARGET, Key="out/a.csv", Body=b"somebody else's")

    world.proxy.watch = meddle
    with pytest.raises(RunError, match=r"out/a.csv was changed at the target"):
        dm.run(source, target, RULES, key)
    stays = bodies(target_now(world))
    truth.delete_object(Bucket=TARGET, Key="out/a.csv")

    dm.clean(target)

    assert stays == {"out/a.csv": b"somebody else's"}
    assert bodies(target_now(world))["out/a.csv"].startswith(b"id,email\n007,")
    assert target_now(world).uploads == ()


class Refusing:
    """A session that answers one operation as it is told to, once the effect is there or without it."""

    def __init__(self, session: SessionFactory, operation: str, code: str, *, applied: bool) -> None:
        self.session = session
        self.operation = operation
        self.code = code
        self.applied = applied

    def client(self, service: Any) -> Any:
        return self.session.client(service)

    def call(self, function: Any, /, **parameters: Any) -> Any:
        from botocore.exceptions import ClientError

        if function.__name__ != self.operation:
            return self.session.call(function, **parameters)
        if self.applied:
            self.session.call(function, **parameters)
        raise ClientError({"Error": {"Code": self.code}}, function.__name__)


def sealed_in(bucket: Bucket, run: Any, body: bytes) -> Sealed:
    part = Part("a.csv", "a.csv", len(body))
    bucket.start(run, ["a.csv"], in_place=False)
    with bucket.sealing(run, part, None) as file:
        file.write(body)
    return Sealed("a.csv", "a.csv", 1, file.size, file.checksum, file.notes)


@pytest.mark.parametrize("code", ["NoSuchUpload", "PreconditionFailed"])
def test_an_upload_that_is_gone_is_done_if_its_object_is_there(world: World, target: S3Files, code: str) -> None:
    """After a lost reply S3 may know the upload no more, or see an object in the way: the sealed one itself."""
    run = Journal(target.journal(), "20260101T000000-abcdef")
    sealed = sealed_in(target.objects, run, PEOPLE)
    calls = target.objects.calls
    losing: Any = Refusing(calls.session, "complete_multipart_upload", code, applied=True)

    Bucket(Calls(losing, TARGET), "out/").publish(run, [sealed])

    assert bodies(target_now(world)) == {"out/a.csv": PEOPLE}


def test_an_upload_that_is_gone_without_its_object_is_an_error(world: World, target: S3Files) -> None:
    """Where neither upload nor object is there, the run says so and does not call itself done."""
    run = Journal(target.journal(), "20260101T000000-abcdef")
    sealed = sealed_in(target.objects, run, PEOPLE)
    losing: Any = Refusing(target.objects.calls.session, "complete_multipart_upload", "NoSuchUpload", applied=False)

    with pytest.raises(GoneError, match=r"a\.csv \(the open upload is gone\)") as caught:
        Bucket(Calls(losing, TARGET), "out/").publish(run, [sealed])

    assert caught.value.parts == ("a.csv",)


# ---------------------------------------------------------------------------------------------- in place


def test_a_run_in_place_replaces_each_object_and_is_not_repeated(world: World, source: S3Files, key: dm.Key) -> None:
    """Each object is replaced only if it is still the one that was read, and a second run is refused."""
    put(world, "in/a.csv", PEOPLE)
    put(world, "in/b.parquet", parquet_of(["ann@x.org"]))

    dm.run(source, source, RULES, key)
    once = bodies(source_now(world))
    with pytest.raises(PlanError, match="2 objects are masked already"):
        dm.run(source, source, RULES, key)
    dm.run(source, source, RULES, key, remask=True)

    completes = [c for c in world.proxy.calls if c.operation == "CompleteMultipartUpload"]
    assert all("if-match" in {name.lower() for name in call.headers} for call in completes)
    assert b"ann@x.org" not in b"".join(once.values())
    assert all(once[name] != body for name, body in bodies(source_now(world)).items())


def test_versions_of_objects_in_place_need_a_decision(world: World, source: S3Files, key: dm.Key) -> None:
    """Where a bucket keeps old versions, masking in place is refused, or the originals go, or stay for a reason."""
    truth = world.truth(ACCOUNT_B)
    truth.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    put(world, "in/a.csv", b"id,email\n1,older@x.org\n")
    put(world, "in/a.csv", PEOPLE)
    put(world, "elsewhere/a.csv", PEOPLE)
    put(world, "elsewhere/a.csv", b"id,email\n")

    with pytest.raises(PlanError, match="keeps old versions"):
        dm.run(source, source, RULES, key)
    keeping = S3Files(source.url, source.session, old_versions={"keep": "retention of 30 days"})
    dm.run(keeping, keeping, RULES, key)
    kept = source_now(world)
    deleting = S3Files(source.url, source.session, old_versions="delete")
    report = dm.run(deleting, deleting, RULES, key, remask=True)
    after = source_now(world)

    assert sum(name == "in/a.csv" for name, _ in kept.older) == 2
    assert [name for name, _ in after.older if name == "in/a.csv"] == []
    assert [name for name, _ in after.older if name.startswith("elsewhere")] == ["elsewhere/a.csv"]
    assert report.leftovers == ()


class Later(Fates):
    """Fates that spare the first call of each operation."""

    def fate(self, call: Call, nth: int) -> Fate | None:
        return super().fate(call, nth) if nth > 1 else None


def test_old_versions_that_may_not_be_deleted_any_more_are_named(world: World, source: S3Files, key: dm.Key) -> None:
    """The right was there when the run began, and is gone at its end: each version that is left is named."""
    truth = world.truth(ACCOUNT_B)
    truth.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    put(world, "in/a.csv", PEOPLE)
    deleting = S3Files(source.url, source.session, old_versions="delete")
    world.proxy.fates = Later(1, Fault(("denied",), ("DeleteObject",), keys="in/a.csv"))

    report = dm.run(deleting, deleting, RULES, key)
    world.proxy.forget()

    assert {left.partition(" (old version")[0] for left in report.leftovers} == {"s3://source-of-b/in/a.csv"}
