"""A run killed at any file operation, then resumed or cleaned: the same bytes, nothing unmasked, nothing left."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal

import pytest

from tests.crash.conftest import Play
from tests.crash.lab import PROVE, Lab, Outcome, Scene, Stage, chance, check_shown, sampled
from tests.crash.traps import Trap

When = Literal["before", "half", "after"]
SCENES: tuple[Scene, ...] = ("new", "over", "place")
SLACK = 4  # the number of operations of a run with two workers is not always quite the same


def points_of(play: Play) -> list[tuple[int, When]]:
    """Return every operation of a run, before and after it, and in the middle of each write."""
    found: list[tuple[int, When]] = []
    for number, call in enumerate(play.calls, 1):
        found += [(number, "before"), (number, "after")]
        if call.startswith("write "):
            found.append((number, "half"))
    return found


def kill(lab: Lab, play: Play, folder: Path, at: int, when: When, workers: int = 1) -> Stage:
    """Run in a child that kills itself at one operation, and check what is to be seen."""
    stage = play.stage.copied(folder)
    options = {"workers": workers}
    outcome = lab.do(stage.job("run", trap=Trap(str(stage.target), at, when), options=options))
    assert outcome.code == -signal.SIGKILL or (workers > 1 and at > len(play.calls) - SLACK), outcome.traceback
    check_shown(stage.shown(), play.before, play.final)
    assert stage.unmasked() == []
    return stage


def go_on(lab: Lab, stage: Stage, trap: Trap | None = None) -> Outcome:
    """Resume, or run anew, or do nothing, as the notes of the run say."""
    if stage.only_manifests():
        return Outcome(0)
    return lab.do(stage.job("run" if stage.state() == "nothing" else "resume", trap=trap))


def check_finished(stage: Stage, play: Play) -> None:
    """Assert that the target is as if nothing had happened, and that only the manifest is left."""
    assert stage.shown() == play.final
    assert stage.only_manifests(), stage.hidden()


@pytest.mark.proof
@pytest.mark.parametrize("scene", SCENES)
def test_a_run_killed_at_any_file_operation_resumes_to_the_same_bytes(
    scene: Scene, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Kill -9 before, in or after any file operation, then `resume`: as without the kill, and nothing is left."""
    play, random = plays[scene], chance(scene)
    for at, when in sampled(points_of(play), 2, scene, whole=100):
        folder = tmp_path / f"{at}-{when}"

        stage = kill(lab, play, folder, at, when, workers=random.choice([1, 2]))
        if random.random() < 0.2 or not PROVE:  # the resumed run is killed too
            go_on(lab, stage, Trap(str(stage.target), random.randint(1, len(play.calls) - at + 20)))
            check_shown(stage.shown(), play.before, play.final)
        outcome = go_on(lab, stage)

        assert outcome.error == "", f"{at} {when}: {outcome.traceback}"
        check_finished(stage, play)


@pytest.mark.proof
@pytest.mark.parametrize("scene", SCENES)
def test_a_killed_run_is_cleaned_to_what_was_there_or_to_its_end(
    scene: Scene, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Kill -9, then `clean`: before COMMIT the target is as before, after it the run is finished."""
    play, random = plays[scene], chance(f"clean {scene}")
    for at, when in sampled(points_of(play), 2, f"clean {scene}", whole=20):
        stage = kill(lab, play, tmp_path / f"{at}-{when}", at, when)
        done = stage.state() in ("committed", "finished")
        if random.random() < 0.5:  # the cleaning is killed too
            lab.do(stage.job("clean", trap=Trap(str(stage.target), random.randint(1, 60))))
            check_shown(stage.shown(), play.before, play.final)

        outcome = lab.do(stage.job("clean"))

        assert outcome.error == "", f"{at} {when}: {outcome.traceback}"
        assert stage.shown() == (play.final if done else play.before)
        assert stage.only_manifests() if done else stage.hidden() == []


@pytest.mark.proof
def test_a_run_whose_cleaning_was_killed_can_still_be_resumed(
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Killed between sealing and COMMIT, then killed again while discarding: `resume` seals anew what is gone."""
    play = plays["over"]
    sealed = next(number for number, call in enumerate(play.calls, 1) if "COMMIT" in call)
    stage = kill(lab, play, tmp_path / "counted", sealed, "before")
    cleaned = lab.do(stage.job("clean", trap=Trap(str(stage.target))))
    for at in sampled(range(1, len(cleaned.calls) + 1), 2, "discarding", whole=30):
        stage = kill(lab, play, tmp_path / str(at), sealed, "before")
        killed = lab.do(stage.job("clean", trap=Trap(str(stage.target), at, "after")))
        assert killed.code == -signal.SIGKILL

        outcome = go_on(lab, stage)

        assert outcome.error == "", f"{at}: {outcome.traceback}"
        check_finished(stage, play)


@pytest.mark.parametrize("scene", SCENES)
def test_no_state_between_two_file_operations_shows_anything_partial_or_unmasked(
    scene: Scene, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Looked at after every single file operation, each file is as before or as in the end."""
    play = plays[scene]
    stage = play.stage.copied(tmp_path / "stage")

    outcome = lab.do(stage.job("run", trap=Trap(str(stage.target), look=str(stage.target))))

    assert outcome.error == ""
    assert len(outcome.seen) > len([name for name in play.final if play.final[name] != play.before.get(name)])
    for shown in outcome.seen:
        check_shown(shown, play.before, play.final)


def test_a_terminated_run_is_resumed(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """SIGTERM is as a kill: nothing is visible, and `resume` goes on."""
    play = plays["new"]
    stage = play.stage.copied(tmp_path / "stage")

    ended = lab.do(stage.job("run", trap=Trap(str(stage.target), len(play.calls) // 2, act="term")))
    shown = stage.shown()
    outcome = go_on(lab, stage)

    assert (ended.code, shown, outcome.error) == (-signal.SIGTERM, play.before, "")
    check_finished(stage, play)


@pytest.mark.proof
def test_a_run_in_processes_is_killed_and_resumed(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Kill -9 of a run with worker processes, from within a worker, then `resume` at once: the same bytes."""
    play = plays["place"]
    for at in sampled(range(3, 120), 1, "processes", whole=8):
        stage = play.stage.copied(tmp_path / str(at))
        options = {"executor": "processes", "workers": 2}
        trap = Trap(str(stage.target), at, victim=-1)

        killed = lab.do(stage.job("run", trap_of_workers=trap, options=options))
        shown = stage.shown()
        outcome = go_on(lab, stage)

        assert (killed.code, shown) == (-signal.SIGKILL, play.before)
        assert outcome.error == "", outcome.traceback
        check_finished(stage, play)


@pytest.mark.proof
def test_a_killed_worker_process_is_a_named_error(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Kill -9 of one worker: a RunError with a remedy, nothing visible, nothing left; and no waiting for ever."""
    play = plays["over"]
    for at in sampled(range(3, 120), 1, "worker", whole=8):
        stage = play.stage.copied(tmp_path / str(at))
        options = {"executor": "processes", "workers": 2}

        outcome = lab.do(stage.job("run", trap_of_workers=Trap(str(stage.target), at), options=options))

        assert (outcome.error, "To fix:" in outcome.message, outcome.leaks) == ("RunError", True, False)
        assert (stage.shown(), stage.hidden()) == (play.before, [])
