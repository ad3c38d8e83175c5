"""Looks at a bucket as it is to be used: who calls, is it there, may it be read or written, and is it safe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from dmengine.errors import DmengineError, PlanError
from dmengine.spi import Check, Side
from dmengine_connectors.checks.asking import Limit, Look, together
from dmengine_connectors.checks.remedies import Caller
from dmengine_connectors.checks.s3_bucket import Looked
from dmengine_connectors.checks.s3_probe import check_write, not_tried
from dmengine_connectors.checks.s3_public import check_public
from dmengine_connectors.checks.s3_reach import Reached, check_reach, check_read
from dmengine_connectors.checks.s3_settings import (
    check_encryption,
    check_lifecycle,
    check_lock,
    check_ownership,
    check_tls,
    check_versioning,
)
from dmengine_connectors.checks.sessions import check_session
from dmengine_connectors.stores.s3_attributes import Wanted
from dmengine_connectors.stores.s3_calls import Calls
from dmengine_connectors.stores.s3_versions import OldVersions, check_versions

_NOBODY = "whoever calls"


@dataclass(frozen=True, slots=True)
class Files:
    """Objects of a bucket, as their connector knows them.

    Attributes:
        calls: The calls on the bucket.
        key: The prefix, or the key of the one object.
        wanted: How new objects are to be encrypted.
        tags: Whether tags go with objects.
        old_versions: What becomes of old versions of objects masked in place.
    """

    calls: Calls
    key: str
    wanted: Wanted
    tags: bool
    old_versions: OldVersions


def check_files(files: Files, side: Side, *, probe: bool, expected_account: str = "") -> Iterator[Check]:
    """Look at everything, for at most about 8 seconds: the identities, the bucket, then all else at the same time."""
    limit, url = Limit(), f"s3://{files.calls.bucket}/"
    hurried = replace(files.calls, session=files.calls.session.hurried())
    callers: list[Caller] = []

    def identify() -> Iterator[Check]:
        if (found := (yield from check_session(hurried.session, expected_account))) is not None:
            callers.append(found)

    yield from together({"session.identity": identify}, "the session", limit)
    if not callers:
        return
    bucket = _looked(replace(files, calls=hurried), side, callers[0])
    reached = Reached()
    yield from together({"bucket.reach": partial(check_reach, bucket, reached)}, url, limit)
    if reached.ok:
        yield from together(_looks(bucket, reached, limit, probe=probe), url, limit)


def check_dangers(files: Files, side: Side) -> Iterator[Check]:
    """Look at what could be dangerous, and not at what a run would come upon by itself; with all its patience."""
    caller = Caller(_NOBODY, "", _NOBODY)
    if roles := files.calls.session.roles:
        caller = Caller(roles[-1].arn, roles[-1].account, roles[-1].arn)
    bucket = _looked(files, side, caller)
    looks: list[Look] = [partial(check_public, bucket, whole=False)]
    if side != "source":
        looks += [partial(check_lock, bucket), partial(check_encryption, bucket, ""), partial(check_lifecycle, bucket)]
    if side == "staging":
        looks.append(partial(check_versioning, bucket))
    for look in looks:
        yield from look()


def check_beside(files: Files, mine: str, theirs: str) -> Iterator[Check]:
    """Say how a target lies to its source: apart, in place, or one inside the other.

    Args:
        files: The target.
        mine: Its location.
        theirs: The location of the source.
    """
    name = "places.overlap"
    if mine != theirs and (mine.startswith(theirs) or theirs.startswith(mine)):
        told, remedy = f"source and target lie one inside the other: {theirs} and {mine}", "choose another prefix"
        yield Check(name, "failed", mine, told, "", f"{remedy}, or the source itself to mask in place")
        return
    if mine != theirs:
        yield Check(name, "passed", mine, "source and target are apart", "")
        return
    yield Check(name, "passed", mine, "the source is masked in place", "")
    hurried = replace(files.calls, session=files.calls.session.hurried())
    yield from together({"places.versions": partial(_in_place, files, hurried)}, mine, Limit())


def _in_place(files: Files, calls: Calls) -> Iterator[Check]:
    """Refuse to mask in place where the originals would stay readable as old versions."""
    name, call = "places.versions", "GetBucketVersioning"
    problem: DmengineError
    try:
        findings = check_versions(calls, files.old_versions)
    except PlanError as error:
        problem = error
    else:
        for finding in findings:
            status = "unknown" if finding.message.startswith("unknown") else "warning"
            kept = status if finding.severity == "warning" else "passed"
            yield Check(name, kept, files.calls.url(""), finding.message, call, finding.hint)  # type: ignore[arg-type]
        return
    yield Check(name, "failed", files.calls.url(""), problem.message, call, problem.hint)


def _looked(files: Files, side: Side, caller: Caller) -> Looked:
    deletes = files.old_versions is not None
    return Looked(files.calls, files.key, side, caller, files.wanted, files.tags, deletes)


def _looks(bucket: Looked, reached: Reached, limit: Limit, *, probe: bool) -> dict[str, Look]:
    looks: dict[str, Look] = {}
    if bucket.side == "source":
        looks["bucket.read"] = partial(check_read, bucket, reached)
    if bucket.side != "source":
        looks["bucket.write"] = partial(check_write, bucket, limit) if probe else partial(not_tried, bucket)
    looks["bucket.public"] = partial(check_public, bucket, whole=True)
    looks["bucket.encryption"] = partial(check_encryption, bucket, reached.region)
    if bucket.side != "source":
        looks["bucket.ownership"] = partial(check_ownership, bucket)
        looks["bucket.lock"] = partial(check_lock, bucket)
        looks["bucket.versions"] = partial(check_versioning, bucket)
        looks["bucket.lifecycle"] = partial(check_lifecycle, bucket)
    looks["bucket.tls"] = partial(check_tls, bucket)
    return looks
