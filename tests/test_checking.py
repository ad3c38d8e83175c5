"""What came of looking is shown to people, given to machines, and stops a run where it must."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.checking import Checks, Found, dangers, look
from dmengine.cli import main
from dmengine.connectors import LocalFiles
from dmengine.errors import PlanError, StoreError
from dmengine.maskers import Redact
from dmengine.spi import Check, CheckStatus, Side

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
FINE = Check("bucket.list", "passed", "s3://b/", "3 objects below s3://b/in/", "ListObjectsV2")
WARNED = Check("bucket.tls", "warning", "s3://b/", "its policy does not refuse plain http", "GetBucketPolicy", "add it")
UNSEEN = Check("bucket.lock", "unknown", "s3://b/", "unknown: <a lock>", "GetObjectLockConfiguration", "allow it")
UNTRIED = Check("bucket.write", "unknown", "s3://b/", "not tried", "", "probe")
WRONG = Check("bucket.reach", "failed", "s3://b/", "AccessDenied " * 30, "ListObjectsV2", "allow s3:ListBucket", POLICY)
RULES = dm.Ruleset([dm.Rule("email", Redact()), dm.keep("id", because="surrogate key")])


def checks(*found: Check, strict: bool = False) -> Checks:
    return Checks(tuple(Found("source", check) for check in found), strict)


@dataclass(frozen=True, slots=True)
class Looked(LocalFiles):
    """A folder that is told how it is found."""

    said: tuple[Check, ...] = ()

    def check(self, side: Side, *, probe: bool = False, brief: bool = False) -> Iterator[Check]:
        """Say what was to be said."""
        yield from self.said


@pytest.mark.parametrize(
    ("found", "status", "loose", "strict"),
    [
        ([FINE], "passed", 0, 0),
        ([FINE, UNSEEN], "unknown", 1, 2),
        ([UNSEEN, WARNED], "warning", 1, 2),
        ([WARNED, WRONG, FINE], "failed", 2, 2),
        ([], "passed", 0, 0),
    ],
)
def test_the_gravest_decides(found: list[Check], status: CheckStatus, loose: int, strict: int) -> None:
    """The gravest check gives the status and the exit code; strictly, all that is not well is as bad as a failure."""
    assert checks(*found).status == status
    assert (checks(*found).exit_code, checks(*found, strict=True).exit_code) == (loose, strict)
    assert checks(*found, strict=True).ok == (status == "passed")


def test_the_table_fits_a_terminal_and_is_plain_where_nobody_asked_for_colour() -> None:
    """Text wraps at the width of the terminal; colours are there where asked for, and change nothing else."""
    found = checks(FINE, UNSEEN, WARNED, WRONG)

    plain, painted = found.to_text(width=80), found.to_text(width=80, colour=True)

    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 80
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain
    assert "\x1b[1;31mfailed\x1b[0m" in painted
    assert "\x1b[32mpassed\x1b[0m" in painted
    assert '"Action": "s3:ListBucket"' in plain
    assert plain.splitlines()[-1] == "a run would be stopped: 1 failed, 1 warning, 1 unknown"


def test_the_page_has_a_green_bar_when_all_is_well(tmp_path: Path) -> None:
    """In a notebook and in a file: green when all is well, and not otherwise; what is told is escaped."""
    good, fair, bad = checks(FINE), checks(FINE, UNSEEN), checks(FINE, WRONG)
    bad.save(tmp_path / "check.html")

    assert 'class="verdict good">all is well: 1 check passed<' in good._repr_html_()
    assert 'class="verdict fair">nothing stops a run: 1 unknown<' in fair._repr_html_()
    assert "&lt;a lock&gt;" in fair.to_html()
    assert 'class="verdict bad">a run would be stopped: 1 failed<' in bad.to_html()
    assert '<td class="failed">failed</td>' in (tmp_path / "check.html").read_text()


def test_the_data_is_json(tmp_path: Path) -> None:
    """As data, every check is there with its side and its policy."""
    checks(FINE, WRONG).save(tmp_path / "check.json")

    told = json.loads((tmp_path / "check.json").read_text())

    assert (told["ok"], told["status"], len(told["checks"])) == (False, "failed", 2)
    assert told["checks"][1]["policy"] == POLICY
    assert told["checks"][1]["side"] == "source"


def test_what_is_dangerous_stops_a_run_and_what_is_not_known_warns(tmp_path: Path, key: dm.Key) -> None:
    """Before a run: failed is an error, warnings and unknowns warn, and strictly they stop it; not tried is nothing."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,email\n1,ann@x.org\n")
    source, target = LocalFiles(tmp_path / "in"), Looked(tmp_path / "out", said=(FINE, WARNED, UNSEEN, UNTRIED))

    report = dm.run(source, target, RULES, key)

    assert [(f.severity, f.message) for f in report.findings] == [
        ("warning", WARNED.answer), ("warning", UNSEEN.answer),
    ]  # fmt: skip
    with pytest.raises(PlanError, match="2 reasons not to run"):
        dm.run(source, Looked(tmp_path / "strict", said=(WARNED, UNSEEN)), RULES, key, strict=True)
    with pytest.raises(PlanError, match="AccessDenied"):
        dm.run(source, Looked(tmp_path / "bad", said=(WRONG,)), RULES, key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_check_that_breaks_is_a_failure() -> None:
    """An error on the way is told as a check that failed; what cannot be looked at at all is unknown."""

    class Broken:
        location = "there"

        def check(self, side: Side, *, probe: bool = False, brief: bool = False) -> Iterator[Check]:
            raise StoreError("it broke", hint="mend it")

    found = look([("source", Broken()), ("target", object())], probe=True)

    assert [(one.check.status, one.check.answer) for one in found.found] == [
        ("failed", "it broke"), ("unknown", "not tried: object cannot be looked at"),
    ]  # fmt: skip
    assert dangers(object(), object()) == ()


def test_a_folder_is_looked_at(tmp_path: Path) -> None:
    """A folder that is missing fails as a source, and is fine as a target where its parent may be written."""
    there, missing = LocalFiles(tmp_path), LocalFiles(tmp_path / "not" / "there")

    assert dm.check(there, missing).exit_code == 0
    assert dm.check(missing).exit_code == 2


JOB = """\
version: 1
source: {type: local_files, path: in}
target: {type: local_files, path: out}
key: env:DMENGINE_TEST_KEY
ruleset: {rules: [{field: id, keep: "surrogate key"}]}
strict: true
"""


def test_the_command_looks_at_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dmengine check job.yaml` needs no key, prints what `dm.check` found, and ends with its exit code."""
    (tmp_path / "job.yaml").write_text(JOB)
    refused = main(["check", str(tmp_path / "job.yaml")])
    told = capsys.readouterr().out
    (tmp_path / "in").mkdir()

    done = main(["check", str(tmp_path / "job.yaml"), "--json", "--html", str(tmp_path / "check.html")])

    assert (refused, done) == (2, 0)
    assert "failed  source  place.read" in told
    assert json.loads(capsys.readouterr().out)["strict"] is True
    assert "all is well" in (tmp_path / "check.html").read_text()


@pytest.mark.parametrize(("setting", "painted"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals(tmp_path: Path, setting: dict[str, str], painted: bool) -> None:
    """On a terminal the command paints, unless NO_COLOR or TERM say otherwise."""
    (tmp_path / "job.yaml").write_text(JOB)
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", **setting}
    command = [sys.executable, "-m", "dmengine.cli", "check", str(tmp_path / "job.yaml")]

    done = subprocess.run(command, stdout=theirs, env=environment, timeout=60, check=False)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    os.close(theirs)

    assert done.returncode == 2
    assert ("\x1b[1;31mfailed\x1b[0m" in shown) == painted
