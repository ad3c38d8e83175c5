"""Several runs into one target: one owner at a time, and every other one is told why it may not."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from dmengine.errors import RunError
from dmengine.journal import EndedError, Journal
from dmengine.spi import Part
from dmengine_connectors.stores.folder import Folder
from dmengine_connectors.stores.local import LocalStore
from tests.crash.conftest import Play
from tests.crash.lab import PROVE, Child, Lab, Scene, Stage, check_shown, sampled, until
from tests.crash.traps import Trap


def at(play: Play, what: str) -> int:
    """Return the number of the first operation of a run that has to do with something."""
    return next(number for number, call in enumerate(play.calls, 1) if what in call)


def stopped(lab: Lab, stage: Stage, trap: Trap) -> Child:
    """Start a run that stops itself, as if it had lost its processor for a while."""
    child = lab.start(stage.job("run", trap=replace(trap, act="stop")))
    until(child.stopped)
    return child


def killed(lab: Lab, stage: Stage, number: int) -> None:
    """Start a run that kills itself."""
    assert lab.do(stage.job("run", trap=Trap(str(stage.target), number))).code == -signal.SIGKILL


def check_end(stage: Stage, play: Play) -> None:
    """Assert that the target is as after one undisturbed run."""
    assert (stage.shown(), stage.only_manifests()) == (play.final, True)


@pytest.mark.proof
@pytest.mark.parametrize("jobs", [("rules", "rules", "rules"), ("rules", "others", "others")], ids=["same", "other"])
def test_of_runs_that_start_at_once_one_is_the_owner(
    jobs: tuple[str, ...], lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Processes start into one target in the same moment: one gets as far as COMMIT, the others get a RunError."""
    play = plays["over"]
    for number in range(20 if PROVE else 1):
        stage = play.stage.copied(tmp_path / str(number))
        go = tmp_path / f"go-{number}"
        trap = Trap(str(stage.target), 1, act="stop", ops=("link",), path="COMMIT")
        children = [lab.start(stage.job("run", trap=trap, rules=rules, wait_for=str(go))) for rules in jobs]

        go.touch()
        owners = settled(children)
        for owner in owners:
            owner.signal(signal.SIGCONT)
        outcomes = [child.wait() for child in children]

        assert len(owners) == 1
        assert sorted(outcome.error for outcome in outcomes) == ["", *["RunError"] * (len(jobs) - 1)]
        assert all("To fix:" in outcome.message for outcome in outcomes if outcome.error)
        assert stage.only_manifests()


def settled(children: list[Child]) -> list[Child]:
    """Wait until each child has ended or stopped, and return those that stopped."""
    until(lambda: all(child.ended() or child.stopped() for child in children))
    return [child for child in children if not child.ended()]


