"""A table of account B with its staging bucket, and what moto does not know of DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3

from dmengine_connectors.access.places import Account, S3Place, TablePlace
from dmengine_connectors.checks.staging import Staging
from dmengine_connectors.session import SessionFactory
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B
from tests.aws.standins.calls import _BUCKET, _OBJECT, Answer, Call
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, World

TABLE, STAGE = "users", "stage-of-b"
ARN: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_B}:table/{TABLE}"
B: Final = Account("aws", REGION, ACCOUNT_B)
STAGING: Final = Staging(S3Place(STAGE, "masking/", B), ACCOUNT_B)
PLACE: Final = TablePlace(TABLE, B, STAGING.place)
Patch = Callable[[dict[str, Any]], object]
_UNKNOWN_TO_MOTO: Final[Mapping[str, Mapping[str, Any]]] = {
    "DescribeKinesisStreamingDestination": {"TableName": TABLE, "KinesisDataStreamDestinations": []},
    "DescribeContributorInsights": {"TableName": TABLE, "ContributorInsightsStatus": "DISABLED"},
}


ALL_RIGHTS = {
    "AssumeRole", "GetCallerIdentity", "DescribeTable", "DescribeContinuousBackups", "DescribeTimeToLive",
    "ListTagsOfResource", "GetResourcePolicy", "DescribeKinesisStreamingDestination", "DescribeContributorInsights",
    "DescribeScalableTargets",
}  # fmt: skip


class DynamoLab:
    """The world with a healthy table in B; each test spoils one thing.

    Attributes:
        said: What is answered in place of moto: the operation -> the answer, or the code of a refusal.
        described: Changes the table as DescribeTable tells it.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.truth = owner(world, "dynamodb")
        world.make_bucket(ACCOUNT_B, STAGE)
        self.truth.create_table(
            TableName=TABLE, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
        )  # fmt: skip
        self.truth.update_continuous_backups(
            TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        self.said: dict[str, Mapping[str, Any] | str] = dict(_UNKNOWN_TO_MOTO)
        self._answer = world.accounts.answer
        world.accounts.answer = self._instead  # type: ignore[method-assign]

    @property
    def b(self) -> SessionFactory:
        """The session of B's role."""
        return session_of_a(self.world).assume(ROLE_B, external_id=EXTERNAL_ID)

    def say(self, **facts: Any) -> None:
        """Let DescribeTable tell more than moto keeps."""
        table = self.truth.describe_table(TableName=TABLE)["Table"]
        self.said["DescribeTable"] = {"Table": {**table, **facts}}

    def _instead(self, call: Call) -> Answer | None:
        said = self.said.get(call.operation)
        if said is None:
            return self._answer(call)
        status, body = (400, {"__type": said}) if isinstance(said, str) else (200, dict(said))
        text = json.dumps(body, default=lambda moment: moment.timestamp()).encode()
        return Answer(status, text, {"Content-Type": "application/x-amz-json-1.0"})


def owner(world: World, service: str, region: str = REGION) -> Any:
    """Return a client of moto itself with the rights of B's owner."""
    sts = boto3.client("sts", endpoint_url=world.moto.url, region_name=REGION, **BASE)  # type: ignore[call-overload]
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT_B}:role/Owner", RoleSessionName="owner")["Credentials"]
    keys = dict(zip(BASE, (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]), strict=True))
    return boto3.client(service, endpoint_url=world.moto.url, region_name=region, **keys)  # type: ignore[call-overload]


class RightsBut(set[str]):
    """Every right but some, as the accounts' stand-in takes rights away from what a call needs."""

    def __init__(self, *missing: str) -> None:
        known = {name for table in (*_BUCKET.values(), *_OBJECT.values()) for name in table.values()}
        super().__init__((known | ALL_RIGHTS | {"HeadBucket", "CreateMultipartUpload"}) - set(missing))
