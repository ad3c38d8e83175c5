"""One path language: the same rules over the same records as nested parquet and as JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmengine as dm
from dmengine.connectors import JsonLines, LocalFiles, Parquet
from dmengine.errors import PlanError, RulesetError
from dmengine.maskers import Email, FirstName, Fixed, Hash
from dmengine.paths import FieldPath
from dmengine.records import TableRecords, schema_with

ITEM = pa.struct({"sku": pa.string(), "qty": pa.int64(), "tags": pa.list_(pa.string())})
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "person": pa.struct({"name": pa.string(), "emails": pa.list_(pa.string())}),
        "items": pa.list_(ITEM),
        "attrs": pa.map_(pa.string(), pa.string()),
        "grid": pa.list_(pa.list_(pa.string())),
    }
)
RECORDS: list[dict[str, Any]] = [
    {
        "id": 1,
        "person": {"name": "Ann", "emails": ["ann@x.org", "a2@x.org", "a3@x.org"]},
        "items": [{"sku": "S1", "qty": 1, "tags": ["x", "y"]}, {"sku": "S2", "qty": 2, "tags": []}],
        "attrs": {"k1": "v1", "k2": "v2"},
        "grid": [["a", "b"], ["c"], []],
    },
    {"id": 2, "person": {"name": "Bob", "emails": []}, "items": [], "attrs": {}, "grid": [[], ["d", "e"]]},
    {
        "id": 3,
        "person": {"name": "Cy", "emails": [None, "c2@x.org"]},
        "items": [{"sku": None, "qty": 5, "tags": ["z"]}, {"sku": "S1", "qty": 6, "tags": ["x"]},
                  {"sku": "S9", "qty": 7, "tags": []}],
        "attrs": {"k1": None, "k3": "v1"},
        "grid": [["f"]],
    },
]  # fmt: skip
REST = dm.keep("id", "person", "items", "attrs", "grid", because="the example is about the others")


def masked(folder: Path, rules: dm.Ruleset, key: dm.Key, form: str) -> list[dict[str, Any]]:
    """Mask the records in one form, and read them back."""
    source, target = folder / form, folder / f"{form}-out"
    source.mkdir()
    if form == "parquet":
        rows = [{**record, "attrs": list(record["attrs"].items())} for record in RECORDS]
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), source / "data")
    else:
        (source / "data").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    formats = {"data": _format(form)}
    dm.run(LocalFiles(source, formats=formats), LocalFiles(target), rules, key)
    if form == "jsonl":
        return [json.loads(line) for line in (target / "data").read_text().splitlines()]
    return [{**row, "attrs": dict(row["attrs"])} for row in pq.read_table(target / "data").to_pylist()]


def _format(form: str) -> Any:
    return Parquet() if form == "parquet" else JsonLines()


def both(folder: Path, rules: dm.Ruleset, key: dm.Key) -> list[dict[str, Any]]:
    """Mask the records in both forms, check that the results are the same, and return them."""
    found = [masked(folder, rules, key, form) for form in ("parquet", "jsonl")]
    assert found[0] == found[1]
    return found[0]


CASES: dict[str, list[Any]] = {
    "members": [dm.Rule("person.name", FirstName()), dm.keep("person.emails", because="x")],
    "each": [dm.Rule("items[*].sku", Hash()), dm.keep("items[*].qty", "items[*].tags", because="x")],
    "values of maps": [dm.Rule("attrs{*}", Hash())],
    "an element": [dm.Rule("person.emails[0]", Email()), dm.keep("person.emails[*]", "person.name", because="x")],
    "elements and the rest": [
        dm.Rule("person.emails[1]", Fixed("first")),
        dm.Rule("person.emails[*]", Email()),
        dm.keep("person.name", because="x"),
    ],
    "a member of an element": [
        dm.Rule("items[0].sku", Hash()),
        dm.Rule("items[2].qty", Fixed(0)),
        dm.keep("items[*].sku", "items[*].qty", "items[*].tags", because="x"),
    ],
    "an element of an element": [dm.Rule("grid[1][0]", Hash()), dm.keep("grid[*][*]", because="x")],
    "each of an element": [dm.Rule("grid[0][*]", Hash()), dm.keep("grid[*]", because="x")],
    "an element of each": [
        dm.Rule("items[*].tags[0]", Hash()),
        dm.keep("items[*].sku", "items[*].qty", "items[*].tags[*]", because="x"),
    ],
    "a condition beside": [
        dm.Rule("items[*].sku", Hash(), when=dm.field("qty").gt(1), otherwise=dm.keep(because="x")),
        dm.keep("items[*].qty", "items[*].tags", because="x"),
    ],
    "a condition on an element": [
        dm.Rule("person.name", Hash(), when=dm.field("items[0].qty").gt(1), otherwise=Fixed("-")),
        dm.keep("person.emails", "items[*].sku", "items[*].qty", "items[*].tags", because="x"),
    ],
    "a condition of elements on an element": [
        dm.Rule("items[*].sku", Hash(), when=dm.field("tags[0]") == "x", otherwise=dm.keep(because="x")),
        dm.keep("items[*].qty", "items[*].tags[*]", because="x"),
    ],
    "a condition within an element": [
        dm.Rule("items[1].sku", Hash(), when=dm.field("qty").gt(2), otherwise=dm.keep(because="x")),
        dm.keep("items[*].sku", "items[*].qty", "items[*].tags", because="x"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_same_rules_mean_the_same_in_both_forms(case: str, tmp_path: Path, key: dm.Key) -> None:
    """Whatever a path goes through, the same values are masked, and to the same."""
    rest = [name for name in SCHEMA.names if not any(str(p).startswith(name) for r in CASES[case] for p in r.fields)]
    rules = dm.Ruleset([*CASES[case], dm.keep(*rest, because="not in this case")])

    made = both(tmp_path, rules, key)

    assert made != RECORDS


def test_one_element_is_masked_and_the_others_stay(tmp_path: Path, key: dm.Key) -> None:
    """An index counts from 0; shorter lists have no such element, which is no error."""
    kept = dm.keep("person.emails[*]", "person.name", "id", "items", "attrs", "grid", because="x")
    rules = dm.Ruleset([dm.Rule("person.emails[1]", Fixed("-")), kept])

    made = both(tmp_path, rules, key)

    assert [record["person"]["emails"] for record in made] == [["ann@x.org", "-", "a3@x.org"], [], [None, "-"]]


def test_unlisted_sees_the_rest_of_the_list(tmp_path: Path, key: dm.Key) -> None:
    """A rule for one element is none for the others: they are refused, or redacted, in both forms."""
    named = [
        dm.Rule("person.emails[0]", Fixed("-")),
        dm.keep("person.name", "id", "items", "attrs", "grid", because="x"),
    ]

    for form in ("parquet", "jsonl"):
        with pytest.raises(PlanError, match=r"no rule covers: person\.emails\[\*\]"):
            masked(tmp_path, dm.Ruleset(named), key, form)
    (tmp_path / "redacted").mkdir()
    made = both(tmp_path / "redacted", dm.Ruleset(named, unlisted="redact"), key)

    first, second, third = made[0]["person"]["emails"]
    assert first == "-"
    assert "x.org" not in f"{second}{third}"


def test_an_index_after_the_whole_list_never_comes() -> None:
    """The rule for each element goes before, so the one for the first is an error, as any hidden rule is."""
    rules = dm.Ruleset([dm.Rule("items[*].sku", Hash()), dm.Rule("items[0].sku", Email())])

    with pytest.raises(RulesetError, match=r"items\[0\]\.sku never comes to this rule"):
        rules.validate()


def test_one_element_cannot_change_its_type_or_lose_a_member() -> None:
    """The elements of an Arrow list are of one type: what changes it for some of them is refused."""
    schema = pa.schema({"items": pa.list_(ITEM)})
    records = TableRecords(pa.RecordBatch.from_pylist([{"items": RECORDS[0]["items"]}], schema))

    with pytest.raises(PlanError, match="some elements of items would become"):
        schema_with(schema, {FieldPath.parse("items[0].qty"): pa.field("qty", pa.string())})
    with pytest.raises(PlanError, match="no single element can lack a member"):
        records.drop(FieldPath.parse("items[0].sku"))


LISTS = st.lists(st.none() | st.lists(st.none() | st.text("ab", max_size=2), max_size=4), max_size=6)


@settings(deadline=None)
@given(LISTS, st.integers(0, 4))
def test_an_index_and_the_rest_tell_elements_apart(lists: list[list[str | None] | None], index: int) -> None:
    """Every element is selected once, by its index or with the others, and replaced in its own place."""
    records = TableRecords(pa.record_batch({"a": pa.array(lists, pa.list_(pa.string()))}))
    first, rest = records.fields([FieldPath.parse(f"a[{index}]")])

    for path, letter in ((first, "x"), (rest, "y")):
        [found] = records.select(path)
        records = records.replace(path, [found.with_values(pa.array([letter] * len(found.values), pa.string()))])

    assert records.batch.column("a").to_pylist() == [
        None if one is None else ["x" if number == index else "y" for number in range(len(one))] for one in lists
    ]
