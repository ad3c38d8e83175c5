"""The JSON Schema of connections, for editors."""

from __future__ import annotations

import json
from typing import Any, Final

from dmengine_connectors.connections.connection import Connection, keys_of
from dmengine_connectors.connections.databases import DynamoDBConnection, RedshiftConnection
from dmengine_connectors.connections.s3 import S3Connection

_CLASSES: Final[tuple[type[Connection], ...]] = (S3Connection, DynamoDBConnection, RedshiftConnection)


def connection_schema() -> dict[str, Any]:
    """Return the JSON Schema of a connection file.

    >>> [branch["title"] for branch in connection_schema()["oneOf"]]
    ['S3Connection', 'DynamoDBConnection', 'RedshiftConnection']
    """
    definitions: dict[str, Any] = {}
    branches = []
    for cls in _CLASSES:
        schema = cls.model_json_schema()
        definitions |= schema.pop("$defs", {})
        kind = "type" if "type" in cls.model_fields else "db_type"
        properties = {key: schema["properties"][key] for key in keys_of(cls)}
        required = [key for key in keys_of(cls) if key == kind or key in schema["required"]]
        first_line = schema["description"].partition("\n")[0]
        branches.append({**schema, "description": first_line, "properties": properties, "required": required})
    for definition in definitions.values():
        definition["description"] = definition.get("description", "").partition("\n")[0]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "connection", "oneOf": branches,
        "$defs": definitions,
    }  # fmt: skip


def schema_text() -> str:
    """Return the JSON Schema as the text of a file for editors.

    >>> print(schema_text().splitlines()[1])
      "$schema": "https://json-schema.org/draft/2020-12/schema",
    """
    return json.dumps(connection_schema(), indent=2, ensure_ascii=False) + "\n"
