"""What a call needs of IAM: actions, and the ARNs that they are on, as the service authorization reference has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from tests.aws.standins.calls import S3_CONTROL, Call

FREE: Final = frozenset({"GetCallerIdentity", "DecodeAuthorizationMessage"})
"""What anyone may call."""
_BUCKET: Final[Mapping[str, str]] = {
    "ListObjectsV2": "ListBucket", "ListObjects": "ListBucket", "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions", "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration", "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
}  # fmt: skip
_OBJECT: Final[Mapping[str, str]] = {
    "HeadObject": "GetObject", "ListParts": "ListMultipartUploadParts", "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject", "CopyObject": "PutObject",
    "UploadPartCopy": "PutObject", "SelectObjectContent": "GetObject",
}  # fmt: skip
_OF_VERSIONS: Final = ("GetObject", "DeleteObject", "GetObjectAcl", "PutObjectAcl")
_TAGS_OF_VERSIONS: Final = {
    "GetObjectTagging": "GetObjectVersionTagging", "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
}  # fmt: skip
_HEADERS: Final = {
    "x-amz-tagging": "PutObjectTagging", "x-amz-acl": "PutObjectAcl",
    "x-amz-object-lock-mode": "PutObjectRetention", "x-amz-object-lock-legal-hold": "PutObjectLegalHold",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One action on one ARN, with what of the context only this call has; `via` is the service that asks for it."""

    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)
    via: str = ""


def asked(call: Call, account: str, region: str) -> list[Asked]:
    """Say what a call needs, as somebody of an account.

    >>> from botocore.awsrequest import HeadersDict
    >>> from tests.aws.standins.calls import read_call
    >>> call = read_call("PUT", "/bucket/a%20b", HeadersDict({"x-amz-tagging": "k=v"}), b"")
    >>> [(one.action, one.resource) for one in asked(call, "111111111111", "eu-west-1")]
    [('s3:PutObject', 'arn:aws:s3:::bucket/a b'), ('s3:PutObjectTagging', 'arn:aws:s3:::bucket/a b')]
    """
    if call.operation in FREE:
        return []
    if call.service == "s3":
        return list(_of_s3(call))
    body = _json(call)
    name = f"{call.service}:{call.operation}"
    if call.service == "sts":
        return list(_of_sts(call))
    place = f"{region}:{account}"
    find = {
        "dynamodb": _of_dynamodb, "logs": _of_logs, "secretsmanager": _of_secrets, "ssm": _of_ssm,
    }.get(call.service)  # fmt: skip
    return [Asked(name, resource) for resource in (find(call.operation, body, place) if find else ["*"])]


def _of_s3(call: Call) -> Iterator[Asked]:
    if call.bucket == S3_CONTROL:
        yield Asked(f"s3:{call.operation}", "*")
    elif not call.bucket:
        yield Asked("s3:ListAllMyBuckets", "*")
    elif call.operation == "DeleteObjects":
        for key, version in deleted(call):
            action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
            yield Asked(action, f"arn:aws:s3:::{call.bucket}/{key}")
    elif not call.key:
        action = _BUCKET.get(call.operation, call.operation)
        given = {f"s3:{name}": call.query[name] for name in ("prefix", "delimiter") if name in call.query}
        yield Asked(f"s3:{action}", f"arn:aws:s3:::{call.bucket}", given)
    else:
        yield from _of_object(call)


def _of_object(call: Call) -> Iterator[Asked]:
    arn = f"arn:aws:s3:::{call.bucket}/{call.key}"
    given = {
        f"s3:{name}": str(call.headers[name])
        for name in (
            "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-acl",
            "x-amz-storage-class",
        )
        if name in call.headers
    }  # fmt: skip
    action = _OBJECT.get(call.operation, call.operation)
    if "versionId" in call.query:
        action = action.replace("Object", "ObjectVersion", 1) if action in _OF_VERSIONS else action
        action = _TAGS_OF_VERSIONS.get(action, action)
    yield Asked(f"s3:{action}", arn, given)
    if call.operation == "GetObjectAttributes":
        yield Asked("s3:GetObjectVersion" if "versionId" in call.query else "s3:GetObject", arn)
    if call.operation in ("PutObject", "CreateMultipartUpload", "CopyObject"):
        for header, more in _HEADERS.items():
            if header in call.headers:
                yield Asked(f"s3:{more}", arn, given)
    if source := copied(call):
        bucket, key, version = source
        yield Asked("s3:GetObjectVersion" if version else "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")


