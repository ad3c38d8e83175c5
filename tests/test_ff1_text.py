"""Texts are spelled in an alphabet and written back with nothing of their form lost."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from dmengine.errors import MaskError, PlanError
from dmengine.ff1 import FF1, decrypt_text, digits_of, encrypt_text

DIGITS = "0123456789"
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
KEY = bytes(range(32))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("alphabet", [DIGITS, BASE36, "aé漢😀zбвгдеёжзий"], ids=["digits", "base36", "unicode"])
def test_texts_of_mixed_lengths_are_enciphered_each_alone(kind: pa.DataType, alphabet: str) -> None:
    """Each value of a column is enciphered as if alone, keeps its length and type, and goes back; nulls stay."""
    rng = random.Random(5)
    texts = ["".join(rng.choices(alphabet, k=rng.randint(6, 30))) for _ in range(200)]
    column = pa.array([*texts, None, texts[0]], kind)
    cipher = FF1(KEY, len(alphabet), b"text")

    masked = encrypt_text(cipher, alphabet, column)

    alone = [cipher.encrypt_digits(np.array([[alphabet.index(c) for c in text]]))[0].tolist() for text in texts]
    expected = ["".join(alphabet[digit] for digit in digits) for digits in alone]
    assert masked.to_pylist() == [*expected, None, expected[0]]
    assert masked.type == kind
    masked.validate(full=True)
    assert decrypt_text(cipher, alphabet, masked).equals(column)


@pytest.mark.parametrize("alphabet", [DIGITS, DIGITS + "é"], ids=["bytes", "code points"])
def test_other_characters_stay_where_they_are(alphabet: str) -> None:
    """With `skip_others`, punctuation and foreign letters keep their place and only the alphabet is enciphered."""
    texts = ["4111-1111-1111-1111", "+49 (0) 89 / 1234567", "№ 123.456.789 ü", None, "4111111111111111"]
    cipher = FF1(KEY, len(alphabet))

    masked = encrypt_text(cipher, alphabet, pa.array(texts), skip_others=True)

    bare = encrypt_text(cipher, alphabet, pa.array(["4111111111111111"])).to_pylist()[0]
    results = masked.to_pylist()
    assert results[0].replace("-", "") == bare == results[4]
    for text, result in zip(texts, results, strict=True):
        shape = [c for c in text or "" if c not in alphabet]
        assert shape == [c for c in result or "" if c not in alphabet]
        assert result != text or text is None
    assert decrypt_text(cipher, alphabet, masked, skip_others=True).to_pylist() == texts


@pytest.mark.parametrize("rows", [1, 9])
def test_slices_are_read_from_their_offset(rows: int) -> None:
    """A sliced text column gives the masks of its own rows."""
    column = pa.array(["1" * 16, None, *[f"{row:08d}" for row in range(20)]])
    cipher = FF1(KEY, 10)

    masked = encrypt_text(cipher, DIGITS, column.slice(1, rows))

    assert masked.equals(encrypt_text(cipher, DIGITS, column).slice(1, rows))


def test_rows_that_cannot_be_enciphered_are_told_apart() -> None:
    """A foreign character, too few digits and a null are three things, and each row says which it is."""
    column = pa.array(["123456", "12345", "1", "", None, "12x456", "1234é6"])

    spelling = digits_of(DIGITS, column)

    assert spelling.outside.tolist() == [False, False, False, False, False, True, True]
    assert spelling.too_short().tolist() == [False, True, True, True, False, False, False]
    assert spelling.too_short(100).tolist() == [False, False, True, True, False, False, False]
    assert spelling.lengths.tolist()[:5] == [6, 5, 1, 0, 0]


def test_a_refused_row_comes_out_null_and_leaves_no_byte() -> None:
    """`Spelling.encrypt` nulls what it cannot encipher, and nothing of it is left in the buffers."""
    column = pa.array(["123456", "SECRET", "77", None, "654321"])

    masked = digits_of(DIGITS, column).encrypt(FF1(KEY, 10, allow_small_domain=False))

    assert [value is None for value in masked.to_pylist()] == [False, True, True, True, False]
    content = masked.buffers()[2].to_pybytes()
    assert len(content) == 12
    assert b"SECRET" not in content


def test_a_null_slot_that_hides_bytes_is_not_read() -> None:
    """What lies under a null is neither enciphered nor refused nor kept."""
    offsets, content = np.array([0, 6, 12, 18], np.int32), b"123456secret654321"
    column = pa.Array.from_buffers(
        pa.string(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(offsets), pa.py_buffer(content)]
    )

    masked = encrypt_text(FF1(KEY, 10), DIGITS, column)

    visible = encrypt_text(FF1(KEY, 10), DIGITS, pa.array(["123456", None, "654321"]))
    assert masked.equals(visible)
    assert len(masked.buffers()[2]) == 12


@pytest.mark.parametrize(
    ("text", "message"), [("12a456", "1 of 2 values hold a character"), ("1", "1 of 2 values are")]
)
def test_a_value_that_does_not_fit_stops_the_column_unseen(text: str, message: str) -> None:
    """`encrypt_text` takes all or nothing, and counts what it refuses without showing it."""
    with pytest.raises(MaskError, match=message) as refused:
        encrypt_text(FF1(KEY, 10), DIGITS, pa.array([text, "9876543210"]))

    assert "12a456" not in str(refused.value)


def test_text_that_is_not_utf8_is_refused_without_its_bytes_in_the_chain() -> None:
    """The decoder's own error holds the text, so no error of ours points to it."""
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 4], np.int32)), pa.py_buffer(b"ab\xff\xff")]
    )

    with pytest.raises(MaskError, match="not UTF-8") as refused:
        digits_of("äöü", broken)

    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize("alphabet", ["", "a", "aa", "abca", "a\ud800"])
