"""Connections from files and to files, and what an update would drop."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dmengine.connectionfile import load_connection_file, take_connection
from dmengine.errors import RulesetError, StoreError
from dmengine.yamlfile import dump_document
from dmengine_connectors.connections.connection import Connection

C = TypeVar("C", bound=Connection)

_YAML = (".yaml", ".yml")


class Updated(NamedTuple):
    """A connection that took the place of another.

    Attributes:
        connection: The new one.
        dropped: The keys that the old one had and the new one does not say, so that they are gone.
    """

    connection: Connection
    dropped: tuple[str, ...]


def load_connection(source: str | os.PathLike[str] | Mapping[str, Any]) -> Connection:
    """Load a connection from a JSON or YAML file, or take it as plain data.

    >>> load_connection({"version": "1.0", "name": "b", "type": "s3_connection", "bucket": "crm"}).files("in/").location
    's3://crm/in/'

    Raises:
        RulesetError: with every problem there is, each with its place.
    """
    made: Connection = take_connection(source) if isinstance(source, Mapping) else load_connection_file(Path(source))
    return made


def load_as(cls: type[C], path: str | os.PathLike[str]) -> C:
    """Load a connection that must be of one class.

    Raises:
        RulesetError: it is of another, or has problems.
    """
    found = load_connection(path)
    if not isinstance(found, cls):
        raise RulesetError(f"{Path(path).name} is a connection to {found.kind}", hint="load it with load_connection")
    return found


def write_file(keys: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the keys of a connection as JSON or YAML, by the file's ending; whole, or not at all.

    Raises:
        StoreError: the file has another ending, or cannot be written.
    """
    file = Path(path)
    if file.suffix == ".json":
        text = json.dumps(keys, indent=2, ensure_ascii=False) + "\n"
    elif file.suffix in _YAML:
        text = dump_document(dict(keys))
    else:
        raise StoreError(f"{file.name} is neither JSON nor YAML", hint="end its name with .json or .yaml")
    try:
        beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        try:
            with beside.open("x", encoding="utf-8") as out:
                if file.exists():
                    os.chmod(out.fileno(), file.stat().st_mode & 0o777)
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            os.replace(beside, file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}", hint="check the path and its rights") from error


def updated(old: Connection, keys: Mapping[str, Any]) -> Updated:
    """Replace a connection as a PUT does: what the new keys do not say is gone. Say what that is.

    >>> old = load_connection({"name": "b", "type": "s3_connection", "bucket": "crm",
    ...                        "iam_role_arn": "arn:aws:iam::222222222222:role/Reader"})
    >>> new, dropped = updated(old, {"name": "b", "type": "s3_connection", "bucket": "crm-2"})
    >>> new.bucket, dropped
    ('crm-2', ('iam_role_arn',))

    Raises:
        RulesetError: the new keys are no connection, or one of another type.
    """
    new = load_connection(keys)
    if new.kind != old.kind:
        raise RulesetError(
            f"{old.name} is a connection to {old.kind}, and the new keys are one to {new.kind}",
            hint="make it another connection",
        )
    before, after = old.to_dict(), new.to_dict()
    return Updated(new, tuple(key for key in before if key not in keys and before[key] != after.get(key)))
