"""CharacterMask."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine.testing.context import mask_array, mask_values
from dmengine_maskers import CharacterMask


def expected(text: str, mask: CharacterMask) -> str:
    """Say the same, character by character."""
    places = [i for i, c in enumerate(text) if c not in mask.chars_to_ignore]
    if len(places) > mask.keep_first + mask.keep_last:
        places = places[mask.keep_first : len(places) - mask.keep_last]
    return "".join(mask.masking_char if i in places else c for i, c in enumerate(text))


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=8),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from(["", "-", " -.a*"]),
)
def test_mask_hides_what_the_slow_way_hides(texts: list[str], first: int, last: int, ignored: str) -> None:
    """Columns of any texts are masked as a loop over their characters would."""
    mask = CharacterMask(keep_first=first, keep_last=last, chars_to_ignore=ignored)

    assert mask_values(mask, texts) == [expected(text, mask) for text in texts]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("Bo", "**"),
        ("Bob", "B*b"),
        ("Zoë!", "Z**!"),
        ("👩🏽 ok", "👩***k"),
        ("e\u0301te\u0301", "e***\u0301"),
        ("אבגד", "א**ד"),
        ("a\0bc", "a**c"),
    ],
)
def test_code_points_are_counted(text: str, masked: str) -> None:
    """Every Unicode code point counts as one character, and a text that is too short is hidden whole."""
    mask = CharacterMask(keep_first=1, keep_last=1)

    assert mask_values(mask, [text]) == [masked]


def test_very_long_text_is_masked_whole() -> None:
    """Length has no limit but memory."""
    assert mask_values(CharacterMask(keep_last=1), ["x" * 1_000_000]) == ["*" * 999_999 + "x"]


def test_many_rows_are_masked_as_few_are() -> None:
    """A column of many blocks is masked as each of its values is alone."""
    texts = [f"Nummer {n} ü" for n in range(40_000)]
    mask = CharacterMask(keep_first=2, keep_last=1)

    masked = mask_array(mask, pa.array(texts)).to_pylist()

    assert masked[::997] == [expected(text, mask) for text in texts[::997]]
    assert len(masked) == len(texts)


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (CharacterMask(masking_char=""), "masking_char"),
        (CharacterMask(masking_char="**"), "masking_char"),
        (CharacterMask(masking_char="●"), "masking_char"),
        (CharacterMask(masking_char="\n"), "masking_char"),
        (CharacterMask(keep_first=-1), "keep_first"),
        (CharacterMask(chars_to_ignore="–"), "chars_to_ignore"),
    ],
)
def test_bad_option_is_refused(mask: CharacterMask, problem: str) -> None:
    """An option that makes no sense is refused at plan time, by its name."""
    with pytest.raises(PlanError, match=problem):
        mask.plan(pa.field("f", pa.string()), Limits())
