"""The same data under the same rules, in JSON Lines, JSON documents and XML: the same masked values."""

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import dmengine as dm
from dmengine.connectors import JsonDocument, LocalFiles, XmlDocument
from dmengine.errors import DmengineError
from dmengine.keyring import Key
from dmengine.maskers import Email, FirstName, Redact

PEOPLE: list[dict[str, Any]] = [
    {
        "id": "1",
        "name": "Ann",
        "country": "DE",
        "mail": [{"to": "ann@corp.com"}, {"to": "a@b.org"}],
        "at": {"zip": "9"},
    },
    {"id": "2", "name": "B\u00f6 & <Co>", "country": "FR", "mail": [{"to": "bo@corp.com"}], "at": {"zip": "8"}},
]
RULES = dm.Ruleset(
    [
        dm.Rule("mail[*].to", Email(), domain="mail"),
        dm.Rule("name", FirstName(), domain="name", when=dm.field("country").isin(["DE"]), otherwise=Redact()),
        dm.keep(["id", "country"], because="no meaning outside"),
        dm.Rule("at", Redact()),
    ]
)


def xml(people: list[dict[str, Any]]) -> bytes:
    root = etree.Element("people")
    for person in people:
        element = etree.SubElement(root, "person")
        for name, value in person.items():
            for one in value if isinstance(value, list) else [value]:
                inner = etree.SubElement(element, name)
                if isinstance(one, dict):
                    for key, text in one.items():
                        etree.SubElement(inner, key).text = text
                else:
                    inner.text = one
    return bytes(etree.tostring(root, pretty_print=True))


def masked(tmp_path: Path, name: str, content: bytes, key: Key, rules: dm.Ruleset = RULES, **formats: Any) -> bytes:
    source, target = tmp_path / f"in-{name}", tmp_path / f"out-{name}"
    source.mkdir()
    target.mkdir()
    (source / name).write_bytes(content)
    dm.run(LocalFiles(str(source), **formats), LocalFiles(str(target), **formats), rules, key)
    return (target / name).read_bytes()


def test_rules_give_the_same_values_in_every_form(tmp_path: Path, key: Key) -> None:
    """Nested lists, conditions and whole subtrees are masked alike, whatever form the records have."""
    lines = "".join(json.dumps(person) + "\n" for person in PEOPLE).encode()
    inside = {"n": 2, "data": {"items": PEOPLE}}
    form = {"formats": {"*.json": JsonDocument(records="data.items", envelope=("n",))}}

    expected = [json.loads(line) for line in masked(tmp_path, "a.jsonl", lines, key).splitlines()]
    listed = json.loads(masked(tmp_path, "a.json", json.dumps(PEOPLE, indent=2).encode(), key))
    wrapped = json.loads(masked(tmp_path, "b.json", json.dumps(inside).encode(), key, RULES, **form))
    elements = {"formats": {"*.xml": XmlDocument(records="person")}}
    root = etree.fromstring(masked(tmp_path, "a.xml", xml(PEOPLE), key, RULES, **elements))

    assert expected[0]["name"] != "Ann"
    assert listed == expected
    assert wrapped == {"n": 2, "data": {"items": expected}}
    assert [p.findtext("name") for p in root] == [p["name"] for p in expected]
    assert [[m.text for m in p.findall("mail/to")] for p in root] == [[m["to"] for m in p["mail"]] for p in expected]
    assert [p.findtext("at") for p in root] == ["", ""]
    assert [p.findtext("id") for p in root] == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'[{"id": "1"}, {"id": "2", "secret": "x"}]'),
        ("a.xml", b"<people><person><id>1</id></person><person><id>2</id><secret>x</secret></person></people>"),
        ("a.xml", b'<people><person><id>1</id></person><person><id kind="x">2</id></person></people>'),
        ("a.xml", b"<people><person><id>1</id></person><person><id>2</id><!--x--></person></people>"),
        ("a.xml", b"<people><person><id>1</id></person><person><id>2</id><id>3</id></person></people>"),
        ("a.xml", b"<people><person><id>1</id></person><person>x<id>2</id></person></people>"),
    ],
)
def test_a_field_that_no_rule_names_stops_the_run_in_any_record(
    tmp_path: Path, key: Key, name: str, content: bytes
) -> None:
    """New members, attributes, comments, second elements and texts of later records are not let through."""
    rules = dm.Ruleset([dm.Rule("id", FirstName())])
    formats = {"*.xml": XmlDocument(records="person", block_bytes=16)}

    with pytest.raises(DmengineError, match="no rule"):
        masked(tmp_path, name, content, key, rules, formats=formats)

    assert not (tmp_path / f"out-{name}" / name).exists()
