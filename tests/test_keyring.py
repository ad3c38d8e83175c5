"""Promises of the keyring: keys are found, judged, derived from, and told apart."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pickle
import random
import secrets
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dmengine.errors import KeyringError, PluginError
from dmengine.keyring import Key, KeyReference, Secret, hold

ROOT = bytes.fromhex("9e0f41c7752db8a36c1be4f058972ad3")
"""Random bytes, for tests alone."""


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (b"", "has 0 bytes"),
        (ROOT[:15], "has 15 bytes"),
        (ROOT * 5, "has 80 bytes"),
        (bytes(32), "repeats itself"),
        (b"\xff" * 16, "repeats itself"),
        (b"\x01\x02\x03\x04\x05\x06\x87" * 4, "repeats itself"),
        (ROOT * 2, "repeats itself"),
        (bytes(range(32)), "counts"),
        (bytes(range(255, 239, -1)), "counts"),
        (bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), "published sample"),
        (bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94"), "published sample"),
        (b"correct horse battery staple", "is text"),
        ("größter gemeinsamer Schlüssel".encode(), "is text"),
        (ROOT.hex().encode(), "is text"),
        (base64.b64encode(ROOT), "is text"),
    ],
)
def test_weak_keys_are_refused(secret: bytes, reason: str) -> None:
    """Short, repetitive, published and readable keys are refused, with the line that makes a good one."""
    with pytest.raises(KeyringError, match=reason) as caught:
        Key.from_bytes(secret)

    assert "secrets.token_hex(32)" in caught.value.hint


@given(st.integers(16, 64), st.integers())
@example(21, 8192)  # its base64 is letters alone
def test_random_keys_are_accepted(size: int, seed: int) -> None:
    """Random bytes of any allowed length are a key, as bytes, hex and base64; not base64 that reads like words."""
    secret = random.Random(seed).randbytes(size)
    key = Key.from_bytes(secret)

    for text in (secret.hex(), base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode()):
        like_words = "=" not in text and (text.isalpha() or text.islower() or text.isupper())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("K", text + "\n")
            if like_words and text != secret.hex():
                with pytest.raises(KeyringError, match="a passphrase is not a key"):
                    Key.load("env:K")
            else:
                assert Key.load("env:K") == key


@pytest.mark.parametrize("length", [44, 43])
def test_base64_needs_no_padding(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `secrets.token_urlsafe` prints is a key as well as what `openssl rand -base64` prints."""
    secret = bytes.fromhex("c1b7e90a5d3f4826917e04bca6f8d2530e9c61f77a2b48d58305ef1c96d0ab74")
    monkeypatch.setenv("K", base64.urlsafe_b64encode(secret).decode()[:length])

    assert Key.load("env:K") == Key.from_bytes(secret)


