"""Calls into Arrow that may fail with what they read or write in the message, and a file for them to write to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, TypeVar

import pyarrow as pa

from dmengine.errors import InputError, MaskError, PlanError

Result = TypeVar("Result")

_READING: Final = (pa.ArrowException, OSError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError)
_WRITING: Final = (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, KeyError)


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
    for one in fields:
        names([one.type.field(i) for i in range(one.type.num_fields)])
    return [one.name for one in fields]


@dataclass(frozen=True, slots=True)
class Failure:
    """What Arrow said of a call that failed; its text may quote values, and goes into no error of ours."""

    kind: type[Exception]
    text: str = field(repr=False)


def attempted(call: Callable[[], Result], expected: tuple[type[Exception], ...] = _READING) -> Result | Failure:
    """Call Arrow, to read unless said otherwise; return how it failed, but raise what failed in the file system."""
    try:
        return call()
    except expected as error:
        if isinstance(error, OSError) and error.errno is not None:  # from the file, not from Arrow
            raise
        return Failure(type(error), str(error))


def parsed(what: str, call: Callable[[], Result]) -> Result:
    """Call Arrow to read; what it says of a failure may quote the file, so it goes no further.

    Raises:
        InputError: it could not, for whatever reason but one of the file system's.
    """
    found = attempted(call)
    if not isinstance(found, Failure):
        return found
    if "out of range for nanosecond" in found.text:
        raise InputError(
            f"the {what} file has timestamps outside of the years 1677 to 2262, which nanoseconds cannot hold",
            hint="write the file anew with these as texts, or as Parquet",
        )
    if issubclass(found.kind, NotImplementedError):
        raise InputError(f"the {what} file uses a type or a codec that is not read here", hint="write it anew without")
    raise InputError(
        f"the {what} file is cut short or damaged ({found.kind.__name__})", hint="copy it again, or exclude it"
    )


def written(what: str, call: Callable[[], Result]) -> Result:
    """Call Arrow to write; what it says of a failure may quote values, so it goes no further.

    Raises:
        MaskError: it could not, for whatever reason but one of the file system's.
    """
    made = attempted(call, _WRITING)
    if not isinstance(made, Failure):
        return made
    raise MaskError(
        f"the masked columns cannot be written as {what} ({made.kind.__name__})", hint="compare them with the plan"
    )


def refuse_unstorable(what: str, schema: pa.Schema, store: Callable[[pa.Schema], object]) -> None:
    """Name the columns of types that a format has no place for.

    Args:
        what: The format.
        schema: All columns.
        store: Begins a file of one of them.

    Raises:
        PlanError: there are some.
    """
    refused = []
    for column in schema:
        try:
            store(pa.schema([column]))
        except (pa.ArrowException, ValueError, TypeError):
            refused.append(f"{column.name} ({column.type})")
    if refused:
        raise PlanError(f"{what} cannot hold the type of: {', '.join(refused)}", hint="mask them to another type")
