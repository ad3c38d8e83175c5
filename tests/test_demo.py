"""The demo: a made-up shop, masked as its job file says, with joins that survive."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest

from dmengine.cli import main
from dmengine.demo import demo
from dmengine.errors import PluginError, RunError
from dmengine.report import Report

SCALE = 0.001  # 150 customers, 1,500 orders, 150 people


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report, str]:
    """A demo that has run once: its folder, its report, and all that it said."""
    folder = tmp_path_factory.mktemp("demo") / "shop"
    said: list[str] = []
    report = demo(folder, SCALE, said.append)
    return folder, report, "\n".join(said)


def test_the_demo_masks_three_formats_and_proves_its_joins(shop: tuple[Path, Report, str]) -> None:
    """Parquet, CSV and JSON Lines are masked, and as many rows join as before."""
    folder, report, said = shop

    assert sorted(path.name for path in (folder / "masked").iterdir()) == [
        "_dmengine", "customer.parquet", "orders.csv", "people.jsonl.gz",
    ]  # fmt: skip
    assert report.rows == 1_800
    assert said.count("1,500 rows before,      1,500 after masking") == 2
    assert "and 0 of the customers' addresses are still among the masked ones" in said


def test_the_demo_tells_its_whole_story(shop: tuple[Path, Report, str]) -> None:
    """Plan, report and ten people are shown, and the report is a page and JSON, too."""
    folder, report, said = shop

    assert "nothing stops this run" in said
    assert "finished: 3 objects, 1,800 records; nothing is left behind" in said
    assert "\n  10 " in said
    assert (folder / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert Report.from_dict(json.loads((folder / "report.json").read_text("utf-8"))) == report


def test_the_demo_shows_no_original(shop: tuple[Path, Report, str]) -> None:
    """No name, address or number of a made-up person is on the screen or in the report's page."""
    folder, _, said = shop
    packed = (folder / "original" / "people.jsonl.gz").read_bytes()
    people = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    page = (folder / "report.html").read_text("utf-8")

    shown = [p["email"] for p in people if p["email"] in said + page]
    shown += [p["address"]["street"] for p in people if p["address"]["street"] in said + page]

    assert len(people) == 150
    assert shown == []


def test_the_key_of_the_demo_is_its_own_and_private(shop: tuple[Path, Report, str]) -> None:
    """The key lies in a file that only its owner can read, and is shown nowhere."""
    folder, _, said = shop
    key = folder / "demo.key"

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() not in said + (folder / "report.json").read_text("utf-8")


def test_the_demo_can_be_run_again_and_by_its_job_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier demo is made anew, with another key; its job file is one for the command line."""
    folder = tmp_path / "shop"
    assert main(["demo", "--scale", str(SCALE), "--folder", str(folder)]) == 0
    key = (folder / "demo.key").read_text()

    assert main(["demo", "--scale", str(SCALE), "--folder", str(folder)]) == 0
    assert main(["mask", str(folder / "job.yaml"), "--quiet"]) == 0

    assert (folder / "demo.key").read_text() != key
    assert "after masking" in capsys.readouterr().out


@pytest.mark.parametrize("there", ["job.yaml", "mine.txt", "original"])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, there: str) -> None:
    """A folder that is not an earlier demo is refused, even when it has a file of the same name."""
    (tmp_path / there).write_text("mine")

    with pytest.raises(RunError, match="is there, and is not an earlier demo"):
        demo(tmp_path, SCALE)

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_demo_with_a_file_of_mine_in_it_is_left_alone(tmp_path: Path) -> None:
    """What somebody has put into a demo's folder is not deleted with it."""
    folder = tmp_path / "shop"
    demo(folder, SCALE, lambda _: None)
    (folder / "notes.txt").write_text("mine")

    with pytest.raises(RunError, match="is not an earlier demo"):
        demo(folder, SCALE)

    assert (folder / "notes.txt").read_text() == "mine"


def test_a_scale_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """What the generator refuses is an error with a remedy, not a traceback."""
    with pytest.raises(RunError, match="could not make customer at scale -1"):
        demo(tmp_path / "shop", -1)


def test_a_demo_without_its_packages_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not installed the extra is told which, before a folder is made."""
    monkeypatch.setattr("dmengine.demo._TPCHGEN", tmp_path / "no-such-program")

    with pytest.raises(PluginError, match="tpchgen-cli, not installed here") as caught:
        demo(tmp_path / "shop", SCALE)

    assert "dmengine[demo]" in caught.value.hint
    assert not (tmp_path / "shop").exists()
