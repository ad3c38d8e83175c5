"""The parameters of plugins as plain data: checked against the plugin's own dataclass, with their JSON Schema."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from dmengine import registry
from dmengine.errors import DmengineError, PluginError, RulesetError
from dmengine.maskparameter import PLACEHOLDER, READ, WRITE
from dmengine.modelerrors import explain
from dmengine.problems import Problem, Where
from dmengine.spi import Masker
from dmengine.yamlfile import Document

GROUP: Final = "dmengine.maskers"
NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def read_masker(spec: Mapping[str, Any], document: Document, where: Where) -> Masker | list[Problem]:
    """Make the mask that `{type: name, parameter: ...}` means, or say all that is wrong with it.

    Args:
        spec: The mask's name as `type`, with its parameters.
        document: The document that the mask stands in.
        where: The place of the mask there.
    """
    found: Masker | list[Problem] = read_plugin(GROUP, spec, document, where)
    return found


def read_plugin(
    group: str, spec: Mapping[str, Any], document: Document, where: Where, made: Mapping[str, Any] = NONE
) -> Any:
    """Make what `{type: name, parameter: ...}` means, or return the list of all that is wrong with it.

    Args:
        group: The entry points to look for the name in.
        spec: The plugin's name as `type`, with its parameters.
        document: The document that it stands in.
        where: Its place there.
        made: Parameters that are objects already: used where the plugin has them, and not looked for in `spec`.
    """
    kind = group.removeprefix("dmengine.").removesuffix("s").replace("masker", "mask")
    problem: Problem | None = None
    plugin: Any = None
    try:
        cls = registry.load(group, spec["type"])
        made = {name: value for name, value in made.items() if name in getattr(cls, "__dataclass_fields__", ())}
        parameters = {name: value for name, value in spec.items() if name != "type" and name not in made}
        model = parameters_model(cls, tuple(made))
        context = {READ: _read_inner}
        # lists are tuples in JSON only
        validated = model.model_validate_json(json.dumps(parameters), strict=True, context=context)
        plain = {str(info.alias): getattr(validated, key) for key, info in model.model_fields.items()}
        plugin = cls(**plain, **made)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        problems = explain(errors, document, model, where)
        inner = f" ({kind} "  # a mask inside of this one has said its name
        named = [p.message if inner in p.message else f"{p.message}{inner}{spec['type']})" for p in problems]
        return [dataclasses.replace(p, message=m) for p, m in zip(problems, named, strict=True)]
    except DmengineError as error:
        problem = Problem((*where, "type"), error.message, error.hint)
    except (TypeError, ValueError) as error:
        problem = Problem(where, f"the {kind} {spec['type']} refused its parameters with a {type(error).__name__}")
    return [problem] if problem is not None else plugin


def _read_inner(spec: Mapping[str, Any]) -> Masker | list[Problem]:
    """Make a mask that is a parameter of another; its problems are told from its own place on."""
    return read_masker(spec, Document(dict(spec), "", {}, {}), ())


@lru_cache
def parameters_model(cls: type, without: tuple[str, ...] = ()) -> type[BaseModel]:
    """Return the pydantic model of a plugin's parameters: those of its dataclass, and no others.

    >>> from dmengine.rules import Keep
    >>> list(info.alias for info in parameters_model(Keep).model_fields.values())
    ['because']

    Raises:
        PluginError: the class is no dataclass, or has a parameter that cannot be written in a file.
    """
    if not dataclasses.is_dataclass(cls):
        raise PluginError(f"the class {cls.__qualname__} is not a dataclass", hint="see maskers/README.md")
    hints = get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.init and field.name not in without:
            # another name inside: parameters may be called `json` or `copy`, as methods of models are
            fields[f"parameter_{field.name}"] = (hints[field.name], _info(field))
    try:
        model: type[BaseModel] = create_model(cls.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise PluginError(
            f"a parameter of the class {cls.__qualname__} has a type that no file can hold",
            hint="use text, numbers, dates, Literal, and tuples of them",
        ) from error
    model.__doc__ = _first_paragraph(cls)
    return model


def _info(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return Field(alias=field.name, default_factory=field.default_factory)
    if field.default is not dataclasses.MISSING:
        return Field(alias=field.name, default=field.default)
    return Field(alias=field.name)


def _first_paragraph(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def write_masker(masker: Masker) -> str | dict[str, Any]:
    """Return what a ruleset file says for a mask: its name, with the parameters that are not at their default.

    Raises:
        RulesetError: the mask is none that files can name, such as a function.
    """
    known = masker.name in registry.names(GROUP) and registry.load(GROUP, masker.name) is type(masker)
    if not known:
        raise RulesetError(
            f"the mask {masker.name} has no name that a ruleset file could use",
            hint="keep this ruleset in Python, or make the mask a plugin (entry point dmengine.maskers)",
        )
    model = parameters_model(type(masker))
    hints = get_type_hints(type(masker), include_extras=True)
    spec: dict[str, Any] = {"type": masker.name}
    for info in model.model_fields.values():
        name = str(info.alias)
        value = getattr(masker, name)
        if info.is_required() or value != info.get_default(call_default_factory=True):
            adapter: TypeAdapter[Any] = TypeAdapter(hints[name])
            spec[name] = adapter.dump_python(value, mode="json", warnings=False, context={WRITE: write_masker})
    if read_masker(spec, Document(spec, "", {}, {}), ()) != masker:
        raise RulesetError(f"the parameters of the mask {masker.name} cannot be written to a file and read back")
    return masker.name if len(spec) == 1 else spec


def mask_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of a mask in a ruleset file, and the definitions that it refers to.

    It has the parameters of every mask that is installed.
    """
    names: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for name in registry.names(GROUP):
        model = parameters_model(registry.load(GROUP, name))
        schema = _with_masks(model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}"))
        definitions |= {f"{name}.{inner}": value for inner, value in schema.pop("$defs", {}).items()}
        members = {"type": {"const": name, "description": "the mask's name"}, **schema["properties"]}
        schema |= {"title": name, "properties": members, "required": ["type", *schema.get("required", ())]}
        objects.append(schema)
        if schema["required"] == ["type"]:
            names.append({"const": name, "description": schema.get("description", "")})
    short = {"title": "a mask by its name alone", "oneOf": names}
    empties = {"const": None, "title": "null", "description": "the mask null"}
    return {"title": "mask", "oneOf": [short, empties, *objects]}, definitions


def _with_masks(schema: Any) -> Any:
    """Let every parameter that is a mask refer to the schema of all masks."""
    if isinstance(schema, list):
        return [_with_masks(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.items() >= PLACEHOLDER.items():
        rest = {key: value for key, value in schema.items() if key not in PLACEHOLDER}
        return {"$ref": "#/$defs/mask", **rest}
    return {key: _with_masks(value) for key, value in schema.items()}
