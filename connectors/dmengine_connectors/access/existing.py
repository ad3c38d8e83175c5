"""Reads policies that there are: in the form that AWS shows them in, and refused by name where they are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from dmengine.errors import PlanError
from dmengine_connectors.access.evaluate import Policy

_WRAPPINGS: Final = ("PolicyDocument", "PolicyVersion", "Document", "Role", "AssumeRolePolicyDocument", "Policy")
"""What AWS's answers call a policy, or what has one in it."""
_LISTED: Final = ("Action", "NotAction", "Resource", "NotResource")
_HINT: Final = 'give JSON of the form {"Version": "2012-10-17", "Statement": [...]}'


def existing_policy(value: Any) -> Policy:
    """Return a policy, also out of an answer of AWS's command line: `iam get-role-policy`, `s3api get-bucket-policy`.

    >>> existing_policy({"RoleName": "r", "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "s3:*"}}})
    {'Statement': {'Effect': 'Allow', 'Action': 's3:*'}}

    Raises:
        PlanError: it is no policy, or not written as IAM takes one.
    """
    found = _unwrapped(value)
    statements = _values(found.get("Statement", ()))
    if not statements:
        raise PlanError("this is no policy: it has no Statement", hint=_HINT)
    for number, one in enumerate(statements, 1):
        if problem := _problem(one):
            raise PlanError(f"this is no policy: statement {number} {problem}", hint=_HINT)
    return found


def policy_of(text: str) -> Any:
    """Return what the text of a policy says.

    Raises:
        PlanError: it is not JSON.
    """
    try:
        return json.loads(text.removeprefix("\ufeff"))  # editors of Windows begin files so
    except RecursionError:
        problem = "it nests too deeply"
    except json.JSONDecodeError as error:
        problem = f"{error.msg} in line {error.lineno}, column {error.colno}"
    except ValueError:
        problem = "a number of it is too long"
    hint = "give the policy's document, as `aws iam get-role-policy` shows it"
    raise PlanError(f"this is not JSON: {problem}", hint=hint)


def _unwrapped(value: Any) -> Mapping[str, Any]:
    for _ in _WRAPPINGS:
        if isinstance(value, str):
            value = policy_of(unquote(value) if value.startswith("%7B") else value)
        if not isinstance(value, Mapping):
            raise PlanError("this is no policy", hint=_HINT)
        if "Statement" in value:
            return value
        inside = [value[name] for name in _WRAPPINGS if name in value]
        if len(inside) != 1:
            break
        [value] = inside
    raise PlanError("this is no policy: it has no Statement", hint=_HINT)


def _problem(one: Any) -> str:
    """Say what of a statement is not as IAM takes it; nothing if all is."""
    if not isinstance(one, Mapping):
        return "is no object"
    if one.get("Effect") not in ("Allow", "Deny"):
        return 'has no Effect of "Allow" or "Deny"'
    for name in _LISTED:
        if name in one and not _is_texts(one[name]):
            return f"has no text, or list of texts, as its {name}"
    for name in ("Principal", "NotPrincipal"):
        if name in one and one[name] != "*" and not _is_map(one[name], _is_texts):
            return f'has neither "*" nor an object such as {{"AWS": ...}} as its {name}'
    if not _is_map(one.get("Condition", {}), lambda keys: _is_map(keys, _is_values)):
        return 'has no object such as {"StringEquals": {key: value}} as its Condition'
    return ""


def _is_map(value: Any, test: Any) -> bool:
    return isinstance(value, Mapping) and all(test(one) for one in value.values())


def _is_texts(value: Any) -> bool:
    return all(isinstance(one, str) for one in _values(value))


def _is_values(value: Any) -> bool:
    return all(isinstance(one, (str, int, float)) for one in _values(value))


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
