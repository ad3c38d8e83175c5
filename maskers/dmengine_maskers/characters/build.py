"""Builds the table of character classes from the Unicode data of the Python that runs it (3.11: Unicode 14).

The table is part of what `imitate` is: a new one is a new version beside the old, for masked values never change.
"""

from __future__ import annotations

import gzip
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

SMALLEST = 4
"""Classes with fewer members are joined to those of other scripts, so that each character has others to become."""

ALPHABETS = (
    (0x00C0, 0x00FF), (0x0100, 0x017F), (0x0386, 0x03CE), (0x0410, 0x044F), (0x05D0, 0x05EA), (0x0620, 0x064A),
    (0x0660, 0x0669), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5),
)  # fmt: skip
"""What people of one language write with, within larger scripts: a text in Latin-1 stays one."""


def script(character: str) -> str:
    """Return the script, by the character's name; the alphabet's number where it is of one."""
    point = ord(character)
    for number, (first, last) in enumerate(ALPHABETS):
        if first <= point <= last:
            return str(number)
    words = unicodedata.name(character, "UNNAMED").split()
    return " ".join(words[:2]) if words[0] in ("HANGUL", "OLD", "MATHEMATICAL") else words[0].split("-")[0]


def class_of(character: str) -> tuple[str, str, int] | None:
    """Return (category, script, bytes) of what is replaced; None of what stays."""
    kind = unicodedata.category(character)
    size = len(character.encode())
    if kind[0] in "LN":
        return kind, script(character), size
    if kind in ("Mn", "Mc"):
        name = script(character)
        return None if name in ("COMBINING", "VARIATION") else (kind, name, size)
    return None


def build() -> str:
    """Return the table: a line a class, with its category and the ranges of its members."""
    found: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    unknown: list[int] = []
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        kind = unicodedata.category(character)
        if kind in ("Cn", "Co"):
            unknown.append(point)
        elif kind != "Cs" and (key := class_of(character)) is not None:
            found[key].append(point)
    joined: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for (kind, name, size), points in sorted(found.items()):
        small = len(points) < SMALLEST
        joined[(kind[0] if small else kind, "" if small else name, size)] += points
    lines = [f"{kind} {ranges(sorted(points))}" for (kind, _, _), points in sorted(joined.items())]
    return "\n".join([f"Cn {ranges(unknown)}", *lines]) + "\n"


def ranges(points: list[int]) -> str:
    """Write code points in order as ranges, in hexadecimal."""
    runs: list[list[int]] = []
    for point in points:
        if runs and point == runs[-1][-1] + 1:
            runs[-1][1:] = [point]
        else:
            runs.append([point])
    return ",".join("-".join(f"{end:x}" for end in run) for run in runs)


if __name__ == "__main__":
    target = Path(__file__).with_name("classes.v1.txt.gz")
    target.write_bytes(gzip.compress(build().encode(), mtime=0))
