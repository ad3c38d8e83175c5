"""Which dmengine this is."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version as installed


@lru_cache(maxsize=1)
def version() -> str:
    """Return the installed version."""
    return installed("dmengine")
