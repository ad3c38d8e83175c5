"""Looks for what earlier checks have left that were killed before they had removed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.s3_bucket import Looked
from dmengine_connectors.stores.objects import HOME

PROBE: Final = f"{HOME}/check-"
"""What the keys of probes begin with, below the prefix."""
_OF_CLUSTER: Final = "dmengine-check-"
"""What the folders begin with that a cluster unloads its probe to, below the prefix of staging."""
_NAME: Final = "bucket.earlier"
_NAMED: Final = 5


def check_earlier(bucket: Looked) -> Iterator[Check]:
    """Name the probes and open uploads of earlier checks; nothing is said where there are none."""
    begins = (PROBE, _OF_CLUSTER) if bucket.side == "staging" else (PROBE,)
    left: list[str] = []
    for begin in begins:
        prefix = bucket.prefix + begin
        objects = bucket.ask("list_objects_v2", Prefix=prefix)
        uploads = bucket.ask("list_multipart_uploads", Prefix=prefix)
        if not isinstance(objects, AwsError):  # that it may not be listed is said elsewhere
            left += [bucket.calls.url(one["Key"]) for one in objects.get("Contents", ())]
        if isinstance(uploads, AwsError):
            told = bucket.refused(_NAME, "list_multipart_uploads", uploads, _listing(bucket))
            what = f"unknown: whether uploads of earlier checks are open (ListMultipartUploads: {uploads.code})"
            yield Check(_NAME, "unknown", bucket.url, what, told.call, told.remedy, told.policy)
            break
        left += [
            f"{bucket.calls.url(one['Key'])} (open upload {one['UploadId']})" for one in uploads.get("Uploads", ())
        ]
    if left:
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        told_all = f"an earlier check was broken off, and has left {', '.join(left[:_NAMED])}{more}"
        remedy = "unless a check is under way just now, delete them and abort the uploads; they hold no data"
        yield Check(_NAME, "warning", bucket.url, told_all, "ListObjectsV2, ListMultipartUploads", remedy)


def _listing(bucket: Looked) -> Need:
    reason = "find uploads that were left open; S3 has no prefix condition for it"
    return Need("s3:ListBucketMultipartUploads", bucket.arn, reason, True, "DestinationBucketSecurityCheck")
