"""Strict YAML: no surprises, no bombs, and the place of everything."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dmengine.errors import RulesetError
from dmengine.yamlfile import dump_document, load_document

SCALARS: list[tuple[str, Any]] = [
    ("NO", "NO"),
    ("on", "on"),
    ("True", "True"),
    ("true", True),
    ("false", False),
    ("null", None),
    ("~", None),
    ("NULL", "NULL"),
    ("010", "010"),
    ("0x1F", "0x1F"),
    ("1_000", "1_000"),
    ("12:30:45", "12:30:45"),
    ("2024-01-31", "2024-01-31"),
    ("+49", "+49"),
    ("0", 0),
    ("-17", -17),
    ("1.50", 1.5),
    ("1e3", 1000.0),
    (".5", ".5"),
    (".nan", ".nan"),
    ("'1'", "1"),
    ('"true"', "true"),
    ("<<", "<<"),
    ("=", "="),
    ("|\n  two\n  lines\n", "two\nlines\n"),
]


@pytest.mark.parametrize(("written", "meant"), SCALARS)
def test_only_the_scalars_of_json_are_not_text(written: str, meant: Any) -> None:
    """Country codes, ZIP codes, times and dates stay the text that was written."""
    data = load_document(f"key: {written}", "x.yaml").data

    assert data == {"key": meant}
    assert type(data["key"]) is type(meant)


def test_keys_are_always_text() -> None:
    """`on`, `1` and `null` are names like any other."""
    assert load_document("on: 1\n1: 2\nnull: 3\n", "x").data == {"on": 1, "1": 2, "null": 3}


def test_json_is_read_too() -> None:
    """A JSON file, indented by tabs or not at all, is a document."""
    data = {"rules": [{"field": "a", "keep": 'say "why"\n'}], "n": [1, -2.5, True, None, "ä"]}

    for indent in (None, 2, "\t"):
        assert load_document(json.dumps(data, indent=indent), "x.json").data == data


def test_everything_has_its_place() -> None:
    """Values and keys are found by line and column, counted in characters from 1."""
    document = load_document("ä: {b: [1, {c: d}]}\nlist:\n  - é\n  - \n    x: y\n", "f.yaml")

    assert document.position(()) == (1, 1)
    assert document.position(("ä", "b", 1, "c")) == (1, 16)
    assert document.position(("ä", "b", 1, "c"), on_key=True) == (1, 13)
    assert document.position(("list", 1, "x")) == (5, 8)
    assert document.position(("list", 1, "x", "deeper", 3)) == (5, 8)
    assert document.where(("list", 0)) == "f.yaml:3:5"


BAD: list[tuple[str, str, str]] = [
    ("a: 1\na: 2", "2:1", "the key 'a' is here twice, first at 1:1"),
    ('{"a": 1, "a": 1}', "1:10", "twice"),
    ("a: &x [1]\nb: 2", "1:4", "anchors"),
    ("a: *x", "1:4", "anchors"),
    ("a: !!python/object:os.system x", "1:4", "tags"),
    ("!x\na: b", "1:1", "tags"),
    ("a: !!str 1", "1:4", "tags"),
    ("a: 1\n---\nb: 2", "2:1", "second document"),
    ("? [a]\n: 1", "1:3", "key"),
    ("a:\nb: 1", "1:3", "nothing stands here"),
    ("- \n- 1", "1:2", "nothing stands here"),
    ("a: 1e999", "1:4", "bounds"),
    ("a: " + "9" * 500, "1:4", "bounds"),
    ("a: [1", "2:1", ""),
    ("a: [x[*].y]", "1:7", ""),
    ("\tb: 1", "1:1", ""),
    ("a: b: c", "1:5", ""),
    ("a: \x00", "1:1", "characters"),
    ("a: \ud800", "1:1", "characters"),
]


@pytest.mark.parametrize(("text", "place", "said"), BAD)
def test_what_is_not_plain_yaml_is_refused_with_its_place(text: str, place: str, said: str) -> None:
    """Anchors, tags, double keys and the rest stop at line and column, with no parser's error behind."""
    with pytest.raises(RulesetError) as caught:
        load_document(text, "rules.yaml")

    assert caught.value.message.startswith("rules.yaml:")
    assert said in caught.value.message
    assert caught.value.__context__ is None
    if said:  # where only the parser speaks, its version decides about the column
        assert caught.value.message.startswith(f"rules.yaml:{place}: ")


BOMBS = {
    "aliases": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n",
    "lists": "[" * 500_000,
    "maps": "{a: " * 200_000,
    "dashes": "- " * 500_000,
    "large": "#" * (1 << 20) + "#",
    "wide characters": "ä" * 600_000,
    "digits": "9" * 1_000_000,
    "tags": "!" * 1_000_000,
    "quotes": '"' * 999_999,
    "colons": ":" * 1_000_000,
    "tabs": "\t" * 1_000_000,
    "nul": "\0" * 1_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str) -> None:
    """Documents that grow, nest or loop are refused by limits on size and depth, before anything is built."""
    with pytest.raises(RulesetError) as caught:
        load_document(BOMBS[name], "bomb.yaml")

    assert len(str(caught.value)) < 300


def test_depth_is_counted_to_the_level() -> None:
    """Fifty levels are read; fifty-one are not."""
    fifty = "[" * 50 + "1" + "]" * 50

    assert load_document(fifty, "x").data
    with pytest.raises(RulesetError, match="nested more than 50"):
        load_document(f"[{fifty}]", "x")


def test_errors_do_not_repeat_the_file() -> None:
    """A data file given by mistake does not end up in a message or a traceback's chain."""
    secret = "4111-1111-1111-1234"

    for text in (f'"{secret}', f"- {secret}: [", f"a: {secret}: b", f"a: {secret}\n\x01"):
        with pytest.raises(RulesetError) as caught:
            load_document(text, "x")
        assert secret not in "".join(traceback.format_exception(caught.value)).replace(repr(text), "")


def test_an_empty_file_is_nothing() -> None:
    """No text, or comments alone, mean null."""
    assert load_document("", "x").data is None
    assert load_document("# nothing\n", "x").data is None


TEXT = st.text() | st.sampled_from(
    [written for written, _ in SCALARS] + ["1E5", "1e+5", "-0", "- a", "*", "&a", "!x", "%", "\ufeff", "\x85", "\u2028"]
)
LEAVES = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(LEAVES | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(DATA)
def test_what_is_written_reads_back(data: Any) -> None:
    """Any data, whatever characters it has, is the same after writing and reading."""
    assert load_document(dump_document(data), "x").data == data


@given(TEXT)
def test_text_stays_text_for_other_readers_too(text: str) -> None:
    """A YAML 1.1 reader, which takes NO for false and 010 for 8, reads our text as text."""
    assert yaml.safe_load(dump_document([text])) == [text]
