"""The grammar of format strings: text, character sets, alternatives and ranges of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MOST_CHARACTERS: Final = 1_000
_SET: Final = re.compile(r"\[((?:[^\]\\]|\\.)+)\](?:,([0-9]{1,4}))?", re.DOTALL)
_RANGE: Final = re.compile(r"(0x)?([0-9a-fA-F]+):(?:0x)?([0-9a-fA-F]+)(?:,([0-9]{1,2}))?")
_DRAWABLE: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Text:
    """A text that stays as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Characters:
    """So many characters, each drawn from an alphabet."""

    alphabet: str
    count: int


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A whole number from `low` to `high`, both included, with at least `width` digits."""

    low: int
    high: int
    width: int
    hexadecimal: bool


Part = Text | Characters | Alternatives | Range


class FormatError(ValueError):
    """A format string that cannot be read; the message says why, for its author."""


@lru_cache(maxsize=64)
def parse(text: str) -> tuple[Part, ...]:
    """Read a format string.

    >>> parse("A-{[0-9],3}{(x|y)}")
    (Text(text='A-'), Characters(alphabet='0123456789', count=3), Alternatives(texts=('x', 'y')))

    Raises:
        FormatError: it cannot be read.
    """
    parts: list[Part] = []
    literal = ""
    at = 0
    while at < len(text):
        if text[at : at + 2] in ("{{", "}}"):
            literal, at = literal + text[at], at + 2
        elif text[at] == "}":
            raise FormatError("a } has no {; write }} for a brace")
        elif text[at] == "{":
            if literal:
                parts.append(Text(literal))
            literal = ""
            part, at = _variable(text, at + 1)
            parts.append(part)
        else:
            literal, at = literal + text[at], at + 1
    if literal:
        parts.append(Text(literal))
    return tuple(parts)


def capacity(parts: tuple[Part, ...]) -> int:
    """Count the texts that a format can make, as if all were different."""
    count = 1
    for part in parts:
        count *= outcomes(part)
    return count


def outcomes(part: Part) -> int:
    """Count what one part can become."""
    match part:
        case Characters(alphabet, size):
            return int(len(alphabet) ** size)
        case Alternatives(texts):
            return len(texts)
        case Range(low, high):
            return high - low + 1
        case _:
            return 1


def longest(part: Part) -> int:
    """Return the bytes of the longest text that a part can become."""
    match part:
        case Text(text):
            return len(text.encode())
        case Characters(alphabet, count):
            return max(len(character.encode()) for character in alphabet) * count
        case Alternatives(texts):
            return max(len(text.encode()) for text in texts)
        case Range(_, high, width, hexadecimal):
            return max(len(f"{high:x}" if hexadecimal else str(high)), width)


def _variable(text: str, at: int) -> tuple[Part, int]:
    if text.startswith("[", at):
        found = _SET.match(text, at)
        if found is None:
            raise FormatError("a character set is written {[A-Z0-9],3}")
        part: Part = Characters(_alphabet(found[1]), int(found[2] or 1))
    elif text.startswith("(", at):
        end = text.find(")", at)
        if end < 0:
            raise FormatError("alternatives are written {(one|two)}")
        return _closed(text, end + 1, Alternatives(tuple(text[at + 1 : end].split("|"))))
    else:
        found = _RANGE.match(text, at)
        if found is None:
            raise FormatError("in braces stands a set {[A-Z],3}, a choice {(a|b)} or a range {0:999,03}")
        part = _range(found)
    return _closed(text, found.end(), part)


def _closed(text: str, at: int, part: Part) -> tuple[Part, int]:
    if not text.startswith("}", at):
        raise FormatError("a { is not closed")
    if isinstance(part, Characters) and not 1 <= part.count <= MOST_CHARACTERS:
        raise FormatError(f"a set is repeated 1 to {MOST_CHARACTERS} times")
    return part, at + 1


def _range(found: re.Match[str]) -> Range:
    hexadecimal = found[1] is not None
    base = 16 if hexadecimal else 10
    if not hexadecimal and not (found[2] + found[3]).isdigit():
        raise FormatError("a hexadecimal range is written {0x0:0xff,02}")
    part = Range(int(found[2], base), int(found[3], base), int(found[4] or 0), hexadecimal)
    if not 0 < part.high - part.low + 1 <= _DRAWABLE:
        raise FormatError("a range rises, and holds at most 2^40 numbers")
    return part


def _alphabet(written: str) -> str:
    """Expand ranges; a backslash takes the meaning from what follows."""
    characters: list[str] = []
    tokens = re.findall(r"\\(.)|(.)", written, re.DOTALL)
    at = 0
    while at < len(tokens):
        character = tokens[at][0] or tokens[at][1]
        if at + 2 < len(tokens) and tokens[at + 1][1] == "-":
            last = tokens[at + 2][0] or tokens[at + 2][1]
            if last < character:
                raise FormatError("a range of characters rises, such as A-Z")
            characters += map(chr, range(ord(character), ord(last) + 1))
            at += 3
        else:
            characters.append(character)
            at += 1
    alphabet = "".join(dict.fromkeys(characters))
    if len(alphabet) > 1 << 16 or any("\ud800" <= character <= "\udfff" for character in alphabet):
        raise FormatError("a set has at most 65536 characters, and no surrogates")
    return alphabet
