"""Looks at how a bucket is set up: ownership, encryption, locks, versions, lifecycle rules, plain http."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dmengine.spi import Check
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.keys import check_key
from dmengine_connectors.checks.remedies import tls_only
from dmengine_connectors.checks.s3_bucket import Looked

_SHORTEST: Final = 2  # days
_MANAGED: Final = "alias/aws/s3"
_SAFE: Final = ("s3:*", "*")


def check_ownership(bucket: Looked) -> Iterator[Check]:
    """Say whom new objects belong to: written from another account, they may stay that account's."""
    name, operation = "bucket.ownership", "get_bucket_ownership_controls"
    answer = bucket.ask(operation)
    if isinstance(answer, AwsError) and answer.code != "OwnershipControlsNotFoundError":
        yield bucket.unknown(
            name, f"whom new objects of {bucket.url} belong to", operation, answer, "s3:GetBucketOwnershipControls"
        )
        return
    rules = () if isinstance(answer, AwsError) else answer.get("OwnershipControls", {}).get("Rules", ())
    owns = rules[0].get("ObjectOwnership") if rules else "ObjectWriter"
    if owns == "BucketOwnerEnforced":
        yield bucket.passed(name, "all objects belong to the bucket's owner; ACLs do not count", operation)
    elif not bucket.across:
        yield bucket.passed(name, f"new objects belong to the account that writes them ({owns})", operation)
    else:
        yield Check(
            name, "warning", bucket.url,
            f"new objects would belong to account {bucket.caller.account}, which writes them, and not to the bucket's "
            f"({owns})",
            "GetBucketOwnershipControls", f"set the Object Ownership of {bucket.calls.bucket} to BucketOwnerEnforced",
        )  # fmt: skip


def check_encryption(bucket: Looked, region: str) -> Iterator[Check]:
    """Say how new objects are encrypted, and whether the key can be used.

    Args:
        bucket: Which bucket.
        region: Where it is, if that is known.
    """
    name, operation = "bucket.encryption", "get_bucket_encryption"
    answer = bucket.ask(operation)
    rule: Mapping[str, Any] = {}
    if not isinstance(answer, AwsError):
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
        rule = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    elif answer.code != "ServerSideEncryptionConfigurationNotFoundError":
        what = f"how new objects of {bucket.url} are encrypted"
        yield bucket.unknown(name, what, operation, answer, "s3:GetEncryptionConfiguration")
        if not bucket.wanted.kms_key:
            return
    algorithm = bucket.wanted.encryption or rule.get("SSEAlgorithm", "")
    key = bucket.wanted.kms_key or (rule.get("KMSMasterKeyID", "") if algorithm == rule.get("SSEAlgorithm") else "")
    asked_for = " (asked for)" if bucket.wanted.encryption or bucket.wanted.kms_key else ""
    if rule and algorithm:
        with_key = f" with the key {key}" if key else ""
        yield bucket.passed(name, f"new objects are encrypted as {algorithm}{with_key}{asked_for}", operation)
    elif not isinstance(answer, AwsError) or not bucket.wanted.kms_key:
        yield Check(
            name, "warning", bucket.url, "the bucket says of no encryption", "GetBucketEncryption",
            "set a default encryption: SSE-S3 costs nothing; AWS itself always has one",
        )  # fmt: skip
    if algorithm.startswith("aws:kms") or bucket.wanted.kms_key:
        yield from check_key(bucket.calls.session, key or _MANAGED, bucket.caller, bucket.calls.owner, region)


def check_lock(bucket: Looked) -> Iterator[Check]:
    """Say whether a lock keeps what has to be removed or replaced."""
    name, operation = "bucket.lock", "get_object_lock_configuration"
    answer = bucket.ask(operation)
    if isinstance(answer, AwsError):
        if answer.code == "ObjectLockConfigurationNotFoundError":
            yield bucket.passed(name, "objects are not locked", operation)
        else:
            what = f"whether a lock keeps the objects of {bucket.url}"
            yield bucket.unknown(name, what, operation, answer, "s3:GetBucketObjectLockConfiguration")
        return
    found = answer.get("ObjectLockConfiguration", {})
    retention = found.get("Rule", {}).get("DefaultRetention", {})
    locked = found.get("ObjectLockEnabled") == "Enabled"
    call = "GetObjectLockConfiguration"
    if bucket.side == "staging" and locked:
        yield Check(
            name, "failed", bucket.url, "object lock is on: unmasked data in staging could not be removed", call,
            "use a bucket without object lock for staging",
        )  # fmt: skip
    elif locked and retention:
        days = retention.get("Days") or f"{retention.get('Years')} years of"
        yield Check(
            name, "warning", bucket.url,
            f"object lock is on: what is published stays for {days} days ({retention.get('Mode')}), and the journal's "
            "notes with it",
            call, "use a bucket, or a journal=, without default retention if that is not meant",
        )  # fmt: skip
    else:
        yield bucket.passed(name, "objects are not locked by default", operation)


