"""Looks whether a DynamoDB table can be exported, and whether the masked one can be imported under its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from dmengine.spi import Check, Side
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import TablePlace
from dmengine_connectors.access.statements import document
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.asking import Limit, together
from dmengine_connectors.checks.dynamodb_settings import setting_checks
from dmengine_connectors.checks.table_asking import Asking
from dmengine_connectors.session import SessionFactory

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}", re.ASCII)
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html, "Import from S3"
_LARGE_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
_TERABYTE: Final = 10**12
_STATUS: Final[Mapping[str, tuple[str, str]]] = {
    "UPDATING": ("warning", "it is being changed; an export may have to wait until that is done"),
    "CREATING": ("failed", "it is not made yet: wait until it is ACTIVE"),
    "DELETING": ("failed", "it is being deleted"),
    "ARCHIVED": ("failed", "it was archived: restore it from its backup first"),
    "ARCHIVING": ("failed", "it is being archived: restore it from its backup first"),
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS": (
        "failed",
        "its KMS key cannot be used: enable the key, or give DynamoDB's grants back, before the table is archived",
    ),
}


def dynamodb_checks(session: SessionFactory, place: TablePlace, side: Side, *, replace: bool = True) -> Iterator[Check]:
    """Look at a table, as the source that is exported or as the target that is made.

    Args:
        session: Who asks.
        place: The table; a target says its source, so that its name is compared.
        side: What it is to be used as.
        replace: Whether a masked table of that name may be replaced.
    """
    region = place.account.region if place.account.region != "*" else ""
    asking = Asking(session.hurried(), f"table {place.table}", region)
    if side == "target":
        yield from together({"dynamodb.free": partial(_target, asking, place, replace)}, asking.subject, Limit())
    else:
        yield from _source(asking, place)


def _source(asking: Asking, place: TablePlace) -> Iterator[Check]:
    found: list[Mapping[str, Any]] = []
    limit = Limit()
    looks = {"dynamodb.table": partial(_table, asking, place, found), "dynamodb.pitr": partial(_pitr, asking, place)}
    checks = together(looks, asking.subject, limit)
    missing = checks[0].status == "failed" and not found
    yield from checks[:1] if missing else checks
    if not found:
        return
    yield _keys(asking, found[0])
    yield _size(asking, found[0])
    yield from setting_checks(asking, place, found[0], limit)


def _table(asking: Asking, place: TablePlace, found: list[Mapping[str, Any]]) -> Iterator[Check]:
    call, need = "DescribeTable", Need("dynamodb:DescribeTable", place.arn, "see the table's keys and settings",
                                       sid="SourceTableExport")  # fmt: skip
    answer = asking.ask("dynamodb", "describe_table", TableName=place.table)
    if isinstance(answer, AwsError) and answer.kind == "missing":
        where = f"in {place.account.region} of account {place.account.number}".replace("*", "any")
        told = f"there is no table {place.table} {where}"
        hint = "check the table's name, the region, and that the last role is of the table's account"
        yield Check("dynamodb.table", "failed", asking.subject, told, call, hint)
        return
    if isinstance(answer, AwsError):
        yield asking.unknown("dynamodb.table", "whether the table is there", answer, need)
        return
    table: Mapping[str, Any] = answer["Table"]
    yield Check("dynamodb.table", "passed", asking.subject, f"the table is there: {table['TableArn']}", call)
    yield _status(asking, table)
    found.append(table)


def _status(asking: Asking, table: Mapping[str, Any]) -> Check:
    name, call, status = "dynamodb.status", "DescribeTable", str(table["TableStatus"])
    if status == "ACTIVE":
        return Check(name, "passed", asking.subject, "it is ACTIVE", call)
    kind, told = _STATUS.get(status, ("warning", "that is a state that this version does not know"))
    remedy = told.partition(": ")[2] or "wait, and check again"
    return Check(
        name, "failed" if kind == "failed" else "warning", asking.subject, f"it is {status}: {told}", call, remedy
    )


def _pitr(asking: Asking, place: TablePlace) -> Iterator[Check]:
    name, call = "dynamodb.pitr", "DescribeContinuousBackups"
    answer = asking.ask("dynamodb", "describe_continuous_backups", TableName=place.table)
    if isinstance(answer, AwsError):
        need = Need(f"dynamodb:{call}", place.arn, "see that point-in-time recovery is on", sid="SourceTableExport")
        yield asking.unknown(name, "whether point-in-time recovery is on", answer, need)
        return
    pitr = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if pitr.get("PointInTimeRecoveryStatus") == "ENABLED":
        yield Check(name, "passed", asking.subject, "point-in-time recovery is on, so it can be exported", call)
        return
    turn_on = Need(
        "dynamodb:UpdateContinuousBackups", place.arn, "turn point-in-time recovery on", sid="SourceTableRecovery"
    )
    command = (
        f"aws dynamodb update-continuous-backups --table-name {place.table} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )
    yield Check(
        name, "failed", asking.subject, "point-in-time recovery is off, and DynamoDB exports no table without it", call,
        f"turn it on: {command}", document([turn_on]),
    )  # fmt: skip


def _keys(asking: Asking, table: Mapping[str, Any]) -> Check:
    types = {one["AttributeName"]: one["AttributeType"] for one in table.get("AttributeDefinitions", ())}
    keys = _schema(table["KeySchema"], types)
    indexes = [f"{one['IndexName']} ({_schema(one['KeySchema'], types)})" for one in
               table.get("GlobalSecondaryIndexes", ())]  # fmt: skip
    told = f"its key is {keys}" + (f"; global indexes: {', '.join(indexes)}" if indexes else "")
    remedy = "mask attributes of the key only so that different values stay different: equal keys become one item"
    return Check("dynamodb.keys", "passed", asking.subject, told, "DescribeTable", remedy)


def _schema(keys: Any, types: Mapping[str, str]) -> str:
    return " + ".join(f"{one['AttributeName']} {types.get(one['AttributeName'], '?')}" for one in keys)


def _size(asking: Asking, table: Mapping[str, Any]) -> Check:
    size, count = int(table.get("TableSizeBytes", 0)), int(table.get("ItemCount", 0))
    region = str(table["TableArn"]).split(":")[3]
    most = 15 * _TERABYTE if region in _LARGE_REGIONS else _TERABYTE
    told = f"{count:,} items, {size:,} bytes, as counted in the last six hours"
    if size <= most:
        return Check("dynamodb.size", "passed", asking.subject, told, "DescribeTable")
    told += f"; all imports that run at a time may read {most // _TERABYTE} TB in {region}"
    remedy = "ask for a higher quota of imports, or run when nothing else is imported"
    return Check("dynamodb.size", "warning", asking.subject, told, "DescribeTable", remedy)


def _target(asking: Asking, place: TablePlace, replace: bool) -> Iterator[Check]:
    name, source = place.table, place.source.rpartition("/")[2]
    if not _NAME.fullmatch(name):
        hint = "names have 3 to 255 letters, digits or _.- ; shorten dynamo_append_suffix"
        yield Check("dynamodb.name", "failed", asking.subject, "DynamoDB has no such names of tables", "", hint)
        return
    if place.source == place.arn:
        hint = "name the masked table otherwise: dynamo_append_suffix"
        yield Check(
            "dynamodb.name", "failed", asking.subject, "it is the source itself, which is never replaced", "", hint
        )
        return
    if source and not name.startswith(source):
        told = f"its name does not begin with {source}, as DataMasque's policy has it (table/{source}*)"
        grant = Need("dynamodb:ImportTable", place.arn, "make the masked table", sid="TargetTableImportAndCleanup")
        hint = "begin it with the source's name, or have the policies name this table (dmengine policy)"
        yield Check("dynamodb.name", "warning", asking.subject, told, "", hint, document([grant]))
    else:
        yield Check("dynamodb.name", "passed", asking.subject, "its name can be used, and is not the source's")
    yield from _free(asking, place, replace)


def _free(asking: Asking, place: TablePlace, replace: bool) -> Iterator[Check]:
    name, call = "dynamodb.free", "DescribeTable"
    answer = asking.ask("dynamodb", "describe_table", TableName=place.table)
    if isinstance(answer, AwsError):
        if answer.kind == "missing":
            yield Check(name, "passed", asking.subject, "no table has this name", call)
            return
        need = Need("dynamodb:DescribeTable", place.arn, "see whether the masked table is there",
                    sid="TargetTableImportAndCleanup")  # fmt: skip
        yield asking.unknown(name, "whether the name is free", answer, need)
        return
    table = answer["Table"]
    if not replace:
        hint = "remove the table, take another suffix, or set dynamo_replace_tables"
        yield Check(name, "failed", asking.subject, "a table has this name, and may not be replaced", call, hint)
    elif table.get("DeletionProtectionEnabled"):
        hint = "turn its deletion protection off, or take another suffix"
        yield Check(name, "failed", asking.subject, "a table has this name, and is protected from deletion", call, hint)
    elif table["TableStatus"] != "ACTIVE":
        told = f"a table has this name and is {table['TableStatus']}: only an ACTIVE one can be replaced"
        yield Check(name, "failed", asking.subject, told, call, "wait until it is ACTIVE or gone, and check again")
    else:
        told = "a table has this name; it will be deleted, with all that belongs to it, and made anew"
        yield Check(name, "warning", asking.subject, told, call, "take another suffix, if it is to be kept")
