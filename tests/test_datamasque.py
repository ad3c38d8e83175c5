"""Rulesets of DataMasque: what is carried over, and what is said of the rest."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.connectors import LocalFiles
from dmengine.datamasque import Imported, import_datamasque
from dmengine.errors import RulesetError
from dmengine.rules import Keep

TODAY = date(2026, 3, 1)

CUSTOMERS = """
version: "1.0"
skip_defaults: [null, ""]
mask_definitions:
  email: &email
    type: from_format_string
    value: "{[a-z],8}@example.com"
  hashed: &hashed
    hash_columns: [{column_name: email, trim: true, case_transform: lower}]
tasks:
- type: parallel
  tasks:
  - type: mask_table
    table: '"crm"."customers"'
    key: customer_id
    rules:
    - column: email
      <<: *hashed
      masks: [*email]
    - column: first_name
      hash_columns: [customer_id]
      masks:
      - type: from_file
        seed_file: DataMasque_firstNames_mixed.csv
        seed_column: firstname-mixed
    - column: phone
      hash_columns: [phone]
      masks: {digits: {type: imitate, uppercase: false}}
    - if:
      - column: country
        equals: US
      rules:
      - column: tax_id
        hash_columns: [tax_id]
        skip: [null]
        masks: [{type: social_security_number}]
      else_rules:
      - column: tax_id
        hash_columns: [tax_id]
        skip: [null]
        masks: [{type: imitate_unique, seed: tax}]
    - column: score
      masks: [{type: from_random_number, min: 1, max: 10}]
    - column: country
      masks: [{type: do_nothing}]
    - column: customer_id
      masks: [{type: do_nothing}]
"""


def test_a_ruleset_of_a_table_is_carried_and_runs(key: dm.Key) -> None:
    """Anchors, merges, tasks in tasks, hash_columns, skip and if/else come out as rules that mask a table."""
    ruleset, _ = dm.Ruleset.from_datamasque(CUSTOMERS)
    table = pa.table(
        {
            "customer_id": ["1", "2", "1"],
            "email": ["Ann@corp.com", "", " ann@CORP.com"],
            "first_name": ["Ann", "Bob", "Anne"],
            "phone": ["+49 30 1234567", None, "+49 30 7654321"],
            "tax_id": ["536-12-3456", "DE12345678", "DE87654321"],
            "score": [100, 200, 300],
            "country": ["US", "DE", "DE"],
        }
    )

    got = dm.mask_table(table, ruleset, key, dataset="crm.customers").to_pydict()

    assert got["customer_id"] == ["1", "2", "1"]
    assert got["email"][0] == got["email"][2]
    assert got["email"][0].endswith("@example.com")
    assert got["email"][1] == ""
    assert got["first_name"][0] == got["first_name"][2] != got["first_name"][1]
    assert got["phone"][0][:1] == "+"
    assert got["phone"][1] is None
    assert not set(got["tax_id"]) & set(table["tax_id"].to_pylist())
    assert got["tax_id"][0][3] == "-"
    assert all(1 <= score <= 10 for score in got["score"])
    assert got["country"] == ["US", "DE", "DE"]


def test_an_imported_ruleset_reads_back_from_its_yaml() -> None:
    """What comes out can be saved, read, and is the same ruleset; columns without a rule stop a run."""
    ruleset, _ = import_datamasque(CUSTOMERS, today=TODAY)

    again = dm.Ruleset.from_yaml(ruleset.to_yaml())

    assert again.fingerprint == ruleset.fingerprint
    assert ruleset.unlisted == "fail"
    assert [dataset.match for dataset in ruleset.datasets] == ["crm.customers"]


def test_equal_masks_share_a_domain_in_whatever_column_and_ruleset() -> None:
    """DataMasque gives equal hash values equal results under one mask, whatever the column is called."""
    task = """
version: "1.0"
tasks:
- type: mask_tabular_file
  rules:
  - column: {name}
    hash_columns: [{name}]
    masks: [{{type: imitate}}]
