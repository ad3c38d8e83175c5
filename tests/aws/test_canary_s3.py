"""No value of a masked field leaves over S3: not in a request, a bucket, a note, a log, an error, or a temp file."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.connectors import S3Files, SessionFactory
from dmengine.errors import PlanError
from dmengine.executors import ExecutorChoice
from dmengine.keyring import Key
from dmengine.maskers import Email
from tests.aws.canaries import BUCKET_B, BUCKET_C, ROOT, TARGET, Scene, locals_of, places, run_in_child
from tests.aws.standins.faults import Fates, Fault, Kill
from tests.aws.standins.world import BASE, World
from tests.crash.lab import PROVE, chance, sampled
from tests.leak.evidence import Evidence, leaks, listening, of_error, of_files, of_plan, of_preview, of_report
from tests.leak.failing import CASES
from tests.leak.keys import Recording, secrets_of, shown
from tests.leak.matcher import Matcher
from tests.leak.sources import FILES, ruleset

ROWS = 320 if PROVE else 12
KILLS = range(60, 185)  # of some 195 requests
BASE_SECRET = "bXq7Rk2vT9sLw4zNfH6yCd8JgPm3uEaV0oIx5tQl"  # the strict proxy knows keys by their ids and tokens
DOMAINS = "abcdef"
MANY = dm.Ruleset([dm.Rule(name, Email(), domain=name) for name in DOMAINS])
RULES = dm.Ruleset([dm.Rule("email", Email()), dm.keep("id", because="surrogate key")])
ACROSS = sampled([("processes", "elsewhere"), ("processes", "in place")], 1, "s3 canary processes", whole=2)


@pytest.fixture
def scene(world: World, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Return empty buckets, and let the environment give the keys of account A."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    values = (BASE["aws_access_key_id"], BASE_SECRET, BASE["aws_session_token"])
    for name, value in zip(names, values, strict=True):
        monkeypatch.setenv(name, value)
    return Scene(world)


@pytest.fixture
def root(tmp_path: Path) -> Key:
    """Return a key that other processes can load."""
    path = tmp_path / "root.key"
    path.write_text(ROOT)
    path.chmod(0o600)
    return Key.load(f"file:{path}")


def standing(scene: Scene, temp: Path, *buckets: str) -> list[str]:
    """Name the canaries in all requests, in buckets, and in temp files."""
    left: list[tuple[str, bytes]] = [*scene.sent, *of_files(temp)]
    for bucket in buckets:
        left += scene.bucket(bucket)
    return leaks(scene.canaries, left, depth=1)


def said_by(error: BaseException, log: Any, capfd: pytest.CaptureFixture[str]) -> Evidence:
    """Yield what a failed run says."""
    out, err = capfd.readouterr()
    return [*of_error(error), *log.evidence(), ("stdout", out.encode()), ("stderr", err.encode())]


# ------------------------------------------------------------------------------------------ runs that succeed


@pytest.mark.proof
@pytest.mark.parametrize(("executor", "where"), [("threads", "elsewhere"), ("threads", "in place"), *ACROSS])
def test_no_masked_value_leaves_over_s3(
    executor: ExecutorChoice, where: str, scene: Scene, temp: Path, root: Key, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Of unique values in every masked cell of every format, none is in anything that a run over S3 sends or leaves.

    In place the bucket keeps versions, and is asked to give them up: of the originals nothing is left.
    """
    in_place = where == "in place"
    if in_place:
        scene.keep_versions()
    scene.fill(tmp_path / "local", ROWS)
    before = leaks(scene.canaries, scene.bucket(BUCKET_B), depth=1)
    source, target = places(scene.world.proxy.url, **({"old_versions": "delete"} if in_place else {}))

    with listening() as log:
        plan = dm.plan(source, source if in_place else target, ruleset(), root)
        report = dm.run(source, source if in_place else target, ruleset(), root, executor=executor, workers=2)
    out, err = capfd.readouterr()

    said = [("stdout", out.encode()), ("stderr", err.encode()), *log.evidence(), *of_report(report), *of_plan(plan)]
    assert leaks(scene.canaries, said) == []
    assert standing(scene, temp, BUCKET_B if in_place else BUCKET_C) == []
    assert len(before) > len(FILES)  # the search finds what there is to find
    assert (f"{len(FILES)} objects" in str(report), report.leftovers) == (True, ())
    assert sum(name.startswith("body of UploadPart") for name, _ in scene.sent) >= len(FILES)


