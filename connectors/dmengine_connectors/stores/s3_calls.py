"""Calls on one bucket: with its owner named, its payer, and errors in our words."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dmengine.errors import PlanError
from dmengine_connectors.aws_errors import AwsError, code_of, denied, key_of, kind_of, named, region_of
from dmengine_connectors.session import SessionFactory

AT_ONCE: Final = 16
"""How many calls on a bucket are worth making at the same time."""
_LONGEST_PAUSE: Final = 5.0
_OPERATIONS: Final = {
    "get_object": ("read", "s3:GetObject"),
    "head_object": ("look at", "s3:GetObject"),
    "get_object_tagging": ("read the tags of", "s3:GetObjectTagging"),
    "put_object_tagging": ("tag", "s3:PutObjectTagging"),
    "put_object": ("write", "s3:PutObject"),
    "create_multipart_upload": ("write", "s3:PutObject"),
    "upload_part": ("write", "s3:PutObject"),
    "complete_multipart_upload": ("publish", "s3:PutObject"),
    "abort_multipart_upload": ("abort the upload of", "s3:AbortMultipartUpload"),
    "delete_object": ("delete", "s3:DeleteObject"),
    "delete_objects": ("delete notes in", "s3:DeleteObject"),
    "list_objects_v2": ("list", "s3:ListBucket"),
    "list_object_versions": ("list the versions of", "s3:ListBucketVersions"),
    "list_multipart_uploads": ("list the uploads of", "s3:ListBucketMultipartUploads"),
}
"""The operations on objects, which take `RequestPayer`: our word for each, and what policies call it."""
_ON_BUCKETS: Final = {
    "head_bucket": "s3:ListBucket",
    "get_public_access_block": "s3:GetBucketPublicAccessBlock",
    "get_bucket_policy_status": "s3:GetBucketPolicyStatus",
    "get_bucket_policy": "s3:GetBucketPolicy",
    "get_bucket_acl": "s3:GetBucketAcl",
    "get_bucket_encryption": "s3:GetEncryptionConfiguration",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "get_bucket_lifecycle_configuration": "s3:GetLifecycleConfiguration",
    "get_bucket_ownership_controls": "s3:GetBucketOwnershipControls",
    "get_object_lock_configuration": "s3:GetBucketObjectLockConfiguration",
    "get_bucket_request_payment": "s3:GetBucketRequestPayment",
}
"""The operations on buckets, and what policies call each."""
_HIDING: Final = ("get_object", "head_object")
"""The operations that S3 answers with 403 for an object that is not there, to whoever may not list the bucket."""


class RefusedError(AwsError):
    """S3 refused or failed."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The operations of S3 on one bucket, called by boto3's names for them.

    Attributes:
        session: Who calls.
        bucket: On which bucket.
        owner: The account that must own it, where that is known; S3 refuses every call if another one does.
        requester_pays: Whether we accept to pay.
    """

    session: SessionFactory
    bucket: str
    owner: str = ""
    requester_pays: bool = False

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call S3.

        Raises:
            RefusedError: S3 refused, or could not be asked.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        parameters |= {"Bucket": self.bucket}
        if self.owner:
            parameters |= {"ExpectedBucketOwner": self.owner}
        if self.requester_pays and operation in _OPERATIONS:
            parameters |= {"RequestPayer": "requester"}
        try:
            client = self.session.client("s3")
            answer: dict[str, Any] = self.session.call(getattr(client, operation), **parameters)
            return answer
        except (BotoCoreError, ClientError) as error:
            problem = self._refused(error, operation, parameters)
        if problem.kind == "denied" and operation in _HIDING and self._is_missing(parameters["Key"]):
            problem.kind, problem.code = "missing", "NoSuchKey"
        raise problem

    def _is_missing(self, key: str) -> bool:
        """Say whether an object that is denied is not there at all.

        S3 answers 403 for a missing object to whoever may not list the bucket; a right to list that is narrowed to a
        prefix (`s3:prefix`) does not count there, and a listing of that one key tells.
        """
        try:
            found = self("list_objects_v2", Prefix=key, MaxKeys=1)
        except RefusedError:
            return False
        return all(one["Key"] != key for one in found.get("Contents", ()))

    def _refused(self, error: Exception, operation: str, parameters: dict[str, Any]) -> RefusedError:
        verb, _ = _OPERATIONS.get(operation, ("use", ""))
        place = self.url(parameters.get("Key", parameters.get("Prefix", "")))
        hint = self._hint(error, operation, parameters)
        told = named(error, call=call_name(operation), what=f"cannot {verb} {place}", hint=hint)
        hint = told.hint
        if self.owner and kind_of(error) == "denied":
            hint += f"; the bucket must also be owned by account {self.owner} (expected_owner)"
        refused = RefusedError(told.message, hint=hint)
        refused.kind, refused.code = kind_of(error), code_of(error)
        refused.key, refused.region = key_of(error), region_of(error)
        refused.action, refused.denier, refused.forbids = denied(error)
        refused.date = date_of(getattr(error, "response", None) or {})
        return refused

    def _hint(self, error: Exception, operation: str, parameters: Mapping[str, Any]) -> str:
        """Return a better remedy than the general one, where the bucket or the rights are known."""
        kind = kind_of(error)
        region = region_of(error)
        if kind == "region" and region:
            return f'the bucket is in {region}: SessionFactory(region="{region}"), in a job file region: {region}'
        if kind != "denied" or operation not in _OPERATIONS:
            return ""
        right = _OPERATIONS[operation][1] + (" and s3:PutObjectTagging" if "Tagging" in parameters else "")
        if "VersionId" in parameters:
            right = right.replace("Object", "ObjectVersion")
        who = self.session.roles[-1].arn if self.session.roles else "whoever calls"
        hint = f"allow {right} to {who}, in its policy and, across accounts, in the bucket's"
        if "PutObject" in right:
            hint += "; a bucket with a KMS key needs kms:GenerateDataKey and kms:Decrypt on it"
        if "GetObject" in right:
            hint += "; an object with a KMS key needs kms:Decrypt on it; a missing object is answered so too"
        return hint

    def url(self, key: str) -> str:
        """Write an object's key as a person would."""
        return f"s3://{self.bucket}/{key}"


