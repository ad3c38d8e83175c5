"""The checks of DynamoDB: each broken set-up is named, with its cause and its remedy, within seconds."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any

import boto3
import pytest

from dmengine_connectors.checks.dynamodb import dynamodb_checks
from dmengine_connectors.checks.staging import Staging, region_check, staging_checks
from dmengine_connectors.session import SessionFactory
from tests.aws.standins.accounts import ACCOUNT_B
from tests.aws.standins.world import BASE, REGION, World
from tests.checks.dynamodb_lab import ALL_RIGHTS, ARN, PLACE, STAGE, STAGING, TABLE, B, DynamoLab, RightsBut, owner
from tests.checks.looking import Found, actions

MASKED = replace(PLACE, table="users-MASKED", source=ARN)


@pytest.fixture
def lab(world: World) -> DynamoLab:
    """Return a healthy table."""
    return DynamoLab(world)


def test_a_healthy_table_passes(lab: DynamoLab) -> None:
    """Nothing is said against a table that can be exported and imported, and nothing changes."""
    found = Found(dynamodb_checks(lab.b, PLACE, "source"))

    assert found.not_passed() == {}
    assert {"dynamodb.table", "dynamodb.status", "dynamodb.pitr", "dynamodb.keys", "dynamodb.size"} <= {
        check.name for check in found
    }
    assert [call for call in lab.world.proxy.log if not call.startswith(("Describe", "List", "Get", "Assume"))] == []


def test_a_table_that_is_not_there_fails(lab: DynamoLab) -> None:
    """A wrong name is told with region and account, and nothing more is said of it."""
    found = Found(dynamodb_checks(lab.b, replace(PLACE, table="user"), "source"))

    check = found.one("dynamodb.table")
    assert (check.status, check.call) == ("failed", "DescribeTable")
    assert f"no table user in {REGION} of account {ACCOUNT_B}" in check.answer
    assert "name" in check.remedy
    assert len(found.checks) == 1


def test_a_table_in_another_region_fails(lab: DynamoLab) -> None:
    """A wrong region is told as what it is: there is no such table there."""
    place = replace(PLACE, account=replace(B, region="eu-central-1"))

    check = Found(dynamodb_checks(lab.b, place, "source")).one("dynamodb.table")

    assert check.status == "failed"
    assert "eu-central-1" in check.answer
    assert "region" in check.remedy


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        ("CREATING", "failed", "wait"),
        ("DELETING", "failed", "wait"),
        ("ARCHIVED", "failed", "restore"),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "failed", "enable the key"),
        ("UPDATING", "warning", "wait"),
    ],
)
def test_a_table_that_is_not_active_is_told(lab: DynamoLab, status: str, kind: str, remedy: str) -> None:
    """Each state in which a table cannot be exported fails, and says what to do."""
    lab.say(TableStatus=status)

    check = Found(dynamodb_checks(lab.b, PLACE, "source")).one("dynamodb.status")

    assert check.status == kind
    assert status in check.answer
    assert remedy in check.remedy


def test_pitr_that_is_off_fails_with_the_command_and_the_statement(lab: DynamoLab) -> None:
    """Without point-in-time recovery there is no export: the remedy is the command to paste, and the right for it."""
    lab.truth.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )

    check = Found(dynamodb_checks(lab.b, PLACE, "source")).one("dynamodb.pitr")

    assert (check.status, check.call) == ("failed", "DescribeContinuousBackups")
    assert "aws dynamodb update-continuous-backups --table-name users" in check.remedy
    assert actions(check) == {"dynamodb:UpdateContinuousBackups"}


@pytest.mark.parametrize(
    ("operation", "name", "action"),
    [
        ("DescribeTable", "dynamodb.table", "dynamodb:DescribeTable"),
        ("DescribeContinuousBackups", "dynamodb.pitr", "dynamodb:DescribeContinuousBackups"),
        ("DescribeTimeToLive", "dynamodb.ttl", "dynamodb:DescribeTimeToLive"),
        ("ListTagsOfResource", "dynamodb.tags", "dynamodb:ListTagsOfResource"),
        ("GetResourcePolicy", "dynamodb.policy", "dynamodb:GetResourcePolicy"),
        ("DescribeKinesisStreamingDestination", "dynamodb.kinesis", "dynamodb:DescribeKinesisStreamingDestination"),
        ("DescribeContributorInsights", "dynamodb.insights", "dynamodb:DescribeContributorInsights"),
        ("DescribeScalableTargets", "dynamodb.autoscaling", "application-autoscaling:DescribeScalableTargets"),
    ],
)
def test_what_is_denied_is_unknown_with_its_statement(lab: DynamoLab, operation: str, name: str, action: str) -> None:
    """A denied call is neither a pass nor a failure, and comes with the statement that allows it."""
    lab.world.accounts.rights = ALL_RIGHTS - {operation}

    found = Found(dynamodb_checks(lab.b, PLACE, "source"))

    check = found.one(name)
    assert (check.status, check.call) == ("unknown", operation)
    assert actions(check) == {action}
    assert action in check.remedy
    assert "Target-DM-Role" in check.remedy
    assert found.not_passed() == {name: "unknown"}


@pytest.mark.parametrize(
    ("facts", "name", "tells"),
    [
        ({"LocalSecondaryIndexes": [{"IndexName": "by-day"}]}, "dynamodb.lsi", "by-day"),
        (
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}},
            "dynamodb.streams",
            "NEW_IMAGE",
        ),
        ({"TableClassSummary": {"TableClass": "STANDARD_INFREQUENT_ACCESS"}}, "dynamodb.class", "INFREQUENT"),
        ({"DeletionProtectionEnabled": True}, "dynamodb.protection", "not protected"),
        ({"SSEDescription": {"SSEType": "KMS", "KMSMasterKeyArn": "arn:aws:kms:x"}}, "dynamodb.key", "arn:aws:kms:x"),
        ({"Replicas": [{"RegionName": "us-east-1"}]}, "dynamodb.replicas", "us-east-1"),
        ({"TableSizeBytes": 16 * 10**12}, "dynamodb.size", "15 TB"),
    ],
)
def test_what_an_import_cannot_carry_is_a_warning(lab: DynamoLab, facts: dict[str, Any], name: str, tells: str) -> None:
    """Each setting that the masked table will lack is named, with what becomes of it and what to do."""
    lab.say(**facts)

    found = Found(dynamodb_checks(lab.b, PLACE, "source"))

    assert tells in found.one(name).answer
    assert found.one(name).remedy
    assert found.not_passed() == {name: "warning"}


def test_settings_that_calls_of_their_own_tell_are_warnings(lab: DynamoLab) -> None:
    """Expiry, tags, a policy, scaling, insights and a Kinesis destination are found, each by its call."""
    lab.truth.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    arn = lab.truth.describe_table(TableName=TABLE)["Table"]["TableArn"]  # moto's are all of account A
    lab.truth.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "CANARY-VALUE"}])
    lab.truth.put_resource_policy(ResourceArn=arn, Policy='{"Statement": []}')
    scaling = owner(lab.world, "application-autoscaling")
    scaling.register_scalable_target(
        ServiceNamespace="dynamodb", ResourceId="table/users", MinCapacity=1, MaxCapacity=9,
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
    )  # fmt: skip
    stream = {"StreamArn": "arn:aws:kinesis:x", "DestinationStatus": "ACTIVE"}
    lab.said["DescribeKinesisStreamingDestination"] = {"TableName": TABLE, "KinesisDataStreamDestinations": [stream]}
    lab.said["DescribeContributorInsights"] = {"TableName": TABLE, "ContributorInsightsStatus": "ENABLED"}

    found = Found(dynamodb_checks(lab.b, PLACE, "source"))

    assert found.not_passed() == dict.fromkeys(
        ["dynamodb.ttl", "dynamodb.tags", "dynamodb.policy", "dynamodb.kinesis", "dynamodb.insights",
         "dynamodb.autoscaling"], "warning",
    )  # fmt: skip
    assert "(expires)" in found.one("dynamodb.ttl").answer
    assert "(team)" in found.one("dynamodb.tags").answer
    assert "ReadCapacityUnits" in found.one("dynamodb.autoscaling").answer
    assert "CANARY" not in found.shown()


def test_a_free_name_passes(lab: DynamoLab) -> None:
    """The masked table's name is compared with the source's, and looked up."""
    found = Found(dynamodb_checks(lab.b, MASKED, "target"))

    assert found.not_passed() == {}
    assert [check.name for check in found] == ["dynamodb.name", "dynamodb.free"]


def test_a_name_that_the_documents_policy_does_not_grant_is_a_warning(lab: DynamoLab) -> None:
    """A name that does not begin with the source's is outside of `table/users*`: the remedy is a statement for it."""
    found = Found(dynamodb_checks(lab.b, replace(MASKED, table="masked-users"), "target"))

    check = found.one("dynamodb.name")
    assert check.status == "warning"
    assert "table/users*" in check.answer
    assert actions(check) == {"dynamodb:ImportTable"}