@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple",
        "correcthorsebatterystapler",
        "CorrectHorseBatteryStapleX",
        "hunter2",
        ROOT.hex()[:-1],
        ROOT.hex()[:30],
        ROOT.hex() + "!",
        "========================",
        "пароль-от-человека-тут",
    ],
)
def test_text_that_is_no_key_is_refused(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A passphrase, a cut key or any other text is refused in the environment and in a file, and not quoted."""
    monkeypatch.setenv("K", text)
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(text)

    for reference in ("env:K", f"file:{file}"):
        with pytest.raises(KeyringError, match="passphrase is not a key") as caught:
            Key.load(reference)

        assert text not in str(caught.value)
        assert caught.value.__context__ is None


def test_encoded_text_is_still_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase in hex or base64 is as weak as the passphrase."""
    phrase = b"correct horse battery staple"

    for text in (phrase.hex(), base64.b64encode(phrase).decode()):
        monkeypatch.setenv("K", text)
        with pytest.raises(KeyringError, match="is text, not random"):
            Key.load("env:K")


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable that is not set, or a file that is not there, is an error with its name; no key is made up."""
    monkeypatch.delenv("DMENGINE_ABSENT", raising=False)

    with pytest.raises(KeyringError, match="DMENGINE_ABSENT is not set"):
        Key.load("env:DMENGINE_ABSENT")
    with pytest.raises(KeyringError, match=r"absent\.key cannot be used: No such file"):
        Key.load(f"file:{tmp_path}/absent.key")


@pytest.mark.parametrize("reference", [ROOT.hex(), f"env:{ROOT.hex()}", f"file:{ROOT.hex()}", f"{ROOT.hex()}:x"])
def test_a_key_in_place_of_its_reference_is_not_quoted(reference: str) -> None:
    """Somebody who gives the key itself where its place belongs does not find it in the error."""
    with pytest.raises(KeyringError) as caught:
        Key.load(reference)

    assert ROOT.hex() not in "".join(traceback.format_exception_only(caught.value))


def test_unknown_schemes_are_refused_with_a_suggestion() -> None:
    """A scheme that no plugin knows is named, with those that are installed."""
    with pytest.raises(PluginError, match="no key source 'evn'") as caught:
        Key.load("evn:KEY")

    assert "did you mean env?" in caught.value.hint


@pytest.mark.parametrize(
    "content", [ROOT, ROOT.hex().encode() + b"\n", base64.b64encode(ROOT), ROOT.hex().upper().encode()]
)
def test_files_hold_bytes_or_text(content: bytes, tmp_path: Path) -> None:
    """A private file may hold the bytes themselves, or their hex or base64."""
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(content)

    key = Key.load(f"file:{file}")

    assert key == Key.from_bytes(ROOT)
    assert key.reference == f"file:{file}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_files_that_others_can_reach_are_refused(mode: int, tmp_path: Path) -> None:
    """A key file that its group or others may read, write or run is refused, with the command to mend it."""
    file = tmp_path / "key"
    file.write_bytes(ROOT)
    file.chmod(mode)

    with pytest.raises(KeyringError, match="others may read") as caught:
        Key.load(f"file:{file}")

    assert "chmod 600" in caught.value.hint


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A folder, a pipe nobody writes to and an impossible name are refused at once."""
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path, tmp_path / "pipe", "a\0b"):
        with pytest.raises(KeyringError, match="cannot be used"):
            Key.load(f"file:{path}")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_files_of_other_users_are_refused(tmp_path: Path) -> None:
    """A key file that belongs to another user is refused, however private it is."""
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(ROOT)
    os.chown(file, 12_345, -1)

    with pytest.raises(KeyringError, match="another user"):
        Key.load(f"file:{file}")


