"""Questions to AWS, asked at the same time, of which none is waited for too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Thread
from time import monotonic
from typing import Final, TypeVar

from dmengine.errors import DmengineError
from dmengine.spi import Check
from dmengine_connectors.aws_errors import AwsError, Kind

T = TypeVar("T")
Look = Callable[[], Iterable[Check]]

LIMIT: Final = 8.0
"""Seconds that all questions about one place take together; what has not come by then is unknown."""
PASSING: Final[tuple[Kind, ...]] = ("throttled", "busy")
"""Troubles that say nothing about how things are set up."""


class Limit:
    """The end of the time that the questions about one place may take."""

    def __init__(self, seconds: float = LIMIT) -> None:
        self._seconds = seconds
        self._end = monotonic() + seconds

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return max(0.0, self._end - monotonic())

    def late(self, name: str, subject: str) -> Check:
        """Return what is said of a question that nobody has answered."""
        answer = f"unknown: there is no answer within {self._seconds:g} seconds"
        return Check(
            name, "unknown", subject, answer, "none in time", "check network, proxy and endpoint, and try again"
        )


def asked(work: Callable[[], T]) -> T | AwsError:
    """Return an answer of AWS, or its refusal."""
    try:
        return work()
    except AwsError as error:
        return error


def together(looks: Mapping[str, Look], subject: str, limit: Limit) -> list[Check]:
    """Look at several things at the same time; return what was found, in the order of the looks.

    What is not done in time is unknown. Its thread is left behind: it ends with its call, or with the process.

    Args:
        looks: What the look is called where nothing comes of it -> what yields its checks.
        subject: What they all look at.
        limit: Until when.

    >>> [check.answer for check in together({"a": lambda: [Check("a", "passed", "x", "fine")]}, "x", Limit())]
    ['fine']
    """
    found: list[list[Check]] = [[] for _ in looks]
    wrong: list[BaseException] = []

    def work(number: int, name: str, look: Look) -> None:
        try:
            for check in look():
                found[number].append(check)
        except DmengineError as error:
            found[number].append(Check(name, "failed", subject, error.message, remedy=error.hint))
        except BaseException as error:  # noqa: BLE001  # it is raised by who waits
            wrong.append(error)

    threads = [
        Thread(target=work, args=(number, name, look), daemon=True, name=f"dmengine-check-{name}")
        for number, (name, look) in enumerate(looks.items())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit.left)
    if wrong:
        raise wrong[0]
    late = [thread.is_alive() for thread in threads]
    told: list[Check] = []
    for name, checks, missing in zip(looks, found, late, strict=True):
        told += [*list(checks), *([limit.late(name, subject)] if missing else [])]
    return told


def unknown(name: str, subject: str, what: str, call: str, error: AwsError, remedy: str = "") -> Check:
    """Return what is said of a thing that could not be looked at: it is no pass, and no failure."""
    hint = remedy or f"allow {call} in the policies, or look by hand"
    return Check(name, "unknown", subject, f"unknown: {what} ({call}: {error.code})", call, hint)
