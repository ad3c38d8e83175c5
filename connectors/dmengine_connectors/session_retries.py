"""When a call of AWS that failed is made again, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError, HTTPClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from dmengine_connectors.aws_errors import Kind, code_of, kind_of

if TYPE_CHECKING:
    from botocore.client import BaseClient

T = TypeVar("T")

ATTEMPTS: Final = 10
"""How often a call is made in all: at 20 % of faults, one call in 10 million still fails."""
DEADLINE: Final = 300.0
"""Seconds after the first attempt within which the last one begins."""
_LONGEST: Final = 20.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client goes on: attempts and seconds for a call, the longest pause, and what one attempt may take.

    Attributes:
        attempts: How often a call is made in all.
        deadline: Seconds after the first attempt within which the last one begins.
        longest: Seconds that a pause lasts at most.
        connect: Seconds for one attempt to connect.
        read: Seconds without a byte after which an attempt is given up.
    """

    attempts: int = ATTEMPTS
    deadline: float = DEADLINE
    longest: float = _LONGEST
    connect: float = 10
    read: float = 60


PATIENT: Final = Patience()
HURRIED: Final = Patience(attempts=6, deadline=3, longest=0.4, connect=3, read=4)
"""To look whether AWS answers: one fault in five is still got over, and a call is over within 7 seconds."""

_PASSING: Final[tuple[Kind, ...]] = ("throttled", "busy", "unreachable")
_LATE: Final = ("RequestTimeTooSkewed", "RequestInTheFuture")  # signed, and sent much later: by a machine that slept
_FIRST: Final = {"throttled": 1.0}
_FIRST_OF_OTHERS: Final = 0.2
_LONGEST_PACE: Final = 2.0
_SHORTEST_PACE: Final = 0.02


class Retries:
    """How one client tries again: each call has its own attempts and deadline; all share a pace.

    botocore has one budget of retries for a client. That is spent by calls that fail twice in a row, or that end in an
    answer like 412: at one fault in five a long run would come to its end, and then a single fault would be the last.
    So this decides before botocore does, for all that may pass: throttling, 5xx, connections that fail, late requests.

    * A call is made 10 times in all, the last time within 300 seconds. It may then still last as long as the time-outs.
    * The pause is random between 0 and 1, 2, 4 ... 20 seconds after throttling, and 0.2, 0.4 ... 20 after other
      trouble (full jitter); longer where the answer asks for it by `Retry-After` or `x-amz-retry-after`.
    * Each throttled answer doubles the pace at which *all* calls of the client are spread, and each other answer
      takes a little off: many threads do not run into the same wall together.
    * An answer that is shorter than it says, or empty where it has something to tell, counts as a 502. botocore takes
      the empty answer to a listing for an empty bucket, and compares no lengths.
    """

    def __init__(self, patience: Patience = PATIENT) -> None:
        self._patience = patience
        self._pace = 0.0

    def watch(self, client: BaseClient) -> None:
        """Let all calls of a client be tried so."""
        events: Any = client.meta.events
        service = client.meta.service_model.service_id.hyphenize()
        events.register(f"before-call.{service}", _note_time)
        events.register(f"before-send.{service}", self._keep_pace)
        events.register_first(f"before-parse.{service}", _refuse_short)
        events.register_first(f"needs-retry.{service}", self.pause)

    def pause(
        self, request_dict: Any, operation: Any, response: Any, caught_exception: Any, attempts: int, **_: object
    ) -> float | None:
        """Return how long to wait before the next attempt, or None where botocore knows better or all were made.

        Raises:
            Exception: the deadline is over; it is what the call ended with. (False is not enough for older botocores.)
        """
        trouble = caught_exception
        if trouble is None and response is not None and "Error" in response[1]:
            trouble = ClientError(response[1], operation.name)
        kind = None if trouble is None else kind_of(trouble)
        self._learn(throttled=kind == "throttled")
        if trouble is None or (kind not in _PASSING and code_of(trouble) not in _LATE):
            return None
        patience = self._patience
        most = min(patience.longest, _FIRST.get(kind or "", _FIRST_OF_OTHERS) * 2.0 ** (attempts - 1))
        asked = min(patience.longest, _asked_for(response))
        pause = max(random.uniform(0, most), asked)  # noqa: S311  # jitter
        began = request_dict["context"]["dmengine_began"]
        if attempts >= patience.attempts or monotonic() - began + pause >= patience.deadline:
            raise trouble
        return pause

    def _keep_pace(self, **_: object) -> None:
        if self._pace:
            time.sleep(random.uniform(0, self._pace))  # noqa: S311  # jitter

    def _learn(self, *, throttled: bool) -> None:
        """Go slower or faster; two threads that do so at once lose one step, which does no harm."""
        if throttled:
            self._pace = min(_LONGEST_PACE, max(_SHORTEST_PACE, self._pace * 2))
        elif self._pace:
            self._pace = self._pace * 0.8 if self._pace > _SHORTEST_PACE else 0.0


def called(function: Callable[..., T], parameters: Mapping[str, Any], attempts: int = ATTEMPTS) -> T:
    """Call a method of a client; again, where its answer breaks off or makes no sense in a way botocore lets through.

    Raises:
        HTTPClientError: it still does; without what the answer held.
    """
    name = ""
    for tries in range(attempts):
        time.sleep(random.uniform(0, 0.2 * tries))  # noqa: S311  # jitter
        try:
            return function(**parameters)
        except (ResponseParserError, HTTPError) as error:
            name = type(error).__name__
    raise HTTPClientError(error=name)


def _note_time(context: dict[str, Any], **_: object) -> None:
    context["dmengine_began"] = monotonic()


def _asked_for(response: Any) -> float:
    """Return the pause that an answer asks for, as far as it is a number; 20 seconds at most."""
    headers: Mapping[str, str] = {} if response is None else response[0].headers
    for name, unit in (("x-amz-retry-after", 1000), ("Retry-After", 1)):
        asked = str(headers.get(name, "")).strip()
        if asked.isdecimal() and len(asked) < 10:
            return min(_LONGEST, int(asked) / unit)
    return 0.0


def _refuse_short(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Make a 502 of an answer that is not whole; bodies of objects are streams, and looked at where they are read."""
    body = response_dict.get("body")
    if not isinstance(body, bytes) or operation_model.http.get("method") == "HEAD":
        return
    said = str(response_dict["headers"].get("Content-Length", len(body)))
    short = said.isdecimal() and len(body) < int(said)
    if short or (not body and response_dict["status_code"] == 200 and _tells_something(operation_model)):
        response_dict |= {"status_code": 502, "body": b""}


def _tells_something(operation_model: Any) -> bool:
    """Say whether an answer must have a body. Publishing asks by itself what an empty one to Complete may mean."""
    name, shape = operation_model.name, operation_model.output_shape
    if shape is None or name == "CompleteMultipartUpload":
        return False
    return name.startswith(("List", "Create", "Get", "Assume")) and any(
        "location" not in member.serialization for member in shape.members.values()
    )
