"""Compares policies that there are with those that are needed: finds whose they are, and what each kind must hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dmengine.errors import PlanError
from dmengine_connectors.access.compare import (
    Comparison,
    Wide,
    compare,
    deletes_source,
    listed,
    plain_http,
    principals,
    request_for,
    wide_trust,
)
from dmengine_connectors.access.evaluate import Policy, account_of, decide
from dmengine_connectors.access.need import Need
from dmengine_connectors.policy.document import Kind, Written

_ALL: Final[Policy] = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def difference(
    existing: Sequence[Policy], written: Sequence[Written], sources: Sequence[str], of: str = ""
) -> Comparison:
    """Compare the policies of one identity, role, bucket or key with what is needed of it.

    Args:
        existing: The policies, as their JSON says.
        written: What is needed.
        sources: The tables that must never be deleted.
        of: Whose they are; by default whom they fit best.

    Raises:
        PlanError: they are no policies, or none that is needed is of their kind.
    """
    kind = _kind(existing)
    candidates = [one for one in written if one.kind == kind and of in ("", one.subject)]
    if not candidates:
        needed = ", ".join(one.title for one in written if one.kind != "grant") or "nothing"
        what = f"of {of} " if of else ""
        raise PlanError(f"no {kind} policy {what}is needed, and that is what was given", hint=f"needed are: {needed}")
    wanted = max(candidates, key=lambda one: _fit(existing, one))
    subject = wanted.title[0].lower() + wanted.title[1:]
    if kind == "trust":
        return _trust(existing, wanted, subject)
    if kind == "identity":
        found = compare(existing, wanted.needs, subject=subject, principal=wanted.subject)
        wide = (*deletes_source(existing, sources, wanted.subject), *found.wide)
        return Comparison(subject, found.missing, wide, found.unsure)
    return _resource(existing[0], wanted, subject, written)


def _resource(policy: Policy, wanted: Written, subject: str, written: Sequence[Written]) -> Comparison:
    """Compare the policy of a bucket or key: what it says of those who need it. What it says of others is theirs."""
    missing: list[Need] = []
    wide: list[Wide] = []
    unsure: list[Need] = []
    for who, needs in wanted.grants.items():
        ours = {**policy, "Statement": [one for one in listed(policy.get("Statement", ())) if _means(one, who)]}
        found = compare([ours], needs, subject=subject, principal=who)
        missing += found.missing
        wide += found.wide
        unsure += found.unsure
    if wanted.kind == "bucket":
        own, doubtful = _denied(policy, wanted, written)
        missing += own
        unsure += doubtful
        [tls] = [one for one in wanted.document["Statement"] if one["Effect"] == "Deny"]
        wide += plain_http(policy, tls["Resource"][0])
    return Comparison(subject, tuple(missing), tuple(dict.fromkeys(wide)), tuple(unsure))


def _denied(policy: Policy, wanted: Written, written: Sequence[Written]) -> tuple[list[Need], list[Need]]:
    """Return what the policy of a bucket denies to those who need no leave of it, being of its account; or may deny."""
    denied: list[Need] = []
    doubtful: list[Need] = []
    for one in written if wanted.kind == "bucket" else ():
        for need in one.needs if one.kind == "identity" and one.subject not in wanted.grants else ():
            if need.resource.split(":", 5)[-1].partition("/")[0] == wanted.subject:
                said = decide([policy, _ALL], request_for(need, one.subject, [policy]))  # what is its own is allowed
                told = replace(need, reason=f"{need.reason}: denied to {one.subject}")
                denied += [told] if said == "deny" else []
                doubtful += [told] if said == "unknown" else []
    return denied, doubtful


def _trust(existing: Sequence[Policy], wanted: Written, subject: str) -> Comparison:
    missing: list[Need] = []
    unsure: list[Need] = []
    wide: list[Wide] = []
    for one in wanted.document["Statement"]:
        [who] = principals(one)
        for action in listed(one["Action"]):
            need = Need(action, wanted.subject, f"let {who} assume the role", condition=one.get("Condition", {}))
            said = decide(existing, request_for(need, who, existing))
            if said != "allow":
                (unsure if said == "unknown" else missing).append(need)
    for policy in existing:
        wide += wide_trust(policy, wanted.document["Statement"])
    return Comparison(subject, tuple(missing), tuple(wide), tuple(unsure))


def _kind(existing: Sequence[Policy]) -> Kind:
    statements = [one for policy in existing for one in listed(policy.get("Statement", ()))]
    if not statements:
        raise PlanError("there is no policy to compare", hint='give {"Version": "2012-10-17", "Statement": [...]}')
    if not any("Principal" in one or "NotPrincipal" in one for one in statements):
        return "identity"
    actions = [str(action) for one in statements for action in listed(one.get("Action", ()))]
    services = {action.partition(":")[0].lower() for action in actions}
    return "trust" if "sts" in services else "key" if "kms" in services else "bucket"


def _fit(existing: Sequence[Policy], one: Written) -> float:
    """Say how well policies fit: by the bucket or the principals that they name, or by what they grant."""
    if one.kind in ("bucket", "trust"):
        text = json.dumps(list(existing))
        names = (
            [f":::{one.subject}"]
            if one.kind == "bucket"
            else [who for s in one.document["Statement"] for who in principals(s)]
        )
        return sum(f'{name}"' in text or f"{name}/" in text for name in names) / len(names)
    granted = [decide(existing, request_for(need, who)) == "allow" for who, each in one.grants.items() for need in each]
    text = json.dumps(list(existing))
    named = {need.resource.split(":", 5)[-1].partition("/")[0] in text for need in one.needs if need.resource != "*"}
    return sum(granted) / max(1, len(granted)) + (0.01 if True in named else 0)  # where nothing is granted, by names


def _means(statement: Mapping[str, Any], who: str) -> bool:
    """Say whether a statement is about somebody: it names them, or everybody; or it is a Deny."""
    principal = statement.get("Principal")
    if statement.get("Effect") == "Deny" or principal == "*":
        return True
    names = principals(statement)
    return bool({who, "*", account_of(who), f"arn:aws:iam::{account_of(who)}:root"} & set(names))
