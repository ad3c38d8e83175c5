"""Where passwords of connections, and keys, may lie: nothing shows them, and what is not safe is refused."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import boto3
import pytest

from dmengine.connectors import RedshiftConnection, SessionFactory
from dmengine.errors import KeyringError
from dmengine.keyring import Key, KeyReference
from tests.aws.secrets_lab import REGION, aws, server
from tests.connections.written import DEEP, REDSHIFT, SECRET

__all__ = ["aws", "server"]

HEX = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name that no other test has."""
    return f"/masking/{abs(hash(request.node.nodeid)):x}"


def parameter(name: str, value: str, kind: str = "SecureString", region: str = REGION) -> str:
    client: Any = boto3.client("ssm", region_name=region)
    client.put_parameter(Name=name, Value=value, Type=kind)
    return str(client.get_parameter(Name=name)["Parameter"]["ARN"])


def password(reference: str, base: SessionFactory | None = None, **more: Any) -> bytes:
    return bytes(RedshiftConnection.from_dict(REDSHIFT | {"dbpassword": reference} | more).password(base))


def refusal(work: Any) -> str:
    with pytest.raises(KeyringError) as caught:
        work()
    traced = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(traceback.format_exception(caught.value)) + "".join(traced.format())
    assert not [text for text in (HEX, "CANARY") if text in shown]
    return str(caught.value)


# ------------------------------------------------------------------------------------------ passwords


def test_a_password_is_read_from_each_place(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environment, file, Secrets Manager, Parameter Store; a field of JSON too, and a line break does not count."""
    monkeypatch.setenv("CRM_PASSWORD", SECRET)
    (tmp_path / "password").write_text(SECRET + "\n")
    (tmp_path / "password").chmod(0o600)
    secrets: Any = boto3.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString=json.dumps({"password": SECRET, "username": "x"}))
    parameter(name, SECRET)
    parameter(f"{name}/json", json.dumps({"p": SECRET}))

    for reference in (
        "env:CRM_PASSWORD", f"file:{tmp_path}/password", f"secretsmanager:{name}#password", f"ssm:{name}",
        f"ssm:{name}/json#p",
    ):  # fmt: skip
        assert password(reference) == SECRET.encode()


def test_a_password_is_read_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection loads where its password is not; whoever logs in needs it."""
    monkeypatch.delenv("CRM_PASSWORD", raising=False)
    connection = RedshiftConnection.from_dict(REDSHIFT)

    said = refusal(connection.password)
    assert "there is no dbpassword: the environment variable CRM_PASSWORD is not set, or is empty" in said
    monkeypatch.setenv("CRM_PASSWORD", SECRET)
    assert bytes(connection.password()) == SECRET.encode()


def test_a_password_is_asked_for_as_the_first_identity(name: str) -> None:
    """The roles of a connection are for the bucket; the region of the reference goes before that of the connection."""
    parameter(name, SECRET, region="eu-north-1")

    assert password(f"ssm:{name}?region=eu-north-1", iam_role_arn=DEEP, region=REGION) == SECRET.encode()
    assert password(f"ssm:{name}", iam_role_arn=DEEP, region="eu-north-1") == SECRET.encode()
    assert password(f"ssm:{name}", SessionFactory(region="eu-north-1")) == SECRET.encode()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A password that others may have read is none."""
    path = tmp_path / "password"
    path.write_text(SECRET)
    path.chmod(0o644)

    assert "others may read or change it" in refusal(lambda: password(f"file:{path}"))
    assert "No such file" in refusal(lambda: password(f"file:{path}-not-there"))


# ------------------------------------------------------------------------------------------ the parameter store


def test_a_parameter_is_the_key_that_it_would_be_in_a_file(name: str) -> None:
    """Hex, a field of JSON, by its ARN, in a region that the reference names."""
    arn = parameter(name, HEX, region="eu-north-1")
    parameter(f"{name}/json", json.dumps({"k": HEX, "other": "CANARY"}))
    key = Key.from_bytes(bytes.fromhex(HEX))

    found = [Key.load(f"ssm:{where}") for where in (f"{name}?region=eu-north-1", arn, f"{name}/json#k")]

    assert found == [key] * 3
    assert KeyReference.of(found[0]).resolve() == key


@pytest.mark.parametrize(
    ("value", "kind", "rest", "says"),
    [
        (HEX, "String", "", "is a String: whoever may list parameters can read it"),
        ("CANARY is not a key", "SecureString", "", "holds neither hex nor base64"),
        ("CANARY", "SecureString", "#k", "has no text field k"),
        (HEX, "SecureString", "/not-there", "ParameterNotFound"),
        (HEX, "SecureString", "?zone=1", "write ssm:NAME#field?region=eu-west-1"),
    ],
)
def test_a_parameter_that_is_no_key_is_refused_without_showing_it(
    value: str, kind: str, rest: str, says: str, name: str
) -> None:
    """Not encrypted, no key, no such field, not there."""
    parameter(name, value, kind)

    assert says in refusal(lambda: Key.load(f"ssm:{name}{rest}"))


def test_a_reference_without_a_name_says_how_it_is_written() -> None:
    """Nothing is asked of AWS for it."""
    assert "names no parameter" in refusal(lambda: Key.load("ssm:"))
