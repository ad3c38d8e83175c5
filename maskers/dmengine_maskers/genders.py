"""First names of the gender that another field says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import flat, is_text
from dmengine.spi import Words
from dmengine_maskers import corpora

Gender = Literal["female", "male"]
Which = npt.NDArray[np.int8]
"""0 is female, 1 male, 2 either."""

FEMALE: Final = (
    "f", "female", "w", "woman", "weiblich", "femme", "féminin", "mujer", "femenino", "femmina", "feminino", "vrouw",
    "女性", "महिला",
)  # fmt: skip
MALE: Final = ("m", "male", "man", "männlich", "homme", "masculin", "hombre", "masculino", "maschio", "mannelijk",
               "男性", "पुरुष")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pools:
    """The lists of first names of both genders and of either, end to end."""

    names: pa.Array
    starts: Words
    sizes: Words

    def take(self, which: Which, bits: Words) -> pa.Array:
        """Take a first name of the list that `which` says, by words."""
        # lists have fewer than 2^32 names, so the upper halves of the words suffice
        index = ((bits >> np.uint64(32)) * self.sizes[which] >> np.uint64(32)) + self.starts[which]
        return self.names.take(pa.array(index))


@lru_cache(maxsize=16)
def first_pools(locale: str, max_bytes: int | None = None) -> Pools:
    """Return the first names of a locale, or those of at most `max_bytes`.

    >>> pools = first_pools("en_US")
    >>> pools.take(np.array([0, 1, 2], np.int8), np.array([7, 7, 7], np.uint64)).to_pylist()
    ['Abigail', 'Aaron', 'Aaron']
    """
    lists = [corpora.load(name, locale, max_bytes) for name in ("first_name_female", "first_name_male", "first_name")]
    sizes = np.array([len(names) for names in lists], np.uint64)
    starts = np.cumsum(sizes) - sizes
    return Pools(pa.concat_arrays(lists), starts.astype(np.uint64), sizes)


def genders_of(values: pa.Array) -> Which:
    """Read a gender, as it is written in ten languages; null and anything else is either.

    >>> genders_of(pa.array(["F", "male", None, "divers"])).tolist()
    [0, 1, 2, 2]
    """
    values = flat(values)
    if not is_text(values.type):
        return np.full(len(values), 2, np.int8)
    known = pa.array([*FEMALE, *MALE])
    places = pc.index_in(pc.utf8_lower(pc.utf8_trim_whitespace(values)).cast(pa.string()), known)
    table = np.array([0] * len(FEMALE) + [1] * len(MALE) + [2], np.int8)
    return np.asarray(table[pc.fill_null(places, len(known)).to_numpy(zero_copy_only=False)])