def hkdf(root: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt, written out."""
    made, block = b"", b""
    pseudorandom = hmac.digest(bytes(32), root, "sha256")
    while len(made) < size:
        block = hmac.new(pseudorandom, block + info + bytes([len(made) // 32 + 1]), hashlib.sha256).digest()
        made += block
    return made[:size]


@given(st.text(max_size=20), st.text(max_size=20), st.integers(1, 100))
def test_derivation_is_hkdf(purpose: str, domain: str, size: int) -> None:
    """A derived key is HKDF-SHA256 with purpose and domain framed by their lengths."""
    info = b"dmengine/v1"
    for text in (purpose, domain):
        info += len(text.encode()).to_bytes(2, "big") + text.encode()

    assert Key.from_bytes(ROOT).derive(purpose, domain, size) == hkdf(ROOT, info, size)


def test_derivation_is_pinned() -> None:
    """Derived keys and fingerprints never change within an algorithm version."""
    key = Key.from_bytes(ROOT)

    assert key.fingerprint == "2bf4ca31164840d1"
    assert key.derive("prf", "person.email").hex() == "c1a6bccec34060d2bd4d9688d06f403f34c66a7c92b5395eb77a4defde7f3c93"
    assert key.derive("prf", "straße", 16).hex() == "a1d7d78cad0a47243fa58f869733ee37"


def test_purposes_and_domains_do_not_run_together() -> None:
    """Moving a character from the purpose to the domain gives another key."""
    key = Key.from_bytes(ROOT)

    keys = {key.derive(*names) for names in (("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), ("ab", "C"))}

    assert len(keys) == 5


def test_names_of_domains_are_bounded() -> None:
    """A domain's name that does not fit its length field is refused."""
    with pytest.raises(KeyringError, match="65,535"):
        Key.from_bytes(ROOT).derive("prf", "x" * 65_536)


def test_threads_derive_equal_keys() -> None:
    """Many threads that derive at once get equal keys."""
    key, ready = Key.from_bytes(ROOT), threading.Barrier(4)

    def derive(_: int) -> list[bytes]:
        ready.wait()
        return [key.derive("prf", f"domain {n}") for n in range(50)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(derive, range(4)))

    assert all(keys == found[0] for keys in found)


def test_fingerprints_tell_keys_apart() -> None:
    """Equal keys have equal fingerprints and hashes; other keys, even longer ones that begin alike, do not."""
    key, same, other = Key.from_bytes(ROOT), Key(ROOT, "env:X"), Key.from_bytes(ROOT + b"\0")

    assert (key == same, hash(key) == hash(same), key.fingerprint == same.fingerprint) == (True, True, True)
    assert key != other
    assert key.fingerprint != other.fingerprint
    assert key != ROOT
    assert repr(same) == f"Key(fingerprint='{key.fingerprint}', reference='env:X')"


def test_generated_keys_are_new_each_time() -> None:
    """A generated key has no reference, and is never the same twice."""
    first, second = Key.generate(), Key.generate()

    assert first != second
    assert first.reference is None
    assert len(first.to_bytes()) == 32


def test_keys_do_not_change() -> None:
    """The parts of a key can be neither replaced nor removed."""
    key = Key.from_bytes(ROOT)

    with pytest.raises(AttributeError, match="does not change"):
        key.reference = "env:OTHER"
    with pytest.raises(AttributeError, match="does not change"):
        del key.fingerprint


def test_secrets_are_bytes() -> None:
    """A secret works as the bytes it is: equal, hashable, indexable, usable as a key."""
    secret = Secret(ROOT)

    assert secret == ROOT
    assert secret != ROOT[:8]
    assert {secret: 1}[ROOT] == 1  # type: ignore[index]
    assert secret[0] == ROOT[0]
    assert isinstance(secret[:8], Secret)
    assert hmac.digest(secret, b"m", "sha256") == hmac.digest(ROOT, b"m", "sha256")


def test_references_pickle_and_find_a_held_key() -> None:
    """A reference travels without the key, and finds the one that its process holds."""
    key = Key.from_bytes(secrets.token_bytes(32))
    pickled = pickle.dumps(KeyReference.of(key))
    with pytest.raises(KeyringError, match="no reference to load it from"):
        pickle.loads(pickled).resolve()

    hold(key)

    assert pickle.loads(pickled).resolve() is key
    assert key.to_bytes().hex().encode() not in pickled
    assert bytes(key.to_bytes()) not in pickled


def test_references_load_their_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference loads its key where the process does not hold it."""
    monkeypatch.setenv("K", secrets.token_hex(32))
    key = Key.load("env:K")

    assert pickle.loads(pickle.dumps(KeyReference.of(key))).resolve() == key


def test_another_key_at_the_same_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was replaced since the run began is refused by its fingerprint, before it masks anything."""
    monkeypatch.setenv("K", secrets.token_hex(32))
    reference = KeyReference.of(Key.load("env:K"))
    monkeypatch.setenv("K", secrets.token_hex(32))

    with pytest.raises(KeyringError, match="not the key of this run") as caught:
        reference.resolve()

    assert reference.fingerprint in str(caught.value)
