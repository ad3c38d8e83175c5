"""Rules whose paths go on inside of texts that are documents: they mean what the masks `json` and `xml` do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import DmengineError, MaskError, PlanError, RulesetError
from dmengine.maskers import Email, FirstName, Fpe, Inside, Json, Null, Redact, Shuffle, Xml
from dmengine.paths import FieldPath, rule_path
from dmengine.rulefile import ruleset_schema
from dmengine.rules import Dataset, Rule, Ruleset, drop, keep
from dmengine.spi import Masker

DOCUMENT = '{"user": {"name": "Ann", "Home_Mail": "Ann@corp.com"}, "n": 7.50, "tags": ["a", "b"]}'
XML = '<team kind="x"><person id="1234567">Ann</person><person id="7654321">Bo</person></team>'
INSIDE = (
    Rule("payload|json|user.name", FirstName()),
    Rule("payload|json|user.Home_Mail", Email(), domain="mail", normalize=["casefold"]),
    keep("payload|json|n", "payload|json|tags", because="says nothing of people"),
)


def masked(rules: Ruleset, key: dm.Key, **columns: list[Any]) -> dict[str, list[Any]]:
    """Mask a table of a few columns."""
    found: dict[str, list[Any]] = dm.mask_table(pa.table(columns), rules, key).to_pydict()
    return found


def refused(*rules: Rule) -> RulesetError:
    """Return the complaint about some rules."""
    with pytest.raises(RulesetError) as caught:
        Ruleset(rules).validate()
    return caught.value


@pytest.mark.parametrize(
    "text",
    ["payload|json|user.name", "payload|json|[*].sku", "payload|json|$", 'payload|json|"a|b".c', 'a."x|y"|json|b{*}',
     "events[*].doc|xml|//person/@id", "doc*|xml|a/*/b"],
)  # fmt: skip
def test_a_path_into_a_document_reads_back_as_the_same_path(text: str) -> None:
    """The text of such a path is what was written, and the field that holds the document is its outer path."""
    path = rule_path(text)

    assert str(path) == text
    assert rule_path(str(path)) == path
    assert path.inner is not None
    assert str(path) == f"{path.outer}{path.inner}"


@pytest.mark.parametrize(
    "text",
    ["a|json", "a|json|", "|json|b", "a|yaml|b", "a|json|b..c", "a|json|b|json|c", "a|xml|", "a|xml|b|c", "a||b", "a|"],
)
def test_what_is_no_path_into_a_document_is_refused_by_its_whole_text(text: str) -> None:
    """Half a path, an unknown kind, or a document in a document is an error that says what was written."""
    with pytest.raises(RulesetError, match=r"path|kind") as caught:
        rule_path(text)

    assert repr(text) in caught.value.message


def test_paths_of_fields_and_conditions_do_not_go_into_documents() -> None:
    """Only the fields of rules may be inside of a document."""
    with pytest.raises(RulesetError, match="not a field path"):
        FieldPath.parse("payload|json|user.name")
    with pytest.raises(RulesetError, match="not a field path"):
        dm.field("payload|json|user.name")


def test_rules_do_what_the_json_mask_does(key: dm.Key) -> None:
    """Several rules into one field give byte for byte what one mask with the same rules gives."""
    by_hand = Json((
        Inside("user.name", FirstName(), domain="first_name:name"),
        Inside("user.Home_Mail", Email(), domain="mail", normalize=("casefold",)),
        Inside("n", keep="says nothing of people"),
        Inside("tags", keep="says nothing of people"),
    ))  # fmt: skip

    found = masked(Ruleset(INSIDE), key, payload=[DOCUMENT, None, "{}"])

    assert found == masked(Ruleset([Rule("payload", by_hand)]), key, payload=[DOCUMENT, None, "{}"])
    assert found["payload"][0] not in (None, DOCUMENT)
    assert '"n": 7.50, "tags": ["a", "b"]' in found["payload"][0]


def test_rules_do_what_the_xml_mask_does(key: dm.Key) -> None:
    """Elements and attributes are named by the paths of the mask, and kept for a reason."""
    pytest.importorskip("lxml")
    rules = [Rule("doc|xml|//person/@id", Fpe()), Rule("doc|xml|//person", FirstName()),
             keep("doc|xml|team/@kind", because="a kind")]  # fmt: skip
    by_hand = Xml((Inside("//person/@id", Fpe(), domain="fpe:id"), Inside("//person", FirstName(), domain="p"),
                   Inside("team/@kind", keep="a kind")))  # fmt: skip

    found = masked(Ruleset([rules[0], Rule("doc|xml|//person", FirstName(), domain="p"), rules[2]]), key, doc=[XML])

    assert found == masked(Ruleset([Rule("doc", by_hand)]), key, doc=[XML])
    assert found["doc"][0] != XML
    assert "<person" in masked(Ruleset(rules), key, doc=[XML])["doc"][0]


def test_equal_values_match_in_columns_json_lines_and_documents(key: dm.Key, tmp_path: Path) -> None:
    """A name, a number and an address join, wherever they are, without a word about domains."""
    values = {"name": "Ann", "mail": "ann@corp.com", "code": "123-4567"}
    masks: dict[str, Masker] = {"name": FirstName(), "mail": Email(), "code": Fpe()}
    columns = Ruleset([Rule(name, mask) for name, mask in masks.items()])
    documents = Ruleset([Rule(f"payload|json|user.{name}", mask) for name, mask in masks.items()])
    lines = Ruleset([Rule(f"user.{name}", mask) for name, mask in masks.items()])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps({"user": values}) + "\n")

    column = {name: one[0] for name, one in masked(columns, key, **{n: [v] for n, v in values.items()}).items()}
    document = json.loads(masked(documents, key, payload=[json.dumps({"user": values})])["payload"][0])
    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), lines, key)
    line = json.loads((tmp_path / "out" / "a.jsonl").read_text())

    assert document["user"] == column == line["user"]
    assert not set(column.values()) & set(values.values())


def test_one_rule_is_for_a_column_and_for_a_document(key: dm.Key) -> None:
    """A rule may name fields of both sorts, and masks them alike."""
    rules = Ruleset([Rule(["mail", "payload|json|mail"], Email())])

    found = masked(rules, key, mail=["ann@corp.com"], payload=['{"mail": "ann@corp.com"}'])

    assert json.loads(found["payload"][0])["mail"] == found["mail"][0] != "ann@corp.com"


@pytest.mark.parametrize(
    ("unlisted", "after"),
    [("redact", '{"a": null, "b": "*"}'), ("drop", '{"a": null}'), (keep(because="made up"), '{"a": null, "b": "x"}')],
)
def test_unlisted_holds_inside_of_documents(key: dm.Key, unlisted: Any, after: str) -> None:
    """What no rule names inside of a document is decided by the ruleset, as for any field."""
    rules = Ruleset([Rule("payload|json|a", Null())], unlisted=unlisted)

    assert masked(rules, key, payload=['{"a": "y", "b": "x"}']) == {"payload": [after]}


@pytest.mark.parametrize(
    ("rule", "document"),
    [
        (Rule("payload|json|a", Redact()), '{"a": "x", "b": "y"}'),
        (Rule("payload|json|a", Redact()), "no JSON"),
        (Rule("payload|json|a", Redact(), on_missing="fail"), "{}"),
        (Rule("payload|json|a", Redact(), on_null="fail"), '{"a": null}'),
        (Rule("payload|json|a", Email()), '{"a": true}'),
    ],
)
def test_a_document_that_does_not_fit_stops_the_run(key: dm.Key, rule: Rule, document: str) -> None:
    """What no rule names, what is no document, and what a rule must not find, is an error of the field."""
    with pytest.raises(MaskError, match="json cannot take 1 of the values") as caught:
        masked(Ruleset([rule]), key, payload=[document])

    assert "payload|json|a" in str(caught.value)


def test_a_value_that_the_mask_cannot_take_may_become_null(key: dm.Key) -> None:
    """`on_mismatch: null` is about the value inside, not about the document."""
    rules = Ruleset([Rule("payload|json|a", Email(), on_mismatch="null"), keep("payload|json|b", because="made up")])

    assert masked(rules, key, payload=['{"a": true, "b": 1.0}']) == {"payload": ['{"a": null, "b": 1.0}']}


def test_rules_of_a_dataset_and_general_rules_make_one_mask(key: dm.Key) -> None:
    """The dataset's own rule for a field goes first, and general ones look into the same document."""
    rules = Ruleset(
        [Rule("payload|json|a", Redact()), Rule("payload|json|b", Redact())],
        datasets=[Dataset("table", [keep("payload|json|a", because="made up")])],
    )

    assert masked(rules, key, payload=['{"a": "x", "b": "y"}']) == {"payload": ['{"a": "x", "b": "*"}']}


