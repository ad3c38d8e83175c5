"""The policies of DataMasque's page on access across accounts: which statement grants which actions on what."""

from __future__ import annotations

from typing import Any

from dmengine_connectors.access.evaluate import Policy

CHECKS = ("s3:ListBucket", "s3:GetBucketAcl", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock")
LOCK = "s3:GetBucketObjectLockConfiguration"
LOGS = tuple(
    f"logs:{name}"
    for name in ("CreateLogStream", "DescribeLogGroups", "DescribeLogStreams", "CreateLogGroup", "PutLogEvents")
)
KEY_ACTIONS = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
ANY_BUCKET = "arn:aws:s3:::*"


def policy(*statements: dict[str, Any]) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(sid: str, actions: tuple[str, ...], resources: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources, **more}


def in_account_a() -> Policy:
    """The identity policy of DM-Role in A, where buckets let it in by their own policies."""
    staging = (LOCK, "s3:PutObject", "s3:GetObject", "s3:GetEncryptionConfiguration", *CHECKS, "s3:DeleteObject")
    return policy(
        statement("SourceBucketRead", ("s3:GetObject",), ANY_BUCKET),
        statement("SourceBucketPermissionCheck", CHECKS, ANY_BUCKET),
        statement("DestinationBucketWrite", ("s3:PutObject",), ANY_BUCKET),
        statement("DestinationBucketSecurityCheck", (*CHECKS, LOCK), ANY_BUCKET),
        statement("AllowEventLogging", LOGS, "*"),
        statement("ExportedDataAccess", staging, ANY_BUCKET),
    )


def of_bucket(bucket: str, role: str) -> Policy:
    """The policy of a bucket in B or C, which lets a role of A in."""
    both = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    to = {"Principal": {"AWS": [role]}}
    listing = ("s3:ListBucket*", "s3:GetBucketAcl", "s3:GetBucketPolicyStatus")
    return policy(
        statement("SourceBucketRead", ("s3:GetObject",), both, **to),
        statement("SourceBucketPermissionCheck", (*listing, "s3:GetBucketPublicAccessBlock"), both, **to),
        statement("DestinationBucketWrite", ("s3:PutObject", "s3:GetObject*"), both, **to),
        statement("DestinationBucketSecurityCheck", (*listing, LOCK), both, **to),
        {
            "Sid": "AllowSSLRequestsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": both,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )  # fmt: skip


def assuming(*roles: str) -> Policy:
    """The identity policy of Source-DM-Role in A."""
    return policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": list(roles)})


def trusting(role: str) -> Policy:
    """The trust policy of Target-DM-Role."""
    return policy({"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"})


def of_target_role(source: str, target: str) -> Policy:
    """The identity policy of Target-DM-Role in B and C."""
    return policy(
        statement("BucketPermissionCheck", (*CHECKS, LOCK), [f"arn:aws:s3:::{source}", f"arn:aws:s3:::{target}"]),
        statement(
            "BucketReadWrite",
            ("s3:PutObject", "s3:GetObject"),
            [f"arn:aws:s3:::{source}/*", f"arn:aws:s3:::{target}/*"],
        ),
    )


def using_keys(*keys: str) -> Policy:
    """What a role needs besides, where objects are encrypted with keys of its own account."""
    return policy({"Effect": "Allow", "Action": list(KEY_ACTIONS), "Resource": list(keys)})


def using_any_key() -> Policy:
    """What DM-Role in A needs besides, where objects are encrypted with keys of other accounts."""
    return policy(statement("KMSPolicy", (*KEY_ACTIONS, "kms:DescribeKey"), "*"))


def of_key(role: str, account: str) -> Policy:
    """The policy of a key in B or C that lets a role of A in, beside AWS's default statement for its own account."""
    own = {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    to = {"Principal": {"AWS": role}}
    return {
        "Version": "2012-10-17",
        "Id": "key-policy",
        "Statement": [
            {**own, "Principal": {"AWS": f"arn:aws:iam::{account}:root"}},
            statement("Allow use of the key cross account", (*KEY_ACTIONS, "kms:DescribeKey"), "*", **to),
        ],
    }
