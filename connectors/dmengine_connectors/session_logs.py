"""Keeps out of logs what the AWS libraries put there: bodies, tokens and keys, and answers in their own words."""

from __future__ import annotations

import logging
from typing import Final

_LOUD: Final = frozenset(("boto3", "botocore", "s3transfer", "urllib3"))


def silence() -> None:
    """Let these libraries log nothing below WARNING in this process, and no exception, whoever turns them on, and when.

    A level alone would be undone by a program that sets the level of every logger there is. Every logger gets its own
    filter: one of a logger above it is not asked.
    """
    for name in (*_LOUD, *list(logging.root.manager.loggerDict)):
        if name.partition(".")[0] not in _LOUD:
            continue
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)  # so that nothing is put together to be thrown away
        logger.addFilter(_not_loud)  # the same one is not added twice


def _not_loud(record: logging.LogRecord) -> bool:
    # a warning that keys could not be renewed comes with all that a machine, or AWS, has answered
    record.exc_info = record.exc_text = None
    return record.levelno >= logging.WARNING
