"""Which rights a source or a target takes, and through which roles: from a connector, or from a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dmengine.errors import PlanError
from dmengine.spi import Side
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_dynamodb import dynamodb_needs
from dmengine_connectors.access.needs_keys import secret_needs
from dmengine_connectors.access.needs_logs import event_log_needs
from dmengine_connectors.access.needs_redshift import cluster_needs, database_user_arn, redshift_needs
from dmengine_connectors.access.needs_s3 import journal_needs, s3_needs
from dmengine_connectors.access.places import ANY, Account, ClusterPlace, KmsKey, S3Place, TablePlace, partition_of
from dmengine_connectors.connections.connection import Connection
from dmengine_connectors.connections.databases import DatabaseConnection, DynamoDBConnection, RedshiftConnection
from dmengine_connectors.connections.s3 import S3Connection
from dmengine_connectors.eventlog import CloudWatchLog
from dmengine_connectors.files import LocalFiles, S3Files
from dmengine_connectors.session_roles import Role
from dmengine_connectors.stores.s3_calls import split_url
from dmengine_connectors.stores.s3_journal import S3Store

Place = S3Files | LocalFiles | Connection

SERVICE: Final = "redshift.amazonaws.com"
SERVERLESS: Final = "redshift-serverless.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Use:
    """What one identity needs of one place.

    Attributes:
        chain: The roles that are assumed on the way; without any it is the principal itself.
        needs: The rights of the last of them.
        buckets: The buckets of the place.
        keys: The KMS keys of the place.
        kept: The table that must never be deleted.
        services: Who assume the first role, where it is services of AWS and not the principal.
        external_id: What they say when they do.
    """

    chain: tuple[Role, ...]
    needs: tuple[Need, ...]
    buckets: tuple[S3Place, ...] = ()
    keys: tuple[KmsKey, ...] = ()
    kept: str = ""
    services: tuple[str, ...] = ()
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is said beside the places.

    Attributes:
        home: The account in which dmengine itself runs, as far as its ARN says.
        tables: The tables to mask.
        keys: The KMS keys of the source's objects or tables.
        journal: Where the journal lies, if not beside the target: a URL, a folder, or a store.
    """

    home: Account = field(default_factory=Account)
    tables: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    journal: object = None


def uses(source: Place | None, target: Place | None, wanted: Wanted) -> list[Use]:
    """Return all that a run from one place to another one needs of AWS.

    Raises:
        PlanError: a connection needs tables to be named, or cannot be used for that side.
    """
    found: list[Use] = []
    for place, side in ((source, "source"), (target, "target")):
        if isinstance(place, S3Connection):
            place = place.files(side=side)  # type: ignore[arg-type]  # it is one of the two
        if isinstance(place, S3Files):
            in_place = (
                isinstance(source, S3Files) and isinstance(target, S3Files) and source.location == target.location
            )
            found.append(_files(place, "source" if side == "source" else "target", wanted, in_place))
        elif isinstance(place, DynamoDBConnection):
            found += _tables(
                place, source if isinstance(source, DynamoDBConnection) else place, side == "source", wanted
            )
        elif isinstance(place, RedshiftConnection):
            found += _cluster(place, wanted)
    if (journal := _journal(target, wanted)) is not None:
        found.append(journal)
    return found


def log_use(log: str | CloudWatchLog, here: Account, wanted: Wanted) -> Use:
    """Return what an event log needs.

    Args:
        log: The log, or its group.
        here: Where it is, as far as its own session does not say so.
        wanted: What is said beside the places.
    """
    if isinstance(log, str):
        return Use((), event_log_needs(log, here))
    session = log.session
    if session is None or not (session.roles or session.region):
        return Use((), event_log_needs(log.group, here))
    return Use(session.roles, event_log_needs(log.group, account_at(session.roles, session.region, wanted)))


def account_at(chain: Sequence[Role], region: str | None, wanted: Wanted, number: str | None = None) -> Account:
    """Return where a chain leads; what nobody says is `*`."""
    last = chain[-1].arn.split(":") if chain else []
    partition = last[1] if last else partition_of(region) if region else wanted.home.partition
    own = number or (last[4] if last else wanted.home.number)
    return Account(partition, region or ANY, own)


def _files(place: S3Files, side: Side, wanted: Wanted, in_place: bool) -> Use:
    bucket, key = split_url(place.url)
    chain = place.session.roles if place.session is not None else ()
    region = place.session.region if place.session is not None else None
    account = account_at(chain, region, wanted, place.expected_owner)
    named = wanted.keys if side == "source" else (place.kms_key,) if place.kms_key else ()
    if in_place:
        named = (*named, *wanted.keys)  # an object stays encrypted as it was
    keys = _keys(named, account)
    owner = account if place.expected_owner or chain else replace(account, number=ANY)
    delete_old, within = place.old_versions == "delete", _is_within(owner, chain, wanted)
    where = S3Place(bucket, key, owner, keys, place.tags == "keep", delete_old, within)
    needs = s3_needs(where, side, in_place=in_place, journal=wanted.journal is None)
    return Use(tuple(chain), needs, (where,), keys)


