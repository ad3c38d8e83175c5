"""The rights that masking a DynamoDB table needs: export, import of the masked copy, its settings, and staging."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dmengine.errors import PlanError
from dmengine.spi import Side
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_keys import table_key_needs
from dmengine_connectors.access.needs_logs import import_log_needs
from dmengine_connectors.access.needs_s3 import s3_needs
from dmengine_connectors.access.places import TablePlace, covers

_READ_SETTINGS: Final = {
    "dynamodb:DescribeTimeToLive": "carry over when items expire",
    "dynamodb:ListTagsOfResource": "carry over the table's tags",
    "dynamodb:GetResourcePolicy": "carry over the table's own policy",
    "dynamodb:DescribeKinesisStreamingDestination": "name streams that an import cannot carry",
    "dynamodb:DescribeContributorInsights": "name what else an import cannot carry",
}
_WRITE_SETTINGS: Final = {
    "dynamodb:UpdateTimeToLive": "let items of the masked table expire as the originals do",
    "dynamodb:TagResource": "give the masked table its tags",
    "dynamodb:UpdateContinuousBackups": "turn point-in-time recovery on where the original has it",
    "dynamodb:PutResourcePolicy": "give the masked table its policy",
}


def dynamodb_needs(place: TablePlace, side: Side) -> tuple[Need, ...]:
    """Return the rights that a table needs: as source it is exported, as target it is imported.

    Raises:
        PlanError: a right to delete the masked table would reach the source.
    """
    if side == "target" and place.source and covers(place.arn, place.source):
        raise PlanError(
            f"the masked table {place.table} has the name of the source, in the same account and region",
            hint="name it otherwise (dynamo_append_suffix): the right to delete it must never reach the source",
        )
    found = _source(place) if side == "source" else _target(place)
    staging = () if place.staging is None else s3_needs(place.staging, "staging")
    return (*found, *staging, *_by_service(place, side), *table_key_needs(place.keys))


def source_is_kept(source: str) -> dict[str, object]:
    """Return the statement that forbids to delete the source table, whatever else is allowed.

    >>> source_is_kept("arn:aws:dynamodb:eu-west-1:222222222222:table/users")["Effect"]
    'Deny'
    """
    return {"Sid": "SourceTableIsNeverDeleted", "Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": source}


def _source(place: TablePlace) -> Iterator[Need]:
    table = place.arn
    sid = "SourceTableExport"
    yield Need("dynamodb:DescribeTable", table, "see the table's keys, indexes and settings", sid=sid)
    yield Need("dynamodb:DescribeContinuousBackups", table, "see that point-in-time recovery is on", sid=sid)
    yield Need("dynamodb:ExportTableToPointInTime", table, "export the table to staging", sid=sid)
    yield Need("dynamodb:DescribeExport", f"{table}/export/*", "wait for the export", sid="ExportProcessStatus")
    for action, reason in _READ_SETTINGS.items():
        yield Need(action, table, reason, True, "SourceTableSettings")
    for call in ("DescribeScalableTargets", "DescribeScalingPolicies"):
        reason = "carry over how the table scales; AWS knows no narrower resource"
        yield Need(f"application-autoscaling:{call}", "*", reason, True, "TableScaling")


def _target(place: TablePlace) -> Iterator[Need]:
    table = place.arn
    sid = "TargetTableImportAndCleanup"
    yield Need("dynamodb:DeleteTable", table, "replace an earlier masked table, or undo a failed one", sid=sid)
    yield Need("dynamodb:DescribeTable", table, "see whether the masked table is there, and ready", sid=sid)
    yield Need("dynamodb:ImportTable", table, "make the masked table from the masked files", sid=sid)
    yield Need("dynamodb:UpdateTable", table, "set what an import cannot: streams, class, protection", sid=sid)
    yield Need("dynamodb:DescribeImport", f"{table}/import/*", "wait for the import", sid="ImportProcessStatus")
    for action, reason in _WRITE_SETTINGS.items():
        yield Need(action, table, reason, True, "TargetTableSettings")
    scalable = place.account.arn("application-autoscaling", "scalable-target/*")
    for call in ("RegisterScalableTarget", "PutScalingPolicy"):
        reason = "let the masked table scale as the original does"
        yield Need(f"application-autoscaling:{call}", scalable, reason, True, "TargetTableScaling")
    yield from import_log_needs(place.account)


def _by_service(place: TablePlace, side: Side) -> Iterator[Need]:
    """Yield what DynamoDB does itself in staging, with the rights of whoever asked."""
    if place.staging is None or side != "source":
        return
    reason = "write the export, which DynamoDB does with these rights; AWS's guide to exports asks for it"
    yield Need("s3:PutObjectAcl", place.staging.objects, reason, True, "ExportedDataAccess")
