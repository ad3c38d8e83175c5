"""Promises of normalising: what sources write differently becomes one text, whatever the order of the steps."""

from __future__ import annotations

import itertools
import traceback
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.errors import InputError, RulesetError
from dmengine.normalizing import STEPS, Step, normalize

ALL: list[Step] = ["trim", "nfc", "casefold"]
ASSIGNED = st.text(st.characters(exclude_categories=["Cn", "Cs"]))  # Arrow may know a newer Unicode than Python does


@pytest.mark.parametrize(
    ("steps", "text", "expected"),
    [
        (["trim"], "\u00a0 José\t\n", "José"),
        (["trim"], "a b", "a b"),
        (["casefold"], "STRASSE", "strasse"),
        (["casefold"], "Straße", "strasse"),
        (["casefold"], "ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        (["casefold"], "σίσυφος", "σίσυφοσ"),
        (["casefold"], "İ", "i\u0307"),
        (["nfc"], "Jose\u0301", "José"),
        (["nfc"], "ﬁ", "ﬁ"),
        (["nfc", "casefold"], "J\u030c", "\u01f0"),
        (["nfc", "casefold"], "\u01f0", "\u01f0"),
        ([], " X ", " X "),
    ],
)
def test_steps_do_what_they_say(steps: list[Step], text: str, expected: str) -> None:
    """Each step changes what it names and nothing else."""
    assert normalize(pa.array([text, "ascii"]), steps)[0].as_py() == expected


@given(st.lists(ASSIGNED | st.none()), st.permutations(ALL))
def test_order_of_steps_does_not_matter(texts: list[str | None], order: list[Step]) -> None:
    """Two rules with the same steps agree, in whatever order they list them."""
    values = pa.array(texts, pa.string())

    assert normalize(values, order).equals(normalize(values, ALL))


@given(st.lists(ASSIGNED | st.none()), st.sets(st.sampled_from(STEPS)))
def test_vectors_agree_with_python(texts: list[str | None], steps: set[Step]) -> None:
    """The columns come out as Python's own strip, normalize and casefold would have them one by one."""

    def slowly(text: str) -> str:
        text = text.strip() if "trim" in steps else text
        text = unicodedata.normalize("NFC", text) if "nfc" in steps else text
        text = text.casefold() if "casefold" in steps else text
        return unicodedata.normalize("NFC", text) if "nfc" in steps else text

    found = normalize(pa.array(texts, pa.string()), sorted(steps)).to_pylist()

    assert found == [None if text is None else slowly(text) for text in texts]


@given(ASSIGNED)
def test_composed_and_decomposed_text_is_one(text: str) -> None:
    """Text typed composed and text typed decomposed end up equal."""
    forms = pa.array([unicodedata.normalize(form, text) for form in ("NFC", "NFD")])

    composed, decomposed = normalize(forms, ALL).to_pylist()

    assert composed == decomposed


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("words", [[" A", None, "B "], [" Ä", None, "ß "], []], ids=["ascii", "other", "empty"])
def test_type_length_and_nulls_stay(kind: pa.DataType, words: list[str | None]) -> None:
    """The values come back in their own type, as many as went in, nulls in place."""
    found = normalize(pa.array(words, kind), ALL)

    assert found.type == kind
    assert found.to_pylist() == [word if word is None else word.strip().casefold() for word in words]


def test_ascii_rows_do_not_depend_on_their_neighbours() -> None:
    """A value is normalised alike in a batch of ASCII and in a batch with other text."""
    alone, beside = pa.array(["\x1f Kelvin K "]), pa.array(["Ω", "\x1f Kelvin K "])

    assert normalize(alone, ALL)[0] == normalize(beside, ALL)[1]


def test_what_is_not_text_stays() -> None:
    """Numbers and binary have one form already and are returned as they are."""
    numbers = pa.array([1, None])

    assert normalize(numbers, ALL) is numbers


def test_unknown_steps_are_refused_with_a_suggestion() -> None:
    """A misspelt step is named, with the step that was meant."""
    for steps in itertools.permutations(["trim", "case_fold"]):
        with pytest.raises(RulesetError, match="case_fold") as caught:
            normalize(pa.array(["a"]), steps)  # type: ignore[arg-type]

        assert "did you mean casefold?" in caught.value.hint


def test_text_that_is_not_utf8_is_refused_without_being_quoted() -> None:
    """Broken text stops with a named error that holds none of its bytes, nor does its chain."""
    data, ends = b"canary\xff\xfe", np.array([0, 8], np.int32)
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(data)])

    for step in STEPS:
        with pytest.raises(InputError, match="UTF-8") as caught:
            normalize(broken, [step])

        assert "canary" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__context__ is None
