"""What a masker may ask beside the values: keyed bits of its domain, and the rest of the record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine import prf
from dmengine.canonical import canonical
from dmengine.keyring import Key
from dmengine.spi import Positions, Words


@dataclass(slots=True)
class Context:
    """A MaskContext for one call of one mask: its values are what the mask was given, in that order.

    Attributes:
        source: The key that domains are derived from.
        domain: The pseudonymisation domain.
        place: Part and field, so that row bits differ between them.
        rows: The record of each value, counted from the start of the part.
        elements: The ordinal of each value within its record.
        reader: Returns the original values of another field for the slots of these values.
        mismatched: Set by `mismatch`.
        counted: Set by `count`.
    """

    source: Key = field(repr=False)
    domain: str
    place: str = ""
    rows: Positions | None = None
    elements: Positions | None = None
    reader: Callable[[str], pa.Array] | None = None
    mismatched: npt.NDArray[np.bool_] | None = None
    counted: dict[str, Positions] = field(default_factory=dict)

    def bits(self, values: pa.Array, purpose: str = "") -> Words:
        """Return the keyed PRF of the canonical form of each value, as (n, 2) uint64."""
        return prf.cmac(self.source.derive(f"prf/{purpose}" if purpose else "prf", self.domain), canonical(values))

    def row_bits(self, purpose: str = "") -> Words:
        """Return keyed bits of (part, field, record, element)."""
        assert self.rows is not None, "the engine gives rows to every mask whose scope is row"
        key = self.source.derive(f"row/{purpose}", f"{self.domain}\0{self.place}")
        elements = self.elements if self.elements is not None else np.zeros(len(self.rows), np.int64)
        return prf.cmac_blocks(key, self.rows.astype(np.uint64), elements.astype(np.uint64))

    def key(self, purpose: str, size: int) -> bytes:
        """Return a key of this domain, for ciphers."""
        return self.source.derive(f"key/{purpose}", self.domain, size)

    def beside(self, field: str) -> pa.Array:
        """Return the original values of another field, aligned one to one with the values."""
        assert self.reader is not None, "the engine gives a reader to every mask whose scope is row"
        return self.reader(field)

    def mismatch(self, where: npt.NDArray[np.bool_]) -> None:
        """Report the values that the mask cannot take."""
        self.mismatched = where if self.mismatched is None else self.mismatched | where

    def count(self, what: str, each: Positions) -> None:
        """Note how often something was found in each value."""
        self.counted[what] = self.counted[what] + each if what in self.counted else each

    def in_domain(self, domain: str) -> Context:
        """Return the context of another domain, with mismatches of its own."""
        return dataclasses.replace(self, domain=domain, mismatched=None, counted={})
