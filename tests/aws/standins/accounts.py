"""Who may do what: accounts, roles, sessions on the tests' clock, and who owns a bucket; what moto does not enforce."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from dmengine_connectors.access.evaluate import Policy
from tests.aws.standins.calls import Answer, Call, refusal
from tests.aws.standins.policies import Policies, Who
from tests.aws.standins.server import ACCOUNT_A

ACCOUNT_B, ACCOUNT_C = "222222222222", "333333333333"
SOURCE_ROLE = f"arn:aws:iam::{ACCOUNT_A}:role/Source-DM-Role"

# What the policy of Target-DM-Role grants in DataMasque's documents, by the calls that it covers.
DOCUMENTED_RIGHTS = frozenset(
    {
        "ListObjectsV2", "ListObjects", "HeadBucket", "GetBucketAcl", "GetBucketPolicyStatus", "GetPublicAccessBlock",
        "GetObjectLockConfiguration", "GetObject", "HeadObject", "PutObject", "CreateMultipartUpload", "UploadPart",
        "CompleteMultipartUpload", "AssumeRole", "GetCallerIdentity",
    }
)  # fmt: skip
_CHAINED_LIMIT = 3600  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining


@dataclass(frozen=True, slots=True)
class TrustedRole:
    """A role that can be assumed: by whom, with which external id, for how long at most."""

    arn: str
    trusts: Collection[str]
    external_id: str = ""
    max_duration: int = 3600

    @property
    def trust(self) -> Policy:
        """The same as a trust policy."""
        wanted = {"StringEquals": {"sts:ExternalId": self.external_id}} if self.external_id else {}
        statement = {"Effect": "Allow", "Principal": {"AWS": list(self.trusts)}, "Action": "sts:AssumeRole"}
        return {"Version": "2012-10-17", "Statement": [{**statement, "Condition": wanted}]}

    @property
    def account(self) -> str:
        """The account that it lives in."""
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an access key stands for; `until` is None for keys without an end, `role` the role that a session is of."""

    account: str
    arn: str
    token: str = ""
    role: str = ""
    until: float | None = None
    chained: bool = False
    session: Sequence[Policy] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Accounts:
    """The ground truth of identities and owners; the proxy asks it about each call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.owners: dict[str, str] = {}
        self.grants: dict[str, set[str]] = {}
        self.requester_pays: set[str] = set()
        self.rights: Collection[str] | None = None
        self.policies: Policies | None = None
        self.assumed: list[str] = []
        self.federate: Callable[[Call], Answer] = lambda call: refusal(call, 400, "InvalidIdentityToken", "No issuer")
        self._roles: dict[str, TrustedRole] = {}
        self._identities: dict[str, Identity] = {}
        self._lock = Lock()

    # ------------------------------------------------------------------------------------------ set up

    def add_role(self, role: TrustedRole) -> None:
        """Let a role be assumed."""
        self._roles[role.arn] = role
        if self.policies is not None:
            self.policies.trusts[role.arn] = role.trust

    def enforce(self, policies: Policies) -> None:
        """Let JSON policies decide from now on, in place of `rights` and `grants`."""
        policies.trusts |= {role.arn: role.trust for role in self._roles.values()}
        self.policies = policies

    def add_identity(self, access_key: str, identity: Identity) -> None:
        """Let an access key in."""
        self._identities[access_key] = identity

    def end_sessions(self) -> None:
        """Let every session that was assumed expire now, whatever it was promised."""
        for key in list(self._identities):
            self.end_session(key)

    def end_session(self, access_key: str) -> None:
        """Let one session expire now; keys without an end go on."""
        with self._lock:
            one = self._identities.get(access_key)
            if one is not None and one.until is not None:
                self._identities[access_key] = replace(one, until=self.clock() - 1)

    # ------------------------------------------------------------------------------------------ decisions

    def refuse(self, call: Call) -> Answer | None:
        """Return the refusal of AWS, or None where the call may go on."""
        if call.operation == "AssumeRoleWithWebIdentity":
            return self.federate(call)
        who = self._identities.get(call.access_key)
        return self._refuse_identity(call, who) or (who and self._refuse_call(call, who)) or None

    def answer(self, call: Call) -> Answer | None:
        """Return what is known better here than in moto: who is calling."""
        who = self._identities[call.access_key]
        if call.operation != "GetCallerIdentity":
            return self.policies.answer(call, _who(who)) if self.policies is not None else None
        body = (
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            f"<Arn>{who.arn}</Arn><UserId>AROASTANDIN:x</UserId><Account>{who.account}</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
        return Answer(200, body.encode(), {"Content-Type": "text/xml"})

    def note(self, call: Call, status: int, body: bytes) -> bytes:
        """Learn from an answer of moto's: new sessions, whose end is put on our clock, and new buckets."""
        if status != 200:
            return body
        if call.operation == "CreateBucket":
            self.owners.setdefault(call.bucket, self._identities[call.access_key].account)
        if call.operation != "AssumeRole":
            return body
        return self._assumed(call, body)

    def _assumed(self, call: Call, body: bytes) -> bytes:
        text = body.decode()
        role = self._roles[call.query["RoleArn"]]
        until = int(self.clock()) + int(call.query.get("DurationSeconds", 3600))
        key, token, arn = (_element(text, name) for name in ("AccessKeyId", "SessionToken", "Arn"))
        with self._lock:
            self._identities[key] = Identity(
                role.account, arn, token, role.arn, until, True, _session(call), _tags(call)
            )  # fmt: skip
            self.assumed.append(role.arn)
        return re.sub("<Expiration>[^<]*", f"<Expiration>{_written(until)}", text).encode()

    def _refuse_identity(self, call: Call, who: Identity | None) -> Answer | None:
        codes = _CODES["s3" if call.service == "s3" else "json" if "X-Amz-Target" in call.headers else "query"]
        if not call.access_key:
            return refusal(call, 403, codes["denied"], "Access Denied")
        if who is None:
            return refusal(call, 403, codes["unknown"], "The access key does not exist in our records.")
        if who.token != call.token:
            return refusal(call, 400 if call.service == "s3" else 403, codes["token"], "The token is invalid.")
        if who.until is not None and who.until <= self.clock():
            status = 403 if codes is _CODES["query"] else 400
            return refusal(call, status, codes["expired"], "The provided token has expired.")
        return None

    def _refuse_call(self, call: Call, who: Identity) -> Answer | None:
        if call.operation == "AssumeRole":
            return self._refuse_role(call, who)
        if self.policies is not None:
            told = self._refuse_owner(call) if call.bucket in self.owners else None
            return told or self.policies.refuse(call, _who(who), self.clock())
        if self.rights is not None and (missing := _needed(call) - set(self.rights)):
            return _denied(call, who, sorted(missing)[0])
        if call.bucket in self.owners:
            return self._refuse_bucket(call, who)
        return None

    def _refuse_bucket(self, call: Call, who: Identity) -> Answer | None:
        owner = self.owners[call.bucket]
        if told := self._refuse_owner(call):
            return told
        source, source_owner = self._source(call)
        for bucket, holder in ((call.bucket, owner), (source, source_owner)):
            if holder not in ("", who.account) and who.account not in self.grants.get(bucket, ()):
                return _denied(call, who, call.operation)
        pays = who.account == owner or "x-amz-request-payer" in call.headers
        if call.bucket in self.requester_pays and not pays:
            return refusal(call, 403, "AccessDenied", "Access Denied")
        return None

    def _refuse_owner(self, call: Call) -> Answer | None:
        owner = self.owners[call.bucket]
        if str(call.headers.get("x-amz-expected-bucket-owner", owner)) != owner:
            return refusal(call, 403, "AccessDenied", "Access Denied")
        _, source_owner = self._source(call)
        if str(call.headers.get("x-amz-source-expected-bucket-owner", source_owner)) != source_owner:
            return refusal(call, 403, "AccessDenied", "Access Denied")
        return None

    def _source(self, call: Call) -> tuple[str, str]:
        source = str(call.headers.get("x-amz-copy-source", "")).lstrip("/").partition("/")[0]
        return source, self.owners.get(source, "")

    def _refuse_role(self, call: Call, who: Identity) -> Answer | None:
        role = self._roles.get(call.query.get("RoleArn", ""))
        root = f"arn:aws:iam::{who.account}:root"
        if self.policies is not None:
            if told := self.policies.refuse(call, _who(who), self.clock()):
                return told
            assert role is not None
        elif (
            role is None
            or not {who.role or who.arn, root} & set(role.trusts)
            or call.query.get("ExternalId", "") != (role.external_id or call.query.get("ExternalId", ""))
        ):
            message = f"User: {who.arn} is not authorized to perform: sts:AssumeRole on resource: the role"
            return refusal(call, 403, "AccessDenied", message)
        seconds = int(call.query.get("DurationSeconds", 3600))
        if not 900 <= seconds <= 43200:
            return refusal(call, 400, "ValidationError", "durationSeconds must be between 900 and 43200")
        if who.chained and seconds > _CHAINED_LIMIT:
            message = "exceeds the 1 hour session limit for roles assumed by role chaining."
            return refusal(call, 400, "ValidationError", f"The requested DurationSeconds {message}")
        if seconds > role.max_duration:
            message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            return refusal(call, 400, "ValidationError", message)
        return None


