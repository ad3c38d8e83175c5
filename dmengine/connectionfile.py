"""Connections as files and job files write them down, of whatever type is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dmengine import registry
from dmengine.errors import DmengineError, PlanError
from dmengine.problems import Problem, Where, as_error
from dmengine.spi import Check, Checked, Side
from dmengine.yamlfile import Document, load_document, read_text

GROUP: Final = "dmengine.connections"
_KEYS: Final = ("type", "db_type")
_NO_MAPPING: Final = ("a connection wants a mapping", "write {type: s3_connection, name: ..., bucket: ...}")


class Connection(Protocol):
    """What a job needs to know of a connection. Its class also has `read`, as `read_connection` calls it."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def connector(self, path: str = "", *, side: Side | None = None) -> dict[str, Any]:
        """Return the connector for a path, as a job file would name it: its `type` and parameters.

        Raises:
            DmengineError: the connection is not for that side, or for none.
        """
        ...

    def session(self, base: Any = None) -> Any:
        """Return the connector's `session`, which begins with another one if there is one."""
        ...


def load_connection_file(path: Path) -> Any:
    """Load a connection from a JSON or YAML file.

    Raises:
        RulesetError: with every problem there is, each with its line and column.
    """
    document = load_document(read_text(path), path.name)
    found = read_connection(document)
    if isinstance(found, list):
        found.sort(key=lambda p: document.position(p.where, on_key=p.on_key))
        raise as_error(found, path.name, lambda p: document.where(p.where, on_key=p.on_key))
    return found


def take_connection(keys: Mapping[str, Any]) -> Any:
    """Make a connection of plain data.

    Raises:
        RulesetError: with every problem there is, each with its key.
    """
    found = read_connection(Document(dict(keys), "the connection", {}, {}))
    if isinstance(found, list):
        raise as_error(found, "the connection", named_place)
    return found


def named_place(problem: Problem) -> str:
    """Say where a problem is in a connection that has no lines.

    >>> named_place(Problem(("roles", 1, "arn"), "..."))
    'the connection, roles.1.arn'
    """
    return "the connection" + (", " if problem.where else "") + ".".join(map(str, problem.where))


def read_connection(document: Document, where: Where = (), defaults: Mapping[str, Any] | None = None) -> Any:
    """Make the connection that stands in a document, or return the list of all that is wrong with it.

    Args:
        document: A file, or what it says.
        where: The place of the connection there.
        defaults: Keys that are taken where the connection does not say them.
    """
    spec = document.data
    for step in where:
        spec = spec[step]
    if not isinstance(spec, Mapping):
        return [Problem(where, *_NO_MAPPING)]
    key = next((key for key in reversed(_KEYS) if key in spec), "type")
    kind = spec.get(key)
    if not isinstance(kind, str):
        hint = "write type: s3_connection, or db_type: dynamo_db or redshift"
        return [Problem((*where, key) if key in spec else where, "this names no type of connection", hint)]
    problem: Problem | None = None
    try:
        cls = registry.load(GROUP, kind)
    except DmengineError as error:
        problem = Problem((*where, key), error.message, error.hint)
    return [problem] if problem is not None else cls.read(document, where, defaults)


@dataclass(frozen=True, slots=True)
class OfTables:
    """A connection to a database, as far as it is about some of its tables.

    Attributes:
        connection: The connection.
        tables: Which tables; without any it is about the database itself.
        alone: Whether only these are looked at.
    """

    connection: Any
    tables: tuple[str, ...]
    alone: bool = False

    @property
    def location(self) -> str:
        """What a person calls it."""
        return str(self.connection.name)

    def check(self, side: Side, *, probe: bool = False, brief: bool = False) -> Iterable[Check]:
        """Look at the connection and at the tables."""
        found: Iterable[Check] = self.connection.check(
            side, tables=self.tables, probe=probe, brief=brief, tables_alone=self.alone
        )
        return found


def places_of(connection: Any, tables: tuple[str, ...] = ()) -> list[tuple[Side, object]]:
    """Return what a connection can be used as, with what is used then: itself, where it is one to a database.

    Args:
        connection: The connection.
        tables: Which tables of a database are looked at.

    Raises:
        PlanError: no connector goes through it, or it has no tables.
    """
    sides: tuple[Side, ...] = ("source", "target")
    if isinstance(connection, Checked):
        to_write = tables and not getattr(connection, "is_read_only", False)
        source: list[tuple[Side, object]] = [("source", OfTables(connection, tables))]
        return [*source, ("target", OfTables(connection, tables, alone=True))] if to_write else source
    if tables:
        raise PlanError(f"the connection {connection.name} has no tables", hint="leave --table out")
    found: list[tuple[Side, object]] = []
    refused: DmengineError | None = None
    for side in sides:
        try:
            spec = connection.connector(side=side)
        except DmengineError as error:
            refused = error
            continue
        cls = registry.load("dmengine.connectors", spec.pop("type"))
        found.append((side, cls(**spec, session=connection.session())))
    if refused is not None and not found:
        raise refused
    return found
