"""What existing policies lack for what a run needs, and where they allow more than it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from dmengine_connectors.access.evaluate import Policy, Request, account_of, decide
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import covers, meet

Problem = Literal[
    "unused action", "unused resource", "wide action", "wide resource", "wide principal",
    "deletes the source", "no TLS-only", "no external id",
]  # fmt: skip

_DANGERS: Final = ("deletes the source",)
_PROBE: Final = "0/dmengine"


@dataclass(frozen=True, slots=True)
class Wide:
    """Something that a policy allows, or leaves open, and that no run needs.

    Attributes:
        problem: In what way.
        statement: The Sid of the statement, or its number.
        what: The action, the resource or the principal.
        why: What it means, and what to write instead.
    """

    problem: Problem
    statement: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comes of comparing policies with what is needed.

    Attributes:
        subject: What they were compared with: the policy of whom or of what.
        missing: The rights that they do not grant.
        wide: What they grant beyond.
        unsure: The rights of which a condition decides that only AWS can tell: an address, a network, an organisation.
    """

    subject: str
    missing: tuple[Need, ...]
    wide: tuple[Wide, ...]
    unsure: tuple[Need, ...] = ()

    @property
    def lacking(self) -> tuple[Need, ...]:
        """The missing rights without which a run is refused; without the others it warns."""
        return tuple(need for need in self.missing if not need.optional)

    @property
    def dangers(self) -> tuple[Wide, ...]:
        """What is not only wide, but could destroy the original."""
        return tuple(one for one in self.wide if one.problem in _DANGERS)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "subject": self.subject,
            "missing": [_plain(need) for need in self.missing],
            "unsure": [_plain(need) for need in self.unsure],
            "wide": [
                {"problem": one.problem, "statement": one.statement, "what": one.what, "why": one.why}
                for one in self.wide
            ],
        }

    def __str__(self) -> str:
        lines = [f"compared with the {self.subject}"]
        for need in self.missing:
            less = "without it a run warns" if need.optional else "without it a run is refused"
            lines.append(f"  missing   {need.action} on {need.resource}\n            to {need.reason} ({less})")
        lines += [
            f"  not sure  {need.action} on {need.resource}\n            to {need.reason} ({_UNSURE})"
            for need in self.unsure
        ]
        lines += [f"  too wide  {one.statement}: {one.problem} {one.what}\n            {one.why}" for one in self.wide]
        return "\n".join(lines if len(lines) > 1 else [*lines, "  it grants what is needed, and no more"])


def compare(existing: Iterable[Policy], needs: Iterable[Need], *, subject: str, principal: str = "*") -> Comparison:
    """Compare the policies of an identity, or that of a bucket or a key, with what is needed.

    Args:
        existing: The policies, as their JSON says.
        needs: What is needed of them.
        subject: How to call what they were compared with.
        principal: Who needs it, for a policy that names principals.

    >>> mine = {"Statement": {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*"}}
    >>> need = Need("s3:GetObject", "arn:aws:s3:::crm/in/*", "read the objects to mask")
    >>> print(compare([mine], [need], subject="policy of the role"))
    compared with the policy of the role
      too wide  Read: wide resource arn:aws:s3:::*
                s3:GetObject is needed on arn:aws:s3:::crm/in/* alone
    """
    documents, wanted = list(existing), list(needs)
    said = [(need, decide(documents, request_for(need, principal, documents))) for need in wanted]
    missing = tuple(need for need, effect in said if effect in ("none", "deny"))
    unsure = tuple(need for need, effect in said if effect == "unknown")
    found = [one for document in documents for one in _document(document, wanted)]
    return Comparison(subject, missing, tuple(dict.fromkeys(found)), unsure)


def deletes_source(existing: Iterable[Policy], sources: Iterable[str], principal: str = "*") -> Iterator[Wide]:
    """Yield the source tables that policies would let be deleted."""
    documents = list(existing)
    for table in sources:
        if decide(documents, Request(principal, "dynamodb:DeleteTable", table)) == "allow":
            why = "the original could be deleted: allow it on the masked table's name alone, and deny it on the source"
            yield Wide("deletes the source", _that_allow(documents, "dynamodb:DeleteTable", table), table, why)


