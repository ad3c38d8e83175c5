"""Plans: what a run would do, and every refusal that can come early."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import PlanError
from dmengine.maskers import DateShift, Email, Fpe, Hash, MicroAggregate, PanTruncate, Redact, SetChecksum, Shuffle
from dmengine.planning import make_plan
from dmengine.spi import TargetLimits

PEOPLE = b"id,email\n1,ann@x.org\n2,bob@x.org\n"
RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", because="surrogate key")])


def folder(root: Path, **files: bytes) -> LocalFiles:
    for name, body in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return LocalFiles(root)


def test_a_plan_shows_every_field_and_changes_nothing(tmp_path: Path, key: dm.Key) -> None:
    """Type, mask, domain and reasons are there, and not one file was written."""
    source = folder(tmp_path / "in", people_csv=PEOPLE)

    view = dm.plan(source, LocalFiles(tmp_path / "out"), RULES, key)

    text = str(view)
    assert view.ok
    assert "person.email" in text
    assert "surrogate key" in text
    assert key.fingerprint in text
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "people.csv"]


def test_a_plan_finds_everything_at_once(tmp_path: Path, key: dm.Key) -> None:
    """All that stops a run is listed together, each with its object."""
    source = folder(tmp_path / "in", a_csv=b"id,email,ssn\n", b_csv=b"id\n", c_txt=b"?", d_csv=b"id,id\n")

    view = dm.plan(source, LocalFiles(tmp_path / "out"), RULES, key)

    found = {f.where: f.message for f in view.plan.errors}
    assert not view.ok
    assert found["a.csv"] == "no rule covers: ssn"
    assert "lacks: email" in found["b.csv"]
    assert "c.txt would not be masked" in found[""]
    assert "the same name" in found["d.csv"]


def test_a_plan_with_errors_stops_the_run(tmp_path: Path, key: dm.Key) -> None:
    """What the plan refuses is refused by `run`, before anything is written."""
    source = folder(tmp_path / "in", a_csv=b"id,email,ssn\n1,2,3\n")

    with pytest.raises(PlanError, match="no rule covers: ssn"):
        dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)

    assert not (tmp_path / "out").exists()


def test_documents_are_sampled_and_scanned_in_full_on_request(tmp_path: Path, key: dm.Key) -> None:
    """A field that only a late record has is found by `full=True`."""
    lines = [b'{"id": %d, "email": "a@x.org"}\n' % i for i in range(200_000)]
    source = folder(tmp_path / "in", people_jsonl=b"".join([*lines, b'{"id": 1, "ssn": "1"}\n']))
    target = LocalFiles(tmp_path / "out")

    quick = dm.plan(source, target, RULES, key)
    full = dm.plan(source, target, RULES, key, full=True)

    assert quick.ok
    assert [f.message for f in full.plan.errors] == ["no rule covers: ssn"]


def test_each_object_must_match_one_dataset(tmp_path: Path, key: dm.Key) -> None:
    """An object that no dataset of the ruleset means is refused, and so is a dataset that means no object."""
    source = folder(tmp_path / "in", people_csv=PEOPLE, other_csv=PEOPLE)
    rules = dm.Ruleset(RULES.rules, datasets=[dm.Dataset("people*", []), dm.Dataset("orders*", [])])

    errors = [f.message for f in dm.plan(source, LocalFiles(tmp_path / "out"), rules, key).plan.errors]

    assert any("no dataset of the ruleset matches other.csv" in e for e in errors)
    assert any("'orders*' matches nothing" in e for e in errors)


def test_one_domain_has_one_mask(tmp_path: Path, key: dm.Key) -> None:
    """Two parameter sets in one domain would break its joins, so the plan refuses them."""
    source = folder(tmp_path / "in", people_csv=b"a,b\n1,2\n")
    rules = dm.Ruleset([dm.Rule("a", Hash(), domain="d"), dm.Rule("b", Fpe(), domain="d")])

    [error] = dm.plan(source, LocalFiles(tmp_path / "out"), rules, key).plan.errors

    assert "two masks or parameter sets" in error.message


def test_general_rules_may_miss_some_datasets_but_not_all(tmp_path: Path, key: dm.Key) -> None:
    """With datasets listed, a general rule must match somewhere; a dataset's own rule in each of its objects."""
    source = folder(tmp_path / "in", people_csv=PEOPLE, orders_csv=b"id,note\n1,x\n")
    general = [*RULES.rules, dm.Rule("nowhere", Redact())]
    rules = dm.Ruleset(
        general, datasets=[dm.Dataset("people*", []), dm.Dataset("orders*", [dm.Rule("note", Redact())])]
    )

    errors = [f.message for f in dm.plan(source, LocalFiles(tmp_path / "out"), rules, key).plan.errors]

    assert errors == ["a rule matched nothing in the whole source: nowhere"]


