"""Root keys in AWS: what Secrets Manager and KMS hold is the key that it would be anywhere, and nothing shows it."""

from __future__ import annotations

import base64
import json
import traceback
from pathlib import Path
from typing import Any

import boto3
import pytest

from dmengine.errors import KeyringError
from dmengine.keyring import Key, KeyReference
from tests.aws.secrets_lab import REGION, aws, server

__all__ = ["aws", "server"]

RAW = bytes.fromhex("8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d")
KEY = Key.from_bytes(RAW)
TEXTS = (RAW.hex(), base64.b64encode(RAW).decode())


@pytest.fixture
def secret(request: pytest.FixtureRequest) -> str:
    """Return the name of a secret that no other test has."""
    return f"masking/{abs(hash(request.node.nodeid)):x}"


def put(name: str, region: str = REGION, **content: Any) -> str:
    return str(boto3.client("secretsmanager", region_name=region).create_secret(Name=name, **content)["ARN"])


def wrapped(plain: bytes, context: dict[str, str] | None = None, region: str = REGION) -> str:
    kms = boto3.client("kms", region_name=region)
    wrapping = kms.create_key()["KeyMetadata"]["KeyId"]
    context = {"dmengine": "root-key"} if context is None else context
    return base64.b64encode(
        kms.encrypt(KeyId=wrapping, Plaintext=plain, EncryptionContext=context)["CiphertextBlob"]
    ).decode()


def refusal(reference: str) -> str:
    """Return what loading ends with, once no key is found in it."""
    with pytest.raises(KeyringError) as caught:
        Key.load(reference)
    traced = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(traceback.format_exception(caught.value)) + "".join(traced.format())
    assert not [text for text in (*TEXTS, str(RAW), "CANARY") if text in shown]
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- secrets manager


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_text_is_the_key_that_it_would_be_in_a_file(text: str, secret: str) -> None:
    """Hex and base64 are read as everywhere; the reference finds the key again."""
    put(secret, SecretString=text)

    key = Key.load(f"secretsmanager:{secret}")

    assert key == KEY
    assert KeyReference.of(key).resolve() == KEY


def test_a_secret_may_be_binary_or_a_field_of_json(secret: str) -> None:
    """Bytes are the key themselves; a field of a JSON secret is named after the #."""
    put(secret, SecretBinary=RAW)
    put(f"{secret}-json", SecretString=json.dumps({"password": "CANARY", "masking": TEXTS[0]}))

    assert Key.load(f"secretsmanager:{secret}") == KEY
    assert Key.load(f"secretsmanager:{secret}-json#masking") == KEY


def test_a_secret_is_read_in_the_region_that_is_named(secret: str) -> None:
    """The region comes from the reference, from an ARN, or from the environment."""
    arn = put(secret, "eu-north-1", SecretString=TEXTS[0])
    put(f"{secret}-json", "eu-north-1", SecretString=json.dumps({"k": TEXTS[0]}))

    assert Key.load(f"secretsmanager:{secret}?region=eu-north-1") == KEY
    assert Key.load(f"secretsmanager:{secret}-json#k?region=eu-north-1") == KEY
    assert Key.load(f"secretsmanager:{arn}") == KEY
    assert "ResourceNotFoundException" in refusal(f"secretsmanager:{secret}")


def test_a_secret_that_is_no_key_is_refused_without_showing_it(secret: str) -> None:
    """Passphrases, other JSON, and fields that are not there."""
    put(secret, SecretString="CANARY is not a key")
    put(f"{secret}-json", SecretString=json.dumps({"k": ["CANARY"]}))

    assert f"the secret {secret} holds neither hex nor base64" in refusal(f"secretsmanager:{secret}")
    assert "has no text field k" in refusal(f"secretsmanager:{secret}-json#k")
    assert "has no text field other" in refusal(f"secretsmanager:{secret}-json#other")
    assert "has no text field k" in refusal(f"secretsmanager:{secret}#k")


def test_a_secret_that_is_not_there_names_call_and_remedy() -> None:
    """The error says what was asked, what came back, and what to check."""
    said = refusal("secretsmanager:nothing/here")

    assert "cannot read the secret nothing/here: ResourceNotFoundException (secretsmanager:GetSecretValue" in said
    assert "check the name, the account and the region" in said


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("secretsmanager:", "names no secret"),
        ("secretsmanager:x?zone=1", "write secretsmanager:NAME#field?region=eu-west-1"),
        ("secretsmanager:x?region=", "write secretsmanager:NAME#field?region=eu-west-1"),
        ("kms:", "does not say where"),
        ("kms:vault:x", "write kms:env:NAME or kms:file:/path"),
        ("kms:env:DMENGINE_NOT_SET", "holds no base64 of a wrapped key"),
        ("kms:file:/nowhere/key", "No such file"),
        ("kms:file:/dev/null", "not a regular file"),
    ],
)
def test_a_reference_that_leads_nowhere_says_how_it_is_written(reference: str, says: str) -> None:
    """Nothing is asked of AWS for it."""
    assert says in refusal(reference)


# ---------------------------------------------------------------------------------------------------------- kms


@pytest.mark.parametrize("plain", [RAW, TEXTS[0].encode()], ids=["bytes", "text"])
def test_a_wrapped_key_is_unwrapped(plain: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The blob lies in the environment or in a file, as the command line of AWS writes it."""
    blob = wrapped(plain)
    monkeypatch.setenv("MASKING_KEY", blob)
    (tmp_path / "key.kms").write_text(f"{blob[:40]}\n{blob[40:]}\n")

    assert Key.load("kms:env:MASKING_KEY") == KEY
    assert Key.load(f"kms:file:{tmp_path / 'key.kms'}") == KEY


def test_a_data_key_that_nobody_has_seen_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """KMS itself makes the key, in the region that the reference names."""
    kms = boto3.client("kms", region_name="eu-north-1")
    made = kms.generate_data_key_without_plaintext(
        KeyId=kms.create_key()["KeyMetadata"]["KeyId"], KeySpec="AES_256", EncryptionContext={"dmengine": "root-key"}
    )
    monkeypatch.setenv("MASKING_KEY", base64.b64encode(made["CiphertextBlob"]).decode())

    first, second = (Key.load("kms:env:MASKING_KEY?region=eu-north-1") for _ in range(2))

    assert first == second
    assert len(first.to_bytes()) == 32


def test_a_blob_that_was_wrapped_for_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encryption context keeps other secrets of the same KMS key from being taken for the root key."""
    monkeypatch.setenv("MASKING_KEY", wrapped(RAW, {"app": "other"}))

    said = refusal("kms:env:MASKING_KEY")

    assert "cannot unwrap the key in env:MASKING_KEY: InvalidCiphertextException (kms:Decrypt" in said
    assert "dmengine=root-key" in said


def test_a_wrapped_text_that_is_no_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes out of KMS is held to the same as any other key."""
    monkeypatch.setenv("MASKING_KEY", wrapped(b"CANARY is not a key"))

    assert "the wrapped key in env:MASKING_KEY holds neither hex nor base64" in refusal("kms:env:MASKING_KEY")


@pytest.mark.parametrize("text", TEXTS)
def test_a_key_that_was_left_unwrapped_is_sent_nowhere(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root key in the place of a wrapped one is told by its length, and stays out of the error."""
    monkeypatch.setenv("MASKING_KEY", text)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    assert "too short to be wrapped" in refusal("kms:env:MASKING_KEY")