def plain_http(policy: Policy, bucket: str) -> Iterator[Wide]:
    """Yield what is missing where the policy of a bucket does not refuse plain http."""
    anyone = Request("arn:aws:iam::000000000000:role/anyone", "s3:GetObject", f"{bucket}/{_PROBE}", _NOT_SECURE)
    if decide([policy], anyone) != "deny":
        why = "plain http is not refused: add the statement AllowSSLRequestsOnly (aws:SecureTransport false is denied)"
        yield Wide("no TLS-only", "-", bucket, why)


def wide_trust(policy: Policy, wanted: Sequence[Mapping[str, Any]]) -> Iterator[Wide]:
    """Yield whom a trust policy lets in beyond those who need it, and without the external id that is agreed on.

    Args:
        policy: The trust policy.
        wanted: The statements that are needed.
    """
    trusted = {name for one in wanted for name in principals(one)}
    asked = any("Condition" in one for one in wanted)
    for number, one in enumerate(listed(policy.get("Statement", ())), 1):
        if one.get("Effect") != "Allow":
            continue
        for name in principals(one):
            if name not in trusted:
                yield Wide("wide principal", _name(one, number), name, f"needed is {', '.join(sorted(trusted))} alone")
        conditions = [key for keys in one.get("Condition", {}).values() for key in keys]
        if "sts:ExternalId" not in conditions and any(not name.endswith(".amazonaws.com") for name in principals(one)):
            why = "the connection has one: demand it (sts:ExternalId)" if asked else (
                "offer one: set external_id in the connection, and demand it here (sts:ExternalId)"
            )  # fmt: skip
            yield Wide("no external id", _name(one, number), ", ".join(principals(one)), why)


def request_for(need: Need, principal: str, policies: Iterable[Policy] = ()) -> Request:
    """Return a request that a need stands for: its conditions are met, and names that are not known made up.

    What the policies ask of where it comes from, or of the organisation, is not known.
    """
    keys_asked = {
        key for policy in policies for one in listed(policy.get("Statement", ()))
        for keys in one.get("Condition", {}).values() for key in keys
    }  # fmt: skip
    context: dict[str, str | Sequence[str] | None] = {
        key: None for key in keys_asked if key.lower().startswith("aws:") and key.lower() not in _SETTLED
    } | dict(_SECURE)
    for operator, keys in need.condition.items():
        for key, value in keys.items():
            made = value.replace("*", "dmengine") if "Like" in operator else value
            context[key] = [made] if operator.startswith("ForAny") else made
    resource = need.resource if need.resource == "*" else need.resource.replace("?", "0").replace("*", _PROBE)
    return Request(principal, need.action, resource, context, owner=account_of(need.resource))


_SECURE: Final = {"aws:SecureTransport": "true"}
_NOT_SECURE: Final = {"aws:SecureTransport": "false"}


_SETTLED: Final = {
    "aws:securetransport", "aws:principalarn", "aws:principalaccount", "aws:sourcearn", "aws:sourceaccount",
    "aws:sourceorgid", "aws:sourceorgpaths", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast",
    "aws:viaawsservice", "aws:principalisawsservice", "aws:principalservicename",
}  # fmt: skip
"""Keys of all services that are known here, or that a request of an identity does not have."""
_UNSURE: Final = "a condition decides that only AWS can tell"


def _plain(need: Need) -> dict[str, Any]:
    return {
        "action": need.action, "resource": need.resource, "reason": need.reason, "optional": need.optional,
        "condition": dict(need.condition),
    }  # fmt: skip


def _document(policy: Policy, needs: list[Need]) -> Iterator[Wide]:
    for number, one in enumerate(listed(policy.get("Statement", ())), 1):
        if one.get("Effect") == "Allow":
            yield from _statement(one, _name(one, number), needs)


