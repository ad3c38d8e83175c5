"""Objects of one place that differ: planned by schema, told in the report, stopped at anything that no rule names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import DmengineError, MaskError, PlanError, RulesetError
from dmengine.maskers import Hash
from dmengine.rules import OnMissing, OnNull

RULES = dm.Ruleset([dm.Rule("name", Hash(), optional=True), dm.keep("id", because="surrogate key")])
NESTED = dm.Ruleset([
    dm.keep("id", because="surrogate key"),
    dm.Rule(["attrs.mail", "items[*].name", "value.text", "map{*}"], Hash(), optional=True),
])  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> LocalFiles:
    (tmp_path / "in").mkdir()
    return LocalFiles(tmp_path / "in")


@pytest.fixture
def target(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "out")


def table(source: LocalFiles, name: str, columns: Any, metadata: dict[str, str] | None = None) -> None:
    made = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(made.replace_schema_metadata(metadata), Path(source.path, name))


def documents(source: LocalFiles, name: str, *records: dict[str, Any]) -> None:
    Path(source.path, name).write_text("".join(json.dumps(record) + "\n" for record in records))


# ------------------------------------------------------------------------------------------ schemas


def test_schemas_are_counted_and_told(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """Plan and report say how many there are, which is the usual one, and how the others differ."""
    for number in range(5):
        table(source, f"a{number}.parquet", {"id": [1], "name": ["x"]}, {"at": str(number)})
    table(source, "b.parquet", {"id": pa.array([1], pa.int32()), "name": ["x"]})
    table(source, "c.parquet", {"id": [1]})

    view = dm.plan(source, target, RULES, key)
    report = dm.run(source, target, RULES, key)

    told = [finding.message for finding in view.plan.findings if "schemas" in finding.message]
    assert told == [
        "7 objects have 3 schemas: 5 like a0.parquet; 1 like b.parquet (id is int32, not int64); "
        "1 like c.parquet (lacks name)"
    ]
    assert told[0] in [finding.message for finding in report.findings]
    assert report.rows == 7


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_each_schema_comes_out_as_it_was(source: LocalFiles, target: LocalFiles, key: dm.Key, executor: Any) -> None:
    """Plans are shared by schema, and yet each file keeps its own types, order and metadata."""
    first = pa.field("id", pa.int64(), metadata={"comment": "a"})
    second = pa.field("id", pa.int64(), metadata={"comment": "b"})
    rows = {"a": [first, "name"], "b": [second, "name"], "c": ["name", second]}
    for name, fields in rows.items():
        schema = pa.schema([one if isinstance(one, pa.Field) else pa.field(one, pa.string()) for one in fields])
        made = pa.Table.from_pydict({"id": [7], "name": [name]}, schema=schema)
        table(source, f"{name}.parquet", made, {"file": name})

    dm.run(source, target, RULES, key, executor=executor, workers=2)

    for name in rows:
        was, now = (pq.read_schema(Path(files.path, f"{name}.parquet")) for files in (source, target))
        assert now.equals(was, check_metadata=True)


def test_a_refusal_is_told_once_for_a_schema(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """A thousand objects with one unlisted field are one reason, which names the first and counts the others."""
    for number in range(4):
        table(source, f"a{number}.parquet", {"id": [1], "ssn": ["x"]})
    table(source, "b.parquet", {"id": [1], "dob": ["x"]})

    errors = dm.plan(source, target, RULES, key).plan.errors

    assert [(one.message, one.where) for one in errors] == [
        ("no rule covers: ssn", "a0.parquet and 3 more like it"), ("no rule covers: dob", "b.parquet"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------ what appears late


LATE: dict[str, dict[str, Any]] = {
    "a field": {"id": 2, "ssn": "1"},
    "a nested field": {"id": 2, "attrs": {"mail": "a", "phone": "1"}},
    "a field of an element": {"id": 2, "items": [{"name": "a"}, {"name": "b", "sku": "1"}]},
    "a branch of a union": {"id": 2, "value": {"text": "a", "code": {"x": 1}}},
    "a container in place of a value": {"id": 2, "attrs": [{"mail": "a"}]},
    "a value in place of a container": {"id": 2, "value": "plain text"},
}


@pytest.mark.parametrize("late", LATE)
def test_what_no_rule_names_stops_the_run_in_the_last_record(
    late: str, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """Of the last file, after thousands of records that are fine: nothing is published, and no value is told."""
    good = {"id": 1, "attrs": {"mail": "a"}, "items": [{"name": "b"}], "value": {"text": "c"}}
    documents(source, "a.jsonl", good, good)
    documents(source, "z.jsonl", *([good] * 5000), LATE[late])

    with pytest.raises(PlanError, match="no rule covers") as caught:
        dm.run(source, target, NESTED, key)

    assert "plain text" not in str(caught.value)
    assert not any(path.is_file() for path in Path(target.path).rglob("*"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("attrs", {"mail": "a", "phone": "1"}), ("items", [{"name": "a", "sku": "1"}]),
        ("value", {"text": "a", "code": {"x": 1}}), ("ssn", "1"),
    ],
)  # fmt: skip
def test_what_no_rule_names_stops_the_run_in_the_last_table(
    column: str, value: Any, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """A column, a member of a struct or of a list's elements that only the last file has."""
    good = {"id": [1], "attrs": [{"mail": "a"}], "items": [[{"name": "b"}]], "value": [{"text": "c"}]}
    table(source, "a.parquet", good)
    table(source, "z.parquet", good | {column: [value]})

    with pytest.raises(PlanError, match="no rule covers"):
        dm.run(source, target, NESTED, key)

    assert not any(path.is_file() for path in Path(target.path).rglob("*"))


