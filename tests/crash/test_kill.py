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
    for at, when in sampled(points_of(play), 4, scene):
        folder = tmp_path / f"{at}-{when}"

        stage = kill(lab, play, folder, at, when, workers=random.choice([1, 2]))
        if random.random() < 0.2 or not PROVE:  # the resumed run is killed too
            go_on(lab, stage, Trap(str(stage.target), random.randint(1, len(play.calls) - at + 20)))
            check_shown(stage.shown(), play.before, play.final)
        outcome = go_on(lab, stage)

        assert outcome.error == "", f"{at} {when}: {outcome.traceback}"
        check_finished(stage, play)