def test_previews_over_s3_show_no_value(scene: Scene, temp: Path, root: Key, tmp_path: Path) -> None:
    """Looking at the data in a bucket shows none of it, and sends none of it."""
    scene.fill(tmp_path / "local", 12)
    source, _ = places(scene.world.proxy.url)

    with listening() as log:
        preview = dm.preview(source, ruleset(), root, rows=10, datasets=len(FILES))

    assert leaks(scene.canaries, [*of_preview(preview), *log.evidence()]) == []
    assert standing(scene, temp) == []


def test_loggers_that_are_turned_on_late_show_no_value(scene: Scene, root: Key) -> None:
    """A program that sets every logger there is to DEBUG between two runs hears no body, and no key."""
    scene.put("a.csv", ("id,email\n" + "".join(f"1,{email}\n" for email in scene.canaries.emails(50))).encode())
    source, target = places(scene.world.proxy.url)
    dm.plan(source, target, RULES, root)

    with listening() as log:
        assert logging.getLogger("botocore.endpoint").level == logging.DEBUG
        dm.run(source, target, RULES, root, progress=False)

    assert log.lines
    assert leaks(scene.canaries, log.evidence()) == []
    assert shown(secrets(root, source, target), log.evidence()) == []


# ------------------------------------------------------------------------------------------ runs that fail


