"""No error holds a value: not its message, its arguments, its attributes, nor anything in its chain."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from dmengine_connectors.files import LocalFiles
from dmengine_maskers import Fpe, Hash, Number, Redact

import dmengine as dm
from dmengine.executors import ExecutorChoice
from dmengine.keyring import Key
from dmengine.rules import Rule
from tests.leak.canaries import Canaries
from tests.leak.evidence import leaks, listening, of_error, of_files, of_plan, of_preview
from tests.leak.failing import CASES


@pytest.fixture(scope="module")
def file_key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """Return a key that other processes can load."""
    path = tmp_path_factory.mktemp("key") / "root.key"
    path.write_text("1f8a03c97be4d25601937ae8c4b56df2a90e1c73d85f4b26708c3da19e5f6b02")
    path.chmod(0o600)
    return Key.load(f"file:{path}")


@pytest.fixture(scope="module", params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[ExecutorChoice]:
    """Return threads, then one pool of processes for all cases, so that errors cross a pickle."""
    if request.param == "threads":
        yield "threads"
        return
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("case", CASES)
def test_failures_show_no_value(
    case: str, executor: ExecutorChoice, file_key: Key, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever stops a run, its error, the logs and the output name no value, and the target is as it was."""
    failing, canaries = CASES[case], Canaries()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / failing.name).write_bytes(failing.make(canaries))
    source = LocalFiles(tmp_path / "in", formats=failing.formats)
    target = LocalFiles(tmp_path / "out", formats=failing.formats)

    with listening() as log, pytest.raises(dm.DmengineError) as caught:
        dm.run(source, target, dm.Ruleset(failing.rules), file_key, executor=executor, workers=1, progress=True)
    out, err = capfd.readouterr()

    said = [*of_error(caught.value), *log.evidence(), ("stdout", out.encode()), ("stderr", err.encode())]
    assert leaks(canaries, said) == []
    assert canaries.count > 0
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("case", CASES)
def test_plans_and_previews_of_what_fails_show_no_value(case: str, key: Key, tmp_path: Path) -> None:
    """A plan of data that cannot be masked, and a preview that succeeds or is refused, name no value."""
    failing, canaries = CASES[case], Canaries()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / failing.name).write_bytes(failing.make(canaries))
    source = LocalFiles(tmp_path / "in", formats=failing.formats)

    found = []
    with listening() as log:
        with contextlib.suppress(dm.DmengineError):
            found += leaks(canaries, of_plan(dm.plan(source, LocalFiles(tmp_path / "out"), dm.Ruleset(failing.rules), key)))
        try:
            found += leaks(canaries, of_preview(dm.preview(source, dm.Ruleset(failing.rules), key, rows=30)))
        except dm.DmengineError as error:
            found += leaks(canaries, of_error(error))

    assert found == []
    assert leaks(canaries, log.evidence()) == []
