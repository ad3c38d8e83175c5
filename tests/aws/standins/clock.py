"""A clock that the tests move: what sessions are measured by, on both sides."""

from __future__ import annotations

import time
from threading import Lock


class Clock:
    """Seconds since 1970, plus what the tests have skipped; callable, as a session factory wants its clock.

    >>> clock = Clock()
    >>> before = clock()
    >>> clock.advance(3600)
    >>> clock() - before >= 3600
    True
    """

    def __init__(self) -> None:
        self._skipped = 0.0
        self._lock = Lock()

    def __call__(self) -> float:
        """Return the time."""
        return time.time() + self._skipped

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._lock:
            self._skipped += seconds