def test_documents_in_lists_and_in_json_lines_are_looked_into(key: dm.Key, tmp_path: Path) -> None:
    """The outer path is any path; what is not named in the record stays byte for byte."""
    (tmp_path / "in").mkdir()
    line = json.dumps({"id": 1, "events": [{"body": '{"a": "x"}'}, {"body": '{"a": "y",  "b": 1}'}]}) + "\n"
    (tmp_path / "in" / "a.jsonl.gz").write_bytes(gzip.compress(line.encode()))
    rules = Ruleset([
        keep("id", because="surrogate key"), Rule("events[*].body|json|a", Redact()),
        keep("events[*].body|json|b", because="made up"),
    ])  # fmt: skip

    report = dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key)

    text = gzip.decompress((tmp_path / "out" / "a.jsonl.gz").read_bytes()).decode()
    assert text == line.replace('\\"x\\"', '\\"*\\"').replace('\\"y\\"', '\\"*\\"')
    assert {field.field: field.masked for field in report.fields}["events[*].body"] == 2


def test_masks_inside_of_documents_are_turned_back(key: dm.Key) -> None:
    """Reversible masks inside of a document are undone by the same rules."""
    rules = Ruleset([Rule("payload|json|a", Fpe()), keep("payload|json|b", because="made up")])
    table = pa.table({"payload": ['{"a": "123-4567", "b": 1}']})

    there = dm.mask_table(table, rules, key)

    assert there != table
    assert dm.unmask_table(there, rules, key) == table


