"""What tests of policies begin with: the document's accounts, connections between them, and its own policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from dmengine.connectors import DynamoDBConnection, RedshiftConnection, S3Connection, policies
from dmengine_connectors.policy.written import Policies

DOCUMENTED: Final = Path(__file__).parent / "documented"
REGION: Final = "eu-west-1"
DM_ROLE: Final = "arn:aws:iam::111111111111:role/DM-Role"
SOURCE_ROLE: Final = "arn:aws:iam::111111111111:role/Source-DM-Role"
TARGET_ROLE: Final = "arn:aws:iam::222222222222:role/Target-DM-Role"
ROLE_C: Final = "arn:aws:iam::333333333333:role/Target-DM-Role"
KEY: Final = "arn:aws:kms:eu-west-1:333333333333:key/1234abcd"
USERS: Final = "arn:aws:dynamodb:eu-west-1:222222222222:table/users"


def documented(name: str) -> Any:
    """Return a policy of the user's document, with names filled in."""
    return json.loads((DOCUMENTED / f"{name}.json").read_text("utf-8"))


def bucket(name: str, folder: str, **more: Any) -> S3Connection:
    return S3Connection(name=name, bucket=name, base_directory=folder, region=REGION, **more)


def tables(**more: Any) -> DynamoDBConnection:
    given = {"s3_bucket_name": "stage", "export_s3_prefix": "masking", "region": REGION, "iam_role_arn": TARGET_ROLE}
    return DynamoDBConnection(name="users-of-b", **{**given, **more})


def cluster(roles: str, **more: Any) -> RedshiftConnection:
    given = {
        "host": "crm.abc123.eu-west-1.redshift.amazonaws.com", "database": "crm", "user": "masker", "region": REGION,
        "dbpassword": "env:CRM_PASSWORD", "s3_bucket_name": "stage", "s3_prefix": "crm", "s3_redshift_iam_role": roles,
    }  # fmt: skip
    return RedshiftConnection(name="crm", **{**given, **more})


def statement(policy: Any, sid: str) -> Any:
    """Return the statement of a Sid."""
    [found] = [one for one in policy["Statement"] if one.get("Sid") == sid]
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(policy: Any, sid: str = "") -> set[str]:
    """Return the actions that a policy allows, in the statements whose Sid begins so."""
    allowing = [one for one in policy["Statement"] if one["Effect"] == "Allow" and one.get("Sid", "").startswith(sid)]
    return {action for one in allowing for action in listed(one["Action"])}


def assumed(**more: Any) -> Policies:
    """Return what the document's second scenario needs: a role in B, another one in C."""
    source = bucket("crm", "in", iam_role_arn=TARGET_ROLE, external_id="x7")
    return policies(source, bucket("test", "out", iam_role_arn=ROLE_C, **more), principal=SOURCE_ROLE)


def of_buckets(**more: Any) -> Policies:
    """Return what the document's first scenario needs: no role, a bucket policy in B and one in C."""
    source = bucket("crm", "in", bucket_owner="222222222222")
    return policies(source, bucket("test", "out", bucket_owner="333333333333", **more), principal=DM_ROLE)
