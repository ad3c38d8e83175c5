"""The demo: a made-up shop, masked here and from account to account, with joins that survive."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dmengine.cli import main
from dmengine.demo import demo
from dmengine.demo.shop import make_shop
from dmengine.errors import PluginError, RunError
from dmengine.report import Report

SCALE = 0.001  # 150 customers, 1,500 orders, 150 people


HOSTILE = {
    "AWS_PROFILE": "production", "AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_ENDPOINT_URL": "https://real.example",
    "AWS_ENDPOINT_URL_S3": "https://real.example", "AWS_ACCESS_KEY_ID": "AKIAOFTHEUSER",
    "AWS_SECRET_ACCESS_KEY": "of-user", "AWS_SESSION_TOKEN": "of-user", "MOTO_ACCOUNT_ID": "999999999999",
    "HTTP_PROXY": "http://proxy.example:3128", "http_proxy": "http://proxy.example:3128",
}  # fmt: skip
CONFIG = """\
[profile production]
region = us-gov-west-1
endpoint_url = https://real.example
credential_process = /bin/false
"""


@dataclass(frozen=True)
class Shop:
    """A demo that has run once, for a user who has AWS set up: its folder, reports, words, and whom it reached."""

    folder: Path
    here: Report
    there: Report
    said: str
    reached: frozenset[str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Run the demo once."""
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(CONFIG)
    folder = tmp_path_factory.mktemp("demo") / "shop"
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (HOSTILE | {"HOME": str(home)}).items():
            patch.setenv(name, value)
        reached = _note_connections(patch)
        before = dict(os.environ)
        here, there = demo(folder, SCALE, said.append)
        assert dict(os.environ) == before
    return Shop(folder, here, there, "\n".join(said), frozenset(reached))


def _note_connections(patch: pytest.MonkeyPatch) -> set[str]:
    reached: set[str] = set()
    connect = socket.socket.connect

    def noting(self: socket.socket, address: Any) -> None:
        reached.add(str(address[0]))
        connect(self, address)

    patch.setattr(socket.socket, "connect", noting)
    return reached


def test_the_demo_masks_three_formats_and_proves_its_joins(shop: Shop) -> None:
    """Parquet, CSV and JSON Lines are masked, and as many rows join as before; on S3, too."""
    names = ["customer.parquet", "orders.csv", "people.jsonl.gz"]

    assert sorted(path.name for path in (shop.folder / "masked").iterdir()) == ["_dmengine", *names]
    assert sorted(path.name for path in (shop.folder / "masked-on-s3").iterdir()) == names
    assert shop.here.rows == shop.there.rows == 1_800
    assert shop.said.count("1,500 rows before,      1,500 after masking") == 4
    assert shop.said.count("and 0 of the customers' addresses are still among the masked ones") == 2


def test_the_demo_tells_its_whole_story(shop: Shop) -> None:
    """Plan, report and ten people are shown, and the reports are pages and JSON, too."""
    assert shop.said.count("nothing stops this run") == 2
    assert shop.said.count("finished: 3 objects, 1,800 records; nothing is left behind") == 2
    assert "\n  10 " in shop.said
    for report, name in ((shop.here, "report"), (shop.there, "report-s3")):
        assert (shop.folder / f"{name}.html").read_text("utf-8").startswith("<!doctype html>")
        assert Report.from_dict(json.loads((shop.folder / f"{name}.json").read_text("utf-8"))) == report
    assert max(len(line) for line in shop.said.partition("the same on S3")[2].splitlines()) <= 120


def test_the_same_person_is_the_same_here_and_on_s3(shop: Shop) -> None:
    """Both runs of the demo have one key, and so their files are the same, byte for byte."""
    for name in ("customer.parquet", "orders.csv", "people.jsonl.gz"):
        assert (shop.folder / "masked-on-s3" / name).read_bytes() == (shop.folder / "masked" / name).read_bytes()

    assert "150 of 150 have the same pseudonyms in both" in shop.said
    assert "3 of 3 are the same in both, byte for byte" in shop.said
    assert shop.there.fields == shop.here.fields


def test_each_account_is_used_by_the_role_in_it_alone(shop: Shop) -> None:
    """A assumes each role once, B's role only reads B's bucket, and C's role uses C's."""
    made = re.findall(r"^  arn:aws:sts::(\d+):assumed-role/(\S+) +(\S+ \S+(?: \S+)?) +(\d+)$", shop.said, re.MULTILINE)

    assert [call[:3] for call in made] == [
        ("111111111111", "Source-DM-Role/i-0", "sts AssumeRole"),
        ("222222222222", "Target-DM-Role/dmengine", "s3 read shop-of-b"),
        ("333333333333", "Target-DM-Role/dmengine", "s3 read shop-of-c"),
        ("333333333333", "Target-DM-Role/dmengine", "s3 write shop-of-c"),
    ]
    assert made[0][3] == "2"


def test_the_demo_shows_what_is_refused(shop: Shop) -> None:
    """A alone cannot list B's bucket, and the role in B wants its external id."""
    _, _, refusals = shop.said.partition("may not list the bucket of B:")

    assert re.match(r"\s+cannot list s3://shop-of-b/original/: AccessDenied \(ListObjectsV2,", refusals)
    assert "hop 1 cannot assume arn:aws:iam::222222222222:role/Target-DM-Role: AccessDenied (AssumeRole," in refusals


def test_nothing_is_left_open_in_c(shop: Shop) -> None:
    """No upload is open, and beside the masked objects there is the manifest alone."""
    assert "0 uploads are open, and 3 masked objects are there;" in shop.said
    assert f"beside them 1 other: masked/_dmengine/{shop.there.run_id}/manifest.json" in shop.said


def test_the_demo_reaches_nothing_but_this_machine(shop: Shop) -> None:
    """Profiles, keys, endpoints and proxies of the user are neither used nor changed nor shown."""
    assert shop.reached == {"127.0.0.1"}
    assert [value for value in HOSTILE.values() if value in shop.said] == []


def test_ctrl_c_ends_the_demo_cleanly(tmp_path: Path) -> None:
    """Whoever stops it amid the second act sees one message, no traceback, and can start it again."""
    command = [sys.executable, "-m", "dmengine.cli", "demo", "--scale", "0.02", "--folder", str(tmp_path / "shop")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Without a role"):
            break

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.startswith("interrupted\n")
    assert "Traceback" not in errors


def test_the_demo_shows_no_original(shop: Shop) -> None:
    """No name, address or number of a made-up person is on the screen or in the reports' pages."""
    packed = (shop.folder / "original" / "people.jsonl.gz").read_bytes()
    people = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    shown = shop.said + "".join((shop.folder / name).read_text("utf-8") for name in ("report.html", "report-s3.html"))

    leaked = [value for p in people for value in (p["email"], p["address"]["street"]) if value in shown]

    assert len(people) == 150
    assert leaked == []


def test_the_key_of_the_demo_is_its_own_and_private(shop: Shop) -> None:
    """The key lies in a file that only its owner can read, and is shown nowhere."""
    key = shop.folder / "demo.key"
    reports = "".join((shop.folder / name).read_text("utf-8") for name in ("report.json", "report-s3.json"))

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() not in shop.said + reports


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
    make_shop(folder, SCALE, lambda _: None)
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
    monkeypatch.setattr("dmengine.demo.shop._TPCHGEN", tmp_path / "no-such-program")

    with pytest.raises(PluginError, match="tpchgen-cli, not installed here") as caught:
        demo(tmp_path / "shop", SCALE)

    assert "dmengine[demo]" in caught.value.hint
    assert not (tmp_path / "shop").exists()
