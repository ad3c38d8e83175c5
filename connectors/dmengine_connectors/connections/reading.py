"""Connections out of plain data: every problem at once, with its place, and never with what was written there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from dmengine.connectionfile import named_place
from dmengine.modelerrors import explain
from dmengine.problems import Problem, Where, as_error
from dmengine.yamlfile import Document
from dmengine_connectors.connections.connection import Connection

C = TypeVar("C", bound=Connection)

_HINTS: Final = {
    "role_arn": "did you mean iam_role_arn? Without it no role is assumed",
    "password": "did you mean dbpassword? It says where the password is: env:NAME, file:/path, secretsmanager:NAME",
    "expected_owner": "did you mean bucket_owner?",
    "prefix": "did you mean base_directory?",
    "path": "did you mean base_directory?",
    "type": "of a database write db_type alone",
    "db_type": "write type alone",
}
_CREDENTIALS: Final = ("access_key", "secret", "token", "credential")


def read_connection(
    cls: type[C], document: Document, where: Where = (), defaults: Mapping[str, Any] | None = None
) -> C | list[Problem]:
    """Make the connection that stands in a document, or return all that is wrong with it."""
    spec: Any = document.data
    for step in where:
        spec = spec[step]
    if not isinstance(spec, Mapping):
        return [Problem(where, "a connection wants a mapping", "write {type: s3_connection, bucket: ...}")]
    errors: Any = ()
    try:
        # strict JSON: "1" is no number, but lists become tuples
        return cls.model_validate_json(json.dumps({**(defaults or {}), **spec}), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    except TypeError:
        return [Problem(where, "this has something in it that no file can hold", "use text, numbers, lists, mappings")]
    return [_in_our_words(problem, len(where)) for problem in explain(errors, document, cls, where)]


def read_mapping(cls: type[C], keys: Mapping[str, Any]) -> C:
    """Make a connection of plain data.

    Raises:
        RulesetError: with every problem there is.
    """
    document = Document(dict(keys), "the connection", {}, {})
    found = read_connection(cls, document)
    if isinstance(found, list):
        raise as_error(found, document.source, named_place)
    return found


def _in_our_words(problem: Problem, depth: int) -> Problem:
    """Add to a problem what only connections know."""
    if not problem.on_key:
        return problem
    key = str(problem.where[-1])
    if any(word in key for word in _CREDENTIALS):
        return replace(problem, hint="credentials never stand in a connection: name a profile, or use the environment")
    if len(problem.where) == depth + 1 and key in _HINTS:
        return replace(problem, hint=_HINTS[key])
    return problem
