"""A run over an unreliable network: the same objects as without faults, or a named error and nothing left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import boto3
import pytest

from dmengine.connectors import SessionFactory
from tests.aws.lab import CloudLab, Plays, Scene, Stage
from tests.aws.standins.accounts import ACCOUNT_C
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import Stored
from tests.aws.standins.faults import Fates, Fault, Kind
from tests.aws.standins.server import Moto
from tests.aws.standins.world import BASE, REGION, ROLE_C, World
from tests.crash.lab import PROVE, Outcome, chance, sampled

SEEDS = range(50)
# Every one of these, on all calls, must end in a named error.
FATAL: tuple[Kind, ...] = (
    "slow_down", "internal", "reset_before", "reset_after", "skewed", "expired", "denied",
)  # fmt: skip
PUBLISHING: tuple[Kind, ...] = (*FATAL, "error_200", "empty_200")
SCENES: tuple[Scene, ...] = ("new", "place")


def run(lab: CloudLab, stage: Stage, *faults: Fault, seed: int | str = 1, workers: int = 2) -> Outcome:
    """Run while calls go wrong, then let the network be good again."""
    stage.world.proxy.fates = Fates(seed, *faults)
    outcome = lab.do(stage.job("run", options={"workers": workers}))
    stage.world.proxy.forget()
    return outcome


def check_same(stage: Stage, outcome: Outcome, final: Mapping[str, Stored]) -> None:
    """Assert that the run ended well, and that nothing shows that anything went wrong."""
    assert outcome.error == "", outcome.traceback
    stage.check_finished(final)


def check_refused(outcome: Outcome, *says: str) -> None:
    """Assert that the run ended, within its time, in an error of ours that has a remedy and holds no value."""
    assert outcome.code == 0, "no end at all"
    known = ("StoreError", "AwsError", "RefusedError", "RunError", "InputError", "PlanError")
    assert outcome.error in known, outcome.traceback
    assert "To fix:" in outcome.message
    assert [word for word in says if word not in outcome.message] == [], outcome.message
    assert not outcome.leaks, outcome.traceback


def check_nothing_left(stage: Stage) -> None:
    """Assert that the target is as it was before, with no upload, no journal and no manifest."""
    found = stage.contents()
    assert (found.shown() == stage.before, found.uploads, list(stage.notes())) == (True, (), [])
    stage.check_clean()


@pytest.mark.proof
@pytest.mark.parametrize("shard", range(4 if PROVE else 2))
def test_a_fifth_of_all_calls_may_fail(shard: int, moto: Moto, cloud_lab: CloudLab, plays: Plays) -> None:
    """20 % of calls throttled, failed, reset, cut, answered wrongly, late, expired: the same objects, nothing left."""
    every = list(SEEDS)[shard :: 4 if PROVE else 2]
    for seed in sampled(every, 1, f"s3 faults {shard}", whole=len(every)):
        scene = chance(f"s3 storm {seed}").choice(SCENES)
        with Stage(moto, scene) as stage:
            storm = Fates(seed, *Fault.tempest(0.2))
            stage.world.proxy.fates = storm

            outcome = cloud_lab.do(stage.job("run", options={"workers": 2}))

            stage.world.proxy.forget()
            assert outcome.error == "", f"seed {seed}: {dict(storm.met)}\n{outcome.traceback}"
            check_same(stage, outcome, plays[scene].final)
            stage.check_seen(plays[scene].etags)
            assert sum(storm.met.values()) > 40, storm.met


@pytest.mark.parametrize("kind", [*FATAL, "cut", "empty_200"])
def test_when_all_calls_fail_a_run_ends_in_a_named_error(kind: Kind, moto: Moto, cloud_lab: CloudLab) -> None:
    """One kind of failure on every call: an error with a remedy within the deadline, and nothing was done."""
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault((kind,)))

        check_refused(outcome)
        check_nothing_left(stage)


@pytest.mark.proof
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "GetObject"])
def test_when_one_operation_always_fails_the_run_is_rolled_back(
    operation: str, moto: Moto, cloud_lab: CloudLab
) -> None:
    """What the run had begun by then is ended: no upload stays open, no note stays, nothing is visible."""
    for kind in sampled(FATAL, 2, f"s3 {operation}", whole=len(FATAL)):
        with Stage(moto, "new") as stage:
            keys = "*people*" if operation == "GetObject" else "*"

            outcome = run(cloud_lab, stage, Fault((kind,), (operation,), keys=keys))

            check_refused(outcome)
            check_nothing_left(stage)


@pytest.mark.proof
def test_when_publishing_always_fails_the_run_is_committed_and_resumed(
    moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """After COMMIT a failure says `resume`, and `resume` finishes, also what was applied and never answered."""
    for kind in sampled(PUBLISHING, 3, "s3 publishing", whole=len(PUBLISHING)):
        with Stage(moto, "new") as stage:
            outcome = run(cloud_lab, stage, Fault((kind,), ("CompleteMultipartUpload",)))

            check_refused(outcome, "resume")
            stage.check_shown(plays["new"].final)
            assert kind == "reset_after" or stage.shown() == stage.before
            check_same(stage, cloud_lab.do(stage.job("resume")), plays["new"].final)
            stage.check_seen(plays["new"].etags)


@pytest.mark.parametrize("kind", ["reset_after", "empty_200_applied", "cut"])
def test_a_lost_answer_to_complete_is_told_from_a_lost_upload(
    kind: Kind, moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """Completed, and the answer lost, empty or cut: the object is found to be ours, in a new place or in place."""
    scene = chance(f"s3 complete {kind}").choice(SCENES)
    with Stage(moto, scene) as stage:
        outcome = run(cloud_lab, stage, Fault((kind,), ("CompleteMultipartUpload",), share=0.5))

        check_same(stage, outcome, plays[scene].final)


def test_a_lost_answer_to_create_leaves_no_upload_open(moto: Moto, cloud_lab: CloudLab, plays: Plays) -> None:
    """Begun, and the answer lost, empty or cut: the upload that nobody knows the id of is found and ended."""
    lost: tuple[Kind, ...] = ("reset_after", "empty_200_applied", "cut")
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault(lost, ("CreateMultipartUpload",), share=0.4))

        check_same(stage, outcome, plays["new"].final)


def test_retries_do_not_run_out_in_a_long_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of hundreds of calls four in ten are reset, some often in a row: each has its ten attempts, as the first had."""
    world.make_bucket(ACCOUNT_C, "bucket-of-c")
    base = boto3.Session(**BASE, region_name=REGION)  # type: ignore[arg-type]
    factory = SessionFactory(base, endpoint_url=world.proxy.url).assume(ROLE_C)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    world.proxy.fates = Fates(1, Fault(("reset_before",), ("HeadBucket",), share=0.4))

    for _ in range(300):
        factory.client("s3").head_bucket(Bucket="bucket-of-c")

    assert world.proxy.count("HeadBucket") > 450


