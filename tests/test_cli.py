"""The command line: every command, every exit code, reports, events and what is said when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.cli import _reported, main
from dmengine.connectors import LocalFiles
from dmengine.jobfile import load_job
from dmengine.journal import Journal
from dmengine.logs import logger

HEX = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"
JOB = """\
version: 1
source: {type: local_files, path: in}
target: {type: local_files, path: out}
key: env:DMENGINE_TEST_KEY
ruleset:
  rules:
    - {field: email, mask: email, domain: person.email}
    - {field: id, keep: "surrogate key"}
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job over two small files, with its key in the environment."""
    monkeypatch.setenv("DMENGINE_TEST_KEY", HEX)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,email\n1,ann@x.org\n2,bo@x.org\n")
    (tmp_path / "in" / "b.jsonl").write_text('{"id": 1, "email": "ann@x.org"}\n')
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


def visible(job: Path) -> list[str]:
    """Return the names of the files that the job's target shows."""
    return sorted(path.name for path in (job.parent / "out").glob("*.*"))


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own."""
    command = [sys.executable, "-m", "dmengine.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


# ------------------------------------------------------------------------------------------ mask and reports


def test_mask_masks_and_prints_the_report(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report goes to standard output, nothing to standard error, and the exit code is 0."""
    code = main(["mask", str(job)])

    out, err = capsys.readouterr()
    assert code == 0
    assert "finished: 2 objects, 3 records; nothing is left behind" in out
    assert err == ""
    assert visible(job) == ["a.csv", "b.jsonl"]