"""

    [left], [right] = (import_datamasque(task.format(name=name)).ruleset.rules for name in ("phone", "contact_phone"))

    assert left.domain == right.domain
    assert left.mask == right.mask


def one(masks: str, extra: str = "") -> Imported:
    return import_datamasque(
        f'version: "1.0"\ntasks:\n- type: mask_tabular_file\n  rules:\n'
        f"  - column: x\n    hash_columns: [x]\n    masks: {masks}\n{extra}",
        today=TODAY,
    )


@pytest.mark.parametrize(
    ("masks", "mask"),
    [
        ("[{type: from_fixed, value: 7}]", "{type: fixed, value: 7}"),
        ("[{type: from_fixed, value: null}]", "null"),
        ("[{type: from_column, source_column: y}]", "{type: from_field, field: y}"),
        ("[{type: from_choices, choices: [a, b]}]", "{type: choice, choices: [a, b]}"),
        ("[{type: from_choices, choices: [{a: 9}, {b: 1}]}]", "{type: choice, choices: [a, b], weights: [9, 1]}"),
        ("[{type: secure_shuffle}]", "shuffle"),
        ("[{type: substitute, force_change: true}]", "{type: imitate, force_change: true}"),
        (
            "[{type: from_random_text, max: 9, min: 3, caps: true}]",
            "{type: random_text, maximum: 9, minimum: 3, alphabet: upper}",
        ),
        ("[{type: transform_case, transform: uppercase}]", "{type: case, to: upper}"),
        ("[{type: take_substring, start_index: 1, end_index: 4}]", "{type: substring, start: 1, stop: 4}"),
        (
            "[{type: replace_substring, start_index: 2, end_index: 4, masks: [{type: imitate}]}]",
            "{type: concat, masks: [{type: substring, stop: 2}, "
            "{type: chain, masks: [{type: substring, start: 2, stop: 4}, imitate]}, {type: substring, start: 4}]}",
        ),
        (
            "[{type: replace_regex, regex: '[0-9]+', masks: [{type: imitate}]}]",
            "{type: regex_replace, pattern: '[0-9]+', masks: [imitate]}",
        ),
        ("[{type: credit_card, retain_prefix_length: 6}]", "{type: credit_card, keep_prefix: 6}"),
        (
            "[{type: credit_card, generate_card_number: false, pan_format: true}]",
            "{type: pan_truncate, masking_char: '#'}",
        ),
        (
            "[{type: credit_card, pan_format: true}]",
            "{type: chain, masks: [credit_card, {type: pan_truncate, masking_char: '#'}]}",
        ),
        ("[{type: brazilian_cpf}]", "{type: national_id, kind: br_cpf}"),
        ("[{type: imitate_nz_ird}]", "{type: national_id, kind: nz_ird}"),
        (
            "[{type: imitate}, {type: set_checksum, checksum: luhn}]",
            "{type: chain, masks: [imitate, {type: set_checksum, kind: luhn}]}",
        ),
        (
            "[{type: from_random_number, max: 5, decimal_places: 2}]",
            "{type: number, minimum: 0, maximum: 5, decimals: 2}",
        ),
        ("[{type: from_random_boolean}]", "{type: random_boolean, consistent: true}"),
        ("[{type: numeric_bucket, buckets: [0, 18, 65]}]", "{type: bucket, bounds: [0, 18, 65]}"),
        (
            "[{type: from_random_date, min: 1990-01-01, max: 2000-01-01}]",
            '{type: random_date, minimum: "1990-01-01", maximum: "1999-12-31"}',
        ),
        (
            "[{type: from_random_datetime, min: '2020-01-01', max: now}]",
            '{type: random_date, minimum: "2020-01-01", maximum: "2026-02-28"}',
        ),
        ("[{type: retain_age}]", '{type: keep_age, "on": "2026-03-01"}'),
        ("[{type: retain_year}]", "keep_year"),
        ("[{type: retain_date_component, year: true, month: true}]", "{type: date_truncate, to: month}"),
        (
            "[{type: chain, masks: [{type: imitate}, {type: transform_case, transform: lowercase}]}]",
            "{type: chain, masks: [imitate, {type: case, to: lower}]}",
        ),
        (
            "[{type: concat, glue: '-', masks: [{type: imitate}, {type: from_fixed, value: z}]}]",
            "{type: concat, masks: [imitate, {type: fixed, value: z}], glue: '-'}",
        ),
        (
            "[{type: from_file, seed_file: branches.csv, seed_column: b}]",
            "{type: from_file, file: branches.csv, column: b}",
        ),
        (
            "[{type: from_file, seed_file: b.csv, seed_column: b, table_filter_column: c, seed_filter_column: d}]",
            "{type: from_file, file: b.csv, column: b, match: d, match_field: c}",
        ),
        (
            "[{type: from_file, seed_file: 'DataMasque_{US}_addresses.csv', seed_column: postcode}]",
            "{type: address, part: postcode}",
        ),
        ("[{type: imitate_unique}]", "{type: fpe, alphabet: alphanumeric}"),
        ("[{type: from_unique_imitate}]", "{type: fpe, alphabet: alphanumeric}"),
        ("[{type: from_unique, format: '{[A-Z],9}'}]", "{type: format_string, format: '{[A-Z],9}'}"),
        ("[{type: imitate}, {type: typecast, typecast_as: string}]", "imitate"),
        (
            "[{type: json, transforms: [{path: [user, '*', name], masks: [{type: imitate}]}]}]",
            "{type: json, rules: [{field: 'user[*].name', mask: imitate, on_missing: mismatch}]}",
        ),
    ],
)
def test_each_mask_becomes_the_mask_that_does_its_work(masks: str, mask: str) -> None:
    """Every mask with a counterpart is that counterpart, with its parameters."""
    [wanted] = dm.Ruleset.from_yaml(f"rules:\n- field: x\n  mask: {mask}\n").rules

    imported = one(masks)

    assert [rule.mask for rule in imported.ruleset.rules] == [wanted.mask]
    assert not [note for note in imported.not_carried if note.effect != "differs"]


@pytest.mark.parametrize(
    ("masks", "why"),
    [
        ("[{type: from_blob, blob_file: face.png}]", "use fixed"),
        ("[{type: unstructured_text, matchers: []}]", "use scrub"),
        ("[{type: from_file, seed_file: branches.csv}]", "no seed_column"),
        ("[{type: from_column, source_column: other.y}]", "no joins"),
        ("[{type: credit_card, generate_card_number: false}]", "neither"),
        ("[{type: retain_date_component, day: true}]", "only the year"),
        ("[{type: imitate}, {type: from_json_path, path: [a]}]", "from_field"),
        ("[{type: from_random_number}]", "it has no max"),
        ("[{type: from_random_text, max: many}]", "maximum"),
        ("[{type: redcat}]", "no such mask"),
        ("[{$ref: 'lib#masks/x'}]", "no type"),
        ("[imitate]", "no type"),
    ],
)
def test_a_mask_that_cannot_be_carried_redacts_its_field_and_is_listed(masks: str, why: str) -> None:
    """Nothing that was masked before comes through: the field is redacted, and the reason stands with its line."""
    imported = one(masks)

    assert [rule.mask.name for rule in imported.ruleset.rules] == ["redact"]
    [note] = [note for note in imported.not_carried if note.effect == "redacted"]
    assert (note.line, note.what) == (5, "x")
    assert why in note.why


def test_random_masks_draw_and_hashed_ones_are_consistent() -> None:
    """Without hash_columns DataMasque draws at random; so does what comes out, or it is said that it does not."""
    text = 'version: "1.0"\ntasks:\n- type: mask_tabular_file\n  rules:\n  - {column: x, masks: [%s]}\n'

    drawn = import_datamasque(text % "{type: imitate}")
    listed = import_datamasque(text % "{type: from_file, seed_file: DataMasque_lastNames_v2.csv}")

    assert not drawn.ruleset.rules[0].mask.consistent  # type: ignore[union-attr]
    assert drawn.not_carried == ()
    assert any("always consistent" in note.why for note in listed.not_carried)


def test_columns_of_one_seed_file_come_from_one_row(key: dm.Key, tmp_path: Path) -> None:
    """With the same hash column, the town and the postcode of a record are those of one row of the user's file."""
    towns = [("Nordhafen", "10001"), ("Suedhafen", "20002"), ("Westhafen", "30003"), ("Osthafen", "40004")]
    (tmp_path / "towns.csv").write_text("town,code\n" + "".join(f"{town},{code}\n" for town, code in towns))
    columns = "".join(
        f"  - {{column: {name}, hash_columns: [id], "
        f"masks: [{{type: from_file, seed_file: {tmp_path}/towns.csv, seed_column: {name}}}]}}\n"
        for name in ("town", "code")
    )
    text = f'version: "1.0"\ntasks:\n- type: mask_tabular_file\n  rules:\n{columns}'
    table = pa.table({"id": [*range(40)], "town": ["x"] * 40, "code": ["y"] * 40})
    rules = import_datamasque(text).ruleset.rules

    masked = dm.mask_table(table, dm.Ruleset([dm.keep("id", because="number"), *rules]), key)

    rows = set(zip(masked["town"].to_pylist(), masked["code"].to_pylist(), strict=True))
    assert rows <= set(towns)
    assert len(rows) > 1


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("[{column: a, equals: 1}]", "{field: a, eq: 1}"),
        ("[{column: a, equals: null}]", "{field: a, is_null: true}"),
        ("[{column: a, matches: x+}]", "{field: a, matches: '^(?:x+)'}"),
        ("[{column: a, less_than: 3}, {column: b, greater_than: 4}]", "{all: [{field: a, lt: 3}, {field: b, gt: 4}]}"),
        ("[{column: a, less_than_or_equal: 3}]", "{any: [{field: a, lt: 3}, {field: a, eq: 3}]}"),
        (
            "[{or: [{column: a, equals: x}, {not: [{column: b, equals: y}]}]}]",
            "{any: [{field: a, eq: x}, {not: {field: b, eq: y}}]}",
        ),
    ],
)
def test_conditions_are_carried(condition: str, wanted: str) -> None:
    """Records for which the condition does not hold are kept, as they were left before."""
    imported = import_datamasque(
        f'version: "1.0"\ntasks:\n- type: mask_tabular_file\n  rules:\n'
        f"  - if: {condition}\n    rules:\n    - {{column: x, masks: [{{type: from_fixed, value: z}}]}}\n"
    )
    text = f"rules:\n- {{field: x, mask: redact, when: {wanted}, otherwise: {{keep: same}}}}\n"
    [rule] = imported.ruleset.rules

    assert rule.when == dm.Ruleset.from_yaml(text).rules[0].when
    assert isinstance(rule.otherwise, Keep)


