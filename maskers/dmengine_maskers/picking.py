"""Keyed choice from a word list: the same value always gets the same entry."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, pick
from dmengine.prf import below
from dmengine.spi import Words


def choose_entry(pool: pa.Array, bits: Words, kind: pa.DataType) -> pa.Array:
    """Take the entry that the first word of each row of bits points at.

    >>> import numpy as np
    >>> bits = np.array([[0, 0], [2**63, 0]], np.uint64)
    >>> choose_entry(pa.array(["Ada", "Bo", "Cy"]), bits, pa.large_string()).to_pylist()
    ['Ada', 'Bo']
    """
    return pick(pool, below(bits[:, 0], len(pool)), kind)


def with_case_of(values: pa.Array, picked: pa.Array) -> pa.Array:
    """Write what was picked in capitals, or in small letters, where the value is written so.

    >>> with_case_of(pa.array(["ALICE", "bob", "Cy"]), pa.array(["Ada", "Bo", "Dan"])).to_pylist()
    ['ADA', 'bo', 'Dan']
    """
    upper = pc.if_else(pc.utf8_is_upper(values), pc.utf8_upper(picked), picked)
    return pc.if_else(pc.utf8_is_lower(values), pc.utf8_lower(picked), upper)


def mixed_case(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Say which texts have both small and capital letters.

    >>> mixed_case(pa.array(["1a", "1A", "aB", "12"])).tolist()
    [False, False, True, False]
    """
    changed = (pc.not_equal(values, pc.utf8_lower(values)), pc.not_equal(values, pc.utf8_upper(values)))
    return booleans(pc.and_(*changed))
