"""A run from bucket to bucket, killed at any request and then resumed: the same objects, nothing unmasked or left."""

from __future__ import annotations

import signal

import pytest

from tests.aws.lab import CloudLab, Play, Plays, Scene, Stage, When
from tests.aws.standins.accounts import DOCUMENTED_RIGHTS
from tests.aws.standins.calls import Call
from tests.aws.standins.faults import Kill
from tests.aws.standins.server import Moto
from tests.crash.lab import PROVE, Outcome, chance, sampled

SHARDS = 8 if PROVE else 2  # the points of the first scene are shared out, so that they can run side by side
SLACK = 8  # the number of requests of a run with two workers is not always quite the same


def kill(lab: CloudLab, stage: Stage, play: Play, at: int, when: When, workers: int = 1) -> None:
    """Run in a child that is killed at one request, and check what is to be seen."""
    outcome = stage.killed(lab, stage.job("run", options={"workers": workers}), Kill(at, when))
    assert outcome.code == -signal.SIGKILL or (workers > 1 and at > len(play.log) - SLACK), outcome.traceback
    stage.check_shown(play.final)


def go_on(lab: CloudLab, stage: Stage, dying: Kill | None = None) -> Outcome:
    """Resume from another process, or run anew, or do nothing, as the notes of the run say."""
    if stage.only_manifests():
        return Outcome(0)
    job = stage.job("run" if stage.state() == "nothing" else "resume")
    return lab.do(job) if dying is None else stage.killed(lab, job, dying)


def kill_and_go_on(moto: Moto, lab: CloudLab, scene: Scene, play: Play, at: int, when: When) -> None:
    """Kill at one point, now and then kill what resumes it too, resume, and check the end."""
    random = chance(f"{scene} {at} {when}")
    with Stage(moto, scene) as stage:
        kill(lab, stage, play, at, when, workers=random.choice([1, 2]))
        if random.random() < 0.2:
            go_on(lab, stage, Kill(random.randint(1, len(play.log) - at + 40), random.choice(["before", "after"])))
            stage.check_shown(play.final)

        outcome = go_on(lab, stage)

        assert outcome.error == "", f"{scene} {at} {when}: {outcome.traceback}"
        stage.check_finished(play.final)
        stage.check_seen(play.etags)


@pytest.mark.proof
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_run_killed_at_any_request_resumes_to_the_same_objects(
    shard: int, moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """Kill -9 before or after any request of a run into another account, then `resume`: as without the kill."""
    every = plays["new"].points()[shard::SHARDS]
    for at, when in sampled(every, 2, f"s3 new {shard}", whole=len(every)):
        kill_and_go_on(moto, cloud_lab, "new", plays["new"], at, when)


@pytest.mark.proof
@pytest.mark.parametrize("scene", ["over", "place"])
def test_a_run_over_objects_or_in_place_killed_at_any_request_resumes(
    scene: Scene, moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """Where there are objects already, each is the old one or the new one, and in the end all are new."""
    for at, when in sampled(plays[scene].points(), 1, f"s3 {scene}", whole=60):
        kill_and_go_on(moto, cloud_lab, scene, plays[scene], at, when)


@pytest.mark.proof
@pytest.mark.parametrize("scene", ["new", "place"])
def test_a_run_killed_while_it_publishes_resumes(scene: Scene, moto: Moto, cloud_lab: CloudLab, plays: Plays) -> None:
    """From COMMIT to the last request: some objects are new, none is partial, and `resume` finishes."""
    published = plays[scene].points("CompleteMultipartUpload")
    for at, when in sampled(published, 1, f"s3 publish {scene}", whole=40):
        kill_and_go_on(moto, cloud_lab, scene, plays[scene], at, when)


@pytest.mark.proof
@pytest.mark.parametrize("scene", ["new", "place"])
def test_a_killed_run_is_cleaned_to_what_was_there_or_to_its_end(
    scene: Scene, moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """Kill -9, then `clean`: before COMMIT the target is as before, after it the run is finished."""
    play = plays[scene]
    for at, when in sampled(play.points(), 1, f"s3 clean {scene}", whole=20):
        with Stage(moto, scene) as stage:
            kill(cloud_lab, stage, play, at, when)
            done = stage.state() in ("committed", "finished")

            outcome = cloud_lab.do(stage.job("clean"))

            assert outcome.error == "", f"{at} {when}: {outcome.traceback}"
            assert stage.shown() == (play.final if done else stage.before)
            assert stage.contents().uploads == ()
            stage.check_seen(play.etags)
            assert stage.only_manifests() if done else stage.notes() == {}


def test_no_state_between_two_requests_shows_anything_partial(moto: Moto, cloud_lab: CloudLab, plays: Plays) -> None:
    """Listed at every single request, the target holds only what was there before and what is there in the end."""
    play = plays["over"]
    with Stage(moto, "over") as stage:
        watch, seen = stage.world.proxy.watch, list[dict[str, str]]()

        def look(call: Call) -> None:
            watch(call)
            seen.append(stage.listed())

        stage.world.proxy.watch = look
        outcome = cloud_lab.do(stage.job("run"))
        stage.world.proxy.watch = watch
        stage.seen += seen

        assert outcome.error == "", outcome.traceback
        stage.check_finished(play.final)
        stage.check_seen(play.etags)
        assert len([s for s in seen if s == stage.first]) > len(seen) // 2
        assert {len(s) for s in seen} > {len(stage.first), len(play.etags)}


@pytest.mark.proof
def test_with_the_documented_rights_alone_every_leftover_is_named(
    moto: Moto, cloud_lab: CloudLab, plays: Plays
) -> None:
    """Who may not abort, list uploads or delete still resumes a killed run, and is told of each upload left open."""
    play = plays["new"]
    sealing = [point for point in play.points("CreateMultipartUpload") if point[0] < len(play.log) * 3 // 4]
    for at, when in sampled(sealing, 1, "s3 rights", whole=30):
        with Stage(moto, "new") as stage:
            stage.world.accounts.rights = DOCUMENTED_RIGHTS
            killed = stage.killed(cloud_lab, stage.job("run", options={"workers": 1}), Kill(at, when))

            outcome = go_on(cloud_lab, stage)

            assert (killed.code, outcome.error) == (-signal.SIGKILL, ""), f"{at} {when}: {outcome.traceback}"
            shown = stage.shown()
            assert {k: v.body for k, v in shown.items()} == {k: v.body for k, v in play.final.items()}
            told = str(outcome.value["leftovers"])
            assert [u for u in stage.contents().uploads if u[1] not in told and u[0] not in told] == []
            stage.check_clean()
