"""Looks at how a bucket is set up: a public one is refused, and what may not be looked at is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from dmengine.spi import Finding
from dmengine_connectors.stores.s3_calls import Calls, RefusedError, call_name

Side = Literal["source", "target"]

_ANYONE: Final = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")
_NOT_SET: Final = ("NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy", "NoSuchLifecycleConfiguration")
_SHORTEST: Final = 2  # days


def posture(calls: Calls, side: Side) -> tuple[Finding, ...]:
    """Say whether a bucket is public: by its policy, or by its ACL, as far as nothing blocks them.

    A check that is not allowed, or that the store does not know, is a finding and no pass.
    """
    findings = _Findings(calls, side)
    return tuple(findings.public())


def open_upload_rules(calls: Calls) -> tuple[Finding, ...]:
    """Warn of a lifecycle rule that would abort the uploads of a long run before they are published."""
    findings = _Findings(calls, "target")
    return tuple(findings.short_lives())


class _Findings:
    def __init__(self, calls: Calls, side: Side) -> None:
        self._calls = calls
        self._side = side
        self._unknown: list[str] = []

    def public(self) -> Iterator[Finding]:
        block = self._asked("get_public_access_block").get("PublicAccessBlockConfiguration", {})
        if not block.get("RestrictPublicBuckets"):
            status = self._asked("get_bucket_policy_status").get("PolicyStatus", {})
            if status.get("IsPublic"):
                yield self._refusal("its policy lets anyone in")
        if not block.get("IgnorePublicAcls"):
            grants = self._asked("get_bucket_acl").get("Grants", ())
            if any(grant.get("Grantee", {}).get("URI", "").endswith(_ANYONE) for grant in grants):
                yield self._refusal("its ACL lets anyone in")
        yield from self._not_known("whether the {side} bucket is public")

    def short_lives(self) -> Iterator[Finding]:
        for rule in self._asked("get_bucket_lifecycle_configuration").get("Rules", ()):
            days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
            if rule.get("Status") == "Enabled" and days is not None and days < _SHORTEST:
                yield Finding(
                    "warning",
                    f"a lifecycle rule of s3://{self._calls.bucket}/ aborts uploads that are open for {days} day",
                    hint="a run that takes longer loses what it has sealed: raise DaysAfterInitiation to 7",
                )
        yield from self._not_known("whether a lifecycle rule aborts uploads", "info")

    def _asked(self, operation: str) -> Mapping[str, Any]:
        try:
            return self._calls(operation)
        except RefusedError as error:
            if error.code == "NoSuchBucket":
                raise
            if error.code not in _NOT_SET:
                self._unknown.append(f"{call_name(operation)}: {error.code}")
        return {}

    def _refusal(self, why: str) -> Finding:
        return Finding(
            "error",
            f"the {self._side} bucket {self._calls.bucket} is public: {why}",
            hint="turn all four settings of Block Public Access on for the bucket",
        )

    def _not_known(self, what: str, severity: Literal["info", "warning"] = "warning") -> Iterator[Finding]:
        if self._unknown:
            told = what.format(side=self._side)
            yield Finding(
                severity,
                f"unknown: {told} (s3://{self._calls.bucket}/; {', '.join(self._unknown)})",
                hint="allow these calls, or check it by hand",
            )