@pytest.mark.parametrize("action", ["run", "resume", "clean"])
def test_a_run_whose_owner_lives_cannot_be_taken_over(
    action: Literal["run", "resume", "clean"], lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """The owner is stopped, not dead: whoever comes is told its process id; then it goes on to its end."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    owner = stopped(lab, stage, Trap(str(stage.target), len(play.calls) // 2))

    refused = lab.do(stage.job(action))
    shown = stage.shown()
    owner.signal(signal.SIGCONT)
    ended = owner.wait()

    assert (refused.error, f"process {owner.pid}" in refused.message) == ("RunError", True)
    assert (shown, ended.error) == (play.before, "")
    check_end(stage, play)


def test_a_run_whose_owner_was_killed_is_resumed(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Stopped, then killed: its lock holds nobody up."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    owner = stopped(lab, stage, Trap(str(stage.target), len(play.calls) // 2))

    owner.signal(signal.SIGKILL)
    died = owner.wait()
    outcome = lab.do(stage.job("resume"))

    assert (died.code, outcome.error) == (-signal.SIGKILL, "")
    check_end(stage, play)


@pytest.mark.proof
def test_an_owner_that_wakes_up_after_it_was_replaced_does_no_harm(
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """An owner of another host is taken for dead, and is not: what it still does is fenced off."""
    play = plays["over"]
    first, last = at(play, "/sealed/"), at(play, "manifest.json")
    for number in sampled(range(first, last), 2, "fence", whole=40):
        stage = play.stage.copied(tmp_path / str(number))
        owner = stopped(lab, stage, Trap(str(stage.target), number))
        committed = stage.state() == "committed"
        from_another_host(stage)

        taken = lab.do(stage.job("resume"))
        check_end(stage, play)
        owner.signal(signal.SIGCONT)
        woken = owner.wait()
        check_shown(stage.shown(), play.final, play.final)
        cleaned = lab.do(stage.job("clean"))

        assert (taken.error, cleaned.error) == ("", "")
        assert woken.error in ("RunError", "StoreError") or (committed and not woken.error), woken.traceback
        check_end(stage, play)


@pytest.mark.proof
def test_a_run_that_is_being_cleaned_is_left_alone(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """While one process discards a run, another may not go on with it; one that begins anew loses none of its notes."""
    play = plays["over"]
    killed(lab, counted := play.stage.copied(tmp_path / "counted"), at(play, "COMMIT"))
    steps = len(lab.do(counted.job("clean", trap=Trap(str(counted.target)))).calls)
    for number in sampled(range(steps - 12, steps + 1), 2, "cleaning", whole=13):
        killed(lab, stage := play.stage.copied(tmp_path / str(number)), at(play, "COMMIT"))
        cleaner = lab.start(stage.job("clean", trap=Trap(str(stage.target), number, act="stop")))
        until(cleaner.stopped)

        other = lab.do(stage.job("run", trap=Trap(str(stage.target), 2, ops=("replace",))))  # killed after COMMIT
        cleaner.signal(signal.SIGCONT)
        cleaned = cleaner.wait()

        assert (cleaned.error, other.error or other.code) in (("", "RunError"), ("", -signal.SIGKILL)), other.traceback
        if other.error:
            assert (stage.shown(), stage.hidden()) == (play.before, [])
        else:
            assert lab.do(stage.job("resume")).error == ""
            check_end(stage, play)


def from_another_host(stage: Stage) -> None:
    """Make the owner's note that of a process somewhere else."""
    (note,) = (stage.target / "_dmengine").glob("*/owner.*")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"host": "elsewhere"}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"key": "other"}, "the key"), ({"rules": "others"}, "the ruleset"), ({}, "the source's objects")],
    ids=["key", "rules", "source"],
)
@pytest.mark.parametrize("action", ["run", "resume"])
def test_another_job_does_not_take_up_an_unfinished_run(
    action: Literal["run", "resume"], changed: dict[str, Any], said: str,
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path,
) -> None:  # fmt: skip
    """With another key, other rules or a changed source, an unfinished run stays as it is; the error says why."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    killed(lab, stage, at(play, "COMMIT"))
    before = stage.hidden()
    if not changed:
        os.utime(stage.source / "people-04.csv")

    refused = lab.do(stage.job(action, **changed))

    assert refused.error == "RunError"
    assert f"{said} changed" in refused.message
    assert "dmengine clean" in refused.message
    assert (stage.shown(), stage.hidden()) == (play.before, before)


def test_a_run_from_elsewhere_into_a_target_with_an_unfinished_run_is_refused(
    lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """Another source: refused until the first run is resumed or cleaned; then it goes through."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    elsewhere = Stage(play.stage.copied(tmp_path / "elsewhere").source, stage.target)
    killed(lab, stage, at(play, "COMMIT"))

    refused = lab.do(elsewhere.job("run"))
    cleaned = lab.do(stage.job("clean"))
    done = lab.do(elsewhere.job("run"))

    assert (refused.error, "the source" in refused.message) == ("RunError", True)
    assert (cleaned.error, done.error) == ("", "")
    check_end(stage, play)


