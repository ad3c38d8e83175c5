"""The bytes of a file that a document's reader looks at, a block at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from dmengine.errors import InputError
from dmengine.jsontext.check import Fault, Place, refusal
from dmengine_connectors.formats.filling import Readable, filled


@dataclass(slots=True)
class Window:
    """The bytes of a file that are looked at, which grow at their end and are let go of at their start."""

    file: Readable
    size: int
    longest: int
    held: bytes = field(default=b"", repr=False)
    place: Place = field(default_factory=Place)
    ended: bool = False

    def grow(self) -> None:
        """Read on: as much as is held already, so that a long record is looked at a few times only.

        Raises:
            InputError: more than the longest record is held, and it does not end.
        """
        if len(self.held) > self.longest:
            what = f"a record, or what stands before it, is longer than {self.longest} bytes"
            raise self.refuse(0, Fault(what, 0, "raise max_record_bytes if the file is trusted"))
        wanted = max(self.size, len(self.held))
        more = filled(self.file, wanted)
        self.ended = len(more) < wanted
        self.held += more

    def skip(self, count: int) -> bytes:
        """Let go of the first bytes, and return them."""
        gone, self.held = self.held[:count], self.held[count:]
        self.place = Place(self.place.line + gone.count(b"\n"), self.place.byte + count)
        return gone

    def refuse(self, at: int, fault: Fault) -> InputError:
        """Make the error for a fault at a byte of what is held."""
        return refusal(fault, Place(self.place.line + self.held.count(b"\n", 0, at), self.place.byte + at))
