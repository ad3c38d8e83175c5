"""FF1 is the published cipher on both of its paths."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dmengine.errors import KeyringError, MaskError, PlanError
from dmengine.ff1 import (
    FF1,
    MIN_DOMAIN,
    decrypt_text,
    domain_size,
    encrypt_text,
    smallest_length,
)
from dmengine.ff1.columns import integer_shape
from dmengine.ff1.narrow import Narrow, fits
from dmengine.ff1.numerals import Numerals, numeral_type
from dmengine.ff1.wide import Wide
from dmengine.prf import BLOCK_ROWS

NIST = json.loads((Path(__file__).parent / "vectors" / "nist_ff1.json").read_text())["samples"]
DIGITS = "0123456789"
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
KEY = bytes(range(32))
# both halves in 32 bits, in 64, exactly 2^64, and beyond
SHAPES = [
    (2, 7), (2, 64), (2, 127), (2, 128), (2, 200), (3, 5), (10, 2), (10, 6), (10, 15), (10, 16), (10, 19), (10, 20),
    (10, 37), (10, 38), (10, 60), (16, 31), (16, 32), (16, 33), (26, 11), (36, 16), (36, 25), (62, 20), (62, 40),
    (255, 15), (255, 16), (256, 2), (256, 15), (256, 16), (256, 17), (257, 7), (257, 8), (1000, 13), (65535, 7),
    (65535, 8), (65536, 2), (65536, 7), (65536, 8), (65536, 9), (65536, 31),
]  # fmt: skip


def plain_ff1(key: bytes, radix: int, tweak: bytes, digits: list[int], *, decrypt: bool = False) -> list[int]:
    """FF1 word for word as in SP 800-38G, algorithms 7 and 8, over Python integers: the oracle of these tests."""
    aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    n, u = len(digits), len(digits) // 2
    v = n - u
    b = -(-(radix**v - 1).bit_length() // 8)
    d = 4 * -(-b // 4) + 4
    p = bytes([1, 2, 1]) + radix.to_bytes(3) + bytes([10, u % 256]) + n.to_bytes(4) + len(tweak).to_bytes(4)

    def number(numerals: list[int]) -> int:
        total = 0
        for numeral in numerals:
            total = total * radix + numeral
        return total

    def stretched(i: int, half: int) -> int:
        q = tweak + bytes((-len(tweak) - b - 1) % 16) + bytes([i]) + half.to_bytes(b)
        r = bytes(16)
        for at in range(0, len(p + q), 16):
            r = aes.update(bytes(x ^ y for x, y in zip(r, (p + q)[at : at + 16], strict=True)))
        s = r
        for j in range(1, -(-d // 16)):
            s += aes.update((int.from_bytes(r) ^ j).to_bytes(16))
        return int.from_bytes(s[:d])

    a, c = number(digits[:u]), number(digits[u:])
    for i in reversed(range(10)) if decrypt else range(10):
        modulus = radix ** (u if i % 2 == 0 else v)
        a, c = ((c - stretched(i, a)) % modulus, a) if decrypt else (c, (a + stretched(i, c)) % modulus)
    numerals = []
    for half, length in ((c, v), (a, u)):
        for _ in range(length):
            half, numeral = divmod(half, radix)
            numerals.append(numeral)
    return numerals[::-1]


def random_digits(radix: int, rows: int, length: int) -> Numerals:
    digits = np.random.default_rng(radix + length).integers(0, radix, (rows, length))
    digits[0], digits[-1] = 0, radix - 1
    return digits.astype(numeral_type(radix))


@pytest.mark.parametrize("sample", NIST, ids=lambda sample: f"{len(sample['key']) * 4}-{sample['cipher']}")
def test_the_nist_samples_come_out_both_ways(sample: dict[str, Any]) -> None:
    """The nine samples that NIST publishes for FF1 encrypt and decrypt as printed."""
    alphabet = BASE36[: sample["radix"]]
    cipher = FF1(bytes.fromhex(sample["key"]), sample["radix"], bytes.fromhex(sample["tweak"]))

    masked = encrypt_text(cipher, alphabet, pa.array([sample["plain"]]))
    restored = decrypt_text(cipher, alphabet, pa.array([sample["cipher"]]))

    assert masked.to_pylist() == [sample["cipher"]]
    assert restored.to_pylist() == [sample["plain"]]


@pytest.mark.parametrize(("radix", "length"), SHAPES)
def test_every_shape_agrees_with_the_algorithm_on_python_integers(radix: int, length: int) -> None:
    """Each radix and length gives what the standard's own steps give, with a tweak of any size."""
    tweak = random.Random(length).randbytes(length % 40)
    digits = random_digits(radix, 20, length)
    cipher = FF1(KEY, radix, tweak)

    masked = cipher.encrypt_digits(digits)

    assert masked.dtype == digits.dtype
    assert masked.tolist() == [plain_ff1(KEY, radix, tweak, row) for row in digits.tolist()]
    assert np.array_equal(cipher.decrypt_digits(masked), digits)
    assert digits.tolist()[-1] == plain_ff1(KEY, radix, tweak, masked.tolist()[-1], decrypt=True)