@pytest.mark.parametrize("number", ["COMMIT", "replace"], ids=["sealed", "committed"])
def test_a_run_that_may_not_resume_is_refused_while_one_is_unfinished(
    number: str, lab: Lab, plays: dict[Scene, Play], tmp_path: Path
) -> None:
    """`run(resume=None)`, and a run over one that has committed: the error names the run and says to resume it."""
    play = plays["over"]
    stage = play.stage.copied(tmp_path / "stage")
    killed(lab, stage, at(play, number))

    refused = lab.do(stage.job("run", options={"resume": None}))

    assert (refused.error, "resume it" in refused.message) == ("RunError", True)
    assert (lab.do(stage.job("resume")).error, stage.shown()) == ("", play.final)


@pytest.mark.parametrize("scene", ["new", "over"])
def test_a_second_run_writes_the_same_bytes(scene: Scene, lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """The same job run again over its own output changes no byte of it."""
    play = plays[scene]
    stage = play.stage.copied(tmp_path / "stage")

    errors = [lab.do(stage.job("run")).error for _ in range(2)]

    assert errors == ["", ""]
    check_end(stage, play)


def test_masked_files_in_place_are_not_masked_again(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """A second run in place is refused, whatever its rules; `remask=True` insists, and masks the masked values."""
    play = plays["place"]
    stage = play.stage.copied(tmp_path / "stage")

    first = lab.do(stage.job("run"))
    again = [lab.do(stage.job("run", rules=rules)) for rules in ("rules", "others")]
    shown = stage.shown()
    insisted = lab.do(stage.job("run", options={"remask": True}))

    assert first.error == ""
    assert [(o.error, "masked already" in o.message, "remask=True" in o.message) for o in again] == [
        ("PlanError", True, True)
    ] * 2
    assert (shown, insisted.error) == (play.final, "")
    assert stage.shown() != play.final


def test_one_process_drives_a_run_once(tmp_path: Path) -> None:
    """A run that this process drives already is refused to its other threads, until it is let go."""
    journal = Journal(LocalStore(str(tmp_path)), "run")
    journal.begin({})
    journal.claim()

    with pytest.raises(RunError, match="this process"):
        Journal(LocalStore(str(tmp_path)), "run").claim()
    journal.release()

    assert journal.claim() == 2
    journal.release()


def test_two_attempts_at_one_file_do_not_share_it(tmp_path: Path) -> None:
    """An owner taken for dead may still write: never into the file of its successor."""
    folder, part = Folder(str(tmp_path)), Part("people.csv", "people.csv")
    run = Journal(LocalStore(str(tmp_path)), "run")

    with folder.sealing(run, part, None) as late:
        with folder.sealing(run, part, None) as whole:
            whole.write(b"all of it")
        late.write(b"half")

    staged = {one.notes["staged"]: one.checksum for one in (late, whole)}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.rglob("*.tmp")}
    assert len(found) == 2
    assert found == staged


def test_a_run_that_has_ended_cannot_be_claimed(tmp_path: Path) -> None:
    """The owner ends a run between its being found and being claimed: that is told apart, and nothing stays."""
    journal = Journal(LocalStore(str(tmp_path)), "run")
    journal.begin({})
    journal.forget()

    with pytest.raises(EndedError, match="ended by another process"):
        journal.claim()

    assert list(tmp_path.rglob("*")) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only /proc shows whose worker a process is")
def test_workers_of_a_killed_run_end_too(lab: Lab, plays: dict[Scene, Play], tmp_path: Path) -> None:
    """Worker processes whose parent was killed do not stay, waiting for work for ever."""
    stage = plays["new"].stage.copied(tmp_path / "stage")
    trap = Trap(str(stage.target), 5, victim=-1)

    outcome = lab.do(stage.job("run", trap_of_workers=trap, options={"executor": "processes", "workers": 2}))

    assert outcome.code == -signal.SIGKILL
    until(lambda: not workers_of(stage))


def workers_of(stage: Stage) -> list[str]:
    """Name the processes that were started with a trap for this stage."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(stage.target).encode() in environ.read_bytes():
                found.append(environ.parent.name)
        except OSError:  # it ended, or is somebody else's
            continue
    return found
