"""Event logs: where the events of a run go as JSON lines, and what the report says of those that got lost."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from dmengine import registry
from dmengine.errors import DmengineError, PlanError
from dmengine.logs import Event, Taker, also_to, event
from dmengine.report import Report
from dmengine.spi import Finding

LOGS: Final = "dmengine.logs"
_SCHEME: Final = re.compile(r"([a-z][a-z0-9_+]+):(.*)", re.DOTALL)


class OpenLog(Taker, Protocol):
    """A log that takes events."""

    def close(self) -> Finding | None:
        """Write what is not yet written, within 10 seconds, and tell what got lost; never raise."""
        ...


class EventLog(Protocol):
    """Where events go. A plugin of `dmengine.logs` is a class of these, under the scheme that names it."""

    @classmethod
    def named(cls, text: str, session: Any = None) -> EventLog:
        """Return the log that `scheme:text` means.

        Args:
            text: What follows the scheme.
            session: The sessions that the job begins with, where it has any.
        """
        ...

    @property
    def location(self) -> str:
        """Where it is, for messages."""
        ...

    def open(self) -> OpenLog:
        """Begin to take events.

        Raises:
            PlanError: the log cannot be, whatever comes; only for what is known without asking another machine.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileLog:
    """A file that events are added to.

    Args:
        path: The file; its folder must be there.

    >>> FileLog.named("events.jsonl").location
    'events.jsonl'
    """

    path: str

    @classmethod
    def named(cls, text: str, session: Any = None) -> FileLog:
        """Return the log of a path."""
        return cls(text)

    @property
    def location(self) -> str:
        """The path."""
        return self.path

    def open(self) -> OpenLog:
        """Open the file for adding; it is made where there is none.

        Raises:
            PlanError: it cannot be written.
        """
        problem = ""
        try:
            return Lines(open(self.path, "a", encoding="ascii"), self.location)
        except OSError as error:
            problem = error.strerror or "refused"
        raise PlanError(f"the event log {self.path} cannot be written: {problem}", hint="choose another name, or -")


@dataclass(frozen=True, slots=True)
class StandardError:
    """Standard error, as it is when a call begins.

    >>> StandardError.named("").location
    'standard error'
    """

    @classmethod
    def named(cls, text: str, session: Any = None) -> StandardError:
        """Return standard error."""
        _only_a_scheme("stderr", text)
        return cls()

    @property
    def location(self) -> str:
        """Its name in words."""
        return "standard error"

    def open(self) -> OpenLog:
        """Take the stream."""
        return Lines(sys.stderr, self.location, ours=False)


@dataclass(frozen=True, slots=True)
class StandardOutput:
    """Standard output, as it is when a call begins.

    >>> StandardOutput.named("").location
    'standard output'
    """

    @classmethod
    def named(cls, text: str, session: Any = None) -> StandardOutput:
        """Return standard output."""
        _only_a_scheme("stdout", text)
        return cls()

    @property
    def location(self) -> str:
        """Its name in words."""
        return "standard output"

    def open(self) -> OpenLog:
        """Take the stream."""
        return Lines(sys.stdout, self.location, ours=False)


def _only_a_scheme(scheme: str, text: str) -> None:
    if text:
        raise PlanError(f"log={scheme}:{text} names no event log", hint=f"write {scheme}:, or ./{scheme}:{text}")


@dataclass(slots=True)
class Lines:
    """A stream that takes events as lines, each written through at once."""

    file: TextIO
    location: str
    ours: bool = True
    lost: Lost = field(default_factory=lambda: Lost())

    def put(self, event: Event) -> None:
        """Write one; a full disk or a closed pipe is told at the end."""
        self.lost.of += 1
        try:
            self.file.write(event.line() + "\n")
            self.file.flush()
        except (OSError, ValueError) as error:
            self.lost.add(1, getattr(error, "strerror", None) or "it is closed")

    def close(self) -> Finding | None:
        """Close it, if it was opened for this."""
        try:
            if self.ours:
                self.file.close()
        except OSError as error:
            self.lost.add(0, error.strerror or "it could not be closed")
        return self.lost.finding(self.location)


@dataclass(slots=True)
class Lost:
    """How many events of a log got lost, and why: the reason that was met last."""

    of: int = 0
    events: int = 0
    why: str = ""
    hint: str = ""

    def add(self, events: int, why: str, hint: str = "") -> None:
        """Count some more."""
        self.events += events
        self.why, self.hint = why, hint

    def finding(self, location: str) -> Finding | None:
        """Return the warning of the report, if there is something to warn of.

        >>> Lost(7, 2, "No space left on device").finding("events.jsonl").message
        '2 of 7 events did not reach the event log events.jsonl: No space left on device'
        """
        if not self.events:
            return None
        message = f"{self.events:,} of {self.of:,} events did not reach the event log {location}: {self.why}"
        return Finding("warning", message, location, self.hint or "the run itself is not touched by it")


def as_log(log: str | Path | EventLog, session: Any = None) -> EventLog:
    """Return the log that is meant: a path, `-` for standard error, `scheme:...` of a plugin, or one made already.

    >>> as_log("-").location, as_log("stdout:").location, as_log("./runs.jsonl").location
    ('standard error', 'standard output', './runs.jsonl')

    Raises:
        PluginError: no installed log has that scheme.
        PlanError: what follows the scheme names no log.
    """
    if not isinstance(log, (str, Path)):
        return log
    if log == "-":
        return StandardError()
    scheme = _SCHEME.fullmatch(log) if isinstance(log, str) else None
    if scheme is None:
        return FileLog(str(log))
    made: EventLog = registry.load(LOGS, scheme[1]).named(scheme[2], session)
    return made


class Following:
    """A log while it follows one call, and what it lost."""

    def __init__(self) -> None:
        self.lost: Finding | None = None

    def told(self, report: Report) -> Report:
        """Return the report, with a warning where events got lost."""
        return report if self.lost is None else replace(report, findings=(*report.findings, self.lost))


@contextmanager
def followed(log: str | Path | EventLog | None, *sides: Any) -> Iterator[Following]:
    """Let a log take the events of a call, and tell afterwards what it lost.

    An error that ends the call is logged by its kind, and passed on; lost events are told with it.

    Args:
        log: The log, or what means it; None follows nothing.
        sides: Source and target: a log that needs sessions gets those that the first of them begins with.

    Raises:
        DmengineError: there can be no such log; the call has not begun.
    """
    following = Following()
    if log is None:
        yield following
        return
    opened = as_log(log, _beginning(sides)).open()
    problem: BaseException | None = None
    try:
        with also_to(opened):
            try:
                yield following
            except BaseException as error:
                problem = error
                event("failed", error=type(error).__name__)
                raise
    finally:
        following.lost = opened.close()
        if problem is not None and following.lost is not None:
            _tell(problem, following.lost)


def _beginning(sides: tuple[Any, ...]) -> Any:
    sessions = (getattr(side, "session", None) for side in sides)
    found = next((session for session in sessions if session is not None), None)
    begins = getattr(found, "without_roles", None)
    return begins() if begins is not None else found


def _tell(problem: BaseException, lost: Finding) -> None:
    if isinstance(problem, DmengineError):
        problem.hint += f"\n  {lost.message}"
    else:
        problem.add_note(lost.message)