def _journal(target: Place | None, wanted: Wanted) -> Use | None:
    """Return what a journal needs that lies in a bucket of its own choice."""
    store = wanted.journal
    if isinstance(store, str) and "://" in store:
        session = target.session if isinstance(target, S3Files) else None
        store = S3Store(store, session, target.expected_owner if isinstance(target, S3Files) else None)
    if not isinstance(store, S3Store):
        return None
    bucket, key = split_url(store.location)
    chain = store.session.roles if store.session is not None else ()
    account = account_at(
        chain, store.session.region if store.session is not None else None, wanted, store.expected_owner
    )
    owner = account if store.expected_owner or chain else replace(account, number=ANY)
    where = S3Place(bucket, key, owner)
    return Use(tuple(chain), journal_needs(where), (where,))


def _staging(place: DatabaseConnection, url: str, wanted: Wanted) -> S3Place:
    bucket, key = split_url(url)
    account = account_at(place.chain, place.region, wanted, place.bucket_owner)
    owner = account if place.bucket_owner or place.chain else replace(account, number=ANY)
    keys = _keys((place.kms_key,) if place.kms_key else (), account)
    within = _is_within(owner, place.chain, wanted)
    return S3Place(bucket, key, owner, keys, within=within, external=place.staging_deleted_by or "")


def _is_within(owner: Account, chain: Sequence[Role], wanted: Wanted) -> bool:
    """Say whether who calls is of the account that owns a bucket; where that is not known, it is taken to be."""
    return ANY in (owner.number, wanted.home.number) or owner.number == (
        chain[-1].account if chain else wanted.home.number
    )


def _tables(place: DynamoDBConnection, source: DynamoDBConnection, is_source: bool, wanted: Wanted) -> list[Use]:
    if not wanted.tables:
        raise PlanError(
            f"the connection {place.name} names no table", hint='say which: tables=["users"], or --table users'
        )
    account = account_at(place.chain, place.region or place.dynamo_default_region, wanted, place.expected_account)
    region = source.region or source.dynamo_default_region
    theirs = account_at(source.chain, region, wanted, source.expected_account)
    staging = _staging(place, place.staging, wanted)
    own = place.dynamo_default_sse.kms_key_id
    found = []
    for name in wanted.tables:
        original = TablePlace(name, theirs)
        if is_source:
            keys = _keys(wanted.keys, account)
            table = TablePlace(name, account, staging, keys)
        else:
            keys = _keys((own,) if own else (), account)
            table = TablePlace(_masked(place, name), account, staging, keys, original.arn)
        needs = dynamodb_needs(table, "source" if is_source else "target")
        kept = "" if is_source or not _same_account(account, theirs) else original.arn
        found.append(Use(place.chain, needs, (staging,), (*staging.keys, *keys), kept))
    return found


def _masked(place: DynamoDBConnection, table: str) -> str:
    """Return the name of the masked table; with a time in it, of all that it can be."""
    return f"{table}{'*' if place.dynamo_append_datetime else ''}{place.dynamo_append_suffix}"


def _same_account(one: Account, other: Account) -> bool:
    return ANY in (one.number, other.number) or one.number == other.number


def _cluster(place: RedshiftConnection, wanted: Wanted) -> list[Use]:
    login, first = place.login(), place.cluster_roles[0]
    region = login.region or place.region or ANY
    account = Account(first.arn.split(":")[1], region, first.account)
    staging = _staging(place, place.staging, wanted)
    roles = tuple(role.arn for role in place.cluster_roles)
    cluster = ClusterPlace(roles, staging, account, login.cluster, login.user, login.database, login.iam)
    here = replace(wanted.home, region=place.region or region)
    services = (SERVERLESS, SERVICE) if login.serverless else (SERVICE,)
    return [
        Use((), secret_needs(place.dbpassword or "", here)),
        Use(place.chain, redshift_needs(cluster), (staging,), staging.keys),
        Use(
            place.cluster_roles, cluster_needs(cluster), (staging,), staging.keys,
            services=services, external_id="" if login.serverless else database_user_arn(cluster),
        ),
    ]  # fmt: skip


def _keys(names: Sequence[str], account: Account) -> tuple[KmsKey, ...]:
    return tuple(KmsKey.of(name, account) for name in names)
