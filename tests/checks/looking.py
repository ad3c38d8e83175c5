"""What tests of checks ask of what was found."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator

from dmengine.spi import Check


class Found:
    """The checks that came, and how long they took."""

    def __init__(self, checks: Iterable[Check]) -> None:
        began = time.monotonic()
        self.checks = list(checks)
        self.seconds = time.monotonic() - began
        assert self.seconds < 10, "a check hangs"

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def one(self, name: str) -> Check:
        """Return the only check of a name."""
        named = [check for check in self.checks if check.name == name]
        assert len(named) == 1, f"{len(named)} of {name} among {[check.name for check in self.checks]}"
        return named[0]

    def not_passed(self) -> dict[str, str]:
        """Return the names and the statuses of all that did not pass."""
        return {check.name: check.status for check in self.checks if check.status != "passed"}

    def shown(self) -> str:
        """Return all that anybody could read of them."""
        return json.dumps([[*map(str, (c.subject, c.answer, c.remedy, c.call, c.policy))] for c in self.checks])


def actions(check: Check) -> set[str]:
    """Return the actions that the policy of a check allows."""
    assert check.policy is not None
    found = [one["Action"] for one in check.policy["Statement"]]
    return {action for one in found for action in ([one] if isinstance(one, str) else one)}
