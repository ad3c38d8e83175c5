"""Masks that shape texts, imitate them, or make them up."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine.testing.context import mask_array, mask_values
from dmengine_maskers import (
    CharacterMask,
    Choice,
    FormatString,
    FromField,
    Imitate,
    Lorem,
    RandomText,
    RegexReplace,
    Template,
    Truncate,
    characters,
)
from dmengine_maskers.characters import build, load

TEXT = pa.field("value", pa.string())
SCRIPTS = "Straße 12, Łódź Ðž; Жуковский ΣΟΦΙΑ ά; שלום; مرحبا ٤٢; हिन्दी; ไทย; "
SCRIPTS += "山田太郎 カタカナ ひらがな; 한국어; ﬀ ² Ⅷ ①"


def test_imitation_keeps_script_case_and_bytes() -> None:
    """Every letter and digit of any script becomes one of the same category and length, and the rest stays."""
    values = [SCRIPTS[i:] for i in range(len(SCRIPTS))]

    masked = mask_values(Imitate(), values)

    for before, after in zip(values, masked, strict=True):
        assert [len(c.encode()) for c in after] == [len(c.encode()) for c in before]
        for was, now in zip(before, after, strict=True):
            kinds = unicodedata.category(was), unicodedata.category(now)
            assert kinds[0][0] == kinds[1][0]
            assert was == now if kinds[0][0] not in "LNM" else True
            assert unicodedata.name(was).split()[0] == unicodedata.name(now).split()[0] or kinds[0] not in ("Lu", "Ll")


def test_forced_imitation_changes_every_character() -> None:
    """With force_change, no character that is replaced stays what it was."""
    text = "".join(c for c in SCRIPTS if unicodedata.category(c)[0] in "LN")
    values = [text[i:] + text[:i] for i in range(len(text))]

    masked = mask_values(Imitate(force_change=True), values)

    assert all(was != now for b, a in zip(values, masked, strict=True) for was, now in zip(b, a, strict=True))


def test_imitation_is_the_same_beside_other_scripts() -> None:
    """A text is imitated alike in a block of ASCII and in one that has other characters."""
    plain = ["Alice 42", "x" * 40, ""]

    alone = mask_values(Imitate(), plain)
    beside = mask_values(Imitate(), [*plain, "Łódź"])

    assert beside[:3] == alone


def test_imitation_spreads_evenly() -> None:
    """Each letter comes about as often as any other."""
    masked = mask_array(Imitate(), pa.array([f"a{n}" for n in range(26_000)]))

    counts = Counter(text[0] for text in masked.to_pylist())

    assert len(counts) == 26
    assert max(abs(count - 1000) for count in counts.values()) < 6 * 1000**0.5


@pytest.mark.parametrize("odd", ["a\ue000", "\u0378", "\U0010ffff"])
def test_character_that_nobody_knows_is_a_mismatch(odd: str) -> None:
    """Private and unassigned code points do not pass through."""
    assert mask_values(Imitate(), ["ok", odd], on_mismatch="null")[1] is None


def test_table_of_characters_has_every_letter_and_digit_once() -> None:
    """Each letter and digit is a member of its own class, and no class has fewer than four members."""
    table = load()
    letters = [point for point in range(0x110000) if unicodedata.category(chr(point))[0] in "LN"]

    classes = table.of[letters]

    assert (classes > 1).all() or unicodedata.unidata_version != "14.0.0"
    assert len(np.unique(table.members)) == len(table.members)
    assert (np.repeat(np.arange(len(table.sizes)), table.sizes) == table.of[table.members]).all()
    assert table.sizes[2:].min() >= build.SMALLEST


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="the table is of Unicode 14, Python 3.11's")
def test_table_of_characters_is_what_its_script_builds() -> None:
    """The table in the package can be made again, byte for byte."""
    [path] = characters.__path__

    packed = pa.OSFile(f"{path}/classes.v1.txt.gz").read()

    assert gzip.decompress(packed).decode() == build.build()


@pytest.mark.parametrize("pattern", [r"[0-9]+", r"\bb[^ ]*", r"ü.", r"(a)(b)?", "x", r"[^ ]+$"])
def test_matches_are_replaced_where_python_finds_them(pattern: str) -> None:
    """Masks are put where the matches were, whatever lies between, before and after."""
    values = ["", "ab", "abab", "room 12 bed 3", "bü büü b", "x", "xx x", "12", "no", "ab\nab 7"]
    mask = RegexReplace(pattern, masks=(CharacterMask(),), no_match="keep")

    masked = mask_values(mask, values)

    assert masked == [re.sub(pattern, lambda match: "*" * len(match[0]), value) for value in values]


def test_value_without_a_match_does_not_pass() -> None:
    """A text in which nothing is found is a mismatch, unless it is said that it may stay."""
    assert mask_values(RegexReplace("[0-9]+", "#"), ["a1", "secret"], on_mismatch="null") == ["a#", None]
    assert mask_values(RegexReplace("[0-9]+", "#", no_match="keep"), ["a1", "public"]) == ["a#", "public"]


def test_text_is_never_cut_within_a_character() -> None:
    """Bytes are counted, and characters kept whole."""
    values = ["añb", "山田", "👍🏽", "", "abcdef"]

    masked = [mask_values(Truncate(max_bytes=most), values) for most in range(1, 9)]

    for most, texts in enumerate(masked, 1):
        assert texts == [value.encode()[:most].decode(errors="ignore") for value in values]


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("{[A-C],3}-{0:99,02}", r"[A-C]{3}-[0-9]{2}"),
        ("{7:1200}", r"[7-9]|[1-9][0-9]{1,3}"),
        ("{0x0:0xfff,03}", r"[0-9a-f]{3}"),
        (r"{[\-\]x],4}", r"[\-\]x]{4}"),
        ("{{{(a||bc)}}}", r"\{(a||bc)\}"),
        ("{[äöü],2}{[0-9],9}", r"[äöü]{2}[0-9]{9}"),
        ("x", "x"),
    ],
)
def test_made_text_has_the_form_that_was_asked_for(form: str, pattern: str) -> None:
    """A text is what its format says, and all of the format's texts come."""
    masked = mask_values(FormatString(form), [str(n) for n in range(2000)])

    assert all(re.fullmatch(pattern, text) for text in masked)
    assert len(set(masked)) > 1 or form == "x"


