"""`connection.check` of databases: from a document to what is found, through all the layers."""

from __future__ import annotations

from typing import Any

import pytest

from dmengine.connectors import load_connection
from dmengine_connectors.connections.databases import DatabaseConnection
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, World
from tests.checks.dynamodb_lab import DynamoLab
from tests.checks.looking import Found
from tests.checks.redshift_lab import CHAIN, STAGE, RedshiftLab
from tests.redshift.standin import DATABASE, PASSWORD, USER, StandIn


@pytest.fixture(autouse=True)
def keys_of_a(no_credentials_of_this_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment give the keys of account A, and the password of the cluster."""
    for name, value in BASE.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("CRM_PASSWORD", PASSWORD)


def said(world: World, **more: Any) -> dict[str, Any]:
    """Return what every document of these tests says."""
    return {
        "version": "1.0", "name": "b", "mask_type": "database", "iam_role_arn": ROLE_B, "external_id": EXTERNAL_ID,
        "region": REGION, "endpoint_url": world.proxy.url, **more,
    }  # fmt: skip


def opened(document: dict[str, Any]) -> DatabaseConnection:
    """Return the connection to a database that a document says."""
    connection = load_connection(document)
    assert isinstance(connection, DatabaseConnection)
    return connection


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_dynamodb_connection_finds_nothing_wrong(world: World, side: Any) -> None:
    """Who calls, staging and the table are all looked at; nothing fails, and nothing is left in staging."""
    lab = DynamoLab(world)
    document = said(world, db_type="dynamo_db", s3_bucket_name=STAGE, export_s3_prefix="masking")

    found = Found(opened(document).check(side, tables=["users"], probe=True))

    assert "failed" not in found.not_passed().values()
    assert found.one("dynamodb.region").status == "passed"
    assert found.one("dynamodb.pitr" if side == "source" else "dynamodb.free").status == "passed"
    assert lab.world.moto.listed(STAGE) == {}


def test_a_role_that_is_refused_ends_the_check(world: World) -> None:
    """Where nobody is accepted, nothing is said of the table: neither that it is there, nor that it is not."""
    DynamoLab(world)
    document = said(world, db_type="dynamo_db", s3_bucket_name=STAGE) | {"external_id": "another-one"}

    found = Found(opened(document).check("source", tables=["users"]))

    assert found.one("session.hop").status == "failed"
    assert [check.name for check in found if check.name.startswith("dynamodb")] == []


def test_a_redshift_connection_finds_nothing_wrong(world: World, redshift: StandIn) -> None:
    """The password comes from where the document says, and shows nowhere; the probe leaves nothing."""
    lab = RedshiftLab(world, redshift)
    document = said(
        world, db_type="redshift", host="localhost", port=redshift.secure.port, database=DATABASE, user=USER,
        schema="crm", dbpassword="env:CRM_PASSWORD", ca=redshift.ca, s3_bucket_name=STAGE, s3_prefix="crm",
        s3_redshift_iam_role=CHAIN,
    )  # fmt: skip

    found = Found(opened(document).check("target", tables=["users"], probe=True))

    assert "failed" not in found.not_passed().values()
    assert found.one("redshift.copy").status == "passed"
    assert PASSWORD not in found.shown()
    assert lab.world.moto.listed(STAGE) == {}
