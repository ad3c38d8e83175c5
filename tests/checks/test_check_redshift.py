"""The checks of Redshift: each broken set-up is named, with its cause and its remedy, and no secret is shown."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from dmengine.errors import KeyringError
from dmengine_connectors.redshift_login import IamLogin, RedshiftLogin
from tests.aws.standins.world import World
from tests.checks.looking import Found, actions
from tests.checks.redshift_lab import STAGE, RedshiftLab
from tests.redshift.standin import DATABASE, PASSWORD, USER, StandIn


@pytest.fixture
def lab(world: World, redshift: StandIn) -> RedshiftLab:
    """Return a healthy cluster."""
    return RedshiftLab(world, redshift)


def wrong_login(lab: RedshiftLab, **facts: Any) -> Found:
    """Look with another login, and see that no password is shown."""
    found = lab.check(login=replace(lab.login, **facts))
    assert "CANARY" not in found.shown()
    assert [check.name for check in found][-1] == "redshift.login"
    return found


# ---------------------------------------------------------------------------------------------- healthy


def test_a_healthy_cluster_passes_and_the_probe_leaves_nothing(lab: RedshiftLab) -> None:
    """Login, rights and the chain of roles are proven; bucket and database are as they were."""
    tables = "SELECT count(*) FROM pg_class"
    before = lab.sql(tables)

    found = lab.check("target", tables=["crm.users"], probe=True)

    assert found.not_passed() == {}
    assert {"redshift.login", "redshift.version", "redshift.unload", "redshift.staging", "redshift.copy"} <= {
        check.name for check in found
    }
    assert "1.0.436211" in found.one("redshift.version").answer
    assert lab.world.moto.listed(STAGE) == {}
    assert lab.sql(tables) == before
    assert [role.rpartition("/")[2] for role in lab.world.accounts.assumed].count("StagingRole") == 2


def test_without_a_probe_nothing_is_written_and_the_chain_is_unknown(lab: RedshiftLab) -> None:
    """Only an UNLOAD can tell whether the cluster reaches the bucket: without one it is no pass."""
    found = lab.check("source", tables=["crm.users"])

    assert found.not_passed() == {"redshift.unload": "unknown"}
    assert "probe=True" in found.one("redshift.unload").remedy
    assert lab.cluster.log == []


# ---------------------------------------------------------------------------------------------- login


@pytest.mark.parametrize(
    ("facts", "tells", "remedy"),
    [
        ({"host": "no-such-cluster.invalid"}, "name is not known", "endpoint"),
        ({"port": 1}, "nothing listens", "5439"),
        ({"host": "127.0.0.1"}, "TLS cannot be agreed on", "certificate"),
        ({"ca": ""}, "TLS cannot be agreed on", "authority"),
        ({"password": lambda: "wrong-CANARY"}, "not accepted", "never shown"),
        ({"user": "nobody-of-that-name"}, "not accepted", "user"),
        ({"database": "no_such_database"}, "database does not exist", "pg_database"),
    ],
    ids=["host", "port", "name in the certificate", "authority", "password", "user", "database"],
)
def test_a_login_that_fails_says_at_what(lab: RedshiftLab, facts: dict[str, Any], tells: str, remedy: str) -> None:
    """Each thing that a login can fail at has its own words, and none of them is the server's."""
    check = wrong_login(lab, **facts).one("redshift.login")

    assert (check.status, check.call) == ("failed", "login")
    assert tells in check.answer
    assert remedy in check.remedy


def test_a_server_without_tls_is_refused(lab: RedshiftLab) -> None:
    """No password goes over a line that anyone can read."""
    check = wrong_login(lab, port=lab.standin.plain.port).one("redshift.login")

    assert check.status == "failed"
    assert "TLS" in check.answer


