"""Connections to databases are looked at as a whole: who calls, staging, the tables, the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dmengine.cli import main
from dmengine.connectionfile import places_of
from dmengine.connectors import DynamoDBConnection, RedshiftConnection, load_connection
from dmengine.errors import PlanError
from dmengine.spi import Check, Checked
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.calls import Answer, Call
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, World
from tests.checks.dynamodb_lab import ALL_RIGHTS, STAGE, TABLE, DynamoLab
from tests.connections.written import CLUSTER, DYNAMODB, IAM_LOGIN, REDSHIFT
from tests.redshift.standin import DATABASE, PASSWORD, USER, StandIn

OWN = {"iam_role_arn": ROLE_B, "external_id": EXTERNAL_ID, "s3_bucket_name": STAGE, "region": REGION}


@pytest.fixture
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment be that of account A, and point to the stand-ins."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    for name, value in zip(names, BASE.values(), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.proxy.url)
    monkeypatch.setenv("CRM_PASSWORD", PASSWORD)


def looked(connection: Any, *, side: str = "source", **options: Any) -> dict[str, Check]:
    """Return the checks by their names; the last of each."""
    assert isinstance(connection, Checked)
    return {check.name: check for check in connection.check(side, **options)}  # type: ignore[arg-type]


def tables(**more: Any) -> DynamoDBConnection:
    return DynamoDBConnection.from_dict({**DYNAMODB, "dynamo_default_sse": {}, **OWN, **more})


def test_tables_of_another_account_are_looked_at_through_the_role(world: World, environment: None) -> None:
    """Hops, staging, and each table that is named; nothing is left in the bucket."""
    lab = DynamoLab(world)
    found = looked(tables(), tables=[TABLE], probe=True)
    target = looked(tables(), side="target", tables=[TABLE])

    assert {"session.hop", "bucket.reach", "dynamodb.region", "dynamodb.table", "dynamodb.pitr"} <= found.keys()
    assert [check for check in found.values() if check.status == "failed"] == []
    assert (target["dynamodb.free"].status, target["dynamodb.free"].subject) == ("passed", f"table {TABLE}-MASKED")
    assert lab.world.truth(ACCOUNT_B).list_objects_v2(Bucket=STAGE).get("Contents", []) == []


@pytest.mark.parametrize(
    "wrong", [{"external_id": "not-this"}, {"iam_role_arn": None, "external_id": None, "expected_account": ACCOUNT_C}]
)
def test_nobody_is_asked_further_where_the_caller_is_not_the_right_one(
    wrong: dict[str, Any], world: World, environment: None
) -> None:
    """A refused hop, or another account than the expected one, ends it: neither bucket nor table is asked."""
    DynamoLab(world)
    keys = {name: value for name, value in {**DYNAMODB, **OWN, **wrong}.items() if value is not None}
    found = looked(DynamoDBConnection.from_dict(keys), tables=[TABLE])

    assert [name for name, check in found.items() if check.status == "failed"] in (["session.hop"], ["session.account"])
    assert {call.operation for call in world.proxy.calls} <= {"AssumeRole", "GetCallerIdentity"}


def test_a_cluster_is_looked_at_with_the_password_of_its_reference(
    world: World, environment: None, redshift: StandIn
) -> None:
    """It logs in over TLS as the connection says; password and external id are in nothing that is shown."""
    world.make_bucket(ACCOUNT_B, STAGE)
    keys = {**REDSHIFT, **OWN, "host": "localhost", "port": redshift.secure.port, "ca": redshift.ca, "user": USER}
    connection = RedshiftConnection.from_dict({**keys, "database": DATABASE})
    found = looked(connection)

    assert found["redshift.login"].status == "passed", found["redshift.login"]
    assert found["redshift.roles"].answer == f"the cluster assumes {CLUSTER.replace(',', ' -> ')}"
    assert "CANARY" not in repr(found) + repr(connection.login())


def test_a_wrong_reference_is_told_as_the_login_that_failed(
    world: World, environment: None, redshift: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the password is not, the login says so, and the rest is looked at all the same."""
    world.make_bucket(ACCOUNT_B, STAGE)
    monkeypatch.delenv("CRM_PASSWORD")
    keys = {**REDSHIFT, **OWN, "host": "localhost", "port": redshift.secure.port, "ca": redshift.ca, "user": USER}
    found = looked(RedshiftConnection.from_dict(keys))

    assert found["redshift.login"].status == "failed"
    assert "CRM_PASSWORD is not set" in found["redshift.login"].answer
    assert found["bucket.reach"].status == "passed"


