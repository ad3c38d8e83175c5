"""Structured run events: a logger, the logs of the runs of this thread, a fixed list of fields, never a value."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

logger: Final = logging.getLogger("dmengine")
_NUMBERS: Final = ("parts", "rows", "bytes", "seconds", "leftovers")
_FORMS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "run": re.compile(r"[\w.:-]{1,128}", re.ASCII),
        "key": re.compile(r"[0-9a-f]{16}"),  # a fingerprint, and no root key: those are longer
        "ruleset": re.compile(r"[0-9a-f]{16}"),
        "error": re.compile(r"\w{1,100}"),
        "part": re.compile(r".*", re.DOTALL),
        "source": re.compile(r".*", re.DOTALL),
        "target": re.compile(r".*", re.DOTALL),
    }
)
# An allow-list: an event can say nothing else, whatever a later change passes in.
FIELDS: Final = frozenset((*_FORMS, *_NUMBERS))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a run did: when (seconds since 1970), what, and facts from the list of fields.

    >>> Event(0.0, "sealed", {"rows": 3}).line()
    '{"time": "1970-01-01T00:00:00.000Z", "event": "sealed", "rows": 3}'
    """

    moment: float
    name: str
    fields: Mapping[str, str | int | float]

    def line(self) -> str:
        """Return it as one line of JSON in ASCII, without what is not on the list."""
        milliseconds = int(self.moment * 1000)
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
        listed = {name: value for name, value in self.fields.items() if name in FIELDS}
        return json.dumps({"time": f"{second}.{milliseconds % 1000:03d}Z", "event": self.name, **listed})


class Taker(Protocol):
    """Whatever takes events while a run lasts."""

    def put(self, event: Event) -> None:
        """Take one; neither wait for long, nor raise."""
        ...


_TAKERS: ContextVar[tuple[Taker, ...]] = ContextVar("dmengine_logs", default=())


def event(name: str, **fields: str | int | float) -> None:
    """Log one event, as a line for people and as fields for machines (`record.dmengine`)."""
    if unknown := fields.keys() - FIELDS:
        raise AssertionError(f"event fields that are not on the list: {', '.join(sorted(unknown))}")
    if wrong := [field for field, value in fields.items() if not _fits(field, value)]:
        raise AssertionError(f"event fields that do not look as they should: {', '.join(sorted(wrong))}")
    text = " ".join(f"{key}={value}" for key, value in fields.items())
    logger.info("%s %s", name, text, extra={"dmengine": {"event": name, **fields}})
    made = Event(time.time(), name, fields)
    for taker in _TAKERS.get():
        taker.put(made)


@contextmanager
def also_to(taker: Taker) -> Iterator[None]:
    """Let a log take the events of this thread's runs too; other threads and their runs go on without it."""
    before = _TAKERS.set((*_TAKERS.get(), taker))
    try:
        yield
    finally:
        _TAKERS.reset(before)


class JsonLines(logging.Formatter):
    """Format dmengine's events as JSON lines; other records keep level, logger and message.

    >>> fields = {"dmengine": {"event": "sealed", "rows": 3}, "created": 0, "msecs": 0}
    >>> JsonLines().format(logging.makeLogRecord(fields))
    '{"time": "1970-01-01T00:00:00.000Z", "event": "sealed", "rows": 3}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON object."""
        fields: dict[str, Any] | None = getattr(record, "dmengine", None)
        if fields is not None:
            return Event(record.created, str(fields.get("event", "")), fields).line()
        bare = json.loads(Event(record.created, record.levelname.lower(), {}).line())
        return json.dumps({**bare, "logger": record.name, "message": record.getMessage()})


def _fits(field: str, value: object) -> bool:
    if field in _NUMBERS:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    return isinstance(value, str) and _FORMS[field].fullmatch(value) is not None
