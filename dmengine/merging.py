"""How many different values are expected to get a mask that another one has: known before a run, where counts are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from dmengine.errors import DmengineError, PlanError
from dmengine.spi import Finding, Masker, domains_used

_EXAMPLE: Final = 1_000_000
_TINY: Final = 1e-4
_LARGE: Final = 100_000
"""Of fewer results than this, everybody expects that values share them."""
_APART: Final = "fpe and persona by a number permute values, so that none can meet"


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


def capacity_of(masker: Masker) -> int | None:
    """Return how many results a mask chooses from for a value; None where it does not say, or where none can meet."""
    if masker.uniqueness == "injective" or not masker.consistent or domains_used(masker):
        return None  # what draws in another domain goes by a subject, not by the value
    try:
        capacity: int | None = getattr(masker, "capacity", None)
    except DmengineError:  # parameters that its plan will refuse
        return None
    return capacity if capacity is not None and capacity > 0 else None


def merging_findings(masker: Masker, most: int | None) -> Iterator[Finding]:
    """Say how many of at most so many different values will share a result; None: nobody has counted them.

    Nothing is said where none is expected to, unless the mask shall keep values apart; nor of a short list where there
    is no count.
    """
    capacity, unique = capacity_of(masker), _is_unique(masker)
    if capacity is None or (most is None and (capacity <= _LARGE or not hasattr(masker, "unique"))):
        return
    shared = expected_merged(_EXAMPLE if most is None else most, capacity) >= 1
    if not shared and not unique:
        return
    if most is None:
        told = f"of a million different values {_share(_EXAMPLE, capacity)}"
        yield Finding("info", f"{masker.name} has {_written(capacity)} results: {told}", hint=_more(masker, capacity))
        return
    told = f"{masker.name} has {_written(capacity)} results for at most {most:,} values: {_share(most, capacity)}"
    hint = "" if not shared else _APART if unique else _more(masker, capacity)
    yield Finding("warning" if shared and unique else "info", told, hint=hint)


def needs_a_count(masker: Masker, rows: int) -> bool:
    """Say whether a mask that shall keep values apart might merge some of so many."""
    capacity = capacity_of(masker) if _is_unique(masker) else None
    return capacity is not None and expected_merged(rows, capacity) >= 1


def refuse_merging(masker: Masker, distinct: int) -> None:
    """Refuse a mask that shall keep values apart, and is expected to merge some of so many different ones.

    Raises:
        PlanError: it has too few results.
    """
    if needs_a_count(masker, distinct):
        capacity = capacity_of(masker) or 0
        raise PlanError(
            f"{masker.name}: unique cannot hold for {distinct:,} different values: of {_written(capacity)} results, "
            f"{_share(distinct, capacity)}",
            hint=f"leave unique out if values may share a result; {_APART}",
        )


def _is_unique(masker: Masker) -> bool:
    return bool(getattr(masker, "unique", False))


def _more(masker: Masker, capacity: int) -> str:
    able = getattr(masker, "unique", None) is False and capacity > _LARGE
    return "unique: true makes more of them" if able else ""


def _share(distinct: int, capacity: int) -> str:
    merged = expected_merged(distinct, capacity)
    count = f"{merged:,.0f}" if merged >= 1 else f"{merged:.1g}"
    return f"about {count} will share one"


def _written(capacity: int) -> str:
    return f"{capacity:,}" if capacity < 10**7 else f"{capacity:.2e}"
