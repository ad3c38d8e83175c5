"""Jobs that name connections, from the command line: masked from bucket to bucket through the roles they name."""

from __future__ import annotations

import json
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.connectors import S3Connection, SessionFactory, load_connection
from dmengine.errors import PlanError, RulesetError
from dmengine.jobfile import load_job
from dmengine_connectors.connections.account import AccountSession
from tests.aws.s3_lab import RULES, session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import DEEP, EXTERNAL_ID, HOP, REGION, RELAY, ROLE_B, ROLE_C, World
from tests.aws.test_cli_s3 import HEX, B, C, Desk, check

CRM_B: dict[str, Any] = {
    "version": "1.0", "name": "crm-b", "type": "s3_connection", "mask_type": "file", "bucket": B,
    "base_directory": "", "is_file_mask_source": True, "is_file_mask_destination": False,
    "iam_role_arn": ROLE_B, "external_id": EXTERNAL_ID, "region": REGION, "expected_account": ACCOUNT_B,
}  # fmt: skip
IN = "{connection: b, path: in/}"
JOB = f"""\
version: 1
connections:
  b: crm-b.json
  c: {{type: s3_connection, bucket: {C}, iam_role_arn: "{ROLE_C}", region: {REGION}}}
source: {{connection: b, path: in/}}
target: {{connection: c, path: out/}}
key: env:DMENGINE_TEST_KEY
ruleset:
  rules:
    - {{field: email, mask: email, domain: person.email}}
    - {{field: id, keep: "surrogate key"}}
"""


def write(desk: Desk, connection: dict[str, Any] | None = None, old: str = "", new: str = "") -> None:
    assert old in JOB
    (desk.folder / "crm-b.json").write_text(json.dumps(CRM_B if connection is None else connection, indent=2))
    desk.job.write_text(JOB.replace(old, new) if old else JOB)


def operations(world: World) -> set[str]:
    return {call.operation for call in world.proxy.calls}


# ------------------------------------------------------------------------------------------ end to end


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_two_connections_mask_from_b_to_c_through_their_roles(desk: Desk, executor: str) -> None:
    """With the rights of the document alone: read as the role in B, written as the role in C, and as nobody else."""
    write(desk, None, "version: 1\n", f"version: 1\nexecutor: {executor}\n")
    desk.world.accounts.rights = DOCUMENTED_RIGHTS
    plan, mask = desk.run("plan"), desk.run("mask", "--quiet")

    assert (plan.returncode, mask.returncode, mask.stderr) == (0, 0, ""), plan.stderr + mask.stderr
    shown = {name: body for name, body in desk.shown().items() if "_dmengine" not in name}
    masked = json.loads(shown["out/b.jsonl"])["email"]
    assert shown["out/a.csv"].decode() == f"id,email\n1,{masked}\n"
    assert "ann@x.org" not in masked
    assert set(desk.world.accounts.assumed) == {ROLE_B, ROLE_C}


def test_a_chain_of_roles_is_walked_in_order(desk: Desk) -> None:
    """A -> B -> C -> B: the roles in between first, the role itself last; its bucket is read."""
    chain = CRM_B | {"roles": [HOP, RELAY], "iam_role_arn": DEEP}
    write(desk, chain)
    done = desk.run("mask", "--quiet")

    assert (done.returncode, done.stderr) == (0, "")
    assert [role for role in desk.world.accounts.assumed if role != ROLE_C][:3] == [HOP, RELAY, DEEP]


def test_the_api_masks_as_the_job_does(desk: Desk) -> None:
    """`load_connection(...).files(...)` is what `dm.run` takes."""
    a = session_of_a(desk.world)
    source = load_connection(CRM_B).files("in/", session=a)
    target = S3Connection(name="c", bucket=C, iam_role_arn=ROLE_C).files("out/", session=a, side="target")
    report = dm.run(source, target, RULES, dm.Key.from_bytes(bytes.fromhex(HEX)))

    assert sorted(output.location for output in report.outputs) == ["a.csv", "b.jsonl"]
    assert {"out/a.csv", "out/b.jsonl"} <= desk.shown().keys()