def right_to(operation: str) -> str:
    """Return what policies call an operation of boto3's.

    >>> right_to("head_object"), right_to("get_public_access_block")
    ('s3:GetObject', 's3:GetBucketPublicAccessBlock')
    """
    return _OPERATIONS[operation][1] if operation in _OPERATIONS else _ON_BUCKETS[operation]


def call_name(operation: str) -> str:
    """Return what S3's documentation calls an operation of boto3's.

    >>> call_name("list_objects_v2")
    'ListObjectsV2'
    """
    return "".join(word.capitalize() for word in operation.split("_"))


def wait(tries: int) -> None:
    """Wait before one more try, longer after each, with full jitter."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2**tries)))  # noqa: S311  # jitter


def date_of(answer: Mapping[str, Any]) -> str:
    """Return when S3 answered, by its own clock, as HTTP writes it; nothing if it does not say.

    >>> date_of({"ResponseMetadata": {"HTTPHeaders": {"date": "Tue, 24 Nov 2026 04:38:30 GMT"}}})
    'Tue, 24 Nov 2026 04:38:30 GMT'
    """
    return _headers(answer).get("date", "")


def _headers(answer: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return found


def pages(calls: Calls, operation: str, items: str, tokens: Mapping[str, str], **parameters: Any) -> Iterator[Any]:
    """List something page by page: yield the items of every page.

    Args:
        calls: The bucket.
        operation: What lists.
        items: What the answer calls the items.
        tokens: What to ask the next page with -> what the answer calls it.
        parameters: What to list.
    """
    following: dict[str, Any] = {}
    while True:
        answer = calls(operation, **parameters, **following)
        yield from answer.get(items, ())
        if not answer.get("IsTruncated"):
            return
        following = {name: answer[found] for name, found in tokens.items() if answer.get(found)}


def split_url(url: str) -> tuple[str, str]:
    """Return the bucket and the key, or prefix, that a URL means. The key is taken as it is written.

    >>> split_url("s3://bucket/a b/c%20d/"), split_url("s3://bucket")
    (('bucket', 'a b/c%20d/'), ('bucket', ''))
    """
    scheme, separator, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a") or not separator or not bucket:
        raise PlanError(f"{url} is not the URL of a bucket", hint="write s3://bucket/prefix/")
    return bucket, key
