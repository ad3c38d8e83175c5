"""Which letters and digits may stand for each other: the same script, case and length in UTF-8."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt

VERSION: Final = 1
CODE_POINTS: Final = 0x110000

KEPT: Final = 0
"""The class of characters that are neither letters nor digits."""

UNKNOWN: Final = 1
"""The class of code points that Unicode 14 does not assign: nobody knows what they say."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Every class of characters, and the class of every code point.

    Attributes:
        of: The class of each code point.
        kinds: The general category that each class is of, such as "Lu"; empty for the first two.
        starts: Where the members of each class begin.
        sizes: How many there are.
        members: The code points of all classes, end to end.
    """

    of: npt.NDArray[np.uint16]
    kinds: tuple[str, ...]
    starts: npt.NDArray[np.uint32]
    sizes: npt.NDArray[np.uint32]
    members: npt.NDArray[np.uint32]


@lru_cache(maxsize=1)
def load() -> Classes:
    """Return the table.

    >>> classes = load()
    >>> number = classes.of[ord("z")]
    >>> classes.kinds[number], bytes(classes.members[classes.starts[number]:][:classes.sizes[number]].astype("u1"))
    ('Ll', b'abcdefghijklmnopqrstuvwxyz')
    """
    packed = files(__package__).joinpath(f"classes.v{VERSION}.txt.gz").read_bytes()
    of = np.zeros(CODE_POINTS, np.uint16)
    kinds, members = ["", ""], [np.empty(0, np.uint32), np.empty(0, np.uint32)]
    for line in gzip.decompress(packed).decode().splitlines():
        kind, _, ranges = line.partition(" ")
        bounds = [[int(end, 16) for end in pair.split("-")] for pair in ranges.split(",")]
        points = np.concatenate([np.arange(pair[0], pair[-1] + 1, dtype=np.uint32) for pair in bounds])
        if kind == "Cn":
            of[points] = UNKNOWN
            continue
        of[points] = len(kinds)
        kinds.append(kind)
        members.append(points)
    sizes = np.array([len(points) for points in members], np.uint32)
    starts = (np.cumsum(sizes, dtype=np.uint32) - sizes).astype(np.uint32)
    return Classes(of, tuple(kinds), starts, sizes, np.concatenate(members))
