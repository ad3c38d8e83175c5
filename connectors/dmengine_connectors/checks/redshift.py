"""Looks whether a Redshift connection works: login, rights on tables, and the cluster's roles to staging and back."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from dmengine.errors import DmengineError, PlanError
from dmengine.spi import Check, Side
from dmengine_connectors.access.needs_redshift import login_needs
from dmengine_connectors.access.places import ClusterPlace
from dmengine_connectors.access.statements import document
from dmengine_connectors.checks.asking import Limit, together
from dmengine_connectors.checks.redshift_probe import probe_checks
from dmengine_connectors.checks.redshift_sql import STATEMENT_SECONDS, SqlError, Statements
from dmengine_connectors.checks.redshift_tables import table_checks
from dmengine_connectors.checks.staging import Staging, region_check
from dmengine_connectors.redshift_login import LoginError, RedshiftLogin, open_connection
from dmengine_connectors.redshift_quoting import role_chain
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.stores.s3_calls import Calls

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  # psycopg2's class has a small name


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What is looked at.

    Attributes:
        login: The cluster, and who logs in.
        place: The cluster as policies name it, and its staging; `chain` says its roles.
        chain: The roles that the cluster assumes, as IAM_ROLE takes them.
        staging: The bucket, and who owns it.
        region: The cluster's region, where its endpoint does not tell it.
    """

    login: RedshiftLogin
    place: ClusterPlace
    chain: str
    staging: Staging
    region: str = ""

    @property
    def subject(self) -> str:
        """The cluster, as a person names it."""
        return f"{self.login.host}:{self.login.port}/{self.login.database}"


def redshift_checks(
    session: SessionFactory, facts: ClusterFacts, side: Side, *, tables: tuple[str, ...] = (), probe: bool = False
) -> Iterator[Check]:
    """Look at a cluster. The bucket itself is looked at by `staging_checks`.

    Args:
        session: Who reaches the staging bucket, and asks IAM for a login where that is wanted.
        facts: The cluster.
        side: What its tables are to be used as.
        tables: Which tables, as schema.table.
        probe: Whether a row is unloaded and loaded to prove the roles; it is removed again.
    """
    session = session.hurried()
    roles = yield from _roles(facts)
    limit = Limit()
    made: list[Connection] = []
    looks = {
        "redshift.region": partial(_region, session, facts),
        "redshift.login": partial(_login, session, facts, made),
    }
    yield from together(looks, facts.subject, limit)
    if not made:
        return
    with contextlib.closing(made[0]) as connection:
        statements = Statements(connection, limit)
        yield _version(facts, statements)
        for table in tables:
            yield from table_checks(statements, table, side)
        if roles is None:
            return
        if not probe:
            told = "whether the cluster reaches the bucket is not known: only an UNLOAD can tell"
            hint = "check with probe=True: it unloads one row that means nothing, loads it, and removes it"
            yield Check("redshift.unload", "unknown", ",".join(roles), told, "UNLOAD", hint)
            return
        calls = Calls(session, facts.place.staging.bucket, facts.staging.owner)
        yield from probe_checks(statements, calls, replace(facts.place, roles=roles))


def _roles(facts: ClusterFacts) -> Generator[Check, None, tuple[str, ...] | None]:
    """Look at how the chain of roles is written; return it, or None."""
    try:
        roles = role_chain(facts.chain)
    except PlanError as error:
        yield Check("redshift.roles", "failed", facts.subject, error.message, "IAM_ROLE", error.hint)
        return None
    steps = " -> ".join(roles)
    yield Check("redshift.roles", "passed", facts.subject, f"the cluster assumes {steps}", "IAM_ROLE")
    return roles


def _region(session: SessionFactory, facts: ClusterFacts) -> Iterator[Check]:
    """Compare the bucket's region with the cluster's: COPY of Parquet takes no REGION."""
    region = facts.login.region or facts.region
    yield region_check(session, facts.staging, region, "redshift.region", "the cluster")


def _login(session: SessionFactory, facts: ClusterFacts, made: list[Connection]) -> Iterator[Check]:
    """Log in, and hand the connection on."""
    try:
        made.append(open_connection(facts.login, session, statement_seconds=STATEMENT_SECONDS))
    except DmengineError as error:
        yield _no_login(facts, error)
        return
    who = facts.login.user or "whoever IAM says"
    tls = "without TLS" if facts.login.tls == "disable" else f"over TLS ({facts.login.tls})"
    yield Check("redshift.login", "passed", facts.subject, f"logged in as {who}, {tls}", "login")


def _no_login(facts: ClusterFacts, error: DmengineError) -> Check:
    name, call, policy = "redshift.login", "login", None
    iam = facts.login.iam
    if isinstance(error, LoginError) and error.trouble in ("iam", "denied", "cluster") and iam is not None:
        call = iam.call
        policy = document([*login_needs(replace(facts.place, iam=iam))]) if error.trouble == "denied" else None
    return Check(name, "failed", facts.subject, error.message, call, error.hint, policy)


def _version(facts: ClusterFacts, statements: Statements) -> Check:
    name = "redshift.version"
    try:
        told = str(statements.one("SELECT version()"))
    except SqlError as error:
        return Check(name, "unknown", facts.subject, f"the version is not known: {error.message}", "SQL", error.hint)
    version = told.partition("Redshift ")[2].split(" ")[0]
    if version:
        return Check(name, "passed", facts.subject, f"it is Redshift {version}", "SQL")
    hint = "name the endpoint of a Redshift cluster or workgroup"
    return Check(name, "failed", facts.subject, "it is a PostgreSQL, and not Redshift", "SQL", hint)
