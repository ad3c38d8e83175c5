"""Masked values beside the shape of their originals; no original value, whoever saves the notebook."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NUMBER, flat, is_text
from dmengine.decisions import Decision
from dmengine.engine import Batch, Engine
from dmengine.keyring import Key
from dmengine.planning import plan_part
from dmengine.rules import Drop, Keep, Ruleset
from dmengine.spi import Described, Records, Selection, Source
from dmengine.tables import Document, Table

_LONGEST = 40
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
    text = pc.utf8_slice_codeunits(plain.cast(pa.string()), 0, _LONGEST)
    for pattern, sign in _SIGNS:
        text = pc.replace_substring_regex(text, pattern, sign)
    shapes: list[str | None] = pc.replace_substring_regex(text, r"[^Aa9?\p{P}\p{S}\p{Z}]", "x").to_pylist()
    return shapes


@dataclass(frozen=True, slots=True)
class Preview:
    """A few records, masked: for each masked field the shape of the original and the masked value."""

    tables: tuple[Table, ...]

    def document(self) -> Document:
        """Return the preview as a page."""
        return Document("dmengine preview", [], self.tables)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data: per dataset the column names and rows of text."""
        return {t.title: {"columns": list(t.columns), "rows": [list(r) for r in t.shown]} for t in self.tables}

    def __str__(self) -> str:
        return self.document().to_text()

    def _repr_html_(self) -> str:
        return self.document().to_html()


def preview_of(source: Source, described: Described, ruleset: Ruleset, key: Key, rows: int, datasets: int) -> Preview:
    """Mask the first records of some datasets, in memory."""
    tables = [_preview(source, info.name, ruleset, key, rows) for info in described.datasets[:datasets]]
    return Preview(tuple(tables))


def _preview(source: Source, dataset: str, ruleset: Ruleset, key: Key, rows: int) -> Table:
    stream = source.sample(dataset, rows)
    plan = plan_part(ruleset, dataset, stream.schema)
    engine = Engine(plan, key, dataset)
    first: Records | None = next(stream.batches, None)
    if first is None:
        return Table(dataset, ("no records",), [])
    masked, _ = engine.mask(Batch(first, 0))
    count = min(rows, first.num_rows)
    fields = [f for decision in engine.decisions(first) if (f := _field(decision, first, masked, count))]
    lines = [
        (record + 1 if field is fields[0] else "", field[0], field[1], field[2][record], field[3][record])
        for record in range(count)
        for field in fields
    ]
    return Table(dataset, ("record", "field", "mask", "shape of the original", "masked"), lines, limit=1000)


def _field(
    decision: Decision, before: Records, after: Records, count: int
) -> tuple[str, str, list[str], list[str]] | None:
    path = decision.path
    if isinstance(decision.action, (Keep, Drop)):
        return None
    shapes = _by_record(before.select(path), count, shapes=True)
    values = _by_record(after.select(path), count, shapes=False)
    return str(path), decision.action.name, shapes, values


def _by_record(selections: Any, count: int, *, shapes: bool) -> list[str]:
    cells: list[list[str]] = [[] for _ in range(count)]
    for selection in selections:
        limit = len(selection.values) if selection.rows is not None else min(count, len(selection.values))
        short = Selection(selection.values.slice(0, limit), selection.rows)
        texts = shape(short.values) if shapes else [_shown(v) for v in short.values.to_pylist()]
        rows = short.rows if short.rows is not None else range(limit)
        for row, text in zip(rows, texts, strict=False):
            if row < count:
                cells[int(row)].append("null" if text is None else text)
    return [", ".join(cell) for cell in cells]


def _shown(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool) else str(value)
