"""The rights that files on S3 need: each action with the calls it is for, and what becomes of a run without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dmengine.spi import Side
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_keys import key_needs
from dmengine_connectors.access.places import S3Place

_LOOKS: Final = {
    "s3:GetBucketPublicAccessBlock": "see whether the bucket can be public at all",
    "s3:GetBucketPolicyStatus": "see whether the bucket's policy lets anyone in",
    "s3:GetBucketAcl": "see whether the bucket's ACL lets anyone in",
    "s3:GetEncryptionConfiguration": "see how objects are encrypted, and with which key",
}
_WRITE_LOOKS: Final = {
    "s3:GetBucketObjectLockConfiguration": "see whether a lock would keep what has to be removed",
    "s3:GetBucketVersioning": "see whether the bucket keeps what is overwritten or deleted",
    "s3:GetBucketOwnershipControls": "see whose objects that come from another account are",
    "s3:GetLifecycleConfiguration": "warn of a rule that aborts uploads before a long run has published them",
}


def s3_needs(place: S3Place, side: Side, *, in_place: bool = False, journal: bool = True) -> tuple[Need, ...]:
    """Return the rights that the objects of a bucket need.

    Args:
        place: Which objects.
        side: What they are used as.
        in_place: Whether source and target are the same.
        journal: Whether the journal lies beside them.

    >>> [need.action for need in s3_needs(S3Place("b", "in/"), "source")][:2]
    ['s3:GetObject', 's3:GetObjectTagging']
    """
    if side == "source":
        return (*_source(place), *key_needs(place.keys, "read", "s3"))
    if side == "staging":
        return (*_staging(place), *key_needs(place.keys, "write", "s3"))
    return (*_target(place, in_place, journal), *key_needs(place.keys, "write", "s3"))


def journal_needs(place: S3Place) -> tuple[Need, ...]:
    """Return the rights that a journal in a prefix of its own needs."""
    return (*_notes(place, place.objects), *key_needs(place.keys, "write", "s3"))


def _source(place: S3Place) -> Iterator[Need]:
    sid, objects = "SourceBucketRead", place.objects
    yield Need("s3:GetObject", objects, "read the objects to mask", sid=sid)
    if place.tags:
        yield Need("s3:GetObjectTagging", objects, "carry the objects' tags over; without it they stay", True, sid)
    yield _list(place, "SourceBucketList", "list the objects to mask")
    yield from _looked_at(place, "SourceBucketPermissionCheck", _LOOKS)


def _target(place: S3Place, in_place: bool, journal: bool) -> Iterator[Need]:
    sid, objects = "DestinationBucketWrite", place.objects
    yield Need("s3:PutObject", objects, "write the masked objects, as uploads that are completed at the end", sid=sid)
    yield Need("s3:GetObject", objects, "see what stands at an object's place, and that all has arrived", sid=sid)
    yield Need(
        "s3:AbortMultipartUpload", objects, "end the uploads of a run that fails, which are named otherwise", True, sid
    )
    if place.tags:
        reason = "write the objects' tags; without it they stay behind"
        yield Need("s3:PutObjectTagging", objects, reason, True, sid)
    yield _list(place, "DestinationBucketList", "list what stands at the target, and the notes of the journal")
    uploads = "find uploads whose id was lost when a run was killed; S3 has no prefix condition for it"
    sid = "DestinationBucketSecurityCheck"
    yield Need("s3:ListBucketMultipartUploads", place.arn, uploads, True, sid)
    yield from _looked_at(place, sid, _LOOKS | _WRITE_LOOKS)
    if journal:
        yield from _home(place)
    if in_place and place.delete_old:
        yield from _old_versions(place)


def _home(place: S3Place) -> Iterator[Need]:
    """Yield what the journal beside the objects needs, as far as the objects' own rights do not cover it."""
    home = place.below(place.home)
    notes = _notes(S3Place(place.bucket, place.home, place.account), home)
    return (need for need in notes if not place.is_prefix or need.action == "s3:DeleteObject")


def _notes(place: S3Place, objects: str) -> Iterator[Need]:
    sid = "JournalAccess"
    yield Need("s3:GetObject", objects, "read the notes of a run", sid=sid)
    yield Need("s3:PutObject", objects, "note what a run does, so that a killed one can be ended", sid=sid)
    yield Need("s3:DeleteObject", objects, "remove the notes at the end; without it they stay, emptied", True, sid)
    yield _list(place, "JournalList", "find the notes of a run")


def _old_versions(place: S3Place) -> Iterator[Need]:
    listing = "find the originals that the bucket keeps as old versions"
    yield Need("s3:ListBucketVersions", place.arn, listing, sid="OldVersionsList", condition=_prefix(place))
    yield Need("s3:DeleteObjectVersion", place.objects, "delete the originals: old_versions", sid="OldVersionsDelete")


def _staging(place: S3Place) -> Iterator[Need]:
    sid, objects = "ExportedDataAccess", place.objects
    yield Need("s3:GetObject", objects, "read what was exported or unloaded", sid=sid)
    yield Need("s3:PutObject", objects, "write the masked files, the manifest and the journal", sid=sid)
    reason = f"which {place.external} does otherwise" if place.external else "a run is refused without it"
    yield Need("s3:DeleteObject", objects, f"remove unmasked data from staging; {reason}", bool(place.external), sid)
    yield Need("s3:AbortMultipartUpload", objects, "end the uploads of a run that fails", True, sid)
    yield _list(place, "ExportedDataList", "find what was exported, and prove that nothing is left")
    sid = "ExportedDataCheck"
    yield from _looked_at(place, sid, _LOOKS | _WRITE_LOOKS)
    uploads = "find uploads that were left open in staging; S3 has no prefix condition for it"
    yield Need("s3:ListBucketMultipartUploads", place.arn, uploads, True, sid)


def _looked_at(place: S3Place, sid: str, actions: dict[str, str]) -> Iterator[Need]:
    for action, reason in actions.items():
        yield Need(action, place.arn, reason, True, sid)
    if place.within:  # S3 tells these to identities of the bucket's own account alone
        yield Need("s3:GetBucketPolicy", place.arn, "see whether plain http is refused", True, sid)
        reason = "see whether the account keeps all its buckets from being public; AWS knows no narrower resource"
        yield Need("s3:GetAccountPublicAccessBlock", "*", reason, True, "AccountCheck")


def _list(place: S3Place, sid: str, reason: str) -> Need:
    return Need("s3:ListBucket", place.arn, reason, sid=sid, condition=_prefix(place))


def _prefix(place: S3Place) -> dict[str, dict[str, str]]:
    """Return the condition that keeps a listing to the prefix; an empty prefix is the whole bucket."""
    return {"StringLike": {"s3:prefix": f"{place.key}*"}} if place.key else {}
