"""Masked values beside the shape of their originals; no original value, whoever saves the notebook."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NUMBER, flat, is_text
from dmengine.columns import masked_columns
from dmengine.counts import Counts
from dmengine.decisions import Decision, works_on_columns
from dmengine.engine import Batch, Engine
from dmengine.errors import PlanError, shielded
from dmengine.keyring import Key
from dmengine.naming import told
from dmengine.partplans import plan_part
from dmengine.rules import Drop, Keep, Ruleset
from dmengine.spi import DatasetInfo, Described, Records, Selection, Source
from dmengine.tables import Document, Table

_LONGEST = 40
_SAME = "(as it was)"
_REAL = "(another record's value)"
_SIGNS = ((r"\p{Lu}", "A"), (r"\p{Ll}", "a"), (r"\p{Nd}", "9"), (r"[^\p{L}\p{Nd}\p{P}\p{S}\p{Z}]", "?"))


def shape(values: pa.Array) -> list[str | None]:
    """Say of what kind each character is: `A` upper, `a` lower, `9` digit, `x` any other letter.

    Punctuation and blanks stay; values that are no text show their type only.

    >>> shape(pa.array(["Ann-Marie 07", None])), shape(pa.array([1]))
    (['Aaa-Aaaaa 99', None], ['<int64>'])
    """
    plain = flat(values)
    if plain.type == NUMBER:
        plain = plain.storage
    if not is_text(plain.type):
        return [f"<{plain.type}>" if valid else None for valid in plain.is_valid().to_pylist()]
    text = pc.utf8_slice_codeunits(plain.cast(pa.string()), 0, _LONGEST + 1)
    for pattern, sign in _SIGNS:
        text = pc.replace_substring_regex(text, pattern, sign)
    shapes: list[str | None] = pc.replace_substring_regex(text, r"[^Aa9?\p{P}\p{S}\p{Z}]", "x").to_pylist()
    return shapes


@dataclass(frozen=True, slots=True)
class Preview:
    """A few records, masked: for each masked field the shape of the original and the masked value.

    A value that comes out as it went in is shown as `(as it was)`.
    """

    tables: tuple[Table, ...]
    hidden: int = 0

    def document(self) -> Document:
        """Return the preview as a page."""
        more = f"datasets that are not shown: {self.hidden:,}" if self.hidden else ""
        return Document("dmengine preview", [], self.tables, more)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data: per dataset the column names and rows of text."""
        return {t.title: {"columns": list(t.columns), "rows": [list(r) for r in t.shown]} for t in self.tables}

    def __str__(self) -> str:
        return self.document().to_text()

    def _repr_html_(self) -> str:
        return self.document().to_html()


def preview_of(source: Source, described: Described, ruleset: Ruleset, key: Key, rows: int, datasets: int) -> Preview:
    """Mask the first records of some datasets, in memory."""
    if rows < 1 or datasets < 1:
        raise PlanError("there is nothing to preview", hint="ask for one record of one dataset, or more")
    shown = described.datasets[:datasets]
    tables = []
    for info in shown:
        with told({info.name: info.shown}):
            tables.append(shielded(partial(_preview, source, info, ruleset, key, rows)))
    return Preview(tuple(tables), len(described.datasets) - len(shown))


def _preview(source: Source, info: DatasetInfo, ruleset: Ruleset, key: Key, rows: int) -> Table:
    dataset = info.name
    with closing(source.sample(dataset, rows)) as stream:
        plan = plan_part(ruleset, dataset, stream.schema)
        first: Records | None = next(stream.batches, None)
    engine = Engine(plan, key, info.shown)
    if first is None:
        return Table(info.shown, ("no records",), [])
    if plan.works_on_columns:
        engine = masked_columns(engine, [Batch(first, 0)], Counts())
    masked, _ = engine.mask(Batch(first, 0))
    count = min(rows, first.num_rows)
    fields = [f for decision in engine.decisions(first) if (f := _field(decision, first, masked, count))]
    lines = [
        (record + 1 if field is fields[0] else "", field[0], field[1], field[2][record], field[3][record])
        for record in range(count)
        for field in fields
    ]
    return Table(info.shown, ("record", "field", "mask", "shape of the original", "masked"), lines, limit=1000)


def _field(
    decision: Decision, before: Records, after: Records, count: int
) -> tuple[str, str, list[str], list[str]] | None:
    path = decision.path
    if isinstance(decision.action, (Keep, Drop)):
        return None
    shapes, originals = (_by_record(before.select(path), count, show) for show in (shape, _texts))
    masked = _by_record(after.select(path), count, _texts)
    real = _real(decision, before)
    safe = [
        [_SAME if text is not None and text in old else _REAL if text in real else text for text in new]
        for old, new in zip(originals, masked, strict=True)
    ]
    name = decision.action.name + (" (of these records alone)" if works_on_columns(decision.rule) else "")
    return str(path), name, _joined(shapes), _joined(safe)


def _real(decision: Decision, before: Records) -> set[str | None]:
    """Return the originals that a mask of a whole column may have put into other records."""
    if not works_on_columns(decision.rule):
        return set()
    return {text for found in before.select(decision.path) for text in _texts(found.values)} - {None}


def _by_record(
    selections: Sequence[Selection], count: int, show: Callable[[pa.Array], list[str | None]]
) -> list[list[str | None]]:
    cells: list[list[str | None]] = [[] for _ in range(count)]
    for selection in selections:
        limit = len(selection.values) if selection.rows is not None else min(count, len(selection.values))
        rows = selection.rows if selection.rows is not None else range(limit)
        for row, text in zip(rows, show(selection.values.slice(0, limit)), strict=True):
            if row < count:
                cells[int(row)].append(text)
    return cells


def _texts(values: pa.Array) -> list[str | None]:
    return [None if v is None else json.dumps(v) if isinstance(v, bool) else str(v) for v in values.to_pylist()]


def _joined(cells: list[list[str | None]]) -> list[str]:
    return [", ".join("null" if text is None else _cut(text) for text in cell) for cell in cells]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
