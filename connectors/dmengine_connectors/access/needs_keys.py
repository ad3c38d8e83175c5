"""The rights on keys: those that encrypt objects and tables, and those of the places where a masking key lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import ANY, Account, KmsKey

Use = Literal["read", "write"]

SID: Final = "KMSPolicy"


def key_needs(keys: Iterable[KmsKey], use: Use, service: str) -> tuple[Need, ...]:
    """Return the rights on the KMS keys of objects, usable through S3 alone.

    S3 asks for data keys (`GenerateDataKey`) and opens them (`Decrypt`); it never calls `Encrypt`.

    >>> key = KmsKey(Account("aws", "eu-west-1", "222222222222"), "1234abcd")
    >>> [need.action for need in key_needs([key], "write", "s3")]
    ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:DescribeKey']
    """
    return tuple(need for key in keys for need in _of_key(key, use, service))


def table_key_needs(keys: Iterable[KmsKey]) -> tuple[Need, ...]:
    """Return the rights on the KMS keys of tables, usable through DynamoDB alone."""
    return tuple(need for key in keys for need in _of_table_key(key))


def secret_needs(reference: str, account: Account) -> tuple[Need, ...]:
    """Return the rights that a reference to a secret needs: `secretsmanager:NAME`, `ssm:NAME` or `kms:...`.

    Others (`env:`, `file:`) need none of AWS.

    >>> [need.action for need in secret_needs("secretsmanager:masking", Account(region="eu-west-1"))]
    ['secretsmanager:GetSecretValue', 'kms:Decrypt']
    """
    scheme, _, rest = reference.partition(":")
    name, _, query = rest.partition("?")
    region = query.removeprefix("region=") if query.startswith("region=") else account.region
    there = Account(account.partition, region, account.number)
    if scheme == "secretsmanager":
        return tuple(_of_secret(name.partition("#")[0], there))
    if scheme == "ssm":
        return tuple(_of_parameter(name.partition("#")[0], there))
    if scheme == "kms":
        bound = {"StringEquals": {"kms:EncryptionContext:dmengine": "root-key"}}
        reason = "unwrap the masking key; only blobs that were made for dmengine"
        return (Need("kms:Decrypt", there.arn("kms", "key/*"), reason, sid="MaskingKey", condition=bound),)
    return ()


def _of_key(key: KmsKey, use: Use, service: str) -> Iterator[Need]:
    via = _via(key, service)
    if use == "write":
        yield Need("kms:GenerateDataKey", key.arn, "encrypt what is written with this key", sid=SID, condition=via)
        reason = "put the parts of an upload together, and read what was written"
        yield Need("kms:Decrypt", key.arn, reason, sid=SID, condition=via)
    else:
        yield Need("kms:Decrypt", key.arn, "read objects that are encrypted with this key", sid=SID, condition=via)
    yield _looked_at(key, True)


def _of_table_key(key: KmsKey) -> Iterator[Need]:
    via, sid = _via(key, "dynamodb"), "KMSTablePolicy"
    yield Need("kms:Decrypt", key.arn, "read a table that is encrypted with this key", sid=sid, condition=via)
    yield Need("kms:Encrypt", key.arn, "DynamoDB wants it to make a table on this key", sid=sid, condition=via)
    yield Need("kms:GenerateDataKey", key.arn, "DynamoDB wants it to make a table on this key", sid=sid, condition=via)
    bound = {**via, "Bool": {"kms:GrantIsForAWSResource": "true"}}
    reason = "let DynamoDB itself use the key for the table"
    yield Need("kms:CreateGrant", key.arn, reason, sid="KMSTableGrant", condition=bound)
    yield _looked_at(key, False)


def _looked_at(key: KmsKey, optional: bool) -> Need:
    # S3 never asks it for us, so it cannot be bound to a service.
    return Need(
        "kms:DescribeKey", key.arn, "see that the key is on, and whose it is", optional, "KMSCheck", _alias(key)
    )


def _of_secret(name: str, account: Account) -> Iterator[Need]:
    # Secrets Manager adds a hyphen and six characters to a secret's name in its ARN.
    arn = name if name.startswith("arn:") else account.arn("secretsmanager", f"secret:{name}-??????")
    yield Need("secretsmanager:GetSecretValue", arn, "read the secret", sid="SecretRead")
    yield _opened(account, "secretsmanager")


def _of_parameter(name: str, account: Account) -> Iterator[Need]:
    arn = name if name.startswith("arn:") else account.arn("ssm", f"parameter/{name.lstrip('/')}")
    yield Need("ssm:GetParameter", arn, "read the parameter", sid="ParameterRead")
    yield _opened(account, "ssm")


def _opened(account: Account, service: str) -> Need:
    reason = "open it, where it is encrypted with a key of your own"
    via = {"StringEquals": {"kms:ViaService": account.endpoint(service)}} if account.region != ANY else {}
    return Need("kms:Decrypt", account.arn("kms", "key/*"), reason, True, f"KMSFor{service.title()}", via)


def _via(key: KmsKey, service: str) -> Mapping[str, Mapping[str, str]]:
    operator = "StringLike" if key.account.region == ANY else "StringEquals"
    return {operator: {"kms:ViaService": key.account.endpoint(service)}, **_alias(key)}


def _alias(key: KmsKey) -> Mapping[str, Mapping[str, str]]:
    return {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key.alias}} if key.alias else {}
