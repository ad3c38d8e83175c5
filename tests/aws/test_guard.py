"""The stand-in that enforces policies: what it lets pass and what it refuses, by the rules of AWS."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from tests.aws import documented
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE, Identity
from tests.aws.standins.policies import Policies
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.trying import BUCKET, begin, code, complete
from tests.aws.standins.world import DEEP, HOP, REGION, RELAY, ROLE_B, ROLE_C, World

BOTH = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
DENIED = ("AccessDenied", 403)


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return documented.policy({"Effect": "Allow", "Action": list(actions), "Resource": on, **more})  # type: ignore[return-value]


@pytest.fixture
def policies(world: World) -> Policies:
    """Enforce policies over a bucket of B with one object; A's role may assume B's, which may do nothing yet."""
    world.make_bucket(ACCOUNT_B, BUCKET)
    world.owner("s3", ACCOUNT_B).put_object(Bucket=BUCKET, Key="in/a", Body=b"abc")
    policies = world.enforce()
    policies.roles[SOURCE_ROLE] = [documented.assuming(ROLE_B)]
    world.add_role(ROLE_B, documented.trusting(SOURCE_ROLE))
    return policies


@pytest.fixture
def b(world: World, policies: Policies) -> Any:
    """Return a client of S3 with the role of B."""
    return world.client("s3", world.assume(ROLE_B))


# ------------------------------------------------------------------------------------------ identities


def test_who_has_no_policy_may_do_nothing_but_ask_who_he_is(world: World, b: Any) -> None:
    """Not even in its own account."""
    assert code(b.list_objects_v2, Bucket=BUCKET) == DENIED
    assert code(b.get_object, Bucket=BUCKET, Key="in/a") == DENIED
    assert world.client("sts", world.assume(ROLE_B)).get_caller_identity()["Account"] == ACCOUNT_B


@pytest.mark.parametrize(
    ("operation", "action", "parameters"),
    [
        ("get_object", "s3:GetObject", {"Key": "in/a"}),
        ("head_object", "s3:GetObject", {"Key": "in/a"}),
        ("get_object_tagging", "s3:GetObjectTagging", {"Key": "in/a"}),
        ("put_object", "s3:PutObject", {"Key": "in/b"}),
        ("create_multipart_upload", "s3:PutObject", {"Key": "in/b"}),
        ("delete_object", "s3:DeleteObject", {"Key": "in/b"}),
        ("list_objects_v2", "s3:ListBucket", {}),
        ("head_bucket", "s3:ListBucket", {}),
        ("list_object_versions", "s3:ListBucketVersions", {}),
        ("list_multipart_uploads", "s3:ListBucketMultipartUploads", {}),
        ("get_public_access_block", "s3:GetBucketPublicAccessBlock", {}),
        ("get_bucket_encryption", "s3:GetEncryptionConfiguration", {}),
        ("get_bucket_versioning", "s3:GetBucketVersioning", {}),
        ("get_bucket_acl", "s3:GetBucketAcl", {}),
        ("get_bucket_ownership_controls", "s3:GetBucketOwnershipControls", {}),
        ("get_bucket_location", "s3:GetBucketLocation", {}),
    ],
)
def test_each_call_needs_its_action_and_no_other(
    operation: str, action: str, parameters: dict[str, Any], policies: Policies, b: Any
) -> None:
    """With the action alone the call passes; with all actions but this one it is refused."""
    policies.roles[ROLE_B] = [allow(action, on=BOTH)]
    getattr(b, operation)(Bucket=BUCKET, **parameters)

    policies.roles[ROLE_B] = [
        documented.policy({"Effect": "Allow", "NotAction": action, "Resource": "*"}),
    ]

    found, status = code(getattr(b, operation), Bucket=BUCKET, **parameters)
    assert status == 403
    assert found in ("AccessDenied", "403")


def test_rights_end_at_the_prefix(policies: Policies, b: Any) -> None:
    """A resource with a prefix covers the objects below it, a condition on `s3:prefix` the listing of it."""
    policies.roles[ROLE_B] = [
        allow("s3:GetObject", on=f"arn:aws:s3:::{BUCKET}/in/*"),
        allow("s3:ListBucket", on=BOTH[0], Condition={"StringLike": {"s3:prefix": "in/*"}}),
    ]

    assert b.list_objects_v2(Bucket=BUCKET, Prefix="in/")["KeyCount"] == 1
    assert code(b.list_objects_v2, Bucket=BUCKET) == DENIED
    assert code(b.get_object, Bucket=BUCKET, Key="out/a") == DENIED


def test_an_object_that_is_not_there_is_denied_to_who_may_not_list(policies: Policies, b: Any) -> None:
    """404 for those who may list the bucket, 403 for the others, as S3 answers."""
    policies.roles[ROLE_B] = [allow("s3:GetObject", on=BOTH)]
    assert code(b.get_object, Bucket=BUCKET, Key="in/none") == DENIED

    policies.roles[ROLE_B] = [allow("s3:GetObject", "s3:ListBucket", on=BOTH)]
    assert code(b.get_object, Bucket=BUCKET, Key="in/none") == ("NoSuchKey", 404)


def test_headers_ask_for_more(policies: Policies, b: Any) -> None:
    """Tags and ACLs with an object are rights of their own, and so is an older version."""
    policies.roles[ROLE_B] = [allow("s3:PutObject", "s3:GetObject", "s3:ListBucket", on=BOTH)]

    assert code(b.put_object, Bucket=BUCKET, Key="in/b", Tagging="k=v") == DENIED
    assert code(b.put_object, Bucket=BUCKET, Key="in/b", ACL="bucket-owner-full-control") == DENIED
    assert code(b.get_object, Bucket=BUCKET, Key="in/a", VersionId="null") == DENIED


def test_deletes_that_are_refused_are_answered_one_by_one(policies: Policies, b: Any) -> None:
    """DeleteObjects answers 200 with an error for each key."""
    wanted = {"Objects": [{"Key": "in/a"}, {"Key": "in/b"}]}

    answer = b.delete_objects(Bucket=BUCKET, Delete=wanted)

    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [
        ("in/a", "AccessDenied"),
        ("in/b", "AccessDenied"),
    ]
    policies.roles[ROLE_B] = [allow("s3:DeleteObject", on=BOTH)]
    assert "Errors" not in b.delete_objects(Bucket=BUCKET, Delete=wanted)


# ------------------------------------------------------------------------------------------ sessions and trust


def test_a_session_may_do_what_its_own_policy_says_too(world: World, policies: Policies) -> None:
    """A session policy takes away, and gives nothing."""
    policies.roles[ROLE_B] = [allow("s3:GetObject", "s3:ListBucket", on=BOTH)]
    keys = world.assume(ROLE_B, Policy=json.dumps(allow("s3:GetObject", "s3:PutObject", on=BOTH)))
    s3 = world.client("s3", keys)

    assert s3.get_object(Bucket=BUCKET, Key="in/a")["Body"].read() == b"abc"
    assert code(s3.list_objects_v2, Bucket=BUCKET) == DENIED
    assert code(s3.put_object, Bucket=BUCKET, Key="in/b") == DENIED


def test_an_external_id_has_to_be_there_and_right(world: World, policies: Policies) -> None:
    """Absent or wrong, the role is not assumed."""
    trust = documented.trusting(SOURCE_ROLE)
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "given-by-b"}}
    world.add_role(ROLE_B, trust)
    sts = world.client("sts")
    asked = {"RoleArn": ROLE_B, "RoleSessionName": "test"}

    assert code(sts.assume_role, **asked) == DENIED
    assert code(sts.assume_role, **asked, ExternalId="given-by-c") == DENIED
    assert sts.assume_role(**asked, ExternalId="given-by-b")["AssumedRoleUser"]["Arn"].endswith("/Target-DM-Role/test")


def test_tags_of_a_session_are_a_right_and_part_of_the_request(world: World, policies: Policies) -> None:
    """sts:TagSession has to be allowed on both sides; the tags can then be asked for in policies."""
    tags = [{"Key": "team", "Value": "crm"}]
    sts = world.client("sts")
    asked = {"RoleArn": ROLE_B, "RoleSessionName": "test", "Tags": tags}
    policies.roles[ROLE_B] = [
        allow("s3:GetObject", on=BOTH, Condition={"StringEquals": {"aws:PrincipalTag/team": "crm"}})
    ]

    assert code(sts.assume_role, **asked) == DENIED
    policies.roles[SOURCE_ROLE] = [allow("sts:AssumeRole", "sts:TagSession", on=ROLE_B)]
    assert code(sts.assume_role, **asked) == DENIED
    trust = documented.trusting(SOURCE_ROLE)
    trust["Statement"][0]["Action"] = ["sts:AssumeRole", "sts:TagSession"]
    policies.trusts[ROLE_B] = trust

    s3 = world.client("s3", world.assume(ROLE_B, Tags=tags))
    assert s3.get_object(Bucket=BUCKET, Key="in/a")["ContentLength"] == 3
    assert code(world.client("s3", world.assume(ROLE_B)).get_object, Bucket=BUCKET, Key="in/a") == DENIED


def test_a_chain_needs_each_hop_allowed_on_both_sides(world: World, policies: Policies) -> None:
    """A -> B -> C -> B: each role names the next one, which trusts it; A cannot jump over one."""
    policies.roles[SOURCE_ROLE] = [allow("sts:AssumeRole", on="*")]
    for role, after in ((HOP, RELAY), (RELAY, DEEP), (DEEP, "")):
        policies.roles[role] = [documented.assuming(after)] if after else []
    policies.trusts |= {HOP: documented.trusting(SOURCE_ROLE), RELAY: documented.trusting(HOP)}
    policies.trusts[DEEP] = documented.trusting(RELAY)

    deep = world.assume(DEEP, world.assume(RELAY, world.assume(HOP)))

    assert world.client("sts", deep).get_caller_identity()["Arn"].endswith("assumed-role/Deep-DM-Role/test")
    assert code(world.client("sts").assume_role, RoleArn=DEEP, RoleSessionName="test") == DENIED
    policies.roles[HOP] = []
    hop = world.client("sts", world.assume(HOP))
    assert code(hop.assume_role, RoleArn=RELAY, RoleSessionName="test") == DENIED


def test_a_role_that_does_not_exist_is_denied(world: World, policies: Policies) -> None:
    """As AWS does, which does not tell whether there is such a role."""
    policies.roles[SOURCE_ROLE] = [allow("sts:AssumeRole")]

    assert code(world.client("sts").assume_role, RoleArn=f"{ROLE_B}-2", RoleSessionName="test") == DENIED


# ------------------------------------------------------------------------------------------ buckets and keys


def test_a_bucket_lets_in_only_whom_it_names(world: World, policies: Policies) -> None:
    """Across accounts the bucket and the identity both have to allow; another role of A stays outside."""
    policies.roles[SOURCE_ROLE] = [allow("s3:*")]
    s3 = world.client("s3")
    assert code(s3.get_object, Bucket=BUCKET, Key="in/a") == DENIED
    world.add_bucket_policy(BUCKET, documented.of_bucket(BUCKET, SOURCE_ROLE))
    assert s3.get_object(Bucket=BUCKET, Key="in/a")["ContentLength"] == 3

    other = f"arn:aws:sts::{ACCOUNT_A}:assumed-role/Other/i-1"
    world.accounts.add_identity("ASIAOTHER", Identity(ACCOUNT_A, other, "t", f"arn:aws:iam::{ACCOUNT_A}:role/Other"))
    policies.roles[f"arn:aws:iam::{ACCOUNT_A}:role/Other"] = [allow("s3:*")]
    keys = {"aws_access_key_id": "ASIAOTHER", "aws_secret_access_key": "s", "aws_session_token": "t"}
    assert code(world.client("s3", keys).get_object, Bucket=BUCKET, Key="in/a") == DENIED


def test_the_condition_on_tls_is_evaluated(world: World, policies: Policies, b: Any) -> None:
    """The loopback counts as secure, until a test says otherwise; then the page's Deny holds for everyone."""
    policies.roles[ROLE_B] = [allow("s3:*")]
    world.add_bucket_policy(BUCKET, documented.of_bucket(BUCKET, SOURCE_ROLE))
    assert b.get_object(Bucket=BUCKET, Key="in/a")["ContentLength"] == 3

    policies.secure = False

    assert code(b.get_object, Bucket=BUCKET, Key="in/a") == DENIED


