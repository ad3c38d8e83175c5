"""Paths of elements and attributes inside of XML documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_PART: Final = re.compile(r"(//?)?(@?)([^/@*\s{}\[\]()]+|\*)")


@dataclass(frozen=True, slots=True)
class XmlPath:
    """A path from the root, by local names: `order/customer/@id`; `*` is any name, `//` any way down.

    >>> path = XmlPath.parse("order//email")
    >>> path.covers("order/customer/email"), path.covers("order/email"), path.covers("order/email/@type")
    (True, True, False)
    >>> path.contains("order/email/@type")
    True
    """

    text: str
    pattern: str

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> XmlPath:
        """Read a path.

        Raises:
            ValueError: it is none; without the text.
        """
        pattern, at, attribute = "", 0, False
        while at < len(text):
            part = _PART.match(text, at)
            if part is None or attribute or (at > 0 and part[1] is None):
                raise ValueError("not a path")
            attribute = bool(part[2])
            way = "(?:.*/)?" if part[1] == "//" else ""
            name = "[^/@]+" if part[3] == "*" else re.escape(part[3])
            pattern += ("/" if at > 0 else "") + way + part[2] + name
            at = part.end()
        if not pattern:
            raise ValueError("not a path")
        return XmlPath(text, pattern)

    def covers(self, path: str) -> bool:
        """Say whether it means an element or an attribute."""
        return re.fullmatch(self.pattern, path) is not None

    def contains(self, path: str) -> bool:
        """Say whether it means an element or attribute, or something around it."""
        return re.fullmatch(f"(?:{self.pattern})(?:/.*)?", path) is not None
