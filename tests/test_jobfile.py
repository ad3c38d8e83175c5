"""Job files: they say where from, where to, by which rules and with which key, and every mistake is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.connectors import Csv, LocalFiles, Role, S3Files, S3Store, SessionFactory
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


# ------------------------------------------------------------------------------------------ sessions and buckets

READER, WRITER = "arn:aws:iam::222222222222:role/Reader", "arn:aws:iam::333333333333:role/Writer"
S3_JOB = f"""\
version: 1
sessions:
  a: {{region: eu-west-1}}
  b: {{from: a, roles: [{{arn: "{READER}", external_id: x7, duration: 900, tags: {{team: data}}}}]}}
  c:
    from: a
    roles:
      - arn: {WRITER}
        session_name: nightly
        policy: {{Version: "2012-10-17", Statement: []}}
source: {{type: s3_files, url: "s3://bucket-of-b/in/", session: b}}
target: {{type: s3_files, url: "s3://bucket-of-c/out/", session: c}}
journal: s3://bucket-of-c/journals/
key: env:DMENGINE_TEST_KEY
ruleset: rules.yaml
"""


def test_sessions_are_named_and_used_by_name(job: Path) -> None:
    """Each connector gets the session that it names, with all that was said of its roles."""
    job.write_text(S3_JOB)

    loaded = load_job(job)

    a = SessionFactory(region="eu-west-1")
    b = a.assume(READER, external_id="x7", duration=900, tags={"team": "data"})
    c = a.assume(WRITER, session_name="nightly", policy={"Version": "2012-10-17", "Statement": []})
    assert loaded.source == S3Files("s3://bucket-of-b/in/", session=b)
    assert loaded.target == S3Files("s3://bucket-of-c/out/", session=c)
    assert loaded.journal == "s3://bucket-of-c/journals/"


def test_a_session_may_begin_with_a_later_one(job: Path) -> None:
    """The order of the names means nothing; a chain may be as long as one likes."""
    chain = f'd: {{from: b, roles: [{{arn: "{WRITER}"}}]}}'
    job.write_text(S3_JOB.replace("sessions:", f"sessions:\n  {chain}").replace("session: c", "session: d"))

    target = load_job(job).target

    assert isinstance(target, S3Files)
    assert target.session is not None
    assert [role.arn for role in target.session.roles] == [READER, WRITER]


def test_a_session_begins_with_a_profile_or_an_endpoint(job: Path) -> None:
    """What a session does not take from another one, it may say itself."""
    own = f'{{profile: masking, endpoint_url: "http://127.0.0.1:5000", roles: [{{arn: "{READER}"}}]}}'
    job.write_text(S3_JOB.replace("a: {region: eu-west-1}", f"a: {own}").replace("session: b", "session: a"))

    source = load_job(job).source

    wanted = SessionFactory(profile="masking", endpoint_url="http://127.0.0.1:5000", roles=[Role(READER)])
    assert source == S3Files("s3://bucket-of-b/in/", session=wanted)


def test_a_connector_without_a_session_takes_the_environment(job: Path) -> None:
    """Nobody has to name a session who needs no role."""
    job.write_text(S3_JOB.replace(", session: b", ""))

    assert load_job(job).source == S3Files("s3://bucket-of-b/in/")


def test_a_journal_may_have_a_session_of_its_own(job: Path) -> None:
    """As a mapping the journal is a store with its parameters; a folder is taken from the job's."""
    stores = []
    for written in ('{type: s3, url: "s3://bucket-of-a/journals/", session: a}', "{type: file, root: j}"):
        job.write_text(S3_JOB.replace("s3://bucket-of-c/journals/", written))
        stores.append(load_job(job).journal)

    assert stores[0] == S3Store("s3://bucket-of-a/journals/", session=SessionFactory(region="eu-west-1"))
    assert getattr(stores[1], "root", None) == str(job.parent / "j")


@pytest.mark.parametrize("reference", ["file:my.key", "kms:file:my.key", "kms:file:my.key?region=eu-west-1"])
def test_the_file_of_a_key_is_taken_from_the_folder_of_the_job(job: Path, reference: str) -> None:
    """A relative path of a key, or of a wrapped one, means the same wherever the job is started from."""
    job.write_text(S3_JOB.replace("env:DMENGINE_TEST_KEY", reference))

    assert load_job(job).key == reference.replace("my.key", f"{job.parent / 'my.key'}")