def test_a_multipart_upload_needs_both_rights_on_the_key(world: World, policies: Policies, b: Any) -> None:
    """kms:GenerateDataKey begins it, kms:Decrypt goes on with it; a HEAD needs neither."""
    arn = world.add_key(ACCOUNT_B)
    world.encrypt_bucket(BUCKET, arn)
    policies.roles[ROLE_B] = [allow("s3:*")]
    assert code(b.create_multipart_upload, Bucket=BUCKET, Key="new") == DENIED

    policies.roles[ROLE_B] = [allow("s3:*"), allow("kms:GenerateDataKey", on=arn)]
    upload = begin(b)
    part = {"Bucket": BUCKET, "Key": "new", "UploadId": upload, "PartNumber": 1, "Body": b"abc"}
    assert code(b.upload_part, **part) == DENIED

    policies.roles[ROLE_B] = [allow("s3:*"), allow("kms:GenerateDataKey", "kms:Decrypt", on=arn)]
    complete(b, upload)
    policies.roles[ROLE_B] = [allow("s3:*")]
    assert b.head_object(Bucket=BUCKET, Key="new")["SSEKMSKeyId"] == arn
    assert code(b.get_object, Bucket=BUCKET, Key="new") == DENIED


def test_a_key_that_is_off_or_not_there_is_no_key(world: World, policies: Policies, b: Any) -> None:
    """S3 passes on what KMS says of it."""
    policies.roles[ROLE_B] = [allow("s3:*", "kms:*")]
    arn = world.add_key(ACCOUNT_B)
    asked = {"Bucket": BUCKET, "Key": "new", "ServerSideEncryption": "aws:kms"}
    world.owner("kms", ACCOUNT_B).disable_key(KeyId=arn.rpartition("/")[2])

    assert code(b.put_object, **asked, SSEKMSKeyId=arn) == ("KMS.DisabledException", 400)
    assert code(b.put_object, **asked, SSEKMSKeyId=f"{arn[:-1]}x") == ("KMS.NotFoundException", 400)