def copied(call: Call) -> tuple[str, str, str] | None:
    """Return the bucket, key and version that a call copies from."""
    text = str(call.headers.get("x-amz-copy-source", ""))
    if not text:
        return None
    path, _, version = text.lstrip("/").partition("?versionId=")
    bucket, _, key = unquote(path).partition("/")
    return bucket, key, version


def deleted(call: Call) -> list[tuple[str, str]]:
    """Return the keys and versions that a DeleteObjects names."""
    found = []
    for one in re.findall(r"<Object>(.*?)</Object>", call.body.decode(), re.DOTALL):
        key, version = (re.search(f"<{name}>(.*?)</{name}>", one, re.DOTALL) for name in ("Key", "VersionId"))
        assert key is not None
        plain = key[1].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
        found.append((plain, version[1] if version else ""))
    return found


def _of_sts(call: Call) -> Iterator[Asked]:
    query = call.query
    role = query.get("RoleArn", "*")
    tags = {
        query[f"Tags.member.{n}.Key"]: query[f"Tags.member.{n}.Value"]
        for n in range(1, 51)
        if f"Tags.member.{n}.Key" in query
    }
    names = {
        "sts:ExternalId": "ExternalId",
        "sts:RoleSessionName": "RoleSessionName",
        "sts:SourceIdentity": "SourceIdentity",
    }
    given: dict[str, str | list[str]] = {key: query[name] for key, name in names.items() if name in query}
    given |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        given["aws:TagKeys"] = list(tags)
    yield Asked(f"sts:{call.operation}", role, given)
    if tags:
        yield Asked("sts:TagSession", role, given)
    if "SourceIdentity" in query:
        yield Asked("sts:SetSourceIdentity", role, given)


def _of_dynamodb(operation: str, body: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in ("ExportArn", "ImportArn", "TableArn", "ResourceArn", "SourceTableArn"):
        if name in body:
            yield body[name]
            return
    table = body.get("TableName") or body.get("TableCreationParameters", {}).get("TableName")
    tables = [table] if table else list(body.get("RequestItems", {}))
    if not tables:
        yield "*"
    for one in tables:
        yield one if one.startswith("arn:") else f"arn:aws:dynamodb:{place}:table/{one}"


def _of_logs(operation: str, body: Mapping[str, Any], place: str) -> Iterator[str]:
    group = body.get("logGroupName") or str(body.get("logGroupIdentifier", "")).partition(":log-group:")[2]
    if operation == "DescribeLogGroups" or not group:
        yield f"arn:aws:logs:{place}:log-group:*"
    elif operation in ("PutLogEvents", "GetLogEvents", "CreateLogStream"):
        # The reference gives CreateLogStream the group; a stream's ARN is what its events are put to.
        stream = "" if operation == "CreateLogStream" else f"log-stream:{body.get('logStreamName', '')}"
        yield f"arn:aws:logs:{place}:log-group:{group}:{stream}"
    else:
        yield f"arn:aws:logs:{place}:log-group:{group}:"


def _of_secrets(operation: str, body: Mapping[str, Any], place: str) -> Iterator[str]:
    name = str(body.get("SecretId") or body.get("Name") or "*")
    yield name if name.startswith("arn:") or name == "*" else f"arn:aws:secretsmanager:{place}:secret:{name}-AbCdEf"


def _of_ssm(operation: str, body: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in body.get("Names") or [body.get("Name", "*")]:
        yield name if name.startswith("arn:") else f"arn:aws:ssm:{place}:parameter/{name.lstrip('/')}"


def _json(call: Call) -> dict[str, Any]:
    return dict(json.loads(call.body or b"{}")) if "X-Amz-Target" in call.headers else {}
