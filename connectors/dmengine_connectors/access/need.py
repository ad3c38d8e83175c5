"""One right that dmengine needs: an action on a resource, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """A right that dmengine needs.

    Attributes:
        action: As IAM names it: "s3:GetObject".
        resource: The ARN on which, with `*` where a name is not known before: "arn:aws:s3:::bucket/in/*".
        reason: What it is for: "read the objects to mask".
        optional: Whether a run goes on without it, with a warning.
        sid: The statement that it belongs to; a Sid of DataMasque's documents where one fits.
        condition: A condition to narrow the statement by, as IAM writes it.
    """

    action: str
    resource: str
    reason: str
    optional: bool = False
    sid: str = ""
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
