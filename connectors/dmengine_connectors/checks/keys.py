"""Looks at a KMS key: whether it is there, enabled, in the bucket's region, and one that the caller can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import Account, KmsKey
from dmengine_connectors.access.statements import VERSION, statements
from dmengine_connectors.aws_errors import AwsError, reported
from dmengine_connectors.checks.asking import PASSING, asked, unknown
from dmengine_connectors.checks.remedies import OF_CALLER, OF_KEY, Caller, Policy
from dmengine_connectors.session import SessionFactory

NAME: Final = "kms.key"
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "Disabled": ("is disabled", "enable it: aws kms enable-key --key-id {id}"),
    "PendingDeletion": (
        "is to be deleted", "what it encrypts can soon not be read: aws kms cancel-key-deletion --key-id {id}, "
        "then enable the key; or use another one",
    ),
    "PendingReplicaDeletion": ("is to be deleted", "use another key, or cancel it in its region"),
    "PendingImport": ("has no key material yet", "import its material, or use another key"),
    "Unavailable": ("cannot be reached: its key store is disconnected", "connect the custom key store"),
    "Creating": ("is being made", "try again in a minute"),
    "Updating": ("is being changed", "try again in a minute"),
}  # fmt: skip
_CANNOT: Final = (
    "{key} is the key that AWS manages for S3 in account {owner}: its policy cannot be changed, so no other account "
    "can use it, and {caller} is of account {account}"
)
_USE_OWN: Final = (
    "encrypt with a key of your own (its policy can name {caller}) and re-encrypt the objects with it, use SSE-S3, or "
    "assume a role in account {owner}"
)


def check_key(session: SessionFactory, key: str, caller: Caller, owner: str, region: str) -> Iterator[Check]:
    """Look at the key that a bucket encrypts with. The right to use it is proven by using it, elsewhere.

    Args:
        session: Who looks.
        key: As S3 has it: an ARN, an id, or an alias.
        caller: Who is to use it.
        owner: The bucket's account, if it is known.
        region: Where the bucket is, if that is known.
    """
    named = KmsKey.of(key, Account(region=region or "*", number=owner or "*"))
    holder = named.account.number if named.account.number != "*" else owner
    if region and named.account.region not in ("*", region):
        answer = f"{key} is in {named.account.region}, and the bucket in {region}: S3 takes keys of its own region only"
        remedy = f"use a key in {region}, or the replica there of a multi-region key"
        yield Check("kms.region", "failed", key, answer, "GetBucketEncryption", remedy)
        return
    if named.managed:
        yield _managed(key, caller, holder, "GetBucketEncryption")
        return
    found = asked(lambda: _described(session, key, named.account.region))
    if isinstance(found, AwsError):
        yield _not_described(key, named, caller, found)
    elif found.get("KeyManager") == "AWS":
        yield _managed(key, caller, str(found.get("AWSAccountId") or holder), "DescribeKey")
    else:
        yield _state(key, found)


def _described(session: SessionFactory, key: str, region: str) -> Mapping[str, Any]:
    client = session.client("kms", region=None if region == "*" else region)

    def ask() -> Mapping[str, Any]:
        found: Mapping[str, Any] = session.call(client.describe_key, KeyId=key)["KeyMetadata"]
        return found

    return reported(ask, call="DescribeKey", what=f"cannot look at the key {key}")


def _managed(key: str, caller: Caller, holder: str, call: str) -> Check:
    facts = {"key": key, "owner": holder or "(not known)", "caller": caller.principal, "account": caller.account}
    if holder and caller.account and holder != caller.account:
        return Check(NAME, "failed", key, _CANNOT.format(**facts), call, _USE_OWN.format(**facts))
    if not holder:
        answer = f"{key} is a key that AWS manages: only callers of the bucket's own account can use it"
        return Check(NAME, "warning", key, answer, call, "say expected_owner, or use a key of your own")
    return Check(NAME, "passed", key, "AWS manages it; it works within this account, and in no other", call)


def _state(key: str, found: Mapping[str, Any]) -> Check:
    state = str(found.get("KeyState", ""))
    if state in _STATES:
        wrong, remedy = _STATES[state]
        told = remedy.format(id=found.get("KeyId", key))
        return Check(NAME, "failed", key, f"the key {key} {wrong}", "DescribeKey", told)
    if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        answer = f"the key {key} is a {found['KeySpec']} key; S3 encrypts with symmetric ones only"
        return Check(NAME, "failed", key, answer, "DescribeKey", "use a symmetric key for encryption")
    return Check(NAME, "passed", key, "the key is enabled", "DescribeKey")


def _not_described(key: str, named: KmsKey, caller: Caller, error: AwsError) -> Check:
    if error.kind in PASSING or error.kind == "unreachable":
        return unknown(NAME, key, "KMS does not answer", "DescribeKey", error, error.hint)
    if error.kind != "denied":
        remedy = "check the key's id, account and region; across accounts S3 wants the key's whole ARN"
        return Check(NAME, "failed", key, f"{error.message}: the key cannot be used", "DescribeKey", remedy)
    remedy, policy = _look_at(named, caller)
    what = f"the state of the key {key}"
    told = unknown(NAME, key, what, "DescribeKey", error, f"{remedy}; whether it can be used is seen by using it")
    return Check(told.name, told.status, told.subject, told.answer, told.call, told.remedy, policy)


def _look_at(named: KmsKey, caller: Caller) -> tuple[str, Policy]:
    """Return what allows to look at a key, on both sides."""
    [identity] = statements([Need("kms:DescribeKey", named.arn, "look at the key")])
    [own] = statements([Need("kms:DescribeKey", "*", "look at the key")], caller.principal)
    both = [{"Sid": OF_CALLER, **identity}, {"Sid": OF_KEY, **own}]
    told = f"allow kms:DescribeKey on {named.arn} to {caller.principal}, in its policy and in the key's"
    return told, {"Version": VERSION, "Statement": both}
