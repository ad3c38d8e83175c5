"""Some texts end to end, and stretches of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine_maskers.spans import cut, spans

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """Some texts (no nulls) with their bytes end to end; places are counted from the first of them."""

    values: pa.Array
    content: npt.NDArray[np.uint8]
    ends: Places

    @staticmethod
    def of(values: pa.Array) -> Block:
        """Lay out a block."""
        return Block(values, *spans(values))

    def texts(self, found: Spans) -> pa.Array:
        """Return what was found."""
        return cut(self.content, found.starts, found.stops, self.values.type)

    def row_of(self, places: Places) -> Places:
        """Say which value each place is in."""
        return np.searchsorted(self.ends, places, side="right") - 1


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of a block, in order; none is in two values."""

    starts: Places
    stops: Places

    def only(self, chosen: Flags) -> Spans:
        """Return some of them."""
        return self if chosen.all() else Spans(self.starts[chosen], self.stops[chosen])

    def __len__(self) -> int:
        return len(self.starts)


NONE: Final = Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
