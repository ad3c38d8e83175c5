"""What pydantic found wrong with a document, in words for whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from dmengine.maskparameter import PROBLEMS
from dmengine.problems import Problem, Where
from dmengine.yamlfile import Document

_WANTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "decimal_type": "a number",
    "bool_type": "true or false",
    "none_required": "null",
    "bytes_type": "text",
    "date_type": "a date",
    "datetime_type": "a date and time",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "mapping_type": "a mapping",
}


def explain(
    errors: Iterable[ErrorDetails], document: Document, model: type[BaseModel], at: Where = ()
) -> list[Problem]:
    """Turn pydantic's errors into problems with places and suggestions; what was written is not repeated.

    >>> from pydantic import ConfigDict, ValidationError
    >>> from dmengine.yamlfile import load_document
    >>> class Job(BaseModel):
    ...     model_config = ConfigDict(extra="forbid", strict=True)
    ...     workers: int
    >>> document = load_document("worker: many", "job.yaml")
    >>> try:
    ...     Job.model_validate(document.data)
    ... except ValidationError as error:
    ...     for problem in explain(error.errors(), document, Job):
    ...         print(document.where(problem.where, on_key=problem.on_key), problem.message, "-", problem.hint)
    job.yaml:1:1 workers is missing -
    job.yaml:1:1 there is no worker here - did you mean workers?

    Args:
        errors: `ValidationError.errors()`.
        document: What was validated, or holds it.
        model: The model that it was validated against.
        at: Where in the document that was.
    """
    wanted: dict[Where, list[str]] = {}
    problems: list[Problem] = []
    for error in errors:
        where = (*at, *_path(error["loc"], _at(document.data, at)))
        kind = error["type"]
        if kind in _WANTED:  # a union has one such error for each of its types
            wanted.setdefault(where, []).append(_WANTED[kind])
        elif kind == "missing":
            problems.append(Problem(where, f"{error['loc'][-1]} is missing"))
        elif kind in ("extra_forbidden", "unexpected_keyword_argument"):  # of models, and of dataclasses
            problems.append(_unknown_key(where, known_keys(model, error["loc"][:-1])))
        elif kind == PROBLEMS:
            problems += [replace(problem, where=(*where, *problem.where)) for problem in error["ctx"]["problems"]]
        elif kind == "literal_error":
            problems.append(_not_a_choice(where, error, document))
        else:
            problems.append(_other(where, error))
    problems += [Problem(where, f"{_name(where)}wants {' or '.join(dict.fromkeys(w))}") for where, w in wanted.items()]
    return problems


def _at(data: Any, path: Where) -> Any:
    for step in path:
        data = data[step] if _has(data, step) else None
    return data


def _path(loc: Iterable[int | str], data: Any) -> Where:
    """Keep the steps that the document has; pydantic names the members of unions and short forms too."""
    path: list[str | int] = []
    for step in loc:
        if _has(data, step):
            path.append(step)
            data = data[step]
    return tuple(path)


def _has(data: Any, step: int | str) -> bool:
    if isinstance(step, int):
        return isinstance(data, list) and step < len(data)
    return isinstance(data, Mapping) and step in data


def _name(where: Where) -> str:
    name = next((step for step in reversed(where) if isinstance(step, str)), "")
    return f"{name} " if name else "the document " if not where else "this "


def _unknown_key(where: Where, known: list[str]) -> Problem:
    close = get_close_matches(str(where[-1]), known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are: {', '.join(known)}" if known else "take it out"
    return Problem(where, f"there is no {where[-1]} here", hint, on_key=True)


def _not_a_choice(where: Where, error: ErrorDetails, document: Document) -> Problem:
    expected = error.get("ctx", {}).get("expected", "")
    choices = [choice.strip("'") for part in expected.split(", ") for choice in part.split(" or ")]
    written = _at(document.data, where)
    close = get_close_matches(written, choices, 1) if isinstance(written, str) else []
    hint = f"did you mean {close[0]}?" if close else ""
    return Problem(where, f"{_name(where)}wants {' or '.join(choices)}", hint)


def _other(where: Where, error: ErrorDetails) -> Problem:
    said = error["msg"].removeprefix("Value error, ")
    message, _, hint = said.partition("; ")
    if error["type"] == "value_error":
        return Problem(where, message, hint)
    if error["type"] == "too_short":
        return Problem(where, f"{_name(where)}wants at least {error['ctx']['min_length']}")
    return Problem(where, f"{_name(where)}wants {said.removeprefix('Input should be ').removeprefix('Input should ')}")


def known_keys(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """List the keys that a model takes at a place inside of it."""
    current: type[BaseModel] | None = model
    for step in loc:
        if isinstance(step, int):
            continue
        fields = current.model_fields.items() if current is not None else ()
        found = next((info for name, info in fields if step in (name, info.alias)), None)
        current = next(_models(found.annotation), None) if found is not None else None
    return [info.alias or name for name, info in current.model_fields.items()] if current is not None else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
