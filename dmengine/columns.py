"""Masks of whole columns: a part is held in memory until all of it is read, and such a column masked at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from dmengine.applying import Call, apply
from dmengine.arrow import flat
from dmengine.contexts import Context
from dmengine.counts import Counts
from dmengine.engine import Batch, Engine, Slot
from dmengine.errors import MaskError, at
from dmengine.maskfindings import WHOLE_PART
from dmengine.spi import Positions, Records, Selection, is_keyed

_ROW_BYTES: Final = 1024  # of records that do not say how much they hold


def hold(
    engine: Engine, batches: Iterable[Batch], counts: Counts, limit: int = WHOLE_PART
) -> tuple[Engine, Iterable[Batch]]:
    """Return an engine that knows what masks of whole columns make of these batches, and the batches to give it.

    Where no rule of the part has such a mask, nothing is held: both come back as they are.

    Args:
        engine: Of the part.
        batches: All of the part, in order.
        counts: Gets the counts of the masks that run here.
        limit: How many bytes of records may be held.

    Raises:
        MaskError: the part is larger than the limit, or a mask cannot take a value.
    """
    if not engine.plan.works_on_columns:
        return engine, batches
    held = list(_held(engine.part, batches, limit))
    return masked_columns(engine, held, counts), _let_go(held)


def masked_columns(engine: Engine, batches: Iterable[Batch], counts: Counts) -> Engine:
    """Run the masks of whole columns over batches that are in memory already."""
    columns: dict[tuple[str, str, str], _Column] = {}
    for batch in batches:
        for slot, (call, here) in engine.gather(batch).items():
            kind = str(flat(here.values.slice(0, 0)).type)
            column = columns.setdefault((slot.path, slot.branch, kind), _Column(call, []))
            column.pieces.append((slot, here))
    done: dict[Slot, pa.Array] = {}
    for (path, _, _), column in columns.items():
        with at(part=engine.part, field=path):
            done |= column.mask(engine, counts)
    return replace(engine, columns=done)


@dataclass(frozen=True, slots=True)
class _Column:
    """All values of one type that one mask sees, in the order of their records."""

    call: Call
    pieces: list[tuple[Slot, Selection]]

    def mask(self, engine: Engine, counts: Counts) -> dict[Slot, pa.Array]:
        decision, masker = self.call.decision, self.call.masker
        domain = decision.domain if is_keyed(masker) else ""
        counted = counts.of(str(decision.path), masker.name, domain)
        values = pa.concat_arrays([flat(here.values) for _, here in self.pieces])
        masked = apply(replace(self.call, context=self._contexts(engine)), values, counted)
        ends = np.cumsum([0, *(len(here.values) for _, here in self.pieces)])
        cuts = [masked.slice(int(start), int(end - start)) for start, end in pairwise(ends)]
        return {slot: cut for (slot, _), cut in zip(self.pieces, cuts, strict=True)}

    def _contexts(self, engine: Engine) -> _Contexts:
        rows = np.concatenate([_rows(here) + slot.first_row for slot, here in self.pieces])
        nested = bool(self.pieces[0][1].elements)
        elements = np.concatenate([here.elements[-1] for _, here in self.pieces]) if nested else None
        return _Contexts(engine, self.call, rows, elements)


@dataclass(frozen=True, slots=True)
class _Contexts:
    """Makes the context of a whole column, for all of its values or those that `kept` points at."""

    engine: Engine
    call: Call
    rows: Positions
    elements: Positions | None

    def __call__(self, kept: Positions | None) -> Context:
        decision = self.call.decision
        place = f"{self.engine.part}\0{decision.path}"
        rows, elements = self.rows, self.elements
        if kept is not None:
            rows, elements = rows[kept], elements[kept] if elements is not None else None
        return Context(self.engine.key, decision.domain, place, rows, elements)


def _rows(here: Selection) -> Positions:
    return here.rows if here.rows is not None else np.arange(len(here.values), dtype=np.int64)


def _held(part: str, batches: Iterable[Batch], limit: int) -> Iterator[Batch]:
    size = 0
    for batch in batches:
        size += size_of(batch.records)
        if size > limit:
            with at(part=part):
                raise MaskError(
                    f"a mask of whole columns holds a part in memory, and this one has more than {limit >> 20} MiB",
                    hint="write the source in smaller objects, or use a mask that takes values one by one",
                )
        yield batch


def size_of(records: Records) -> int:
    """Return how many bytes a batch takes in memory, as it says itself, or a guess of 1 KiB a record.

    >>> from dmengine.records import TableRecords
    >>> size_of(TableRecords(pa.record_batch({"n": pa.array([1, 2, 3])})))
    24
    """
    said: int | None = getattr(records, "nbytes", None)
    return records.num_rows * _ROW_BYTES if said is None else said


def _let_go(batches: list[Batch]) -> Iterator[Batch]:
    """Yield batches in order, holding none that was taken."""
    waiting = deque(batches)
    batches.clear()
    while waiting:
        yield waiting.popleft()
