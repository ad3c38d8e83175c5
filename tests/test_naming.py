"""Runs over folders that are named by values: masked like the column, hidden everywhere, all or nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import DmengineError, PlanError, StoreError
from dmengine.maskers import Bucket, Email, Hash, Null, Number, Redact
from tests.leak.evidence import listening, of_error, of_files, of_plan, of_preview, of_report

RULES = dm.Ruleset([
    dm.Rule("email", Email(), domain="person.email"), dm.keep("id", "country", because="no person's data"),
])  # fmt: skip
SECRETS = (b"canary-ann", b"canary-bob", b"canary-eve")
MAILS = ("canary-ann@x.org", "canary-bob%40x.org")


def put(files: LocalFiles, folder: str, file: str = "part-0.parquet", **columns: list[Any]) -> Path:
    path = Path(files.path, folder, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.endswith(".parquet"):
        pq.write_table(pa.table(columns or {"id": [1, 2]}), path)
    else:
        path.write_text("".join(json.dumps({"id": 1, "country": "DE"}) + "\n" for _ in range(2)))
    return path


def names(files: LocalFiles) -> list[str]:
    root = Path(files.path)
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if "_dmengine" not in path.parts)


def told(evidence: Any) -> list[str]:
    """Name the evidence that shows a value of a folder, quoted or not."""
    return [where for where, body in evidence for secret in SECRETS if secret in body or secret in where.encode()]


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    files = LocalFiles(tmp_path / "in")
    for mail in MAILS:
        put(files, f"email={mail}/country=DE")
        put(files, f"email={mail}/country=DE", "part-1.jsonl")
    put(files, "email=__HIVE_DEFAULT_PARTITION__/country=FR")
    return files


@pytest.fixture
def target(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "out")


@pytest.fixture
def masked(key: dm.Key) -> list[str]:
    """Return what the column of that name becomes."""
    table = pa.table({"email": [unquote(mail) for mail in MAILS]})
    found: list[str] = dm.mask_table(table, dm.Ruleset(RULES.rules[:1]), key)["email"].to_pylist()
    return found


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_folders_are_masked_like_the_column(
    source: LocalFiles, target: LocalFiles, key: dm.Key, masked: list[str], executor: Any
) -> None:
    """Equal values get equal masks in names and in records; null and kept values stay as they are."""
    report = dm.run(source, target, RULES, key, executor=executor, workers=2)

    null = "email=__HIVE_DEFAULT_PARTITION__/country=FR/part-0.parquet"
    ours = [f"email={mail}/country=DE/{name}" for mail in masked for name in ("part-0.parquet", "part-1.jsonl")]
    assert names(target) == sorted([null, *ours])
    assert {output.location for output in report.outputs} == {null, *ours}
    counted = {field.field: field for field in report.fields}["email (folders)"]
    assert (counted.seen, counted.null, counted.masked, counted.unchanged) == (5, 1, 4, 0)


def test_no_value_of_a_folder_is_shown(
    source: LocalFiles, target: LocalFiles, key: dm.Key, temp: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither by plan, preview, report, log or journal, nor by any file or name at the target."""
    with listening() as log:
        plan = dm.plan(source, target, RULES, key)
        preview = dm.preview(source, RULES, key)
        report = dm.run(source, target, RULES, key)
    evidence = [*of_plan(plan), *of_preview(preview), *of_report(report), *log.evidence(), *of_files(temp)]
    evidence += of_files(Path(target.path))

    assert told(evidence) == []


@pytest.mark.parametrize("rules", [dm.Ruleset([dm.keep("id", because="x")]), RULES])
def test_no_value_of_a_folder_is_in_an_error(
    source: LocalFiles, target: LocalFiles, key: dm.Key, rules: dm.Ruleset
) -> None:
    """Not where no rule names the field, nor where a file cannot be read, is left out, or is not known."""
    put(source, f"email={MAILS[0]}/country=DE", "broken.parquet").write_bytes(b"no parquet")
    put(source, "email=canary-eve/country=DE", "photo.jpg")
    plan = dm.plan(source, target, rules, key)

    with pytest.raises(DmengineError) as caught:
        dm.run(source, target, rules, key)

    assert len(plan.plan.errors) >= 2
    assert told([*of_plan(plan), *of_error(caught.value)]) == []
    assert not Path(target.path).exists()