def test_an_alphabet_of_doubtful_characters_is_refused(alphabet: str) -> None:
    """Characters are two or more, different, and whole."""
    with pytest.raises(PlanError, match="an alphabet"):
        digits_of(alphabet, pa.array(["a"]))


def test_a_cipher_of_another_radix_is_refused() -> None:
    """A cipher works in the alphabet that it was made for."""
    with pytest.raises(PlanError, match="radix 10 cannot work in an alphabet of 36"):
        encrypt_text(FF1(KEY, 10), BASE36, pa.array(["abcdef"]))


def test_a_column_that_is_not_text_is_refused() -> None:
    """Numbers are no texts: the error says to cast."""
    with pytest.raises(MaskError, match="cast the column"):
        encrypt_text(FF1(KEY, 10), DIGITS, pa.array([123456]))


def test_digits_can_be_changed_between_reading_and_writing() -> None:
    """`respell` hands out the digits of the chosen rows by length, and writes what comes back."""
    spelling = digits_of(DIGITS, pa.array(["12-3", "45", "6"]), skip_others=True)

    nines = spelling.respell(lambda digits: 9 - digits, np.array([True, True, False]))

    assert nines.to_pylist() == ["87-6", "54", None]


def test_only_whole_rows_are_handed_out() -> None:
    """`groups` leaves out nulls, empty texts and texts with a foreign character, and `respell` nulls the latter."""
    spelling = digits_of(DIGITS, pa.array(["12", "3x", None, "", "45"]))

    groups = [(rows.tolist(), digits.tolist()) for rows, digits in spelling.groups()]
    same = spelling.respell(lambda digits: digits, np.ones(5, np.bool_))

    assert groups == [([0, 4], [[1, 2], [4, 5]])]
    assert same.to_pylist() == ["12", None, None, "", "45"]


def test_a_text_of_a_hundred_thousand_characters_goes_there_and_back() -> None:
    """One huge cell is enciphered like any other, and does not hold up a run."""
    alphabet = DIGITS + BASE36[10:] + BASE36[10:].upper()
    column = pa.array(["".join(random.Random(9).choices(alphabet, k=100_000)), "x" * 1000])
    cipher = FF1(KEY, len(alphabet))

    masked = encrypt_text(cipher, alphabet, column)

    assert [len(text) for text in masked.to_pylist()] == [100_000, 1000]
    assert masked[0] != column[0]
    assert decrypt_text(cipher, alphabet, masked).equals(column)
