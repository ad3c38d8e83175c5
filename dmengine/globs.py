"""Globs over object names: `*` stays within one folder, `**` crosses folders."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def glob_matches(pattern: str, name: str) -> bool:
    """Say whether a glob means an object's name (with `/` between folders).

    >>> glob_matches("*.csv", "a.csv"), glob_matches("*.csv", "x/a.csv"), glob_matches("**/*.csv", "x/a.csv")
    (True, False, True)
    >>> glob_matches("customers/**", "customers/2024/07.parquet"), glob_matches("**", "anything/at.all")
    (True, True)
    """
    return _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_MEANING.get(token, re.escape(token)) for token in _TOKENS.findall(pattern)), re.DOTALL)
