"""A run that meets a fault: a named error with a remedy, nothing visible, and nothing left or all of it resumable."""

from __future__ import annotations

import itertools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dmengine.executors import run_parts
from tests.crash.conftest import Play
from tests.crash.lab import Lab, Outcome, Scene, Stage, check_shown, sampled
from tests.crash.samples import COPIED
from tests.crash.traps import CHANGES, FULL_DISK, Trap

READ, FOLDER_OF_READ = "part=0/people-12.csv", "part=0"
without_power = pytest.mark.skipif(
    os.geteuid() == 0 and sys.platform != "linux", reason="the superuser may do everything, and cannot be stopped here"
)


def check_failed(outcome: Outcome, stage: Stage, before: dict[str, str], kind: str, *words: str) -> None:
    """Assert a named error without a value, and a target as before with nothing hidden in it."""
    assert outcome.error == kind, outcome.traceback
    assert [word for word in (*words, "To fix:") if word not in outcome.message] == [], outcome.message
    assert not outcome.leaks, outcome.traceback
    assert (stage.shown(), stage.hidden()) == (before, [])


def check_ended_well(lab: Lab, stage: Stage, play: Play, outcome: Outcome) -> None:
    """Assert that a failed run is rolled back, and one that failed after COMMIT can be finished."""
    committed = stage.state() in ("committed", "finished")
    if not committed:
        assert (stage.shown(), stage.hidden()) == (play.before, [])
        return
    check_shown(stage.shown(), play.before, play.final)
    if not stage.only_manifests():
        assert "dmengine resume" in outcome.message or outcome.error == "KeyboardInterrupt"
        resumed = lab.do(stage.job("resume"))
        assert resumed.error == "", resumed.traceback
    assert stage.only_manifests()
    assert stage.shown() == play.final


