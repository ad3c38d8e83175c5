"""Policies and requests by a seed, for our evaluator and for one of other people's."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

ROLE: Final = "arn:aws:iam::111111111111:role/Source-DM-Role"
SESSION: Final = "arn:aws:sts::111111111111:assumed-role/Source-DM-Role/i-0"
_ACTIONS: Final = (
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:ListBucket",
    "dynamodb:DeleteTable",
    "kms:Decrypt",
)
_PATTERNS: Final = ("s3:*", "S3:getobject*", "s3:Get?bject", "*", "dynamodb:Delete*", "kms:*", *_ACTIONS)
_RESOURCES: Final = (
    "arn:aws:s3:::crm", "arn:aws:s3:::crm/in/a.csv", "arn:aws:s3:::crm/out/b.csv", "arn:aws:s3:::crm-2/in/a.csv",
    "arn:aws:dynamodb:eu-west-1:222222222222:table/users", "arn:aws:dynamodb:eu-west-1:222222222222:table/users-MASKED",
    "arn:aws:kms:eu-west-1:222222222222:key/k",
)  # fmt: skip
_RESOURCE_PATTERNS: Final = (
    "*", "arn:aws:s3:::*", "arn:aws:s3:::crm/*", "arn:aws:s3:::crm/in/?.csv", "arn:aws:s3:::crm*",
    "arn:aws:dynamodb:*:222222222222:table/users*", "arn:aws:dynamodb:eu-west-1:*:table/users", *_RESOURCES,
)  # fmt: skip
_VALUES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # Condition key -> values of requests, patterns of policies.
    "aws:SecureTransport": (("true", "false"), ("true", "false")),
    "aws:PrincipalOrgID": (("o-1", "O-1", "o-2"), ("o-1", "o-*", "o-?")),
    "s3:prefix": (("in/", "out/", "in/x"), ("in/", "in/*", "*")),
    "aws:SourceArn": (
        ("arn:aws:s3:::crm", "arn:aws:sns:eu-west-1:222222222222:t"),
        ("arn:aws:s3:::crm", "arn:aws:s3:::*", "arn:aws:sns:*:222222222222:*"),
    ),
    "s3:max-keys": (("10", "100", "9"), ("10", "10.0", "50")),
    "aws:TokenIssueTime": (
        ("2026-11-24T00:00:00Z", "2027-01-01T00:00:00Z"), ("2026-11-24T00:00:00Z", "2026-12-31T23:59:59Z"),
    ),
    "dynamodb:Attributes": (("team", "cost", "TEAM"), ("team", "cost", "t*")),
}  # fmt: skip
_MANY: Final = "dynamodb:Attributes"
_COMPARISONS: Final = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_STRINGS: Final = (
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
    "StringNotLike",
)  # fmt: skip
_OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:SecureTransport": ("Bool",),
    "aws:PrincipalOrgID": _STRINGS,
    "s3:prefix": _STRINGS,
    "aws:SourceArn": ("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "StringLike"),
    "s3:max-keys": tuple(f"Numeric{name}" for name in _COMPARISONS),
    "aws:TokenIssueTime": tuple(f"Date{name}" for name in _COMPARISONS),
    "dynamodb:Attributes": tuple(f"{many}:{one}" for many in ("ForAnyValue", "ForAllValues") for one in _STRINGS),
}


_PRINCIPALS: Final = (
    "*", {"AWS": "*"}, {"AWS": "111111111111"}, {"AWS": "arn:aws:iam::111111111111:root"}, {"AWS": ROLE},
    {"AWS": SESSION}, {"AWS": ["arn:aws:iam::111111111111:role/Other", "333333333333"]},
    {"Service": "ec2.amazonaws.com"},
)  # fmt: skip


def generated(seed: int, count: int) -> list[dict[str, Any]]:
    """Return cases, each with the identity's policies, some with the session's, some with the resource's own."""
    chance = random.Random(seed)
    return [_case(chance) for _ in range(count)]


def _case(chance: random.Random) -> dict[str, Any]:
    conditions = [_condition(chance) for _ in range(chance.choice((0, 1, 1, 2)))]
    keys = {key for condition in conditions for of in condition.values() for key in of}
    context: dict[str, str | list[str]] = {}
    for key in sorted(keys):
        if key == "aws:SecureTransport" or chance.random() < 0.75:  # that one is in every request
            values, _ = _VALUES[key]
            some = chance.sample(values, chance.randrange(1, len(values) + 1))
            context[key] = some if key == _MANY else some[0]
    return {
        "principal": SESSION,
        "action": chance.choice(_ACTIONS),
        "resource": chance.choice(_RESOURCES),
        "owner": chance.choice(("111111111111", "222222222222")),
        "context": context,
        "identity": [_policy(chance, conditions) for _ in range(chance.randrange(1, 3))],
        "session": [_policy(chance, conditions)] if chance.random() < 0.3 else None,
        "own": _own(_policy(chance, conditions), chance) if chance.random() < 0.6 else None,
    }


def _policy(chance: random.Random, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    statements = [_statement(chance, conditions) for _ in range(chance.randrange(1, 4))]
    return {"Version": "2012-10-17", "Statement": statements}


def _own(policy: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return policy | {"Statement": [one | {"Principal": chance.choice(_PRINCIPALS)} for one in policy["Statement"]]}


def _statement(chance: random.Random, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Deny" if chance.random() < 0.25 else "Allow"}
    negated = chance.random() < 0.15
    statement["NotAction" if negated else "Action"] = chance.sample(_PATTERNS, chance.randrange(1, 4))
    negated = chance.random() < 0.15
    statement["NotResource" if negated else "Resource"] = chance.sample(_RESOURCE_PATTERNS, chance.randrange(1, 4))
    if conditions and chance.random() < 0.7:
        statement["Condition"] = chance.choice(conditions)
    return statement


def _condition(chance: random.Random) -> dict[str, Any]:
    key = chance.choice(tuple(_VALUES))
    operator = chance.choice(_OPERATORS[key])
    if chance.random() < 0.2:
        operator += "IfExists"
    if chance.random() < 0.1:
        return {"Null": {key: chance.choice(("true", "false"))}}
    patterns = _VALUES[key][1]
    return {operator: {key: chance.sample(patterns, chance.randrange(1, len(patterns) + 1))}}
