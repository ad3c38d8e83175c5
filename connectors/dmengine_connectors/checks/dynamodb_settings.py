"""Names what an import cannot carry over from a DynamoDB table, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import TablePlace
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.asking import Limit, together
from dmengine_connectors.checks.table_asking import Asking

Facts = Mapping[str, Any]
_ON: Final = ("ENABLED", "ENABLING", "ACTIVE", "UPDATING")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that ImportTable has no parameter for.

    Attributes:
        name: The last part of the check's name.
        what: What it is, in the middle of a sentence.
        found: Says what there is of it, of the answer that tells; nothing where it is not set.
        becomes: What will happen.
        remedy: What to do about it.
    """

    name: str
    what: str
    found: Callable[[Facts], str]
    becomes: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A setting that a call of its own tells.

    Attributes:
        service: Of which service.
        operation: The call, as boto3 names it.
        action: The same, as policies name it.
        parameters: What to ask, of the table's name and ARN.
        none: The codes of refusals that say that there is none.
        anywhere: Whether the right has no resource to narrow it by.
    """

    service: str
    operation: str
    action: str
    parameters: Callable[[str, str], dict[str, Any]]
    none: tuple[str, ...] = ()
    anywhere: bool = False


def _names(facts: Any, key: str) -> str:
    return ", ".join(sorted(str(one[key]) for one in facts))


_DESCRIBED: Final = (
    Setting(
        "lsi", "local secondary indexes", lambda t: _names(t.get("LocalSecondaryIndexes", ()), "IndexName"),
        "the masked table is made without them, and queries that name them fail",
        "mask into a table where no reader needs them; they can only be made together with a table, not afterwards",
    ),
    Setting(
        "streams", "streams", lambda t: _stream(t.get("StreamSpecification") or {}),
        "the masked table has no stream until UpdateTable turns one on; its ARN is a new one",
        "turn the stream on after the import, and point its readers at the new ARN",
    ),
    Setting(
        "class", "its table class", lambda t: _other_than("STANDARD", t.get("TableClassSummary") or {}),
        "the masked table is of the class STANDARD", "set the class after the import (UpdateTable)",
    ),
    Setting(
        "protection", "deletion protection", lambda t: "on" if t.get("DeletionProtectionEnabled") else "",
        "the masked table is not protected", "turn it on after the import (UpdateTable)",
    ),
    Setting(
        "key", "its KMS key", lambda t: str((t.get("SSEDescription") or {}).get("KMSMasterKeyArn") or ""),
        "the masked table is encrypted as the connection says, with DynamoDB's own key by default",
        "set dynamo_default_sse to use_source or account_managed; the import then needs kms:DescribeKey and "
        "kms:CreateGrant on the key",
    ),
    Setting(
        "replicas", "replicas in other regions", lambda t: _names(t.get("Replicas") or (), "RegionName"),
        "the masked table is in this region only", "add the replicas after the import (UpdateTable)",
    ),
)  # fmt: skip
_ASKED: Final = (
    (
        Setting(
            "ttl", "time to live", lambda a: _ttl(a.get("TimeToLiveDescription") or {}),
            "items of the masked table do not expire until it is set there",
            "set it after the import (UpdateTimeToLive); a masked date may let items expire at once",
        ),
        Asked("dynamodb", "describe_time_to_live", "dynamodb:DescribeTimeToLive", lambda name, _: {"TableName": name}),
    ),
    (
        Setting(
            "tags", "tags", lambda a: _names(a.get("Tags") or (), "Key"),
            "the masked table has no tags until TagResource gives it some: policies and bills that go by tags miss it",
            "tag it after the import (TagResource)",
        ),
        Asked("dynamodb", "list_tags_of_resource", "dynamodb:ListTagsOfResource", lambda _, arn: {"ResourceArn": arn}),
    ),
    (
        Setting(
            "policy", "a resource policy", lambda a: "set" if a.get("Policy") else "",
            "other accounts that it lets in cannot reach the masked table",
            "decide who may read masked data, and put a policy of its own (PutResourcePolicy)",
        ),
        Asked(
            "dynamodb", "get_resource_policy", "dynamodb:GetResourcePolicy", lambda _, arn: {"ResourceArn": arn},
            ("PolicyNotFoundException",),
        ),
    ),
    (
        Setting(
            "kinesis", "a Kinesis destination", lambda a: _kinesis(a.get("KinesisDataStreamDestinations") or ()),
            "changes of the masked table go to no stream", "enable it after the import, where readers may see masks",
        ),
        Asked(
            "dynamodb", "describe_kinesis_streaming_destination", "dynamodb:DescribeKinesisStreamingDestination",
            lambda name, _: {"TableName": name},
        ),
    ),
    (
        Setting(
            "insights", "contributor insights",
            lambda a: "on" if a.get("ContributorInsightsStatus") in _ON else "",
            "the masked table has none", "enable them after the import, if they are wanted there",
        ),
        Asked(
            "dynamodb", "describe_contributor_insights", "dynamodb:DescribeContributorInsights",
            lambda name, _: {"TableName": name},
        ),
    ),
    (
        Setting(
            "autoscaling", "automatic scaling", lambda a: _names(a.get("ScalableTargets") or (), "ScalableDimension"),
            "the masked table keeps the throughput that it is made with",
            "register the masked table after the import (RegisterScalableTarget, PutScalingPolicy)",
        ),
        Asked(
            "application-autoscaling", "describe_scalable_targets", "application-autoscaling:DescribeScalableTargets",
            lambda name, _: {"ServiceNamespace": "dynamodb", "ResourceIds": [f"table/{name}"]}, anywhere=True,
        ),
    ),
)  # fmt: skip


def setting_checks(asking: Asking, place: TablePlace, table: Facts, limit: Limit) -> Iterator[Check]:
    """Warn of each thing of a table that the masked one will be without.

    Args:
        asking: Who asks.
        place: The table.
        table: What DescribeTable says of it.
        limit: Until when all of them must be answered; they are asked at the same time.
    """
    none: list[str] = []
    for setting in _DESCRIBED:
        yield from _told(asking, setting, setting.found(table), "DescribeTable", none)
    arn = str(table["TableArn"])
    looks = {
        f"dynamodb.{setting.name}": partial(_look, asking, setting, asked, place.table, arn, none)
        for setting, asked in _ASKED
    }
    yield from together(looks, asking.subject, limit)
    if none:
        yield Check("dynamodb.settings", "passed", asking.subject, f"it has no {', no '.join(none)} to lose")


def _look(asking: Asking, setting: Setting, asked: Asked, name: str, arn: str, none: list[str]) -> Iterator[Check]:
    answer = asking.ask(asked.service, asked.operation, **asked.parameters(name, arn))
    if isinstance(answer, AwsError) and answer.code in asked.none:
        answer = {}
    if not isinstance(answer, AwsError):
        yield from _told(asking, setting, setting.found(answer), asked.action.partition(":")[2], none)
        return
    what = f"whether it has {setting.what}"
    need = Need(asked.action, "*" if asked.anywhere else arn, f"see {what}", True, "SourceTableSettings")
    yield asking.unknown(f"dynamodb.{setting.name}", what, answer, need)


def _told(asking: Asking, setting: Setting, found: str, call: str, none: list[str]) -> Iterator[Check]:
    if not found:
        none.append(setting.what.removeprefix("its ").removeprefix("a "))
        return
    told = f"it has {setting.what} ({found}), which an import cannot carry: {setting.becomes}"
    yield Check(f"dynamodb.{setting.name}", "warning", asking.subject, told, call, setting.remedy)


def _stream(facts: Facts) -> str:
    return str(facts.get("StreamViewType") or "on") if facts.get("StreamEnabled") else ""


def _other_than(usual: str, facts: Facts) -> str:
    found = str(facts.get("TableClass") or usual)
    return found if found != usual else ""


def _ttl(facts: Facts) -> str:
    return str(facts.get("AttributeName") or "on") if facts.get("TimeToLiveStatus") in _ON else ""


def _kinesis(facts: Any) -> str:
    return ", ".join(str(one["StreamArn"]) for one in facts if one.get("DestinationStatus") in _ON)
