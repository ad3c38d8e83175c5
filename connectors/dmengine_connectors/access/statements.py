"""Needs as statements of policies, and statements as documents that fit IAM's limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.places import covers

Statement = dict[str, Any]
Document = dict[str, Any]

VERSION: Final = "2012-10-17"
# Characters without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html,
# https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
IDENTITY_LIMIT, TRUST_LIMIT, BUCKET_LIMIT, KEY_LIMIT, SESSION_LIMIT = 6_144, 2_048, 20_480, 32_768, 2_048
MANAGED_POLICIES: Final = 10
"""How many managed policies a role takes by default."""


def document(needs: Iterable[Need], principal: str = "") -> Document:
    """Return the policy that grants needs, and nothing else.

    Args:
        needs: What to grant.
        principal: To whom, in the policy of a bucket; policies of an identity do not say it.

    >>> document([Need("s3:GetObject", "arn:aws:s3:::b/in/*", "read", sid="SourceBucketRead")])["Statement"]
    [{'Sid': 'SourceBucketRead', 'Effect': 'Allow', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::b/in/*'}]
    """
    return {"Version": VERSION, "Statement": statements(needs, principal)}


def statements(needs: Iterable[Need], principal: str = "") -> list[Statement]:
    """Return the statements that grant needs: one for each Sid, condition and set of resources."""
    found: list[Statement] = []
    for (sid, condition), resources in _grouped(smallest(needs)).items():
        for actions, together in _same_actions(resources).items():
            one: Statement = {"Sid": sid} if sid else {}
            one |= {"Effect": "Allow"}
            one |= {"Principal": {"AWS": principal}} if principal else {}
            one |= {"Action": _one_or_more(list(actions)), "Resource": _one_or_more(together)}
            found.append(one | ({"Condition": json.loads(condition)} if condition != "{}" else {}))
    return _with_own_sids(found)


def smallest(needs: Iterable[Need]) -> list[Need]:
    """Leave out each need that another one covers: the same action and condition on the same resource or more."""
    kept: list[Need] = []
    for need in needs:
        if any(_covers(other, need) for other in kept):
            continue
        kept = [other for other in kept if not _covers(need, other)]
        kept.append(need)
    return kept


def split(found: Sequence[Statement], limit: int = IDENTITY_LIMIT) -> tuple[Document, ...]:
    """Spread statements over as many documents as their size wants; in one, where they fit.

    >>> one = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/" + "x" * 50] * 8}
    >>> [len(part["Statement"]) for part in split([one], limit=300)]
    [1, 1, 1, 1]
    """
    documents: list[Document] = []
    for one in (piece for whole in found for piece in _pieces(whole, limit)):
        if documents and size({**documents[-1], "Statement": [*documents[-1]["Statement"], one]}) <= limit:
            documents[-1]["Statement"].append(one)
        else:
            documents.append({"Version": VERSION, "Statement": [one]})
    return tuple(documents)


def size(policy: Mapping[str, Any]) -> int:
    """Return how large a policy is as IAM counts: without white space."""
    return len(json.dumps(policy, separators=(",", ":")))


def _covers(one: Need, other: Need) -> bool:
    return one.action == other.action and one.condition == other.condition and covers(one.resource, other.resource)


def _grouped(needs: Iterable[Need]) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Sort needs by Sid and condition, then by resource."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for need in needs:
        group = groups.setdefault((need.sid, json.dumps(need.condition, sort_keys=True)), {})
        group.setdefault(need.resource, []).append(need.action)
    return groups


def _same_actions(resources: Mapping[str, list[str]]) -> dict[tuple[str, ...], list[str]]:
    together: dict[tuple[str, ...], list[str]] = {}
    for resource, actions in resources.items():
        together.setdefault(tuple(actions), []).append(resource)
    return together


def _with_own_sids(found: list[Statement]) -> list[Statement]:
    """Number the Sids that occur twice: within a policy each has to be another one."""
    seen: Counter[str] = Counter()
    for one in found:
        if sid := one.get("Sid"):
            seen[sid] += 1
            one["Sid"] = f"{sid}{seen[sid]}" if seen[sid] > 1 else sid
    return found


def _pieces(one: Statement, limit: int) -> Iterator[Statement]:
    """Halve a statement by its resources until it fits into a document of its own."""
    resources = one.get("Resource")
    if size({"Version": VERSION, "Statement": [one]}) <= limit or not isinstance(resources, list) or len(resources) < 2:
        yield one
        return
    middle = len(resources) // 2
    for half, part in enumerate((resources[:middle], resources[middle:])):
        sid = {"Sid": f"{one['Sid']}{'ab'[half]}"} if "Sid" in one else {}
        yield from _pieces({**one, **sid, "Resource": _one_or_more(part)}, limit)


def _one_or_more(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
