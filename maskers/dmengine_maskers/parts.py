"""Masks that are made of masks: what they declare, and the context that each part sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.errors import PlanError
from dmengine.spi import (
    Finding,
    Limits,
    MaskContext,
    Masker,
    Positions,
    Scope,
    Uniqueness,
    Words,
    domains_used,
    fields_read,
    findings_of,
    is_keyed,
)

_KEEPING: Final = frozenset({"json", "pan_truncate", "phone", "scrub", "set_checksum", "xml"})
"""Masks that say of themselves what they keep of the value they get."""


@dataclass(frozen=True, slots=True)
class PartContext:
    """The context of one part: keys of its own, and the records of those values that come to it.

    Attributes:
        whole: The context of the mask that is made of parts.
        part: Where the part stands, so that two equal parts do not draw the same bits.
        kept: The values of the whole that the part sees; None for all of them.
        size: How many values the whole has.
    """

    whole: MaskContext
    part: str
    size: int
    kept: Positions | None = None

    @property
    def domain(self) -> str:
        """The domain of the whole."""
        return self.whole.domain

    def bits(self, values: pa.Array, purpose: str = "") -> Words:
        """Return keyed bits of each value, for this part alone."""
        return self.whole.bits(values, f"{self.part}/{purpose}")

    def row_bits(self, purpose: str = "") -> Words:
        """Return keyed bits of each record, for this part alone."""
        bits = self.whole.row_bits(f"{self.part}/{purpose}")
        return bits if self.kept is None else bits[self.kept]

    def key(self, purpose: str, size: int) -> bytes:
        """Return a key of this part alone."""
        return self.whole.key(f"{self.part}/{purpose}", size)

    def beside(self, field: str) -> pa.Array:
        """Return the original values of another field, beside the values that come to this part."""
        values = self.whole.beside(field)
        return values if self.kept is None else values.take(pa.array(self.kept))

    def mismatch(self, where: npt.NDArray[np.bool_]) -> None:
        """Report values of the whole."""
        if self.kept is not None:
            spread = np.zeros(self.size, np.bool_)
            spread[self.kept[where]] = True  # one value may be there several times
            where = spread
        self.whole.mismatch(where)

    def count(self, what: str, each: Positions) -> None:
        """Note what was found in values of the whole."""
        if self.kept is not None:
            each = np.bincount(self.kept, each, self.size).astype(np.int64)
        self.whole.count(what, each)

    def in_domain(self, domain: str) -> MaskContext:
        """Return the context of another domain, whose keys know nothing of parts."""
        return self.whole.in_domain(domain)


def check_parts(mask: str, parts: Sequence[Masker], least: int = 1) -> None:
    """Refuse too few parts, and those that work on whole columns.

    Raises:
        PlanError: the parts do not make a mask.
    """
    if len(parts) < least:
        raise PlanError(f"{mask}: masks must be at least {least}", hint="list them in the order in which they work")
    wrong = [part for part in parts if isinstance(part, type) or not isinstance(part, Masker)]
    if wrong:
        raise PlanError(f"{mask}: masks must be masks", hint="write Name() rather than Name, and no keep or drop")
    whole = next((part.name for part in parts if part.scope == "column"), None)
    if whole is not None:
        raise PlanError(f"{mask}: {whole} works on whole columns", hint="give it a rule of its own")


def all_consistent(parts: Sequence[Masker]) -> bool:
    """Say whether every part gives equal values equal masks."""
    return all(part.consistent for part in parts)


def widest_scope(parts: Sequence[Masker]) -> Scope:
    """Say what decides the result: the record, where any part asks for it."""
    return "row" if any(part.scope != "value" for part in parts) else "value"


def all_read(parts: Sequence[Masker]) -> tuple[str, ...]:
    """Name every field that a part reads, once."""
    return tuple(dict.fromkeys(name for part in parts for name in fields_read(part)))


def all_domains(parts: Iterable[Masker]) -> tuple[tuple[str, Masker], ...]:
    """Name every domain that a part works in beside that of the whole, with the mask that it uses there."""
    return tuple(pair for part in parts for pair in domains_used(part))


def all_findings(parts: Iterable[Masker], field: pa.Field) -> Iterator[Finding]:
    """Yield what parts say of themselves that each get a value as it was."""
    for part in parts:
        yield from findings_of(part, field)


def findings_in_turn(parts: Sequence[Masker], field: pa.Field) -> Iterator[Finding]:
    """Yield what parts say of themselves where each works on what the one before made.

    What a part keeps of its value is worth a word only where no other part puts another value in its place.

    >>> from dmengine_maskers import Imitate, PanTruncate, SetChecksum
    >>> field = pa.field("card", pa.string())
    >>> len(list(findings_in_turn((Imitate(), SetChecksum("luhn")), field)))
    0
    >>> [finding.severity for finding in findings_in_turn((SetChecksum("luhn"), PanTruncate()), field)]
    ['warning', 'warning']
    """
    replaced = any(is_keyed(part) and part.name not in _KEEPING for part in parts)
    for part in parts:
        if not replaced or part.name not in _KEEPING:
            yield from findings_of(part, field)
        try:
            field = part.plan(field, Limits())
        except PlanError:  # the field of a document, of any type
            field = pa.field(field.name, pa.null())


def any_keyed(parts: Sequence[Masker]) -> bool:
    """Say whether the key has a say in any part."""
    return any(is_keyed(part) for part in parts)


def in_turn(parts: Sequence[Masker]) -> Uniqueness:
    """Say whether different values stay different when one part works on what the other made.

    >>> from dmengine_maskers import Fpe, Hash, Redact
    >>> in_turn((Fpe(), Fpe())), in_turn((Fpe(), Hash())), in_turn((Hash(), Redact()))
    ('injective', 'unknown', 'lossy')
    """
    kinds = {part.uniqueness for part in parts}
    return "lossy" if "lossy" in kinds else "unknown" if "unknown" in kinds else "injective"


def longest(mask: Masker, field: pa.Field, room: int) -> int:
    """Return the most bytes that a mask may return for a value of at most `room` bytes.

    A mask says so by `longest_bytes` (None where its results are as long as its values), or by what its plan refuses:
    one that takes a target of no bytes at all never returns more than it gets.

    >>> from dmengine_maskers import CharacterMask, Hash
    >>> text = pa.field("value", pa.string())
    >>> longest(Hash(size=8), text, 100), longest(CharacterMask(), text, 100)
    (8, 100)
    """
    if hasattr(mask, "longest_bytes"):
        known: int | None = mask.longest_bytes
        return room if known is None else known
    if _takes(mask, field, 0):
        return room
    low, high = 0, room + 1  # refuses low; takes high, or needs more than there is
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _takes(mask, field, middle) else (middle, high)
    return high


def _takes(mask: Masker, field: pa.Field, room: int) -> bool:
    try:
        mask.plan(field, Limits(max_bytes=room))
    except PlanError:
        return False
    return True