def _statement(one: Mapping[str, Any], name: str, needs: list[Need]) -> Iterator[Wide]:
    """Yield what of one statement no need uses: an action, a resource, or a part of a pattern."""
    resources = listed(one.get("Resource", ()))
    used: list[Need] = []
    if inverse := [key for key in ("NotAction", "NotResource") if key in one]:
        yield Wide("wide action", name, inverse[0], "it allows all but a few: name what is needed instead")
    for pattern in listed(one.get("Action", ())):
        fitting = [need for need in needs if covers(pattern.lower(), need.action.lower())]
        here = [need for need in fitting if any(meet(resource, need.resource) for resource in resources)]
        used += here
        actions = sorted({need.action for need in here})
        if not fitting:
            yield Wide("unused action", name, pattern, "nothing of what was given needs it")
        elif not here:
            where = ", ".join(sorted({need.resource for need in fitting}))
            why = f"it is needed on {where}, not on what the statement names" + _elsewhere(resources, fitting)
            yield Wide("unused action", name, pattern, why)
        elif "*" in pattern or "?" in pattern:
            yield Wide("wide action", name, pattern, f"needed are {', '.join(actions)}")
    for resource in resources:
        yield from _resource(resource, name, used, one)


def _elsewhere(resources: Sequence[str], needs: Sequence[Need]) -> str:
    """Say so where a statement names things of another partition of AWS, which no run of this one can reach."""
    ours = {partition for need in needs if (partition := _partition(need.resource))}
    theirs = {partition for resource in resources if (partition := _partition(resource))}
    if not ours or not theirs or ours & theirs or "*" in ours | theirs:
        return ""
    return f" (it is in the partition {_some(sorted(theirs))}, not in {_some(sorted(ours))})"


def _partition(arn: str) -> str:
    return arn.split(":")[1] if arn.startswith("arn:") else ""


def _resource(resource: str, name: str, used: list[Need], one: Mapping[str, Any]) -> Iterator[Wide]:
    here = [need for need in used if meet(resource, need.resource)]
    if not here and used:
        yield Wide("unused resource", name, resource, "none of the statement's actions is needed on it")
        return
    inside_key = "Principal" in one and resource == "*"  # in the policy of a key, that is the key
    needed = sorted({need.resource for need in here})
    actions = sorted({need.action for need in here if not covers(need.resource, resource)})
    if here and actions and not inside_key:
        yield Wide("wide resource", name, resource, f"{_some(actions)} is needed on {_some(needed)} alone")
    unbound = sorted({need.action for need in here if need.condition and not _bound(one, need)})
    if unbound and not inside_key:
        bounds = {f"{key} {value}" for need in here if need.action in unbound
                  for keys in need.condition.values() for key, value in keys.items()}  # fmt: skip
        why = f"without a condition it covers more than is needed: {_some(sorted(bounds))}"
        yield Wide("wide resource", name, f"{_some(unbound)} on {resource}", why)


def _bound(one: Mapping[str, Any], need: Need) -> bool:
    given = {key for keys in one.get("Condition", {}).values() for key in keys}
    return any(key in given for keys in need.condition.values() for key in keys)


def _that_allow(documents: Iterable[Policy], action: str, resource: str) -> str:
    for document in documents:
        for number, one in enumerate(listed(document.get("Statement", ())), 1):
            if decide([{"Statement": [one]}], Request("*", action, resource)) == "allow":
                return _name(one, number)
    return "-"


def _name(one: Mapping[str, Any], number: int) -> str:
    return str(one.get("Sid") or f"statement {number}")


def principals(one: Mapping[str, Any]) -> list[str]:
    """Return whom a statement names.

    >>> principals({"Principal": {"AWS": ["111111111111", "222222222222"]}})
    ['111111111111', '222222222222']
    """
    principal = one.get("Principal", {})
    return ["*"] if principal == "*" else [str(name) for names in principal.values() for name in listed(names)]


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts)


def listed(value: Any) -> list[Any]:
    """Return the values of what policies write as one value or as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]
