"""Mask functions of a user, where worker processes find them."""

from __future__ import annotations

import os
import sys
from datetime import date, timedelta
from pathlib import Path

import dmengine as dm


@dm.masker
def length_of(value: str) -> str:
    """Say how long a text is."""
    return f"{len(value)} characters"


@dm.masker
def raising(value: str) -> str:
    """Fail as functions do: with the value in the message."""
    raise ValueError(f"cannot mask {value!r}")


@dm.masker
def chained(value: str) -> str:
    """Fail while a failure is dealt with."""
    try:
        return str(int(value))
    except ValueError as error:
        raise KeyError(value) from error


@dm.masker
def leaving(value: str) -> str:
    """End the program with the value as its last words."""
    sys.exit(value)


@dm.masker
def returning_bytes(value: str) -> str:
    """Return the value as another type."""
    return value.encode()  # type: ignore[return-value]  # the mistake is the point


@dm.masker
def returning_list(value: str) -> str:
    """Return the value inside a list."""
    return [value]  # type: ignore[return-value]  # the mistake is the point


@dm.masker
def half_a_pair(value: str) -> str:
    """Return text that is no Unicode."""
    return value + "\udc80"


@dm.masker
def next_day(value: date) -> date:
    """Return the day after."""
    return value + timedelta(days=1)


@dm.masker
def quoting(value: str) -> str:
    """Return text that a file without quotes cannot hold."""
    return f"a,b{len(value)}"


@dm.masker
def telling(value: str) -> str:
    """Write down what others can see of the process it runs in."""
    folder = Path(os.environ["DMENGINE_TEST_TOLD"])
    seen = Path("/proc/self/environ").read_bytes() + b"\n" + Path("/proc/self/cmdline").read_bytes()
    (folder / f"{os.getpid()}.seen").write_bytes(seen)
    return f"{len(value)} characters"