def test_a_connection_begins_with_a_session_of_the_job(desk: Desk) -> None:
    """With `session:` beside it, the connection's roles come after those of the session."""
    sessions = f'version: 1\nsessions:\n  hop: {{region: {REGION}, roles: [{{arn: "{HOP}"}}, {{arn: "{RELAY}"}}]}}\n'
    write(desk, CRM_B | {"iam_role_arn": DEEP})
    desk.job.write_text(JOB.replace("version: 1\n", sessions).replace("path: in/", "path: in/, session: hop"))
    done = desk.run("plan")

    assert (done.returncode, done.stderr) == (0, "")
    assert [role for role in desk.world.accounts.assumed if role != ROLE_C] == [HOP, RELAY, DEEP]


# ------------------------------------------------------------------------------------------ the expected account


@pytest.mark.parametrize("side", ["source", "target"])
def test_another_account_than_expected_is_refused_before_anything_is_read(desk: Desk, side: str) -> None:
    """Where no role says the account, AWS is asked who calls, and then nothing else."""
    plain = {"type": "s3_connection", "bucket": B if side == "source" else C, "name": "x", "region": REGION}
    wrong = plain | {"expected_account": ACCOUNT_C}
    used = (wrong, plain) if side == "source" else (plain, wrong)
    desk.job.write_text(JOB.replace("b: crm-b.json", f"b: {json.dumps(used[0])}"))
    text = desk.job.read_text()
    desk.job.write_text(
        "\n".join(f"  c: {json.dumps(used[1])}" if x.startswith("  c:") else x for x in text.split("\n"))
    )
    desk.world.accounts.grants = {B: {ACCOUNT_A}, C: {ACCOUNT_A}}
    done = desk.run("mask")

    wrote = f"PlanError: the sessions are in account {ACCOUNT_A}, and expected_account is {ACCOUNT_C}"
    check(done, 2, wrote, "check which credentials")
    written = {"PutObject", "CreateMultipartUpload", "UploadPart"}
    assert operations(desk.world) == {"GetCallerIdentity"} if side == "source" else not operations(desk.world) & written
    assert desk.shown() == {}


def test_the_expected_account_is_asked_for_once(world: World) -> None:
    """The right account costs one call, and goes on; a role that says its account costs none."""
    world.make_bucket(ACCOUNT_A, "bucket-of-a")
    world.truth(ACCOUNT_A).put_object(Bucket="bucket-of-a", Key="a.csv", Body=b"id\n1\n")
    connection = S3Connection(name="a", bucket="bucket-of-a", expected_account=ACCOUNT_A)
    files = connection.files(session=session_of_a(world))
    described = [info.name for info in files.describe().datasets] + [info.name for info in files.describe().datasets]

    assert described == ["a.csv", "a.csv"]
    assert world.proxy.count("GetCallerIdentity") == 1


def test_sessions_for_one_account_travel_as_such() -> None:
    """They are equal to what they were made from, pickled or not, and refuse a role of another account at once."""
    b = SessionFactory().assume(ROLE_B)
    guarded = AccountSession.of(b, ACCOUNT_B)
    assert pickle.loads(pickle.dumps(guarded)) == guarded
    assert pickle.loads(pickle.dumps(guarded)).expected_account == ACCOUNT_B
    assert guarded != b
    with pytest.raises(PlanError, match="expected_account is 333333333333"):
        AccountSession.of(b, ACCOUNT_C)
    with pytest.raises(PlanError, match="expected_account is 333333333333"):
        S3Connection(name="x", bucket=B, expected_account=ACCOUNT_C).session(b)


