"""No original stays in Arrow memory: not behind a null, outside a slice, or in an unused dictionary entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dmengine as dm
from dmengine.keyring import Key
from dmengine.maskers import CharacterMask, Email, FirstName, Fixed, Fpe, Hash, LastName, Lookup, Null, Redact
from dmengine.rules import Rule
from dmengine.spi import Masker, Scope, Uniqueness
from tests.leak import masks
from tests.leak.canaries import Canaries
from tests.leak.evidence import leaks, of_table
from tests.leak.tables import flat_rules, flat_table, nested_rules, nested_table, typed_rules, typed_table

Make = Callable[[Canaries], pa.ChunkedArray | pa.Array]


def with_garbage(array: pa.Array, every: int = 2) -> pa.Array:
    """Make some values null and leave their bytes where they are."""
    valid = np.arange(len(array)) % every != 0
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(array.type, len(array), [bitmap, *array.buffers()[1:]])


def under_null_struct(canaries: Canaries) -> pa.Array:
    """Hide texts under null structs."""
    inner = pa.array(canaries.texts(20))
    return pa.StructArray.from_arrays([inner], ["a"], mask=pa.array([row % 2 == 0 for row in range(20)]))


def under_null_list(canaries: Canaries) -> pa.Array:
    """Hide texts in the extent of null lists."""
    ends = pa.py_buffer(np.arange(0, 22, 2, dtype=np.int32))
    bitmap = pa.py_buffer(np.packbits(np.arange(10) % 2 == 0, bitorder="little"))
    return pa.Array.from_buffers(pa.list_(pa.string()), 10, [bitmap, ends], children=[pa.array(canaries.texts(20))])


def beside_list(canaries: Canaries) -> pa.Array:
    """Hide texts before and behind all lists."""
    return pa.ListArray.from_arrays(pa.array([5, 10, 15], pa.int32()), pa.array(canaries.texts(20)))


def views_that_skip(canaries: Canaries) -> pa.Array:
    """Let list views point at some of the texts, in disorder."""
    starts, sizes = pa.array([12, 3, 3], pa.int32()), pa.array([2, 1, 2], pa.int32())
    return pa.ListViewArray.from_arrays(starts, sizes, pa.array(canaries.texts(20)))


def coded(canaries: Canaries, indices: list[int | None]) -> pa.DictionaryArray:
    """Point at some of twenty texts."""
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), canaries.texts(20))


_MAP = pa.map_("string", "string")
TEXTS: dict[str, Make] = {
    "plain": lambda c: pa.array(c.texts(20)),
    "null slots": lambda c: with_garbage(pa.array(c.texts(20))),
    "if_else": lambda c: pc.if_else(pa.array([True, False] * 10), pa.scalar(None, pa.string()), pa.array(c.texts(20))),
    "slice": lambda c: pa.array(c.texts(20)).slice(5, 3),
    "slice of null slots": lambda c: with_garbage(pa.array(c.texts(40))).slice(7, 20),
    "all null": lambda c: with_garbage(pa.array(c.texts(20)), every=1),
    "no rows": lambda c: pa.array(c.texts(20)).slice(0, 0),
    "chunks": lambda c: pa.chunked_array([c.texts(5), pa.array(c.texts(20)).slice(3, 9), c.texts(1)]),
    "large": lambda c: with_garbage(pa.array(c.texts(20), pa.large_string())),
    "view": lambda c: pa.array([*c.texts(10), *c.texts(10, "long enough to lie apart {}")], pa.string_view()).slice(4),
    "dictionary": lambda c: coded(c, [0, 1, None, 1]),
    "unused entries": lambda c: coded(c, [3, 3, 3]),
    "unused by a slice": lambda c: coded(c, list(range(20))).slice(4, 2),
    "null indices": lambda c: coded(c, [None] * 6),
    "null in the dictionary": lambda c: pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2], pa.int8()), with_garbage(pa.array(c.texts(20)))
    ),
    "dictionary chunks": lambda c: pa.chunked_array([coded(c, [1, 2]), coded(c, [5, None])]),
    "many": lambda c: pa.array([text for text in c.texts(1200) for _ in range(3)]),
}  # fmt: skip
NESTED: dict[str, tuple[Make, str]] = {
    "struct": (under_null_struct, "name.a"),
    "null lists": (under_null_list, "name[*]"),
    "outside lists": (beside_list, "name[*]"),
    "list views": (views_that_skip, "name[*]"),
    "slice of lists": (lambda c: under_null_list(c).slice(3, 4), "name[*]"),
    "fixed lists": (lambda c: pa.FixedSizeListArray.from_arrays(pa.array(c.texts(20)), 2).slice(3, 3), "name[*]"),
    "list of dictionary": (lambda c: pa.ListArray.from_arrays([0, 1, 2], coded(c, [3, 4])), "name[*]"),
    "map": (lambda c: pa.array([[("k", text)] for text in c.texts(20)], _MAP).slice(5), "name{*}"),
    "list of structs": (lambda c: pa.ListArray.from_arrays([0, 4, 6], under_null_struct(c)), "name[*].a"),
}  # fmt: skip
MASKS: dict[str, Masker] = {
    "hash": Hash(),
    "first_name": FirstName(),
    "last_name": LastName(keep_case=True),
    "email": Email(),
    "lookup": Lookup("city"),
    "character_mask": CharacterMask(keep_first=1),
    "fpe": Fpe(alphabet="letters"),
    "fixed": Fixed("x"),
    "null": Null(),
    "redact": Redact(),
    "function": masks.length_of,
}


@pytest.mark.parametrize("mask", MASKS)
def test_no_original_stays_in_memory(mask: str, key: Key) -> None:
    """Whatever way a column comes in, no buffer of the masked one, and no file made of it, holds an original."""
    found, canaries = [], Canaries()
    for way, make in TEXTS.items():
        table = pa.table({"name": make(canaries)})
        masked = dm.mask_table(table, dm.Ruleset([Rule("name", MASKS[mask])]), key)
        assert len(masked) == len(table)
        found += [f"{way}: {hit}" for hit in leaks(canaries, of_table(masked))]

    assert found == []


@dataclass(frozen=True)
class Careless:
    """A user's mask whose results are right, and whose memory still holds what it masked."""

    how: str
    name: ClassVar[str] = "careless"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: object) -> pa.Field:
        """Take anything."""
        return field

    def mask(self, values: pa.Array, ctx: object) -> pa.Array:
        """Return signs and nulls, with the originals behind them."""
        signs = pa.array(["*"] * len(values), values.type)
        if self.how == "nulls":
            return pc.if_else(pa.array([True] * len(values)), pa.scalar(None, values.type), values)
        if self.how == "garbage":
            return with_garbage(values, every=1)
        if self.how == "slice":
            return pa.concat_arrays([values, signs, values])[len(values) : 2 * len(values)]
        if self.how == "unused entries":
            return pa.DictionaryArray.from_arrays(
                pa.array([0] * len(values), pa.int32()), pa.concat_arrays([signs, values])
            )
        return pa.chunked_array([signs[:1], pa.concat_arrays([values, signs])[len(values) + 1 :]])