def test_a_document_rule_that_matched_nothing_stops_the_run_before_commit(tmp_path: Path, key: dm.Key) -> None:
    """Documents are read whole before that is known; nothing is visible then."""
    source = folder(tmp_path / "in", people_jsonl=b'{"id": 1}\n')

    with pytest.raises(PlanError, match="a rule matched nothing in the whole source: email"):
        dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)

    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "rule",
    [
        dm.Rule("email", Redact(), when=dm.field("contry") == "DE", otherwise=dm.keep(because="public")),
        dm.Rule("born", DateShift(by="custmer"), as_="date"),
    ],
    ids=["condition", "mask"],
)
def test_a_misspelt_field_beside_stops_a_run_over_documents(tmp_path: Path, key: dm.Key, rule: dm.Rule) -> None:
    """A condition, or a mask, that reads a field which no record has would quietly do the wrong thing."""
    source = folder(tmp_path / "in", people_jsonl=b'{"email": "a@x.org", "born": "2000-01-01", "country": "DE"}\n')
    rest = [dm.Rule("email", Redact()), dm.Rule("born", Redact()), dm.keep("country", because="coarse")]
    rules = [rule, *(other for other in rest if other.fields != rule.fields)]

    with pytest.raises(PlanError, match="which no record has"):
        dm.run(source, LocalFiles(tmp_path / "out"), dm.Ruleset(rules), key)


def test_a_null_in_place_of_a_container_is_taken(tmp_path: Path, key: dm.Key) -> None:
    """Documents may hold null where others hold an object; a text there is still a field that no rule names."""
    rows = b'{"id": 1, "contact": {"email": "a@x.org"}}\n{"id": 2, "contact": null}\n'
    source = folder(tmp_path / "in", people_jsonl=rows)
    rules = dm.Ruleset([dm.Rule("contact.email", Redact()), dm.keep("id", because="surrogate key")])
    target = LocalFiles(tmp_path / "out")

    ok = dm.plan(source, target, rules, key).ok
    dm.run(source, target, rules, key)
    source = folder(tmp_path / "in", people_jsonl=rows + b'{"id": 3, "contact": "a@x.org"}\n')

    assert ok
    assert (tmp_path / "out" / "people.jsonl").read_bytes() == rows.replace(b"a@x.org", b"*")
    with pytest.raises(PlanError, match="no rule covers: contact"):
        dm.run(source, target, rules, key)


def test_a_new_field_in_the_last_record_stops_the_run(tmp_path: Path, key: dm.Key) -> None:
    """Every record's names are checked, and the error has the YAML to paste."""
    lines = [b'{"id": %d, "email": "a@x.org"}\n' % i for i in range(60_000)]
    source = folder(tmp_path / "in", people_jsonl=b"".join([*lines, b'{"id": 1, "email": null, "ssn": "1"}\n']))

    with pytest.raises(PlanError, match="no rule covers: ssn") as caught:
        dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)

    assert "- field: ssn" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_plan_reads_as_text_json_markdown_and_html(tmp_path: Path, key: dm.Key) -> None:
    """One plan, four forms."""
    source = folder(tmp_path / "in", people_csv=PEOPLE)

    view = dm.plan(source, LocalFiles(tmp_path / "out"), RULES, key)

    assert view.to_dict()["ok"] is True
    assert "| people.csv |" in view.to_markdown() or "| * | email |" in view.to_markdown()
    assert "<table>" in view.to_html()
    assert "<html" not in view._repr_html_()


