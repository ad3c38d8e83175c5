"""Character encodings of CSV files: to UTF-8 on the way in, and back byte for byte on the way out."""

from __future__ import annotations

import codecs
from typing import BinaryIO

from dmengine.errors import InputError, PlanError
from dmengine_connectors.formats.filling import Readable, filled

UTF8 = "utf-8"
_BOMS = {"utf-16": codecs.BOM_UTF16_BE, "utf-32": codecs.BOM_UTF32_BE}


def encoding_name(encoding: str) -> str:
    """Return the one name of an encoding that Python knows.

    >>> encoding_name("latin-1"), encoding_name("UTF8"), encoding_name("utf-8-sig")
    ('iso8859-1', 'utf-8', 'utf-8')

    Raises:
        PlanError: there is no such text encoding.
    """
    try:
        "".encode(encoding)
    except LookupError:
        known = False
    else:
        known = True
    if not known:
        raise PlanError(
            f"there is no text encoding {encoding!r}", hint="use utf-8, utf-16, latin-1, cp1252 or another of Python's"
        )
    name = codecs.lookup(encoding).name
    return UTF8 if name == "utf-8-sig" else name  # a byte order mark is kept wherever there is one


def as_utf8(file: BinaryIO, encoding: str) -> tuple[Readable, str]:
    """Open a file as UTF-8, and name the exact encoding that gives its bytes back.

    UTF-16 and UTF-32 are told apart by their byte order mark, and are little-endian without one.

    >>> import io
    >>> reader, exact = as_utf8(io.BytesIO("é".encode("utf-16-be")), "utf-16-be")
    >>> reader.read(8).decode(), exact
    ('é', 'utf-16-be')
    """
    if encoding == UTF8:
        return file, UTF8
    start = b""
    if encoding in _BOMS:
        start = filled(file, 4)
        encoding += "-be" if start.startswith(_BOMS[encoding]) else "-le"
    return _Transcoder(file, encoding, start), encoding


def from_utf8(content: bytes | memoryview, encoding: str) -> bytes | memoryview:
    """Return UTF-8 content in the encoding of its file.

    >>> from_utf8("é".encode(), "iso8859-1")
    b'\\xe9'
    """
    return content if encoding == UTF8 else str(content, UTF8).encode(encoding)


def can_encode(text: bytes | memoryview, encoding: str) -> bool:
    """Say whether an encoding has all the characters of a text given as UTF-8.

    >>> can_encode("é".encode(), "cp1252"), can_encode("ł".encode(), "cp1252")
    (True, False)
    """
    try:
        from_utf8(text, encoding)
    except UnicodeEncodeError:
        return False
    return True


class _Transcoder:
    """A file of another encoding, read as UTF-8; what would not come back byte for byte is refused."""

    def __init__(self, file: BinaryIO, encoding: str, start: bytes) -> None:
        self._file = file
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._start = start
        self._pending = b""  # read, but not yet whole characters
        self._offset = 0  # of `pending` in the file

    def read(self, size: int, /) -> bytes:
        while True:
            chunk = self._start or self._file.read(max(size, 4))
            self._start = b""
            text = self._decode(chunk, final=not chunk)
            raw = self._pending + chunk
            back = self._encode(text)
            if back is None or not raw.startswith(back):
                raise InputError(
                    f"text after byte {self._offset} would not come back the same in {self._encoding}",
                    hint="convert the file to utf-8 first",
                )
            self._pending = raw[len(back) :]
            self._offset += len(back)
            if text or not chunk:
                return text.encode(UTF8)

    def _decode(self, chunk: bytes, *, final: bool) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            bad = self._offset + error.start
        raise InputError(f"byte {bad} is not {self._encoding} text", hint="set the encoding that the file is in")

    def _encode(self, text: str) -> bytes | None:
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError:
            return None
