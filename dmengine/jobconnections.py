"""The connections that a job names, and the sides of the job that use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dmengine.connectionfile import Connection, load_connection_file, read_connection
from dmengine.errors import DmengineError
from dmengine.jobsessions import Sessions, not_named
from dmengine.problems import Problem, Where
from dmengine.spi import Side
from dmengine.yamlfile import Document

_SAID: Final = {"type": "leave it out", "url": "write path: with what comes after the connection's base directory"}


class Connections:
    """The connections that a job names; every one is read, so that all that is wrong with any is told."""

    def __init__(self, document: Document, folder: Path, sessions: Sessions, problems: list[Problem]) -> None:
        self._sessions = sessions
        self._problems = problems
        written: Mapping[str, Any] = document.data.get("connections", {})
        self._found = {name: self._read(name, one, document, folder) for name, one in written.items()}
        self.used: dict[Side, Connection] = {}
        """The connection of each side that has one."""

    def expanded(self, spec: dict[str, Any], side: Side, where: Where) -> dict[str, Any] | None:
        """Return the connector that `{connection: name, path: ..., ...}` means, its session made; None, and a problem.

        What the side itself says beside them goes before what the connection says.
        """
        before = len(self._problems)
        for key in _SAID.keys() & spec.keys():
            self._problems.append(Problem((*where, key), f"{key} is said by the connection", _SAID[key], on_key=True))
        path = spec.get("path", "")
        if not isinstance(path, str):
            self._problems.append(Problem((*where, "path"), "path wants text"))
        base = self._sessions.get(spec["session"], (*where, "session")) if "session" in spec else None
        connection = self._get(spec["connection"], (*where, "connection"))
        if connection is None or len(self._problems) > before:
            return None
        try:
            said = connection.connector(path, side=side)
            session = connection.session(base)
        except DmengineError as error:
            self._problems.append(Problem((*where, "connection"), error.message, error.hint))
            return None
        self.used[side] = connection
        own = {key: value for key, value in spec.items() if key not in ("connection", "path", "session")}
        return {**said, **own, "session": session}

    def _read(self, name: str, written: Any, document: Document, folder: Path) -> Connection | None:
        where: Where = ("connections", name)
        if not isinstance(written, str):
            found = read_connection(document, where, {"name": name})
            if not isinstance(found, list):
                return found  # type: ignore[no-any-return]
            self._problems.extend(found)
            return None
        try:
            return load_connection_file(folder / written)  # type: ignore[no-any-return]
        except DmengineError as error:
            self._problems.append(Problem(where, error.message, error.hint))
        return None

    def _get(self, name: object, where: Where) -> Connection | None:
        if isinstance(name, str) and name in self._found:
            return self._found[name]
        none_yet = "name it: connections: {b: crm-b.json}"
        self._problems.append(not_named("connection", name, list(self._found), where, none_yet))
        return None