def test_new_keys_of_a_map_are_masked_by_its_rule(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """A rule for all values of a map holds for keys that were never seen before, in documents and in tables."""
    documents(source, "a.jsonl", {"id": 1, "map": {"x": "canary"}}, {"id": 2, "map": {"new": "canary", "z": "canary"}})
    kind = pa.map_(pa.string(), pa.string())
    table(source, "b.parquet", {"id": [1, 2], "map": pa.array([[("x", "canary")], [("new", "canary")]], kind)})

    dm.run(source, target, NESTED, key)

    body = Path(target.path, "a.jsonl").read_text()
    masked = {value for line in body.splitlines() for value in json.loads(line)["map"].values()}
    read = pq.read_table(Path(target.path, "b.parquet"))["map"].to_pylist()
    assert len(masked) == 1
    assert "canary" not in body
    assert {value for entries in read for _, value in entries} == masked


# ------------------------------------------------------------------------------------------ missing and null


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_missing_and_null_are_counted(form: str, source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """By default both stay as they are, each with its own count: of a document's field, or of a struct that is null."""
    records: list[dict[str, Any]] = [
        {"id": 1, "attrs": {"mail": "a"}},
        {"id": 2, "attrs": {"mail": None}},
        {"id": 3, "attrs": None},
    ]
    _put(form, source, records)

    report = dm.run(source, target, NESTED, key)

    mail = next(field for field in report.fields if field.field == "attrs.mail")
    assert (mail.seen, mail.masked, mail.null, mail.missing) == (2, 1, 1, 1)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("on_missing", "on_null", "message"), [("fail", "keep", "1 records lack it"), ("skip", "fail", "1 values are null")]
)
def test_missing_and_null_stop_a_run_when_asked(
    form: str, on_missing: OnMissing, on_null: OnNull, message: str, source: LocalFiles, target: LocalFiles, key: dm.Key
) -> None:
    """The error names the field and how many records, and nothing is published."""
    _put(
        form, source, [{"id": 1, "attrs": {"mail": "a"}}, {"id": 2, "attrs": {"mail": None}}, {"id": 3, "attrs": None}]
    )
    rule = dm.Rule("attrs.mail", Hash(), on_missing=on_missing, on_null=on_null)

    with pytest.raises(MaskError, match=message) as caught:
        dm.run(source, target, dm.Ruleset([rule, *NESTED.rules[:1]]), key)

    assert caught.value.place["field"] == "attrs.mail"
    assert not any(path.is_file() for path in Path(target.path).rglob("*"))


def test_a_field_that_a_whole_file_lacks_is_missing_too(source: LocalFiles, target: LocalFiles, key: dm.Key) -> None:
    """It stops the run where missing ones do, and counts as many records as the file has."""
    documents(source, "a.jsonl", {"id": 1, "name": "a"})
    documents(source, "b.jsonl", {"id": 1}, {"id": 2})
    strict = dm.Ruleset([dm.Rule("name", Hash(), on_missing="fail"), *RULES.rules[1:]])

    report = dm.run(source, target, RULES, key)
    with pytest.raises(DmengineError, match="2 records lack it"):
        dm.run(source, LocalFiles(Path(target.path).with_name("other")), strict, key)

    assert [field.missing for field in report.fields if field.field == "name"] == [2]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (dm.Rule("items[*].name", Hash(), on_missing="fail"), "may be any number of fields"),
        (dm.Rule("n*", Hash(), on_missing="fail"), "may be any number of fields"),
        (dm.Rule("name", dm.keep(because="x"), on_null="fail"), "on_null says how to mask"),
        (dm.Rule("name", Hash(), on_null="redact"), "on_null is not known"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_hold_are_refused(rule: dm.Rule, told: str) -> None:
    """A list may have any number of elements, a pattern any number of fields, and what is kept is not looked at."""
    with pytest.raises(RulesetError, match=told):
        dm.Ruleset([rule]).validate()


def test_settings_are_written_and_read_back() -> None:
    """In YAML as in Python; left out, they leave a ruleset's fingerprint as it was before they were there."""
    rules = dm.Ruleset([dm.Rule("name", Hash(), on_missing="fail", on_null="fail")])

    again = dm.Ruleset.from_yaml(rules.to_yaml())

    assert again == rules
    assert again.fingerprint != dm.Ruleset([dm.Rule("name", Hash())]).fingerprint


def _put(form: str, source: LocalFiles, records: list[dict[str, Any]]) -> None:
    if form == "jsonl":
        documents(source, "a.jsonl", *records)
    else:
        table(source, "a.parquet", pa.Table.from_pylist(records))