def test_range_comes_whole_and_evenly() -> None:
    """Both ends of a range come, and nothing outside."""
    counts = Counter(mask_values(FormatString("{8:12}"), [str(n) for n in range(5000)]))

    assert set(counts) == {"8", "9", "10", "11", "12"}
    assert max(abs(count - 1000) for count in counts.values()) < 6 * 1000**0.5


@pytest.mark.parametrize("form", ["{", "}", "{[a-z]", "{[z-a]}", "{9:1}", "{a}", "{[a],0}", "{(a}", "{1:ff}"])
def test_unreadable_format_is_refused(form: str) -> None:
    """A format that cannot be read is a PlanError that says why."""
    with pytest.raises(PlanError, match="format must be readable"):
        FormatString(form).plan(TEXT, Limits())


def test_choices_come_as_often_as_they_weigh() -> None:
    """Weights are chances, whatever they add up to."""
    counts = Counter(mask_values(Choice(("a", "b", "c"), weights=(5, 3, 2)), [str(n) for n in range(10_000)]))

    assert all(abs(counts[name] - share) < 6 * share**0.5 for name, share in (("a", 5000), ("b", 3000), ("c", 2000)))


def test_random_text_shows_nothing_of_its_length() -> None:
    """Texts of any length become texts of the lengths that were asked for, all of them."""
    lengths = Counter(len(text) for text in mask_values(RandomText(6, minimum=3), ["x" * n for n in range(400)]))

    assert set(lengths) == {3, 4, 5, 6}


def test_filler_is_as_long_as_the_text() -> None:
    """Filler has the text's characters in number, and begins with a whole word."""
    values = ["x" * n for n in range(1, 900, 7)]

    masked = mask_values(Lorem(), values)

    assert [len(text) for text in masked] == [len(value) for value in values]
    assert len({text.split()[0] for text in masked[30:]}) > 20


def test_template_writes_values_as_they_are_keyed() -> None:
    """Numbers and dates stand in a template in their canonical form, and nulls as nothing."""
    masked = mask_values(
        Template("{}|{n}|{d:upper}|{n:initial}"), ["v", "w"], beside={"n": [42.0, None], "d": ["é", "x"]}
    )

    assert masked == ["v|42|É|4", "w||X|"]


def test_copy_that_does_not_fit_is_a_mismatch() -> None:
    """A value of the other field that this column cannot hold is reported, not bent."""
    masked = mask_values(FromField("n"), [1, 2, 3], beside={"n": ["17", "x", None]}, on_mismatch="null")

    assert masked == [17, None, None]
