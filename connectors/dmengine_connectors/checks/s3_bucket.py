"""The bucket that is looked at: what is asked of it, by whom, and how it is spoken of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dmengine.spi import Check, Side
from dmengine_connectors.access.need import Need
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.asking import PASSING, asked, unknown
from dmengine_connectors.checks.remedies import Caller, Policy, allow, allow_key
from dmengine_connectors.stores.s3_attributes import Wanted
from dmengine_connectors.stores.s3_calls import Calls, call_name


@dataclass(frozen=True, slots=True)
class Looked:
    """A bucket below a prefix, or one object of it, and who looks.

    Attributes:
        calls: The calls on the bucket.
        key: The prefix, or the key of the one object.
        side: What it is to be used as.
        caller: Who calls.
        wanted: How new objects are to be encrypted.
        tags: Whether tags go with objects.
        deletes_old: Whether it is said what becomes of old versions of objects masked in place.
    """

    calls: Calls
    key: str
    side: Side
    caller: Caller
    wanted: Wanted
    tags: bool = True
    deletes_old: bool = False

    @property
    def url(self) -> str:
        """The bucket as a person would write it."""
        return f"s3://{self.calls.bucket}/"

    @property
    def arn(self) -> str:
        """The bucket's ARN."""
        arn = self.caller.arn.split(":")
        return f"arn:{arn[1] if len(arn) > 1 else 'aws'}:s3:::{self.calls.bucket}"

    @property
    def objects(self) -> str:
        """The ARN of its objects below the prefix."""
        return f"{self.arn}/{self.key}" + ("" if self.single else "*")

    @property
    def single(self) -> bool:
        """Whether it is one object."""
        return bool(self.key) and not self.key.endswith("/")

    @property
    def prefix(self) -> str:
        """What all keys begin with."""
        return self.key[: self.key.rfind("/") + 1]

    @property
    def across(self) -> bool:
        """Whether the bucket is known to be another account's than the caller's."""
        return bool(self.calls.owner and self.caller.account) and self.calls.owner != self.caller.account

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any] | AwsError:
        """Call S3 on the bucket, and return its answer or its refusal."""
        return asked(lambda: self.calls(operation, **parameters))

    def passed(self, name: str, answer: str, operation: str) -> Check:
        """Return what is as it should be."""
        return Check(name, "passed", self.url, answer, call_name(operation))

    def unknown(self, name: str, what: str, operation: str, error: AwsError, action: str) -> Check:
        """Return what may not be looked at, with the right to look."""
        if error.kind in PASSING:
            return unknown(name, self.url, what, call_name(operation), error, "try again later")
        remedy, policy = self.allow(Need(action, self.arn, "look at the bucket"), error=error)
        told = unknown(name, self.url, what, call_name(operation), error, f"{remedy}; or look by hand")
        return Check(told.name, told.status, told.subject, told.answer, told.call, told.remedy, policy)

    def refused(self, name: str, operation: str, error: AwsError, *needs: Need, subject: str = "") -> Check:
        """Return what is refused, or cannot be known for now, with the rights that it takes."""
        if error.kind in PASSING:
            return unknown(name, subject or self.url, "S3 cannot answer now", call_name(operation), error, "try later")
        if error.action.startswith("kms:") or error.kind == "kms":
            return self._no_key(name, operation, error, subject)
        remedy, policy = error.hint, None
        if error.kind == "denied":
            remedy, policy = self.allow(*needs, error=error)
        return Check(name, "failed", subject or self.url, error.message, call_name(operation), remedy, policy)

    def allow(self, *needs: Need, error: AwsError | None = None) -> tuple[str, Policy]:
        """Return the words and statements that grant rights on the bucket."""
        remedy, policy = allow(needs, self.caller, self.calls.owner, error.denier if error else "")
        if error is None:
            return remedy, policy
        if error.forbids:
            remedy = f"a {error.forbids} policy forbids it, so take that away; then {remedy}"
        elif self.calls.owner and not error.denier:
            remedy += f"; the bucket must also be owned by account {self.calls.owner} (expected_owner)"
        return remedy, policy

    def _no_key(self, name: str, operation: str, error: AwsError, subject: str) -> Check:
        from dmengine_connectors.access.places import Account, KmsKey

        if error.kind == "kms":
            return Check(name, "failed", subject or self.url, error.message, call_name(operation), error.hint)
        named = KmsKey.of(error.key or self.wanted.kms_key or "*", Account(number=self.calls.owner or "*"))
        use = "read" if error.action == "kms:Decrypt" and self.side == "source" else "write"
        remedy, policy = allow_key(named, use, self.caller)
        answer = f"{error.message}; {error.action} is not allowed on the KMS key"
        return Check(name, "failed", subject or self.url, answer, call_name(operation), remedy, policy)
