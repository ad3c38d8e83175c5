"""Encodings of fixed-width files: UTF-8, and the code pages of one byte a character, EBCDIC's among them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dmengine.errors import PlanError
from dmengine_connectors.formats.csv_encoding import UTF8, encoding_name


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding in which the bytes of a value are known by its characters alone.

    Attributes:
        name: Python's name of it.
        sizes: For each byte, how many bytes of UTF-8 its character takes; empty for UTF-8 itself.
        is_ascii: Whether it writes ASCII as ASCII is.
    """

    name: str
    sizes: npt.NDArray[np.int64] = field(repr=False, compare=False)
    is_ascii: bool

    @property
    def is_utf8(self) -> bool:
        """Whether a character may take several bytes."""
        return self.name == UTF8

    def encode(self, text: str) -> bytes:
        """Write a text that it has all characters of."""
        return text.encode(self.name)

    def can_encode(self, text: str) -> bool:
        """Say whether it has all characters of a text."""
        try:
            text.encode(self.name)
        except UnicodeEncodeError:
            return False
        return True

    def is_one_byte(self, text: str) -> bool:
        """Say whether it writes a text as one byte.

        >>> fixed_encoding("cp037").is_one_byte("Z"), fixed_encoding("utf-8").is_one_byte("ß")
        (True, False)
        """
        return self.can_encode(text) and len(self.encode(text)) == 1


@lru_cache(maxsize=64)
def fixed_encoding(name: str) -> Encoding:
    """Return an encoding by its name in Python: utf-8, latin-1, cp1252, cp037, cp500 and the like.

    >>> fixed_encoding("cp500").encode("A1"), fixed_encoding("latin-1").is_ascii
    (b'\\xc1\\xf1', True)

    Raises:
        PlanError: there is no such encoding, or it is one of several bytes a character.
    """
    known = encoding_name(name)
    if known == UTF8:
        return Encoding(known, np.zeros(0, np.int64), True)
    characters = [_character(known, byte) for byte in range(256)]
    there = {byte: one for byte, one in enumerate(characters) if one is not None}
    text = "".join(there.values())
    good = all(len(one) == 1 for one in there.values()) and len(set(text)) == len(text)
    if not good or not _writes(known, text, bytes(there)):
        raise PlanError(
            f"{name} does not write each character as one byte of its own",
            hint="use utf-8, latin-1, cp1252, cp037, cp500 or another code page of single bytes",
        )
    sizes = np.array([len((one or " ").encode()) for one in characters], np.int64)
    return Encoding(known, sizes, all(there.get(byte) == chr(byte) for byte in range(128)))


def _character(name: str, byte: int) -> str | None:
    """Return what one byte means; None: nothing. A first byte of several gives an empty text."""
    try:
        return codecs.getincrementaldecoder(name)("strict").decode(bytes([byte]))
    except UnicodeError:
        return None


def _writes(name: str, text: str, content: bytes) -> bool:
    try:
        return text.encode(name) == content and content.decode(name) == text
    except UnicodeError:
        return False
