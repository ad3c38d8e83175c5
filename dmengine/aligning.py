"""Other fields of the same record, aligned one to one with the values being masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import flat
from dmengine.canonical import canonical
from dmengine.conditions import Aligned
from dmengine.decisions import candidates
from dmengine.foldernames import INTEGER, folders
from dmengine.paths import FieldPath
from dmengine.spi import Positions, Records, Selection


def beside(records: Records, path: FieldPath, here: Selection, name: str) -> list[Aligned]:
    """Find a field beside the values of `here`, one array for each kind of value it has.

    In a list, the same element's field is meant first, then its parents', value by value.
    """
    count = len(here.values)
    open_slots = np.ones(count, np.bool_)
    found: list[Aligned] = []
    own = FieldPath.parse(name).lists  # of elements named by their index: one for each slot
    for candidate in candidates(path, name):
        selections = [s for s in records.select(candidate) if not pa.types.is_nested(s.values.type)]
        present_here = np.zeros(count, np.bool_)
        for selection in selections:
            index = _index(here, selection, candidate.lists - own, records.num_rows)
            present = (index >= 0) & open_slots
            if present.any():
                values = flat(selection.values).take(pa.array(index, mask=~present))
                found.append(Aligned(values, present))
                present_here |= present
        open_slots &= ~present_here
        if not open_slots.any():
            break
    return found


def named_by(dataset: str, name: str, count: int) -> list[Aligned]:
    """Return the value that a folder of the dataset is named by, for each slot: as text, and as an integer where it is.

    >>> [column.values.to_pylist() for column in named_by("year=2024/a.csv", "year", 2)]
    [['2024', '2024'], [2024, 2024]]
    """
    value = next((folder for folder in folders(dataset) if FieldPath.parse(name) == FieldPath.of(folder.field)), None)
    if value is None:
        return []
    present = np.ones(count, np.bool_)
    typed = [pa.scalar(value.value, pa.string())]
    if value.value is not None and INTEGER.fullmatch(value.value):
        typed.append(pa.scalar(int(value.value), pa.int64()))
    return [Aligned(pa.repeat(one, count), present) for one in typed]


def one_column(kinds: Sequence[Aligned], count: int) -> pa.Array:
    """Make one array of the kinds of `beside`: typed where there is one kind, canonical text where mixed."""
    typed = [kind for kind in kinds if not pa.types.is_null(kind.values.type)]
    if not typed:
        return pa.nulls(count, pa.string())
    if len({kind.values.type for kind in typed}) == 1:
        return _merge([kind.values for kind in typed], [kind.present for kind in typed])
    texts = [canonical(kind.values).cast(pa.binary()) for kind in typed]
    return _merge(texts, [kind.present for kind in typed])


def _merge(arrays: Iterable[pa.Array], present: Iterable[npt.NDArray[np.bool_]]) -> pa.Array:
    arrays, present = list(arrays), list(present)
    if len(arrays) == 1:
        return arrays[0]
    count = len(arrays[0])
    which = np.full(count, -1, np.int64)
    for number, here in enumerate(present):
        which[here] = number
    index = which * count + np.arange(count)
    return pa.concat_arrays(arrays).take(pa.array(index, mask=which < 0))


def _index(here: Selection, other: Selection, level: int, num_rows: int) -> Positions:
    """For each value of `here`, the position in `other` of the value of the same record or element; -1: none."""
    if other.rows is None and here.rows is None:
        return np.arange(len(here.values), dtype=np.int64)
    mine, theirs = _slot(here, level), _slot(other, level)
    if other.rows is None:
        return mine[0]
    width = int(max(_top(mine[1]), _top(theirs[1]))) + 1
    keys, wanted = theirs[0] * width + theirs[1], mine[0] * width + mine[1]
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    hit = keys[place] == wanted if len(keys) else np.zeros(len(wanted), np.bool_)
    return np.where(hit, place, -1)


def _slot(selection: Selection, level: int) -> tuple[Positions, Positions]:
    count = len(selection.values)
    rows = selection.rows if selection.rows is not None else np.arange(count, dtype=np.int64)
    return rows, selection.elements[level - 1] if level else np.zeros(count, np.int64)


def _top(values: npt.NDArray[Any]) -> int:
    return int(values.max()) if len(values) else 0
