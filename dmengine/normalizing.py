"""Normalising of text before it is keyed, for sources that write one value in several ways.

A rule asks for it by `normalize: [trim, casefold, nfc]`. Whatever the order in the rule, the steps run in this one,
so that two rules with the same steps agree:

1. `trim`: no Unicode white space at either end.
2. `nfc`: composed form, so that "é" is one character however it was typed.
3. `casefold`: Unicode case folding: "STRASSE", "Straße" and "strasse" are one. Not lower case: that keeps "ß".
4. `nfc` again, where both are asked for, because folding can leave text that is not composed.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.errors import InputError, RulesetError

Step = Literal["trim", "casefold", "nfc"]
STEPS: Final[tuple[Step, ...]] = ("trim", "nfc", "casefold")
"""All steps, in the order they run."""


def normalize(values: pa.Array, steps: Sequence[Step]) -> pa.Array:
    """Return the values with the steps done, in the same type; nulls stay null.

    Values that are not text have one form already and come back as they are.

    >>> normalize(pa.array([" Straße ", "STRASSE"]), ["casefold", "trim"]).to_pylist()
    ['strasse', 'strasse']

    Raises:
        RulesetError: a step is unknown.
        InputError: a value is not valid UTF-8.
    """
    for step in steps:
        if step not in STEPS:
            close = get_close_matches(step, STEPS, 1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise RulesetError(f"unknown step of normalize: {step}", hint=f"{guess}steps are: {', '.join(STEPS)}")
    if not steps or not is_text(values.type):
        return values
    texts = values.cast(pa.string()) if pa.types.is_string_view(values.type) else values
    texts = _normalized(texts, frozenset(steps))
    return texts if texts.type == values.type else texts.cast(values.type)


def _normalized(texts: pa.Array, steps: frozenset[Step]) -> pa.Array:
    foreign = pc.fill_null(pc.invert(pc.string_is_ascii(texts)), False)
    ascii_only = not pc.any(foreign, min_count=0).as_py()
    if not ascii_only and not _is_utf8(texts):
        raise InputError("text is not valid UTF-8", hint="declare the encoding of the source, or mend it")
    if "trim" in steps:
        texts = pc.utf8_trim_whitespace(texts)
    folded = pc.ascii_lower(texts) if "casefold" in steps else texts
    if ascii_only or not steps & {"nfc", "casefold"}:
        return folded
    coded = texts.filter(foreign).dictionary_encode()
    return pc.replace_with_mask(folded, foreign, _composed(coded.dictionary, steps).take(coded.indices))


def _is_utf8(texts: pa.Array) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _composed(words: pa.Array, steps: frozenset[Step]) -> pa.Array:
    """Do `nfc` and `casefold` to distinct words; folding is Python's, because Arrow has none."""
    if "nfc" in steps:
        words = pc.utf8_normalize(words, "NFC")
    if "casefold" in steps:
        words = pa.array([word.casefold() for word in words.to_pylist()], words.type)
        if "nfc" in steps:
            words = pc.utf8_normalize(words, "NFC")
    return words