@pytest.mark.parametrize("kind", ["cut", "flipped"])
def test_bodies_that_break_off_or_change_are_read_again(
    kind: Kind, moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """Half of all bodies cut or with one bit flipped: the objects are masked from what they really hold."""
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault((kind,), ("GetObject",), share=0.5, keys="*people*"))

        check_same(stage, outcome, plays["new"].final)


def test_a_body_without_a_length_is_never_taken_for_whole(moto: Moto, cloud_lab: CloudLab, plays: Plays) -> None:
    """Where the answer does not say how long it is, the run fails or asks again; it never writes a part as all."""
    for share in (0.3, 1.0):
        with Stage(moto, "new") as stage:
            outcome = run(cloud_lab, stage, Fault(("cut_unsized",), ("GetObject",), share=share, keys="*people*"))

            if outcome.error:
                check_refused(outcome)
                check_nothing_left(stage)
            else:
                check_same(stage, outcome, plays["new"].final)


def test_slow_bodies_only_take_their_time(moto: Moto, cloud_lab: CloudLab, plays: Plays) -> None:
    """Bodies that trickle in come whole."""
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault(("slow",), ("GetObject",), share=0.2, pause=0.01))

        check_same(stage, outcome, plays["new"].final)


def test_expired_tokens_in_the_middle_of_reading_and_writing_are_renewed(
    moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """The sessions of both chains end five times during the run, early: each is assumed again, and nobody notices."""
    with Stage(moto, "new") as stage:
        seen: Counter[str] = Counter()
        ends = {
            ("UploadPart", 3),
            ("GetObject", 30),
            ("PutObject", 20),
            ("CompleteMultipartUpload", 5),
            ("HeadObject", 9),
        }
        watch = stage.world.proxy.watch

        def end(call: Call) -> None:
            watch(call)
            seen[call.operation] += 1
            if (call.operation, seen[call.operation]) in ends:
                stage.world.accounts.end_sessions()

        stage.world.proxy.watch = end
        outcome = run(cloud_lab, stage, workers=1)
        stage.world.proxy.watch = watch

        check_same(stage, outcome, plays["new"].final)
        assert 2 < len(stage.world.accounts.assumed) <= 2 + 2 * len(ends)


def test_a_throttled_sts_is_asked_again_and_named_when_it_stays_so(
    moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """The first five AssumeRole throttled: the run goes on. All of them: the error names hop and role."""
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault(("slow_down",), ("AssumeRole",), times=5))
        check_same(stage, outcome, plays["new"].final)

    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault(("slow_down",), ("AssumeRole",)))
        check_refused(outcome, "hop 1", ":role/Target-DM-Role", "Throttling")
        check_nothing_left(stage)


def test_a_clock_that_is_wrong_is_named(moto: Moto, cloud_lab: CloudLab) -> None:
    """RequestTimeTooSkewed comes back as an error that says to set the clock."""
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault(("skewed",)))

        check_refused(outcome, "RequestTimeTooSkewed", "clock")


def test_a_run_in_trouble_is_cleaned_later(moto: Moto, cloud_lab: CloudLab) -> None:
    """When from some call on nothing works any more, not even rolling back, `clean` ends what was left later."""
    with Stage(moto, "new") as stage:
        outcome = run(cloud_lab, stage, Fault(("reset_before",), ("[!AG]*",), keys="*people-1[0-9]*"), Fault(
            ("slow_down",), ("AbortMultipartUpload", "DeleteObject*")
        ), workers=1)  # fmt: skip
        check_refused(outcome, "Left behind")
        assert stage.contents().uploads

        cleaned = cloud_lab.do(stage.job("clean"))

        assert cleaned.error == "", cleaned.traceback
        check_nothing_left(stage)
