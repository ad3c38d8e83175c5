"""What a chain of sessions is made of, checked before anything is asked: roles, and an endpoint."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from dmengine.errors import PlanError

DEFAULT_NAME: Final = "dmengine"
DEFAULT_DURATION: Final = 3600
SHORTEST, LONGEST, LONGEST_CHAINED = 900, 43_200, 3_600

# Forms and limits: AWS STS API reference, AssumeRole.
_ARN: Final = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/((?:[\x21-\x7e]+/)?)([\w+=,.@-]{1,64})", re.ASCII)
_SESSION_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sts::(?P<account>\d{12}):assumed-role/(?P<role>[\w+=,.@-]+)/.+", re.ASCII
)
_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_POLICY_SIZE, _TAGS, _TAG_KEY, _TAG_VALUE = 2048, 50, 128, 256


@dataclass(frozen=True, slots=True)
class Role:
    """A role to assume, and how.

    Args:
        arn: The role's ARN (`arn:aws:iam::...:role/...`, not that of a session or a user).
        external_id: What the role's trust policy demands as `sts:ExternalId`.
        session_name: What CloudTrail shows of who it was.
        duration: Seconds that a session lasts, 900 to 43,200; 3,600 at most where a role assumes a role.
        tags: Session tags; both sides must allow `sts:TagSession`.
        session_policy: A policy that narrows what the session may do.
        source_identity: Set once, kept along the chain; both sides must allow `sts:SetSourceIdentity`.

    >>> Role("arn:aws:iam::222222222222:role/masking/Reader", external_id="x7").account
    '222222222222'

    Raises:
        PlanError: STS would refuse it, whatever the policies say.
    """

    arn: str
    external_id: str | None = field(default=None, repr=False)
    session_name: str = DEFAULT_NAME
    duration: int = DEFAULT_DURATION
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    session_policy: Mapping[str, Any] | None = field(default=None, hash=False, repr=False)
    source_identity: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", dict(self.tags))  # the caller's may change later, and so may a policy
        object.__setattr__(self, "session_policy", _copied(self.arn, self.session_policy))
        _check_arn(self.arn)
        _check_form("session_name", self.session_name, _NAME, "2 to 64 letters, digits or _+=,.@-")
        if self.external_id is not None:
            _check_form("external_id", self.external_id, _EXTERNAL_ID, "2 to 1,224 letters, digits or _+=,.@:/-")
        if self.source_identity is not None:
            _check_form("source_identity", self.source_identity, _NAME, "2 to 64 letters, digits or _+=,.@-")
        if type(self.duration) is not int or not SHORTEST <= self.duration <= LONGEST:
            raise PlanError(
                f"sessions of {self.arn} cannot last duration={self.duration!r}",
                hint=f"give seconds, {SHORTEST} to {LONGEST:,}; {LONGEST_CHAINED:,} at most where a role assumes it",
            )
        _check_tags(self.arn, self.tags)
        if self.session_policy is not None and len(_policy_text(self.session_policy)) > _POLICY_SIZE:
            raise PlanError(
                f"session_policy= for {self.arn} is longer than {_POLICY_SIZE:,} characters",
                hint="leave out what the role does not allow anyway; a session policy only narrows",
            )

    @property
    def account(self) -> str:
        """The account that the role belongs to."""
        return self.arn.split(":")[4]

    @property
    def name(self) -> str:
        """The role's name, without its path."""
        return self.arn.rpartition("/")[2]

    def request(self) -> dict[str, Any]:
        """Return the parameters of AssumeRole.

        >>> Role("arn:aws:iam::222222222222:role/Reader").request()["DurationSeconds"]
        3600
        """
        policy = self.session_policy
        optional = {
            "ExternalId": self.external_id,
            "SourceIdentity": self.source_identity,
            "Policy": None if policy is None else _policy_text(policy),
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()] or None,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        return {
            "RoleArn": self.arn, "RoleSessionName": self.session_name, "DurationSeconds": self.duration, **given
        }  # fmt: skip


