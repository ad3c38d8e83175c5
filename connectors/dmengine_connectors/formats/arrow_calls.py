"""Calls into Arrow that may fail with what they read or write in the message, and a file for them to write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from dmengine.errors import InputError, MaskError

Result = TypeVar("Result")


class Sink:
    """A file, until it is abandoned: Arrow writes a footer even when its writer is thrown away."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.dead = False

    def write(self, block: Any) -> int:
        """Write a block, unless nobody wants the file any more."""
        if not self.dead:
            self._file.write(block)
        return len(block)

    def flush(self) -> None:
        """Do nothing: the file is flushed by whoever opened it."""

    def close(self) -> None:
        """Do nothing: the file is closed by whoever opened it."""


def names(fields: Any) -> list[str]:
    """Read the names of fields, and of all inside them: one that is not UTF-8 cannot be looked at later.

    >>> names(pa.schema({"a": pa.struct({"b": pa.int8()})}))
    ['a']
    """
    for field in fields:
        names([field.type.field(i) for i in range(field.type.num_fields)])
    return [field.name for field in fields]


def parsed(what: str, call: Callable[[], Result]) -> Result:
    """Call Arrow to read; what it says of a failure may quote the file, so it goes no further.

    Raises:
        InputError: it could not, for whatever reason but one of the file system's.
    """
    try:
        return call()
    except (pa.ArrowException, OSError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # from the file, not from Arrow
            raise
        text, kind = str(error), type(error)
    if "out of range for nanosecond" in text:
        raise InputError(
            f"the {what} file has timestamps outside of the years 1677 to 2262, which nanoseconds cannot hold",
            hint="write the file anew with these as texts, or as Parquet",
        )
    if issubclass(kind, NotImplementedError):
        raise InputError(f"the {what} file uses a type or a codec that is not read here", hint="write it anew without")
    raise InputError(f"the {what} file is cut short or damaged ({kind.__name__})", hint="copy it again, or exclude it")


def written(what: str, call: Callable[[], Result]) -> Result:
    """Call Arrow to write; what it says of a failure may quote values, so it goes no further.

    Raises:
        MaskError: it could not, for whatever reason but one of the file system's.
    """
    try:
        return call()
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # from the file, not from Arrow
            raise
        kind = type(error).__name__
    raise MaskError(f"the masked columns cannot be written as {what} ({kind})", hint="compare them with the plan")
