"""Every error that dmengine raises on purpose: what is wrong, where, what to do, and never a value."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class DmengineError(Exception):
    """Base of all errors raised on purpose by dmengine.

    The message names places, never values. `hint` says what to do, and `place` where it happened;
    both are part of `str(error)`. Errors pickle, so they cross process borders whole.

    >>> print(PlanError("no rule covers: ssn", hint='add keep("ssn", because="...") or a mask'))
    no rule covers: ssn
      To fix: add keep("ssn", because="...") or a mask
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place: dict[str, str] = {}

    def __str__(self) -> str:
        where = ", ".join(f"{k}={v}" for k, v in self.place.items())
        lines = [self.message + (f" ({where})" if where else "")]
        if self.hint:
            lines.append(f"  To fix: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.place)


def _rebuild(cls: type[DmengineError], message: str, hint: str, place: dict[str, str]) -> DmengineError:
    error = cls(message, hint=hint)
    error.place = place
    return error


class RulesetError(DmengineError):
    """A ruleset, a job file or a mask's parameters cannot be read."""


class PlanError(DmengineError):
    """The rules do not fit the data or the target. Raised before anything is visible."""


class InputError(DmengineError):
    """A source object cannot be read as what it says it is."""


class MaskError(DmengineError):
    """A masker met a value that it cannot take, or broke its contract."""


class KeyringError(DmengineError):
    """A key is missing, too weak, readable by others, or not the key of this run."""


class PluginError(DmengineError):
    """A masker, connector, format or key source could not be found or loaded."""


class StoreError(DmengineError):
    """A store refused or failed: no space, no permission, no such place."""


class RunError(DmengineError):
    """A run cannot start, go on, or be resumed as asked."""


def shielded(work: Callable[[], T]) -> T:
    """Call `work`, and let only errors out that hold no value; any other becomes one that says where it came up.

    Libraries put the value that they stumbled over into their messages, so neither message nor chain is kept.
    (A context manager could not do this: what it raises is chained to what it caught.)

    >>> try:
    ...     shielded(lambda: int("a secret"))
    ... except DmengineError as error:
    ...     print(error.message[:21], error.__context__)
    ValueError came up at None
    """
    problem: DmengineError
    try:
        return work()
    except DmengineError as error:
        error.__cause__ = error.__context__ = None
        raise
    except MemoryError:
        problem = StoreError("out of memory", hint="use fewer workers, or smaller row groups or records")
    except OSError as error:
        problem = StoreError(error.strerror or "the system refused", hint="check space and permissions, then run again")
    except Exception as error:  # noqa: BLE001  # whatever it is, its message may hold a value
        frame = traceback.extract_tb(error.__traceback__)[-1]
        problem = MaskError(
            f"{type(error).__name__} came up at {Path(frame.filename).name}:{frame.lineno}",
            hint="its message may hold a value and is not shown; please report it with the two names above",
        )
    raise problem


@contextmanager
def at(**place: str) -> Iterator[None]:
    """Add where we are to any dmengine error that passes through.

    >>> try:
    ...     with at(part="people.csv"):
    ...         raise MaskError("3 values are not dates")
    ... except MaskError as error:
    ...     print(error)
    3 values are not dates (part=people.csv)
    """
    try:
        yield
    except DmengineError as error:
        error.place = {**place, **error.place}
        raise