@pytest.mark.proof
@pytest.mark.parametrize("scene", ["over", "place"])
def test_a_disk_that_fills_up_at_any_point_is_survived(
    scene: Scene, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """From any operation on nothing can be written: a named error, and all is rolled back or can be finished."""
    play = plays[scene]
    count = len([call for call in play.calls if call.split(" ", 1)[0] in FULL_DISK])
    for at in sampled(range(1, count + 1), 2, f"full {scene}", whole=60):
        stage = play.stage.copied(tmp_path / str(at))
        full = Trap(str(stage.target), at, "half", "ENOSPC", FULL_DISK, stays=True)

        outcome = lab.do(stage.job("run", trap=full))

        assert outcome.error == "StoreError", f"{at}: {outcome.traceback}"
        assert "To fix:" in outcome.message
        assert not outcome.leaks
        check_ended_well(lab, stage, play, outcome)


@pytest.mark.proof
def test_a_single_failure_of_the_disk_is_survived(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Any one operation fails: the run ends as if nothing had happened, or with a named error and rolled back."""
    play = plays["new"]
    ops = tuple(op for op in CHANGES if op != "rmdir")
    count = len([call for call in play.calls if call.split(" ", 1)[0] in ops])
    for at in sampled(range(1, count + 1), 3, "one failure", whole=60):
        stage = play.stage.copied(tmp_path / str(at))

        outcome = lab.do(stage.job("run", trap=Trap(str(stage.target), at, act="EIO", ops=ops)))

        assert outcome.error in ("", "StoreError"), f"{at}: {outcome.traceback}"
        check_ended_well(lab, stage, play, outcome)


@pytest.mark.proof
def test_an_interrupt_rolls_back_or_can_be_resumed(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Ctrl-C at any file operation: before COMMIT nothing is left, after it `resume` finishes."""
    play = plays["over"]
    for at in sampled(range(1, len(play.calls)), 3, "interrupt", whole=60):
        stage = play.stage.copied(tmp_path / str(at))

        outcome = lab.do(stage.job("run", trap=Trap(str(stage.target), at, act="int"), options={"workers": 2}))

        assert outcome.error == "KeyboardInterrupt", f"{at}: {outcome.traceback}"
        check_ended_well(lab, stage, play, outcome)


def test_an_interrupt_while_work_is_handed_out_waits_for_that_work() -> None:
    """Ctrl-C within `submit`, when the work has begun all the same: it has ended before anything is rolled back."""
    begun, ended = Event(), []

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *args: Any, **options: Any) -> Any:
            super().submit(*args, **options)
            begun.wait()
            raise KeyboardInterrupt

    def work(task: str) -> None:
        begun.set()
        time.sleep(0.05)
        ended.append(task)

    with Interrupted(1) as pool:
        with pytest.raises(KeyboardInterrupt):
            run_parts(pool, work, ["a part"], ahead=1, done=lambda none: None, stop=lambda: None)

        assert ended == ["a part"]


def test_a_commit_that_is_there_counts(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """COMMIT is written, and only then does writing it fail: nothing is discarded, and the error says to resume."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    after_commit = Trap(str(stage.target), 1, act="EIO", ops=("unlink",), path=".COMMIT.json")

    outcome = lab.do(stage.job("run", trap=after_commit))

    assert (outcome.error, stage.state(), stage.shown()) == ("StoreError", "committed", play.before)
    check_ended_well(lab, stage, play, outcome)


def test_a_file_larger_than_the_system_allows_is_a_named_error(
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """The kernel refuses to write on: the part is named, and all is rolled back."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")

    outcome = lab.do(stage.job("run", largest_file=1500))

    check_failed(outcome, stage, play.before, "StoreError", "File too large", "part=")


@pytest.mark.parametrize(
    ("at", "kind", "words"),
    [(1, "PlanError", "cannot read"), (2, "StoreError", "cannot read"), (2, "StoreError", f"part={READ}")],
    ids=["while planning", "while masking", "with its part"],
)
def test_a_source_file_that_cannot_be_read_is_named(
    at: int, kind: str, words: str, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Permission denied when a source file is opened, for the plan or for masking: its name and a remedy."""
    play = plays["new"]
    stage = play.stage.copied(tmp_path / "stage")
    denied = Trap(str(stage.source), at, act="EACCES", ops=("reading",), path=READ)

    outcome = lab.do(stage.job("run", trap=denied))

    assert outcome.sprung
    check_failed(outcome, stage, play.before, kind, READ, words, "Permission denied")


@without_power
def test_a_source_file_without_permission_is_refused(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """A source file that this user may not read stops the run while it is planned."""
    play = plays["new"]
    stage = play.stage.copied(tmp_path / "stage")
    (stage.source / READ).chmod(0)

    outcome = lab.do(stage.job("run", powerless=True))

    check_failed(outcome, stage, play.before, "PlanError", READ, "Permission denied")


def test_a_source_that_breaks_while_it_is_read_is_not_taken_for_the_target(
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """An input error of the source's disk is reported as one of reading."""
    play = plays["new"]
    stage = play.stage.copied(tmp_path / "stage")
    reads = lab.do(stage.job("run", trap=Trap(str(stage.source), ops=("read",), path=READ))).calls
    again = play.stage.copied(tmp_path / "again")

    broken = Trap(str(again.source), len(reads), act="EIO", ops=("read",), path=READ)
    outcome = lab.do(again.job("run", trap=broken))

    assert outcome.sprung
    check_failed(outcome, again, play.before, "StoreError", f"cannot read {READ}", "part=")


def changing() -> list[tuple[Scene, str]]:
    """Return files of all kinds, of a run into a new folder and of one in place."""
    names = ["part=1/people-09.csv.gz", "part=0/people-06.jsonl", "part=1/people-03.parquet", COPIED]
    return [("new", READ), ("place", READ), *(("new", name) for name in names)]


@pytest.mark.proof
@pytest.mark.parametrize(("scene", "name"), changing())
def test_a_source_file_that_changes_under_the_run_stops_it(
    scene: Scene, name: str, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Appended to, cut short or removed between listing and reading, or while read: its name, before COMMIT."""
    play = plays[scene]
    counted = play.stage.copied(tmp_path / "counted")
    calls = lab.do(counted.job("run", trap=Trap(str(counted.source), ops=("reading", "read"), path=name))).calls
    opened = max(number for number, call in enumerate(calls, 1) if call.startswith("reading"))
    changes = itertools.product(("append", "truncate", "remove"), (opened, opened + 1))
    for act, at in sampled(changes, 2, f"{scene} {name}", whole=6):
        stage = play.stage.copied(tmp_path / f"{act}-{at}")
        trap = Trap(str(stage.source), at, act=f"{act} {stage.source / name}", ops=("reading", "read"), path=name)

        outcome = lab.do(stage.job("run", trap=trap))

        before = stage.shown() if scene == "place" else play.before
        assert outcome.sprung
        assert {other for other in play.before if before.get(other) != play.before[other]} <= {name}
        not_there = act == "remove" and at == opened
        check_failed(outcome, stage, before, "StoreError" if not_there else "InputError", name)


def test_a_file_changed_in_place_after_it_was_masked_is_not_overwritten(
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Somebody writes to a file between COMMIT and publish: the error names it; moved away, the run resumes."""
    play = plays["place"]
    stage = play.stage.copied(tmp_path / "stage")
    changed = stage.source / READ
    trap = Trap(str(stage.target), 1, "after", f"append {changed}", ops=("link",), path="COMMIT")

    outcome = lab.do(stage.job("run", trap=trap))
    theirs = changed.read_bytes()
    changed.rename(tmp_path / "theirs.csv")
    resumed = lab.do(stage.job("resume"))

    assert (outcome.error, READ in outcome.message, "move it away" in outcome.message) == ("RunError", True, True)
    assert theirs.endswith(b"somebody else\n")
    assert (resumed.error, stage.shown()) == ("", play.final)
    assert stage.only_manifests()


def test_a_target_that_is_a_file_is_refused(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """A file where the target folder should be stops the run while it is planned."""
    stage = plays["new"].stage.copied(tmp_path / "stage")
    stage.target.write_text("mine\n")

    outcome = lab.do(stage.job("run"))

    assert (outcome.error, "is a file" in outcome.message, "To fix:" in outcome.message) == ("PlanError", True, True)
    assert stage.target.read_text() == "mine\n"


@pytest.mark.parametrize("there", ["a folder in a file's place", "a file in a folder's place", "another file system"])
def test_a_place_that_cannot_take_its_file_stops_the_run_before_commit(
    there: str, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """What would make publish fail for ever is found before anything is published."""
    stage = plays["new"].stage.copied(tmp_path / "stage")
    stage.target.mkdir()
    if there == "a folder in a file's place":
        (stage.target / READ).mkdir(parents=True)
    elif there == "a file in a folder's place":
        (stage.target / FOLDER_OF_READ).write_text("mine\n")
    elif not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is only one file system")
    else:
        (stage.target / FOLDER_OF_READ).symlink_to("/dev/shm")
    before = stage.shown()

    outcome = lab.do(stage.job("run"))

    check_failed(outcome, stage, before, "StoreError", f"{FOLDER_OF_READ}/", "part=")


def test_a_target_on_a_read_only_file_system_is_refused(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Nothing can be written at all: a named error at once."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")

    outcome = lab.do(stage.job("run", trap=Trap(str(stage.target), 1, act="EROFS", stays=True)))

    check_failed(outcome, stage, play.before, "StoreError", "Read-only file system")


@without_power
@pytest.mark.parametrize("below", ["", FOLDER_OF_READ])
def test_a_target_folder_without_permission_is_refused(
    below: str, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """A target, or one folder of it, that this user may not write to: a named error before COMMIT."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    (stage.target / below).chmod(0o555)

    outcome = lab.do(stage.job("run", powerless=True))
    (stage.target / below).chmod(0o755)

    check_failed(outcome, stage, play.before, "StoreError")
