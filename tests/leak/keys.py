"""What a key could be seen by: its own bytes, in any reading, in what is said, kept, or sent to workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from dmengine.keyring import Key
from tests.leak.evidence import Evidence
from tests.leak.matcher import WINDOW, Matcher
from tests.leak.views import views


def secrets_of(key: Key, *more: bytes) -> Matcher:
    """Look for every eight bytes of the root, of all keys that were derived from it, and of more secrets."""
    secrets = [bytes(key.to_bytes()), *(bytes(derived) for derived in key._derived.values())]
    assert len(secrets) > 5
    return Matcher(s[i : i + WINDOW] for s in (*secrets, *more) for i in range(0, len(s) - WINDOW + 1, WINDOW))


def shown(secrets: Matcher, evidence: Evidence, *, depth: int = 2) -> list[str]:
    """Say where secrets are in the evidence, in any reading, without showing them."""
    return [
        f"{name} as {way} at {place}"
        for name, content in evidence
        for way, seen in views(content, depth=depth)
        for place, _ in secrets.find(seen)
    ]


class Recording(Executor):
    """Runs each task at once, as another process would get it, and keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Pickle the task, and run the copy."""
        self.sent.append(pickle.dumps((work, args)))
        there, given = pickle.loads(self.sent[-1])
        future: Future[Any] = Future()
        future.set_result(there(*given))
        self.sent.append(pickle.dumps(future.result()))
        return future