@pytest.mark.proof
@pytest.mark.parametrize("case", sampled(sorted(CASES), 5, "s3 canaries", whole=len(CASES)))
def test_failures_over_s3_show_no_value(
    case: str, scene: Scene, temp: Path, root: Key, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever in the data stops a run, nothing that it says, sends or leaves holds a value."""
    failing = CASES[case]
    scene.put(failing.name, failing.make(scene.canaries))
    a, b = (S3Files(one.url, one.session, formats=failing.formats) for one in places(scene.world.proxy.url))

    with listening() as log, pytest.raises(dm.DmengineError) as caught:
        dm.run(a, b, dm.Ruleset(failing.rules), root, workers=1, progress=True)

    assert leaks(scene.canaries, said_by(caught.value, log, capfd)) == []
    assert standing(scene, temp, BUCKET_C) == []
    assert scene.uploads(BUCKET_C) == 0
    assert scene.canaries.count > 0


@pytest.mark.parametrize(
    ("operation", "kind"), [("UploadPart", "denied"), ("CompleteMultipartUpload", "denied"), ("GetObject", "flipped")]
)
def test_faults_in_the_middle_show_no_value(
    operation: str, kind: Any, scene: Scene, temp: Path, root: Key, tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What S3 refuses, or garbles, in the middle of a run: the error, the notes and what is sealed hold no value."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    scene.fill(tmp_path / "local", 12)
    source, target = places(scene.world.proxy.url)
    dm.plan(source, target, ruleset(), root)
    scene.world.proxy.forget()
    scene.world.proxy.fates = Fates(1, Fault((kind,), (operation,), keys="*people*"))

    with listening() as log, pytest.raises(dm.DmengineError) as caught:
        dm.run(source, target, ruleset(), root, workers=2, on_failure="keep", progress=False)

    assert leaks(scene.canaries, said_by(caught.value, log, capfd)) == []
    assert standing(scene, temp, BUCKET_C) == []


def test_what_a_failed_run_keeps_in_the_bucket_is_masked(
    scene: Scene, temp: Path, root: Key, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bad record stops a run that keeps what it has sealed: open uploads, notes and journal hold no value."""
    scene.fill(tmp_path / "local", 12)
    header, *lines = (tmp_path / "local" / "text" / "people.csv").read_bytes().split(b"\r\n")
    scene.put("text/zz.csv", b"\r\n".join([header, *lines[:6], b"1,2,3", *lines[6:]]))
    source, target = places(scene.world.proxy.url)

    with listening() as log, pytest.raises(dm.DmengineError, match=r"zz\.csv") as caught:
        dm.run(source, target, ruleset(), root, workers=1, on_failure="keep", progress=False)

    assert leaks(scene.canaries, said_by(caught.value, log, capfd)) == []
    assert scene.uploads(BUCKET_C) > 10
    assert standing(scene, temp, BUCKET_C) == []


@pytest.mark.proof
@pytest.mark.parametrize("at", sampled(KILLS, 1, "s3 canary kill", whole=12))
@pytest.mark.parametrize("where", ["elsewhere", "in place"])
def test_a_run_that_is_killed_leaves_no_value(
    at: int, where: str, scene: Scene, temp: Path, root: Key, tmp_path: Path
) -> None:
    """After kill -9 at some request, and again after `clean`, no value is in the target, in a note, or on the disk."""
    scene.fill(tmp_path / "local", 12)
    source, target = places(scene.world.proxy.url)
    kill = Kill(at, chance(f"s3 canary kill {at}").choice(("before", "after")))
    scene.world.proxy.forget()
    scene.world.proxy.kill = kill
    child = multiprocessing.get_context("spawn").Process(
        target=run_in_child, args=(scene.world.proxy.url, str(temp)), kwargs={"in_place": where == "in place"}
    )

    child.start()
    kill.aim(child.pid or 0)
    child.join(120)
    scene.world.proxy.forget()

    originals = () if where == "in place" else (BUCKET_C,)  # in place, what is not published yet is still unmasked
    assert (child.exitcode, kill.sprung) == (-9, True)
    assert standing(scene, temp, *originals) == []
    dm.clean(source if originals == () else target, source=source)
    assert standing(scene, temp, *originals) == []
    assert scene.uploads(BUCKET_B if originals == () else BUCKET_C) == 0


# ------------------------------------------------------------------------------------------ keys and credentials


def secrets(root: Key, *sides: S3Files) -> Matcher:
    """Look for the root key and all that was derived from it, and for the secret keys and tokens of all sessions."""
    dm.mask_table(pa.table({name: ["a"] for name in DOMAINS}), MANY, root)
    found = [BASE_SECRET.encode()]
    for side in sides:
        assert isinstance(side.session, SessionFactory)
        credentials: Any = side.session.session().get_credentials()
        keys = credentials.get_frozen_credentials()
        found += [str(keys.secret_key).encode(), str(keys.token).encode()]
    return secrets_of(root, *found)


def test_no_key_and_no_credential_leaves(scene: Scene, temp: Path, root: Key) -> None:
    """Neither is in a request, a bucket, a report, a log, a task, a pickle, a repr, or a traceback with its locals."""
    scene.put("a.csv", b"id,email\n1,ann@x.org\n2,bob@x.org\n")
    source, target = places(scene.world.proxy.url)
    executor = Recording()

    with listening() as log:
        plan = dm.plan(source, target, RULES, root)
        report = dm.run(source, target, RULES, root, executor=executor, progress=False)
        scene.world.proxy.fates = Fates(1, Fault(("denied",), ("UploadPart",)))
        with pytest.raises(dm.DmengineError) as refused:
            dm.run(source, target, RULES, root, progress=False)
        scene.world.proxy.fates = Fates(1, Fault(("denied",), ("AssumeRole",)))
        source.session._origin.reset()  # type: ignore[union-attr]  # as in a process that has assumed nothing yet
        with pytest.raises(dm.DmengineError, match="hop 1 cannot assume") as unassumed:
            dm.run(source, target, RULES, root, progress=False)
        scene.world.proxy.fates = Fates(0)

    held = [pickle.dumps((source, target)), repr((source, target, source.session, target.session)).encode()]
    evidence = [
        *of_plan(plan), *of_report(report), *log.evidence(), *scene.sent, *of_files(temp), *scene.bucket(BUCKET_C),
        *((f"message {number}", message) for number, message in enumerate((*executor.sent, *held))),
        *of_error(refused.value), *locals_of(refused.value), *of_error(unassumed.value), *locals_of(unassumed.value),
    ]  # fmt: skip
    assert shown(secrets(root, source, target), evidence, depth=1) == []
    assert shown(secrets(root, source, target), [("itself", BASE_SECRET.encode())]) != []


# ------------------------------------------------------------------------------------------ around the data


def test_metadata_and_tags_are_named_or_dropped(scene: Scene, temp: Path, root: Key) -> None:
    """What is kept around an object is named in the report, without its values; dropped, none of it is sent on."""
    one, two, three = scene.canaries.texts(3)
    scene.put("a.csv", b"id,email\n1,ann@x.org\n", Metadata={"owner": one, "team": "crm"}, Tagging=f"owner={two}&t=1")
    source, target = places(scene.world.proxy.url)
    dropping, _ = places(scene.world.proxy.url, metadata="drop", tags="drop")
    elsewhere = S3Files(f"{TARGET}kept/", target.session)

    with listening() as log:
        dropped = dm.run(dropping, target, RULES, root, progress=False)
    assert standing(scene, temp, BUCKET_C) == []
    kept = dm.run(source, elsewhere, RULES, root, progress=False)

    assert leaks(scene.canaries, [*of_report(dropped), *of_report(kept), *log.evidence()]) == []
    assert {"metadata kept as they are: owner, team", "tags kept as they are: owner, t"} <= {
        finding.message for finding in kept.findings if finding.severity == "warning"
    }
    found = leaks(scene.canaries, [hit for hit in scene.bucket(BUCKET_C) if "kept/a.csv" in hit[0]])
    assert {hit.split(": ")[1].split(" ")[0] for hit in found} == {one, two}
    assert three not in str(found)


@pytest.mark.parametrize("folder", ["email={}", "Email={}/day=1"])
def test_folders_named_by_values_that_a_rule_masks_are_masked(
    folder: str, scene: Scene, temp: Path, root: Key, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the target, nor what is sent to it, nor anything that a run says, holds what the names hold."""
    (value,) = scene.canaries.texts(1)
    source, target = places(scene.world.proxy.url)
    scene.put(f"{folder.format(value)}/a.csv", b"id,email\n1,ann@x.org\n")
    rules = dm.Ruleset([*RULES.rules, dm.Rule("day", dm.keep(because="no person's data"), optional=True)])

    with listening() as log:
        plan = dm.plan(source, target, rules, root)
        report = dm.run(source, target, rules, root, progress=False)

    assert leaks(scene.canaries, [*of_plan(plan), *of_report(report), *log.evidence(), *of_files(temp)]) == []
    assert [hit for hit in leaks(scene.canaries, scene.bucket(BUCKET_C)) if BUCKET_C in hit] == []
    assert [hit for hit in leaks(scene.canaries, scene.sent) if BUCKET_C in hit] == []


def test_folders_named_by_values_without_a_rule_are_refused(
    scene: Scene, root: Key, capfd: pytest.CaptureFixture[str]
) -> None:
    """A field that no rule names stops the run, also where only folders are named by it, and no value is shown."""
    (value,) = scene.canaries.texts(1)
    scene.put(f"name={value}/part=__HIVE_DEFAULT_PARTITION__/a.csv", b"id,email\n1,ann@x.org\n")
    source, target = places(scene.world.proxy.url)

    with listening() as log:
        plan = dm.plan(source, target, RULES, root)
        with pytest.raises(PlanError, match="no rule covers: name, part") as caught:
            dm.run(source, target, RULES, root, progress=False)

    assert leaks(scene.canaries, [*of_plan(plan), *said_by(caught.value, log, capfd)]) == []
    assert [body for name, body in scene.sent if name.startswith("body") and "_dmengine" not in name] == []
