"""What becomes of runs on S3 whose uploads are gone, whose leftovers stay, or that never began; what objects cost."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import S3Files, S3Store
from dmengine.errors import InputError, RunError, StoreError
from dmengine.journal import Journal, unfinished
from dmengine.maskers import Redact
from dmengine.spi import GoneError
from tests.aws.lab import BUCKET_B, BUCKET_C, CloudLab, Scene, Stage
from tests.aws.s3_lab import PEOPLE, RULES, SOURCE, TARGET, target_now
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.calls import Call
from tests.aws.standins.faults import Fates, Fault, Kill
from tests.aws.standins.server import Moto
from tests.aws.standins.world import World
from tests.crash.lab import PROVE

BROKEN = b"id,email\n1\n"
RUN = "20260101T000000-abcdef"


def put(world: World, **objects: bytes) -> None:
    for name, body in objects.items():
        world.truth(ACCOUNT_B).put_object(Bucket=SOURCE, Key=f"in/{name}.csv", Body=body)


def bodies(world: World) -> dict[str, bytes]:
    return {key: stored.body for key, stored in target_now(world).shown().items()}


def end_uploads(world: World, account: str, bucket: str, *keys: str) -> int:
    """Do what a lifecycle rule does: abort the open uploads of these keys, or of all."""
    truth, ended = world.truth(account), 0
    for upload in truth.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        if not keys or upload["Key"] in keys:
            truth.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            ended += 1
    return ended


def before(world: World, operation: str, ending: str, act: Callable[[], object]) -> None:
    """Act once, before a call of an operation on a key that ends so is applied."""
    left = [act]

    def watch(call: Call) -> None:
        if left and call.operation == operation and call.key.endswith(ending):
            left.pop()()

    world.proxy.watch = watch


def commit_and_lose(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Leave a run that has committed and published nothing, and whose uploads are gone."""
    world.proxy.fates = Fates(1, Fault(("denied",), ("CompleteMultipartUpload",)))
    with pytest.raises(StoreError, match="AccessDenied"):
        dm.run(source, target, RULES, key)
    world.proxy.forget()
    assert end_uploads(world, ACCOUNT_C, TARGET) > 0


# ---------------------------------------------------------------------------------------------- uploads that are gone


