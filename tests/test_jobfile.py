"""Job files: they say where from, where to, by which rules and with which key, and every mistake is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.connectors import Csv, LocalFiles
from dmengine.errors import KeyringError, RulesetError
from dmengine.jobfile import _JobModel, load_job

HEX = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"
RULES = "rules:\n  - {field: email, mask: email}\n"
JOB = """\
version: 1
source: {type: local_files, path: in}
target: {type: local_files, path: out}
key: env:DMENGINE_TEST_KEY
ruleset: rules.yaml
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job file with its ruleset beside it."""
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


def test_a_small_job_has_safe_defaults(job: Path) -> None:
    """What a job does not say is decided on the safe side."""
    loaded = load_job(job)

    assert (loaded.workers, loaded.executor, loaded.on_failure) == (None, "threads", "discard")
    assert (loaded.remask, loaded.journal, loaded.reports) == (False, None, ())


def test_a_whole_job_says_everything(job: Path) -> None:
    """Every key arrives where it belongs."""
    more = "workers: 3\nexecutor: processes\non_failure: keep\nremask: true\njournal: j\nreports: [r.html, r.json]\n"
    job.write_text(JOB + more)

    loaded = load_job(job)

    there = job.parent
    assert (loaded.workers, loaded.executor, loaded.on_failure, loaded.remask) == (3, "processes", "keep", True)
    assert (loaded.journal, loaded.reports) == (str(there / "j"), (there / "r.html", there / "r.json"))
    assert loaded.ruleset == dm.Ruleset.from_yaml(RULES)


def test_relative_paths_are_taken_from_the_folder_of_the_job(
    job: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job means the same wherever it is started from: data, rules, reports, journal and key file."""
    key = job.parent / "my.key"
    key.touch(0o600)
    key.write_text(HEX)
    job.write_text(JOB.replace("env:DMENGINE_TEST_KEY", "file:my.key"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    loaded = load_job(job)

    assert loaded.source == LocalFiles(str(job.parent / "in"))
    assert loaded.target == LocalFiles(str(job.parent / "out"))
    assert loaded.load_key() == dm.Key.from_bytes(bytes.fromhex(HEX))


def test_absolute_paths_stay(job: Path, tmp_path: Path) -> None:
    """An absolute path is taken as it is."""
    job.write_text(JOB.replace("path: in", f"path: {tmp_path / 'data'}"))

    assert load_job(job).source == LocalFiles(str(tmp_path / "data"))


def test_a_ruleset_can_stand_in_the_job(job: Path) -> None:
    """The rules may be in the job file itself, with places in it when they are wrong."""
    job.write_text(JOB.replace("ruleset: rules.yaml", "ruleset:\n  rules:\n    - {field: email, mask: email}"))
    inside = load_job(job).ruleset
    job.write_text(JOB.replace("ruleset: rules.yaml", "ruleset:\n  rules:\n    - {field: email, mask: emial}"))

    with pytest.raises(RulesetError, match=re.escape("job.yaml:7:28: there is no mask 'emial'")):
        load_job(job)

    assert inside == dm.Ruleset.from_yaml(RULES)


def test_json_is_a_job_too(job: Path) -> None:
    """A job written by a program can be JSON."""
    path = job.with_suffix(".json")
    sides = {side: {"type": "local_files", "path": name} for side, name in (("source", "in"), ("target", "out"))}
    path.write_text(json.dumps({"version": 1, "key": "env:K", "ruleset": "rules.yaml", **sides}))

    loaded = load_job(path)

    assert loaded.source == load_job(job).source
    assert loaded.ruleset == load_job(job).ruleset


def test_formats_are_made_by_name(job: Path) -> None:
    """A glob names a format, alone or with options."""
    formats = 'formats: {"*.txt": {type: csv, delimiter: "|"}, "*.dat": csv}'
    job.write_text(JOB.replace("path: in", f"path: in, {formats}"))

    source = load_job(job).source

    assert isinstance(source, LocalFiles)
    assert source.formats == {"*.txt": Csv(delimiter="|"), "*.dat": Csv()}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "job.yaml:1:10: version wants 1"),
        ("version: 1\n", "", "job.yaml:1:1: version is missing"),
        ("source:", "sorce:", "there is no sorce here; did you mean source?"),
        ("{type: local_files, path: in}", "in", "job.yaml:2:9: source wants a mapping"),
        ("type: local_files, path: in", "path: in", "job.yaml:2:9: source has no type"),
        ("local_files, path: in", "locl_files, path: in", "job.yaml:2:16: there is no connector 'locl_files'"),
        ("path: in", "pth: in", "job.yaml:2:29: there is no pth here (connector local_files); did you mean path?"),
        ("path: in", "path: in, unmatched: skp", "job.yaml:2:50: unmatched wants fail or skip or copy"),
        ("path: in", "path: in, formats: csv", "job.yaml:2:48: formats wants a mapping"),
        ("path: in", "path: in, formats: {'*.t': {delimiter: ';'}}", "job.yaml:2:56: this names no format"),
        ("path: in", "path: in, formats: {'*.t': csvv}", "there is no format 'csvv'"),
        ("path: in", "path: in, formats: {'*.t': {type: csv, delimter: ';'}}", "did you mean delimiter?"),
        ("version: 1", "version: 1\nworkers: 0", "job.yaml:2:10: workers wants greater than or equal to 1"),
        ("version: 1", "version: 1\nworkers: '4'", "job.yaml:2:10: workers wants a whole number"),
        ("version: 1", "version: 1\nexecutor: thread", "did you mean threads?"),
        ("version: 1", "version: 1\nreports: [a.pdf]", "job.yaml:2:11: a report cannot be written there"),
        ("version: 1", "version: 1\nreports: [no/a.md]", "there is no such folder"),
        ("version: 1", "version: 1\nversion: 1", "the key 'version' is here twice"),
        ("rules.yaml", "rulez.yaml", "rulez.yaml cannot be read"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_place_and_remedy(job: Path, old: str, new: str, said: str) -> None:
    """What is wrong, in which line and column, and what was probably meant."""
    assert old in JOB
    job.write_text(JOB.replace(old, new, 1))

    with pytest.raises(RulesetError, match=re.escape(said)):
        load_job(job)


def test_all_mistakes_of_the_connectors_are_told_at_once(job: Path) -> None:
    """Nobody has to mend a job file one mistake at a time."""
    job.write_text(JOB.replace("path: in", "pth: in").replace("path: out", "path: out, unmatched: skp"))

    with pytest.raises(RulesetError, match="3 problems in job") as caught:
        load_job(job)

    assert [place for place in ("2:9", "2:29", "3:51") if f"job.yaml:{place}: " not in str(caught.value)] == []


@pytest.mark.parametrize("key", [HEX, "hunter2", "env:", "nowhere:x"])
def test_a_key_that_is_no_reference_is_refused_and_not_shown(job: Path, key: str) -> None:
    """A job file holds where the key is; whoever writes the key itself there is told so, without repeating it."""
    job.write_text(JOB.replace("env:DMENGINE_TEST_KEY", f'"{key}"'))

    with pytest.raises((KeyringError, dm.DmengineError)) as caught:
        load_job(job).load_key()

    assert HEX not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_key_of_a_job_is_on_its_page() -> None:
    """docs/cli.md names each key that a job file can have, and no other."""
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text("utf-8")
    table = page[page.index("## The job file") : page.index("[Runs](runs.md) explains")]

    keys = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for key in keys for name in re.findall(r"`(\w+)`", key)}

    assert named == set(_JobModel.model_fields)
