"""Looks at the bucket in which a database's data lies while it is masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import S3Place
from dmengine_connectors.access.statements import document
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.s3 import Files, check_files
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.stores.s3_attributes import Wanted
from dmengine_connectors.stores.s3_calls import Calls

_CLEANUP: Final = "bucket.delete"


@dataclass(frozen=True, slots=True)
class Staging:
    """A staging bucket, and what is expected of it.

    Attributes:
        place: The bucket and prefix.
        owner: The account that must own it, if that is known.
        wanted: How new objects are to be encrypted.
        cleanup: Who removes what is left there, where dmengine may not; empty: nobody else does.
    """

    place: S3Place
    owner: str = ""
    wanted: Wanted = Wanted(None, None)  # noqa: RUF009  # it is frozen
    cleanup: str = ""


def staging_checks(
    session: SessionFactory, staging: Staging, *, probe: bool = False, expected_account: str = ""
) -> Iterator[Check]:
    """Look at who calls and at the bucket, as staging.

    Args:
        session: Who reaches the bucket.
        staging: The bucket.
        probe: Whether an object may be written to prove the rights; it is removed again.
        expected_account: The account that the last identity must be in.
    """
    place = staging.place
    files = Files(Calls(session, place.bucket, staging.owner), place.key, staging.wanted, False, None)
    for check in check_files(files, "staging", probe=probe, expected_account=expected_account):
        yield _external(check, staging.cleanup)


def region_check(session: SessionFactory, staging: Staging, region: str, name: str, whose: str) -> Check:
    """Compare the bucket's region with that of a table or cluster.

    Parquet is loaded from a bucket of the cluster's region only; DynamoDB imports from any.

    Args:
        session: Who asks.
        staging: The bucket.
        region: The region of the table or cluster; empty: nobody knows.
        name: The check's name.
        whose: "the table" or "the cluster".
    """
    bucket, call = staging.place.bucket, "HeadBucket"
    subject = f"s3://{bucket}/"
    found = _region_of(session, staging)
    if isinstance(found, AwsError):
        told, hint = f"the bucket's region is not known: {found.code}", found.hint
        need = Need("s3:ListBucket", staging.place.arn, "see where the bucket is", sid="ExportedDataList")
        policy = document([need]) if found.kind == "denied" else None
        return Check(name, "unknown", subject, told, call, hint, policy)
    if not region or not found:
        told = f"the region of {whose if found else 'the bucket'} is not known"
        return Check(
            name, "unknown", subject, told, call, f"say region in the connection, and compare: {found or region}"
        )
    if found == region:
        return Check(name, "passed", subject, f"bucket and {whose.removeprefix('the ')} are in {region}", call)
    told = f"the bucket is in {found}, and {whose} in {region}"
    if whose == "the cluster":
        hint = f"take a bucket in {region}: COPY of Parquet reads from no other region"
        return Check(name, "failed", subject, told, call, hint)
    hint = f"take a bucket in {region}: data leaves the region otherwise, and traffic between regions costs"
    return Check(name, "warning", subject, told, call, hint)


def _region_of(session: SessionFactory, staging: Staging) -> str | AwsError:
    try:
        answer = Calls(session.hurried(), staging.place.bucket, staging.owner)("head_bucket")
    except AwsError as error:
        return error.region or error  # S3 names it even where it refuses
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))


def _external(check: Check, cleanup: str) -> Check:
    """Take a bucket that we may not empty, where it is said who does."""
    if check.name != _CLEANUP or check.status != "failed" or not cleanup:
        return check
    told = f"{check.answer}; staging_cleanup: external leaves that to {cleanup}"
    remedy = f"see that {cleanup} removes it: until then unmasked data lies there; or allow dmengine to"
    return replace(check, status="warning", answer=told, remedy=remedy)
