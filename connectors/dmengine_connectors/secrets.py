"""Root keys that lie in AWS: a secret of Secrets Manager, or a blob that KMS unwraps."""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
from collections.abc import Callable
from typing import Final

from dmengine.errors import DmengineError, KeyringError
from dmengine.keyring import MAX_BYTES, Secret, read_key
from dmengine_connectors.aws_errors import reported
from dmengine_connectors.session import SessionFactory

CONTEXT: Final = {"dmengine": "root-key"}
"""The encryption context of a wrapped key: no other blob of the same KMS key is taken for one."""
_MOST: Final = 8192  # a blob of KMS has 6,144 bytes at most, and more of them in base64
_WRAP: Final = (
    "aws kms generate-data-key-without-plaintext --key-id alias/dmengine --key-spec AES_256 "
    "--encryption-context dmengine=root-key --query CiphertextBlob --output text"
)


def load_from_secrets_manager(rest: str) -> bytes:
    """Load the key in a secret: `NAME`, `NAME#field` of a JSON text, `...?region=eu-west-1`.

    Credentials are those of the environment.

    Raises:
        KeyringError: there is no such secret, it is not allowed, or it holds no key.
    """
    where, region = _region(rest, "secretsmanager:NAME#field?region=eu-west-1")
    name, _, field = where.partition("#")
    if not name:
        raise KeyringError("the reference names no secret", hint="write secretsmanager:NAME")
    place = f"the secret {name}"
    if name.startswith("arn:") and region is None:
        region = name.split(":")[3] if name.count(":") > 3 else None  # botocore does not take it from there
    sessions = SessionFactory(region=region)

    def ask() -> Secret:
        answer = sessions.client("secretsmanager").get_secret_value(SecretId=name)
        return Secret(answer["SecretBinary"] if "SecretBinary" in answer else answer["SecretString"].encode())

    content = _asked(ask, "secretsmanager:GetSecretValue", f"cannot read {place}")
    return read_key(_field(content, field, place), f"{field} of {place}") if field else read_key(content, place)


def load_from_kms(rest: str) -> bytes:
    """Unwrap the key in `env:NAME` or `file:/path`, base64 of what KMS made: `env:NAME?region=eu-west-1`.

    Credentials are those of the environment. The encryption context must be dmengine=root-key.

    Raises:
        KeyringError: there is nothing, it is not base64, or KMS does not decrypt it.
    """
    where, region = _region(rest, "kms:file:/path?region=eu-west-1")
    blob = _wrapped(where)
    sessions = SessionFactory(region=region)

    def ask() -> Secret:
        return Secret(sessions.client("kms").decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"])

    more = "; the encryption context must have been dmengine=root-key"
    return read_key(
        _asked(ask, "kms:Decrypt", f"cannot unwrap the key in {where}", more), f"the wrapped key in {where}"
    )


def _asked(ask: Callable[[], Secret], call: str, what: str, more: str = "") -> Secret:
    try:
        return reported(ask, call=call, what=what)
    except DmengineError as error:
        problem = KeyringError(error.message, hint=error.hint + more)
    raise problem


def _region(rest: str, form: str) -> tuple[str, str | None]:
    where, mark, query = rest.rpartition("?")
    if not mark:
        return rest, None
    name, _, value = query.partition("=")
    if name != "region" or not value:
        raise KeyringError("what stands after the ? in the reference to the key is not known", hint=f"write {form}")
    return where, value


def _field(content: Secret, field: str, place: str) -> Secret:
    found = _text_in(content, field)
    if found is None:  # raised here, where no local name holds the text
        raise KeyringError(f"{place} has no text field {field}", hint="name a field of its JSON text after the #")
    return found


def _text_in(content: Secret, field: str) -> Secret | None:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):  # its message holds the text
        return None
    found = parsed.get(field) if isinstance(parsed, dict) else None
    return Secret(found.encode()) if isinstance(found, str) else None


def _wrapped(where: str) -> bytes:
    scheme, _, rest = where.partition(":")
    if scheme == "env":
        text = Secret(os.environb.get(os.fsencode(rest), b""))  # it may be the key itself, by mistake
    elif scheme == "file":
        text = Secret(_read(os.path.expanduser(rest)))
    else:
        raise KeyringError(
            "the reference does not say where the wrapped key is", hint="write kms:env:NAME or kms:file:/path"
        )
    try:
        blob = Secret(base64.b64decode(b"".join(text.split()), validate=True))
    except binascii.Error:
        blob = Secret()
    if not blob:
        raise KeyringError(f"{where} holds no base64 of a wrapped key", hint=f"make one with {_WRAP}")
    if len(blob) <= MAX_BYTES:  # no blob of KMS is so short, and a key is not sent anywhere
        raise KeyringError(
            f"{where} holds something too short to be wrapped: the key itself?", hint=f"make one with {_WRAP}"
        )
    return blob


def _read(path: str) -> bytes:
    try:
        # not blocking: a pipe with nobody at its other end must not hang the run
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = error.strerror
    else:
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return os.read(handle, _MOST)
        finally:
            os.close(handle)
        why = "it is not a regular file"
    raise KeyringError(f"the wrapped key in {path} cannot be read: {why}", hint=f"make one with {_WRAP} > the file")
