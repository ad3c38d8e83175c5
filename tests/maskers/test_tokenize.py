"""AES-SIV as RFC 5297 and another implementation have it, tokens, and the way back."""

from __future__ import annotations

import base64

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given, settings
from hypothesis import strategies as st

import dmengine as dm
from dmengine.errors import KeyringError, MaskError, PlanError
from dmengine.maskers import Fpe, Hash, Tokenize
from dmengine.spi import Limits
from dmengine.testing.context import Setting, mask_array, mask_values, unmask_array, unmask_values
from dmengine_maskers.siv import Siv

ENCODINGS = ["base64url", "base32"]
KEY = bytes.fromhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")


def sealed(siv: Siv, *values: bytes) -> list[bytes]:
    made: list[bytes] = siv.encrypt(pa.array(values, pa.binary())).to_pylist()
    return made


def test_rfc_5297_deterministic_example() -> None:
    """Example A.1 of RFC 5297."""
    header = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")

    made = sealed(Siv(KEY, (header,)), bytes.fromhex("112233445566778899aabbccddee"))

    assert made == [bytes.fromhex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c")]


def test_rfc_5297_nonce_example() -> None:
    """Example A.2 of RFC 5297: two headers and a nonce."""
    key = bytes.fromhex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f")
    headers = (
        bytes.fromhex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"),
        bytes.fromhex("102030405060708090a0"),
        bytes.fromhex("09f911029d74e35bd84156c5635688c0"),
    )
    plain = b"this is some plaintext to encrypt using SIV-AES"

    made = sealed(Siv(key, headers), plain)

    wanted = (
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e"
    )
    assert made == [bytes.fromhex(wanted + "9c485b62a3fd5c0d")]


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32) | st.binary(min_size=64, max_size=64), st.lists(st.binary(min_size=1)))
def test_column_is_encrypted_as_value_by_value(key: bytes, values: list[bytes]) -> None:
    """Every value gets what the library's own AES-SIV makes of it, and comes back."""
    siv = Siv(key)

    made = sealed(siv, *values)

    assert made == [AESSIV(key).encrypt(value, []) for value in values]
    back, broken = siv.decrypt(pa.array(made, pa.binary()))
    assert back.to_pylist() == values
    assert not broken.any()


@settings(deadline=None)
@given(st.integers(0, 29), st.integers(1, 255))
def test_changed_ciphertext_is_found(place: int, change: int) -> None:
    """A token of which one byte is another is none, and nothing of what it may decrypt to comes out."""
    made = bytearray(sealed(Siv(KEY), b"secret of Alice"[:14])[0])
    made[place] ^= change

    back, broken = Siv(KEY).decrypt(pa.array([bytes(made), bytes(made[:15])], pa.binary()))

    assert broken.all()
    assert back.to_pylist() == [b"", b""]


def test_siv_key_of_another_size_is_refused() -> None:
    """A key that is none of AES-SIV is refused, and not shown."""
    with pytest.raises(KeyringError, match="32, 48 or 64"):
        Siv(b"short")


@settings(deadline=None)
@given(
    st.lists(st.none() | st.text(max_size=60)), st.sampled_from(["base64url", "base32"]), st.sampled_from(["", "t:"])
)
def test_tokens_come_back(values: list[str | None], encoding: str, prefix: str) -> None:
    """Texts of every length and script come back from their tokens, which have the letters of their encoding."""
    masker = Tokenize(encoding, prefix)  # type: ignore[arg-type]

    tokens = mask_values(masker, pa.array(values, pa.string()))

    assert unmask_values(masker, pa.array(tokens, pa.string())) == values
    for token in filter(None, tokens):
        body = token.removeprefix(prefix)
        padded = body + "=" * (-len(body) % (4 if encoding == "base64url" else 8))
        assert base64.urlsafe_b64decode(padded) if encoding == "base64url" else base64.b32decode(padded.upper())


def test_blocks_do_not_show() -> None:
    """A column longer than the blocks it is worked on in is masked as its parts are."""
    values = pa.array([f"value {number}" for number in range(40_000)])

    tokens = mask_array(Tokenize(), values)

    assert tokens.slice(30_000, 5).to_pylist() == mask_values(Tokenize(), values.slice(30_000, 5))
    assert unmask_array(Tokenize(), tokens).equals(values)


