"""Logging in to a cluster: what it refuses by itself, and the credentials that IAM gives."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import pytest

from dmengine.errors import PlanError
from dmengine_connectors.redshift_login import IamLogin, LoginError, RedshiftLogin, open_connection
from tests.aws.conftest import moto, no_credentials_of_this_machine, world
from tests.aws.s3_lab import session_of_a
from tests.aws.session_lab import with_locals
from tests.aws.standins.calls import Answer, Call
from tests.aws.standins.world import World
from tests.redshift.standin import DATABASE, PASSWORD, USER, StandIn

__all__ = ["moto", "no_credentials_of_this_machine", "world"]


@pytest.mark.parametrize(
    "facts",
    [
        {"host": ""},
        {"host": "user:secret@host"},
        {"host": "a host"},
        {"port": 0},
        {"port": 65536},
        {"password": None},
        {"user": ""},
        {"host": "crm.example.com", "tls": "disable"},
    ],
)
def test_a_login_that_could_never_work_is_refused(facts: dict[str, Any]) -> None:
    """What is wrong by its form is told before anything is asked, and TLS is left out on this machine only."""
    with pytest.raises(PlanError):
        RedshiftLogin(**{"host": "localhost", "database": "dev", "user": "u", "password": lambda: "p", **facts})


@pytest.mark.parametrize(
    ("host", "cluster", "region"),
    [
        ("crm.abc123.eu-west-1.redshift.amazonaws.com", "crm", "eu-west-1"),
        ("wg.222222222222.us-gov-west-1.redshift-serverless.amazonaws.com", "wg", "us-gov-west-1"),
        ("crm.abc123.cn-north-1.redshift.amazonaws.com.cn", "crm", "cn-north-1"),
        ("redshift.example.com", "", ""),
    ],
)
def test_an_endpoint_tells_cluster_and_region(host: str, cluster: str, region: str) -> None:
    """Clusters and workgroups of every partition are known by their names; others tell nothing."""
    login = RedshiftLogin(host, "dev", "u", password=lambda: "p")

    assert (login.cluster, login.region) == (cluster, region)


def test_the_password_is_not_kept_nor_shown(redshift_cluster: StandIn) -> None:
    """Neither the login, nor the connection, nor an error and its frames hold it."""
    login = RedshiftLogin(
        "localhost", DATABASE, USER, redshift_cluster.secure.port, lambda: PASSWORD, ca=redshift_cluster.ca
    )
    with contextlib.closing(open_connection(login)) as connection:
        assert PASSWORD not in repr(login) + str(connection.dsn)
    wrong = RedshiftLogin(
        "localhost", DATABASE, "other", redshift_cluster.secure.port, lambda: PASSWORD, ca=redshift_cluster.ca
    )

    with pytest.raises(LoginError) as caught:
        open_connection(wrong)

    assert caught.value.trouble == "password"
    assert PASSWORD not in with_locals(caught.value)


@pytest.mark.parametrize(
    ("kind", "operation", "asked"),
    [
        ("cluster", "GetClusterCredentials", ["ClusterIdentifier", "DbUser", "DbName"]),
        ("cluster_iam", "GetClusterCredentialsWithIAM", ["ClusterIdentifier", "DbName"]),
        ("serverless", "GetCredentials", ["workgroupName", "dbName"]),
    ],
)
def test_iam_gives_the_credentials(
    world: World,
    redshift_cluster: StandIn,
    kind: Literal["cluster", "cluster_iam", "serverless"],
    operation: str,
    asked: list[str],
) -> None:
    """A cluster, a cluster by identity, and a workgroup: each by its own call, for the shortest time."""
    came: list[Call] = []

    def answer(call: Call) -> Answer | None:
        if call.operation != operation:
            return None
        came.append(call)
        if kind == "serverless":
            return Answer(200, f'{{"dbUser": "{USER}", "dbPassword": "{PASSWORD}"}}'.encode())
        inner = f"<DbUser>{USER}</DbUser><DbPassword>{PASSWORD}</DbPassword>"
        text = f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"
        return Answer(200, text.encode(), {"Content-Type": "text/xml"})

    world.accounts.answer = answer  # type: ignore[method-assign]
    login = RedshiftLogin(
        "localhost", DATABASE, USER if kind == "cluster" else "", redshift_cluster.secure.port,
        iam=IamLogin(kind, "crm"), ca=redshift_cluster.ca,
    )  # fmt: skip

    with contextlib.closing(open_connection(login, session_of_a(world))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (USER,)
    [call] = came
    body = call.body.decode()
    assert [name for name in asked if name not in body] == []
    assert "900" in body
