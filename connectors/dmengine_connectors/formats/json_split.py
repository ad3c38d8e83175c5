"""Where the records of a JSON document lie: found block by block, with the bytes between them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import numpy as np

from dmengine.errors import InputError
from dmengine.jsontext.check import Bounds, Fault, Place
from dmengine.jsontext.index import CLOSE_OBJECT, COLON, LOWER, OPEN_OBJECT, Tokens, tokenize
from dmengine.jsontext.run import HINT, Separator, between, within
from dmengine_connectors.formats.window import Window

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLANK: Final = b" \t\r\n"
_COMMA: Final = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_CUT: Final = "it may be cut off: get it again"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records with the bytes before them; no records, where only bytes are left.

    Attributes:
        head: What stands before the first record.
        text: From the first byte of the first record to the last of the last one.
        tokens: Its structure.
        place: Where the text begins in its file.
        separator: What stands between two records.
    """

    head: bytes = field(repr=False)
    text: bytes = field(repr=False)
    tokens: Tokens = field(repr=False)
    place: Place
    separator: Separator


@dataclass(frozen=True, slots=True)
class Splitter:
    """Cuts a JSON document between records.

    Attributes:
        size: About how much is read at once.
        bounds: The limits of a record; one that is longer is not read to its end.
        steps: The names that lead to the list of records; none where they are all that the document holds.
    """

    size: int
    bounds: Bounds
    steps: tuple[str, ...] = ()

    def blocks(self, file: BinaryIO) -> Iterator[Block]:
        """Cut a file; the bytes of all blocks, in order, are the file.

        Raises:
            InputError: the document does not hold records, as far as its brackets tell.
        """
        window = Window(file, self.size, self.bounds.max_record_bytes)
        head, separator = self._begin(window)
        first = True
        while True:
            tokens = tokenize(np.frombuffer(window.held, np.uint8))
            closing = (tokens.char | LOWER) == CLOSE_OBJECT
            outer = np.flatnonzero(closing & (tokens.level <= 0))
            stop = int(outer[0]) if len(outer) else len(closing)
            self._check_depth(window, tokens, stop)
            ends = np.flatnonzero(closing[:stop] & (tokens.level[:stop] == 1))
            if len(ends):
                gap = self._gap(window, tokens, separator, first=first)
                end = int(tokens.at[ends[-1]]) + 1
                inside = within(tokens, gap, end)
                head += window.skip(gap)
                place = window.place
                yield Block(head, window.skip(end - gap), inside, place, separator)
                head, first = b"", False
            if len(outer) or (window.ended and separator == "none"):
                break
            if window.ended:
                raise window.refuse(len(window.held), Fault("the file ends in the middle of a list", 0, _CUT))
            window.grow()
        yield self._end(window, head, separator)

    def _begin(self, window: Window) -> tuple[bytes, Separator]:
        """Skip what stands before the records."""
        while len(window.held) < len(codecs.BOM_UTF8) and not window.ended:
            window.grow()
        if window.held.startswith(_UTF16):
            fault = Fault("UTF-16, by its byte order mark", 0, "convert the file to UTF-8 first: JSON has no other")
            raise window.refuse(0, fault)
        head = window.skip(len(codecs.BOM_UTF8)) if window.held.startswith(codecs.BOM_UTF8) else b""
        while not window.held.lstrip(_BLANK) and not window.ended:
            window.grow()
        if self.steps:
            return head + window.skip(self._list(window)), "comma"
        head += window.skip(len(window.held) - len(window.held.lstrip(_BLANK)))
        if window.held.startswith(b"["):
            return head + window.skip(1), "comma"
        return head, "none"

    def _check_depth(self, window: Window, tokens: Tokens, stop: int) -> None:
        """Refuse deep nesting before a record is read to its end."""
        deep = tokens.level[:stop] > self.bounds.max_depth
        if tokens.deepest > self.bounds.max_depth and deep.any():
            what = f"nested deeper than {self.bounds.max_depth} levels"
            fault = Fault(what, 0, "raise max_depth if the file is trusted")
            raise window.refuse(int(tokens.at[np.argmax(deep)]), fault)

    def _gap(self, window: Window, tokens: Tokens, separator: Separator, *, first: bool) -> int:
        """Return where the first record begins; what stands before it must be what separates records."""
        start = int(tokens.at[np.argmax((tokens.char | LOWER) == OPEN_OBJECT)])
        before = window.held[:start]
        wanted = _COMMA.fullmatch(before) if separator == "comma" and not first else not before.strip(_BLANK)
        if not wanted:
            raise self._odd(window, before, separator)
        return start

    def _odd(self, window: Window, before: bytes, separator: Separator) -> InputError:
        """Make the error for bytes that should not stand between records."""
        odd = re.search(rb"[^ \t\r\n,]", before) or re.search(rb",[ \t\r\n]*(,)", before)
        at = odd.start(odd.re.groups) if odd else len(before) - len(before.lstrip(_BLANK))
        return window.refuse(at, between(separator, window.held[at : at + 1]))

    def _end(self, window: Window, head: bytes, separator: Separator) -> Block:
        """Read what stands behind the last record."""
        while not window.ended:
            window.grow()
        rest = window.held
        body = rest.lstrip(_BLANK)
        at = len(rest) - len(body)
        if separator == "none" and body:
            if body[:1] in b'{["':
                fault = Fault("the file ends in the middle of a record", len(body), _CUT)
                raise window.refuse(at, fault if body[:1] == b"{" else Fault("not a JSON object", 0, HINT))
            raise window.refuse(at, between(separator, body[:1]))
        if separator == "comma" and body[:1] != b"]":
            before = re.match(rb"[ \t\r\n,]*[^\]]?", rest)
            raise self._odd(window, before[0] if before else b"", separator)
        if separator == "comma" and not self.steps and body[1:].strip(_BLANK):
            behind = len(rest) - len(body[1:].lstrip(_BLANK))
            raise window.refuse(behind, Fault("something stands behind the list of records", 0, "split the file"))
        return Block(head + rest, b"", tokenize(np.zeros(0, np.uint8)), window.place, separator)

    def _list(self, window: Window) -> int:
        """Return the byte behind the bracket that opens the list of records."""
        while True:
            found = self._look(window)
            if found is not None:
                return found
            window.grow()

    def _look(self, window: Window) -> int | None:
        """Look for the list in what is held; None if it may still come."""
        tokens = tokenize(np.frombuffer(window.held, np.uint8))
        here = -1
        for level, name in enumerate(self.steps, 1):
            bracket = here + 1
            if not self._stands(window, tokens, bracket, here, b"{"):
                return None
            found, closed = _member(window.held, tokens, bracket, level, name)
            if found is None:
                if closed or window.ended:
                    raise self._nowhere(window)
                return None
            here = found
        return int(tokens.at[here + 1]) + 1 if self._stands(window, tokens, here + 1, here, b"[") else None

    def _stands(self, window: Window, tokens: Tokens, at: int, before: int, bracket: bytes) -> bool:
        """Say whether a bracket is the value behind a token; False if that is not known yet."""
        start = int(tokens.at[before]) + 1 if before >= 0 else 0
        value = window.held[start:].lstrip(_BLANK)[:1]
        if value == bracket and at < len(tokens.at):
            return True
        if value or window.ended:
            raise self._nowhere(window)
        return False

    def _nowhere(self, window: Window) -> InputError:
        path = ".".join(self.steps)
        hint = "name the list of records in `records`, or leave it out where the whole document is one record"
        return window.refuse(0, Fault(f"the file has no list of records at {path}", 0, hint))