@pytest.mark.parametrize("how", ["nulls", "garbage", "slice", "unused entries", "chunks"])
def test_careless_masks_leave_no_original_in_memory(how: str, key: Key) -> None:
    """What a mask leaves behind nulls, around slices or in dictionaries of its own does not come out."""
    canaries, found = Canaries(), []
    for way, make in TEXTS.items():
        masked = dm.mask_table(pa.table({"name": make(canaries)}), dm.Ruleset([Rule("name", Careless(how))]), key)
        found += [f"{way}: {hit}" for hit in leaks(canaries, of_table(masked))]

    assert found == []


@pytest.mark.parametrize("mask", ["hash", "redact", "null", "first_name"])
def test_no_original_stays_in_nested_memory(mask: str, key: Key) -> None:
    """Under null parents, between lists, and in children that slices share, no original stays."""
    found, canaries = [], Canaries()
    for way, (make, path) in NESTED.items():
        for rule in (Rule(path, MASKS[mask]), Rule("name", Redact())):
            masked = dm.mask_table(pa.table({"name": make(canaries)}), dm.Ruleset([rule]), key)
            found += [f"{way}, {rule.fields[0]}: {hit}" for hit in leaks(canaries, of_table(masked))]

    assert found == []


@pytest.mark.parametrize("sliced", [False, True])
def test_no_original_stays_in_memory_of_any_type(sliced: bool, key: Key) -> None:
    """Tables of every type come out without an original in any buffer, whole or as a slice."""
    canaries, found = Canaries(), []
    for make, rules in ((flat_table, flat_rules()), (nested_table, nested_rules()), (typed_table, typed_rules())):
        table = make(canaries, 60)
        masked = dm.mask_table(table.slice(7, 20) if sliced else table, dm.Ruleset(rules), key)
        found += leaks(canaries, of_table(masked), depth=1)

    assert found == []


def test_no_original_stays_in_a_frame(key: Key) -> None:
    """A masked frame holds no original: in no column, category, index or attribute."""
    canaries = Canaries()
    frame = pd.DataFrame(
        {
            "name": canaries.texts(20),
            "kind": pd.Categorical(canaries.texts(20)),
            "text": pd.array(canaries.texts(20), "string"),
            "number": canaries.integers(20),
        },
        index=pd.Index(canaries.texts(20), name="person"),
    )
    rules = dm.Ruleset([Rule(["name", "kind", "text", "person"], Hash(), domain="person"), Rule("number", Fpe())])

    masked = dm.mask_frame(frame, rules, key)

    said = [repr(masked), masked.to_json(), str(masked.dtypes["kind"]), repr(masked.attrs), repr(masked.index)]
    arrow = pa.Table.from_pandas(masked)
    assert leaks(canaries, [("frame", "\n".join(said).encode()), *of_table(arrow)]) == []
    assert masked.shape == frame.shape


@pytest.mark.parametrize("otherwise", [Redact(), Null(), Hash(size=9)])
def test_no_original_stays_behind_a_condition(otherwise: Masker, key: Key) -> None:
    """Where a condition sends some rows to another mask, no original of either kind stays in memory."""
    canaries = Canaries()
    table = pa.table({"kind": ["a", "b", None, "a"] * 5, "name": with_garbage(pa.array(canaries.texts(20)), every=3)})
    rule = Rule("name", Hash(), when=dm.field("kind") == "a", otherwise=otherwise)

    masked = dm.mask_table(table, dm.Ruleset([dm.keep("kind", because="a letter"), rule]), key)

    assert leaks(canaries, of_table(masked)) == []
    assert masked["name"].null_count >= 7
