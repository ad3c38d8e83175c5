"""Connections as people write them down."""

from __future__ import annotations

from typing import Any, Final

HOP, RELAY = "arn:aws:iam::222222222222:role/Hop", "arn:aws:iam::333333333333:role/Relay"
DEEP = "arn:aws:iam::444444444444:role/Target-DM-Role"
CLUSTER = "arn:aws:iam::222222222222:role/RoleB,arn:aws:iam::111111111111:role/RoleA"
SECRET: Final = "hunter2-CANARY"

S3: Final[dict[str, Any]] = {
    "version": "1.0", "name": "crm-b", "type": "s3_connection", "mask_type": "file", "bucket": "crm-of-b",
    "base_directory": "export/", "is_file_mask_source": True, "is_file_mask_destination": False, "iam_role_arn": DEEP,
}  # fmt: skip
DYNAMODB: Final[dict[str, Any]] = {
    "version": "1.0", "name": "users", "mask_type": "database", "db_type": "dynamo_db", "s3_bucket_name": "stage-of-b",
    "export_s3_prefix": "masking", "dynamo_append_suffix": "-MASKED", "dynamo_append_datetime": False,
    "dynamo_replace_tables": True, "dynamo_default_region": "eu-west-1", "iam_role_arn": DEEP,
    "dynamo_default_sse": {"selection": "account_managed", "kms_key_id": "alias/x"},
    "host": "", "user": "", "dbpassword": "", "database": "", "schema": "",
}  # fmt: skip
REDSHIFT: Final[dict[str, Any]] = {
    "version": "1.0", "name": "dwh", "mask_type": "database", "db_type": "redshift", "host": "dwh.example.com",
    "port": 5439, "database": "crm", "user": "masker", "dbpassword": "env:CRM_PASSWORD", "schema": "crm",
    "s3_bucket_name": "stage-of-a", "s3_redshift_iam_role": CLUSTER,
}  # fmt: skip
OURS: Final[dict[str, Any]] = {
    "iam_role_arn": DEEP,
    "roles": [HOP, {"arn": RELAY, "external_id": "relay-1", "tags": {"team": "data"}}],
    "external_id": "masking-7",
    "session_name": "nightly", "duration": 900, "tags": {"a": "b"}, "profile": "masking", "region": "eu-west-1",
    "endpoint_url": "https://aws.example.com", "expected_account": "444444444444", "bucket_owner": "444444444444",
    "encryption": "aws:kms", "kms_key": "alias/x",
}  # fmt: skip
IAM_LOGIN: Final[dict[str, Any]] = {
    **{key: value for key, value in REDSHIFT.items() if key != "dbpassword"}, "name": "dwh-by-iam",
    "host": "dwh.abc123.eu-west-1.redshift.amazonaws.com", "staging_cleanup": "external",
    "staging_deleted_by": "the lifecycle rule expire-staging",
    "iam_login": {"kind": "cluster", "name": "dwh", "auto_create": True, "groups": ["readers"]},
    "s3_redshift_iam_role": "arn:aws:iam::444444444444:role/Cluster",
}  # fmt: skip
ALL: Final = (S3, DYNAMODB, REDSHIFT, IAM_LOGIN)
