"""What policies say to a request: the rules of IAM, within an account and across accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dmengine.errors import PlanError
from dmengine_connectors.access.conditions import Context, conditions_met, filled, matches

Policy = Mapping[str, Any]
"""A policy document, as read from its JSON."""
Effect = Literal["allow", "deny", "none", "unknown"]
"""Allowed; denied by a statement; not allowed by any; or not to be known, which is never taken for allowed."""
Side = Literal["identity", "resource", "session"]

_DELEGATING: Final = ("kms:", "sts:AssumeRole")
"""Actions for which the policy of the key or the role always has to allow: IAM's own policies alone never do."""


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource, by somebody.

    Attributes:
        principal: Who: the ARN of a role, of a session of it, of a user or an account's root, or a service's name.
        action: As IAM names it: "s3:GetObject".
        resource: The ARN on which.
        context: Condition keys -> values; None for a value that is not known. `aws:PrincipalArn` and
            `aws:PrincipalAccount` follow from the principal.
        owner: The account that owns the resource, where its ARN does not say so, as for buckets.
    """

    principal: str
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    owner: str = ""

    @property
    def account(self) -> str:
        """The account of the principal; empty for a service."""
        return account_of(self.principal)

    @property
    def owned_by(self) -> str:
        """The account of the resource; that of the principal, where nothing says so."""
        return self.owner or account_of(self.resource) or self.account

    @property
    def known(self) -> Context:
        """The context with what follows from the principal."""
        if not self.account:
            return self.context
        return {"aws:PrincipalArn": role_of(self.principal), "aws:PrincipalAccount": self.account} | dict(self.context)


@dataclass(frozen=True, slots=True)
class Decision:
    """What policies say to a request, and why.

    Attributes:
        effect: What they say.
        sides: Which policies are the reason: those that deny, that do not allow, or that cannot be known.
        sid: The Sid of the statement that denies, if it has one.
    """

    effect: Effect
    sides: tuple[Side, ...] = ()
    sid: str = ""


def decide(policies: Iterable[Policy], request: Request) -> Effect:
    """Say what policies of one kind say to a request: an explicit Deny wins, and what is not allowed is "none".

    Statements that name principals are matched by them, as those of a bucket's policy do.

    >>> policy = {"Version": "2012-10-17", "Statement": [
    ...     {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::crm/in/*"}]}
    >>> who = "arn:aws:iam::111111111111:role/Source-DM-Role"
    >>> decide([policy], Request(who, "s3:GetObject", "arn:aws:s3:::crm/in/a.csv"))
    'allow'
    >>> decide([policy], Request(who, "s3:GetObject", "arn:aws:s3:::crm/out/a.csv"))
    'none'
    """
    return _Verdict.of(policies, request).effect


def decide_access(
    request: Request,
    *,
    identity: Iterable[Policy] = (),
    resource: Policy | None = None,
    session: Sequence[Policy] | None = None,
) -> Decision:
    """Say whether a request is allowed by all policies that have a say in it.

    Within an account either side may allow; across accounts both must. A key's or a role's own policy must always
    allow, if only by naming the account (`:root`), which leaves it to IAM. Session policies only take away.

    Args:
        request: What is asked.
        identity: The policies of the principal; an account's root user needs none.
        resource: The policy of the bucket, key, table or role.
        session: The policies that the session was made with, if any.

    >>> role = "arn:aws:iam::111111111111:role/Source-DM-Role"
    >>> mine = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
    >>> request = Request(role, "s3:GetObject", "arn:aws:s3:::crm/a.csv", owner="222222222222")
    >>> decide_access(request, identity=[mine])
    Decision(effect='none', sides=('resource',), sid='')
    >>> theirs = {"Statement": {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:*", "Resource": "*"}}
    >>> decide_access(request, identity=[mine], resource=theirs).effect
    'allow'
    """
    mine = _Verdict.of(identity, request)
    if request.principal.endswith(":root") and mine.effect == "none":
        mine = _Verdict("allow")
    theirs = _Verdict.of([resource] if resource is not None else [], request)
    narrowed = _Verdict.of(session, request) if session is not None else _Verdict("allow")
    return _decision(request, {"identity": mine, "resource": theirs, "session": narrowed})


def account_of(arn: str) -> str:
    """Return the account that an ARN names; empty where it names none.

    >>> account_of("arn:aws:iam::111111111111:role/x"), account_of("arn:aws:s3:::bucket")
    ('111111111111', '')
    """
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[0] == "arn" else ""


def role_of(arn: str) -> str:
    """Return the role that a session is of; other ARNs as they are. The path of the role is not known then.

    >>> role_of("arn:aws:sts::111111111111:assumed-role/Source-DM-Role/i-0")
    'arn:aws:iam::111111111111:role/Source-DM-Role'
    """
    if (session := _session_name(arn)) is None:
        return arn
    partition, account, name = session
    return f"arn:{partition}:iam::{account}:role/{name}"


# ------------------------------------------------------------------------------------------ one kind of policy

_Match = Literal["direct", "account", "doubt"]
"""A statement names the principal, or its account, which leaves it to IAM; or cannot be known to mean it."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What policies of one kind say; `direct` where the principal itself is named, `doubt` where a Deny may hold."""

    effect: Effect
    sid: str = ""
    direct: bool = False
    session: bool = False
    doubt: bool = False

    @classmethod
    def of(cls, policies: Iterable[Policy], request: Request) -> _Verdict:
        effects: list[tuple[str, _Match, bool, str]] = []
        for policy in policies:
            for statement in _statements(policy):
                if (match := _matched(statement, request, str(policy.get("Version", "")))) is not None:
                    named = _names_session(statement, request)
                    effects.append((statement["Effect"], match, named, str(statement.get("Sid", ""))))
        for effect, match, _, sid in effects:
            if effect == "Deny" and match != "doubt":
                return cls("deny", sid)
        doubt = any(effect == "Deny" for effect, *_ in effects)
        allowed = [(match, named) for effect, match, named, _ in effects if effect == "Allow"]
        sure = [(match, named) for match, named in allowed if match != "doubt"]
        if not allowed:
            return cls("none", doubt=doubt)
        if not sure or doubt:
            return cls("unknown", direct=any(match == "direct" for match, _ in sure), doubt=doubt)
        return cls("allow", "", any(match == "direct" for match, _ in sure), any(named for _, named in sure))


def _decision(request: Request, verdicts: Mapping[Side, _Verdict]) -> Decision:
    """Put together what each kind of policy says: a Deny wins, then what is missing, then what cannot be known."""
    for side, verdict in verdicts.items():
        if verdict.effect == "deny":
            return Decision("deny", (side,), verdict.sid)
    lacking = {side: verdicts[side].effect for side in _lacking(request, verdicts)}
    if missing := tuple(side for side, effect in lacking.items() if effect != "unknown"):
        return Decision("none", missing)
    doubtful = tuple(side for side, verdict in verdicts.items() if verdict.doubt)
    unknown = tuple(dict.fromkeys((*lacking, *doubtful)))
    return Decision("unknown", unknown) if unknown else Decision("allow")


def _lacking(request: Request, verdicts: Mapping[Side, _Verdict]) -> list[Side]:
    """Return the policies that had to allow and did not."""
    mine, theirs = verdicts["identity"], verdicts["resource"]
    sides: list[Side] = []
    across = bool(request.account) and request.account != request.owned_by
    if across or not request.account or request.action.lower().startswith(_DELEGATING_LOWER):
        needed: list[Side] = ["resource"]
        if request.account and (across or not theirs.direct):
            needed.append("identity")
        sides = [side for side in needed if verdicts[side].effect != "allow"]
    elif not (mine.effect == "allow" or (theirs.effect == "allow" and theirs.direct)):
        sides = ["resource"] if theirs.effect == "unknown" and theirs.direct else ["identity"]
    # A policy that names the session itself is not narrowed by the session's policies, within the account.
    freed = theirs.effect == "allow" and theirs.session and not across
    if verdicts["session"].effect != "allow" and not freed:
        sides.append("session")
    return sides


_DELEGATING_LOWER: Final = tuple(action.lower() for action in _DELEGATING)


def _statements(policy: Policy) -> list[Mapping[str, Any]]:
    statements = _listed(policy.get("Statement", ()))
    for number, statement in enumerate(statements, 1):
        if not isinstance(statement, Mapping) or statement.get("Effect") not in ("Allow", "Deny"):
            raise PlanError(
                f"statement {number} of a policy has no Effect",
                hint='write each statement with "Effect": "Allow" or "Deny"',
            )
    return statements


def _matched(statement: Mapping[str, Any], request: Request, version: str) -> _Match | None:
    """Say how a statement means a request: by whom it names, or in doubt; None where it does not."""
    if not _named(statement, "Action", "NotAction", lambda pattern: _is_action(pattern, request.action)):
        return None
    found = _on_resource(statement, request, version)
    principal = _by_principal(statement, request)
    if not found or principal is None:
        return None
    met = conditions_met(statement.get("Condition", {}), request.known)
    if met is False:
        return None
    return "doubt" if met is None else principal


def _named(statement: Mapping[str, Any], plain: str, negated: str, test: Any) -> bool:
    if negated in statement:
        return not any(test(pattern) for pattern in _listed(statement[negated]))
    return any(test(pattern) for pattern in _listed(statement.get(plain, ())))


def _is_action(pattern: str, action: str) -> bool:
    return matches(pattern.lower(), action.lower())


def _on_resource(statement: Mapping[str, Any], request: Request, version: str) -> bool:
    if "Resource" not in statement and "NotResource" not in statement:
        return True  # a trust policy: its role is the resource

    def test(pattern: str) -> bool:
        written = filled(pattern, request.known) if version == "2012-10-17" else pattern
        return written is not None and matches(written, request.resource)

    return _named(statement, "Resource", "NotResource", test)


def _by_principal(statement: Mapping[str, Any], request: Request) -> _Match | None:
    if "NotPrincipal" in statement:
        return _by_others(statement, request)
    if "Principal" not in statement:
        return "direct"  # a policy of the principal's own
    found = {_principal(kind, one, request) for kind, one in _principals(statement["Principal"])}
    return "direct" if "direct" in found else "account" if "account" in found else None


def _by_others(statement: Mapping[str, Any], request: Request) -> _Match | None:
    """Say whether a Deny for all but some means a principal; it is spared for sure if named in each of its forms."""
    names = _principals(statement["NotPrincipal"])
    if statement["Effect"] == "Allow":
        return "doubt"  # AWS does not support it
    forms = {request.principal, role_of(request.principal)}
    forms |= {_account(request.account)} if request.account else set()
    listed = {_account(one) for _, one in names}
    if "*" in listed or forms <= listed:
        return None
    return "doubt" if forms & listed else "direct"


def _principals(principal: Any) -> list[tuple[str, str]]:
    if principal == "*":
        return [("AWS", "*")]
    return [(kind, str(one)) for kind, names in principal.items() for one in _listed(names)]


def _principal(kind: str, name: str, request: Request) -> _Match | None:
    """Say how a name in a policy means a principal.

    A role's name is unique in its account whatever its path, and a session does not tell the path.
    """
    if kind == "Service" or not request.account:
        same = kind in ("Service", "Federated") and name == request.principal
        return "direct" if same or (kind == "AWS" and name == "*") else None
    if kind != "AWS":
        return None
    if name in ("*", request.principal):
        return "direct"
    if _account(name) == request.account:
        return "account"
    mine, theirs = (_role_name(role_of(arn)) for arn in (request.principal, name))
    return "direct" if mine is not None and mine == theirs and _session_name(name) is None else None


def _account(name: str) -> str:
    """Return the account that a name means as a whole, by its number or as its root; other names as they are."""
    parts = name.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[2] == "iam" and parts[5] == "root" else name


def _names_session(statement: Mapping[str, Any], request: Request) -> bool:
    principal = statement.get("Principal")
    return (
        principal is not None
        and _session_name(request.principal) is not None
        and ("AWS", request.principal) in _principals(principal)
    )


def _role_name(arn: str) -> tuple[str, str] | None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        return None
    return parts[4], parts[5].rpartition("/")[2]


def _session_name(arn: str) -> tuple[str, str, str] | None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "sts" or not parts[5].startswith("assumed-role/"):
        return None
    return parts[1], parts[4], parts[5].split("/")[1]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
