"""No error holds a value: not its message, its arguments, its attributes, nor anything in its chain."""

from __future__ import annotations

import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.executors import ExecutorChoice
from dmengine.keyring import Key
from dmengine_connectors.files import LocalFiles
from dmengine_maskers import Bucket, DateShift, Email, FirstName, Fpe, Hash, Number, Redact
from tests.leak.canaries import Canaries
from tests.leak.evidence import leaks, listening, of_error, of_files, of_plan, of_preview
from tests.leak.failing import CASES, LAST_DAYS, Failing, csv_of, jsonl_of, name, parquet_of


@pytest.fixture(scope="module")
def file_key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """Return a key that other processes can load."""
    path = tmp_path_factory.mktemp("key") / "root.key"
    path.write_text("1f8a03c97be4d25601937ae8c4b56df2a90e1c73d85f4b26708c3da19e5f6b02")
    path.chmod(0o600)
    return Key.load(f"file:{path}")


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Return one pool of processes for all cases, so that errors cross a pickle."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as made:
        yield made


def planted(failing: Failing, canaries: Canaries, folder: Path) -> tuple[LocalFiles, LocalFiles]:
    """Write a failing file with its canaries, and return its folder and a target."""
    (folder / "in").mkdir()
    (folder / "in" / failing.name).write_bytes(failing.make(canaries))
    return LocalFiles(folder / "in", formats=failing.formats), LocalFiles(folder / "out", formats=failing.formats)


