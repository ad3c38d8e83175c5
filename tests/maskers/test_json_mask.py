"""What becomes of JSON documents that are values: masked fields, and every other byte as it was."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmengine as dm
from dmengine.errors import PlanError
from dmengine.maskers import Bucket, CharacterMask, DateShift, Email, Fixed, Inside, Json, Redact, Shuffle
from dmengine.spi import Limits
from dmengine.testing.context import mask_values

FIX = Inside("a", Fixed("X"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def masked(masker: Json, *documents: str | None) -> list[str | None]:
    """Mask documents; what is a mismatch is None."""
    return mask_values(masker, list(documents), on_mismatch="null")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": "x", "b":1.50}', '{"a": "X", "b":1.50}'),
        ('\n{\r\n\t"b" : [ 1E3 ,{ } ] , "a" : "x" }\n', '\n{\r\n\t"b" : [ 1E3 ,{ } ] , "a" : "X" }\n'),
        ('{"b": "\\u00e9\\/", "\\u0061": "x"}', '{"b": "\\u00e9\\/", "\\u0061": "X"}'),
        ('{"b": "a", "c": {"a": "x"}}', '{"b": "a", "c": {"a": "x"}}'),
        ('{"a": "X"}', '{"a": "X"}'),
    ],
)
def test_all_other_bytes_stay(before: str, after: str) -> None:
    """White space, number forms and escapes of everything that no mask touches are as they were."""
    assert masked(Json((FIX,), unlisted="keep"), before, before) == [after, after]


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), min_size=1), st.sampled_from([None, 1]))
def test_only_the_field_changes(documents: list[dict[str, object]], indent: int | None) -> None:
    """Whatever else a document holds, it holds after masking."""
    texts = [json.dumps(document, indent=indent) for document in documents]
    rules = (Inside("a", Redact()), Inside("*", keep="harmless"))

    made = masked(Json(rules), *texts)

    for text, new, document in zip(texts, made, documents, strict=True):
        assert new is not None
        read = json.loads(new)
        rest = json.loads(text)
        hidden = read.pop("a", None)
        assert read == {name: value for name, value in rest.items() if name != "a"}
        assert list(json.loads(new)) == list(rest)
        assert hidden in (None, "*", 0, False) or document.get("a") in ("", "*")


@pytest.mark.parametrize(
    "text",
    ["", "x", "{", '{"a": 1}}', '{"a": 1} {"a": 2}', '1, "b": 2', '{"a": 1, "a": 2}', '{"a": "\\ud800"}', "NaN",
     '{"a": ' + "[" * 70 + "]" * 70 + "}", "{'a': 1}", '{"a": 1}\n{"a": 2}', '1}\n{"$": 2'],
)  # fmt: skip
def test_what_is_no_document_is_a_mismatch(text: str) -> None:
    """Text that is not one JSON value, has a key twice, or nests too deep, is reported, and its neighbours are not."""
    good = '{"a": "x"}'

    assert masked(Json((FIX,), unlisted="keep"), good, text, good) == ['{"a": "X"}', None, '{"a": "X"}']
    assert masked(Json((FIX,), unlisted="keep"), text) == [None]


def test_document_may_be_a_list_or_a_single_value() -> None:
    """Paths may begin with the elements of a list, or mean the document itself."""
    lists = Json((Inside("[*].mail", Fixed("X")), Inside("[*]", keep="harmless")))

    assert masked(lists, '[{"mail": "a"}, 5, {"mail": null}, []]') == ['[{"mail": "X"}, 5, {"mail": null}, []]']
    assert masked(Json((Inside("$", Fixed("X")),)), '"a"', "5", "[1]") == ['"X"', None, None]


def test_field_that_no_rule_names_makes_a_mismatch() -> None:
    """A document with an attribute that nobody decided about does not pass."""
    rules = (FIX, Inside("b.c", keep="harmless"))

    made = masked(Json(rules), '{"a": "x"}', '{"a": "x", "d": 1}', '{"b": {"c": 1, "e": 2}}', '{"b": null}', '{"b": 1}')

    assert made == ['{"a": "X"}', None, None, '{"b": null}', None]


def test_unlisted_fields_are_redacted_or_dropped() -> None:
    """`unlisted` says what becomes of fields that no rule names, containers whole."""
    document = '{"n": 1, "a": "x", "t": "secret", "l": [1, {"s": "y"}], "f": true, "z": null}'

    redacted = masked(Json((FIX,), unlisted="redact"), document)
    dropped = masked(Json((FIX,), unlisted="drop"), document, "[1, 2]", '"secret"')

    assert redacted == ['{"n": 0, "a": "X", "t": "*", "l": null, "f": false, "z": null}']
    assert dropped == ['{"a": "X"}', "[]", '"*"']


def test_missing_and_null_fields_are_as_the_rule_says() -> None:
    """A field that is not there, or null, is left alone or makes a mismatch."""
    strict = Json((Inside("a", Fixed("X"), on_missing="mismatch", on_null="mismatch"),), unlisted="keep")

    assert masked(strict, '{"a": "x"}', '{"b": 1}', '{"a": null}') == ['{"a": "X"}', None, None]
    assert masked(Json((FIX,), unlisted="keep"), '{"b": 1}', '{"a": null}') == ['{"b": 1}', '{"a": null}']


def test_value_that_the_mask_cannot_take_is_as_the_rule_says() -> None:
    """A number where text is masked makes the document a mismatch, or becomes null."""
    lenient = Json((Inside("a", CharacterMask(), on_mismatch="null"), Inside("b", Email(mail_domain="keep"))))

    assert masked(lenient, '{"a": 5}', '{"a": {"x": 1}}', '{"b": "none"}') == ['{"a": null}', '{"a": null}', None]


def test_first_rule_decides() -> None:
    """Of two rules that name a field the first one counts; a rule may be of a pattern."""
    rules = (Inside("user.name", Fixed("X")), Inside("user.*", Redact()), Inside("user", keep="never reached"))

    assert masked(Json(rules), '{"user": {"name": "a", "mail": "b"}}') == ['{"user": {"name": "X", "mail": "*"}}']


def test_field_gets_the_pseudonym_of_its_domain() -> None:
    """A value in a document is masked as the same value in a column of its domain."""
    inside = Inside("mail", Email(), domain="person.email")
    rules = dm.Ruleset([dm.Rule("mail", Email(), domain="person.email"), dm.Rule("doc", Json((inside,)))])

    row = dm.mask_table(pa.table({"mail": ["a@b.cd"], "doc": ['{"mail": "a@b.cd"}']}), rules, dm.Key.generate())

    assert json.loads(row["doc"][0].as_py())["mail"] == row["mail"][0].as_py()


def test_long_columns_and_long_documents_are_masked_in_blocks() -> None:
    """A document is masked alike wherever in a column it stands."""
    long = json.dumps({"a": "x", "b": "y" * 3_000_000})
    values = [f'{{"a": "x", "b": {number}}}' for number in range(20_000)]

    made = masked(Json((FIX,), unlisted="keep"), *values, long, long)

    assert made[19_999] == '{"a": "X", "b": 19999}'
    assert made[-1] == made[-2] == long.replace('"x"', '"X"')


@pytest.mark.parametrize(
    ("masker", "message"),
    [
        (Json(()), "name at least one"),
        (Json((Inside("a"),)), "not both"),
        (Json((Inside("a", Redact(), keep="x"),)), "not both"),
        (Json((Inside("a..b", Redact()),)), "be a path"),
        (Json((Inside("a", Shuffle()),)), "whole columns"),
        (Json((Inside("a", DateShift()),)), "takes nothing"),
        (Json((FIX,), max_depth=0), "max_depth"),
    ],
)
def test_rules_that_make_no_sense_are_refused(masker: Json, message: str) -> None:
    """Mistakes in the rules are found before anything is read."""
    with pytest.raises(PlanError, match=message):
        masker.plan(pa.field("doc", pa.string()), Limits())


def test_numbers_are_masked_as_numbers() -> None:
    """A mask of numbers gets the exact number, and text becomes a mismatch there."""
    assert masked(Json((Inside("n", Bucket(10)),)), '{"n": 17}', '{"n": "17"}')[1] is None
    assert masked(Json((Inside("n", Bucket(10)),)), '{"n": 17}') == ['{"n": 10}']


def test_rulesets_write_rules_inside_as_rules() -> None:
    """A file has rules inside of a mask in the words of rules."""
    text = """
version: 1
rules:
  - field: doc
    mask:
      type: json
      unlisted: drop
      rules:
        - {field: user.email, mask: email, domain: person.email}
        - {field: id, keep: surrogate key}
"""
    rules = dm.Ruleset.from_yaml(text)

    inside = (Inside("user.email", Email(), domain="person.email"), Inside("id", keep="surrogate key"))
    assert rules.rules[0].mask == Json(inside, unlisted="drop")
    assert dm.Ruleset.from_yaml(rules.to_yaml()) == rules
