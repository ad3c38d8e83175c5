"""Looks whether a bucket is there, is where and whose it should be, and whether its objects can be listed and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.asking import PASSING
from dmengine_connectors.checks.s3_bucket import Looked
from dmengine_connectors.stores.objects import HOME

_LISTED: Final = 1000
_ARCHIVES: Final = ("GLACIER", "DEEP_ARCHIVE")
_NO_SUCH: Final = ("NoSuchBucket", "404")


@dataclass(slots=True)
class Reached:
    """What was learned of a bucket on the way.

    Attributes:
        ok: Whether it makes sense to look further.
        region: Where it is, if it says so.
        objects: The first objects of the listing that are data.
    """

    ok: bool = False
    region: str = ""
    objects: list[Mapping[str, Any]] = field(default_factory=list)


def check_reach(bucket: Looked, reached: Reached) -> Iterator[Check]:
    """Look for the bucket and list it; note what was learned.

    A policy that allows to list below one prefix alone does not allow HeadBucket: the listing decides.
    """
    head = bucket.ask("head_bucket")
    if isinstance(head, AwsError) and head.kind == "unreachable":
        yield bucket.refused("bucket.reach", "head_bucket", head)
        return
    prefix = {"Prefix": bucket.key} if bucket.key else {}
    listing = bucket.ask("list_objects_v2", MaxKeys=_LISTED, **prefix)
    reached.region = _region(head)
    if not isinstance(listing, AwsError):
        reached.ok = True
        reached.objects = [one for one in listing.get("Contents", ()) if _is_data(bucket, one)]
        yield bucket.passed("bucket.reach", f"it is there{_in(reached.region)}{_owned(bucket)}", "head_bucket")
        yield from _same_region(bucket, reached.region)
        yield _listed(bucket, reached.objects)
        yield from _archived(bucket, reached.objects)
        return
    yield from _not_listed(bucket, reached, head, listing)


def check_read(bucket: Looked, reached: Reached) -> Iterator[Check]:
    """Read one byte of a real object: that also takes the right on the key that it is encrypted with."""
    name, operation = "bucket.read", "get_object"
    wanted = [one for one in reached.objects if one.get("Size") and one.get("StorageClass") not in _ARCHIVES]
    if not wanted:
        told = "not tried: there is no object to read"
        yield Check(name, "unknown", bucket.url, told, "", "put an object there, and check again")
        return
    key = str(wanted[0]["Key"])
    subject = bucket.calls.url(key)
    answer = bucket.ask(operation, Key=key, Range="bytes=0-0")
    if not isinstance(answer, AwsError):
        answer["Body"].close()
        how = answer.get("ServerSideEncryption") or "no encryption told"
        yield Check(name, "passed", subject, f"it can be read ({how})", "GetObject")
    elif answer.kind == "archived":
        remedy = "restore it first, or exclude it"
        yield Check("bucket.archived", "warning", subject, "it is archived, and cannot be read", "GetObject", remedy)
    else:
        need = Need("s3:GetObject", bucket.objects, "read the objects to mask", sid="SourceBucketRead")
        refused = bucket.refused(name, operation, answer, need, subject=subject)
        unsaid = answer.kind == "denied" and not answer.action
        more = "; or kms:Decrypt on the object's key is what is missing: S3 does not say which" if unsaid else ""
        yield replace(refused, answer=refused.answer + more)


def _not_listed(
    bucket: Looked, reached: Reached, head: Mapping[str, Any] | AwsError, error: AwsError
) -> Iterator[Check]:
    operation = "list_objects_v2"
    if error.code in _NO_SUCH:
        remedy = "check the name, or make the bucket; names are those of all accounts"
        told = f"there is no bucket {bucket.calls.bucket}"
        yield Check("bucket.reach", "failed", bucket.url, told, "HeadBucket", remedy)
    elif error.kind == "region":
        yield _elsewhere(bucket, error, reached.region)
    elif error.kind == "denied" and bucket.calls.owner and _without_owner(bucket):
        yield Check(
            "bucket.owner", "failed", bucket.url,
            f"the bucket is not owned by account {bucket.calls.owner}, but by another one", "HeadBucket",
            "check the bucket's name; if that account is right, say so: expected_owner (bucket_owner in a connection)",
        )  # fmt: skip
    elif error.kind == "denied" and not bucket.calls.requester_pays and (paid := _paid_by_requester(bucket)):
        yield paid
    elif isinstance(head, AwsError) or error.kind in PASSING:
        reached.ok = error.kind in PASSING
        yield bucket.refused("bucket.reach", operation, error, _list_need(bucket))
    else:
        reached.ok = True
        yield bucket.passed("bucket.reach", f"it is there{_in(reached.region)}", "head_bucket")
        yield bucket.refused("bucket.list", operation, error, _list_need(bucket))


def _list_need(bucket: Looked) -> Need:
    condition = {"StringLike": {"s3:prefix": f"{bucket.prefix}*"}} if bucket.prefix else {}
    return Need("s3:ListBucket", bucket.arn, "list the objects", sid="SourceBucketList", condition=condition)


def _without_owner(bucket: Looked) -> bool:
    """Say whether it is only the owner that is not the expected one; nothing of the bucket is read by this."""
    free = replace(bucket, calls=replace(bucket.calls, owner=""))
    return not isinstance(free.ask("head_bucket"), AwsError)


def _paid_by_requester(bucket: Looked) -> Check | None:
    answer = bucket.ask("get_bucket_request_payment")
    if isinstance(answer, AwsError) or answer.get("Payer") != "Requester":
        return None
    told = "who asks pays for this bucket, and that was not accepted"
    return Check(
        "bucket.payer", "failed", bucket.url, told, "GetBucketRequestPayment", "accept to pay: requester_pays=True"
    )


def _elsewhere(bucket: Looked, error: AwsError, seen: str) -> Check:
    region = error.region or seen
    where = f"the bucket is in {region}" if region else "the bucket is in another region"
    told = f"{where}, and the session in {bucket.calls.session.region or 'none that is said'}"
    return Check("bucket.region", "failed", bucket.url, told, "HeadBucket", error.hint)


def _same_region(bucket: Looked, region: str) -> Iterator[Check]:
    mine = str(bucket.calls.session.client("s3").meta.region_name or "")
    if not region:
        return
    if mine in (region, "aws-global"):
        yield bucket.passed("bucket.region", f"bucket and session are in {region}", "head_bucket")
    else:
        yield Check(
            "bucket.region", "warning", bucket.url,
            f"the bucket is in {region}, and the session in {mine}: it works, but each client is sent on once, traffic "
            "between regions costs, and keys of KMS are looked for in the wrong one",
            "HeadBucket", f'say region="{region}" (region: {region} in a job file or connection)',
        )  # fmt: skip


def _listed(bucket: Looked, found: list[Mapping[str, Any]]) -> Check:
    name, operation = "bucket.list", "list_objects_v2"
    place = bucket.calls.url(bucket.key)
    if found or bucket.side != "source":
        more = "at least " if len(found) == _LISTED else ""
        objects = f"{more}{len(found):,} object{'s' * (len(found) != 1)}" if found else "no object yet"
        return bucket.passed(name, f"{objects} below {place}", operation)
    told = f"there is no {place}" if bucket.single else f"there is no object below {place}"
    remedy = "check the prefix; it ends with /, and one object does not"
    return Check(name, "failed" if bucket.single else "warning", bucket.url, told, "ListObjectsV2", remedy)


def _archived(bucket: Looked, found: list[Mapping[str, Any]]) -> Iterator[Check]:
    names = [str(one["Key"]) for one in found if one.get("StorageClass") in _ARCHIVES]
    if names and bucket.side == "source":
        told = f"{len(names):,} of the first {len(found):,} objects are archived, such as {bucket.calls.url(names[0])}"
        remedy = "restore them first, exclude them, or set unmatched: skip"
        yield Check("bucket.archived", "warning", bucket.url, told, "ListObjectsV2", remedy)


def _is_data(bucket: Looked, one: Mapping[str, Any]) -> bool:
    key = str(one["Key"])
    if bucket.single:
        return key == bucket.key
    return HOME not in key.removeprefix(bucket.prefix).split("/")[:-1] and not key.endswith("/")


def _region(head: Mapping[str, Any] | AwsError) -> str:
    if isinstance(head, AwsError):
        return head.region
    headers = head.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(head.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))


def _in(region: str) -> str:
    return f", in {region}" if region else ""


def _owned(bucket: Looked) -> str:
    return f", owned by account {bucket.calls.owner}" if bucket.calls.owner else ""
