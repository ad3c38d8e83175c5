"""The policies that a run needs, written: of identities and roles, of buckets and of keys."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmengine.errors import PlanError
from dmengine_connectors.access.compare import Comparison
from dmengine_connectors.access.evaluate import Policy
from dmengine_connectors.access.existing import existing_policy
from dmengine_connectors.access.statements import SESSION_LIMIT, Document, document, size
from dmengine_connectors.policy.differing import difference
from dmengine_connectors.policy.document import Kind, Written


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies that a run needs. It prints as text, shows in a notebook, and gives JSON.

    Attributes:
        principal: Who runs dmengine.
        written: The policies.
        notes: What a person has to know or to fill in.
        sources: The ARNs of tables that must never be deleted.
    """

    principal: str
    written: tuple[Written, ...]
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def identity(self) -> Document:
        """The policy of the principal; without a statement, where it needs none."""
        return self.roles_and_identity.get(self.principal, document([]))

    @property
    def roles(self) -> Mapping[str, Document]:
        """The policies of the roles, by their ARNs."""
        return {arn: one for arn, one in self.roles_and_identity.items() if arn != self.principal}

    @property
    def roles_and_identity(self) -> Mapping[str, Document]:
        """The policies of the principal and of the roles, by their ARNs."""
        return self._of("identity")

    @property
    def trust(self) -> Mapping[str, Document]:
        """The trust policies of the roles, by their ARNs."""
        return self._of("trust")

    @property
    def buckets(self) -> Mapping[str, Document]:
        """The policies of the buckets, by their names."""
        return self._of("bucket")

    @property
    def keys(self) -> Mapping[str, Document]:
        """The policies of the KMS keys, by their ARNs."""
        return self._of("key")

    @property
    def grants(self) -> tuple[Document, ...]:
        """What `kms:CreateGrant` takes, in place of the keys' policies."""
        return tuple(one.document for one in self.written if one.kind == "grant")

    def session(self, role: str) -> Document:
        """Return the policy of a role as one for its sessions (`policy=` of `assume`), which narrows what it may do.

        Raises:
            PlanError: there is no such role, or the policy is too long for a session.
        """
        if role not in self.roles:
            raise PlanError(f"{role} is none of the roles", hint=f"they are: {', '.join(self.roles) or 'none'}")
        found = self.roles[role]
        if (length := size(found)) > SESSION_LIMIT:
            raise PlanError(
                f"the policy of {role} has {length:,} characters, and a session takes {SESSION_LIMIT:,}",
                hint="attach it to the role instead, or give each connection a role of its own",
            )
        return found

    def diff(self, *existing: Policy | Sequence[Policy], of: str = "") -> Comparison:
        """Compare the policies that somebody or something has with those that are needed.

        Args:
            existing: The policies, as plain data: all that are attached to one identity, or that of a role's trust,
                of a bucket or of a key.
            of: Whose they are: an ARN, or a bucket's name; by default whom they fit best.

        Raises:
            PlanError: none of the policies that are needed is of their kind.
        """
        several = [each if isinstance(each, (list, tuple)) else [each] for each in existing]
        documents = [existing_policy(one) for each in several for one in each]
        return difference(documents, self.written, self.sources, of)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, with the reason for each action."""
        return {
            "principal": self.principal,
            "policies": [
                {"kind": one.kind, "subject": one.subject, "documents": list(one.parts), "reasons": one.reasons()}
                for one in self.written
            ],
            "notes": list(self.notes),
        }

    def explained(self) -> str:
        """Return the reasons as text, policy by policy."""
        return "\n\n".join(_explained(one) for one in self.written if one.needs)

    def __str__(self) -> str:
        shown = [f"{heading}\n{json.dumps(part, indent=2)}" for heading, part in self._parts()]
        return "\n\n".join([*shown, *([_noted(self.notes)] if self.notes else [])])

    def _repr_html_(self) -> str:
        texts = ((html.escape(heading), html.escape(json.dumps(part, indent=2))) for heading, part in self._parts())
        shown = "".join(
            f"<details open><summary>{heading}</summary><pre>{text}</pre></details>" for heading, text in texts
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return shown + (f"<ul>{notes}</ul>" if notes else "")

    def _parts(self) -> Iterator[tuple[str, Document]]:
        for one in self.written:
            for number, part in enumerate(one.parts, 1):
                yield f"{one.title}{f' ({number} of {len(one.parts)})' if len(one.parts) > 1 else ''}", part

    def _of(self, kind: Kind) -> Mapping[str, Document]:
        return {one.subject: one.document for one in self.written if one.kind == kind}


def _explained(one: Written) -> str:
    rows = [(need.action, need.reason + (" (optional)" if need.optional else ""), need.resource) for need in one.needs]
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"  {action:<{wide[0]}}  {reason:<{wide[1]}}  {resource}" for action, reason, resource in rows]
    return "\n".join([one.title, *lines])


def _noted(notes: Sequence[str]) -> str:
    return "\n".join(["Notes", *(f"  - {note}" for note in notes)])
