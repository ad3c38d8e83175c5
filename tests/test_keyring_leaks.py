"""Promises of the keyring's silence: no way of writing a key out writes it out."""

from __future__ import annotations

import base64
import copy
import dataclasses
import inspect
import io
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from dmengine.errors import KeyringError
from dmengine.keyring import Key, Secret

ROOT = bytes.fromhex("9e0f41c7752db8a36c1be4f058972ad3")
"""Random bytes, for tests alone."""


def shown(secret: bytes) -> list[str]:
    """The ways in which bytes can be read out of a text."""
    return [
        secret.hex(),
        secret.hex().upper(),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
        repr(bytes(secret))[2:-1],
        str(list(secret))[1:-1],
        repr(bytes(secret[:8]))[2:-1],
        secret[:6].hex(),
    ]


def with_locals(thing: object) -> str:
    inner = thing
    try:
        raise ValueError(f"{inner}")
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def logged(thing: object) -> str:
    stream = io.StringIO()
    logger = logging.Logger("test")  # apart from the global ones
    logger.addHandler(logging.StreamHandler(stream))
    logger.warning("%s %r %s", thing, thing, {"key": thing}, extra={"thing": thing})
    return stream.getvalue()


@dataclasses.dataclass
class Settings:
    key: Any


WAYS: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": lambda key: f"{key} {key!r} {key:>40}" if isinstance(key, Secret) else f"{key} {key!r}",
    "percent": lambda key: "%s %r" % (key, key),  # noqa: UP031
    "container": lambda key: [f"{[key]} { ({'k': key}) }"],
    "pprint": lambda key: pprint.pformat({"key": [key]}),
    "vars": vars,
    "dict": lambda key: key.__dict__,
    "members": lambda key: inspect.getmembers(key),
    "dataclass": lambda key: Settings(key),
    "asdict": lambda key: dataclasses.asdict(Settings(key)),
    "json": lambda key: json.dumps({"key": key}),
    "json default": lambda key: json.dumps({"key": key}, default=str),
    "msgspec": lambda key: msgspec.json.encode({"key": key}),
    "yaml": lambda key: yaml.dump({"key": key}),
    "pickle": lambda key: [pickle.dumps(key, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)],
    "pickle in Python": lambda key: pickle._Pickler(io.BytesIO()).dump(key),
    "copy": copy.copy,
    "deepcopy": lambda key: copy.deepcopy({"key": key}),
    "reduce": lambda key: key.__reduce__(),
    "state": lambda key: key.__getstate__(),
    "logging": logged,
    "traceback with locals": with_locals,
    "exception": lambda key: traceback.format_exception(ValueError(key)),
    "slice": lambda key: repr(key[:8]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["key", "root", "derived"])
def test_keys_do_not_leak(way: str, kind: str) -> None:
    """No common way of writing an object out writes out a key: it is refused, or shows a fingerprint at most."""
    key = Key.from_bytes(ROOT)
    thing: Any = {"key": key, "root": key.to_bytes(), "derived": key.derive("prf", "d")}[kind]

    try:
        found = repr(WAYS[way](thing))
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not show the key
        found = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert found
    assert not [text for text in (*shown(ROOT), *shown(bytes(key.derive("prf", "d")))) if text in found]


@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy", "asdict", "reduce", "state"])
def test_keys_refuse_to_be_copied(way: str) -> None:
    """Copying and pickling a key is refused with the way to do it right."""
    for thing in (Key.from_bytes(ROOT), Secret(ROOT)):
        with pytest.raises(KeyringError, match="KeyReference"):
            WAYS[way](thing)


def test_failing_tests_do_not_show_keys(tmp_path: Path) -> None:
    """A user's failing test, with locals and a full diff, shows no byte of the keys that it compares."""
    source = """
from dmengine.keyring import Key
def test_equal():
    first, second = Key.from_bytes(bytes.fromhex(A)), Key.generate()
    left, right = first.to_bytes(), second.to_bytes()
    assert first == second
def test_bytes():
    left, right = Key.from_bytes(bytes.fromhex(A)).derive("a", "b"), Key.from_bytes(bytes.fromhex(A)).derive("a", "c")
    assert left == right
def test_lists():
    left, right = [Key.from_bytes(bytes.fromhex(A)).to_bytes()], [Key.generate().to_bytes()]
    assert left == right
"""
    (tmp_path / "test_user.py").write_text("import os\nA = os.environ.pop('KEY')\n" + source)
    command = [sys.executable, "-m", "pytest", "-q", "-l", "-vv", "-p", "no:cacheprovider", "test_user.py"]

    run = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "KEY": ROOT.hex()}, capture_output=True, text=True, check=False
    )

    assert "3 failed" in run.stdout
    assert "<secret>" in run.stdout
    assert not [text for text in shown(ROOT) if text in run.stdout]


def test_refused_keys_are_not_shown() -> None:
    """The error about a weak key does not hold the key, not even in its frames' locals."""
    weak = b"a passphrase from a human"

    with pytest.raises(KeyringError, match="text, not random bytes") as caught:
        Key.from_bytes(Secret(weak))

    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [
        str(frame.locals) for frame in trace.stack if "keyring.py" in frame.filename and "tests" not in frame.filename
    ]
    assert ours
    assert "passphrase from" not in str(ours) + str(caught.value)
    assert caught.value.__context__ is None
