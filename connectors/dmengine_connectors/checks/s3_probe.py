"""Tries the rights to write with an object of its own, which is removed again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from dmengine.spi import Check, CheckStatus
from dmengine_connectors.access.need import Need
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.asking import Limit
from dmengine_connectors.checks.s3_bucket import Looked
from dmengine_connectors.checks.s3_earlier import PROBE, check_earlier
from dmengine_connectors.stores.s3_attributes import Attributes, creation

_BODY: Final = b"dmengine looks whether it may write here"
_WRITE, _READ, _TAGS, _UPLOADS, _DELETE = (
    "bucket.write",
    "bucket.readback",
    "bucket.tags",
    "bucket.uploads",
    "bucket.delete",
)
_RULE: Final = "set a lifecycle rule with AbortIncompleteMultipartUpload of 7 days"


def not_tried(bucket: Looked) -> Iterator[Check]:
    """Say that the rights to write are unknown, where nothing may be written."""
    yield from check_earlier(bucket)
    told = "not tried: whether objects may be written shows only by writing one"
    hint = "prove it with a probe (without --no-probe): it is removed again"
    yield Check(_WRITE, "unknown", bucket.url, told, "", hint)


def check_write(bucket: Looked, limit: Limit) -> Iterator[Check]:
    """Write, read, tag and delete a small object, and begin and abort an upload, below `_dmengine/`."""
    yield from check_earlier(bucket)  # before there is a probe of our own
    if not limit.left:
        return  # nobody waits for it any more: nothing is begun that would have to be removed
    key = f"{bucket.prefix}{PROBE}{secrets.token_hex(8)}"
    how = creation(Attributes(), bucket.wanted, in_place=False)
    how.pop("StorageClass", None)
    written = bucket.ask("put_object", Key=key, Body=_BODY, **how)
    if isinstance(written, AwsError):
        yield _refused(bucket, key, written)
        return
    try:
        kind = written.get("ServerSideEncryption") or "no encryption told"
        yield Check(_WRITE, "passed", bucket.calls.url(key), f"objects can be written ({kind})", "PutObject")
        yield from _read_back(bucket, key)
        if bucket.tags and bucket.side == "target":
            yield from _tagged(bucket, key)
        if limit.left:
            yield from _uploaded(bucket, key, how)
    finally:
        removed = list(_removed(bucket, key, str(written.get("VersionId") or "")))
    yield from removed


def _refused(bucket: Looked, key: str, error: AwsError) -> Check:
    need = Need("s3:PutObject", bucket.objects, "write the masked objects", sid="DestinationBucketWrite")
    told = bucket.refused(_WRITE, "put_object", error, need, subject=bucket.calls.url(key))
    unsaid = error.kind == "denied" and not error.action
    more = "; or kms:GenerateDataKey on the bucket's key is what is missing: S3 does not say which" if unsaid else ""
    return replace(told, answer=told.answer + more)


def _read_back(bucket: Looked, key: str) -> Iterator[Check]:
    answer = bucket.ask("get_object", Key=key)
    if isinstance(answer, AwsError):
        need = Need("s3:GetObject", bucket.objects, "see that all has arrived", sid="DestinationBucketWrite")
        yield bucket.refused(_READ, "get_object", answer, need, subject=bucket.calls.url(key))
        return
    with answer["Body"] as body:
        same = body.read() == _BODY
    if same:
        yield Check(_READ, "passed", bucket.calls.url(key), "what was written can be read again", "GetObject")
    else:
        told, remedy = "what is read is not what was written", "check what lies between: a proxy, or an object lambda"
        yield Check(_READ, "failed", bucket.calls.url(key), told, "GetObject", remedy)


def _tagged(bucket: Looked, key: str) -> Iterator[Check]:
    tags = {"TagSet": [{"Key": "dmengine", "Value": "check"}]}
    answer = bucket.ask("put_object_tagging", Key=key, Tagging=tags)
    if not isinstance(answer, AwsError):
        yield Check(_TAGS, "passed", bucket.calls.url(key), "objects can be tagged", "PutObjectTagging")
        return
    need = Need("s3:PutObjectTagging", bucket.objects, "write the objects' tags", sid="DestinationBucketWrite")
    told = bucket.refused(_TAGS, "put_object_tagging", answer, need, subject=bucket.calls.url(key))
    remedy = f'{told.remedy}; or let the tags be: tags="drop" (objects without tags are written all the same)'
    yield replace(told, status="warning", remedy=remedy)


def _uploaded(bucket: Looked, key: str, how: dict[str, Any]) -> Iterator[Check]:
    """Begin an upload, as every object of a run is one, and abort it."""
    place = bucket.calls.url(key)
    begun = bucket.ask("create_multipart_upload", Key=key, **how)
    if isinstance(begun, AwsError):
        need = Need("s3:PutObject", bucket.objects, "write the masked objects", sid="DestinationBucketWrite")
        yield bucket.refused(_UPLOADS, "create_multipart_upload", begun, need, subject=place)
        return
    ended = bucket.ask("abort_multipart_upload", Key=key, UploadId=begun["UploadId"])
    if not isinstance(ended, AwsError):
        yield Check(_UPLOADS, "passed", place, "uploads can be begun and aborted", "AbortMultipartUpload")
        return
    need = Need("s3:AbortMultipartUpload", bucket.objects, "end uploads of a failed run", sid="DestinationBucketWrite")
    told = bucket.refused(_UPLOADS, "abort_multipart_upload", ended, need, subject=place)
    answer = f"uploads cannot be aborted: {place} (open upload {begun['UploadId']}) stays; {told.answer}"
    yield replace(told, status="warning", answer=answer, remedy=f"{told.remedy}; and {_RULE}")


def _removed(bucket: Looked, key: str, version: str) -> Iterator[Check]:
    """Delete the object; where old versions are kept, that version, so that nothing stays."""
    place = bucket.calls.url(key)
    needs = [Need("s3:DeleteObject", bucket.objects, "remove what was written", sid="JournalAccess")]
    if version and version != "null":
        answer = bucket.ask("delete_object", Key=key, VersionId=version)
        if not isinstance(answer, AwsError):
            yield Check(_DELETE, "passed", place, "objects and their versions can be deleted", "DeleteObject")
            return
        needs = [Need("s3:DeleteObjectVersion", bucket.objects, "remove what was written", sid="OldVersionsDelete")]
        hidden = bucket.ask("delete_object", Key=key)
        what = f"{place} stays, as version {version}"
        if isinstance(hidden, AwsError):
            needs.append(Need("s3:DeleteObject", bucket.objects, "remove what was written", sid="JournalAccess"))
            what = place + " stays"
    else:
        answer = bucket.ask("delete_object", Key=key)
        what = f"{place} stays"
    if not isinstance(answer, AwsError):
        yield Check(_DELETE, "passed", place, "objects can be deleted", "DeleteObject")
        return
    told = bucket.refused(_DELETE, "delete_object", answer, *needs, subject=place)
    status: CheckStatus = "failed" if bucket.side == "staging" else "warning"
    staged = "; a run would leave unmasked data in staging" if bucket.side == "staging" else ""
    told = replace(told, status=status, answer=f"what was written cannot be deleted: {what}{staged}; {told.answer}")
    yield replace(told, remedy=f"{told.remedy}; then delete {place} by hand")
