"""Runs over local files that are finished or ended later: what was sealed is gone, or nothing had begun."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import InputError, RunError, StoreError
from dmengine.journal import Journal, unfinished
from dmengine.maskers import Email
from dmengine.spi import GoneError
from dmengine_connectors.stores.local import LocalStore

RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", because="surrogate key")])
RUN = "20260101T000000-abcdef"
KILLED_ELSEWHERE = b'{"host": "another", "pid": 1, "started": "1"}'


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / "in" / name).write_text(f"id,email\n1,{name}@x.org\n")
    return LocalFiles(tmp_path / "in")


@pytest.fixture
def target(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "out")


def shown(files: LocalFiles) -> dict[str, str]:
    return {path.name: path.read_text() for path in Path(files.path).glob("*.csv")}


def sealed(files: LocalFiles) -> list[Path]:
    return list(Path(files.path).glob("_dmengine/*/sealed/*"))


@pytest.fixture
def commit_and_lose(
    source: LocalFiles, target: LocalFiles, key: dm.Key, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Leave a run that has published one of three files, and whose other sealed files are gone; return its end."""
    end = LocalFiles(Path(target.path).with_name("end"))
    dm.run(source, end, RULES, key)
    real = os.replace

    def full_disk(staged: Any, place: Any) -> None:
        if Path(place).name != "a.csv":
            raise OSError(28, "No space left on device")
        real(staged, place)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full_disk)
        with pytest.raises(StoreError, match="No space left"):
            dm.run(source, target, RULES, key)
    for path in sealed(target):
        path.unlink()
    return shown(end)


def test_what_was_sealed_and_is_gone_is_masked_again(
    source: LocalFiles, target: LocalFiles, key: dm.Key, commit_and_lose: dict[str, str]
) -> None:
    """`resume` masks from the source what can no longer be published, and ends as if nothing had been lost."""
    before = shown(target)

    report = dm.resume(source, target, RULES, key, executor="processes", workers=1)

    assert list(before) == ["a.csv"]
    assert shown(target) == commit_and_lose
    assert report.rows == 3
    assert unfinished(target.journal()) == []
    assert sealed(target) == []


def test_what_is_gone_twice_is_masked_twice(
    source: LocalFiles,
    target: LocalFiles,
    key: dm.Key,
    commit_and_lose: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A part that was sealed anew and is gone again is found by the newest of its notes, and sealed once more."""
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", _refuse)
        with pytest.raises(StoreError, match="No space left"):
            dm.resume(source, target, RULES, key)
    found = sealed(target)
    found[0].unlink()

    dm.resume(source, target, RULES, key)

    assert len(found) == 2
    assert shown(target) == commit_and_lose


def _refuse(staged: Any, place: Any) -> None:
    raise OSError(28, "No space left on device")


def _rewritten(path: Path) -> None:
    path.write_text("id,email\n2,changed@x.org\n")


def _rewritten_in_secret(path: Path) -> None:
    status = path.stat()
    path.write_text(path.read_text().replace("b.csv", "x.csv"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (_rewritten, InputError, r"b\.csv was changed"),
        (_rewritten_in_secret, RunError, "sealed once more, it is not what it was"),
    ],
)
def test_a_source_that_changed_does_not_replace_what_is_gone(
    source: LocalFiles, target: LocalFiles, key: dm.Key, commit_and_lose: dict[str, str],
    change: Callable[[Path], None], error: type[Exception], told: str,
) -> None:  # fmt: skip
    """Neither another file, nor one that only looks the same: nothing is published but what was committed."""
    path = Path(source.path, "b.csv")
    original, status = path.read_text(), path.stat()
    change(path)

    with pytest.raises(error, match=told) as caught:
        dm.resume(source, target, RULES, key, workers=1)
    during = shown(target)
    path.write_text(original)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    dm.resume(source, target, RULES, key)

    assert "resume" in str(caught.value)
    assert during.items() <= commit_and_lose.items()
    assert shown(target) == commit_and_lose


def test_without_a_source_the_error_says_what_is_gone(
    source: LocalFiles, target: LocalFiles, key: dm.Key, commit_and_lose: dict[str, str]
) -> None:
    """`clean` cannot mask: it names what is gone and what masks it again, and the run stays."""
    with pytest.raises(GoneError, match=r"neither sealed any more nor published: b\.csv, c\.csv") as caught:
        dm.clean(target)

    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.parts) == (str(caught.value), ("b.csv", "c.csv"))
    assert "`resume` with source, rules and key masks them again" in caught.value.hint
    assert len(unfinished(target.journal())) == 1


@pytest.mark.parametrize("elsewhere", [False, True])
def test_resume_of_a_run_that_never_began_says_so(
    source: LocalFiles, target: LocalFiles, key: dm.Key, tmp_path: Path, elsewhere: bool
) -> None:
    """Killed before its first note, there is nothing to resume, and nothing in the way of a run."""
    journal = LocalStore(str(tmp_path / "journals")) if elsewhere else target.journal()
    journal.create(f"{RUN}/owner.000001.json", KILLED_ELSEWHERE)

    with pytest.raises(RunError, match=f"run {RUN} was killed before it had begun"):
        dm.resume(source, target, RULES, key, journal=journal)
    with pytest.raises(RunError, match="there is no unfinished run"):
        dm.resume(source, target, RULES, key, journal=journal)

    assert dm.run(source, target, RULES, key, journal=journal).rows == 3


def test_a_run_that_never_began_does_not_hide_one_that_did(
    source: LocalFiles, target: LocalFiles, key: dm.Key, commit_and_lose: dict[str, str]
) -> None:
    """`resume` takes up the one run that there is to resume."""
    target.journal().create(f"{RUN}/owner.000001.json", KILLED_ELSEWHERE)

    assert dm.resume(source, target, RULES, key).rows == 3


def test_what_a_host_sealed_after_its_run_was_cleaned_is_removed(target: LocalFiles, tmp_path: Path) -> None:
    """A host that was taken for dead goes on: with the journal elsewhere, `clean` finds what it has sealed, too."""
    journals = LocalStore(str(tmp_path / "journals"))
    folder = Path(target.path, "_dmengine", RUN, "sealed")
    folder.mkdir(parents=True)
    (folder / "0123.tmp").write_text("id,email\n")
    Journal(journals, RUN).note("a.csv", "sealed", "{}")

    ended = dm.clean(target, journal=journals)

    assert ended == (RUN,)
    assert not Path(target.path).exists() or list(Path(target.path).rglob("*")) == []
    assert journals.names() == []