def check_durations(roles: tuple[Role, ...]) -> None:
    """Refuse sessions that AWS does not give where one role assumes another.

    Raises:
        PlanError: a role after the first is to last longer than an hour.
    """
    for role in roles[1:]:
        if role.duration > LONGEST_CHAINED:
            raise PlanError(
                f"sessions of {role.arn} cannot last {role.duration:,} seconds: another role assumes it",
                hint=f"AWS gives {LONGEST_CHAINED:,} seconds at most there; dmengine renews them while a run lasts",
            )


def check_endpoint(url: str) -> None:
    """Refuse an endpoint that would be spoken to in plain text, unless it is on this machine.

    >>> check_endpoint("http://127.0.0.1:5000")
    >>> check_endpoint("http://s3.example.org")
    Traceback (most recent call last):
    dmengine.errors.PlanError: the endpoint s3.example.org would be spoken to without encryption
      To fix: use https://; plain http:// is for stand-ins on this machine (127.0.0.1)
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise no_endpoint()
    if parts.scheme == "http" and not is_loopback(url):
        raise PlanError(
            f"the endpoint {host} would be spoken to without encryption",
            hint="use https://; plain http:// is for stand-ins on this machine (127.0.0.1)",
        )


def no_endpoint() -> PlanError:
    """Return the error of an endpoint that is none."""
    return PlanError(
        "the endpoint is not a URL of the form https://host (not shown, it may hold a password)",
        hint="leave out endpoint_url=, or AWS_ENDPOINT_URL, to speak to AWS",
    )


def is_loopback(url: str) -> bool:
    """Say whether an endpoint is on this machine.

    >>> is_loopback("http://localhost:5000"), is_loopback("https://s3.eu-west-1.amazonaws.com")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def policy_arn(caller: str) -> str:
    """Return who a caller is as policies name it: a session by its role, as far as its ARN tells (never the path).

    >>> policy_arn("arn:aws:sts::111111111111:assumed-role/Source-DM-Role/i-0")
    'arn:aws:iam::111111111111:role/Source-DM-Role'
    """
    found = _SESSION_ARN.fullmatch(caller)
    return f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}" if found else caller


def _check_arn(arn: str) -> None:
    if isinstance(arn, str) and _ARN.fullmatch(arn):
        return
    hint = "copy the role's ARN from IAM: arn:aws:iam::<12 digits of the account>:role/<name>"
    if isinstance(arn, str) and ":assumed-role/" in arn:
        hint = "this is the ARN of a session; " + hint
    raise PlanError(f"{arn!r} is not the ARN of a role", hint=hint)


def _check_form(name: str, value: str, form: re.Pattern[str], words: str) -> None:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise PlanError(f"{name}= is not what STS takes", hint=f"give {words}")


def _check_tags(arn: str, tags: Mapping[str, str]) -> None:
    fits = len(tags) <= _TAGS and all(
        isinstance(key, str) and isinstance(value, str) and 0 < len(key) <= _TAG_KEY and len(value) <= _TAG_VALUE
        for key, value in tags.items()
    )
    if not fits:
        raise PlanError(
            f"tags= for {arn} are not what STS takes",
            hint=f"give {_TAGS} texts at most, with names of 1 to {_TAG_KEY} characters and values of {_TAG_VALUE}",
        )


def _copied(arn: str, policy: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    found: object = None
    try:
        found = None if policy is None else json.loads(_policy_text(policy))
    except (TypeError, ValueError):
        found = ()
    if found is not None and not isinstance(found, dict):
        raise PlanError(
            f"session_policy= for {arn} is not a policy",
            hint='give the JSON document as a dict: {"Version": "2012-10-17", "Statement": [...]}',
        )
    return found


def _policy_text(policy: Mapping[str, Any]) -> str:
    return json.dumps(policy, separators=(",", ":"))
