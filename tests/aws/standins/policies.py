"""Policies that are enforced: of roles, sessions, buckets, KMS keys and trust, by the rules of IAM."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

from dmengine_connectors.access.evaluate import Decision, Policy, Request, account_of, decide_access
from tests.aws.standins.actions import Asked, asked, copied, deleted
from tests.aws.standins.calls import Answer, Call, refusal
from tests.aws.standins.facts import FACTS

_READS: Final = ("GetObject", "GetObjectAttributes", "SelectObjectContent")
_BEGINS: Final = ("PutObject", "CreateMultipartUpload", "CopyObject")
_GOES_ON: Final = ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload")


@dataclass(frozen=True, slots=True)
class Who:
    """Who calls: the session, the role that it is of, and what narrows it."""

    arn: str
    role: str
    account: str
    session: Sequence[Policy] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """One action that was asked for, and what the policies said."""

    role: str
    action: str
    resource: str
    effect: str
    operation: str


class Policies:
    """What enforces: set `roles` and the policies of buckets and keys, and every call has to be allowed by them.

    Attributes:
        roles: Role -> its identity policies.
        trusts: Role -> its trust policy.
        secure: Whether the loopback counts as TLS (`aws:SecureTransport`).
        judged: Everything that was asked for so far.
    """

    def __init__(self, moto: str, region: str) -> None:
        self.roles: dict[str, list[Policy]] = {}
        self.trusts: dict[str, Policy] = {}
        self.secure = True
        self.judged: list[Judged] = []
        self._moto = moto
        self._region = region
        self._lock = Lock()

    def granted(self) -> set[tuple[str, str]]:
        """Return each role and action that was allowed so far."""
        return {(one.role, one.action) for one in self.judged if one.effect == "allow"}

    def refused(self) -> set[tuple[str, str]]:
        """Return each role and action that was refused so far."""
        return {(one.role, one.action) for one in self.judged if one.effect != "allow"}

    # ------------------------------------------------------------------------------------------ decisions

    def refuse(self, call: Call, who: Who, clock: float) -> Answer | None:
        """Return the refusal of AWS, or None where the policies allow all that the call needs."""
        if "X-Amz-Target" in call.headers and call.service == "kms":
            return self._refuse_kms(call, who, clock)
        facts = self._facts(bucket=call.bucket, key=call.key, upload=call.query.get("uploadId", ""))
        for one in asked(call, who.account, self._region):
            decision = self._judge(one, call, who, clock, self._facts_of(one, facts))
            if decision.effect != "allow":
                return _denied(call, who, one, decision)
        if call.service == "s3":
            return self._refuse_keys(call, who, clock, facts) or self._hide(call, who, clock, facts)
        return None

    def answer(self, call: Call, who: Who) -> Answer | None:
        """Return what moto does not tell: a key of another account, which moto does not find."""
        if call.service != "kms" or call.operation != "DescribeKey":
            return None
        name = str(json.loads(call.body)["KeyId"])
        key = self._key(name, who.account)
        body = json.dumps({"KeyMetadata": key["metadata"]}).encode() if key else b""
        return Answer(200, body, {"Content-Type": "application/x-amz-json-1.1"}) if key else None

    def _judge(self, one: Asked, call: Call, who: Who, clock: float, facts: Mapping[str, Any]) -> Decision:
        decision = self._decided(one, who, clock, facts)
        with self._lock:
            self.judged.append(Judged(who.role or who.arn, one.action, one.resource, decision.effect, call.operation))
        return decision

    def _decided(self, one: Asked, who: Who, clock: float, facts: Mapping[str, Any]) -> Decision:
        owner, policy = facts.get("owner", ""), facts.get("policy")
        if one.action.startswith("sts:"):
            owner, policy = account_of(one.resource), self.trusts.get(one.resource)
        context: dict[str, Any] = {
            "aws:SecureTransport": str(self.secure).lower(),
            "aws:SourceIp": "127.0.0.1",
            "aws:RequestedRegion": self._region,
            "aws:CurrentTime": datetime.fromtimestamp(clock, UTC).isoformat(),
            **{f"aws:PrincipalTag/{key}": value for key, value in who.tags.items()},
            **one.context,
        }
        context["aws:PrincipalArn"] = who.role or who.arn
        if owner:
            context["aws:ResourceAccount"] = context["s3:ResourceAccount"] = owner
        request = Request(who.arn, one.action, one.resource, context, owner)
        identity = self.roles.get(who.role or who.arn, ())
        return decide_access(request, identity=identity, resource=policy, session=who.session)

    def _facts_of(self, one: Asked, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        bucket = one.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        if not one.action.startswith("s3:") or bucket == facts.get("bucket") or bucket == "*":
            return facts
        return self._facts(bucket=bucket)

    # ------------------------------------------------------------------------------------------ keys

    def _refuse_kms(self, call: Call, who: Who, clock: float) -> Answer | None:
        name = str(json.loads(call.body or b"{}").get("KeyId", ""))
        key = self._key(name, who.account) if name else None
        if name and key is None:
            return None  # moto says NotFoundException
        given: dict[str, Any] = {"kms:CallerAccount": who.account}
        if key:
            given |= {"kms:ResourceAliases": key["aliases"]}
            given |= {"kms:RequestAlias": name.rpartition(":")[2]} if "alias/" in name else {}
        one = Asked(f"kms:{call.operation}", key["arn"] if key else "*", given)
        decision = self._judge(one, call, who, clock, key or {})
        return None if decision.effect == "allow" else _denied(call, who, one, decision)

    def _refuse_keys(self, call: Call, who: Who, clock: float, facts: Mapping[str, Any]) -> Answer | None:
        for action, name, arn in self._with_keys(call, facts):
            key = self._key(name, facts["owner"])
            if key is None:
                return refusal(call, 400, "KMS.NotFoundException", "Key does not exist")
            if key["metadata"]["KeyState"] != "Enabled":
                return refusal(call, 400, "KMS.DisabledException", "The key is disabled.")
            given = {
                "kms:CallerAccount": who.account,
                "kms:ViaService": f"s3.{self._region}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": arn,
                "kms:EncryptionContextKeys": ["aws:s3:arn"],
                "kms:ResourceAliases": key["aliases"],
            }
            one = Asked(f"kms:{action}", key["arn"], given, "s3")
            decision = self._judge(one, call, who, clock, key)
            if decision.effect != "allow":
                return _denied(call, who, one, decision)
        return None

    def _with_keys(self, call: Call, facts: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield what S3 asks of KMS in the caller's name: the action, on which key, for which object."""
        arn = f"arn:aws:s3:::{call.bucket}/{call.key}"
        with_sums = call.operation == "HeadObject" and call.headers.get("x-amz-checksum-mode") == "ENABLED"
        if call.operation in _READS or with_sums:
            if name := _kms(facts.get("object")):
                yield "Decrypt", name, arn
        elif call.operation in _BEGINS:
            algorithm = str(call.headers.get("x-amz-server-side-encryption", ""))
            own = {
                "algorithm": algorithm,
                "key": str(call.headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")),
            }
            if name := _kms(own if algorithm else facts.get("default")):
                yield "GenerateDataKey", name, arn
        elif call.operation in _GOES_ON and (name := _kms(facts.get("upload") or facts.get("default"))):
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
            yield "Decrypt", name, arn
        if source := copied(call):
            bucket, key, _ = source
            if name := _kms(self._facts(bucket=bucket, key=key).get("object")):
                yield "Decrypt", name, f"arn:aws:s3:::{bucket}/{key}"

    def _hide(self, call: Call, who: Who, clock: float, facts: Mapping[str, Any]) -> Answer | None:
        """Answer 403 for an object that is not there to those who may not list, as S3 does.

        Whether S3 compares `s3:prefix` with the key there is not documented, and people disagree; this is the stricter
        of both: a right to list that is bound to a prefix does not count.
        """
        if call.operation not in ("GetObject", "HeadObject") or facts.get("object") or "versionId" in call.query:
            return None
        one = Asked("s3:ListBucket", f"arn:aws:s3:::{call.bucket}")
        decision = self._decided(one, who, clock, facts)
        return None if decision.effect == "allow" else _denied(call, who, one, decision)

    # ------------------------------------------------------------------------------------------ facts of moto's

    def _key(self, name: str, account: str) -> dict[str, Any] | None:
        return self._facts(kms=name, account=account, region=self._region).get("found")

    def _facts(self, **asking: str) -> dict[str, Any]:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asking.items())
        with urllib.request.urlopen(f"{self._moto}{FACTS}?{query}") as answer:
            return dict(json.load(answer))


def _kms(encryption: Mapping[str, str] | None) -> str:
    """Return the key of an encryption with KMS; the AWS managed key of S3 where none is named."""
    if not encryption or not encryption["algorithm"].startswith("aws:kms"):
        return ""
    return encryption["key"] or "alias/aws/s3"


def _denied(call: Call, who: Who, one: Asked, decision: Decision) -> Answer:
    side = decision.sides[0]
    why = "with an explicit deny in a" if decision.effect == "deny" else "because no"
    kind = {"identity": "identity-based policy", "resource": "resource-based policy", "session": "session policy"}[side]
    ending = "" if decision.effect == "deny" else f" allows the {one.action} action"
    message = (
        f"User: {who.arn} is not authorized to perform: {one.action} on resource: {one.resource} {why} {kind}{ending}"
    )
    if call.operation == "DeleteObjects":
        return _none_deleted(call)
    if "X-Amz-Target" in call.headers:
        return refusal(call, 400, "AccessDeniedException", message)
    return refusal(call, 403, "AccessDenied", message)


def _none_deleted(call: Call) -> Answer:
    errors = "".join(
        f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        for key, _ in deleted(call)
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult>{errors}</DeleteResult>'
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})