def test_a_cluster_that_does_not_answer_fails_within_ten_seconds(lab: RedshiftLab) -> None:
    """A security group that swallows packets, or a paused cluster, makes nobody wait."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check = wrong_login(lab, port=silent.getsockname()[1]).one("redshift.login")

    assert check.status == "failed"
    assert "does not answer" in check.answer
    assert "security group" in check.remedy


def test_a_password_that_is_not_where_it_should_be_is_told(lab: RedshiftLab) -> None:
    """The reference is at fault, not the cluster."""

    def missing() -> str:
        raise KeyringError("the environment has no CRM_PASSWORD", hint="set it")

    check = wrong_login(lab, password=missing).one("redshift.login")

    assert check.status == "failed"
    assert "CRM_PASSWORD" in check.answer


def test_credentials_that_iam_denies_come_with_the_statement(lab: RedshiftLab) -> None:
    """Where IAM is to give the password and does not, the remedy is the statement on this cluster and user."""
    lab.world.accounts.rights = {"AssumeRole", "GetCallerIdentity", "HeadBucket"}
    login = RedshiftLogin("localhost", DATABASE, USER, lab.standin.secure.port, iam=IamLogin("cluster", "crm"))

    check = lab.check(login=login).one("redshift.login")

    assert (check.status, check.call) == ("failed", "GetClusterCredentials")
    assert actions(check) == {"redshift:GetClusterCredentials"}
    assert "dbuser:crm/masker" in str(check.policy)


def test_a_cluster_that_iam_does_not_know_is_told_as_that(lab: RedshiftLab) -> None:
    """A wrong name, region or account is no missing right: no statement would cure it, and none is offered."""
    login = RedshiftLogin("localhost", DATABASE, USER, lab.standin.secure.port, iam=IamLogin("cluster", "crn"))

    check = lab.check(login=login).one("redshift.login")

    assert (check.status, check.policy) == ("failed", None)
    assert "ClusterNotFound" in check.answer
    assert "iam_login" in check.remedy
    assert "region" in check.remedy


def test_a_postgresql_that_is_not_redshift_is_told(lab: RedshiftLab) -> None:
    """Another database of the same protocol is found out before anything is asked of it."""
    lab.sql("CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql AS $$SELECT 'PostgreSQL 15.1'$$")

    check = lab.check().one("redshift.version")

    assert check.status == "failed"
    assert "not Redshift" in check.answer
    assert "endpoint" in check.remedy


# ---------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("statements", "table", "tells", "remedy"),
    [
        ([], "crm.user", "no such table", "name"),
        ([], "sales.users", "no schema sales", "schema"),
        ([], "crm.Users", "lower case", "lower case"),
        ([], "a.b.c", "not named as schema.table", "quote"),
        (["CREATE VIEW crm.shown AS SELECT 1 AS n"], "crm.shown", "it is a view", "made of"),
        (["CREATE MATERIALIZED VIEW crm.kept AS SELECT 1 AS n"], "crm.kept", "a materialized view", "made of"),
        (["INSERT INTO rs.external_schemas VALUES ('lake', 1, 'glue')"], "lake.users", "is external", "S3"),
        (["INSERT INTO rs.external_schemas VALUES ('shared', 4, 'other')"], "shared.users", "datashare", "cluster"),
    ],
    ids=["name", "schema", "case", "three names", "view", "materialized view", "external", "datashare"],
)
def test_what_is_no_table_of_the_database_fails(
    lab: RedshiftLab, statements: list[str], table: str, tells: str, remedy: str
) -> None:
    """Views, external tables, datashares and wrong names are told apart, with where to mask instead."""
    lab.sql(*statements)

    check = lab.check(tables=[table]).one("redshift.table")

    assert check.status == "failed"
    assert tells in check.answer
    assert remedy in check.remedy


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "DELETE"])
def test_a_right_that_is_missing_comes_with_its_grant(lab: RedshiftLab, right: str) -> None:
    """The remedy is the statement that the owner runs."""
    others = ", ".join({"SELECT", "INSERT", "DELETE"} - {right})
    lab.sql("CREATE TABLE crm.orders (id int)", "ALTER TABLE crm.orders OWNER TO owner")
    lab.sql(f"GRANT {others} ON crm.orders TO {USER}")

    found = lab.check("target", tables=["crm.orders"])

    check = found.one(f"redshift.{right.lower()}")
    assert check.status == "failed"
    assert check.remedy == f'GRANT {right} ON "crm"."orders" TO "{USER}"'
    assert found.one("redshift.owner").status == "warning"
    assert "TRUNCATE" in found.one("redshift.owner").answer


def test_a_schema_that_may_not_be_used_comes_with_its_grant(lab: RedshiftLab) -> None:
    """USAGE is asked first: without it no right on the table counts."""
    lab.sql(f"REVOKE USAGE ON SCHEMA crm FROM {USER}")

    check = lab.check(tables=["crm.users"]).one("redshift.usage")

    assert check.status == "failed"
    assert check.remedy == f'GRANT USAGE ON SCHEMA "crm" TO "{USER}"'


def test_types_that_parquet_does_not_carry_are_all_named(lab: RedshiftLab) -> None:
    """Every such column is told at once, before anything is unloaded."""
    lab.sql(
        "CREATE TABLE crm.odd (id int, at time, sketch hllsketch, place geometry, raw varbyte)",
        "ALTER TABLE crm.odd ADD COLUMN seen timestamptz, ADD COLUMN s super",
        f"ALTER TABLE crm.odd OWNER TO {USER}",
    )

    found = lab.check(tables=["crm.odd"])

    check = found.one("redshift.columns")
    assert check.status == "failed"
    assert [name for name in ("id", "at", "sketch", "place", "raw", "seen", "s") if f"{name} (" in check.answer] == [
        "at", "sketch", "place", "raw",
    ]  # fmt: skip
    assert found.one("redshift.zones").status == "warning"
    assert "seen" in found.one("redshift.zones").answer
    assert found.one("redshift.super").status == "warning"


@pytest.mark.parametrize(("owned", "status"), [(True, "warning"), (False, "failed")])
def test_identity_columns_are_told(lab: RedshiftLab, owned: bool, status: str) -> None:
    """Only the owner can load the numbers of an IDENTITY column."""
    lab.sql(
        "CREATE TABLE crm.numbered (id bigint GENERATED ALWAYS AS IDENTITY, name text)",
        f"ALTER TABLE crm.numbered OWNER TO {USER if owned else 'owner'}",
        f"GRANT SELECT, INSERT, DELETE ON crm.numbered TO {USER}",
    )

    check = lab.check("target", tables=["crm.numbered"]).one("redshift.identity")

    assert check.status == status
    assert "id" in check.answer
    assert check.remedy


def test_the_stand_in_accepts_the_password(lab: RedshiftLab) -> None:
    """The password of these tests is one that would be found if it were shown."""
    assert "CANARY" in PASSWORD
    assert lab.check().one("redshift.login").status == "passed"