@pytest.mark.parametrize(("name", "tells"), [(TABLE, "the source itself"), ("a b", "no such names")])
def test_a_name_that_cannot_be_is_refused(lab: DynamoLab, name: str, tells: str) -> None:
    """The source is never its own target, and names have a form."""
    check = Found(dynamodb_checks(lab.b, replace(MASKED, table=name), "target")).one("dynamodb.name")

    assert check.status == "failed"
    assert tells in check.answer
    assert "dynamo_append_suffix" in check.remedy


@pytest.mark.parametrize(
    ("protected", "replace_it", "status", "remedy"),
    [
        (False, True, "warning", "another suffix"),
        (False, False, "failed", "dynamo_replace_tables"),
        (True, True, "failed", "deletion protection"),
    ],
)
def test_a_name_that_is_taken_is_told(
    lab: DynamoLab, protected: bool, replace_it: bool, status: str, remedy: str
) -> None:
    """A masked table of an earlier run is replaced only where that is wanted and possible."""
    lab.truth.create_table(
        TableName="users-MASKED", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
        DeletionProtectionEnabled=protected,
    )  # fmt: skip

    check = Found(dynamodb_checks(lab.b, MASKED, "target", replace=replace_it)).one("dynamodb.free")

    assert check.status == status
    assert "has this name" in check.answer
    assert remedy in check.remedy


