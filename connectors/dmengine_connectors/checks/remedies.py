"""What to do where a right is missing: in words, and as the statements that grant it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_keys import key_needs
from dmengine_connectors.access.places import KmsKey
from dmengine_connectors.access.statements import VERSION, Statement, statements
from dmengine_connectors.session_roles import Role

Policy = dict[str, Any]

OF_CALLER: Final = "InThePolicyOfTheCaller"
OF_ROLE: Final = "InTheTrustPolicyOfTheRole"
OF_BUCKET: Final = "InThePolicyOfTheBucket"
OF_KEY: Final = "InThePolicyOfTheKey"
TLS_SID: Final = "AllowSSLRequestsOnly"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls in the end.

    Attributes:
        arn: As AWS names it.
        account: Its account.
        principal: As policies name it: a session by its role.
    """

    arn: str
    account: str
    principal: str


def allow(needs: Sequence[Need], caller: Caller, owner: str, denier: str = "") -> tuple[str, Policy]:
    """Return what a caller's policy and a bucket's must say; only one of them where it is known which.

    Args:
        needs: What is to be allowed.
        caller: To whom.
        owner: The bucket's account, if it is known.
        denier: The kind of policy that AWS says does not allow it.
    """
    identity = _marked(statements(needs), OF_CALLER)
    resource = _marked(statements(needs, caller.principal), OF_BUCKET)
    actions = " and ".join(dict.fromkeys(need.action for need in needs))
    where = " and ".join(dict.fromkeys(need.resource for need in needs))
    told = f"allow {actions} on {where} to {caller.principal}"
    if denier == "identity-based" or (owner == caller.account and denier != "resource-based"):
        return f"{told}, in its policy", _policy(identity)
    if denier == "resource-based":
        return f"{told}, in the bucket's policy", _policy(resource)
    return f"{told}, in its policy and, across accounts, in the bucket's", _policy(identity + resource)


def allow_key(key: KmsKey, use: Any, caller: Caller) -> tuple[str, Policy]:
    """Return what a caller's policy and a key's must say, for S3 to use the key."""
    needs = [need for need in key_needs([key], use, "s3") if not need.optional]
    identity = _marked(statements(needs), OF_CALLER)
    own = _marked(statements([replace(need, resource="*") for need in needs], caller.principal), OF_KEY)
    actions = " and ".join(need.action for need in needs)
    told = f"allow {actions} on the key {key.arn} to {caller.principal}, in its policy and in the key's"
    return told, _policy(identity + own)


def allow_role(role: Role, principal: str, denier: str = "") -> Policy:
    """Return the statements of the caller's policy and of the role's trust policy, or of the one that is missing.

    The external id is not shown: it is written where the session is.
    """
    actions = ["sts:AssumeRole"]
    actions += ["sts:TagSession"] if role.tags else []
    actions += ["sts:SetSourceIdentity"] if role.source_identity else []
    identity = _marked(statements([Need(action, role.arn, "assume the role") for action in actions]), OF_CALLER)
    trust: Statement = {"Sid": OF_ROLE, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions}
    if role.external_id:
        trust["Condition"] = {"StringEquals": {"sts:ExternalId": "<the external_id that the session gives>"}}
    return _policy({"identity-based": identity, "resource-based": [trust]}.get(denier, [*identity, trust]))


def tls_only(arn: str) -> Policy:
    """Return the statement that refuses plain http."""
    return _policy(
        [
            {
                "Sid": TLS_SID, "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )  # fmt: skip


def _marked(found: Iterable[Statement], sid: str) -> list[Statement]:
    """Name statements after the policy that they belong to: both sides are shown together."""
    bare = [{key: value for key, value in one.items() if key != "Sid"} for one in found]
    return [{"Sid": f"{sid}{number}" if number else sid, **one} for number, one in enumerate(bare)]


def _policy(found: list[Statement]) -> Policy:
    return {"Version": VERSION, "Statement": found}
