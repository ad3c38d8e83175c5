"""Brings events to CloudWatch Logs in the background, and never in the way of a run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from threading import Condition, Thread
from typing import Any, Final

from botocore.exceptions import ClientError

from dmengine.errors import DmengineError
from dmengine.eventlog import Lost
from dmengine.logs import Event
from dmengine.spi import Finding
from dmengine_connectors.aws_errors import code_of, kind_of, named
from dmengine_connectors.session import SessionFactory

# Limits: API reference of CloudWatch Logs, PutLogEvents. An event may be 1 MB by now, but not in every partition.
_MOST_EVENTS: Final = 10_000
_MOST_BYTES: Final = 1_048_576
_EXTRA_BYTES: Final = 26
_EVENT_BYTES: Final = 256_000
_MOST_SPAN: Final = 24 * 3600 * 1000 - 1
_WAITING: Final = 50_000  # events that wait while the service does not take any; some 15 MB
_LINGER: Final = 1.0  # seconds in which events gather to one call
_LONGEST_PAUSE: Final = 60.0  # between calls that fail
_PATIENCE: Final = 8.0  # seconds at the end; a call that has begun by then is over in 7
_THERE: Final = ("ResourceAlreadyExistsException", "OperationAbortedException")  # the latter: somebody makes it now
_WHAT: Final = "the event log"
_ACTIONS: Final = ("logs:CreateLogStream", "logs:PutLogEvents", "logs:CreateLogGroup")
_CLOCK: Final = "check this machine's clock, and how long the log group keeps events"


class Delivery:
    """Brings events to a stream from a thread of its own, in batches, again and again until they arrive.

    Events that wait are kept, 50,000 at most. A call gives up within 7 seconds; then there is a pause, which doubles
    up to a minute. At the end there are 8 seconds for the rest, and one call that fails is the last.
    """

    def __init__(self, group: str, stream: str | None, session: SessionFactory, location: str) -> None:
        self._group = group
        self._stream = stream or ""
        self._session = session.hurried()
        self._location = location
        self._waiting: deque[dict[str, Any]] = deque()
        self._lost = Lost()
        self._change = Condition()
        self._thread: Thread | None = None
        self._ending = False
        self._given_up = False
        self._ready = False
        self._asked = ""
        self._refused: ClientError | None = None
        self._trouble, self._remedy = "no answer came in time", ""

    def put(self, event: Event) -> None:
        """Take one; the first one begins the thread, and names the stream where nobody has."""
        line = event.line()
        with self._change:
            self._lost.of += 1
            if len(line) > _EVENT_BYTES:
                self._lost.add(1, f"it is longer than {_EVENT_BYTES:,} bytes")
            elif len(self._waiting) >= _WAITING:
                self._lost.add(1, f"{_WAITING:,} waited already: {self._trouble}", self._remedy)
            else:
                self._waiting.append({"timestamp": int(event.moment * 1000), "message": line})
                self._stream = self._stream or _stream_of(event)
                self._begin()

    def close(self) -> Finding | None:
        """Let the rest go, 8 seconds at most, and tell what did not arrive."""
        with self._change:
            self._ending = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        with self._change:
            self._given_up = True
            if self._waiting:
                self._lost.add(len(self._waiting), self._trouble, self._remedy)
            return self._lost.finding(self._location)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="dmengine-log", daemon=True)
            self._thread.start()

    # ------------------------------------------------------------------------------------------ in the thread

    def _work(self) -> None:
        pause = _LINGER
        while True:
            with self._change:
                self._change.wait_for(lambda: self._ending, pause)
                ending = self._ending
                if self._given_up or (ending and not self._waiting):
                    return
                batch = batch_of(self._waiting)
            settled = not batch or self._deliver(batch)
            pause = min(_LONGEST_PAUSE, pause * 2) if not settled else _LINGER if len(batch) < _MOST_EVENTS else 0
            if ending and not settled:
                return

    def _deliver(self, batch: list[dict[str, Any]]) -> bool:
        """Send a batch, and say whether it need not be sent again."""
        problem, refused = None, (0, "")
        try:
            refused = self._sent(batch)
        except Exception as error:  # noqa: BLE001  # whatever it is: the run goes on
            problem = error
        with self._change:
            if problem is not None:
                self._note(problem)
                refused = len(batch), self._trouble
            if self._given_up or (problem is not None and not _is_lasting(problem)):
                return self._given_up
            if refused[0]:
                self._lost.add(*refused, self._remedy)
            for _ in batch:
                self._waiting.popleft()
        return True

    def _sent(self, batch: list[dict[str, Any]]) -> tuple[int, str]:
        """Send a batch, and return how many of it were refused as too old or too new."""
        client: Any = self._session.client("logs")
        stream = {"logGroupName": self._group, "logStreamName": self._stream}
        if not self._ready:
            self._refused = self._prepared(client, stream)
            self._ready = True
        self._asked = "PutLogEvents"
        in_order = sorted(batch, key=lambda event: event["timestamp"])
        answer = self._session.call(client.put_log_events, **stream, logEvents=in_order)
        self._remedy = _CLOCK
        return _rejected(len(batch), answer.get("rejectedLogEventsInfo", {})), "too old or too new for the log group"

    def _prepared(self, client: Any, stream: dict[str, str]) -> ClientError | None:
        """Make the stream, and the group under it; what we may not make may be there already, and is told if not."""
        group = {"logGroupName": self._group}
        make_stream = partial(self._made, "CreateLogStream", client.create_log_stream, stream)
        problem = make_stream()
        if problem is not None and kind_of(problem) == "missing":
            problem = self._made("CreateLogGroup", client.create_log_group, group) or make_stream()
        if problem is not None and kind_of(problem) != "denied":
            raise problem
        return problem

    def _made(self, call: str, function: Callable[..., object], names: dict[str, str]) -> ClientError | None:
        self._asked = call
        try:
            self._session.call(function, **names)
        except ClientError as error:
            return None if code_of(error) in _THERE else error
        return None

    def _note(self, problem: Exception) -> None:
        """Keep what went wrong in our words, and make the stream anew before the next batch."""
        self._ready = False
        if kind_of(problem) == "missing" and self._refused is not None:
            problem = self._refused
        denied = kind_of(problem) in ("denied", "missing")
        hint = f"allow {', '.join(_ACTIONS)} on the log group {self._group}" if denied else ""
        call = str(getattr(problem, "operation_name", self._asked))
        told = named(problem, call=call, what=_WHAT, hint=hint)
        self._trouble, self._remedy = told.message.removeprefix(f"{_WHAT}: "), told.hint


def batch_of(waiting: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first of the events that wait, as many as one call may bring.

    >>> len(batch_of([{"timestamp": 0, "message": "x" * 499_974}] * 3))
    2
    >>> len(batch_of([{"timestamp": hours * 3_600_000, "message": ""} for hours in range(48)]))
    24
    """
    batch: list[dict[str, Any]] = []
    size, first, last = 0, float("inf"), float("-inf")
    for event in waiting:
        size += len(event["message"]) + _EXTRA_BYTES
        first, last = min(first, event["timestamp"]), max(last, event["timestamp"])
        if len(batch) == _MOST_EVENTS or size > _MOST_BYTES or last - first > _MOST_SPAN:
            break
        batch.append(event)
    return batch


def _rejected(count: int, info: dict[str, int]) -> int:
    """Count the events that were too old (all before an index) and too new (all from one on)."""
    old = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
    return old + count - info.get("tooNewLogEventStartIndex", count)


def _is_lasting(problem: Exception) -> bool:
    return not isinstance(problem, DmengineError) and kind_of(problem) in ("request", "other")


def _stream_of(event: Event) -> str:
    run = str(event.fields.get("run", "")) or time.strftime("%Y%m%dT%H%M%S", time.gmtime(event.moment))
    return run.replace(":", "-")
