"""What a store of data objects is, whether it is a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol

from dmengine.errors import InputError
from dmengine.spi import Finding, GoneError, Leftovers, Part, RunInfo, Sealed

HOME = "_dmengine"  # where journals, manifests and sealed parts lie; every reader of ours skips it
ABSENT = "absent"

Access = Literal["stream", "seek", "glance"]
"""How a file will be read: from start to end, here and there, or only a little of it."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a store: its name below the root, its size, its pin.

    Attributes:
        odd: Why it cannot be read, if it cannot.
        marker: It holds nothing and only marks a folder.
    """

    name: str
    size: int
    pin: str
    odd: str = ""
    marker: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What belongs to an object beside its bytes, on its way from the source to the target.

    Attributes:
        form: What the object's format needs to write the same form again.
        origin: The object that was read, as a person would write it.
        pin: Its pin when it was read.
        attributes: Metadata, headers and tags, in the words of its store.
        findings: What of it a person should know.
    """

    form: Any = field(default=None, repr=False)
    origin: str = ""
    pin: str = ""
    attributes: Any = field(default=None, repr=False)
    findings: tuple[Finding, ...] = ()


class SealedOutput(Protocol):
    """An object being written, and what is known of it when it is sealed."""

    size: int

    def write(self, body: Any, /) -> int:
        """Write all of it."""
        ...

    @property
    def checksum(self) -> str:
        """SHA-256 of what was written, in hex."""
        ...

    @property
    def notes(self) -> dict[str, str]:
        """What `publish` needs to know; complete once it is sealed."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What could not be carried over; complete once it is sealed."""
        ...


class Objects(Protocol):
    """Data objects below a root: listed, pinned, read, sealed, published."""

    @property
    def at_once(self) -> int:
        """How many objects are worth asking for at the same time."""
        ...

    def objects(self, only: str = "") -> Iterator[ObjectInfo]:
        """List them, or only the one of a name, without what dmengine itself keeps there."""
        ...

    def open(self, name: str, pin: str = "", access: Access = "stream") -> BinaryIO:
        """Open one for reading; with a pin, refuse one that is not the one that was listed."""
        ...

    def carried(self, file: BinaryIO, name: str) -> Carried | None:
        """Return what an opened object has beside its bytes; None where there is nothing to carry."""
        ...

    def check_same(self, name: str, pin: str, file: BinaryIO) -> None:
        """Refuse an object that is no longer the one that was listed, or was not read as it is stored."""
        ...

    def sealing(self, run: RunInfo, part: Part, carried: Carried | None) -> AbstractContextManager[SealedOutput]:
        """Write a new version of an object that stays invisible until it is published."""
        ...

    def publish(self, run: RunInfo, sealed: Iterable[Sealed]) -> None:
        """Put sealed objects in their places. May be called again after a crash.

        Raises:
            GoneError: some are neither sealed any more nor in their places; all the others are.
        """
        ...

    def discard(self, run: RunInfo) -> None:
        """Remove every sealed object of a run, as far as that is allowed."""
        ...

    def leftovers(self, run: RunInfo) -> Leftovers:
        """Remove what attempts that were broken off have left, and name what could not be removed."""
        ...


def not_at_rest(name: str, what: str) -> InputError:
    """Return the error for an object that was changed, or removed, between listing and reading.

    >>> print(not_at_rest("people.csv", "changed").message)
    people.csv was changed while the run was under way
    """
    return InputError(f"{name} was {what} while the run was under way", hint="run again when it is at rest")


def gone(sealed: Sequence[Sealed], what: str) -> GoneError:
    """Return the error for objects whose sealed form is gone, and that are not in their places either.

    >>> print(gone([Sealed("people.csv", "people.csv", 1, 9, "")], "file").message)
    neither sealed any more nor published: people.csv (the file is gone)
    """
    names = [one.location for one in sealed]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return GoneError(
        f"neither sealed any more nor published: {', '.join(names[:5])}{more} (the {what} is gone)",
        hint="`resume` with source, rules and key masks them again from the source",
        parts=[one.part for one in sealed],
    )