@pytest.mark.parametrize("encoding", ["base64url", "base32"])
def test_what_is_no_token_does_not_come_back(encoding: str) -> None:
    """Texts that are no tokens, cut tokens, and tokens of another domain are mismatches."""
    masker = Tokenize(encoding, "t_")  # type: ignore[arg-type]
    (token,) = mask_values(masker, ["Alice"])
    (other,) = mask_values(masker, ["Alice"], domain="other")
    wrong = ["", "t_", "Alice", token[:-1], token + "a", token[2:], token.swapcase(), other, "t_ü"]

    back = unmask_array(masker, pa.array([*wrong, token]), Setting(on_mismatch="null")).to_pylist()

    assert back == [None] * len(wrong) + ["Alice"]


def test_longest_holds_tokens_to_a_target() -> None:
    """With `longest` the plan knows what a target must hold, and a longer value is a mismatch."""
    field = pa.field("name", pa.string())
    masker = Tokenize(longest=8)

    assert masker.plan(field, Limits(max_bytes=32)) == field
    with pytest.raises(PlanError, match="needs 32 bytes"):
        masker.plan(field, Limits(max_bytes=31))
    with pytest.raises(PlanError, match="longest"):
        Tokenize().plan(field, Limits(max_bytes=500))
    assert [len(token or "") for token in mask_values(masker, ["12345678", "123456789"], on_mismatch="null")] == [32, 0]


def test_table_comes_back_where_its_masks_are_reversible() -> None:
    """`unmask_table` gives the originals of fpe and tokenize, and leaves all else as it was masked."""
    rules = dm.Ruleset(
        [
            dm.Rule("name", Tokenize()),
            dm.Rule(["id", "ids[*]"], Fpe(), domain="customer"),
            dm.Rule("mail", Hash()),
            dm.keep("note", because="harmless"),
            dm.drop("fax"),
        ]
    )
    table = pa.table(
        {
            "name": ["Ann", None, "Bob"],
            "id": pa.array([1234567, 7654321, 1234567]),
            "ids": [[1234567], None, []],
            "mail": ["a", "b", "c"],
            "note": ["x", "y", None],
            "fax": ["1", "2", "3"],
        }
    )
    key = dm.Key.generate()
    masked = dm.mask_table(table, rules, key)

    back = dm.unmask_table(masked, rules, key)

    assert masked["name"].to_pylist() != table["name"].to_pylist()
    assert back.select(["name", "id", "ids", "note"]).equals(table.select(["name", "id", "ids", "note"]))
    assert back["mail"].equals(masked["mail"])


def test_frame_comes_back() -> None:
    """`unmask_frame` is the way back of `mask_frame`, dictionaries included."""
    pd = pytest.importorskip("pandas")
    rules, key = dm.Ruleset([dm.Rule("name", Tokenize())]), dm.Key.generate()
    frame = pd.DataFrame({"name": pd.Categorical(["Ann", "Bob", "Ann"])})

    back = dm.unmask_frame(dm.mask_frame(frame, rules, key), rules, key)

    assert back["name"].astype(str).tolist() == ["Ann", "Bob", "Ann"]


def test_wrong_key_gives_nothing_back() -> None:
    """Without the right key there is an error, and no value in it."""
    rules = dm.Ruleset([dm.Rule("name", Tokenize())])
    masked = dm.mask_table(pa.table({"name": ["Ann"]}), rules, dm.Key.generate())

    with pytest.raises(MaskError, match="cannot take 1") as caught:
        dm.unmask_table(masked, rules, dm.Key.generate())

    assert masked["name"][0].as_py() not in str(caught.value)


def test_way_back_is_refused_where_there_is_none() -> None:
    """A ruleset without a reversible mask, or with one under a condition, cannot be turned back."""
    table, key = pa.table({"name": ["Ann"]}), dm.Key.generate()

    with pytest.raises(PlanError, match="no mask of the ruleset is reversible"):
        dm.unmask_table(table, dm.Ruleset([dm.Rule("name", Hash())]), key)
    conditional = dm.Rule("name", Tokenize(), when=dm.field("name") == "Ann", otherwise=dm.keep(because="other"))
    with pytest.raises(PlanError, match="condition"):
        dm.unmask_table(table, dm.Ruleset([conditional]), key)
