"""All that is in a bucket: every version of every object with what belongs to it, and the uploads nobody finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HEADERS = (
    "ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl", "StorageClass",
    "ServerSideEncryption", "SSEKMSKeyId", "WebsiteRedirectLocation", "ExpiresString",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as a reader gets it, without what differs from run to run (ETag, time, version)."""

    body: bytes = field(repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a bucket.

    Attributes:
        objects: What a listing shows, with its bodies.
        older: Versions and delete markers that are not current, as (key, version).
        uploads: Multipart uploads that are neither completed nor aborted, as (key, upload id).
    """

    objects: Mapping[str, Stored]
    older: Mapping[tuple[str, str], Stored | None]
    uploads: tuple[tuple[str, str], ...]

    def shown(self, without: str = "_dmengine/") -> dict[str, Stored]:
        """Return the objects that are data: those whose key has no `_dmengine/` in it."""
        return {key: stored for key, stored in self.objects.items() if without not in key}

    def everything(self) -> bytes:
        """Return every byte of every version, and all names and notes on them, to search in."""
        found = [*self.objects.items(), *((key, stored) for (key, _), stored in self.older.items())]
        words = [repr(sorted(self.uploads)), *(f"{key} {stored!r}" for key, stored in found)]
        return "\n".join(words).encode() + b"".join(stored.body for _, stored in found if stored is not None)


def objects(client: S3Client, bucket: str) -> Contents:
    """Read everything in a bucket."""
    current: dict[str, Stored] = {}
    older: dict[tuple[str, str], Stored | None] = {}
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            stored = _stored(client, bucket, version["Key"], version["VersionId"])
            if version["IsLatest"]:
                current[version["Key"]] = stored
            else:
                older[version["Key"], version["VersionId"]] = stored
        for marker in page.get("DeleteMarkers", []):
            older[marker["Key"], marker["VersionId"]] = None
    uploads = tuple(
        (upload["Key"], upload["UploadId"])
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        for upload in page.get("Uploads", [])
    )
    return Contents(current, older, uploads)


def _stored(client: S3Client, bucket: str, key: str, version: str) -> Stored:
    where: Any = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version != "null" else {})
    found: Any = client.get_object(**where)
    tags = client.get_object_tagging(**where)["TagSet"] if found.get("TagCount") else []
    return Stored(
        found["Body"].read(), found["Metadata"], {tag["Key"]: tag["Value"] for tag in tags},
        {name: found[name] for name in _HEADERS if name in found},
    )  # fmt: skip
