"""No key leaves: neither the root nor a derived one is in an output, a log, an error, a pickle or a process's facts."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.keyring import Key, KeyReference
from dmengine.maskers import DateShift, Email, FirstName, Fpe, Hash, Number
from dmengine.rules import Rule
from dmengine.working import Task
from dmengine_connectors.files import LocalFiles
from tests.leak import masks
from tests.leak.evidence import listening, of_error, of_files, of_plan, of_preview, of_report
from tests.leak.keys import Recording, secrets_of, shown

ROOT = bytes.fromhex("8a1f03c97be4d25601937ae8c4b56df2a90e1c73d85f4b26708c3da19e5f6b02")
PEOPLE = "id,name,email,account,born,amount\n" + "".join(
    f"{n},Ann{n},ann{n}@x.org,4929 0000 1111 {n:04},1980-01-{n % 28 + 1:02},{n}\n" for n in range(200)
)


def rules(name_mask: Any) -> dm.Ruleset:
    return dm.Ruleset(
        [
            Rule("id", Fpe(allow_small_domain=True), as_="integer"),
            Rule("name", name_mask),
            Rule("email", Email()),
            Rule("account", Fpe()),
            Rule("born", DateShift(by="id"), as_="date"),
            Rule("amount", Number(0, 9, consistent=False), as_="integer"),
        ]
    )


@pytest.fixture
def file_key(tmp_path: Path) -> Key:
    """Return a key out of a file."""
    path = tmp_path / "secret" / "root.key"
    path.parent.mkdir()
    path.write_text(ROOT.hex())
    path.chmod(0o600)
    return Key.load(f"file:{path}")


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    """Return a folder of two small files."""
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "in" / name).write_text(PEOPLE)
    return LocalFiles(tmp_path / "in")


def test_keys_are_in_nothing_that_a_run_makes(file_key: Key, source: LocalFiles, tmp_path: Path) -> None:
    """Plan, preview, report, outputs, journal and logs of a run hold neither the root key nor a derived one."""
    target, ruleset = LocalFiles(tmp_path / "out"), rules(FirstName())

    with listening() as log:
        plan = dm.plan(source, target, ruleset, file_key)
        preview = dm.preview(source, ruleset, file_key)
        report = dm.run(source, target, ruleset, file_key, workers=1, progress=False)

    said = [*of_plan(plan), *of_preview(preview), *of_report(report), *log.evidence()]
    secrets = secrets_of(file_key)
    assert shown(secrets, said) == []
    assert shown(secrets, of_files(tmp_path / "out"), depth=1) == []
    assert shown(secrets, [("key file", (tmp_path / "secret" / "root.key").read_bytes())]) != []


def test_keys_are_in_no_error(file_key: Key, source: LocalFiles, tmp_path: Path) -> None:
    """An error that comes up while keys are in use leads to none of them, and neither does what it leaves."""
    with pytest.raises(dm.DmengineError) as caught:
        dm.run(source, LocalFiles(tmp_path / "out"), rules(masks.raising), file_key, on_failure="keep", progress=False)
    dm.mask_table(_table(), rules(Hash()), file_key)  # derives what the failed run may not have come to

    assert shown(secrets_of(file_key), [*of_error(caught.value), *of_files(tmp_path / "out")]) == []


def _table() -> pa.Table:
    head, *lines = (line.split(",") for line in PEOPLE.splitlines())
    return pa.table(dict(zip(head, map(list, zip(*lines, strict=True)), strict=True)))


def test_tasks_carry_no_key(file_key: Key, source: LocalFiles, tmp_path: Path) -> None:
    """What is sent to workers, and what comes back, holds a reference to the key and no byte of it."""
    executor = Recording()

    dm.run(source, LocalFiles(tmp_path / "out"), rules(Hash()), file_key, executor=executor, progress=False)

    sent = [(f"message {number}", message) for number, message in enumerate(executor.sent)]
    assert len(sent) == 4
    assert b"root.key" in sent[0][1]
    assert shown(secrets_of(file_key), sent) == []


def test_a_task_of_a_key_without_reference_carries_its_fingerprint(source: LocalFiles, tmp_path: Path) -> None:
    """Even where the key has no place to be loaded from, a task does not hold it."""
    key = Key.from_bytes(ROOT)
    dm.mask_table(_table(), rules(Hash()), key)
    part = next(iter(source.prepare(None)))  # type: ignore[arg-type]  # listing needs no run

    task = Task(source, LocalFiles(tmp_path), rules(Hash()), KeyReference.of(key), None, part)  # type: ignore[arg-type]

    assert shown(secrets_of(key), [("task", pickle.dumps(task)), ("repr", repr(task).encode())]) == []


def test_workers_show_no_key(
    file_key: Key, source: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the environment nor the command line of a worker process, which others may read, holds the key."""
    (told := tmp_path / "told").mkdir()
    monkeypatch.setenv("DMENGINE_TEST_TOLD", str(told))

    dm.run(source, LocalFiles(tmp_path / "out"), rules(masks.telling), file_key, executor="processes", workers=2,
           progress=False)  # fmt: skip
    dm.mask_table(_table(), rules(Hash()), file_key)

    workers = [int(path.stem) for path in told.iterdir()]
    assert workers
    assert os.getpid() not in workers
    assert all(b"spawn" in path.read_bytes() and b"PATH=" in path.read_bytes() for path in told.iterdir())
    assert shown(secrets_of(file_key), of_files(told)) == []
