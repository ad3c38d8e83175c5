"""Numbers of mixed bases: written and read, and permuted by FF1 whatever their size."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.ff1 import FF1
from dmengine_maskers.mixed_bases import permutation_of
from dmengine_maskers.place_values import joined, spread

KEY = bytes(range(32))
BASES = st.lists(st.sampled_from([2, 10, 10, 10, 26, 33, 36, 256]), min_size=1, max_size=24)


@given(BASES, st.randoms(use_true_random=False))
def test_digits_of_mixed_bases_are_read_and_written(bases: list[int], draw: object) -> None:
    """Reading gives the number that Python's integers give, and writing gives the digits back."""
    while math.prod(bases) > 1 << 64:
        bases.pop()
    numbers = [0, math.prod(bases) - 1, *(draw.randrange(math.prod(bases)) for _ in range(5))]  # type: ignore[attr-defined]

    digits = spread(np.array(numbers, np.uint64), bases)

    read = [0] * len(numbers)
    for row, base in zip(digits.tolist(), bases, strict=True):
        assert max(row) < base
        read = [number * base + digit for number, digit in zip(read, row, strict=True)]
    assert read == numbers
    assert joined(digits, bases).tolist() == numbers


@pytest.mark.parametrize(
    "sizes",
    [(10,) * 9, (10,) * 20, (10,) * 23, (26,) * 4 + (10,) * 14, (10,) * 12 + (36,) * 11, (26,) * 4 + (36,) * 24],
)
def test_numbers_of_any_size_are_permuted(sizes: tuple[int, ...]) -> None:
    """Different numbers become different ones, each below its size, and the same ones in other company."""
    permutation = permutation_of(sizes)
    draw = np.random.default_rng(3)
    numbers = [np.minimum(np.arange(400, dtype=np.uint64), np.uint64(size - 1)) for size in permutation.sizes]
    numbers[-1][200:] = draw.integers(0, permutation.sizes[-1], 200).astype(np.uint64)
    cipher = FF1(KEY, permutation.radix)

    masked = permutation.apply(cipher, numbers)
    few = permutation.apply(cipher, [number[:7] for number in numbers])

    assert sorted(itertools.chain(*permutation.chunks)) == list(range(len(sizes)))
    assert math.prod(permutation.sizes) == math.prod(sizes)
    assert all(int(number.max()) < size for number, size in zip(masked, permutation.sizes, strict=True))
    assert len(set(zip(*(number.tolist() for number in masked), strict=True))) == len(
        set(zip(*(number.tolist() for number in numbers), strict=True))
    )
    assert [number[:7].tolist() for number in masked] == [number.tolist() for number in few]


def test_digits_alone_are_enciphered_as_a_text_of_digits() -> None:
    """Where all positions are digits, the permutation is FF1 of radix 10 over them, in their order."""
    permutation = permutation_of((10,) * 21)
    digits = np.random.default_rng(4).integers(0, 10, (21, 50)).astype(np.uint8)
    parts = [digits[list(chunk)] for chunk in permutation.chunks]

    masked = permutation.apply(FF1(KEY, permutation.radix), [joined(part, [10] * len(part)) for part in parts])

    spelled = np.concatenate([spread(number, [10] * len(part)) for number, part in zip(masked, parts, strict=True)])
    assert spelled.T.tolist() == FF1(KEY, 10).encrypt_digits(digits.T).tolist()
