"""Looks whether connections to databases work: who calls, the staging bucket, the tables, the cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from dmengine.spi import Check, Side
from dmengine_connectors.access.places import ANY, Account, ClusterPlace, KmsKey, S3Place, TablePlace, partition_of
from dmengine_connectors.checks.dynamodb import dynamodb_checks
from dmengine_connectors.checks.redshift import ClusterFacts, redshift_checks
from dmengine_connectors.checks.s3 import Files, check_dangers
from dmengine_connectors.checks.staging import Staging, region_check, staging_checks
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.stores.s3_attributes import Wanted
from dmengine_connectors.stores.s3_calls import Calls, split_url

_OF_CLUSTER: Final = frozenset(f"redshift.{name}" for name in ("roles", "region", "login", "version", "unload"))

if TYPE_CHECKING:
    from dmengine_connectors.connections.databases import DatabaseConnection, DynamoDBConnection, RedshiftConnection


def look_at_tables(
    connection: DynamoDBConnection, side: Side, tables: tuple[str, ...], probe: bool | None
) -> Iterator[Check]:
    """Look at who calls, at the staging bucket, and at the tables, or the names that masked ones are to have.

    Without `probe` (None) only the tables are looked at.
    """
    session, staging = connection.session(), _staging(connection)
    region = session.region or ""
    if probe is not None:
        if not (yield from _look_at_staging(connection, session, staging, probe)):
            return
        yield region_check(session, staging, region, "dynamodb.region", "the table")
    account = _account(connection, region)
    for table in tables:
        original = TablePlace(table, account, staging.place)
        masked = TablePlace(table + connection.dynamo_append_suffix, account, staging.place, source=original.arn)
        place = original if side == "source" else masked
        yield from dynamodb_checks(session, place, side, replace=connection.dynamo_replace_tables)


def look_at_cluster(
    connection: RedshiftConnection, side: Side, tables: tuple[str, ...], probe: bool | None
) -> Iterator[Check]:
    """Look at who calls, at the staging bucket, and at the cluster: its login, its tables and its roles.

    Without `probe` (None) only the tables are looked at.
    """
    session, staging = connection.session(), _staging(connection)
    if probe is not None and not (yield from _look_at_staging(connection, session, staging, probe)):
        return
    login = connection.login()
    first = connection.cluster_roles[0]
    region = login.region or session.region or ""
    place = ClusterPlace(
        tuple(role.arn for role in connection.cluster_roles), staging.place,
        Account(first.arn.split(":")[1], region or ANY, first.account), login.cluster, login.user, login.database,
        login.iam,
    )  # fmt: skip
    facts = ClusterFacts(login, place, connection.cluster_iam_role, staging, region)
    named = tuple(table if "." in table else f"{connection.db_schema}.{table}" for table in tables)
    for check in redshift_checks(session, facts, side, tables=named, probe=probe or False):
        if probe is not None or check.name not in _OF_CLUSTER:
            yield check


def look_at_dangers(connection: DatabaseConnection) -> Iterator[Check]:
    """Look at what could be dangerous, before a run: at how the staging bucket is set up."""
    staging = _staging(connection)
    calls = Calls(connection.session(), staging.place.bucket, staging.owner)
    return check_dangers(Files(calls, staging.place.key, staging.wanted, False, None), "staging")


def _look_at_staging(
    connection: DatabaseConnection, session: SessionFactory, staging: Staging, probe: bool
) -> Generator[Check, None, bool]:
    """Look at who calls and at the bucket; return whether somebody is there to ask further."""
    reached = True
    for check in staging_checks(session, staging, probe=probe, expected_account=connection.expected_account or ""):
        reached = reached and (check.status != "failed" or not check.name.startswith("session."))
        yield check
    return reached


def _staging(connection: DatabaseConnection) -> Staging:
    bucket, prefix = split_url(connection.staging)
    account = _account(connection, connection.region or "")
    owner = connection.bucket_owner or (connection.chain[-1].account if connection.chain else "")
    place = Account(account.partition, account.region, owner or ANY)
    keys = (KmsKey.of(connection.kms_key, account),) if connection.kms_key else ()
    wanted, cleanup = Wanted(connection.encryption, connection.kms_key), connection.staging_deleted_by or ""
    return Staging(S3Place(bucket, prefix, place, keys, external=cleanup), owner, wanted, cleanup)


def _account(connection: DatabaseConnection, region: str) -> Account:
    last = connection.chain[-1] if connection.chain else None
    partition = last.arn.split(":")[1] if last else partition_of(region) if region else "aws"
    return Account(partition, region or ANY, connection.expected_account or (last.account if last else ANY))