def test_a_name_that_may_not_be_looked_up_is_unknown(lab: DynamoLab) -> None:
    """Where DescribeTable of the masked table is denied, nobody says that its name is free."""
    lab.world.accounts.rights = ALL_RIGHTS - {"DescribeTable"}

    check = Found(dynamodb_checks(lab.b, MASKED, "target")).one("dynamodb.free")

    assert check.status == "unknown"
    assert actions(check) == {"dynamodb:DescribeTable"}


def test_a_silent_endpoint_is_unknown_within_ten_seconds() -> None:
    """An endpoint that takes connections and never answers makes nothing hang, and nothing pass."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        session = SessionFactory(boto3.Session(**BASE, region_name=REGION), endpoint_url=url)  # type: ignore[arg-type]

        found = Found(dynamodb_checks(session, PLACE, "source"))

    assert {check.name: check.status for check in found} == {"dynamodb.table": "unknown", "dynamodb.pitr": "unknown"}


# ---------------------------------------------------------------------------------------------- staging


def test_a_healthy_staging_bucket_passes_and_is_left_as_it_was(lab: DynamoLab) -> None:
    """What is written to prove the rights is removed again."""
    found = Found(staging_checks(lab.b, STAGING, probe=True))

    assert "failed" not in found.not_passed().values()
    assert found.one("bucket.delete").status == "passed"
    assert lab.world.moto.listed(STAGE) == {}


def test_staging_that_may_not_be_emptied_fails_unless_others_empty_it(lab: DynamoLab) -> None:
    """Unmasked data that nobody removes stops a run; where it is said who removes it, it is a warning."""
    lab.world.accounts.rights = RightsBut("DeleteObject")
    kept = Found(staging_checks(lab.b, STAGING, probe=True)).one("bucket.delete")
    external = Found(staging_checks(lab.b, replace(STAGING, cleanup="external"), probe=True)).one("bucket.delete")

    assert (kept.status, external.status) == ("failed", "warning")
    assert "s3:DeleteObject" in actions(kept)
    assert "staging_cleanup: external" in external.answer


def test_public_staging_fails(lab: DynamoLab) -> None:
    """Nobody exports to a bucket that anyone can read."""
    truth = lab.world.truth(ACCOUNT_B)
    truth.delete_public_access_block(Bucket=STAGE)
    truth.put_bucket_policy(
        Bucket=STAGE,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": f"arn:aws:s3:::{STAGE}/*",
                    }
                ],
            }
        ),
    )

    check = Found(staging_checks(lab.b, STAGING)).one("bucket.public")

    assert check.status == "failed"
    assert "public" in check.answer
    assert "Block" in check.remedy


def test_staging_with_a_lock_fails(lab: DynamoLab) -> None:
    """Locked objects cannot be removed from staging."""
    truth = lab.world.truth(ACCOUNT_B)
    truth.create_bucket(
        Bucket="locked", CreateBucketConfiguration={"LocationConstraint": REGION}, ObjectLockEnabledForBucket=True
    )
    truth.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )  # fmt: skip
    lab.world.accounts.owners["locked"] = ACCOUNT_B

    check = Found(staging_checks(lab.b, of_bucket("locked"))).one("bucket.lock")

    assert check.status == "failed"
    assert "without object lock" in check.remedy


def test_staging_in_another_region_is_a_warning_for_a_table(lab: DynamoLab) -> None:
    """DynamoDB exports to other regions, but data leaves its own: that is told."""
    owner(lab.world, "s3", "eu-central-1").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    lab.world.accounts.owners["far"] = ACCOUNT_B

    check = region_check(lab.b, of_bucket("far"), REGION, "dynamodb.region", "the table")

    assert (check.name, check.status) == ("dynamodb.region", "warning")
    assert "eu-central-1" in check.answer
    assert f"a bucket in {REGION}" in check.remedy


def of_bucket(name: str) -> Staging:
    """Return staging in another bucket."""
    return replace(STAGING, place=replace(STAGING.place, bucket=name))
