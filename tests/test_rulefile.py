"""Ruleset files: they mean what they say, and every mistake is told with its line."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from dmengine import registry
from dmengine.conditions import Condition, all_of, any_of, field, not_
from dmengine.errors import RulesetError
from dmengine.pluginparams import GROUP
from dmengine.rulefile import load_ruleset, ruleset_schema, schema_text
from dmengine.rules import Dataset, Keep, Rule, Ruleset, drop, keep
from dmengine.yamlfile import load_document
from dmengine_maskers.character_mask import CharacterMask
from dmengine_maskers.constants import Null
from dmengine_maskers.dates import DateShift
from dmengine_maskers.email import Email
from dmengine_maskers.names import FirstName
from dmengine_maskers.redact import Redact

jsonschema: Any = pytest.importorskip("jsonschema")
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "rulesets.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)

EXAMPLE = """\
version: 1
unlisted: fail            # fail | drop | redact | {keep: "reason"}
datasets:
  - match: "customers/**"
    rules:
      - field: email
        mask: email
        domain: person.email
        normalize: [trim, casefold]
      - field: [first_name, "contacts[*].first_name"]
        mask: {type: first_name, locale: en_US}
      - field: card
        mask: {type: character_mask, keep_first: 6}
        on_mismatch: redact
      - field: born
        as: date
        format: "%d.%m.%Y"
        mask: {type: date_shift, days: 30, by: customer_id}
      - field: notes
        when: {field: country, in: [DE, NO]}
        mask: redact
        otherwise: {keep: "agent's template text only"}
rules:
  - field: [id, created_at]
    keep: "surrogate keys, no meaning outside"
  - field: fax
    drop: true
    optional: true
"""

MEANT = Ruleset(
    [
        keep("id", "created_at", because="surrogate keys, no meaning outside"),
        Rule("fax", drop("x").mask, optional=True),
    ],
    datasets=[
        Dataset(
            "customers/**",
            [
                Rule("email", Email(), domain="person.email", normalize=["trim", "casefold"]),
                Rule(["first_name", "contacts[*].first_name"], FirstName()),
                Rule("card", CharacterMask(keep_first=6), on_mismatch="redact"),
                Rule("born", DateShift(days=30, by="customer_id"), as_="date", format="%d.%m.%Y"),
                Rule(
                    "notes",
                    Redact(),
                    when=field("country").isin(["DE", "NO"]),
                    otherwise=keep(because="agent's template text only"),
                ),
            ],
        )
    ],
)


def problems(text: str) -> str:
    with pytest.raises(RulesetError) as caught:
        load_ruleset(text)
    assert caught.value.__context__ is None
    return str(caught.value)


def test_a_file_means_what_python_would_say(tmp_path: Path) -> None:
    """The same rules in YAML, in JSON, as text or as a file are equal to those written in Python."""
    (tmp_path / "rules.yaml").write_text(EXAMPLE)
    as_json = json.dumps(load_document(EXAMPLE, "x").data)

    assert load_ruleset(EXAMPLE) == MEANT
    assert load_ruleset(as_json) == MEANT
    assert load_ruleset(str(tmp_path / "rules.yaml")) == MEANT
    assert Ruleset.from_yaml(tmp_path / "rules.yaml").fingerprint == MEANT.fingerprint


def test_the_layout_of_a_file_does_not_change_its_fingerprint() -> None:
    """The order of keys within a rule means nothing; the order of rules does."""
    one = load_ruleset("rules:\n- field: a\n  mask: {type: email, mail_domain: keep, max_bytes: 60}\n  domain: d\n")
    two = load_ruleset(
        "rules: [{domain: d, mask: {max_bytes: 60, mail_domain: keep, type: email}, field: [a]}]\nversion: 1"
    )

    assert one.fingerprint == two.fingerprint


CONDITIONS: list[tuple[str, Condition]] = [
    ("{field: a, eq: NO}", field("a") == "NO"),
    ("{field: a, eq: 010}", field("a") == "010"),
    ("{field: a, eq: 10}", field("a") == 10),
    ("{field: a, eq: true}", field("a") == True),  # noqa: E712
    ("{field: a, in: [1, x, 2.5]}", field("a").isin([1, "x", 2.5])),
    ("{field: a, lt: 2024-01-31}", field("a") < "2024-01-31"),
    ("{field: a.b, gt: 1.5}", field("a.b") > 1.5),
    ("{field: a, matches: '^x'}", field("a").matches("^x")),
    ("{field: a, is_null: true}", field("a").is_null()),
    ("{field: a, exists: true}", field("a").exists()),
    ("{all: [{field: a, eq: 1}, {field: b, eq: 2}]}", all_of(field("a") == 1, field("b") == 2)),
    ("{any: [{field: a, eq: 1}]}", any_of(field("a") == 1)),
    ("{not: {not: {field: a, eq: ''}}}", not_(not_(field("a") == ""))),
]


@pytest.mark.parametrize(("written", "meant"), CONDITIONS)
def test_conditions_mean_what_python_would_say(written: str, meant: Condition) -> None:
    """Every test and every way of joining them reads as its counterpart in Python."""
    text = f"rules:\n- {{field: x, mask: email, when: {written}, otherwise: 'null'}}\n"

    assert load_ruleset(text).rules == (Rule("x", Email(), when=meant, otherwise=Null()),)


@pytest.mark.parametrize("place", ["mask: {fpe}", "mask: redact, when: {{field: a, eq: 1}}, otherwise: {fpe}"])
def test_a_parameter_called_keep_does_not_keep_the_field(place: str) -> None:
    """Beside a type, keep is a parameter of that mask, known or not, and never the action."""
    rule = place.format(fpe="{type: fpe, keep: '-'}")

    with pytest.raises(RulesetError, match=r"there is no keep here \(mask fpe\)"):
        load_ruleset(f"rules:\n- {{field: x, {rule}}}\n")


@pytest.mark.parametrize("written", ["null", "~", "'null'", "{type: 'null'}"])
def test_the_mask_null_needs_no_quotes(written: str) -> None:
    """YAML's null is the mask null where a mask is due, and the word null for on_mismatch."""
    text = f"rules:\n- {{field: x, mask: {written}, on_mismatch: null}}\n"

    assert load_ruleset(text).rules == (Rule("x", Null(), on_mismatch="null"),)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("fail", "fail"), ("drop", "drop"), ("redact", "redact"), ("{keep: why}", Keep("why"))],
)
def test_unlisted_fields_are_decided_in_one_word_or_with_a_reason(written: str, meant: Any) -> None:
    """Keeping what nobody named takes a reason."""
    assert load_ruleset(f"unlisted: {written}\nrules: []\n").unlisted == meant


