"""Ruleset files as they are written: they read back equal, and are for people too."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.conditions import Condition, all_of, any_of, field, not_
from dmengine.errors import RulesetError
from dmengine.functions import masker
from dmengine.paths import FieldPath
from dmengine.rulefile import dump_ruleset, load_ruleset, ruleset_schema
from dmengine.rules import Dataset, Keep, Normalize, ReadAs, Rule, Ruleset, keep
from dmengine.spi import Masker
from dmengine.yamlfile import load_document
from dmengine_maskers.character_mask import CharacterMask
from dmengine_maskers.constants import Fixed, Null
from dmengine_maskers.email import Email
from dmengine_maskers.fpe import Fpe
from dmengine_maskers.names import FirstName
from dmengine_maskers.numbers import Bucket
from dmengine_maskers.redact import Redact

jsonschema: Any = pytest.importorskip("jsonschema")
VALIDATOR = jsonschema.Draft202012Validator(ruleset_schema())

WORDS = st.text(min_size=1).filter(str.strip)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ -]{0,6}[a-z]", fullmatch=True) | WORDS
SCALARS = st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    """Draw one comparison."""
    test = field(FieldPath.of(draw(NAMES)))
    made: Condition = draw(
        st.one_of(
            SCALARS.map(test.eq),
            st.lists(SCALARS, min_size=1, max_size=3).map(test.isin),
            EDGES.map(test.lt),
            EDGES.map(test.gt),
            st.text().map(re.escape).map(test.matches),
            st.just(test.is_null()),
            st.just(test.exists()),
        )
    )
    return made


WHEN = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda c: all_of(*c)),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: any_of(*c)),
        inner.map(not_),
    ),
    max_leaves=5,
)
MASKS: st.SearchStrategy[Masker] = st.one_of(
    st.just(Null()),
    st.builds(Redact, text=st.text()),
    st.builds(Fpe, chars_to_ignore=st.text()),
    st.builds(Fixed, SCALARS),
    st.builds(CharacterMask, keep_first=st.integers(0, 9), chars_to_ignore=st.text()),
    st.builds(Bucket, bounds=st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False)).map(tuple)),
    st.builds(FirstName, locale=st.sampled_from(["de_DE", "en_US"]), gender=st.sampled_from([None, "male"])),
)


FOLDINGS: tuple[Normalize, ...] = ("trim", "casefold", "nfc")


@st.composite
def rules_of(draw: st.DrawFn) -> list[Rule]:
    """Draw a list of rules, none of which hides another."""
    made = []
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        paths = [FieldPath.of(name), FieldPath.of("list", name)]
        if draw(st.integers(0, 3)) == 0:
            made.append(Rule(paths, Keep(draw(WORDS)), optional=draw(st.booleans())))
            continue
        when = draw(st.none() | WHEN)
        read_as: ReadAs | None = draw(st.sampled_from([None, "date", "number"]))
        made.append(
            Rule(
                paths[: draw(st.integers(1, 2))],
                draw(MASKS),
                domain=draw(st.none() | WORDS),
                normalize=draw(st.lists(st.sampled_from(FOLDINGS), unique=True)),
                as_=read_as,
                format="%d.%m." if read_as == "date" else None,
                when=when,
                otherwise=None if when is None else draw(MASKS | WORDS.map(Keep)),
                on_mismatch=draw(st.sampled_from(["fail", "redact", "null"])),
                optional=draw(st.booleans()),
            )
        )
    return made


@settings(max_examples=60, deadline=None)
@given(rules_of(), st.lists(rules_of(), max_size=2), st.sampled_from(["fail", "drop", "redact"]) | WORDS.map(Keep))
def test_what_is_written_reads_back_equal(general: list[Rule], own: list[list[Rule]], unlisted: Any) -> None:
    """Any ruleset of installed masks is the same ruleset after a journey through YAML, and fits the JSON Schema."""
    datasets = [Dataset(f"d{number}/**", rules) for number, rules in enumerate(own)]
    ruleset = Ruleset(general, unlisted=unlisted, datasets=datasets)

    text = ruleset.to_yaml()

    again = load_ruleset(text)
    assert again == ruleset
    assert again.fingerprint == ruleset.fingerprint
    assert not list(VALIDATOR.iter_errors(load_document(text, "x").data))


def test_written_files_are_for_people_too() -> None:
    """Only what is not at its default is written, masks without parameters by their name alone."""
    text = dump_ruleset(Ruleset([Rule("a", Email()), Rule(["b", "c"], Email(mail_domain="keep"), domain="d")]))

    assert text == (
        "version: 1\nunlisted: fail\nrules:\n- field: a\n  mask: email\n"
        "- field:\n  - b\n  - c\n  mask:\n    type: email\n    mail_domain: keep\n  domain: d\n"
    )


def test_a_function_cannot_be_written() -> None:
    """A file names masks, so a mask that has no name in the registry is refused, also if it borrows one."""
    for name in ("shout", "email"):
        function = masker(name=name)(_upper)
        with pytest.raises(RulesetError, match=f"the mask {name} has no name that a ruleset file could use"):
            Ruleset([Rule("a", function)]).to_yaml()


def _upper(value: str) -> str:
    return value.upper()


def test_a_parameter_that_yaml_would_change_is_refused() -> None:
    """What does not read back as it was is not written at all."""
    ruleset = Ruleset([Rule("a", Fixed(Decimal("1.10")))])  # type: ignore[arg-type]

    with pytest.raises(RulesetError, match="cannot be written to a file and read back"):
        ruleset.to_yaml()


def test_an_invalid_ruleset_is_not_written() -> None:
    """A file that could not be read again is never made."""
    with pytest.raises(RulesetError, match="keep has no reason"):
        Ruleset([keep("a", because="")]).to_yaml()
