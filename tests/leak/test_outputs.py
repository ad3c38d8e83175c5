"""No value of a masked field leaves: not in the target, the journal, the logs, the reports, or a temp file."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.executors import ExecutorChoice
from dmengine.keyring import Key
from dmengine.report import Report
from dmengine.rules import Rule
from dmengine_connectors.files import LocalFiles
from dmengine_maskers import FirstName
from tests.leak.canaries import Canaries
from tests.leak.comparing import cells_of, equal_cells
from tests.leak.evidence import leaks, listening, of_files, of_plan, of_preview, of_report
from tests.leak.sources import FILES, files_at, make_source, ruleset, zstd

PROVE = bool(os.environ.get("DMENGINE_PROVE"))
ROWS = 3200 if PROVE else 320  # in 18 files: a million cells, or a hundred thousand
KEPT = ("id", "country", "contacts[*].kind")


def check_cells(source: Path, target: Path, report: Report) -> None:
    """Each masked cell differs from its original, each kept one is equal, and the report counts the same."""
    for name in FILES:
        before, after = cells_of(source / name), cells_of(target / name)
        kept = before.keys() & KEPT
        equal = equal_cells(before, after)
        assert {where: count for where, count in equal.items() if count and where not in kept} == {}
        assert all(before[where] == after[where] for where in kept)
        assert "gone" not in after
    assert sum(field.unchanged for field in report.fields) == 0


@pytest.mark.proof
@pytest.mark.parametrize(("executor", "rows"), [("threads", ROWS), ("processes", 30)])
def test_no_masked_value_leaves(
    executor: ExecutorChoice, rows: int, key: Key, tmp_path: Path, temp: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of unique values in every masked cell of every format, none is in anything that a run makes or says."""
    canaries = Canaries()
    source, target = make_source(tmp_path / "in", canaries, rows), files_at(tmp_path / "out")

    with listening() as log:
        report = dm.run(source, target, ruleset(), key, executor=executor, workers=2, progress=True)
    out, err = capfd.readouterr()

    said = [("stdout", out.encode()), ("stderr", err.encode()), *log.evidence(), *of_report(report)]
    assert leaks(canaries, said) == []
    assert leaks(canaries, of_files(tmp_path / "out", temp), depth=1) == []
    assert "18 objects" in str(report)
    assert canaries.count > 280 * rows
    check_cells(tmp_path / "in", tmp_path / "out", report)


def test_plans_and_previews_show_no_value(key: Key, tmp_path: Path, temp: Path) -> None:
    """Looking at the data before it is masked shows none of it, in any form of the plan or the preview."""
    canaries = Canaries()
    source = make_source(tmp_path / "in", canaries, 30)

    with listening() as log:
        plan = dm.plan(source, files_at(tmp_path / "out"), ruleset(), key, full=True)
        preview = dm.preview(source, ruleset(), key, rows=20, datasets=len(FILES))

    assert len(preview.tables) == len(FILES)
    assert leaks(canaries, [*of_plan(plan), *of_preview(preview), *log.evidence(), *of_files(temp)]) == []
    assert not (tmp_path / "out").exists()


def test_masking_in_place_leaves_no_value_behind(key: Key, tmp_path: Path) -> None:
    """After a run in place, no original is left in the folder: not in a file, a journal, or a file set aside."""
    canaries = Canaries()
    source = make_source(tmp_path / "in", canaries, 20)

    dm.run(source, source, ruleset(), key, progress=False)

    assert leaks(canaries, of_files(tmp_path), depth=1) == []


def test_kept_parts_and_notes_hold_no_value(key: Key, tmp_path: Path) -> None:
    """What a failed run keeps for its resumption is masked: sealed parts, notes, and the journal elsewhere."""
    canaries = Canaries()
    source = make_source(tmp_path / "in", canaries, 20)
    broken = tmp_path / "in" / "text" / "zz.csv"
    header, *lines = (tmp_path / "in" / "text" / "people.csv").read_bytes().split(b"\r\n")
    broken.write_bytes(b"\r\n".join([header, *lines[:6], b"1,2,3", *lines[6:]]))
    (journal := tmp_path / "journal").mkdir()

    with pytest.raises(dm.DmengineError, match=r"zz\.csv"):
        dm.run(source, files_at(tmp_path / "out"), ruleset(), key, workers=1, on_failure="keep", journal=journal,
               progress=False)  # fmt: skip

    kept = [path for path in (*(tmp_path / "out").rglob("*"), *journal.rglob("*")) if path.is_file()]
    assert len(kept) > len(FILES)
    assert leaks(canaries, of_files(tmp_path / "out", journal), depth=1) == []


def test_what_surrounds_the_records_does_not_come_along(key: Key, tmp_path: Path) -> None:
    """Names, comments and frames that packers put around the content are not carried over."""
    canaries, lines = Canaries(), b"name\nAnn\n"
    named, skipped = (text.encode() for text in canaries.texts(2))
    (tmp_path / "in").mkdir()
    with open(tmp_path / "in" / "a.csv.gz", "wb") as raw, gzip.GzipFile(named.decode(), "wb", fileobj=raw) as file:
        file.write(lines)
    frame = b"\x50\x2a\x4d\x18" + len(skipped).to_bytes(4, "little") + skipped  # RFC 8878, 3.1.2: skippable
    (tmp_path / "in" / "b.csv.zst").write_bytes(zstd(lines) + frame)
    assert len(leaks(canaries, of_files(tmp_path / "in"))) >= 2

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), dm.Ruleset([Rule("name", FirstName())]), key,
           progress=False)  # fmt: skip

    assert leaks(canaries, of_files(tmp_path / "out")) == []


def test_object_names_hold_what_the_source_called_them(key: Key, tmp_path: Path) -> None:
    """Files that are being written are named by a hash, so that no name of a source file is in a name of ours."""
    canaries = Canaries()
    (name,) = canaries.texts(1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}.csv").write_text("a,b\n1\n")

    with pytest.raises(dm.DmengineError):
        dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), dm.Ruleset([dm.drop("a", "b")]), key,
               on_failure="keep", progress=False)  # fmt: skip

    names = [str(path).encode() for path in (tmp_path / "out").rglob("*")]
    assert not any(canaries.found(name) for name in names)


def test_values_that_stay_are_counted_and_rare(key: Key, tmp_path: Path) -> None:
    """A name can become itself only by chance: as often as chance has it, and the report counts each time."""
    people = pa.table({"name": [str(number) for number in range(20_000)]})
    names = dm.mask_table(people, dm.Ruleset([Rule("name", FirstName())]), key)["name"].to_pylist()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "names.csv").write_text("\n".join(["name", *names, ""]))

    report = dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"),
                    dm.Ruleset([Rule("name", FirstName(), domain="other")]), key, progress=False)  # fmt: skip

    masked = (tmp_path / "out" / "names.csv").read_text().split("\n")[1:-1]
    stayed = [name for name, other in zip(names, masked, strict=True) if name == other]
    assert report.fields[0].unchanged == len(stayed)
    assert len(set(names)) > 500
    assert len(set(stayed)) <= 7  # of a random mapping of n names, one stays on average: Poisson(1), above 5 sigma
