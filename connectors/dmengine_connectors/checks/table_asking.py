"""Asks AWS one thing for a check: an answer, or a refusal that says what would allow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.statements import document
from dmengine_connectors.aws_errors import AwsError, reported
from dmengine_connectors.session import SessionFactory


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one service about one thing, with a session that soon gives up.

    Attributes:
        session: Who asks.
        subject: What it is asked about, as a person names it.
        region: Where; empty: the session's.
    """

    session: SessionFactory
    subject: str
    region: str = ""

    def ask(self, service: str, operation: str, **parameters: Any) -> Mapping[str, Any] | AwsError:
        """Return the answer, or why there is none."""
        client = self.session.client(service, region=self.region or None)
        call = client.meta.method_to_api_mapping[operation]
        try:
            answer: Mapping[str, Any] = reported(
                lambda: self.session.call(getattr(client, operation), **parameters),
                call=call, what=f"cannot ask about {self.subject}",
            )  # fmt: skip
        except AwsError as error:
            return error
        return answer

    def unknown(self, name: str, what: str, error: AwsError, need: Need) -> Check:
        """Return what a refusal comes to: neither a pass nor a failure, and the statement that would allow it.

        Args:
            name: The check's.
            what: What is not known, as the beginning of a sentence.
            error: The refusal.
            need: The right that it wants.
        """
        call = need.action.partition(":")[2]
        answer = f"{what} is not known: {error.code} ({call})"
        if error.kind != "denied":
            return Check(name, "unknown", self.subject, answer, call, error.hint)
        remedy = f"allow {error.action or need.action} to {self.who}: to {need.reason}"
        return Check(name, "unknown", self.subject, answer, call, remedy, document([need]))

    @property
    def who(self) -> str:
        """Who asks, as far as it is known without asking."""
        return self.session.roles[-1].arn if self.session.roles else "whoever calls"
