"""Runs over local files: all or nothing, resumed, cleaned, in place, reported."""

from __future__ import annotations

import itertools
import json
import logging
import pickle
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import Csv, LocalFiles
from dmengine.errors import DmengineError, InputError, KeyringError, MaskError, PlanError, RunError
from dmengine.journal import Journal, unfinished
from dmengine.logs import JsonLines
from dmengine.maskers import Email, Fpe, Redact

RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", because="surrogate key")])


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    """Three formats of one small table, one of them in a folder of its own."""
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    (root / "a.csv").write_bytes(b"id,email\n007,ann@x.org\n")
    (root / "b.jsonl").write_bytes(b'{"id": 1.0, "email": "ann@x.org"}\n')
    pq.write_table(pa.table({"id": [1], "email": ["ann@x.org"]}), root / "sub" / "c.parquet")
    return LocalFiles(root)


@pytest.fixture
def target(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "out")


def visible(files: LocalFiles) -> dict[str, bytes]:
    root = Path(files.path)
    found = (p for p in root.rglob("*") if p.is_file() and "_dmengine" not in p.parts)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in found}


def kept(files: LocalFiles) -> list[str]:
    return sorted(p.name for p in Path(files.path, "_dmengine").rglob("*") if p.is_file())


def masked_email(body: bytes) -> bytes:
    return body.split(b"@")[0].split(b",")[-1].split(b'"')[-1]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_run_masks_every_format_alike(source: LocalFiles, target: LocalFiles, key: dm.Key, executor: Any) -> None:
    """One value has one mask in CSV, JSON Lines and parquet, and what is kept keeps its bytes."""
    report = dm.run(source, target, RULES, key, executor=executor, workers=2)

    out = visible(target)
    table = pq.read_table(Path(target.path) / "sub" / "c.parquet")
    assert sorted(out) == ["a.csv", "b.jsonl", "sub/c.parquet"]
    assert out["a.csv"].startswith(b"id,email\n007,")
    assert out["b.jsonl"].startswith(b'{"id": 1.0, "email": "')
    in_table = table["email"][0].as_py().split("@")[0].encode()
    assert masked_email(out["a.csv"]) == masked_email(out["b.jsonl"]) == in_table
    assert report.rows == 3
    assert kept(target) == ["manifest.json"]


