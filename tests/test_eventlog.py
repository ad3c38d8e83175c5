"""Event logs: where the events of a run go, what they can say, and what is told when they get lost."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.connectors import LocalFiles
from dmengine.errors import MaskError, PlanError, PluginError
from dmengine.eventlog import FileLog, StandardOutput, as_log
from dmengine.logs import FIELDS, Event, JsonLines, event, logger
from dmengine.maskers import Email, Fpe
from dmengine.spi import Finding

RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", because="surrogate key")])
WHOLE = ["run started", "sealed", "committed", "finished"]
ROOT = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_bytes(b"id,email\n007,ann@x.org\n")
    return LocalFiles(tmp_path / "in")


@pytest.fixture
def target(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "out")


@dataclass
class Kept:
    """A log of somebody's own, which says what it is told to at its end."""

    lost: Finding | None = None
    events: list[Event] = field(default_factory=list)
    location = "memory"

    @classmethod
    def named(cls, text: str, session: Any = None) -> Kept:
        return cls()

    def open(self) -> Kept:
        return self

    def put(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> Finding | None:
        return self.lost


def names(text: str) -> list[str]:
    return [json.loads(line)["event"] for line in text.splitlines()]


# ---------------------------------------------------------------------------------------------- where events go


def test_a_file_takes_the_events_of_one_run_after_another(
    tmp_path: Path, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """Events are added to it, each with its time, its run, and nothing but fields of the list."""
    log = tmp_path / "events.jsonl"

    first = dm.run(source, target, RULES, key, log=log)
    second = dm.run(source, LocalFiles(tmp_path / "out2"), RULES, key, log=f"file:{log}")

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == WHOLE * 2
    assert {line["run"] for line in lines} == {first.run_id, second.run_id}
    assert {name for line in lines for name in line} - FIELDS == {"time", "event"}
    assert (lines[1]["part"], lines[1]["rows"], lines[0]["key"]) == ("a.csv", 1, key.fingerprint)
    assert first.findings == second.findings == ()


def test_standard_output_and_standard_error_are_logs(
    source: LocalFiles, target: LocalFiles, key: dm.Key, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-` is standard error, `stdout:` standard output; both stay open."""
    dm.run(source, target, RULES, key, log="-")
    dm.run(source, LocalFiles(tmp_path / "out2"), RULES, key, log="stdout:")

    out, err = capsys.readouterr()
    assert names(out) == names(err) == WHOLE
    assert as_log("stdout:") == StandardOutput()


def test_a_log_of_ones_own_takes_events(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """Whatever can be opened, takes events and is closed is a log."""
    log = Kept()

    dm.run(source, target, RULES, key, log=log)

    assert [one.name for one in log.events] == WHOLE


def test_runs_at_the_same_time_keep_their_events_apart(tmp_path: Path, source: LocalFiles, key: dm.Key) -> None:
    """Each run's log has the events of that run alone, and the logger is left as it was."""
    logs = [tmp_path / f"{number}.jsonl" for number in range(4)]
    before = logger.level, list(logger.handlers)

    with ThreadPoolExecutor(4) as pool:
        work = lambda log: dm.run(source, LocalFiles(log.with_suffix("")), RULES, key, log=log)  # noqa: E731
        reports = list(pool.map(work, logs))

    for log, report in zip(logs, reports, strict=True):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert {line["run"] for line in lines} == {report.run_id}
        assert [line["event"] for line in lines] == WHOLE
    assert before == (logger.level, logger.handlers)


def test_worker_processes_need_no_log_of_their_own(
    tmp_path: Path, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """Parts that other processes seal are logged by the one that drives the run."""
    log = tmp_path / "events.jsonl"

    dm.run(source, target, RULES, key, executor="processes", workers=1, log=log)

    assert names(log.read_text()) == WHOLE


def test_a_run_that_fails_says_so_in_its_log(
    tmp_path: Path, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """The kind of the error is logged, and nothing of its message; a resumed run goes on in the same log."""
    log = tmp_path / "events.jsonl"
    (tmp_path / "in" / "b.csv").write_bytes(b"id,email\n008,bob@x.org\n")
    strict = dm.Ruleset([dm.Rule("email", Fpe("digits")), dm.keep("id", because="surrogate key")])

    with pytest.raises(MaskError):
        dm.run(source, target, strict, key, log=log, workers=1, on_failure="keep")
    with pytest.raises(MaskError):
        dm.resume(source, target, strict, key, log=log, workers=1)

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run started", "failed", "run started", "failed"]
    assert lines[1]["error"] == "MaskError"
    assert not {"ann", "bob"} & set(log.read_text().replace("@", " ").split())


def test_a_refusal_is_logged_too(tmp_path: Path, source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """A run that does not begin leaves a line that says so."""
    log = tmp_path / "events.jsonl"

    with pytest.raises(PlanError, match="no rule covers"):
        dm.run(source, target, dm.Ruleset([dm.keep("id", because="surrogate key")]), key, log=log)

    [line] = log.read_text().splitlines()
    assert json.loads(line) | {"time": ""} == {"time": "", "event": "failed", "error": "PlanError"}


# ---------------------------------------------------------------------------------------------- what gets lost


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_costs_events_and_not_the_run(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """The report warns, in every form, of how many events got lost, and why."""
    report = dm.run(source, target, RULES, key, log="/dev/full")

    [warning] = report.findings
    assert warning.severity == "warning"
    assert warning.message == "4 of 4 events did not reach the event log /dev/full: No space left on device"
    assert report.status == "finished"
    assert all("4 of 4 events did not reach" in form for form in (str(report), report.to_html(), report.to_json()))


def test_events_lost_by_a_run_that_fails_are_told_with_its_error(
    source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """There is no report then: the error says what the log lacks."""
    lost = Finding("warning", "2 of 3 events did not reach the event log x: it was away")

    with pytest.raises(PlanError) as caught:
        dm.run(source, target, dm.Ruleset([dm.keep("id", because="surrogate key")]), key, log=Kept(lost))

    assert "no rule covers" in str(caught.value)
    assert "2 of 3 events did not reach" in str(caught.value)


def test_a_log_that_cannot_be_is_refused_before_the_run(
    tmp_path: Path, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """A folder that is not there, a scheme that nobody knows, and a name that no log has are told at once."""
    with pytest.raises(PlanError, match="No such file or directory"):
        dm.run(source, target, RULES, key, log=tmp_path / "missing" / "log")
    with pytest.raises(PluginError, match=r"there is no event log 'cloudwach'\s+To fix: did you mean cloudwatch\?"):
        dm.run(source, target, RULES, key, log="cloudwach:group")
    with pytest.raises(PlanError, match="names no event log"):
        dm.run(source, target, RULES, key, log="stdout:events")

    assert not Path(target.path).exists()


def test_a_closed_pipe_does_not_stop_a_run(tmp_path: Path, source: LocalFiles) -> None:
    """`dmengine mask --log stdout: | head -0` masks all the same, and warns."""
    job = tmp_path / "job.yaml"
    job.write_text(
        "version: 1\nsource: {type: local_files, path: in}\ntarget: {type: local_files, path: out}\n"
        "key: env:DMENGINE_TEST_KEY\nruleset: {rules: [{field: email, mask: email}, {field: id, keep: key}]}\n"
        "reports: [report.json]\n"
    )
    program = "import sys; from dmengine.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "mask", str(job), "--quiet", "--log", "stdout:"]

    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        words, stdout=writer, stderr=subprocess.DEVNULL, env={"DMENGINE_TEST_KEY": ROOT}, check=False
    )
    os.close(writer)
    assert ended.returncode in (0, 120)  # 120: Python could not flush its standard output either

    [finding] = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert finding["message"] == "4 of 4 events did not reach the event log standard output: Broken pipe"


# ---------------------------------------------------------------------------------------------- what events can say


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "ann@x.org"},
        {"value": "ann@x.org"},
        {"key": ROOT},
        {"key": dm.Key.from_bytes(bytes.fromhex(ROOT))},
        {"rows": "ann@x.org"},
        {"rows": float("nan")},
        {"bytes": b"ann@x.org"},
        {"parts": True},
        {"error": "MaskError: ann@x.org is no number"},
        {"error": MaskError("ann@x.org")},
        {"run": "ann@x.org has spaces"},
        {"part": pa.scalar("ann@x.org")},
        {"ruleset": "rules: [{field: email, mask: fixed, value: ann}]"},
    ],
    ids=str,
)
def test_an_event_can_say_nothing_but_listed_facts(fields: dict[str, Any]) -> None:
    """Names that are not on the list, and values that are not of their form, are a defect: no log gets the event."""
    with pytest.raises(AssertionError) as caught:
        event("sealed", **fields)

    assert "ann@x.org" not in str(caught.value)
    assert ROOT not in str(caught.value)


def test_a_log_writes_listed_fields_alone() -> None:
    """Whatever is put into an event or a record of the logger, only the list gets out."""
    smuggled: dict[str, Any] = {"event": "sealed", "rows": 1, "value": "ann@x.org"}
    record = logging.makeLogRecord({"dmengine": smuggled})

    assert "ann@x.org" not in Event(0.0, "sealed", smuggled).line()
    assert json.loads(JsonLines().format(record)).keys() == {"time", "event", "rows"}


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path: Path, key: dm.Key) -> None:
    """Nobody can forge an event by the name of a file."""
    forged = 'x\n{"event": "finished"}.csv'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / forged).write_bytes(b"id,email\n007,ann@x.org\n")

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key, log=tmp_path / "log")

    lines = (tmp_path / "log").read_text().splitlines()
    assert names("\n".join(lines)) == WHOLE
    assert json.loads(lines[1])["part"] == forged


# ---------------------------------------------------------------------------------------------- jobs


def job_of(folder: Path, log: str = "") -> Path:
    path = folder / "job.yaml"
    path.write_text(
        "version: 1\nsource: {type: local_files, path: in}\ntarget: {type: local_files, path: out}\n"
        "key: env:DMENGINE_TEST_KEY\nruleset: {rules: [{field: email, mask: email}, {field: id, keep: key}]}\n" + log
    )
    return path


@pytest.mark.parametrize("log", ["events.jsonl", "{path: events.jsonl}", "{type: file, path: events.jsonl}"])
def test_a_job_names_its_log(log: str, source: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is taken from the job's folder; --log on the command line is used in its place."""
    monkeypatch.setenv("DMENGINE_TEST_KEY", ROOT)
    job = job_of(tmp_path, f"log: {log}")

    assert main(["mask", str(job), "--quiet"]) == 0
    assert main(["mask", str(job), "--quiet", "--log", str(tmp_path / "other.jsonl")]) == 0

    assert names((tmp_path / "events.jsonl").read_text()) == WHOLE
    assert names((tmp_path / "other.jsonl").read_text()) == WHOLE


def test_mistakes_in_a_jobs_log_are_told_with_their_place(
    source: LocalFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown scheme, type or key of a log is an error with its line."""
    for log, says in (
        ("log: cloudwach:group", "job.yaml:6:6: there is no event log 'cloudwach'\n  To fix: did you mean cloudwatch?"),
        ("log: {type: cloudwatch, grup: g}", "there is no grup here (log cloudwatch); did you mean group?"),
        ("log: cloudwatch:a b", "'a b' is not the name of a log group"),
        ("log: {type: cloudwatch, group: g, session: x}", "no session is named x"),
    ):
        assert main(["plan", str(job_of(tmp_path, log))]) == 2
        assert says in capsys.readouterr().err


def test_commands_without_a_report_say_what_their_log_lost(
    source: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--log` is there for every command: what it lost goes to standard error."""
    monkeypatch.setenv("DMENGINE_TEST_KEY", ROOT)

    code = main(["preview", str(tmp_path / "missing.yaml"), "--log", str(tmp_path / "log")])

    assert code == 2
    assert names((tmp_path / "log").read_text()) == ["failed"]
    assert FileLog("x").location == "x"