# ------------------------------------------------------------------------------------------ what job files refuse


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [  # what is written in the place of what, and what is said
        (IN, "{connection: bb, path: in/}", "job.yaml:5:22: no connection is named bb; did you mean b?"),
        (IN, "{connection: 7}", "connection wants the name of a connection"),
        (IN, "{connection: b, url: s3://x/}", "job.yaml:5:25: url is said by the connection; write path"),
        (IN, "{connection: b, type: s3_files}", "type is said by the connection; leave it out"),
        (IN, "{connection: b, path: [in]}", "path wants text"),
        (IN, "{connection: b, path: s3://x/}", "is a URL, not a path below"),
        (IN, "{connection: b, exclud: []}", "there is no exclud here (connector s3_files); did you mean"),
        (IN, "{connection: c, session: a}", "no session is named a"),
        ("{connection: c, path: out/}", "{connection: b, path: out/}", "crm-b is not to be used as target: is_"),
        ("b: crm-b.json", "b: crm-x.json", "job.yaml:3:6: "),
        ("b: crm-b.json", "b: 7", "job.yaml:3:6: b wants"),
        ("bucket: bucket-of-c", "buckt: bucket-of-c", "job.yaml:4:28: there is no buckt here; did you mean bucket?"),
        ("iam_role_arn:", "role_arn:", "there is no role_arn here; did you mean iam_role_arn?"),
        ("type: s3_connection", "type: dynamo_db", "s3_bucket_name is missing"),
    ],
)  # fmt: skip
def test_a_job_says_what_is_wrong_with_its_connections(old: str, new: str, says: str, desk: Desk) -> None:
    """Each mistake has its line and column in the job file."""
    write(desk, None, old, new)
    with pytest.raises(RulesetError) as caught:
        load_job(desk.job)

    said = str(caught.value).replace("\n  To fix: ", "; ")
    assert says in said, said


def test_mistakes_of_a_connection_file_are_told_with_its_own_lines(desk: Desk) -> None:
    """Those of the job's other parts are told with them."""
    write(desk, CRM_B | {"role_arn": ROLE_B, "buckt": B}, "key:", "keyy: x\nkey:")
    write(desk, CRM_B | {"role_arn": ROLE_B, "buckt": B}, "path: out/", "path: out/, unmatchd: skip")
    with pytest.raises(RulesetError) as caught:
        load_job(desk.job)

    said = str(caught.value)
    assert "crm-b.json:14:3: there is no role_arn here; did you mean iam_role_arn?" in said
    assert "crm-b.json:15:3: there is no buckt here; did you mean bucket?" in said
    assert "there is no unmatchd here (connector s3_files); did you mean unmatched?" in said


def test_a_password_in_a_job_is_refused_and_not_shown(desk: Desk) -> None:
    """Not by the error, and not by our frames below it."""
    wrong = {"db_type": "redshift", "dbpassword": "hunter2-CANARY"}
    write(desk, None, "b: crm-b.json", f"b: {json.dumps(wrong)}")
    with pytest.raises(RulesetError) as caught:
        load_job(desk.job)

    traced = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "dbpassword is not a reference to a secret" in str(caught.value)
    assert "CANARY" not in "".join(str(frame.locals) for frame in traced.stack if "/tests/" not in frame.filename)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_a_job_knows_the_connection_of_each_side(desk: Desk, tmp_path: Path) -> None:
    """For what is done with a job besides masking: checks and policies. An inline one is called as the job calls it."""
    write(desk)
    job = load_job(desk.job)

    assert {side: connection.name for side, connection in job.connections.items()} == {"source": "crm-b", "target": "c"}
    assert load_connection(desk.folder / "crm-b.json") == job.connections["source"]


def test_a_connection_in_place_of_a_job_is_told_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what the file is, and where it goes; not one for each of its keys."""
    path = tmp_path / "b.yaml"
    path.write_text("type: s3_connection\nname: b\nbucket: crm-of-b\n")

    code = main(["mask", str(path)])

    told = capsys.readouterr().err
    assert code == 2
    assert "b.yaml is a connection, and not a job" in told
    assert "connections:" in told