def test_a_key_of_another_account_is_described_to_whom_it_lets_in(world: World, policies: Policies) -> None:
    """moto does not find keys of other accounts; KMS does, if both sides allow. aws/s3 is AWS's."""
    policies.roles[SOURCE_ROLE] = [documented.using_any_key()]
    kms = world.client("kms")
    shared, own = world.add_key(ACCOUNT_C, documented.of_key(SOURCE_ROLE, ACCOUNT_C)), world.add_key(ACCOUNT_C)
    managed = world.owner("kms", ACCOUNT_B).describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]

    assert kms.describe_key(KeyId=shared)["KeyMetadata"]["Arn"] == shared
    assert code(kms.describe_key, KeyId=own) == ("AccessDeniedException", 400)
    policies.roles[SOURCE_ROLE].append(documented.assuming(ROLE_B))
    policies.roles[ROLE_B] = [allow("kms:DescribeKey")]
    seen = world.client("kms", world.assume(ROLE_B)).describe_key(KeyId=managed)["KeyMetadata"]
    assert seen["KeyManager"] == "AWS"


# ------------------------------------------------------------------------------------------ other services


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        (
            "dynamodb", "describe_table", {"TableName": "users"}, "dynamodb:DescribeTable",
            "dynamodb:{place}:table/users",
        ),
        (
            "dynamodb", "describe_continuous_backups", {"TableName": "users"}, "dynamodb:DescribeContinuousBackups",
            "dynamodb:{place}:table/users",
        ),
        (
            "dynamodb", "describe_export", {"ExportArn": "arn:aws:dynamodb:{place}:table/users/export/1-a"},
            "dynamodb:DescribeExport", "dynamodb:{place}:table/users/export/1-a",
        ),
        ("logs", "create_log_group", {"logGroupName": "g"}, "logs:CreateLogGroup", "logs:{place}:log-group:g:"),
        ("logs", "describe_log_groups", {}, "logs:DescribeLogGroups", "logs:{place}:log-group:*"),
        (
            "logs", "put_log_events",
            {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]},
            "logs:PutLogEvents", "logs:{place}:log-group:g:log-stream:s",
        ),
        (
            "secretsmanager", "get_secret_value", {"SecretId": "key"}, "secretsmanager:GetSecretValue",
            "secretsmanager:{place}:secret:key-AbCdEf",
        ),
        ("ssm", "get_parameter", {"Name": "/dm/key"}, "ssm:GetParameter", "ssm:{place}:parameter/dm/key"),
    ],
)  # fmt: skip
def test_other_services_are_asked_for_by_their_arns(
    service: str,
    operation: str,
    parameters: dict[str, Any],
    action: str,
    resource: str,
    world: World,
    policies: Policies,
) -> None:
    """A policy on one table, log group, secret or parameter covers it and nothing else."""
    place = f"{REGION}:{ACCOUNT_A}"
    given = {key: value.format(place=place) if isinstance(value, str) else value for key, value in parameters.items()}
    client = world.client(service)
    found, _ = code(getattr(client, operation), **given)
    assert found == "AccessDeniedException"

    policies.roles[SOURCE_ROLE] = [allow(action, on=f"arn:aws:{resource.format(place=place)}")]
    with suppress(client.exceptions.ClientError):  # it may well not be there
        getattr(client, operation)(**given)

    assert (SOURCE_ROLE, action) in policies.granted()


def test_policies_are_only_enforced_where_asked(world: World) -> None:
    """A world that enforces none takes the accounts for what they are."""
    world.make_bucket(ACCOUNT_C, "bucket-of-c")

    assert world.client("s3", world.assume(ROLE_C)).list_objects_v2(Bucket="bucket-of-c")["KeyCount"] == 0
