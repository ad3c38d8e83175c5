"""Who logs in to Redshift, and with what: a password, or what IAM gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from dmengine.problems import Problem
from dmengine_connectors.redshift_login import IamLogin, endpoint_of

if TYPE_CHECKING:
    from dmengine_connectors.connections.databases import RedshiftConnection

Kind = Literal["cluster", "cluster_iam", "serverless"]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda names: tuple(names) if isinstance(names, list) else names)]


class LoginByIam(BaseModel):
    """How AWS gives the password of a login, for a quarter of an hour.

    Args:
        kind: "cluster" for the connection's `user` (GetClusterCredentials), "cluster_iam" for the user that stands for
            whoever calls (GetClusterCredentialsWithIAM), "serverless" for a workgroup (GetCredentials).
        name: The cluster's identifier or the workgroup's name; left out: what the host begins with.
        auto_create: Whether a user that is not there is made; of "cluster".
        groups: The groups that the user joins for the session; of "cluster".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Kind
    name: str | None = Field(default=None, min_length=1)
    auto_create: bool = False
    groups: Names = ()

    @model_validator(mode="after")
    def _of_a_user(self) -> LoginByIam:
        if self.kind != "cluster" and (self.auto_create or self.groups):
            raise ValueError("auto_create and groups go with kind: cluster alone; take them out")
        return self

    def login(self, host: str) -> IamLogin:
        """Return the same for a cluster or workgroup with this endpoint."""
        return IamLogin(self.kind, self.name or endpoint_of(host).name, self.auto_create, self.groups)


def _as_login(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _login_as_written(login: LoginByIam) -> str | dict[str, object]:
    said = login.model_dump(mode="json", exclude_defaults=True)
    return login.kind if said.keys() == {"kind"} else said


WrittenLogin = Annotated[
    LoginByIam, BeforeValidator(_as_login, json_schema_input_type=Kind | LoginByIam), PlainSerializer(_login_as_written)
]
"""A kind alone, or a mapping."""


def login_problems(connection: RedshiftConnection) -> Iterator[Problem]:
    """Say what is wrong with who logs in, and with what."""
    by = connection.iam_login
    if by is None and connection.dbpassword is None:
        hint = "say where it is (env:NAME, file:/path, ...), or let IAM give one (iam_login: cluster)"
        yield Problem((), "dbpassword is missing", hint)
    elif by is not None and connection.dbpassword is not None:
        yield Problem(("dbpassword",), "iam_login gives the password", "leave out one of them")
    if not connection.user and (by is None or by.kind == "cluster"):
        yield Problem((), "user is missing", "name the database user to log in as")
    elif connection.user and by is not None and by.kind != "cluster":
        yield Problem(("user",), f"with iam_login: {by.kind} the user is whoever calls AWS", "leave user out")
    if by is not None:
        yield from _iam_problems(connection, by)


def _iam_problems(connection: RedshiftConnection, by: LoginByIam) -> Iterator[Problem]:
    there = endpoint_of(connection.host)
    what = "workgroup" if (there.serverless if there.name else by.kind == "serverless") else "cluster"
    if there.name and there.serverless != (by.kind == "serverless"):
        right = "serverless" if there.serverless else "cluster, or cluster_iam"
        yield Problem(("iam_login",), f"the host is that of a {what}", f"write iam_login: {right}")
    elif not there.name and by.name is None:
        hint = f"write iam_login: {{kind: {by.kind}, name: <its name>}}"
        yield Problem(("iam_login",), f"the host does not tell which {what} it is", hint)
    if connection.chain and connection.cluster_iam_role:
        home = connection.cluster_roles[0].account
        if connection.chain[-1].account != home:
            wrong = "IAM gives passwords within the cluster's account alone, and the last role is of another"
            yield Problem(("iam_login",), wrong, f"end the roles in account {home}, or use dbpassword")
