"""The context of masks that work on what was found inside of a value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import flat
from dmengine.spi import MaskContext, Masker, Positions, Words


@dataclass(slots=True)
class InnerContext:
    """A context for values that were found inside of others: keys of a domain, and mismatches of its own.

    It has no records: what was found has no place beside other fields, so only masks that look at the value alone
    can work in it.

    Attributes:
        whole: The context of the mask that found them, or that of another domain.
        part: Where the mask stands, so that two masks do not draw the same bits; empty in a domain of its own, where
            the mask draws what it draws in a column.
        mismatched: Set by `mismatch`.
    """

    whole: MaskContext
    part: str = ""
    mismatched: npt.NDArray[np.bool_] | None = field(default=None, repr=False)

    @property
    def domain(self) -> str:
        """The domain of the values."""
        return self.whole.domain

    def bits(self, values: pa.Array, purpose: str = "") -> Words:
        """Return keyed bits of each value."""
        return self.whole.bits(values, self._purpose(purpose))

    def row_bits(self, purpose: str = "") -> Words:
        """Return bits of each record: of whole values only."""
        return self.whole.row_bits(self._purpose(purpose))

    def key(self, purpose: str, size: int) -> bytes:
        """Return a key of the domain."""
        return self.whole.key(self._purpose(purpose), size)

    def beside(self, field: str) -> pa.Array:
        """Return another field: of whole values only."""
        return self.whole.beside(field)

    def mismatch(self, where: npt.NDArray[np.bool_]) -> None:
        """Keep which values the mask could not take."""
        self.mismatched = where if self.mismatched is None else self.mismatched | where

    def count(self, what: str, each: Positions) -> None:
        """Count nothing: what is found within what was found is not told apart by the values of the whole."""

    def in_domain(self, domain: str) -> MaskContext:
        """Return the context of another domain."""
        return self.whole.in_domain(domain)

    def _purpose(self, purpose: str) -> str:
        return f"{self.part}/{purpose}" if self.part else purpose


def mask_found(
    masker: Masker, values: pa.Array, ctx: MaskContext, part: str, domain: str | None
) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Mask values that were found (no nulls), and say which of them the mask cannot take.

    With a domain they are masked as a column of that domain is; without one by keys of `part` alone.
    """
    inner = InnerContext(ctx, part) if domain is None else InnerContext(ctx.in_domain(domain))
    masked = flat(masker.mask(values, inner))
    refused = np.zeros(len(values), np.bool_) if inner.mismatched is None else inner.mismatched
    return masked, refused
