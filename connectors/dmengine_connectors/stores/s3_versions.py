"""Old versions of objects masked in place: a versioned bucket keeps the originals until they are deleted."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from dmengine.errors import PlanError
from dmengine.spi import Finding
from dmengine_connectors.stores.s3_calls import AT_ONCE, Calls, RefusedError, pages

OldVersions = Literal["delete"] | Mapping[str, str] | None


def check_versions(calls: Calls, old_versions: OldVersions) -> tuple[Finding, ...]:
    """Refuse to mask in place where the bucket would keep the originals and nobody has said what becomes of them.

    Raises:
        PlanError: the bucket has versions, and `old_versions` does not say; or it says something that is not known.
    """
    reason = old_versions.get("keep", "") if isinstance(old_versions, Mapping) else ""
    if isinstance(old_versions, Mapping) and (set(old_versions) != {"keep"} or not reason.strip()):
        raise PlanError("old_versions says what is not known", hint='"delete", or {"keep": "the reason"}')
    try:
        state = calls("get_bucket_versioning").get("Status")
    except RefusedError as error:
        if error.code == "NoSuchBucket":
            raise
        message = f"unknown: whether s3://{calls.bucket}/ keeps old versions, which are not masked ({error.code})"
        return (Finding("warning", message, hint="allow s3:GetBucketVersioning, or check it by hand"),)
    if state is None:
        return ()
    if old_versions is None:
        raise PlanError(
            f"s3://{calls.bucket}/ keeps old versions: masked in place, the originals would stay readable",
            hint='mask into another bucket, or set old_versions="delete", or old_versions={"keep": "the reason"}',
        )
    if reason:
        message = f"the unmasked originals stay in s3://{calls.bucket}/ as old versions: {reason}"
        return (Finding("warning", message),)
    return (Finding("info", "every old version of the masked objects is deleted, once all are published"),)


def check_deleting(calls: Calls, prefix: str, name: str) -> None:
    """Refuse, before anything is written, where old versions could not be found or deleted in the end.

    Args:
        calls: The bucket.
        prefix: What is masked.
        name: One of the objects.

    Raises:
        RefusedError: a right is missing.
    """
    calls("list_object_versions", Prefix=prefix + name, MaxKeys=1)
    try:  # a version that there is not: S3 asks for the right all the same, and nothing is deleted
        calls("delete_object", Key=prefix + name, VersionId=secrets.token_urlsafe(24))
    except RefusedError as error:
        if error.kind == "denied":
            raise


def delete_old(calls: Calls, prefix: str, masked: Collection[str]) -> tuple[str, ...]:
    """Delete every version but the current one of the masked objects; list again, and name what is still there."""
    keys = {prefix + name for name in masked}

    def delete(version: tuple[str, str]) -> None:
        try:
            calls("delete_object", Key=version[0], VersionId=version[1])
        except RefusedError as error:
            if error.kind not in ("denied", "missing"):  # the second listing names it
                raise

    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dmengine-delete") as pool:
            list(pool.map(delete, list(_old(calls, prefix, keys))))
        return tuple(f"{calls.url(key)} (old version {version})" for key, version in _old(calls, prefix, keys))
    except RefusedError as error:
        return (f"{calls.url(prefix)} (old versions, perhaps: {error.message})",)


def _old(calls: Calls, prefix: str, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    tokens = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
    for items in ("Versions", "DeleteMarkers"):
        for found in pages(calls, "list_object_versions", items, tokens, Prefix=prefix):
            if found["Key"] in keys and not found["IsLatest"]:
                yield found["Key"], found["VersionId"]
