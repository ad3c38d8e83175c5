"""Keys and other secrets that lie in AWS: in Secrets Manager, in the Parameter Store, or wrapped by KMS."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from collections.abc import Callable
from typing import Any, Final

from dmengine.errors import DmengineError, KeyringError
from dmengine.keyring import MAX_BYTES, Secret, read_key, read_private
from dmengine_connectors.aws_errors import reported
from dmengine_connectors.session import SessionFactory

CONTEXT: Final = {"dmengine": "root-key"}
"""The encryption context of a wrapped key: no other blob of the same KMS key is taken for one."""
_MOST: Final = 8192  # a blob of KMS has 6,144 bytes at most, and more of them in base64
_SCHEMES: Final = ("env", "file", "secretsmanager", "ssm")
_FORMS: Final = "env:NAME, file:/path, secretsmanager:NAME or ssm:NAME"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
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
    content, place = _secret(rest, SessionFactory())
    return read_key(content, place)


def load_from_parameter_store(rest: str) -> bytes:
    """Load the key in a parameter of SSM's Parameter Store: `NAME`, `NAME#field`, `...?region=eu-west-1`.

    Credentials are those of the environment. The parameter must be a SecureString.

    Raises:
        KeyringError: there is no such parameter, it is not allowed, not encrypted, or it holds no key.
    """
    content, place = _parameter(rest, SessionFactory())
    return read_key(content, place)


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


def reference_problem(reference: str) -> str | None:
    """Say what is wrong with a reference to a secret text, without showing it; None if nothing is.

    >>> reference_problem("env:CRM_PASSWORD")
    >>> reference_problem("hunter2")
    'is not a reference to a secret (not shown, it may be the secret itself); write env:NAME, ... or ssm:NAME'
    """
    scheme, _, rest = reference.partition(":")
    if scheme not in _SCHEMES or not rest:
        return f"is not a reference to a secret (not shown, it may be the secret itself); write {_FORMS}"
    if scheme == "env" and not _VARIABLE.fullmatch(rest):
        return "does not name an environment variable (not shown, it may be the secret itself); write env:NAME"
    if scheme == "file" and not rest.startswith(("/", "~/")):
        return "does not say the whole path of a file; write file:/run/secrets/NAME or file:~/NAME"
    return None


def read_secret(reference: str, sessions: SessionFactory, what: str) -> bytes:
    """Read a secret text from where a reference says it is; a line break at its end does not count.

    Args:
        reference: `env:NAME`, `file:/path`, `secretsmanager:NAME` or `ssm:NAME`.
        sessions: Who asks AWS.
        what: What to call it in messages.

    Raises:
        KeyringError: it is not there, is not allowed, or others can read it.
    """
    if problem := reference_problem(reference):
        message, _, hint = f"{what} {problem}".partition("; ")
        raise KeyringError(message, hint=hint)
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        content, place = Secret(os.environb.get(os.fsencode(rest), b"")), f"the environment variable {rest}"
    elif scheme == "file":
        content, found = read_private(os.path.expanduser(rest))
        if found:
            raise KeyringError(f"the file {rest} of {what} cannot be used: {found}", hint="chmod 600 the file")
        place = f"the file {rest}"
    else:
        content, place = (_secret if scheme == "secretsmanager" else _parameter)(rest, sessions)
    content = Secret(content.rstrip(b"\r\n"))
    if not content:
        raise KeyringError(f"there is no {what}: {place} is not set, or is empty", hint="put the secret there")
    return content


def _secret(rest: str, sessions: SessionFactory) -> tuple[Secret, str]:
    """Return what a secret of Secrets Manager, or a field of it, holds, and what to call it."""
    name, field, region = _parts(rest, "secretsmanager:NAME#field?region=eu-west-1")
    if not name:
        raise KeyringError("the reference names no secret", hint="write secretsmanager:NAME")
    place = f"the secret {name}"

    def ask() -> Secret:
        answer = sessions.client("secretsmanager", region=region).get_secret_value(SecretId=name)
        return Secret(answer["SecretBinary"] if "SecretBinary" in answer else answer["SecretString"].encode())

    content = _asked(ask, "secretsmanager:GetSecretValue", f"cannot read {place}")
    return (_field(content, field, place), f"{field} of {place}") if field else (content, place)


def _parameter(rest: str, sessions: SessionFactory) -> tuple[Secret, str]:
    """Return what a parameter of the Parameter Store, or a field of it, holds, and what to call it."""
    name, field, region = _parts(rest, "ssm:NAME#field?region=eu-west-1")
    if not name:
        raise KeyringError("the reference names no parameter", hint="write ssm:NAME")
    place = f"the parameter {name}"
    kinds: list[str] = []

    def ask() -> Secret:
        client: Any = sessions.client("ssm", region=region)
        answer = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        kinds.append(answer["Type"])
        return Secret(answer["Value"].encode())

    content = _asked(ask, "ssm:GetParameter", f"cannot read {place}")
    if kinds[-1] != "SecureString":
        raise KeyringError(
            f"{place} is a {kinds[-1]}: whoever may list parameters can read it",
            hint="make it a SecureString, and change what it holds",
        )
    return (_field(content, field, place), f"{field} of {place}") if field else (content, place)


def _parts(rest: str, form: str) -> tuple[str, str, str | None]:
    """Take name, field and region out of a reference."""
    where, region = _region(rest, form)
    name, _, field = where.partition("#")
    if name.startswith("arn:") and region is None:
        region = name.split(":")[3] if name.count(":") > 3 else None  # botocore does not take it from there
    return name, field, region


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
        raise KeyringError("what stands after the ? in the reference is not known", hint=f"write {form}")
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