@pytest.mark.parametrize(
    "condition", ["[{column: a, age_greater_than: 18}]", "[{column: a, equals: [1]}]", "[]", "[{column: a}]"]
)
def test_a_condition_that_cannot_be_carried_redacts_what_it_decides_about(condition: str) -> None:
    """Both branches are masked then, whatever they were."""
    imported = import_datamasque(
        f'version: "1.0"\ntasks:\n- type: mask_tabular_file\n  rules:\n  - if: {condition}\n    rules:\n'
        "    - {column: x, masks: [{type: imitate}]}\n    else_rules:\n    - {column: y, masks: [{type: imitate}]}\n"
    )

    assert [(str(rule.fields[0]), rule.mask.name, rule.when) for rule in imported.ruleset.rules] == [
        ("x", "redact", None),
        ("y", "redact", None),
    ]
    assert {note.effect for note in imported.not_carried} == {"redacted"}


def test_conditions_within_conditions_mask_where_both_hold(key: dm.Key) -> None:
    """A nested `if` of one branch becomes a condition of two; a tangle of branches is redacted."""
    nested = """
version: "1.0"
tasks:
- type: mask_tabular_file
  rules:
  - if: [{column: a, equals: 1}]
    rules:
    - if: [{column: b, equals: 2}]
      rules: [{column: x, masks: [{type: from_fixed, value: z}]}]
      else_rules: [{column: y, masks: [{type: from_fixed, value: u}]}]
    else_rules: [{column: y, masks: [{type: from_fixed, value: v}]}]
  - {column: a, masks: [{type: do_nothing}]}
  - {column: b, masks: [{type: do_nothing}]}
"""
    table = pa.table({"a": [1, 1, 3], "b": [2, 3, 2], "x": ["p", "q", "r"], "y": ["p", "q", "r"]})

    imported = import_datamasque(nested)
    got = dm.mask_table(table, imported.ruleset, key).to_pydict()

    assert got["x"] == ["z", "q", "r"]
    assert got["y"] == ["*", "*", "*"]
    assert [note.effect for note in imported.not_carried] == ["redacted"]


