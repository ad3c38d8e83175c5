"""JSON Lines whose records are all alike are indexed by the first of them; results are the same as for any others."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import InputError
from dmengine.jsontext.index import build_tree, tokenize
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import FieldPath

VALUES = st.integers() | st.text(max_size=4) | st.booleans() | st.none()
KEYS = st.lists(st.text('ab\\"é{,:', max_size=3), min_size=1, max_size=4, unique=True)
GAPS = st.sampled_from([(",", ":"), (", ", ": "), ("  ,\t", " :  ")])


@settings(deadline=None)
@given(KEYS, st.data())
def test_records_that_are_alike_give_the_index_of_any_others(keys: list[str], data: st.DataObject) -> None:
    """Keys in one order, of any letters and with any gaps: names and values are those that a parser sees."""
    gaps, ascii_only = data.draw(GAPS), data.draw(st.booleans())
    rows = [{key: data.draw(VALUES) for key in keys} for _ in range(data.draw(st.integers(1, 4)))]
    text = "".join(json.dumps(row, separators=gaps, ensure_ascii=ascii_only) + "\n" for row in rows)

    records = JsonRecords.parse(text.encode())

    assert [path.leaf for path in records.fields()] == keys
    for key in keys:
        found = {
            int(row): value
            for one in records.select(FieldPath.of(key))
            for row, value in zip(
                np.arange(len(rows)) if one.rows is None else one.rows, _plain(one.values), strict=True
            )
        }
        assert [found[number] for number in range(len(rows))] == [row[key] for row in rows]


def _plain(values: pa.Array) -> list[object]:
    if isinstance(values.type, pa.BaseExtensionType):
        return [int(text) for text in values.storage.to_pylist()]
    return list(values.to_pylist())


def test_the_short_way_is_taken_for_records_that_are_alike() -> None:
    """Its index is the same as that of the long way, array by array."""
    data = np.frombuffer(b'{"id": 1, "name": "A,b"}\n{"id": 22, "name": ""}\n', np.uint8)
    tokens = tokenize(data)

    short = build_tree(data, tokens)
    long = build_tree(data, replace(tokens, width=0))

    assert tokens.width == 5
    assert short is not None
    assert long is not None
    assert short.names == long.names
    for name in ("key", "before", "lead", "after", "parent", "inner", "first"):
        assert getattr(short, name).tolist() == getattr(long, name).tolist(), name


@pytest.mark.parametrize(
    "line", ['{"id": 3, "nam": ""}', '{"ie": 3, "name": ""}', '{"name": "", "id": 3}', '{"id": [1], "name": ""}', "{}"]
)
def test_one_record_that_differs_is_seen(line: str) -> None:
    """The last record of many has another key, order or depth: its fields are named."""
    text = '{"id": 1, "name": "A"}\n' * 9 + line + "\n"

    found = {path.leaf for path in JsonRecords.parse(text.encode()).fields()}

    assert found == {"id", "name"} | json.loads(line).keys()


def test_a_key_that_occurs_twice_in_each_record_is_refused() -> None:
    """Records that are all alike are no better for it."""
    with pytest.raises(InputError, match="id occurs twice"):
        JsonRecords.parse(b'{"id": 1, "id": 2}\n' * 3)
