"""An HTTP request as the call of AWS that it is, and the answers that AWS gives when it refuses one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.awsrequest import HeadersDict

# The first name of the query that is there tells the operation; "" is for a request that has none of the others.
_BUCKET: Mapping[str, Mapping[str, str]] = {
    "GET": {
        "list-type": "ListObjectsV2", "versions": "ListObjectVersions", "uploads": "ListMultipartUploads",
        "policyStatus": "GetBucketPolicyStatus", "policy": "GetBucketPolicy", "acl": "GetBucketAcl",
        "publicAccessBlock": "GetPublicAccessBlock", "encryption": "GetBucketEncryption",
        "versioning": "GetBucketVersioning", "object-lock": "GetObjectLockConfiguration",
        "lifecycle": "GetBucketLifecycleConfiguration", "location": "GetBucketLocation",
        "ownershipControls": "GetBucketOwnershipControls", "requestPayment": "GetBucketRequestPayment",
        "tagging": "GetBucketTagging", "": "ListObjects",
    },
    "HEAD": {"": "HeadBucket"},
    "PUT": {
        "policy": "PutBucketPolicy", "acl": "PutBucketAcl", "publicAccessBlock": "PutPublicAccessBlock",
        "encryption": "PutBucketEncryption", "versioning": "PutBucketVersioning",
        "lifecycle": "PutBucketLifecycleConfiguration", "object-lock": "PutObjectLockConfiguration",
        "tagging": "PutBucketTagging", "": "CreateBucket",
    },
    "POST": {"delete": "DeleteObjects"},
    "DELETE": {"": "DeleteBucket"},
}  # fmt: skip
_OBJECT: Mapping[str, Mapping[str, str]] = {
    "GET": {
        "uploadId": "ListParts", "tagging": "GetObjectTagging", "acl": "GetObjectAcl",
        "attributes": "GetObjectAttributes", "retention": "GetObjectRetention", "legal-hold": "GetObjectLegalHold",
        "": "GetObject",
    },
    "HEAD": {"": "HeadObject"},
    "PUT": {
        "partNumber": "UploadPart", "tagging": "PutObjectTagging", "acl": "PutObjectAcl",
        "retention": "PutObjectRetention", "legal-hold": "PutObjectLegalHold", "": "PutObject",
    },
    "POST": {
        "uploads": "CreateMultipartUpload", "uploadId": "CompleteMultipartUpload", "restore": "RestoreObject",
        "select": "SelectObjectContent",
    },
    "DELETE": {"uploadId": "AbortMultipartUpload", "tagging": "DeleteObjectTagging", "": "DeleteObject"},
}  # fmt: skip
_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
S3_CONTROL = "v20180820"
"""Where a bucket's name would be, in calls of S3 Control about an account as a whole."""
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]*/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: what is asked of which service, by which key."""

    method: str
    target: str
    headers: HeadersDict
    body: bytes = field(repr=False)
    service: str = ""
    operation: str = ""
    bucket: str = ""
    key: str = ""
    access_key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        """The session token, where the credentials are those of a session."""
        return str(self.headers.get("X-Amz-Security-Token", "")) or self.query.get("X-Amz-Security-Token", "")

    def __str__(self) -> str:
        return f"{self.operation} {self.bucket}/{self.key}".removesuffix("/").strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that does not come from moto."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def read_call(method: str, target: str, headers: HeadersDict, body: bytes) -> Call:
    """Tell what a request asks for.

    >>> call = read_call("PUT", "/bucket/a%20b?partNumber=1&uploadId=u", HeadersDict({}), b"")
    >>> str(call)
    'UploadPart bucket/a b'
    """
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    signed = str(headers.get("Authorization", "")) or f"Credential={query.get('X-Amz-Credential', '')}"
    found = _CREDENTIAL.search(signed)
    unsigned = "sts" if b"Action=AssumeRoleWithWebIdentity" in body else "s3"
    access_key, service = (found[1], found[2]) if found else ("", unsigned)
    bucket = key = ""
    if service == "s3":
        bucket, _, key = (unquote(part) for part in parts.path.removeprefix("/").partition("/"))
        operation = _s3_operation(method, bucket, key, query, headers)
    elif "X-Amz-Target" in headers:
        operation = str(headers["X-Amz-Target"]).rpartition(".")[2]
    else:
        query |= dict(parse_qsl(body.decode()))
        operation = query.get("Action", "")
    return Call(method, target, headers, body, service, operation, bucket, key, access_key, query)


def _s3_operation(method: str, bucket: str, key: str, query: Mapping[str, str], headers: HeadersDict) -> str:
    if not bucket:
        return "ListBuckets"
    if bucket == S3_CONTROL:
        return f"{method.capitalize()}AccountPublicAccessBlock"
    known = (_OBJECT if key else _BUCKET).get(method, {})
    operation = next((known[name] for name in known if name and name in query), known.get("", f"{method}?"))
    return _COPIES.get(operation, operation) if "x-amz-copy-source" in headers else operation


def refusal(call: Call, status: int, code: str, message: str) -> Answer:
    """Return an error in the form of the service; the answer to a HEAD has no body to say it in."""
    ids = {"x-amz-request-id": "STANDIN00000000", "x-amzn-RequestId": "STANDIN00000000"}
    if call.method == "HEAD":
        return Answer(status, headers=ids)
    if call.service == "s3":
        return Answer(status, s3_error(code, message), ids | {"Content-Type": "application/xml"})
    if "X-Amz-Target" in call.headers:
        body = json.dumps({"__type": code, "message": message}).encode()
        return Answer(status, body, ids | {"Content-Type": "application/x-amz-json-1.1"})
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>STANDIN00000000</RequestId></ErrorResponse>"
    ).encode()
    return Answer(status, body, ids | {"Content-Type": "text/xml"})


def s3_error(code: str, message: str) -> bytes:
    """Return the body of an S3 error."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
        "<RequestId>STANDIN00000000</RequestId></Error>"
    ).encode()