EVENTS = """
version: "1.0"
tasks:
- type: mask_file
  include: [{glob: "events/*.jsonl"}]
  rules:
  - masks:
    - type: json
      transforms:
      - path: [user, emails, "*"]
        masks: [{type: from_fixed, value: x@example.com}]
      - path: [user, name]
        on_missing: skip
        hash_sources: [{source: self}]
        masks: [{type: imitate, force_change: true}]
- type: mask_file
  include: [{glob: "notes/*.txt"}]
  rules:
  - masks: [{type: from_fixed, value: ""}]
- {type: run_sql, sql: vacuum}
- {type: mask_unique_key, table: people, target_key: [{column_name: id}]}
"""


def test_documents_and_keys_are_carried_and_other_tasks_are_listed(tmp_path: Path, key: dm.Key) -> None:
    """The paths of a json mask become fields of JSON lines; what is no mask of fields stands in the list."""
    (tmp_path / "in" / "events").mkdir(parents=True)
    body = b'{"user": {"emails": ["a@corp.com"], "name": "Ann"}}\n{"user": {"emails": []}}\n'
    (tmp_path / "in" / "events" / "1.jsonl").write_bytes(body)
    ruleset, notes = import_datamasque(EVENTS)
    events = dm.Ruleset(datasets=ruleset.datasets[:1])

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), events, key)

    got = (tmp_path / "out" / "events" / "1.jsonl").read_bytes()
    assert b"x@example.com" in got
    assert b"corp.com" not in got
    assert b"Ann" not in got
    assert [(d.match, [r.mask.name for r in d.rules]) for d in ruleset.datasets[1:]] == [("people", ["fpe"])]
    left = {note.line: note.what for note in notes if note.effect == "left out"}
    assert left == {19: "mask from_fixed of a file", 20: "task run_sql"}


BOMB = list(zip("abcd", "bcde", strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [\n", "old.yml:2"),
        ("- a\n- b\n", "no ruleset of DataMasque"),
        ("version: '1.0'\n", "no tasks"),
        ("", "no ruleset of DataMasque"),
        ("a: &a [x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 30)}]\n" for p, c in BOMB), "values, aliases"),
        ("[" * 200 + "]" * 200, "levels"),
        ("a: 2024-99-99\n", "can be read"),
    ],
)
def test_what_is_no_ruleset_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Broken, bottomless and foreign YAML is a RulesetError with its line, and never takes the machine down."""
    path = tmp_path / "old.yml"
    path.write_text(text)

    with pytest.raises(RulesetError, match=message):
        import_datamasque(path)


def test_the_command_prints_yaml_and_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dmengine import-datamasque FILE > rules.yaml` gives a ruleset; the list goes to standard error."""
    path = tmp_path / "old.yml"
    path.write_text(CUSTOMERS)

    code = main(["import-datamasque", str(path)])

    out, err = capsys.readouterr()
    assert code == 0
    assert dm.Ruleset.from_yaml(out).datasets[0].match == "crm.customers"
    assert "line " in err
    assert main(["import-datamasque", str(tmp_path / "none.yml")]) == 2
