"""One policy that is written: of what kind it is, whose, and why each of its actions is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.statements import Document, smallest, split

Kind = Literal["identity", "trust", "bucket", "key", "grant"]

_TITLES: Final = {
    "identity": "Identity policy of", "trust": "Trust policy of", "bucket": "Bucket policy of",
    "key": "Key policy of", "grant": "KMS grant on",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """One policy: of what kind, of whom or what, and why each of its actions is there.

    Attributes:
        kind: An identity's own, a role's trust, a bucket's, a key's, or the parameters of `kms:CreateGrant`.
        subject: Whose: the ARN of an identity, role or key, or a bucket's name.
        document: The policy as one document.
        parts: The policy as it is to be attached: more than one document where IAM's limits want it.
        grants: The rights that it grants, each with its reason, by whom it grants them to.
    """

    kind: Kind
    subject: str
    document: Document
    parts: tuple[Document, ...]
    grants: Mapping[str, tuple[Need, ...]] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[Need, ...]:
        """All rights that it grants."""
        return tuple(need for needs in self.grants.values() for need in needs)

    @property
    def title(self) -> str:
        """What it is, as a heading."""
        return f"{_TITLES[self.kind]} {self.subject}"

    def reasons(self) -> list[dict[str, Any]]:
        """Return why each action is there; policies of IAM cannot hold comments."""
        return [
            {
                "action": need.action, "resource": need.resource, "reason": need.reason,
                "needed": "may be left out, with a warning" if need.optional else "always",
            }
            for need in self.needs
        ]  # fmt: skip


def granting(
    kind: Kind, subject: str, found: Document, limit: int, grants: Mapping[str, Sequence[Need]] | None = None
) -> Written:
    """Return a policy, in as many parts as its limit wants; only policies of identities can have parts."""
    parts = split(found["Statement"], limit) if kind == "identity" else (found,)
    return Written(kind, subject, found, parts, {who: tuple(smallest(needs)) for who, needs in (grants or {}).items()})
