"""An XML file as UTF-8 text that a parser has found well-formed, whatever encoding it is in."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from xml.parsers import expat  # it is used to refuse: no DTD gets past it, so no entity is ever declared

from dmengine.errors import InputError

_BOMS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BARE: Final = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}  # XML 1.0, appendix F.1
_DECLARED: Final = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']""")
_LONGEST_START: Final = 1024
# Each of their bytes is a letter by itself, ASCII's among them, so that text goes there and back without a loss.
_SINGLE: Final = re.compile(r"ascii|iso8859-\d+|cp125\d|koi8-[ru]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file is encoded.

    >>> Encoding.of(b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>')
    Encoding(name='iso8859-1', bom=b'')

    Attributes:
        name: Python's name of it.
        bom: The byte order mark that it begins with.
    """

    name: str
    bom: bytes = b""

    @staticmethod
    def of(start: bytes) -> Encoding:
        """Tell the encoding by the first bytes of a file.

        Raises:
            InputError: it is none that can be read, or byte order mark and declaration differ.
        """
        bom = next((mark for mark in _BOMS if start.startswith(mark)), b"")
        name = _BOMS.get(bom) or _BARE.get(start[:2]) or "utf-8"
        text = start[len(bom) :]
        if name.startswith("utf-16"):
            text = text[: len(text) // 2 * 2].decode(name, "replace").encode("ascii", "replace")
        declared = _DECLARED.match(text)
        if declared is None:
            return Encoding(name, bom)
        wanted = _known(str(declared[1], "ascii"))
        if wanted is None:
            hint = "convert it to UTF-8, and say so in its first line"
            raise InputError("the file declares an encoding that is not supported", hint=hint)
        if name.startswith("utf-16") or bom:
            if not name.startswith(wanted):
                hint = "correct the encoding in its first line"
                raise InputError(f"the file declares {wanted}, but it is {name}", hint=hint)
            return Encoding(name, bom)
        if wanted == "utf-16":
            hint = "correct the encoding in its first line"
            raise InputError("the file declares utf-16, but its first bytes are not", hint=hint)
        return Encoding(wanted)

    def encode(self, text: bytes) -> bytes:
        """Return a text in UTF-8 as it is in the file; a letter that the encoding lacks as a reference."""
        return text if self.name == "utf-8" else text.decode().encode(self.name, "xmlcharrefreplace")


def _known(declared: str) -> str | None:
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        return None
    return name if name in ("utf-8", "utf-16") or _SINGLE.fullmatch(name) else None


class _DoctypeError(Exception):
    """Stops the parser at a DTD."""


def _stop(*_: object) -> None:
    raise _DoctypeError


@dataclass(slots=True)
class Wellformed:
    """The UTF-8 of an XML file, which the parser sees before anyone else does.

    Attributes:
        file: Where the bytes come from.
        encoding: Known once `start` was called.
    """

    file: BinaryIO
    encoding: Encoding = field(default_factory=lambda: Encoding("utf-8"))
    _ahead: bytes = field(default=b"", repr=False)
    _taken: int = 0
    _decoder: codecs.IncrementalDecoder = field(init=False, repr=False)
    _parser: expat.XMLParserType = field(init=False, repr=False)

    def start(self) -> None:
        """Look at the first bytes.

        Raises:
            InputError: the encoding cannot be read.
        """
        while len(self._ahead) < _LONGEST_START and (part := self.file.read(_LONGEST_START - len(self._ahead))):
            self._ahead += part
        self.encoding = Encoding.of(self._ahead)
        self._ahead = self._ahead[len(self.encoding.bom) :]
        self._taken = len(self.encoding.bom)
        self._decoder = codecs.getincrementaldecoder(self.encoding.name)()
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartDoctypeDeclHandler = _stop

    def read(self, size: int, /) -> bytes:
        """Return more of the text: about `size` bytes, and none at the end.

        Raises:
            InputError: the file is not well-formed, has a DTD, or is not in its encoding.
        """
        raw, self._ahead = self._ahead[:size], self._ahead[size:]
        raw = raw or self.file.read(size)
        text = self._decode(raw)
        self._parse(text, last=not raw)
        return text if text or not raw else self.read(size)  # half a letter is no text yet

    def _decode(self, raw: bytes) -> bytes:
        bad = -1
        try:
            text = self._decoder.decode(raw, not raw)
        except UnicodeDecodeError as error:
            bad = error.start
        if bad >= 0:
            refused = InputError(f"the file is not {self.encoding.name}", hint="correct the encoding in its first line")
            refused.place = {"byte": str(self._taken + bad)}
            raise refused
        self._taken += len(raw)
        return raw if self.encoding.name == "utf-8" else text.encode()

    def _parse(self, text: bytes, *, last: bool) -> None:
        problem = ""
        try:
            self._parser.Parse(text, last)
        except _DoctypeError:
            problem = "the file has a document type declaration (DTD), which is not read"
        except expat.ExpatError as error:
            problem = f"the file is not well-formed XML: {expat.ErrorString(error.code)}"
        if problem:
            dtd = "not read" in problem
            refused = InputError(problem, hint="remove it: it can define entities" if dtd else "correct the file")
            refused.place = {"line": str(self._parser.CurrentLineNumber)}
            if self.encoding.name == "utf-8":
                refused.place["byte"] = str(len(self.encoding.bom) + max(self._parser.CurrentByteIndex, 0))
            raise refused