def test_an_upload_that_is_aborted_after_commit_is_masked_again(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """Somebody's lifecycle rule ends an upload as the run commits: it is sealed anew, and published with the others."""
    put(world, a=PEOPLE, b=PEOPLE)
    before(world, "PutObject", "/COMMIT.json", lambda: end_uploads(world, ACCOUNT_C, TARGET, "out/b.csv"))

    report = dm.run(source, target, RULES, key)

    found = bodies(world)
    assert found["out/a.csv"] == found["out/b.csv"] != PEOPLE
    assert target_now(world).uploads == ()
    assert {o.pin.partition(":")[0] for o in report.outputs} == {
        one["ETag"].strip('"') for one in world.truth(ACCOUNT_C).list_objects_v2(Bucket=TARGET)["Contents"]
        if one["Key"] in found
    }  # fmt: skip
    assert (report.rows, report.leftovers) == (4, ())
    assert [name for name in target_now(world).objects if "_dmengine" in name] == [
        f"out/_dmengine/{report.run_id}/manifest.json"
    ]


@pytest.mark.parametrize("scene", ["new", "place"] if PROVE else ["place"])
def test_uploads_that_are_gone_when_a_killed_run_is_resumed_are_masked_again(
    moto: Moto, cloud_lab: CloudLab, scene: Scene
) -> None:
    """Killed between two completions, and all other uploads aborted: another process ends with the same objects."""
    account, bucket = (ACCOUNT_B, BUCKET_B) if scene == "place" else (ACCOUNT_C, BUCKET_C)
    with Stage(moto, scene) as stage:
        assert cloud_lab.do(stage.job("run", options={"workers": 1})).error == ""
        final = stage.shown()
        completes = [n for n, call in enumerate(stage.world.proxy.log, 1) if call.startswith("CompleteMultipart")]
    with Stage(moto, scene) as stage:
        killed = stage.killed(cloud_lab, stage.job("run", options={"workers": 1}), Kill(completes[2], "before"))
        stage.check_shown(final)
        ended = end_uploads(stage.world, account, bucket)

        outcome = cloud_lab.do(stage.job("resume"))

        assert (killed.code, outcome.error) == (-signal.SIGKILL, ""), outcome.traceback
        assert ended > 0
        assert outcome.value["leftovers"] == []
        stage.check_finished(final)


def test_a_source_that_changed_cannot_replace_what_is_gone(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """Only what was read is masked again; the error says to put it back, and then the run is finished."""
    put(world, a=PEOPLE, b=PEOPLE)
    commit_and_lose(world, source, target, key)
    put(world, b=b"id,email\n1,new@x.org\n")

    with pytest.raises(InputError, match=r"b\.csv was changed") as caught:
        dm.resume(source, target, RULES, key)
    put(world, b=PEOPLE)
    report = dm.resume(source, target, RULES, key)

    assert "put it back as it was read, then resume" in caught.value.hint
    assert report.rows == 4
    assert sorted(bodies(world)) == ["out/a.csv", "out/b.csv"]
    assert target_now(world).uploads == ()


def test_what_is_gone_is_not_masked_with_other_rules_or_by_nobody(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """`clean`, which has no key, and `resume` with other rules each say what the run needs; nothing is shown."""
    put(world, a=PEOPLE)
    commit_and_lose(world, source, target, key)
    other = dm.Ruleset([dm.Rule("email", Redact()), dm.keep("id", because="x")])

    with pytest.raises(GoneError, match=r"neither sealed any more nor published: a\.csv") as caught:
        dm.clean(target, source=source)
    with pytest.raises(RunError, match="cannot be masked again: the ruleset changed"):
        dm.resume(source, target, other, key)
    with pytest.raises(RunError, match="cannot be masked again: the key changed"):
        dm.resume(source, target, RULES, dm.Key.generate())

    assert "`resume` with source, rules and key masks them again" in caught.value.hint
    assert bodies(world) == {}


def test_a_second_upload_of_one_object_is_not_left_open(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """The object is there by the upload that was taken for gone: then the one that was to replace it is ended."""
    put(world, a=PEOPLE)
    dm.run(source, target, RULES, key)
    masked = bodies(world)["out/a.csv"]
    world.truth(ACCOUNT_C).delete_object(Bucket=TARGET, Key="out/a.csv")

    def complete_another() -> None:
        truth = world.truth(ACCOUNT_C)
        where = {"Bucket": TARGET, "Key": "out/a.csv"}
        upload = truth.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]  # type: ignore[arg-type]
        part = truth.upload_part(**where, UploadId=upload, PartNumber=1, Body=masked, ChecksumAlgorithm="SHA256")  # type: ignore[arg-type]
        parts: Any = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
        truth.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})  # type: ignore[arg-type]

    before(world, "CompleteMultipartUpload", "a.csv", complete_another)
    dm.run(source, target, RULES, key)

    assert bodies(world) == {"out/a.csv": masked}
    assert target_now(world).uploads == ()


# ---------------------------------------------------------------------------------------------- what stays behind


def test_leftovers_that_may_not_be_removed_do_not_stop_the_next_run(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """A failed run without the right to abort names each upload once with the rule to set, and has ended."""
    put(world, a=PEOPLE, b=BROKEN)
    world.accounts.rights = DOCUMENTED_RIGHTS

    with pytest.raises(InputError) as caught:
        dm.run(source, target, RULES, key, workers=1)
    left = unfinished(target.journal())
    put(world, b=PEOPLE)
    report = dm.run(source, target, RULES, key)

    assert caught.value.hint.count("s3://target-of-c/out/a.csv (open upload ") == 1
    assert "AbortIncompleteMultipartUpload" in caught.value.hint
    assert "the run has ended all the same" in caught.value.hint
    assert left == []
    assert report.rows == 4


def test_what_was_interrupted_says_what_it_leaves(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Ctrl-C has no remedy to add to; the leftovers are a note of it."""
    put(world, a=PEOPLE, b=PEOPLE)
    world.accounts.rights = DOCUMENTED_RIGHTS

    class Interrupting(S3Files):
        def read(self, part: Any) -> Any:
            if part.id == "b.csv":
                raise KeyboardInterrupt
            return S3Files.read(self, part)

    with pytest.raises(KeyboardInterrupt) as caught:
        dm.run(Interrupting(source.url, source.session), target, RULES, key, workers=1)

    assert "s3://target-of-c/out/a.csv (open upload " in caught.value.__notes__[0]


def test_leftovers_in_place_are_named_once(world: World, source: S3Files, key: dm.Key) -> None:
    """Where source and target are one, it is asked once, and names each leftover once."""
    put(world, a=PEOPLE, b=BROKEN)
    world.accounts.rights = DOCUMENTED_RIGHTS

    with pytest.raises(InputError) as caught:
        dm.run(source, source, RULES, key, workers=1)

    assert caught.value.hint.count("(open upload ") == 1


def test_what_could_not_be_removed_for_now_waits_for_clean(
    world: World, source: S3Files, target: S3Files, key: dm.Key, no_pauses: None
) -> None:
    """A store that is busy is no lack of rights: the journal stays, and `clean` ends the run when it answers again."""
    put(world, a=PEOPLE, b=BROKEN)
    world.proxy.fates = Fates(1, Fault(("slow_down",), ("AbortMultipartUpload",)))
    with pytest.raises(InputError, match="record") as caught:
        dm.run(source, target, RULES, key, workers=1)
    world.proxy.forget()
    [waiting] = unfinished(target.journal())

    ended = dm.clean(target)

    assert "run `clean` when that can be removed" in caught.value.hint
    assert ended == (waiting.run_id,)
    assert (target_now(world).objects, target_now(world).uploads) == ({}, ())


def test_clean_ends_a_run_whose_leftovers_may_not_be_removed(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """It names them, and does not find the run again."""
    put(world, a=PEOPLE, b=BROKEN)
    with pytest.raises(InputError):
        dm.run(source, target, RULES, key, workers=1, on_failure="keep")
    world.accounts.rights = DOCUMENTED_RIGHTS

    with pytest.raises(RunError, match=r"leaves s3://target-of-c/out/a\.csv \(open upload ") as caught:
        dm.clean(target)

    assert "the run itself has ended" in caught.value.hint
    assert dm.clean(target) == ()


def test_a_run_that_was_killed_before_its_first_note_is_no_run(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """`resume` says that there is nothing to resume, and clears it away."""
    put(world, a=PEOPLE)
    target.journal().create(f"{RUN}/owner.000001.json", b"{}")

    with pytest.raises(RunError, match=f"run {RUN} was killed before it had begun") as caught:
        dm.resume(source, target, RULES, key)

    assert "start it with `run`" in caught.value.hint
    assert target.journal().names() == []
    assert dm.run(source, target, RULES, key).rows == 2


# ---------------------------------------------------------------------------------------------- the journal


@pytest.mark.parametrize("theirs", [b'{"parts": ["theirs"]}', b'{"parts": ["ours"]}'])
def test_a_note_that_comes_second_changes_nothing(world: World, target: S3Files, theirs: bytes) -> None:
    """Another process writes a note while ours is on its way: theirs stands; ours is refused if it is not the same."""
    journal = Journal(target.journal(), RUN)
    name = f"out/_dmengine/{RUN}/COMMIT.json"

    def write_theirs() -> None:
        world.truth(ACCOUNT_C).put_object(Bucket=TARGET, Key=name, Body=theirs)

    before(world, "PutObject", "/COMMIT.json", write_theirs)
    if b"ours" in theirs:
        journal.commit({"parts": ["ours"]})
    else:
        with pytest.raises(RunError, match=r"already has another COMMIT\.json"):
            journal.commit({"parts": ["ours"]})

    assert world.truth(ACCOUNT_C).get_object(Bucket=TARGET, Key=name)["Body"].read() == theirs


def test_a_note_that_was_emptied_is_written_anew_by_one_alone(world: World, target: S3Files) -> None:
    """Without the right to delete, notes are emptied; of two that write such a note again, the second is told."""
    store = target.journal()
    name = f"out/_dmengine/{RUN}/lock"
    truth = world.truth(ACCOUNT_C)
    truth.put_object(Bucket=TARGET, Key=name, Body=b"")
    met: list[Call] = []

    def watch(call: Call) -> None:
        if call.operation == "PutObject":
            met.append(call)
        if len(met) == 2:  # the first was refused, because an object is there; this one means to replace the empty one
            truth.put_object(Bucket=TARGET, Key=name, Body=b"theirs")

    world.proxy.watch = watch

    assert not store.create(f"{RUN}/lock", b"ours")
    assert store.read(f"{RUN}/lock") == b"theirs"


def test_notes_are_deleted_a_thousand_at_a_time(world: World, target: S3Files) -> None:
    """The first note of the run goes after all those of its parts, and the owner's lock last."""
    journal = Journal(target.journal(), RUN)
    journal.begin({"source": "x"})
    journal.claim()
    truth = world.truth(ACCOUNT_C)
    for number in range(1100):
        truth.put_object(Bucket=TARGET, Key=f"out/_dmengine/{RUN}/parts/{number}.sealed.json", Body=b"x")
    world.proxy.forget()

    journal.forget()
    journal.release()

    deleted = [call.split("/")[-1] for call in world.proxy.log if call.startswith("Delete")]
    assert target_now(world).objects == {}
    assert deleted == [f"DeleteObjects {TARGET}", f"DeleteObjects {TARGET}", "run.json", "owner.000001.json"]


@pytest.mark.parametrize("denied", [("DeleteObjects",), ("DeleteObject", "DeleteObjects")])
def test_without_the_right_to_delete_many_notes_are_emptied(
    world: World, target: S3Files, denied: tuple[str, ...]
) -> None:
    """What one call does not remove is removed one by one, or emptied; either way no note is left."""
    store = target.journal()
    for number in range(3):
        store.create(f"{RUN}/{number}.json", b"x")
    world.proxy.fates = Fates(1, Fault(("denied",), denied))

    store.delete(*store.names(), f"{RUN}/never.json")

    assert store.names() == []
    assert {one.body for one in target_now(world).objects.values()} == ({b""} if "DeleteObject" in denied else set())


# ---------------------------------------------------------------------------------------------- what an object costs

MANY = 200
# Looked into, read; its place looked at; its upload intended, begun, known, filled; sealed; published.
CALLS = {"GetObject": 2, "HeadObject": 1, "PutObject": 3, "CreateMultipartUpload": 1, "UploadPart": 1,
         "CompleteMultipartUpload": 1}  # fmt: skip


def test_an_object_costs_nine_calls(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """A run of 200 objects makes nine calls for each, and a few dozen for all of them together."""
    put(world, **{f"{number:03}": PEOPLE for number in range(MANY)})

    report = dm.run(source, target, RULES, key, workers=8)

    made = Counter(call.operation for call in world.proxy.calls if call.service == "s3")
    print(json.dumps(made))
    more = {operation: count - MANY * CALLS.get(operation, 0) for operation, count in made.items()}
    assert report.rows == MANY * 2
    assert sum(more.values()) <= 50, more
    assert min(more.values()) >= 0, more


def test_what_is_sealed_is_looked_up_once(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """A run that is resumed lists its notes, and reads only those of sealed parts."""
    put(world, **{f"{number:02}": PEOPLE for number in range(40)}, zz=BROKEN)
    with pytest.raises(InputError):
        dm.run(source, target, RULES, key, workers=1, on_failure="keep")
    store = S3Store(target.journal().location, target.session)
    sealed = [name for name in store.names() if name.endswith(".sealed.json")]
    world.proxy.forget()

    with pytest.raises(InputError):
        dm.resume(source, target, RULES, key)

    read = [call.key for call in world.proxy.calls if call.operation == "GetObject" and ".sealed" in call.key]
    assert len(sealed) == 40
    assert sorted(read) == [f"out/_dmengine/{name}" for name in sealed]
