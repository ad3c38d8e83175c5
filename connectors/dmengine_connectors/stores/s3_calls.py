"""Calls on one bucket: with its owner named, its payer, and errors in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dmengine.errors import DmengineError, PlanError, StoreError
from dmengine_connectors.aws_errors import code_of, kind_of, named
from dmengine_connectors.session import SessionFactory

_PAID: Final = frozenset(
    {
        "get_object", "head_object", "put_object", "delete_object", "delete_objects", "list_objects_v2",
        "list_object_versions", "get_object_tagging", "create_multipart_upload", "upload_part",
        "complete_multipart_upload", "abort_multipart_upload", "list_multipart_uploads",
    }
)  # fmt: skip
"""The operations that take `RequestPayer`."""
_VERBS: Final = {
    "get_object": "read", "head_object": "look at", "put_object": "write", "delete_object": "delete",
    "delete_objects": "delete notes in",
    "get_object_tagging": "read the tags of", "create_multipart_upload": "write", "upload_part": "write",
    "complete_multipart_upload": "publish", "abort_multipart_upload": "abort the upload of",
    "list_objects_v2": "list", "list_object_versions": "list the versions of",
    "list_multipart_uploads": "list the uploads of",
}  # fmt: skip
_RIGHTS: Final = {
    "list_objects_v2": "s3:ListBucket", "list_object_versions": "s3:ListBucketVersions",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads", "get_object": "s3:GetObject",
    "head_object": "s3:GetObject", "put_object": "s3:PutObject", "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject", "complete_multipart_upload": "s3:PutObject", "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload", "get_object_tagging": "s3:GetObjectTagging",
}  # fmt: skip
"""What a policy calls them: few actions have the name of their call."""
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")


class RefusedError(StoreError):
    """S3 refused or failed: says in what way, for code that can go on without.

    Attributes:
        kind: What kind of trouble it is (`aws_errors.kind_of`).
        code: S3's code for it.
        date: When, by S3's clock.
    """

    kind: str = "other"
    code: str = ""
    date: str = ""


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
        if self.requester_pays and operation in _PAID:
            parameters |= {"RequestPayer": "requester"}
        try:
            client = self.session.client("s3")
            answer: dict[str, Any] = self.session.call(getattr(client, operation), **parameters)
            return answer
        except (BotoCoreError, ClientError) as error:
            problem = self._refused(error, operation, parameters)
        raise problem

    def _refused(self, error: Exception, operation: str, parameters: dict[str, Any]) -> DmengineError:
        verb = _VERBS.get(operation, "use")
        place = self.url(parameters.get("Key", parameters.get("Prefix", "")))
        call = "".join(word.capitalize() for word in operation.split("_"))
        told = named(error, call=call, what=f"cannot {verb} {place}", hint=self._hint(error, operation, parameters))
        hint = told.hint
        if self.owner and kind_of(error) == "denied":
            hint += f"; the bucket must also be owned by account {self.owner} (expected_owner)"
        refused = RefusedError(told.message, hint=hint)
        refused.kind, refused.code = kind_of(error), code_of(error)
        refused.date = date_of(getattr(error, "response", None) or {})
        return refused

    def _hint(self, error: Exception, operation: str, parameters: Mapping[str, Any]) -> str:
        """Return a better remedy than the general one, where the bucket or the rights are known."""
        kind = kind_of(error)
        region = _headers(getattr(error, "response", None) or {}).get("x-amz-bucket-region", "")
        if kind == "region" and _REGION.fullmatch(region):
            return f'the bucket is in {region}: SessionFactory(region="{region}"), in a job file region: {region}'
        if kind != "denied" or operation not in _RIGHTS:
            return ""
        right = _RIGHTS[operation] + (" and s3:PutObjectTagging" if "Tagging" in parameters else "")
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