COLUMNS = dm.Ruleset([dm.Rule("email", Shuffle()), dm.Rule("id", MicroAggregate(k=2), as_="integer")])


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_masks_of_whole_columns_run_over_every_batch_of_a_part(tmp_path: Path, key: dm.Key, form: str) -> None:
    """A file of many batches is masked as one column, by many threads, in the order of its records."""
    count = 60_000
    line = b"%d,user%d@x.org\n" if form == "csv" else b'{"id": "%d", "email": "user%d@x.org"}\n'
    body = b"".join([b"id,email\n" * (form == "csv"), *(line % (i, i) for i in range(count))])
    source = folder(tmp_path / "in", **{f"people_{form}": body})

    report = dm.run(source, LocalFiles(tmp_path / "out"), COLUMNS, key, workers=4)

    got = (tmp_path / "out" / f"people.{form}").read_bytes()
    emails = re.findall(rb"user\d+@x.org", got)
    ids = [int(n) for n in re.findall(rb"^\D*(\d+)", got, re.MULTILINE)]
    assert emails != [b"user%d@x.org" % i for i in range(count)]
    assert sorted(emails) == sorted(b"user%d@x.org" % i for i in range(count))
    assert ids == sorted(ids)
    assert len(set(ids)) == count // 2
    assert {f.field: (f.seen, f.masked) for f in report.fields} == {"email": (count, count), "id": (count, count)}


def test_a_plan_warns_of_real_values_and_of_whole_columns(tmp_path: Path, key: dm.Key) -> None:
    """Masks say themselves what a person should know: that real values stay, and that the object decides."""
    source = folder(tmp_path / "in", people_csv=PEOPLE)

    view = dm.plan(source, LocalFiles(tmp_path / "out"), COLUMNS, key)

    warnings = [f"{f.where}: {f.message}" for f in view.plan.findings if f.severity == "warning"]
    assert view.ok
    assert any(w.startswith("email: shuffle leaves every real value in the data") for w in warnings)
    assert any(w.startswith("email: shuffle masks each object or table as a whole") for w in warnings)
    assert any(w.startswith("id: micro_aggregate shows the real value") for w in warnings)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (dm.Rule("id", SetChecksum("luhn")), "set_checksum alone hides nothing"),
        (dm.Rule("id", PanTruncate()), "pan_truncate keeps up to 10 real digits"),
        (dm.Rule("id", Fpe(minimum=0, maximum=99, allow_small_domain=True), as_="integer"), "small domain: 100 values"),
    ],
    ids=lambda value: None if isinstance(value, str) else value.mask.name,
)
def test_a_plan_says_what_a_mask_says_of_itself(tmp_path: Path, key: dm.Key, rule: dm.Rule, message: str) -> None:
    """Warnings of masks are findings with the field."""
    source = folder(tmp_path / "in", people_csv=PEOPLE)
    rules = dm.Ruleset([rule, dm.Rule("email", Redact())])

    found = dm.plan(source, LocalFiles(tmp_path / "out"), rules, key).plan.findings

    assert [f.where for f in found if message in f.message] == ["id"]


def test_a_plan_refuses_an_object_too_large_to_hold(tmp_path: Path, key: dm.Key) -> None:
    """What is sure not to fit in memory is refused before the run; masks of single values are not concerned."""
    source = folder(tmp_path / "in", people_csv=PEOPLE)
    described = source.describe()
    big = replace(described, datasets=tuple(replace(info, size=1 << 40) for info in described.datasets))

    whole = make_plan(big, "", TargetLimits(), COLUMNS, "", {}).errors
    single = make_plan(big, "", TargetLimits(), RULES, "", {}).errors

    assert [f.where for f in whole] == ["people.csv"]
    assert "256 MiB" in whole[0].message
    assert single == ()


def test_a_preview_shows_no_real_value_that_a_shuffle_has_dealt_out(tmp_path: Path, key: dm.Key) -> None:
    """Shuffled values are real ones, so a preview names them as such, and says that it saw a sample only."""
    source = folder(tmp_path / "in", people_csv=PEOPLE)

    shown = str(dm.preview(source, dm.Ruleset([dm.Rule(["email", "id"], Shuffle())]), key))

    assert "@x.org" not in shown
    assert "shuffle (of these records alone)" in shown
