"""The rights on CloudWatch Logs: the event log of a run, and what DynamoDB writes there about an import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import Account

SID: Final = "AllowEventLogging"
IMPORTS: Final = "/aws-dynamodb/imports"
"""Where DynamoDB names the items that an import has refused."""


def event_log_needs(group: str, account: Account) -> tuple[Need, ...]:
    """Return the rights that the events of a run need to get into a log group.

    >>> event_log_needs("/dmengine/runs", Account("aws", "eu-west-1", "111111111111"))[0].resource
    'arn:aws:logs:eu-west-1:111111111111:log-group:/dmengine/runs:*'
    """
    arn = account.arn("logs", f"log-group:{group}:*")
    return (
        Need("logs:CreateLogGroup", arn, "make the log group of run events where there is none", True, SID),
        Need("logs:CreateLogStream", arn, "begin a stream for each run", True, SID),
        Need("logs:PutLogEvents", arn, "write the run's events", True, SID),
    )


def import_log_needs(account: Account) -> Iterator[Need]:
    """Yield what an import writes and reads: DynamoDB logs refused items with the rights of whoever asked."""
    arn = account.arn("logs", f"log-group:{IMPORTS}:*")
    service = "log what an import refuses, which DynamoDB does with these rights, and begins none without"
    for action in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        yield Need(f"logs:{action}", arn, service, sid=SID)
    yield Need(
        "logs:PutRetentionPolicy", arn, "keep that log for a while; AWS's guide to imports asks for it", True, SID
    )
    yield Need("logs:GetLogEvents", arn, "name the items that an import has refused", True, SID)
    groups = account.arn("logs", "log-group:*")
    yield Need(
        "logs:DescribeLogGroups",
        groups,
        "find the log of imports among all groups, which AWS does before it begins one",
        sid="AllowEventLoggingList",
    )