@pytest.mark.parametrize(("radix", "length"), [shape for shape in SHAPES if fits(*shape)])
def test_the_two_paths_agree(radix: int, length: int) -> None:
    """Where halves fit a word, the path for wide halves gives the same texts, both ways."""
    digits = random_digits(radix, 200, length)
    narrow, wide, back = np.empty_like(digits), np.empty_like(digits), np.empty_like(digits)

    Narrow(KEY, radix, b"tweak", length, 200).apply(digits, narrow)
    Wide(KEY, radix, b"tweak", length, 200).apply(digits, wide)
    Wide(KEY, radix, b"tweak", length, 200).apply(narrow, back, decrypt=True)

    assert np.array_equal(narrow, wide)
    assert np.array_equal(back, digits)


@pytest.mark.parametrize(("radix", "length"), [(2, 400), (10, 61), (36, 300), (62, 401), (65536, 40)])
def test_a_few_long_rows_give_what_many_give(radix: int, length: int) -> None:
    """A text is the same whether it is enciphered alone, by Python's integers, or in a column, by numpy."""
    rows = 5 * length
    digits = random_digits(radix, rows, length)
    together, alone, back = np.empty_like(digits), np.empty_like(digits[:3]), np.empty_like(digits[:3])

    Wide(KEY, radix, b"tweak", length, rows).apply(digits, together)
    Wide(KEY, radix, b"tweak", length, 3).apply(digits[:3], alone)
    Wide(KEY, radix, b"tweak", length, 3).apply(alone, back, decrypt=True)

    assert (alone == together[:3]).all()
    assert (back == digits[:3]).all()


@pytest.mark.parametrize("bits", range(8, 65, 2))
def test_words_of_bits_are_texts_of_radix_two(bits: int) -> None:
    """A word is enciphered to the same bits whether it is given as a number or as its digits."""
    places = np.arange(bits - 1, -1, -1, dtype=np.uint64)
    digits = random_digits(2, 300, bits)
    words = np.bitwise_or.reduce(digits.astype(np.uint64) << places, axis=1)

    masked = FF1(KEY, 10, b"tweak").encrypt_bits(words, bits)

    spelled = (masked[:, None] >> places & np.uint64(1)).tolist()
    assert spelled == FF1(KEY, 2, b"tweak").encrypt_digits(digits).tolist()


