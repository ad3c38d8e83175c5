"""What stands around a list of JSON records: checked as the one object that it is, and kept only if it may be."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Final

from dmengine.errors import InputError
from dmengine.jsontext.check import Bounds, Place
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import FieldPath

_BLANK: Final = b" \t\r\n"
_SHOWN: Final = 20


@dataclass(slots=True)
class Envelope:
    """The envelope of one file; its beginning is checked before the records are, its end behind them.

    >>> envelope = Envelope(("items",), (FieldPath.of("count"),), Bounds())
    >>> envelope.open(b'{"count": 2, "items": [')
    >>> envelope.close(b']}', Place())

    Attributes:
        steps: The names that lead to the list.
        kept: The paths of the fields that may be there.
        bounds: The limits that it has, as a record does.
    """

    steps: tuple[str, ...]
    kept: tuple[FieldPath, ...]
    bounds: Bounds
    _head: bytes = field(default=b"", repr=False)

    def open(self, head: bytes) -> None:
        """Check all that stands before the first record.

        Raises:
            InputError: it is not JSON, or has a field that is not to be kept.
        """
        self._head = head[: head.rindex(b"[") + 1]  # white space may follow
        self._check(self._head + b"]" + b"}" * len(self.steps), None)

    def close(self, tail: bytes, place: Place) -> None:
        """Check the whole, now that its end is there.

        Args:
            tail: What stands behind the last record.
            place: Where that is in the file.

        Raises:
            InputError: it is not JSON, or has a field that is not to be kept.
        """
        self._check(self._head + tail[tail.index(b"]") :], place)

    def _check(self, text: bytes, behind: Place | None) -> None:
        bare = text.removeprefix(codecs.BOM_UTF8)
        start = len(text) - len(bare.lstrip(_BLANK))
        place = Place(1 + text.count(b"\n", 0, start), start)
        error: InputError | None = None
        records: JsonRecords | None = None
        try:
            records = JsonRecords.parse(bare.strip(_BLANK), place=place, bounds=self.bounds, separator="none")
        except InputError as caught:
            error = caught
        if records is None:
            assert error is not None
            raise self._moved(error, behind)
        path = FieldPath.of(*self.steps)
        opened = (path, *self.kept)
        unlisted = [found for found in records.fields(opened) if not self._may_stay(found, path)]
        if records.num_rows != 1:
            raise InputError("the file is more than one object", hint="leave records out, or split the file")
        if unlisted:
            raise _refused(unlisted)

    def _may_stay(self, found: FieldPath, path: FieldPath) -> bool:
        return found == path or any(kept.contains(found) for kept in self.kept)

    def _moved(self, error: InputError, behind: Place | None) -> InputError:
        """Return an error of the envelope without records as one of the file."""
        moved = InputError(f"in the envelope: {error.message}", hint=error.hint)
        byte, line = int(error.place["byte"]), int(error.place["line"])
        if behind is not None and byte > len(self._head):
            byte += behind.byte - len(self._head)
            line += behind.line - 1 - self._head.count(b"\n")
        moved.place = {"line": str(line), "byte": str(byte)}
        return moved


def _refused(unlisted: list[FieldPath]) -> InputError:
    shown = ", ".join(str(path) for path in unlisted[:_SHOWN]) + (", ..." if len(unlisted) > _SHOWN else "")
    return InputError(
        f"the envelope has fields that nothing says may stay: {shown}",
        hint="name them in envelope=(...) to keep them as they are; or leave records out, and give them rules",
    )
