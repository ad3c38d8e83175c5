"""The PRF is AES-CMAC, whatever the column looks like."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from dmengine.errors import KeyringError, MaskError
from dmengine.prf import BLOCK_ROWS, LONG_VALUE, Words, below, cmac, cmac_blocks

RFC4493 = json.loads((Path(__file__).parent / "vectors" / "rfc4493_cmac.json").read_text())
KEY = bytes.fromhex(RFC4493["key"])


def one_by_one(key: bytes, values: list[bytes]) -> list[bytes]:
    """Compute what `cryptography` says, a value at a time."""
    tags = []
    for value in values:
        mac = CMAC(AES(key))
        mac.update(value)
        tags.append(mac.finalize())
    return tags


def as_bytes(tags: Words) -> list[bytes]:
    return [row.tobytes() for row in tags.astype(">u8")]


def random_values(seed: int, count: int, longest: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.randint(0, longest)) for _ in range(count)]


@pytest.mark.parametrize("example", RFC4493["examples"], ids=lambda example: f"{example['length']} bytes")
def test_the_examples_of_rfc_4493_come_out(example: dict[str, Any]) -> None:
    """The four published tags of RFC 4493 are met bit by bit."""
    message = bytes.fromhex(RFC4493["message"])[: example["length"]]

    tags = cmac(KEY, pa.array([message], pa.binary()))

    assert as_bytes(tags) == [bytes.fromhex(example["tag"])]


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("longest", [15, 16, 17, 100, 3 * LONG_VALUE])
def test_every_value_gets_the_tag_of_an_independent_cmac(size: int, longest: int) -> None:
    """Values of all lengths, mixed in one column, get the tag that `cryptography` computes for each alone."""
    key = random.Random(size).randbytes(size)
    values = random_values(longest, 300, longest)

    tags = cmac(key, pa.array(values, pa.binary()))

    assert as_bytes(tags) == one_by_one(key, values)


def test_every_length_around_the_block_borders_is_padded_rightly() -> None:
    """Each length from 0 to 70, and those at which the long path begins, gets its tag."""
    values = [bytes(range(n % 256))[:n].ljust(n, b"x") for n in [*range(71), *range(LONG_VALUE - 2, LONG_VALUE + 3)]]

    tags = cmac(KEY, pa.array(values, pa.binary()))

    assert as_bytes(tags) == one_by_one(KEY, values)


def test_a_column_longer_than_a_block_of_rows_is_seamless() -> None:
    """The tags do not depend on where the blocks of rows begin."""
    values = [str(row).encode() * (row % 4) for row in range(2 * BLOCK_ROWS + 7)]
    rows = [0, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS - 1, 2 * BLOCK_ROWS, 2 * BLOCK_ROWS + 6]

    tags = cmac(KEY, pa.array(values, pa.binary()))

    assert as_bytes(tags[rows]) == one_by_one(KEY, [values[row] for row in rows])


def test_large_values_are_taken_in_parts() -> None:
    """A column of many megabytes, of long and short values, gets the right tags."""
    values = [b"v" * (900 + row % 300) for row in range(12_000)]
    rows = [0, 4_660, 4_661, 7_000, 11_999]

    tags = cmac(KEY, pa.array(values, pa.binary()))

    assert as_bytes(tags[rows]) == one_by_one(KEY, [values[row] for row in rows])


@pytest.mark.parametrize(
    "kind",
    [pa.binary(), pa.large_binary(), pa.string(), pa.large_string(), pa.string_view(), pa.binary_view()],
    ids=str,
)
def test_the_tag_depends_on_the_bytes_alone(kind: pa.DataType) -> None:
    """Every text and binary type gives the same tag for the same bytes."""
    values = ["", "alice", "müller, a name of more than one block"]

    tags = cmac(KEY, pa.array(values).cast(kind))

    assert as_bytes(tags) == one_by_one(KEY, [value.encode() for value in values])


@pytest.mark.parametrize("width", [0, 1, 16, 20])
def test_fixed_width_values_are_read_by_their_width(width: int) -> None:
    """A fixed-size binary column, sliced or not, gives the tags of its values."""
    values = [bytes([row]) * width for row in range(5)]
    column = pa.array(values, pa.binary(width))

    assert as_bytes(cmac(KEY, column)) == one_by_one(KEY, values)
    assert as_bytes(cmac(KEY, column.slice(2, 2))) == one_by_one(KEY, values[2:4])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()], ids=str)
def test_a_slice_gets_the_tags_of_its_own_rows(kind: pa.DataType) -> None:
    """A sliced array is read from its offset, not from the start of its buffers."""
    values = random_values(7, 50, 40)

    tags = cmac(KEY, pa.array(values, kind).slice(13, 20))

    assert as_bytes(tags) == one_by_one(KEY, values[13:33])


def test_a_null_counts_as_the_empty_value() -> None:
    """A null gets the tag of no bytes, even where its slot spans bytes."""
    offsets, content = np.array([0, 2, 5, 7], np.int32), b"abXYZcd"
    hidden = pa.Array.from_buffers(
        pa.string(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(offsets), pa.py_buffer(content)]
    )

    assert as_bytes(cmac(KEY, hidden)) == one_by_one(KEY, [b"ab", b"", b"cd"])
    assert as_bytes(cmac(KEY, pa.array([None, None], pa.string()))) == one_by_one(KEY, [b"", b""])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.binary(16)], ids=str)
def test_an_empty_column_has_no_tags(kind: pa.DataType) -> None:
    """No rows in, no rows out."""
    assert cmac(KEY, pa.array([], kind)).shape == (0, 2)


def test_blocks_of_sixteen_bytes_are_messages() -> None:
    """`cmac_blocks` is `cmac` of the sixteen big-endian bytes of the two words."""
    rng = np.random.default_rng(3)
    high, low = rng.integers(0, 2**64, (2, BLOCK_ROWS + 3), dtype=np.uint64)
    messages = np.stack([high, low], axis=1).astype(">u8").tobytes()
    column = pa.Array.from_buffers(pa.binary(16), len(high), [None, pa.py_buffer(messages)])

    tags = cmac_blocks(KEY, high, low)

    assert np.array_equal(tags, cmac(KEY, column))
    assert cmac_blocks(KEY, high[:0], low[:0]).shape == (0, 2)


def test_the_inputs_are_left_alone() -> None:
    """Neither the words nor the Arrow buffers that come in are written to."""
    high, low = np.arange(5, dtype=np.uint64), np.arange(5, 10, dtype=np.uint64)
    column = pa.array(["a", "bb" * 20])

    cmac_blocks(KEY, high, low)
    cmac(KEY, column)

    assert (high.tolist(), low.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    assert column.to_pylist() == ["a", "bb" * 20]


@pytest.mark.parametrize("bound", [1, 2, 10, 2**31 + 11, 2**32 - 1, 2**32, 2**32 + 1, 10**15, 2**63, 2**64 - 1, 2**64])
def test_words_map_to_the_high_half_of_the_product(bound: int) -> None:
    """`below` is floor(word * n / 2^64), exactly, up to n = 2^64."""
    rng = np.random.default_rng(bound % 1000)
    words = np.concatenate([rng.integers(0, 2**64, 1000, dtype=np.uint64), np.array([0, 2**64 - 1], np.uint64)])

    indexes = below(words, bound)

    assert indexes.tolist() == [word * bound >> 64 for word in words.tolist()]


@pytest.mark.parametrize("bound", [0, -1, 2**64 + 1])
def test_a_bound_that_no_word_reaches_is_refused(bound: int) -> None:
    """There is nothing below 0, and no uniform integer below more than 2^64."""
    with pytest.raises(MaskError, match="bound from 1 to 2"):
        below(np.zeros(1, np.uint64), bound)


@pytest.mark.parametrize("size", [0, 8, 15, 17, 33, 64])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    """AES has three key sizes; the error names the size and never the key."""
    key = b"\x07secret" * 10

    with pytest.raises(KeyringError, match=f"16, 24 or 32 bytes, not {size}") as refused:
        cmac(key[:size], pa.array(["a"]))

    assert "secret" not in str(refused.value)


def test_a_column_that_is_not_bytes_is_refused() -> None:
    """Numbers have no bytes of their own: the error asks for canonical bytes."""
    with pytest.raises(MaskError, match="canonical bytes"):
        cmac(KEY, pa.array([1, 2]))


def test_threads_with_the_same_key_do_not_disturb_each_other() -> None:
    """Calls that run at once give what they give alone."""
    columns = [pa.array([f"{row}-{thread}" * (row % 5) for row in range(5_000)]) for thread in range(8)]
    alone = [cmac(KEY, column) for column in columns]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda column: cmac(KEY, column), columns * 4))

    assert all(np.array_equal(tags, alone[index % 8]) for index, tags in enumerate(together))