def check_versioning(bucket: Looked) -> Iterator[Check]:
    """Say whether the bucket keeps what is overwritten or deleted."""
    name, operation = "bucket.versions", "get_bucket_versioning"
    answer = bucket.ask(operation)
    if isinstance(answer, AwsError):
        what = f"whether {bucket.url} keeps old versions, which are not masked"
        yield bucket.unknown(name, what, operation, answer, "s3:GetBucketVersioning")
    elif answer.get("Status") is None:
        yield bucket.passed(name, "what is overwritten or deleted is gone", operation)
    elif bucket.side == "staging":
        yield Check(
            name, "warning", bucket.url, "it keeps old versions: unmasked data that is deleted stays as one of them",
            "GetBucketVersioning",
            "allow s3:DeleteObjectVersion and s3:ListBucketVersions, or use a bucket without versions",
        )  # fmt: skip
    else:
        kept = "old versions of masked objects are deleted" if bucket.deletes_old else _IN_PLACE
        yield bucket.passed(name, f"it keeps old versions of what is replaced; {kept}", operation)


def check_lifecycle(bucket: Looked) -> Iterator[Check]:
    """Warn of a rule that would abort the uploads of a long run before they are published."""
    name, operation, found = "bucket.lifecycle", "get_bucket_lifecycle_configuration", False
    answer = bucket.ask(operation)
    if isinstance(answer, AwsError) and answer.code != "NoSuchLifecycleConfiguration":
        what = f"whether a lifecycle rule aborts uploads of {bucket.url}"
        yield bucket.unknown(name, what, operation, answer, "s3:GetLifecycleConfiguration")
        return
    for rule in () if isinstance(answer, AwsError) else answer.get("Rules", ()):
        days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
        if rule.get("Status") == "Enabled" and days is not None and days < _SHORTEST:
            found = True
            yield Check(
                name, "warning", bucket.url,
                f"a lifecycle rule of {bucket.url} aborts uploads that are open for {days} day",
                "GetBucketLifecycleConfiguration",
                "a run that takes longer loses what it has sealed: raise DaysAfterInitiation to 7",
            )  # fmt: skip
    if not found:
        yield bucket.passed(name, "no lifecycle rule aborts uploads within a day", operation)


def check_tls(bucket: Looked) -> Iterator[Check]:
    """Say whether the bucket's policy refuses plain http."""
    name, operation = "bucket.tls", "get_bucket_policy"
    answer = bucket.ask(operation)
    if isinstance(answer, AwsError) and answer.code != "NoSuchBucketPolicy":
        what = f"whether the policy of {bucket.url} refuses plain http"
        yield bucket.unknown(name, what, operation, answer, "s3:GetBucketPolicy")
    elif not isinstance(answer, AwsError) and _refuses_http(answer.get("Policy", "")):
        yield bucket.passed(name, "its policy refuses plain http", operation)
    else:
        yield Check(
            name, "warning", bucket.url, "its policy does not refuse plain http", "GetBucketPolicy",
            "add this statement to the bucket's policy", tls_only(bucket.arn),
        )  # fmt: skip


def _refuses_http(policy: str) -> bool:
    try:
        found = json.loads(policy)
    except ValueError:
        return False
    statements = found.get("Statement", ()) if isinstance(found, dict) else ()
    return any(_is_tls_only(one) for one in ([statements] if isinstance(statements, dict) else statements))


def _is_tls_only(one: Mapping[str, Any]) -> bool:
    actions = one.get("Action", ())
    everyone = one.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    secure = one.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport", "")
    all_of_s3 = any(action in _SAFE for action in ([actions] if isinstance(actions, str) else actions))
    return one.get("Effect") == "Deny" and everyone and all_of_s3 and str(secure).lower() in ("false", "['false']")


_IN_PLACE: Final = 'masked in place, the originals would stay readable as such: set old_versions="delete", or keep them'