@pytest.mark.parametrize("reference", ["file:~/my.key", "file:/my.key", "secretsmanager:my.key", "kms:env:FILE"])
def test_other_references_stay_as_they_are(job: Path, reference: str) -> None:
    """What is no relative path is not made one."""
    job.write_text(S3_JOB.replace("env:DMENGINE_TEST_KEY", reference))

    assert load_job(job).key == reference


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("session: b", "session: bb", "11:64: no session is named bb\n  To fix: did you mean b?"),
        ("session: b", "session: reader", "11:64: no session is named reader\n  To fix: named are: a, b, c"),
        ("session: b", "session: 7", "11:64: session wants the name of a session"),
        ("session: b", "sesion: b", "11:55: there is no sesion here (connector s3_files)\n  To fix: did you mean s"),
        ("from: a, roles", "from: aa, roles", "4:13: no session is named aa\n  To fix: did you mean a?"),
        ("{region: eu-west-1}", "{from: b}", "4:13: a and b begin in a ring"),
        ("{region: eu-west-1}", "{from: a}", "3:13: a begins with itself"),
        ("from: a, roles", "from: a, region: x, roles", "4:6: region cannot be set on sessions that begin with others"),
        ("region: eu", "regon: eu", "3:7: there is no regon here (session aws)\n  To fix: did you mean region?"),
        ("region: eu", "place: eu", "known are: from, profile, region, endpoint_url, roles"),
        ("region: eu", "aws_secret_access_key: eu", "credentials never stand in a job file"),
        ("region: eu-west-1", "type: gcp", "there is no session 'gcp'"),
        ("region: eu-west-1", "type: 7", "3:13: type wants text"),
        ("{region: eu-west-1}", "eu-west-1", "3:6: a wants a mapping"),
        (":role/Reader", ":user/Reader", "4:30: 'arn:aws:iam::222222222222:user/Reader' is not the ARN of a role"),
        ("external_id: x7", "external_id: x", "4:84: external_id= is not what STS takes"),
        ("external_id", "externl_id", "4:71: there is no externl_id here (session aws)\n  To fix: did you mean ex"),
        ("duration: 900", "duration: 9", "4:98: duration wants greater than or equal to 900"),
        ("duration: 900", "duration: '900'", "4:98: duration wants a whole number"),
        ("team: data", "team: 7", "4:116: team wants text"),
        ("name: nightly", "name: a b", "9:23: session_name= is not what STS takes"),
        ("region: eu-west-1", "endpoint_url: http://s3.example.org", "3:21: the endpoint s3.example.org would be"),
        ("s3://bucket-of-b/in/", "bucket-of-b/in/", "11:31: bucket-of-b/in/ is not the URL of a bucket"),
        ("l: s3://bucket-of-c/journals/", "l: gs://x/", "13:10: there is no store 'gs'"),
        ("l: s3://bucket-of-c/journals/", "l: 's3://'", "13:10: s3:// is not the URL of a bucket"),
        ("l: s3://bucket-of-c/journals/", "l: s3:/x", "13:10: journal=s3:/x is neither a folder nor a URL"),
        ("l: s3://bucket-of-c/journals/", "l: {type: s3, ul: x}", "there is no ul here (store s3); did you mean url?"),
        ("l: s3://bucket-of-c/journals/", "l: {type: s3, url: x}", "13:26: x is not the URL of a bucket"),
        ("l: s3://bucket-of-c/journals/", "l: {type: s3, url: 's3://x', session: z}", "13:45: no session is named z"),
    ],
)  # fmt: skip
def test_mistakes_in_sessions_are_told_with_place_and_remedy(job: Path, old: str, new: str, said: str) -> None:
    """What is wrong with a session or a bucket, in which line and column, and what was probably meant."""
    assert old in S3_JOB
    job.write_text(S3_JOB.replace(old, new, 1))

    with pytest.raises(RulesetError) as caught:
        load_job(job)

    assert (said if not said[0].isdigit() else f"job.yaml:{said}") in str(caught.value)


def test_a_session_where_none_is_named(job: Path) -> None:
    """Whoever names a session and has no `sessions` is told what to write, once for each."""
    job.write_text(re.sub("sessions:\n(  .*\n)*", "", S3_JOB))

    with pytest.raises(RulesetError, match="2 problems") as caught:
        load_job(job)

    assert str(caught.value).count("name it: sessions: {b: {roles: [{arn: ...}]}}") == 2


def test_a_chain_that_lasts_too_long_is_refused(job: Path) -> None:
    """What AWS does not give where a role assumes a role is told at the session that asks for it."""
    chain = f'd: {{from: b, roles: [{{arn: "{WRITER}", duration: 7200}}]}}'
    job.write_text(S3_JOB.replace("sessions:", f"sessions:\n  {chain}"))

    with pytest.raises(RulesetError, match=re.escape(f"job.yaml:3:6: sessions of {WRITER} cannot last 7,200 seconds")):
        load_job(job)


def test_a_session_that_is_wrong_is_told_once(job: Path) -> None:
    """Those who use it, or begin with it, add no problem of their own."""
    job.write_text(S3_JOB.replace("region: eu", "regon: eu"))

    with pytest.raises(RulesetError) as caught:
        load_job(job)

    assert str(caught.value).count("job.yaml:") == 1


def test_every_key_of_a_job_is_on_its_page() -> None:
    """docs/cli.md names each key that a job file can have, and no other."""
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text("utf-8")
    table = page[page.index("## The job file") : page.index("[Runs](runs.md) explains")]

    keys = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for key in keys for name in re.findall(r"`(\w+)`", key)}

    assert named == set(_JobModel.model_fields)