def test_a_plan_has_a_line_for_each_field_inside(key: dm.Key, tmp_path: Path) -> None:
    """The plan names each field inside with its mask and domain, or the reason to keep it; nothing is unmatched."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text('id,payload\n1,"{""n"": 1}"\n')
    rules = Ruleset([*INSIDE, keep("id", because="surrogate key")])

    view = dm.plan(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key)

    told = {f.field: (f.action, f.mask, f.domain, f.because) for f in view.plan.fields}
    assert told["payload|json|user.name"] == ("mask", "first_name", "first_name:name", "")
    assert told["payload|json|user.Home_Mail"] == ("mask", "email", "mail", "")
    assert told["payload|json|n"] == ("keep", "", "", "says nothing of people")
    assert told["payload"][:2] == ("mask", "json")
    assert view.ok


def test_a_rule_into_a_field_that_is_nowhere_stops_the_run(key: dm.Key, tmp_path: Path) -> None:
    """The whole path is named where no data has the field that would hold the document."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id\n1\n")
    general = [keep("id", because="surrogate key"), *INSIDE]
    rules = Ruleset(general, datasets=[Dataset("**", [])])

    view = dm.plan(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key)

    assert [finding.message for finding in view.plan.errors] == [
        "a rule matched nothing in the whole source: payload|json|user.name",
        "a rule matched nothing in the whole source: payload|json|user.Home_Mail",
        "a rule matched nothing in the whole source: payload|json|n, payload|json|tags",
    ]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ((drop("p|json|a"),), "p|json|a lies inside of a document, from which no field can be dropped"),
        ((Rule("p|json|a", Redact(), when=dm.field("c") == 1, otherwise=keep(because="x")),),
         "p|json|a lies inside of a document, where no condition can hold"),
        ((Rule("p|json|a", Email(), as_="date"),), "p|json|a lies inside of a document, whose values are masked as"),
        ((Rule("p|json|a", Email(), on_mismatch="redact"),), "p|json|a lies inside of a document, where a mismatch"),
        ((Rule("p|json|*_mail", Email()),), "p|json|*_mail is a pattern, and inside of a document that has no domain"),
        ((keep("p|json|*", because="all"),), "p|json|* would keep fields that nobody has named"),
        ((keep("p|xml|//*", because="all"),), "p|xml|//* would keep fields that nobody has named"),
        ((Rule("p|json|a", Redact()), Rule("p", Email())), "p|json|a lies inside of p, which rules[1] takes whole"),
        ((keep("p", because="x"), Rule("p|json|a", Redact())), "p|json|a lies inside of p, which rules[0] takes whole"),
        ((Rule("p|json|a", Redact()), Rule("p|xml|b", Redact())), "p|xml|b and p|json|a take p for two kinds"),
        ((Rule("p|json|a", Redact()), keep("p|json|a", because="x")), "p|json|a never comes to this rule: rules[0]"),
        ((keep("p|json|a", because="x"), Rule("p|json|a.b", Redact())), "p|json|a.b never comes to this rule"),
        ((Rule("p*|json|a", Redact()), Rule("p|json|b", Redact())), "p|json|b never comes to this rule"),
        ((drop("p*"), Rule("p|json|b", Redact())), "p|json|b never comes to this rule"),
        ((Rule(["p|xml|a", "p|xml|a"], Redact()),), "p|xml|a is named twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_inside_of_a_document_is_refused(rules: tuple[Rule, ...], why: str) -> None:
    """Each thing that the mask of the document cannot do is an error of the ruleset that names the whole path."""
    error = refused(*rules)

    assert error.message.count("p|") >= 1
    assert why in error.message
    assert "problems" not in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule("p|json|a", Shuffle()), r"p\|json\|a: json: shuffle works on whole columns"),
        (Rule("p|xml|a//", Redact()), r"p\|xml\|a//: xml: field must be a path"),
        (Rule("p|xml|a", Redact(), on_null="fail"), r"p\|xml\|a: xml: on_null must be left out"),
    ],
)
def test_what_the_mask_refuses_is_told_by_the_whole_path(key: dm.Key, rule: Rule, why: str) -> None:
    """A mask that cannot work in a document is refused when a run is planned, by the path of its rule."""
    pytest.importorskip("lxml")
    with pytest.raises(PlanError, match=why):
        masked(Ruleset([rule]), key, p=["{}"])


