"""Where the records of an XML text lie, and what is in them: a scanner for text that is known to be well-formed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dmengine.errors import InputError
from dmengine.jsontext.check import Fault, Place, refusal
from dmengine.paths import FieldPath
from dmengine_connectors.formats.xml_tree import (
    ATTRIBUTE,
    COMMENT,
    COMMENTS,
    ELEMENT,
    INSTRUCTION,
    INSTRUCTIONS,
    ROOT,
    TEXT,
    TEXTS,
    Nodes,
    Tree,
    build,
)

_TOKEN: Final = re.compile(
    rb"<([^!?/<>\s]++)>([^<]*+)</\1>|<(?:/[^>]*+>|!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|[^!?/<>](?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>)|<",
    re.DOTALL,
)
_NAME: Final = re.compile(rb"[^\s/>]+")
_ATTRIBUTE: Final = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TARGET: Final = re.compile(rb"<\?[^\s?]+\s*")
_SLASH, _BANG, _MARK, _OPEN = b"/!?["
_START: Final = Place()
_BROKEN: Final = Fault("the file is not well-formed XML: tags do not match", 0, "correct the file")
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a scan looks for.

    Attributes:
        records: The path of the elements that are records, from the root, or their name alone; None where the
            document is one record.
        kept: The paths of what may stand outside of records.
        max_depth: How deep elements may nest.
    """

    records: FieldPath | None = None
    kept: tuple[FieldPath, ...] = ()
    max_depth: int = 256

    def is_record(self, names: tuple[str, ...]) -> bool:
        """Say whether an element, by the names on the way to it, is a record."""
        if self.records is None:
            return False
        return self.records.covers(FieldPath.of(*(names[-1:] if len(self.records.steps) == 1 else names)))


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was found in a text, from its beginning on.

    Attributes:
        tree: The records that end in it.
        end: Where the scan may go on with more text: behind the last record, or what else was passed.
        outside: The names of the elements that are open there, outside of records.
    """

    tree: Tree
    end: int
    outside: tuple[str, ...]


def scan(
    text: bytes, wanted: Wanted, outside: tuple[str, ...] = (), *, place: Place = _START, last: bool = True
) -> Scanned:
    """Scan a text that begins outside of records.

    >>> found = scan(b'<a><b x="1">t</b><b/></a>', Wanted(FieldPath.of("b"))).tree
    >>> len(found.roots), [found.names[i] for i in found.name], found.start.tolist()
    (2, ['b', '@x', '#text', 'b'], [12, 9, 12, 20])

    Args:
        text: UTF-8.
        wanted: What to look for.
        outside: The elements that are open where the text begins.
        place: Where the text begins in its file; a negative byte, where bytes of the text are not those of the file.
        last: Whether the text goes to the end of the document.

    Raises:
        InputError: it nests too deep, or something stands outside of records that is not to be kept.
    """
    scanner = _Scanner(text, wanted, list(outside), place)
    if wanted.records is None:
        scanner.whole()
    end = scanner.run()
    if wanted.records is None:
        scanner.close_whole(end)
    elif scanner.open:  # in a record that ends later
        if last:
            raise scanner.refuse(scanner.outer, _BROKEN)
        end = scanner.outer
        scanner.nodes.cut(scanner.mark)
    if scanner.unlisted:
        raise _unlisted(list(scanner.unlisted))
    tree = build(np.frombuffer(text, np.uint8), list(scanner.names), scanner.nodes)
    return Scanned(tree, len(text) if last and not scanner.open else end, tuple(scanner.outside))


@dataclass(slots=True)
class _Scanner:
    """The state of a scan: the elements that are open, inside of a record and outside."""

    text: bytes
    wanted: Wanted
    outside: list[str]
    place: Place
    nodes: Nodes = field(default_factory=Nodes.none)
    names: dict[str, int] = field(default_factory=dict)
    known: dict[bytes, int] = field(default_factory=dict)
    open: list[int] = field(default_factory=list)
    seen: set[tuple[str, ...]] = field(default_factory=set)
    unlisted: dict[str, None] = field(default_factory=dict)
    mark: int = 0
    outer: int = 0

    def run(self) -> int:
        """Go through all tokens that are whole, and return where the last one ends."""
        text, position = self.text, 0
        for token in _TOKEN.finditer(text):
            start, end = token.span()
            if end == start + 1:
                break  # its end is not there yet; nothing behind it may be taken for a token
            which = text[start + 1]
            if token.lastindex:
                if position < start:
                    self._text(position, start)
                self._leaf(token, start, end)
            elif which == _SLASH:
                if self.open:
                    self._close(position, start, end)
                else:
                    self._text(position, start)
                    self._leave(start)
            else:
                self._text(position, start)
                if which == _BANG:
                    self._bang(start, end)
                elif which == _MARK:
                    self._instruction(start, end)
                else:
                    self._element(start, end)
            position = end
        return position

    def refuse(self, at: int, fault: Fault) -> InputError:
        """Make the error for a fault at a byte of the text."""
        error = refusal(fault, Place(self.place.line + self.text.count(b"\n", 0, at), self.place.byte + at))
        if self.place.byte < 0:
            del error.place["byte"]
        return error

    def _too_deep(self, start: int) -> InputError:
        what = f"elements nest deeper than {self.wanted.max_depth} levels"
        return self.refuse(start, Fault(what, 0, "raise max_depth if the file is trusted"))

    def whole(self) -> None:
        """Begin the record that is the whole document."""
        self.nodes.add(ELEMENT, self._id(""), ROOT, 0, 0, 0, 0)
        self.open.append(0)

    def close_whole(self, end: int) -> None:
        """End it."""
        if len(self.open) > 1 or not self.open:
            raise self.refuse(end, _BROKEN)
        self.open.pop()
        self.nodes.end[0] = self.nodes.outer_end[0] = end

    def _element(self, start: int, end: int) -> None:
        nodes, text = self.nodes, self.text
        if len(self.open) + len(self.outside) >= self.wanted.max_depth + (self.wanted.records is None):
            raise self._too_deep(start)
        closed = text[end - 2] == _SLASH
        token = _NAME.match(text, start + 1, end)
        raw = token[0] if token else b""
        if not self.open:
            name = _local(raw)
            path = (*self.outside, name)
            if not self.wanted.is_record(path):
                self._envelope(path, start + 1 + len(raw), end)
                if not closed:
                    self.outside.append(name)
                return
            self.mark, self.outer = len(nodes.kind), start
        node = len(nodes.kind)
        inner = end - 1 if closed else end
        number = self.known.get(raw)
        nodes.add(
            ELEMENT, self._known(raw, "") if number is None else number, self.open[-1] if self.open else ROOT,
            inner, inner, start, end,
        )  # fmt: skip
        if len(raw) + 3 < end - start:
            self._attributes(node, start + 1 + len(raw), end)
        if not closed:
            self.open.append(node)

    def _leaf(self, token: re.Match[bytes], start: int, end: int) -> None:
        """Take an element without attributes and elements inside at once: most are so."""
        low, high = token.span(2)
        if not self.open:
            self._element(start, low)
            if self.open:
                self._close(low, high, end)
            else:
                self._text(low, high)
                self._leave(end)
            return
        if len(self.open) + len(self.outside) >= self.wanted.max_depth + (self.wanted.records is None):
            raise self._too_deep(start)
        raw = token[1]
        number = self.known.get(raw)
        number = self._known(raw, "") if number is None else number
        self.nodes.add(ELEMENT, number, self.open[-1], low, high, start, end)

    def _attributes(self, node: int, start: int, end: int) -> None:
        for found in _ATTRIBUTE.finditer(self.text, start, end):
            raw = found[1]
            if raw == b"xmlns" or raw.startswith(b"xmlns:"):
                continue
            number = self.known.get(b"@" + raw)
            number = self._known(raw, "@") if number is None else number
            low, high = found.span(2) if found[2] is not None else found.span(3)
            self.nodes.add(ATTRIBUTE, number, node, low, high, found.start(), high + 1)

    def _close(self, position: int, start: int, end: int) -> None:
        node = self.open.pop()
        if position < start and self.nodes.start[node] != position:
            self.open.append(node)
            self._text(position, start)
            self.open.pop()
        elif not self.open and position < start:
            self._text_of(node, position, start)
        self.nodes.end[node], self.nodes.outer_end[node] = start, end

    def _leave(self, start: int) -> None:
        if not self.outside:
            raise self.refuse(start, _BROKEN)
        self.outside.pop()

    def _text(self, start: int, end: int) -> None:
        if start == end or self.text[start:end].isspace():
            return
        if self.open:
            self._text_of(self.open[-1], start, end)
        else:
            self._outer(tuple(self.outside))

    def _text_of(self, node: int, start: int, end: int) -> None:
        if not self.text[start:end].isspace():
            self.nodes.add(TEXT, self._id(TEXTS), node, start, end, start, end)

    def _bang(self, start: int, end: int) -> None:
        if self.text[start + 2] == _OPEN:
            if not self.text[start + 9 : end - 3].strip():
                return
            if self.open:
                self._text_of(self.open[-1], start, end)
            else:
                self._outer(tuple(self.outside))
        elif self.open:
            self.nodes.add(COMMENT, self._id(COMMENTS), self.open[-1], start + 4, end - 3, start, end)
        else:
            self._outer((*self.outside, COMMENTS))

    def _instruction(self, start: int, end: int) -> None:
        if self.text.startswith(b"<?xml", start) and self.text[start + 5 : start + 6].isspace():
            return  # the declaration, at the beginning of the file
        if self.open:
            target = _TARGET.match(self.text, start, end - 2)
            value = target.end() if target else end - 2
            self.nodes.add(INSTRUCTION, self._id(INSTRUCTIONS), self.open[-1], value, end - 2, start, end)
        else:
            self._outer((*self.outside, INSTRUCTIONS))

    def _envelope(self, path: tuple[str, ...], start: int, end: int) -> None:
        for found in _ATTRIBUTE.finditer(self.text, start, end):
            if found[1] != b"xmlns" and not found[1].startswith(b"xmlns:"):
                self._outer((*path, "@" + _local(found[1])))

    def _outer(self, names: tuple[str, ...]) -> None:
        """Note something outside of records, unless it is to be kept."""
        if names in self.seen:
            return
        self.seen.add(names)
        path = FieldPath.of(*names)
        if not any(kept.contains(path) for kept in self.wanted.kept):
            self.unlisted[str(path)] = None

    def _id(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))

    def _known(self, raw: bytes, prefix: str) -> int:
        number = self.known[prefix.encode() + raw] = self._id(prefix + _local(raw))
        return number


def _local(raw: bytes) -> str:
    return str(raw[raw.rfind(b":") + 1 :], "utf-8", "replace")


def _unlisted(paths: list[str]) -> InputError:
    shown = ", ".join(paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")
    return InputError(
        f"outside of records there is what nothing says may stay: {shown}",
        hint="name it in envelope=(...) to keep it as it is; or leave records out, and give it rules",
    )