def test_a_cluster_is_looked_at_with_what_iam_gives(world: World, environment: None, redshift: StandIn) -> None:
    """The last role asks for the password, and no reference is read."""
    world.make_bucket(ACCOUNT_B, STAGE)
    came: list[str] = []
    before = world.accounts.answer

    def answer(call: Call) -> Answer | None:
        if call.operation != "GetClusterCredentials":
            return before(call)
        came.append(world.accounts.assumed[-1])
        inner = f"<DbUser>{USER}</DbUser><DbPassword>{PASSWORD}</DbPassword>"
        name = call.operation
        text = f"<{name}Response><{name}Result>{inner}</{name}Result></{name}Response>"
        return Answer(200, text.encode(), {"Content-Type": "text/xml"})

    world.accounts.answer = answer  # type: ignore[method-assign]
    keys = {**IAM_LOGIN, **OWN, "host": "localhost", "port": redshift.secure.port, "ca": redshift.ca, "user": USER}
    own = {"database": DATABASE, "s3_redshift_iam_role": f"arn:aws:iam::{ACCOUNT_B}:role/Cluster"}
    found = looked(RedshiftConnection.from_dict(keys | own))

    assert found["redshift.login"].status == "passed", found["redshift.login"]
    assert came == [ROLE_B]
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize(("external", "status"), [(False, "failed"), (True, "warning")])
def test_staging_that_cannot_be_emptied_fails_unless_others_do(
    external: bool, status: str, world: World, environment: None
) -> None:
    """Without the right to delete nothing is exported; where the connection names who deletes, it is a warning."""
    DynamoLab(world)
    world.accounts.rights = {*ALL_RIGHTS, "HeadBucket", "ListObjectsV2", "GetObject", "PutObject"}
    more = {"staging_cleanup": "external", "staging_deleted_by": "the rule expire-staging"} if external else {}
    check = looked(tables(**more), probe=True)["bucket.delete"]

    assert check.status == status
    assert ("the rule expire-staging" in check.answer + check.remedy) is external


def test_a_public_staging_bucket_is_a_danger(world: World, environment: None) -> None:
    """The brief look, before a run, is at how staging is set up."""
    DynamoLab(world)
    world.truth(ACCOUNT_B).delete_public_access_block(Bucket=STAGE)
    world.truth(ACCOUNT_B).put_bucket_acl(Bucket=STAGE, ACL="public-read")
    world.truth(ACCOUNT_B).delete_bucket_ownership_controls(Bucket=STAGE)

    assert "failed" in {check.status for check in looked(tables(), brief=True).values()}


def test_a_connection_that_is_read_only_is_no_target() -> None:
    """The error says which key says so."""
    with pytest.raises(PlanError, match="is_read_only is true"):
        tables(is_read_only=True).check("target")


def test_a_connection_is_looked_at_as_what_it_can_be(tmp_path: Path) -> None:
    """As source and target, as far as it may be; one to a database also as far as tables are named."""
    s3 = {"name": "b", "type": "s3_connection", "bucket": "crm"}
    both, one = load_connection(s3), load_connection(s3 | {"is_file_mask_source": False})

    assert [side for side, _ in places_of(both)] == ["source", "target"]
    assert [side for side, _ in places_of(one)] == ["target"]
    assert [side for side, _ in places_of(tables())] == ["source"]
    assert [side for side, _ in places_of(tables(), ("users",))] == ["source", "target"]
    assert [side for side, _ in places_of(tables(is_read_only=True), ("users",))] == ["source"]
    with pytest.raises(PlanError, match="has no tables"):
        places_of(both, ("users",))


def test_tables_are_looked_at_from_the_shell(
    world: World, environment: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--table` names them: the one whose backups are off fails, with the command that turns them on."""
    lab = DynamoLab(world)
    off = {"PointInTimeRecoveryEnabled": False}
    lab.truth.update_continuous_backups(TableName=TABLE, PointInTimeRecoverySpecification=off)
    path = tmp_path / "users.json"
    tables().save(path)

    without = main(["check", str(path)])
    plain = capsys.readouterr().out
    named = main(["check", str(path), "--table", TABLE, "--json"])

    told = json.loads(capsys.readouterr().out)
    assert (without, "dynamodb.pitr" in plain, named) == (1, False, 2)
    [failed] = [one for one in told["checks"] if one["status"] == "failed"]
    assert (failed["side"], failed["name"]) == ("source", "dynamodb.pitr")
    assert "aws dynamodb update-continuous-backups --table-name users" in failed["remedy"]
    assert {one["name"] for one in told["checks"] if one["side"] == "target"} == {"dynamodb.name", "dynamodb.free"}


def test_of_several_tables_each_line_says_which(
    world: World, environment: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is said of one of them names it; what is said once does not."""
    DynamoLab(world)
    tables(is_read_only=True).save(tmp_path / "users.json")

    code = main(["check", str(tmp_path / "users.json"), "--no-probe", "--table", TABLE, "--table", "odrers"])

    told = " ".join(capsys.readouterr().out.split())
    assert code == 2
    assert "there is no table odrers" in told
    assert "table odrers: check the table's name" in told
    assert "table odrers: there is no table odrers" not in told


def test_a_job_says_itself_what_its_tables_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--table` is for connections: with a job it is refused, and not passed over."""
    (tmp_path / "job.yaml").write_text("source: {}")

    assert main(["check", str(tmp_path / "job.yaml"), "--table", "users"]) == 2
    assert "leave --table out" in capsys.readouterr().err
