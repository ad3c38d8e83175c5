"""How many results a mask has, and how many values it is expected to merge."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dmengine.spi import Finding

_EXAMPLE = 1_000_000
_TINY = 1e-4


def expected_merged(distinct: int, capacity: int) -> float:
    """Return how many of so many different values are expected to get a result that another one has already.

    A keyed mask of texts chooses each result as if by lot; nothing short of a memory of all values could do
    better. So n values in a space of N merge about n^2 / 2N times.

    >>> expected_merged(1_000_000, 10**12)
    0.4999995
    >>> round(expected_merged(1000, 1000))
    368
    """
    if distinct < 2:
        return 0.0
    if distinct / capacity < _TINY:
        return distinct * (distinct - 1) / (2 * capacity)
    return distinct + capacity * math.expm1(distinct * math.log1p(-1 / capacity)) if capacity > 1 else distinct - 1.0


def capacity_finding(mask: str, capacity: int, hint: str = "") -> Iterator[Finding]:
    """Say how many results there are, and what that means for a million values.

    >>> print(next(capacity_finding("username", 10**9)).message)
    username has 1.00e+09 results: of a million different values, about 500 are expected to share one with another
    """
    merged = expected_merged(_EXAMPLE, capacity)
    count = f"{merged:,.0f}" if merged >= 1 else f"{merged:.1g}"
    told = f"{mask} has {capacity:.2e} results: of a million different values, about {count} are expected to share one"
    yield Finding("info", f"{told} with another", hint=hint)