def test_quiet_says_nothing(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet leaves both streams empty when all is well."""
    code = main(["mask", str(job), "--quiet"])

    assert code == 0
    assert capsys.readouterr() == ("", "")


def test_reports_are_written_in_the_form_of_their_name(job: Path) -> None:
    """--report may be repeated, and the job's own reports are written too."""
    job.write_text(JOB + "reports: [own.html]\n")
    names = [job.parent / f"report{suffix}" for suffix in (".html", ".json", ".md", ".txt")]

    code = main(["mask", str(job), "--quiet", *(word for name in names for word in ("--report", str(name)))])

    page, plain, markdown, text = (name.read_text("utf-8") for name in names)
    assert code == 0
    assert page.startswith("<!doctype html>")
    assert dm.Report.from_dict(json.loads(plain)).rows == 3
    assert "| email |" in markdown
    assert text.endswith("nothing is left behind\n")
    assert (job.parent / "own.html").read_text("utf-8") == page


@pytest.mark.parametrize("name", ["missing/report.html", "report.pdf"])
def test_a_report_that_could_not_be_written_is_refused_before_the_run(
    job: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad name of a report is told before anything is masked."""
    code = main(["mask", str(job), "--report", str(job.parent / name)])

    assert code == 2
    assert "RulesetError: --report" in capsys.readouterr().err
    assert not (job.parent / "out").exists()


def test_a_report_that_fails_after_the_run_has_its_own_exit_code(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run is finished then, the other reports are written, and the exit code says that something is left to do."""
    (job.parent / "taken.html").mkdir()

    code = main(["mask", str(job), "--report", str(job.parent / "taken.html"), "--report", str(job.parent / "r.md")])

    assert code == 4
    assert "the run is finished, but its report" in capsys.readouterr().err
    assert (job.parent / "r.md").is_file()
    assert visible(job) == ["a.csv", "b.jsonl"]


def test_leftovers_have_their_own_exit_code(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that finished but could not clean up ends with 4, and names what is left."""
    ran = load_job(job)
    report = dm.run(ran.source, ran.target, ran.ruleset, ran.load_key())

    code = _reported(replace(report, leftovers=("/somewhere/left.tmp",)), ran, Namespace(quiet=False))

    assert code == 4
    assert "/somewhere/left.tmp" in capsys.readouterr().out


def test_events_go_to_a_file_as_json_lines(job: Path) -> None:
    """--log adds one JSON object an event, and takes its handler away again."""
    log = job.parent / "events.jsonl"

    main(["mask", str(job), "--quiet", "--log", str(log)])
    main(["mask", str(job), "--quiet"])

    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["run started", "sealed", "sealed", "committed", "finished"]
    assert "ann@x.org" not in log.read_text()
    assert logger.handlers == []


def test_events_go_to_standard_error_on_request(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--log - keeps standard output for the report."""
    main(["mask", str(job), "--log", "-"])

    out, err = capsys.readouterr()
    assert out.startswith("dmengine report")
    assert all(json.loads(line)["event"] for line in err.splitlines())


def test_a_log_that_cannot_be_written_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad --log is told before anything is masked."""
    code = main(["mask", str(job), "--log", str(job.parent / "missing" / "log")])

    assert code == 2
    assert "No such file or directory" in capsys.readouterr().err
    assert not (job.parent / "out").exists()


def test_masking_twice_in_place_needs_remask(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In place a second run is refused with 2, and --remask insists."""
    job.write_text(JOB.replace("path: out", "path: in"))

    codes = [main(["mask", str(job), "--quiet"]), main(["mask", str(job), "--quiet"])]
    codes.append(main(["mask", str(job), "--quiet", "--remask", "--workers", "1"]))

    assert codes == [0, 2, 0]
    assert "2 objects are masked already" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------ plan and preview


def test_plan_prints_and_writes_nothing(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan that would run ends with 0 and leaves no trace."""
    code = main(["plan", str(job)])

    assert code == 0
    assert "nothing stops this run" in capsys.readouterr().out
    assert not (job.parent / "out").exists()


def test_plan_speaks_json_and_html(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json is one JSON document, --html FILE a page."""
    page = job.parent / "plan.html"

    code = main(["plan", str(job), "--json", "--html", str(page)])

    plan = json.loads(capsys.readouterr().out)
    assert code == 0
    assert plan["ok"] is True
    assert {field["field"] for field in plan["fields"]} == {"id", "email"}
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_plan_html_that_cannot_be_written_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad --html is an error with its reason, not a traceback."""
    code = main(["plan", str(job), "--html", str(job.parent / "missing" / "plan.html")])

    assert code == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_a_plan_that_would_be_refused_ends_with_2(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The findings are in the plan, and its exit code can guard a pipeline."""
    (job.parent / "in" / "a.csv").write_text("id,email,ssn\n1,ann@x.org,1\n")

    code = main(["plan", str(job)])

    out = capsys.readouterr().out
    assert code == 2
    assert "no rule covers: ssn" in out
    assert "would stop this run" in out


def test_full_plans_see_late_fields(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A field that only a late record has is found by --full, and by the run."""
    lines = ['{"id": 1, "email": "ann@x.org"}'] * 200_000 + ['{"id": 1, "email": "ann@x.org", "ssn": "1"}']
    (job.parent / "in" / "b.jsonl").write_text("\n".join(lines) + "\n")

    codes = [main(["plan", str(job)]), main(["plan", str(job), "--full"]), main(["mask", str(job), "--quiet"])]

    out, err = capsys.readouterr()
    assert codes == [0, 2, 2]
    assert "no rule covers: ssn" in out
    assert "no rule covers: ssn" in err
    assert visible(job) == []


def test_preview_shows_shapes_and_masked_values_only(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A preview holds no original value, in text and in JSON."""
    codes = [main(["preview", str(job), "--rows", "1"]), main(["preview", str(job), "--json", "--datasets", "1"])]

    out = capsys.readouterr().out
    text, plain = out[: out.index("{")], json.loads(out[out.index("{") :])
    assert codes == [0, 0]
    assert "aaa@a.aaa" in text
    assert "ann@x.org" not in out
    assert [len(table["rows"]) for table in plain.values()] == [2]
    assert not (job.parent / "out").exists()


# ------------------------------------------------------------------------------------------ resume and clean


def test_resume_finishes_and_clean_discards_a_killed_run(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A killed run shows nothing; `resume` finishes it, and `clean` would have removed all of it."""
    die = "import os, dmengine.journal as j; j.Journal.commit = lambda *a: os._exit(9)\n"
    code = f"{die}from dmengine.cli import main; main(['mask', {str(job)!r}, '--quiet'])"
    for command in ("resume", "clean"):
        assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 9
        assert visible(job) == []

        ended = main([command, str(job)])

        assert ended == 0
        assert visible(job) == {"resume": ["a.csv", "b.jsonl"], "clean": []}[command]
        for path in (job.parent / "out").glob("*.*"):
            path.unlink()
    out = capsys.readouterr().out
    assert "finished: 2 objects, 3 records" in out
    assert "ended: 2" in out


def test_there_is_nothing_to_resume_or_to_clean(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an unfinished run `resume` fails with 3, and `clean` is content."""
    codes = [main(["resume", str(job)]), main(["clean", str(job)])]

    out, err = capsys.readouterr()
    assert codes == [3, 0]
    assert "there is no unfinished run" in err
    assert out == "nothing to clean\n"


def test_one_of_several_runs_is_chosen(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where several runs are unfinished, `clean --run` ends one of them; `resume` asks which."""
    store = LocalFiles(job.parent / "out").journal()
    for run_id in ("20260101T000000-aaaaaa", "20260101T000000-bbbbbb"):
        Journal(store, run_id).begin({"source": "elsewhere"})

    codes = [main(["resume", str(job)]), main(["clean", str(job), "--run", "20260101T000000-bbbbbb"])]

    out, err = capsys.readouterr()
    assert codes == [3, 0]
    assert "there are 2 unfinished runs" in err
    assert out == "ended: 20260101T000000-bbbbbb\n"


# ------------------------------------------------------------------------------------------ refusals


def test_a_failing_run_ends_with_3_and_shows_nothing(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be read stops the run, names the file, and leaves the target empty."""
    (job.parent / "in" / "a.csv").write_text("id,email\n1\n")

    code = main(["mask", str(job)])

    assert code == 3
    assert "InputError: " in (err := capsys.readouterr().err)
    assert "part=a.csv" in err
    assert visible(job) == []


def test_a_missing_key_is_refused(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its key no command that masks does anything, and `clean` needs none."""
    monkeypatch.delenv("DMENGINE_TEST_KEY")

    codes = [main([command, str(job)]) for command in ("mask", "plan", "preview", "resume", "clean")]

    assert codes == [2, 2, 2, 2, 0]
    assert "the environment variable DMENGINE_TEST_KEY is not set" in capsys.readouterr().err


def test_a_bad_job_file_is_told_with_lines_and_suggestions(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem at once, each with line, column and what was probably meant."""
    job.write_text(JOB.replace("path: in}", "pth: in}").replace("path: out}", "path: out, unmatched: skp}"))

    code = main(["plan", str(job)])

    err = capsys.readouterr().err
    assert code == 2
    assert "job.yaml:2:29: there is no pth here (connector local_files); did you mean path?" in err
    assert "did you mean skip?" in err


WRONG = ["", "plann job.yaml", "mask", "mask job.yaml --workers 0", "preview job.yaml --rows -1", "demo --scale 0",
         "demo --scale nan", "mask job.yaml --what", "resume job.yaml --remask"]  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_ends_with_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is not one is refused with a word on how it is used."""
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())

    assert ended.value.code == 2
    assert "usage: dmengine" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit codes are where one looks for them."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert [code for code in (0, 2, 3, 4, 130) if f"\n  {code} " not in out] == []


# ------------------------------------------------------------------------------------------ real processes


def test_the_module_runs_as_a_process(job: Path) -> None:
    """`python -m dmengine.cli` takes relative paths from the job's folder, wherever it is started."""
    (elsewhere := job.parent / "elsewhere").mkdir()

    done = run("mask", job, "--report", "report.json", cwd=elsewhere)

    assert done.returncode == 0, done.stderr
    assert "3 records" in done.stdout
    assert visible(job) == ["a.csv", "b.jsonl"]
    assert (elsewhere / "report.json").is_file()


def test_the_console_script_is_installed(job: Path) -> None:
    """`dmengine` is on the path of the environment, and refuses as the module does."""
    script = Path(sys.executable).with_name("dmengine")

    done = subprocess.run([script, "plan", "no.yaml"], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("RulesetError: no.yaml cannot be read")


def test_output_that_nobody_reads_is_no_failure(job: Path) -> None:
    """`dmengine mask job.yaml | head -1` masks everything all the same."""
    command = f"'{sys.executable}' -m dmengine.cli mask '{job}' --report '{job.parent / 'r.txt'}' | true"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert visible(job) == ["a.csv", "b.jsonl"]
    assert (job.parent / "r.txt").is_file()


def test_an_interrupt_discards_what_is_not_committed(job: Path) -> None:
    """Ctrl-C ends a run with 130 and a word on what became of it; nothing is visible, nothing is left."""
    wait = (
        "import sys, time, dmengine.journal as j\n"
        "j.Journal.commit = lambda *a: (print('sealed', flush=True), time.sleep(60))\n"
        f"from dmengine.cli import main; sys.exit(main(['mask', {str(job)!r}, '--quiet']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", wait], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "sealed\n"

        it.send_signal(signal.SIGINT)
        _, err = it.communicate(timeout=60)

    assert it.returncode == 130
    assert err.startswith("interrupted\n")
    assert list((job.parent / "out").iterdir()) == []


def test_a_file_name_that_is_not_text_can_be_reported(job: Path) -> None:
    """Names are bytes; one that is not UTF-8, or would steer a terminal, is shown escaped."""
    for name in (b"\xff.csv", b"\x1b[31m.csv"):
        (job.parent / "in" / os.fsdecode(name)).write_text("id,email\n1,ann@x.org\n")

    done = run("mask", job, "--report", job.parent / "r.html")

    assert done.returncode == 0, done.stderr
    assert "\\udcff.csv" in done.stdout
    assert "\\x1b[31m.csv" in done.stdout
    assert "\x1b" not in done.stdout
