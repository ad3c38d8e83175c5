"""Writes the schema of an Avro file anew, without the fields that a run drops."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dmengine.errors import PlanError
from dmengine.paths import FieldPath
from dmengine_connectors.formats.avro_schema import PRIMITIVES, at_path, full_name, named_types, nodes, read_schema


def without(text: bytes, dropped: Sequence[FieldPath]) -> bytes:
    """Return a schema without some fields; all else of it stays.

    >>> text = b'{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}'
    >>> without(text, [FieldPath.of("a")])
    b'{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}'

    Raises:
        PlanError: a record type is used at several places, and only some of them drop the field.
    """
    if not dropped:
        return text
    gone = _gone(text, dropped)
    written = _Writer(named_types(text), gone).type(json.loads(text), "")
    return json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()


def _gone(text: bytes, dropped: Sequence[FieldPath]) -> dict[str, set[str]]:
    """Say which fields of which record types go."""
    root = read_schema(text)
    at_each: dict[Any, set[str]] = {}
    for path in dropped:
        for node in at_path(root, path):
            assert node.parent is not None
            at_each.setdefault(node.parent, set()).add(path.steps[-1].name)
    inside = {below for path in dropped for node in at_path(root, path) for below in nodes(node)}
    gone = {node.name: names for node, names in at_each.items()}
    for node in nodes(root):
        if node not in inside and node.name in gone and at_each.get(node, set()) != gone[node.name]:
            raise PlanError(
                f"{', '.join(map(str, dropped))}: the record type {node.name} is used at several places of the schema, "
                "and the field is dropped at some of them only",
                hint="drop it wherever the type is used, or mask it",
            )
    return gone


class _Writer:
    """Copies the JSON of a schema; a type whose definition went is defined where it is named next."""

    def __init__(self, named: Mapping[str, tuple[Mapping[str, Any], str]], gone: Mapping[str, set[str]]) -> None:
        self._named, self._gone = named, gone
        self._defined: set[str] = set()

    def type(self, given: Any, space: str) -> Any:
        """Copy a type."""
        if isinstance(given, list):
            return [self.type(branch, space) for branch in given]
        if isinstance(given, str):
            return self._reference(given, space)
        kind = given["type"]
        if kind in ("record", "error", "enum", "fixed"):
            own = given.get("namespace")
            return self._definition(given, full_name(str(given["name"]), str(own) if own is not None else space))
        inner = {"array": "items", "map": "values"}.get(kind if isinstance(kind, str) else "", "type")
        return {**given, inner: self.type(given[inner], space)}

    def _reference(self, name: str, space: str) -> Any:
        full = full_name(name, space)
        full = full if full in self._named else name
        if name in PRIMITIVES or full in self._defined:
            return name
        given, inside = self._named[full]
        return self._definition({**given, "name": full.rpartition(".")[2], "namespace": inside}, full)

    def _definition(self, given: Mapping[str, Any], full: str) -> dict[str, Any]:
        self._defined.add(full)
        if "fields" not in given:
            return dict(given)
        return {**given, "fields": list(self._fields(given["fields"], full))}

    def _fields(self, fields: Sequence[Mapping[str, Any]], full: str) -> Iterator[dict[str, Any]]:
        inside = self._named[full][1]
        for each in fields:
            if each["name"] not in self._gone.get(full, ()):
                yield {**each, "type": self.type(each["type"], inside)}