@pytest.mark.parametrize(("radix", "length"), [(10, 5), (10, 22), (1891, 6), (294, 11), (65536, 6), (2, 64), (36, 2)])
def test_halves_are_enciphered_as_their_digits_are(radix: int, length: int) -> None:
    """A text given as two numbers becomes the two numbers of the enciphered text."""
    digits = random_digits(radix, 300, length)
    weights = [[radix**place for place in range(count - 1, -1, -1)] for count in (length // 2, -(-length // 2))]
    split = length // 2

    def halves(rows: npt.NDArray[np.integer[Any]]) -> list[list[int]]:
        return [[sum(map(int.__mul__, row, weight)) for row in part.tolist()]
                for part, weight in zip((rows[:, :split], rows[:, split:]), weights, strict=True)]  # fmt: skip

    left, right = (np.array(half, np.uint64) for half in halves(digits))
    cipher = FF1(KEY, radix)

    masked = cipher.encrypt_halves(left, right, length)

    assert [half.tolist() for half in masked] == halves(cipher.encrypt_digits(digits))


@pytest.mark.parametrize("size", [10_000, 999_983, 1_000_000, 50_000_000])
def test_rounds_computed_beforehand_change_nothing(size: int) -> None:
    """An integer is permuted alike in a long column, where the rounds are tabulated, and in a short one."""
    values = np.random.default_rng(5).integers(0, size, 100_000).astype(np.uint64)
    values = np.minimum(values, np.uint64(size - 1))
    cipher = FF1(KEY, 10)

    masked = cipher.encrypt_integers(values[:9_000], size)

    assert masked[:200].tolist() == cipher.encrypt_integers(values[:200], size).tolist()
    assert cipher.decrypt_integers(masked, size).tolist() == values[:9_000].tolist()


@pytest.mark.parametrize("bits", [0, 7, 9, 66])
def test_words_of_other_sizes_are_refused(bits: int) -> None:
    """An odd, small or large number of bits is refused, and so is a word with more bits than said."""
    with pytest.raises(PlanError):
        FF1(KEY, 2).encrypt_bits(np.zeros(1, np.uint64), bits)
    with pytest.raises(MaskError):
        FF1(KEY, 2).encrypt_bits(np.array([256], np.uint64), 8)


def test_halves_that_do_not_fit_are_refused() -> None:
    """Halves beyond a word, and numbers beyond their half, are refused."""
    one = np.ones(1, np.uint64)
    with pytest.raises(PlanError):
        FF1(KEY, 10).encrypt_halves(one, one, 38)
    with pytest.raises(MaskError):
        FF1(KEY, 10).encrypt_halves(one * np.uint64(100), one, 4)


def test_an_independent_library_agrees() -> None:
    """The package libffx gives the same texts for random keys, tweaks and lengths."""
    ffx = pytest.importorskip("ffx", reason="not run: libffx is not installed")
    rng = random.Random(11)
    for _ in range(60):
        key, tweak = rng.randbytes(rng.choice([16, 24, 32])), rng.randbytes(rng.randint(0, 20))
        alphabet = BASE36[: rng.choice([10, 16, 26, 36])]
        texts = ["".join(rng.choices(alphabet, k=rng.randint(6, 40))) for _ in range(5)]

        masked = encrypt_text(FF1(key, len(alphabet), tweak), alphabet, pa.array(texts))

        peer = ffx.FF1(key, radix=len(alphabet))
        assert masked.to_pylist() == [peer.encrypt(text, tweak=tweak) for text in texts]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int64])
def test_the_type_of_the_digits_stays(dtype: type[np.integer[Any]]) -> None:
    """Digits may lie in any integer type, in any memory order; the same come out."""
    digits = random_digits(10, 100, 16)
    cipher = FF1(KEY, 10)

    masked = cipher.encrypt_digits(np.asfortranarray(digits.astype(dtype)))

    assert masked.dtype == dtype
    assert np.array_equal(masked, cipher.encrypt_digits(digits))


def test_blocks_of_rows_are_seamless_and_inputs_are_left_alone() -> None:
    """More rows than a block give what each row gives alone, and the digits that came in stay."""
    digits = random_digits(10, 2 * BLOCK_ROWS + 5, 16)
    before = digits.copy()
    rows = [0, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 4]
    cipher = FF1(KEY, 10)

    masked = cipher.encrypt_digits(digits)

    assert masked[rows].tolist() == [plain_ff1(KEY, 10, b"", digits[row].tolist()) for row in rows]
    assert np.array_equal(digits, before)


