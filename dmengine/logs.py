"""Structured run events: one logger, a fixed list of fields, never a value."""

from __future__ import annotations

import json
import logging
import time
from typing import Final

logger: Final = logging.getLogger("dmengine")
# An allow-list: an event can say nothing else, whatever a later change passes in.
FIELDS: Final = frozenset(
    ("run", "part", "parts", "rows", "bytes", "seconds", "key", "ruleset", "source", "target", "error", "leftovers")
)


def event(name: str, **fields: str | int | float) -> None:
    """Log one event, as a line for people and as fields for machines (`record.dmengine`)."""
    unknown = fields.keys() - FIELDS
    if unknown:
        raise AssertionError(f"event fields that are not on the list: {', '.join(sorted(unknown))}")
    text = " ".join(f"{key}={value}" for key, value in fields.items())
    logger.info("%s %s", name, text, extra={"dmengine": {"event": name, **fields}})


class JsonLines(logging.Formatter):
    """Format dmengine's events as JSON lines; other records keep level, logger and message.

    >>> fields = {"dmengine": {"event": "sealed", "rows": 3}, "created": 0, "msecs": 0}
    >>> JsonLines().format(logging.makeLogRecord(fields))
    '{"time": "1970-01-01T00:00:00.000Z", "event": "sealed", "rows": 3}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON object."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        fields = getattr(record, "dmengine", None)
        if fields is None:
            fields = {"event": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        return json.dumps({"time": moment, **fields})