_CODES = {
    "s3": {
        "denied": "AccessDenied", "unknown": "InvalidAccessKeyId", "token": "InvalidToken", "expired": "ExpiredToken",
    },
    "query": {
        "denied": "MissingAuthenticationToken", "unknown": "InvalidClientTokenId", "token": "InvalidClientTokenId",
        "expired": "ExpiredToken",
    },
    "json": {
        "denied": "MissingAuthenticationTokenException", "unknown": "UnrecognizedClientException",
        "token": "UnrecognizedClientException", "expired": "ExpiredTokenException",
    },
}  # fmt: skip


def _needed(call: Call) -> set[str]:
    """Name the rights that a call needs; where a header asks for more than the operation, more than one."""
    needed = {call.operation}
    if "x-amz-tagging" in call.headers:
        needed.add("PutObjectTagging")
    if "x-amz-acl" in call.headers:
        needed.add("PutObjectAcl")
    if call.operation in ("GetObject", "HeadObject") and "versionId" in call.query:
        needed.add("GetObjectVersion")
    return needed


def _who(identity: Identity) -> Who:
    return Who(identity.arn, identity.role, identity.account, identity.session, identity.tags)


def _session(call: Call) -> tuple[Policy, ...] | None:
    """Return the policies that a session is narrowed by."""
    return (json.loads(call.query["Policy"]),) if "Policy" in call.query else None


def _tags(call: Call) -> dict[str, str]:
    names = [name.removesuffix(".Key") for name in call.query if re.fullmatch(r"Tags\.member\.\d+\.Key", name)]
    return {call.query[f"{name}.Key"]: call.query.get(f"{name}.Value", "") for name in names}


def _denied(call: Call, who: Identity, right: str) -> Answer:
    return refusal(call, 403, "AccessDenied", f"User: {who.arn} is not authorized to perform: {right}")


def _element(text: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    assert found is not None
    return found[1]


def _written(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
