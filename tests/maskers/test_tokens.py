"""Hash."""

from __future__ import annotations

from hashlib import sha256

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.contexts import Context
from dmengine.errors import PlanError
from dmengine.keyring import Key
from dmengine.spi import Limits
from dmengine.testing.context import TEST_KEY, mask_array, mask_values
from dmengine_maskers import Hash


def test_token_is_the_tag_in_hexadecimal() -> None:
    """The token is the keyed PRF itself, digit for digit, so that other programs can compute it."""
    words = Context(Key.from_bytes(TEST_KEY), "test").bits(pa.array(["Alice"]), "hash")

    assert mask_values(Hash(), ["Alice"]) == [f"{words[0, 0]:016x}{words[0, 1]:016x}"]


def test_shorter_token_is_the_start_of_the_longer() -> None:
    """A size cuts the token and changes nothing else."""
    whole = mask_values(Hash(), ["Alice"])[0]

    assert mask_values(Hash(size=9, prefix="p-"), ["Alice"]) == ["p-" + whole[:9]]


def test_binary_gets_the_same_bits_as_text() -> None:
    """Equal bytes in a binary and in a text column get equal tokens, as bytes and as digits."""
    text, binary = mask_values(Hash(), ["Alice"]), mask_array(Hash(), pa.array([b"Alice"]))

    assert binary.to_pylist() == [bytes.fromhex(text[0])]


@pytest.mark.parametrize(("key", "domain"), [(sha256(b"another").digest(), "test"), (TEST_KEY, "other")])
def test_other_key_or_domain_gives_other_tokens(key: bytes, domain: str) -> None:
    """Tokens of another key or domain cannot be linked to these."""
    assert mask_values(Hash(), ["Alice"], key=key, domain=domain) != mask_values(Hash(), ["Alice"])


def test_hundred_thousand_values_stay_different() -> None:
    """Tokens of the default size do not collide in practice."""
    masked = mask_array(Hash(), pa.array(range(100_000)).cast(pa.string()))

    assert len(masked.unique()) == 100_000


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (pa.int64(), "fpe"),
        (pa.decimal128(5, 2), "number"),
        (NUMBER, "number"),
        (pa.date32(), "date_shift"),
        (pa.bool_(), "redact"),
        (pa.binary(7), "twice the 7 bytes"),
        (pa.list_(pa.string()), "redact"),
    ],
)
def test_type_that_cannot_hold_a_token_is_refused_with_a_remedy(kind: pa.DataType, hint: str) -> None:
    """The refusal names a mask that would fit."""
    with pytest.raises(PlanError, match=hint):
        Hash().plan(pa.field("f", kind), Limits())


def test_token_wider_than_the_target_is_refused() -> None:
    """The prefix counts, in bytes."""
    Hash(size=20, prefix="ü").plan(pa.field("f", pa.string()), Limits(max_bytes=22))

    with pytest.raises(PlanError, match="smaller size"):
        Hash(size=20, prefix="ü").plan(pa.field("f", pa.string()), Limits(max_bytes=21))


@pytest.mark.parametrize("size", [0, 7, 33, -1])
def test_size_out_of_range_is_refused(size: int) -> None:
    """No token is shorter than 32 bits or longer than the PRF."""
    with pytest.raises(PlanError, match="size"):
        Hash(size=size).plan(pa.field("f", pa.string()), Limits())