def test_a_failing_run_shows_and_leaves_no_value(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """An error in a record names the object as the target would; the kept journal holds no value either."""
    put(source, f"email={MAILS[0]}/country=DE", "bad.jsonl").write_text(
        '{"id": 1, "country": "DE"}\n{"id": 2, "x": 1}\n'
    )

    with listening() as log, pytest.raises(PlanError, match="no rule covers: x") as caught:
        dm.run(source, target, RULES, key, on_failure="keep")

    journal = of_files(Path(target.path))
    assert len(list(journal)) > 1
    assert told([*of_error(caught.value), *log.evidence(), *of_files(Path(target.path))]) == []
    assert names(target) == []
    assert dm.clean(target)


def test_a_run_that_fails_is_resumed_by_its_names(
    source: LocalFiles, target: LocalFiles, key: dm.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sealed is found again by its name at the target, and is not masked twice."""
    real = os.link

    def full_disk(scratch: Any, place: Any) -> None:
        if len(list(Path(target.path).glob("_dmengine/*/parts/*.sealed.json"))) == 2:
            raise OSError(28, "No space left on device")
        real(scratch, place)

    with monkeypatch.context() as patch:
        patch.setattr("os.link", full_disk)
        with pytest.raises(StoreError, match="No space left"):
            dm.run(source, target, RULES, key, on_failure="keep", workers=1)

    with listening() as log:
        report = dm.resume(source, target, RULES, key)

    said = b"".join(body for _, body in log.evidence())
    assert report.rows == 10
    assert len(names(target)) == 5
    assert said.count(b"dmengine sealed run=") == 3


def test_what_was_sealed_and_is_gone_is_masked_again(
    source: LocalFiles, target: LocalFiles, key: dm.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After COMMIT the source is asked for the objects whose names only it knows."""

    def full_disk(staged: Any, place: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full_disk)
        with pytest.raises(StoreError, match="No space left"):
            dm.run(source, target, RULES, key)
    for path in Path(target.path).glob("_dmengine/*/sealed/*"):
        path.unlink()

    report = dm.resume(source, target, RULES, key)

    assert report.rows == 10
    assert len(names(target)) == 5


KILLED = """
import os, pathlib, signal, sys
import dmengine as dm
from dmengine.connectors import LocalFiles
from tests.test_naming import RULES
real, left = getattr(os, sys.argv[1]), [int(sys.argv[2])]
def dying(*args):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
setattr(os, sys.argv[1], dying)
key = dm.Key.from_bytes(bytes.fromhex(sys.argv[3]))
dm.run(LocalFiles(sys.argv[4]), LocalFiles(sys.argv[5]), RULES, key, workers=1)
"""


@pytest.mark.parametrize(("call", "nth"), [("link", 1), ("link", 4), ("link", 8), ("replace", 1), ("replace", 3)])
def test_a_killed_run_ends_under_the_masked_names(call: str, nth: int, source: LocalFiles, target: LocalFiles) -> None:
    """Kill -9 at a note or at a rename, then go on: all objects once, and no value left or shown."""
    root = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"
    command = [sys.executable, "-c", KILLED, call, str(nth), root, str(source.path), str(target.path)]
    key = dm.Key.from_bytes(bytes.fromhex(root))

    code = subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode
    left = told(of_files(Path(target.path)))
    again = dm.resume if call == "replace" else dm.run
    report = again(source, target, RULES, key)

    assert code == -signal.SIGKILL
    assert left == []
    assert report.rows == 10
    assert len(names(target)) == 5
    assert told(of_files(Path(target.path))) == []


# ------------------------------------------------------------------------------------------ what a rule may do


def test_a_dropped_field_leaves_its_folders_out(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """The level is gone where the names stay different, and named as the reason where they do not."""
    rules = dm.Ruleset([dm.drop("country"), *RULES.rules[:1], dm.keep("id", because="x")])
    dm.run(source, target, rules, key)
    all_dropped = dm.Ruleset([dm.drop("country", "email"), dm.keep("id", because="x")])

    with pytest.raises(PlanError, match="2 names at the target would stand for several objects"):
        dm.run(source, LocalFiles(Path(target.path).with_name("other")), all_dropped, key)

    assert all("country" not in name for name in names(target))
    assert len(names(target)) == 5


def test_names_that_become_the_same_are_refused(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """A mask that makes values equal may put objects in one folder, but never in each other's place."""
    rules = dm.Ruleset([dm.Rule("email", Redact(text="xxx")), dm.keep("id", "country", because="x")])

    with pytest.raises(PlanError, match="would stand for several objects") as caught:
        dm.run(source, target, rules, key)

    assert "email=xxx/country=DE/part-0.parquet" in caught.value.message
    assert not Path(target.path).exists()


def test_a_masked_folder_cannot_be_masked_in_place(source: LocalFiles, key: dm.Key) -> None:
    """Objects would have to move, which in place does not do; a kept folder is no reason."""
    before = names(source)

    with pytest.raises(PlanError, match=r"email=\.\.\.\) that a rule masks or drops: in place, 4 objects"):
        dm.run(source, source, RULES, key)
    kept = dm.Ruleset([dm.keep("id", "country", "email", because="x")])
    report = dm.run(source, source, kept, key)

    assert names(source) == before
    assert report.rows == 10


@pytest.mark.parametrize(
    ("mask", "values"), [(Number(100, 999), ["7", "-12"]), (Hash(), ["7", "007"]), (Null(), ["7", "8"])]
)
def test_integers_in_names_are_masked_like_the_column(
    mask: Any, values: list[str], tmp_path: Path, target: LocalFiles, key: dm.Key
) -> None:
    """`id=7` and a column with 7 agree, whether the mask takes integers or text; null is Hive's own word."""
    files = LocalFiles(tmp_path / "numbers")
    for number, value in enumerate(values):
        put(files, f"user_id={value}", f"{number}.parquet", x=[1])
    rules = dm.Ruleset([dm.Rule("user_id", mask), dm.keep("x", because="x")])
    whole = all(value == str(int(value)) for value in values)
    column = pa.array([int(value) for value in values]) if whole and not isinstance(mask, Hash) else pa.array(values)
    table = dm.mask_table(pa.table({"user_id": column}), dm.Ruleset(rules.rules[:1]), key)
    expected = [text or "__HIVE_DEFAULT_PARTITION__" for text in table["user_id"].cast(pa.string()).to_pylist()]

    dm.run(files, target, rules, key)

    assert names(target) == sorted(f"user_id={text}/{number}.parquet" for number, text in enumerate(expected))


def test_a_mask_that_cannot_take_the_values_stops_the_plan(tmp_path: Path, target: LocalFiles, key: dm.Key) -> None:
    """The finding names the field and the reason, and shows no value."""
    files = LocalFiles(tmp_path / "words")
    put(files, "age=canary-ann", x=[1])
    rules = dm.Ruleset([dm.Rule("age", Bucket(width=10)), dm.keep("x", because="x")])

    plan = dm.plan(files, target, rules, key)

    assert [error.message[:48] for error in plan.plan.errors] == ["folders are named by values of age (age=...): bu"]
    assert told(of_plan(plan)) == []


def test_copied_and_skipped_objects_show_no_value(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """An object that is copied gets a masked name too, and one that is left out is named by it."""
    put(source, f"email={MAILS[0]}/country=DE", "photo.jpg")
    copying = LocalFiles(source.path, unmatched="copy")
    skipping = LocalFiles(source.path, unmatched="skip", exclude=["**/part-1.jsonl"])

    copied = dm.run(copying, target, RULES, key)
    skipped = dm.run(skipping, LocalFiles(Path(target.path).with_name("other")), RULES, key)

    assert sum(name.endswith("photo.jpg") for name in names(target)) == 1
    assert told([*of_report(copied), *of_report(skipped)]) == []
    assert told([(name, b"") for name in names(target)]) == []


def test_conditions_and_masks_read_the_values_of_folders(tmp_path: Path, target: LocalFiles, key: dm.Key) -> None:
    """A record of a folder has its value beside its own fields: as text, and as a number where it is one."""
    files = LocalFiles(tmp_path / "years")
    for year in (2019, 2024):
        put(files, f"year={year}/country=DE", name=[f"n{year}"])
        put(files, f"year={year}/country=FR", "a.jsonl")
    rules = dm.Ruleset([
        dm.Rule(["name", "id"], Redact(), when=(dm.field("year") > 2020) & (dm.field("country") == "DE"),
                otherwise=dm.keep(because="old"), optional=True),
        dm.keep("year", "country", because="x"),
    ])  # fmt: skip

    dm.run(files, target, rules, key)

    read = {name: pq.ParquetFile(Path(target.path, name)).read() for name in names(target) if name.endswith("parquet")}
    assert [table["name"].to_pylist() for table in read.values()] == [["n2019"], ["*"]]