BAD: list[tuple[str, str]] = [
    ("[]", "ruleset:1:1: the document wants a mapping"),
    ("", "ruleset:1:1: the document wants a mapping"),
    ("verison: 1", "ruleset:1:1: there is no verison here; did you mean version?"),
    ("xyz: 1", "ruleset:1:1: there is no xyz here; known are: version, unlisted, datasets, rules"),
    ("version: 2", "ruleset:1:10: version wants 1"),
    ("version: '1'", "ruleset:1:10: version wants 1"),
    ("unlisted: keep", "1:11: unlisted is not known; choose fail, drop, redact or {keep: why they may stay}"),
    ("unlisted: {keep: ' '}", "1:11: keep has no reason"),
    ("rules: {}", "1:8: rules wants a list"),
    ("rules: [email]", "1:9: rules wants a mapping"),
    ("datasets: [{match: 5, rules: []}]", "1:20: match wants text"),
    ("datasets: [{rules: []}]", "1:12: match is missing"),
    ("datasets: [{match: a, rules: [{field: x, maks: email}]}]", "1:42: there is no maks here; did you mean mask?"),
    ("datasets: [{match: a, rules: []}, {match: a, rules: []}]", "1:43: datasets[0] has the same match"),
    ("rules: [{mask: email}]", "1:9: field is missing"),
    ("rules: [{field: [], mask: email}]", "1:17: field wants at least 1"),
    ("rules: [{field: [1], mask: email}]", "1:18: field wants text"),
    ("rules: [{field: a..b, mask: email}]", "1:17: 'a..b' is not a field path; write"),
    ("rules: [{field: [x, '[*]'], mask: email}]", "1:21: '[*]' is not a field path"),
    ("rules: [{field: x}]", "1:9: the rule has no mask; write one of mask, keep and drop"),
    ("rules: [{field: x, mask: email, drop: true}]", "1:9: the rule has mask and drop"),
    ("rules: [{field: x, mask: emial}]", "1:26: there is no mask 'emial'; did you mean email?"),
    ("rules: [{field: x, mask: {type: emial}}]", "1:33: there is no mask 'emial'; did you mean email?"),
    ("rules: [{field: x, mask: {name: email}}]", "1:26: this names no mask; write the mask's name"),
    ("rules: [{field: x, mask: [email]}]", "1:26: this names no mask"),
    ("rules: [{field: x, mask: {keep: y}}]", "1:26: this names no mask; a field that is kept has keep:"),
    (
        "rules: [{field: x, mask: {type: email, mail_domian: y}}]",
        "1:40: there is no mail_domian here (mask email); did you mean",
    ),
    ("rules: [{field: x, mask: {type: email, max_bytes: '9'}}]", "1:51: max_bytes wants a whole number (mask email)"),
    ("rules: [{field: x, mask: {type: first_name, gender: femal}}]", "1:53: gender wants female or male"),
    ("rules: [{field: x, mask: {type: bucket, width: wide}}]", "1:48: width wants a whole number or a number"),
    ("rules: [{field: x, mask: {type: bucket, bounds: [1, b]}}]", "1:53: bounds wants a whole number or a number"),
    ("rules: [{field: x, mask: lookup}]", "1:26: corpus is missing (mask lookup)"),
    ("rules: [{field: x, keep: ''}]", "1:26: keep has no reason"),
    ("rules: [{field: x, keep: true}]", "1:26: keep has no reason"),
    ("rules: [{field: '*', keep: y}]", "1:9: * would keep fields that nobody has named"),
    ("rules: [{field: x, keep: y, domain: d}]", "1:37: domain says how to mask, and keep masks nothing"),
    ("rules: [{field: x, drop: false}]", "1:26: only true can stand here"),
    ("rules: [{field: x, mask: email, normalize: [trim, upper]}]", "1:51: normalize wants trim or casefold or nfc"),
    ("rules: [{field: x, mask: email, as: int}]", "1:37: as wants integer or number or date or timestamp or boolean"),
    ("rules: [{field: x, mask: email, format: '%Y'}]", "1:41: format without as"),
    ("rules: [{field: x, mask: email, optional: yes}]", "1:43: optional wants true or false"),
    ("rules: [{field: x, mask: email, on_mismatch: redcat}]", "wants fail or redact or null; did you mean redact?"),
    ("rules: [{field: x, mask: email, when: {field: a, eq: 1}}]", "1:9: when without otherwise"),
    ("rules: [{field: x, mask: email, otherwise: redact}]", "1:44: otherwise without when"),
    ("rules: [{field: x, mask: email, when: a, otherwise: redact}]", "1:39: when wants a mapping"),
    ("rules: [{field: x, mask: email, otherwise: {keep: ''}}]", "1:44: keep has no reason"),
    ("rules: [{field: x, mask: email, otherwise: {keep: y, why: z}}]", "1:44: keep takes a reason and nothing else"),
    ("rules: [{field: x, mask: email, otherwise: {keep: y, type: email}}]", "1:45: there is no keep here (mask email)"),
    ("rules: [{field: x, mask: email, otherwise: {keep: y, type: 5}}]", "1:44: this names no mask"),
    ("rules: [{field: x, mask: email, otherwise: {type: emial}}]", "1:51: there is no mask 'emial'"),
    ("rules: [{field: x, mask: email}, {field: x, mask: redact}]", "1:34: x never comes to this rule: rules[0] (x)"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_mistakes_are_told_with_their_place(text: str, said: str) -> None:
    """Line, column, what is wrong, and the nearest thing that would be right."""
    assert said in problems(text + "\n").replace("\n  To fix: ", "; ")


BAD_CONDITIONS: list[tuple[str, str]] = [
    ("{field: a}", "1:39: a condition has one test; choose one of eq, in, lt"),
    ("{field: a, gt: 1, lt: 3}", "1:39: a condition has one test"),
    ("{}", "1:39: a condition has one test"),
    ("{eq: 1}", "1:39: eq needs a field to look at"),
    ("{field: a, all: [{field: b, eq: 1}]}", "1:39: all takes no field beside it"),
    ("{fild: a, eq: 1}", "1:40: there is no fild here; did you mean field?"),
    ("{all: [{any: [{not: {field: a, equals: 1}}]}]}", "1:70: there is no equals here"),
    ("{field: a, eq: null}", "1:39: a condition on a cannot compare with null"),
    ("{field: a, eq: [1]}", "1:39: a condition on a cannot compare with a list"),
    ("{field: a, in: 1}", "1:54: in wants a list"),
    ("{field: a, in: []}", "1:39: isin() of a has no values"),
    ("{field: a, in: [null]}", "cannot compare with null"),
    ("{field: a, lt: true}", "1:39: true and false have no order (a)"),
    ("{field: a, matches: 1}", "1:59: matches wants text"),
    ("{field: a, matches: 'x('}", "1:39: the regular expression for a is not one"),
    ("{field: a, is_null: false}", "1:59: only true can stand here; to turn a condition round, write not:"),
    ("{field: a..b, eq: 1}", "1:47: 'a..b' is not a field path"),
    ("{all: []}", "1:39: all and any need at least one condition"),
    ("{not: [{field: a, eq: 1}]}", "1:45: not wants a mapping"),
]


@pytest.mark.parametrize(("written", "said"), BAD_CONDITIONS)
def test_mistakes_in_conditions_are_told_with_their_place(written: str, said: str) -> None:
    """A condition that could be read in two ways, or in none, is refused where it stands."""
    text = f"rules: [{{field: x, mask: email, when: {written}, otherwise: redact}}]\n"

    assert said in problems(text).replace("\n  To fix: ", "; ")


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order() -> None:
    """Structure, masks and conditions are checked together; the list goes from top to bottom."""
    text = "rules:\n- {field: x, mask: emial}\n- {field: y, mask: {type: email, a: 1}}\n- {field: z}\nverison: 1\n"

    lines = problems(text).splitlines()

    assert lines[0] == "4 problems in ruleset:"
    assert [line.split(":")[1] for line in lines[1:]] == ["2", "3", "4", "5"]


def test_errors_do_not_repeat_what_was_written() -> None:
    """A value in a wrong place, perhaps pasted from the data, does not end up in the message."""
    secret = "4111-1111-1111-1234"

    for text in (
        f"version: {secret}",
        f"unlisted: {secret}",
        f"rules: [{{field: x, mask: {{type: email, max_bytes: {secret}}}}}]",
        f"rules: [{{field: x, mask: email, on_mismatch: {secret}, optional: {secret}}}]",
        f"rules: [{{field: x, mask: email, when: {{field: a, matches: '{secret}('}}, otherwise: redact}}]",
    ):
        assert secret not in problems(text + "\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, unreadable as UTF-8, too large: each error names the file, and shows none of it."""
    (tmp_path / "latin.yaml").write_bytes(b"rules: [\xe4]")
    (tmp_path / "large.yaml").write_bytes(b"#" * (2 << 20))

    with pytest.raises(RulesetError, match=r"none\.yaml cannot be read: No such file"):
        load_ruleset(tmp_path / "none.yaml")
    with pytest.raises(RulesetError, match=r"latin\.yaml is not UTF-8") as caught:
        load_ruleset(tmp_path / "latin.yaml")
    assert caught.value.__context__ is None
    with pytest.raises(RulesetError, match=r"large\.yaml is larger than 1 MiB"):
        load_ruleset(tmp_path / "large.yaml")


# ------------------------------------------------------------------------------------------ schema and docs

SCHEMA = ruleset_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_published_schema_is_that_of_the_models() -> None:
    """docs/ruleset.schema.json is what `dmengine.rulefile.schema_text` returns."""
    published = (DOCS / "ruleset.schema.json").read_text("utf-8")

    assert json.loads(published) == json.loads(schema_text())


def test_the_schema_knows_every_mask() -> None:
    """Each installed mask is a branch of its own, with its parameters and its docstring."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    branches = {branch["title"]: branch for branch in SCHEMA["$defs"]["mask"]["oneOf"] if "properties" in branch}

    assert sorted(branches) == registry.names(GROUP)
    assert all(branch["description"] for branch in branches.values())
    assert branches["lookup"]["required"] == ["type", "corpus"]


@pytest.mark.parametrize("text", [EXAMPLE, *BLOCKS], ids=lambda text: text.splitlines()[-1].strip())
def test_every_example_loads_and_fits_the_schema(text: str) -> None:
    """The rulesets of the documentation are rulesets."""
    load_ruleset(text)

    assert [error.message for error in VALIDATOR.iter_errors(load_document(text, "x").data)] == []


BEYOND_SCHEMA = "twice|same match|never comes|nobody|field path|says how|no reason"


@pytest.mark.parametrize("text", [text for text, said in BAD if not re.search(BEYOND_SCHEMA, said)])
def test_an_editor_sees_the_same_mistakes(text: str) -> None:
    """What a schema can express, the JSON Schema refuses as the loader does."""
    assert list(VALIDATOR.iter_errors(load_document(text, "x").data))


def test_the_page_about_rulesets_is_true() -> None:
    """Every Python block of the page runs and gives what it shows."""
    document = Sybil(parsers=[PythonCodeBlockParser(doctest_optionflags=_OPTIONS)]).parse(DOCS / "rulesets.md")

    examples = list(document.examples())
    assert len(examples) >= 6
    for example in examples:
        example.evaluate()
    assert len(BLOCKS) >= 4