def _member(text: bytes, tokens: Tokens, bracket: int, level: int, name: str) -> tuple[int | None, bool]:
    """Return the colon of a member of the object that opens at a token, if there is one so far; and if that is all."""
    folded = tokens.char | LOWER
    closes = np.flatnonzero((folded == CLOSE_OBJECT) & (tokens.level == level))
    closes = closes[closes > bracket]
    stop = int(closes[0]) if len(closes) else len(tokens.at)
    colons = np.flatnonzero((tokens.char == COLON) & (tokens.level == level))
    for colon in colons[(colons > bracket) & (colons < stop)].tolist():
        if _key(text[int(tokens.at[colon - 1]) + 1 : int(tokens.at[colon])]) == name:
            return int(colon), False
    return None, len(closes) > 0


def _key(text: bytes) -> str | None:
    try:
        key = json.loads(text)
    except (ValueError, RecursionError):
        return None  # told by the check of the envelope
    return key if isinstance(key, str) else None


def shifted(error: InputError, at: int, by: int, lines: int) -> InputError:
    """Return an error of an envelope, read without its records, as one of the file that has them.

    Args:
        error: The error.
        at: The byte that the list of records begins at.
        by: How many bytes were left out.
        lines: How many lines.
    """
    place = dict(error.place)
    if int(place.get("byte", "0")) > at:
        place = {"line": str(int(place["line"]) + lines), "byte": str(int(place["byte"]) + by)}
    moved = InputError(error.message, hint=error.hint)
    moved.place = place
    return moved