def test_a_failure_leaves_nothing(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """A value that a mask cannot take stops the run; no file, temp file or journal is left."""
    rules = dm.Ruleset([dm.Rule("email", Fpe()), dm.keep("id", because="x")])

    with pytest.raises(MaskError, match="fpe cannot take 1 of the values"):
        dm.run(source, target, rules, key)

    assert list(Path(target.path).iterdir()) == []


def test_a_kept_failure_is_resumed(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """With on_failure="keep" the sealed parts wait, invisible, and `resume` does only what is left."""
    broken = Path(source.path) / "d.csv"
    broken.write_bytes(b"id,email\n1\n")
    with pytest.raises(InputError, match="record"):
        dm.run(source, target, RULES, key, on_failure="keep", workers=1)
    sealed = [n for n in kept(target) if n.endswith(".sealed.json")]

    broken.write_bytes(b"id,email\n1,b@x.org\n")
    with pytest.raises(RunError, match="the source's objects changed"):
        dm.resume(source, target, RULES, key)

    assert len(sealed) == 2
    assert visible(target) == {}
    assert dm.clean(target) != ()
    assert dm.run(source, target, RULES, key).rows == 4


def test_resume_without_a_run_says_so(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """There is nothing to resume at a target where nothing was begun."""
    with pytest.raises(RunError, match="no unfinished run"):
        dm.resume(source, target, RULES, key)


def test_an_unfinished_run_of_something_else_is_not_trampled_on(
    source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """Another ruleset into the same target is another run, and the error says what changed."""
    Journal(target.journal(), "20260101T000000-abcdef").begin({"source": "elsewhere", "key": key.fingerprint})

    with pytest.raises(RunError, match=r"not finished, and is not this run: .*the ruleset"):
        dm.run(source, target, RULES, key)

    assert dm.clean(target) == ("20260101T000000-abcdef",)


def test_a_run_in_place_replaces_each_file_and_is_not_repeated(source: LocalFiles, key: dm.Key) -> None:
    """Source and target may be one; a second run over masked files is refused unless it is asked for."""
    before = visible(source)
    dm.run(source, source, RULES, key)
    once = visible(source)

    with pytest.raises(PlanError, match="masked already"):
        dm.run(source, source, RULES, key)
    dm.run(source, source, RULES, key, remask=True)

    assert before.keys() == once.keys()
    assert all(before[name] != once[name] != visible(source)[name] for name in before)


def test_a_second_run_gives_the_same_bytes(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """Same source, rules and key: the same files, byte for byte."""
    dm.run(source, target, RULES, key)
    once = visible(target)

    dm.run(source, target, RULES, key)

    assert visible(target) == once
    assert kept(target) == ["manifest.json", "manifest.json"]


def test_files_that_are_not_masked_are_each_named(tmp_path: Path, source: LocalFiles, key: dm.Key) -> None:
    """Excluded, skipped and copied files are in the report; nothing is passed over in silence."""
    root = Path(source.path)
    (root / "readme.txt").write_text("about")
    (root / "tmp.csv").write_text("x\n1\n")
    (root / "link.csv").symlink_to(root / "a.csv")
    skipping = LocalFiles(root, exclude=["tmp*", "link*"], unmatched="skip")
    copying = LocalFiles(root, exclude=["tmp*", "link*"], unmatched="copy")

    skipped = dm.run(skipping, LocalFiles(tmp_path / "skip"), RULES, key)
    copied = dm.run(copying, LocalFiles(tmp_path / "copy"), RULES, key)

    assert {(o.name, o.outcome) for o in skipped.outcomes} == {
        ("readme.txt", "skipped"), ("tmp.csv", "excluded"), ("link.csv", "excluded"),
    }  # fmt: skip
    assert {(o.name, o.outcome) for o in copied.outcomes} >= {("readme.txt", "copied")}
    assert (tmp_path / "copy" / "readme.txt").read_text() == "about"
    assert not (tmp_path / "skip" / "readme.txt").exists()


def test_unmatched_files_refuse_the_run_by_default(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """A file of no known format, or a link, must be excluded or decided about."""
    (Path(source.path) / "notes.docx").write_text("?")
    (Path(source.path) / "link.csv").symlink_to("a.csv")

    with pytest.raises(PlanError, match=r"notes\.docx would not be masked") as caught:
        dm.run(source, target, RULES, key)

    assert "link.csv" in str(caught.value)
    assert not Path(target.path).exists()


def test_single_files_and_other_formats(tmp_path: Path, key: dm.Key) -> None:
    """One file is a source of its own; `formats` says what a name does not."""
    (tmp_path / "people.txt").write_text("id|email\n1|a@x.org\n")
    source = LocalFiles(tmp_path / "people.txt", formats={"*.txt": Csv(delimiter="|")})

    dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)

    assert (tmp_path / "out" / "people.txt").read_text().startswith("id|email\n1|")


@pytest.mark.parametrize("where", ["inside", "file", "folder of the file"])
def test_a_target_in_the_wrong_place_is_refused(source: LocalFiles, key: dm.Key, where: str) -> None:
    """A target inside the source would be read by the next run."""
    root = Path(source.path)
    single = LocalFiles(root / "a.csv")
    pairs = {
        "inside": (source, LocalFiles(root / "sub" / "out")),
        "file": (source, single),
        "folder of the file": (single, LocalFiles(root)),
    }

    with pytest.raises(PlanError, match="target"):
        dm.run(*pairs[where], RULES, key)


def test_what_stands_at_the_target_is_told_and_not_looked_into(
    source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """Files that would be replaced and foreign entries are counted; a foreign folder counts as one."""
    for name in ("a.csv", "notes/1", "notes/2", "readme"):
        path = Path(target.path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("there before")

    messages = [f.message for f in dm.plan(source, target, RULES, key).plan.findings]
    dm.run(source, target, RULES, key)

    assert "1 files of the target will be replaced" in messages
    assert "the target holds 2 other files or folders; they stay" in messages
    assert Path(target.path, "notes", "1").read_text() == "there before"


def test_executors_of_other_processes_need_a_key_by_reference(
    source: LocalFiles, target: LocalFiles, key: dm.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key made in this process is refused for a pool of the user's; one by reference is loaded there."""
    with ThreadPoolExecutor(2) as pool:
        assert dm.run(source, target, RULES, key, executor=pool).rows == 3
    with ProcessPoolExecutor(1) as pool, pytest.raises(PlanError, match="other processes"):
        dm.run(source, target, RULES, key, executor=pool)
    monkeypatch.setenv("DMENGINE_TEST_KEY", "41c6e0b5d2f7893a5b1c7d9e0f2a4b6c8d1e3f507192a4b6c8daec0f12345678")
    with ProcessPoolExecutor(1) as pool:
        assert dm.run(source, target, RULES, dm.Key.load("env:DMENGINE_TEST_KEY"), executor=pool).rows == 3


@pytest.mark.parametrize("workers", [0, -1])
def test_a_run_needs_a_worker(source: LocalFiles, target: LocalFiles, key: dm.Key, workers: int) -> None:
    """No workers would do no work."""
    with pytest.raises(PlanError, match="workers"):
        dm.run(source, target, RULES, key, workers=workers)


def test_a_missing_key_is_a_named_error(source: LocalFiles, target: LocalFiles) -> None:
    """There is no default key."""
    with pytest.raises(KeyringError, match="no key was given"):
        dm.run(source, target, RULES, None)  # type: ignore[arg-type]


def test_the_report_tells_what_was_done(
    source: LocalFiles, target: LocalFiles, key: dm.Key, caplog: pytest.LogCaptureFixture
) -> None:
    """Counts, fingerprints and outputs are there in every form, and the events are structured."""
    caplog.set_level(logging.INFO, "dmengine")

    report = dm.run(source, target, RULES, key)

    email = next(f for f in report.fields if f.field == "email")
    assert (email.seen, email.masked, email.null, email.mismatched) == (3, 3, 0, 0)
    assert report.key == key.fingerprint
    assert dm.Report.from_dict(json.loads(report.to_json())) == report
    assert "| email |" in report.to_markdown()
    assert "<html" in report.to_html()
    assert "3 objects, 3 records; nothing is left behind" in str(report)
    events = [json.loads(JsonLines().format(record)) for record in caplog.records]
    names = [e["event"] for e in events]
    assert names[:1] == ["run started"]
    assert names[-2:] == ["committed", "finished"]


def test_journals_can_lie_elsewhere(tmp_path: Path, source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """`journal=` names the folder; the target then holds nothing but the files."""
    dm.run(source, target, RULES, key, journal=tmp_path / "journals")

    assert unfinished(target.journal()) == []
    assert not Path(target.path, "_dmengine").exists()
    assert len(list((tmp_path / "journals").rglob("manifest.json"))) == 1


def test_large_files_are_masked_in_many_batches(tmp_path: Path, key: dm.Key) -> None:
    """Row order and counts hold over row groups and batches."""
    count = 300_000
    table = pa.table({"id": range(count), "email": [f"p{i}@x.org" for i in range(count)]})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "big.parquet", row_group_size=70_000)

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key, workers=3)

    got = pq.read_table(tmp_path / "out" / "big.parquet")
    assert got["id"].equals(table["id"])
    assert got["email"].equals(dm.mask_table(table, RULES, key)["email"])


def test_errors_pickle_whole(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """An error crosses a process border with its place and its remedy."""
    rules = dm.Ruleset([dm.Rule("email", Redact())])

    with pytest.raises(DmengineError) as caught:
        dm.run(source, target, rules, key)

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_failure_ends_the_parts_under_way(tmp_path: Path, key: dm.Key) -> None:
    """A large file is not masked to its end once another one has failed: Ctrl-C and errors are dealt with soon."""
    count, begun, calls = 1_000_000, Event(), itertools.count(1)
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"email": ["bad"]}), tmp_path / "in" / "a.parquet")
    table = pa.table({"email": [f"p{i}" for i in range(count)]})
    pq.write_table(table, tmp_path / "in" / "big.parquet", row_group_size=20_000)

    @dm.masker
    def fails_once_the_large_one_is_under_way(value: str) -> str:
        if value == "bad":
            begun.wait(20)
            raise ValueError
        if next(calls) % 10_000 == 0:
            begun.set()
            time.sleep(0.02)
        return "x"

    rules = dm.Ruleset([dm.Rule("email", fails_once_the_large_one_is_under_way)])
    with pytest.raises(MaskError, match=r"a\.parquet"):
        dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key, workers=2)

    assert 10_000 <= next(calls) < count / 2
    assert visible(LocalFiles(tmp_path / "out")) == {}
