"""How many results a mask has, and what that means for values that shall stay apart."""

from __future__ import annotations

from collections.abc import Iterator

from dmengine.merging import expected_merged
from dmengine.spi import Finding

__all__ = ["capacity_finding", "expected_merged"]

_EXAMPLE = 1_000_000


def capacity_finding(mask: str, capacity: int, hint: str = "") -> Iterator[Finding]:
    """Say how many results there are for subjects, and what that means for a million of them.

    >>> print(next(capacity_finding("persona (email)", 10**9)).message)
    persona (email) has 1.00e+09 results: of a million different subjects, about 500 are expected to share one
    """
    merged = expected_merged(_EXAMPLE, capacity)
    count = f"{merged:,.0f}" if merged >= 1 else f"{merged:.1g}"
    told = f"{mask} has {capacity:.2e} results: of a million different subjects, about {count} are expected to share"
    yield Finding("info", f"{told} one", hint=hint)