def test_no_rows_give_no_rows() -> None:
    """Empty input keeps its shape and type."""
    cipher = FF1(KEY, 10)

    assert cipher.encrypt_digits(np.empty((0, 16), np.uint8)).shape == (0, 16)
    assert cipher.encrypt_integers(np.empty(0, np.uint64), 1000).shape == (0,)
    assert encrypt_text(cipher, DIGITS, pa.array([], pa.string())).to_pylist() == []


def test_neither_key_nor_tweak_is_shown() -> None:
    """The repr names the radix and keeps the secrets."""
    assert repr(FF1(b"secret-of-16-byt", 10, b"tweak")) == "FF1(radix=10, allow_small_domain=True)"


@pytest.mark.parametrize("size", [0, 8, 20, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    """AES has three key sizes."""
    with pytest.raises(KeyringError, match=f"16, 24 or 32 bytes, not {size}"):
        FF1(bytes(size), 10)


@pytest.mark.parametrize("radix", [-1, 0, 1, 65537])
def test_a_radix_that_ff1_does_not_know_is_refused(radix: int) -> None:
    """The standard ends at radix 65536."""
    with pytest.raises(PlanError, match="radix 2 to 65536"):
        FF1(KEY, radix)


@pytest.mark.parametrize(("radix", "length"), [(10, 0), (10, 1), (65536, 1), (2, 6), (9, 2)])
def test_a_length_with_under_a_hundred_texts_is_refused(radix: int, length: int) -> None:
    """SP 800-38G wants two digits and a hundred texts at least."""
    with pytest.raises(PlanError, match="not defined"):
        FF1(KEY, radix).encrypt_digits(np.zeros((1, length), np.uint16))


@pytest.mark.parametrize(("radix", "length"), [(10, 5), (10, 2), (36, 3), (2, 19)])
def test_a_small_domain_is_refused_in_strict_mode_only(radix: int, length: int) -> None:
    """Fewer than a million texts are refused with `allow_small_domain=False`, and a million is enough."""
    digits = np.zeros((1, length), np.uint8)

    with pytest.raises(PlanError, match="fewer than 1000000"):
        FF1(KEY, radix, allow_small_domain=False).encrypt_digits(digits)
    assert FF1(KEY, radix).encrypt_digits(digits).shape == digits.shape
    enough = np.zeros((1, length + 1), np.uint8) if radix != 10 else np.zeros((1, 6), np.uint8)
    assert FF1(KEY, radix, allow_small_domain=False).encrypt_digits(enough).shape == enough.shape


@pytest.mark.parametrize("wrong", [-1, 10, 77])
def test_a_digit_outside_the_radix_is_refused_without_showing_it(wrong: int) -> None:
    """The error names the radix, not the digit."""
    digits = np.array([[1, 2, 3, 4, 5, wrong]])

    with pytest.raises(MaskError) as refused:
        FF1(KEY, 10).encrypt_digits(digits)

    assert str(wrong) not in str(refused.value).replace("radix 10", "")


def test_what_is_no_table_of_digits_is_refused() -> None:
    """Floats and flat arrays are named as what they are."""
    with pytest.raises(MaskError, match="2 dimensions of float64"):
        FF1(KEY, 10).encrypt_digits(np.zeros((1, 6)))  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="1 dimensions of uint8"):
        FF1(KEY, 10).encrypt_digits(np.zeros(6, np.uint8))


@pytest.mark.parametrize("size", [2, 3, 10, 97, 100, 101, 255, 256, 1000, 4097])
def test_small_integer_ranges_are_permuted(size: int) -> None:
    """Each integer below the size comes out exactly once, and goes back."""
    everything = np.arange(size, dtype=np.uint64)
    cipher = FF1(KEY, 10, b"integers")

    masked = cipher.encrypt_integers(everything, size)

    assert sorted(masked.tolist()) == everything.tolist()
    assert np.array_equal(cipher.decrypt_integers(masked, size), everything)


@pytest.mark.parametrize(
    "size", [2, 3, 100, 10**6, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1, 10**12 + 39, 2**63, 2**64 - 1, 2**64]
)
def test_an_integer_range_of_any_size_goes_there_and_back(size: int) -> None:
    """Integers below any size up to 2^64 stay below it, and are as the published cipher with cycle walking says."""
    rng = random.Random(size)
    values = [0, size - 1, *(rng.randrange(size) for _ in range(30))]
    cipher = FF1(KEY, 10)
    radix, length = integer_shape(size)

    def walked(value: int) -> int:
        while True:
            numerals = [value // radix**power % radix for power in reversed(range(length))]
            value = 0
            for numeral in plain_ff1(KEY, radix, b"", numerals):
                value = value * radix + numeral
            if value < size:
                return value

    masked = cipher.encrypt_integers(np.array(values, np.uint64), size)

    assert masked.tolist() == [walked(value) for value in values]
    assert cipher.decrypt_integers(masked, size).tolist() == values


def test_a_short_range_gives_the_same_whether_looked_up_or_walked() -> None:
    """Many rows below a small size, which take the whole permutation once, get what single rows get."""
    values = np.arange(5_000, dtype=np.uint64) % 700
    cipher = FF1(KEY, 10)

    masked = cipher.encrypt_integers(values, 700)

    assert masked[:700].tolist() == [int(cipher.encrypt_integers(values[row : row + 1], 700)[0]) for row in range(700)]


def test_permuted_integers_are_pinned() -> None:
    """These results are part of algorithm version 1: changing them breaks every join with data masked before."""
    cipher = FF1(KEY, 10, b"pinned")

    masked = {size: cipher.encrypt_integers(np.array([0, 1]), size).tolist() for size in (2, 50, 10**4, 10**9, 2**64)}

    assert masked == {
        2: [0, 1],
        50: [41, 28],
        10**4: [6165, 7142],
        10**9: [198033096, 460230217],
        2**64: [669582795696246055, 12803236739040792297],
    }


@pytest.mark.parametrize("size", [-1, 0, 1, 2**64 + 1])
def test_a_range_that_cannot_be_permuted_is_refused(size: int) -> None:
    """A permutation has two integers at least, and a word holds no more than 2^64."""
    with pytest.raises(PlanError, match="size from 2 to 2"):
        FF1(KEY, 10).encrypt_integers(np.zeros(1, np.uint64), size)


@pytest.mark.parametrize("value", [1000, -1])
def test_an_integer_outside_its_range_is_refused(value: int) -> None:
    """Values at or above the size, or below 0, have no place in the permutation."""
    with pytest.raises(MaskError, match=r"outside \[0, 1000\)"):
        FF1(KEY, 10).encrypt_integers(np.array([5, value]), 1000)


def test_the_size_of_a_domain_is_exact() -> None:
    """Lengths are judged by whole numbers, not by logarithms."""
    assert domain_size(10, 6) == MIN_DOMAIN
    assert [smallest_length(radix) for radix in (2, 10, 16, 36, 62, 1000, 65536)] == [20, 6, 5, 4, 4, 2, 2]


def test_threads_with_one_cipher_do_not_disturb_each_other() -> None:
    """One FF1 may be used from many threads at once."""
    cipher = FF1(KEY, 10)
    columns = [random_digits(10, 3_000 + 7 * length, length) for length in (6, 16, 20, 40)]
    alone = [cipher.encrypt_digits(digits) for digits in columns]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(cipher.encrypt_digits, columns * 6))

    assert all(np.array_equal(masked, alone[index % 4]) for index, masked in enumerate(together))