def test_masks_of_the_same_default_domain_may_differ_as_in_columns(key: dm.Key) -> None:
    """Two documents may mask fields of one name in two ways; one domain that is named twice may not."""
    columns = {"p": ['{"a": "Ann"}'], "q": ['{"a": "Ann"}']}
    two = [Rule("p|json|a", FirstName()), Rule("q|json|a", FirstName(locale="de_DE"))]
    named = [Rule("p|json|a", FirstName(), domain="d"), Rule("q|json|a", FirstName(locale="de_DE"), domain="d")]

    assert masked(Ruleset(two), key, **columns) != columns
    with pytest.raises(DmengineError, match="'d' has two masks"):
        masked(Ruleset(named), key, **columns)


def test_a_file_says_the_same_as_python() -> None:
    """YAML reads as the rules in Python and is written as it was read; the schema of editors takes it."""
    jsonschema: Any = pytest.importorskip("jsonschema")
    rules = Ruleset.from_yaml("""
rules:
- {field: payload|json|user.name, mask: first_name}
- {field: ["payload|json|items[*].sku", doc|xml|//person/@id], keep: no person's data}
""")
    expected = Ruleset([
        Rule("payload|json|user.name", FirstName()),
        keep("payload|json|items[*].sku", "doc|xml|//person/@id", because="no person's data"),
    ])  # fmt: skip

    assert rules == expected
    assert Ruleset.from_yaml(rules.to_yaml()) == rules
    assert rules.fingerprint == expected.fingerprint != Ruleset([Rule("payload.user.name", FirstName())]).fingerprint
    jsonschema.validate({"rules": [{"field": "payload|json|user.name", "mask": "email"}]}, ruleset_schema())


def test_mistakes_in_a_file_are_told_with_their_lines() -> None:
    """A path that is none, and a rule that cannot be, have a line and a column."""
    with pytest.raises(RulesetError, match=r"ruleset:3:10: .*kind that is not known"):
        Ruleset.from_yaml("\nrules:\n- field: payload|yaml|a\n  mask: email\n")
    with pytest.raises(RulesetError, match=r"ruleset:5:9: payload\|json\|a lies inside of a document, where no cond"):
        Ruleset.from_yaml(
            "\nrules:\n- field: payload|json|a\n  mask: email\n  when: {field: b, eq: x}\n  otherwise: redact\n"
        )