def sampled(cases: list[str], one_in: int) -> list[str]:
    """Return a sample of the cases, or all of them where whole proofs are wanted."""
    if os.environ.get("DMENGINE_PROVE"):
        return cases
    return random.Random(int(os.environ["DMENGINE_SEED"])).sample(cases, len(cases) // one_in)


THREADED = [pytest.param(case, "threads", id=f"{case}, threads") for case in CASES]
ACROSS = [pytest.param(case, "processes", id=f"{case}, processes") for case in sampled(sorted(CASES), 4)]


@pytest.mark.proof
@pytest.mark.parametrize(("case", "where"), [*THREADED, *ACROSS])
def test_failures_show_no_value(
    case: str,
    where: str,
    pool: ProcessPoolExecutor,
    file_key: Key,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever stops a run, its error, the logs and the output name no value, and the target is as it was."""
    failing, canaries = CASES[case], Canaries()
    source, target = planted(failing, canaries, tmp_path)
    executor: ExecutorChoice = "threads" if where == "threads" else pool

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
    source, target = planted(failing, canaries, tmp_path)
    rules = dm.Ruleset(failing.rules)

    with listening() as log:
        said = list(log.evidence())
        try:
            said += of_plan(dm.plan(source, target, rules, key))
            said += of_preview(dm.preview(source, rules, key, rows=30))
        except dm.DmengineError as error:
            said += of_error(error)

    assert leaks(canaries, [*said, *log.evidence()]) == []


@pytest.mark.parametrize("policy", ["redact", "null"])
def test_values_that_a_mask_cannot_take_are_hidden(policy: Any, key: Key, tmp_path: Path) -> None:
    """Under `redact` and `null`, what a mask refuses does not come out as it is."""
    canaries = Canaries()
    hidden = [
        csv_of(b"20,7\n", name(Number(0, 9), as_="integer", on_mismatch=policy)),
        csv_of(b"20,31.12.2020\n", name(DateShift(), as_="date", format="%d.%m.%Y", on_mismatch=policy)),
        csv_of(b"20,4929 1234\n", name(Fpe(), on_mismatch=policy)),
        csv_of(b"20,ann@x.org\n", name(Email(mail_domain="keep"), on_mismatch=policy)),
        jsonl_of(lambda token: f'{{"id":1,"name":{{"a":["{token}"]}}}}', name(Hash(), on_mismatch=policy)),
        jsonl_of(lambda token: f'{{"id":1,"name":["{token}"]}}', name(FirstName(), on_mismatch=policy)),
        jsonl_of(b'{"id":1,"name":1}', name(Number(0, 1), on_mismatch=policy)),
        parquet_of(lambda c: pa.array(c.texts(20)).dictionary_encode(), name(Fpe(), on_mismatch=policy)),
        parquet_of(lambda c: [*c.doubles(20), -5.0], name(Bucket(bounds=(0, 10)), on_mismatch=policy)),
        parquet_of(lambda c: [*c.days(20), *LAST_DAYS], name(DateShift(days=36_000), on_mismatch=policy)),
    ]

    for number, failing in enumerate(hidden):
        (tmp_path / str(number)).mkdir()
        source, target = planted(failing, canaries, tmp_path / str(number))
        report = dm.run(source, target, dm.Ruleset(failing.rules), key, progress=False)
        assert sum(field.mismatched for field in report.fields) > 0, number

    assert leaks(canaries, [hit for path in tmp_path.glob("*/out") for hit in of_files(path)]) == []


def test_a_full_disk_shows_no_value(key: Key, tmp_path: Path) -> None:
    """When the disk takes no more, the error holds no value and nothing is left at the target."""
    canaries = Canaries()
    failing = csv_of(lambda c: text_of(c, 2000), name(Redact(text="x" * 50)))
    source, target = planted(failing, canaries, tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(dm.DmengineError, match="File too large") as caught:
            dm.run(source, target, dm.Ruleset(failing.rules), key, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert leaks(canaries, [*of_error(caught.value), *of_files(tmp_path / "out")]) == []
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def text_of(canaries: Canaries, rows: int) -> bytes:
    return "".join(f"{20 + row},{text}\n" for row, text in enumerate(canaries.texts(rows))).encode()


def test_a_file_in_the_way_shows_no_value(key: Key, tmp_path: Path) -> None:
    """A target that cannot be written stops the run without a value."""
    canaries = Canaries()
    source, target = planted(csv_of(b"", name(Hash())), canaries, tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_dmengine").write_bytes(b"")

    with pytest.raises(dm.DmengineError) as caught:
        dm.run(source, target, dm.Ruleset([dm.keep("id", because="x"), name(Hash())]), key, progress=False)

    assert leaks(canaries, of_error(caught.value)) == []


FRAMES: dict[str, Callable[[Canaries], Any]] = {
    "numbers and texts": lambda c: pd.DataFrame({"name": [1, *c.texts(3)]}),
    "texts and numbers": lambda c: pd.DataFrame({"name": [*c.texts(3), 1.5]}),
    "texts and bytes": lambda c: pd.DataFrame({"name": [*c.texts(3), b"x"]}),
    "decimals and texts": lambda c: pd.DataFrame({"name": [*c.decimals(2), *c.texts(2)]}),
    "objects": lambda c: pd.DataFrame({"name": [{text} for text in c.texts(3)]}),
    "lists and texts": lambda c: pd.DataFrame({"name": [[c.texts(1)[0]], *c.texts(1)]}),
    "dates and texts": lambda c: pd.DataFrame({"name": [*c.days(2), *c.texts(2)]}),
    "large integers": lambda c: pd.DataFrame({"name": [2**70, *c.integers(2)]}),
    "a mask that refuses": lambda c: pd.DataFrame({"name": c.texts(3)}),
    "categories": lambda c: pd.DataFrame({"name": pd.Categorical(c.texts(3))}),
    "labels": lambda c: pd.DataFrame({7: c.texts(3), "name": "x"}),
    "index": lambda c: pd.DataFrame({"name": ["x"] * 3}, index=c.texts(3)),
}


@pytest.mark.parametrize("case", FRAMES)
def test_frames_that_cannot_be_masked_show_no_value(case: str, key: Key) -> None:
    """pandas and Arrow quote values in their errors; ours do not."""
    canaries = Canaries()
    frame = FRAMES[case](canaries)

    with pytest.raises(dm.DmengineError) as caught:
        dm.mask_frame(frame, dm.Ruleset([name(Fpe())]), key)

    assert leaks(canaries, of_error(caught.value)) == []


def test_the_command_line_shows_no_value(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What `dmengine mask`, `plan` and `preview` print of data that cannot be masked holds no value."""
    canaries = Canaries()
    planted(csv_of(lambda c: f"20,{','.join(c.texts(2))}\n".encode(), name(Hash())), canaries, tmp_path)
    (tmp_path / "key").write_text("8a1f03c97be4d25601937ae8c4b56df2a90e1c73d85f4b26708c3da19e5f6b02")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "rules.yaml").write_text(
        'version: 1\nrules:\n  - {field: id, keep: "no data"}\n  - {field: name, mask: hash}\n'
    )
    files = "{type: local_files, path: "
    (tmp_path / "job.yaml").write_text(
        f"version: 1\nsource: {files}in}}\ntarget: {files}out}}\nruleset: rules.yaml\nkey: file:key\n"
    )

    codes = [main([command, str(tmp_path / "job.yaml")]) for command in ("mask", "plan", "preview")]

    out, err = capfd.readouterr()
    assert codes[0] != 0
    assert "people.csv" in err
    assert leaks(canaries, [("stdout", out.encode()), ("stderr", err.encode())]) == []
