"""Looks at identities: who each hop of a chain of roles is, and in which account it ends."""

from __future__ import annotations

from collections.abc import Generator

from dmengine.errors import DmengineError
from dmengine.spi import Check
from dmengine_connectors.aws_errors import AwsError
from dmengine_connectors.checks.remedies import Caller, allow_role
from dmengine_connectors.session import Identity, SessionFactory
from dmengine_connectors.session_roles import Role, policy_arn


def check_session(session: SessionFactory, expected_account: str = "") -> Generator[Check, None, Caller | None]:
    """Assume a chain of roles hop by hop, and return who it ends with; nobody, where a hop is refused.

    Args:
        session: Sessions that soon give up (`SessionFactory.hurried`), or any.
        expected_account: The account that the last identity must be in, if that is said.
    """
    principal, identity = "", None
    for hop in range(len(session.roles) + 1):
        found = _identity(session, hop)
        if isinstance(found, DmengineError):
            yield _refused(session, hop, principal, found)
            return None
        identity = found
        principal = session.roles[hop - 1].arn if hop else policy_arn(found.arn)
        yield _accepted(session, found, principal)
    assert identity is not None
    if expected_account:
        yield _account(identity, expected_account)
        if identity.account != expected_account:
            return None
    return Caller(identity.arn, identity.account, principal)


def _identity(session: SessionFactory, hop: int) -> Identity | DmengineError:
    try:
        return session.identity(hop)
    except DmengineError as error:
        return error


def _accepted(session: SessionFactory, found: Identity, principal: str) -> Check:
    who = f"{found.arn} (account {found.account})"
    if not found.hop:
        return Check("session.identity", "passed", principal, f"the chain begins with {who}", "GetCallerIdentity")
    return Check("session.hop", "passed", principal, f"hop {found.hop} is {who}", "AssumeRole")


def _refused(session: SessionFactory, hop: int, principal: str, error: DmengineError) -> Check:
    kind = error.kind if isinstance(error, AwsError) else ""
    status = "unknown" if kind in ("throttled", "busy") else "failed"
    call = "AssumeRole" if hop else "GetCallerIdentity"
    subject = session.roles[hop - 1].arn if hop else "the identity that the chain begins with"
    name = "session.hop" if hop else "session.identity"
    if not hop or kind != "denied":
        return Check(name, status, subject, error.message, call, error.hint)  # type: ignore[arg-type]
    assert isinstance(error, AwsError)
    role = session.roles[hop - 1]
    answer = f"{error.message}; {_why(role, principal, error)}"
    return Check(name, "failed", subject, answer, call, error.hint, allow_role(role, principal, error.denier))


def _why(role: Role, principal: str, error: AwsError) -> str:
    """Say what may be the cause: AWS answers a role that does not trust and a wrong external id with the same words."""
    given = "the external id given is not the one it asks for" if role.external_id else _MISSING_ID
    if error.denier == "identity-based":
        return f"the policy of {principal} does not allow it"
    if error.denier == "resource-based":
        return f"the role does not exist, or does not trust {principal}, or {given}; AWS answers all of these alike"
    if error.forbids:
        return f"the {error.forbids} policy forbids it"
    return (
        f"the policy of {principal} does not allow it, or the role does not exist or does not trust {principal}, or "
        f"{given}; AWS answers all of these alike"
    )


def _account(identity: Identity, expected: str) -> Check:
    if identity.account == expected:
        return Check("session.account", "passed", identity.arn, f"the account is {expected}", "GetCallerIdentity")
    return Check(
        "session.account", "failed", identity.arn, f"the account is {identity.account}, and should be {expected}",
        "GetCallerIdentity", "check which credentials or roles the sessions begin with, or expected_account",
    )  # fmt: skip


_MISSING_ID = "it asks for an external id and none is given"
