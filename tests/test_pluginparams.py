"""Parameters of plugins as models, and what is said of values that no model takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from dmengine.errors import PluginError
from dmengine.modelerrors import explain, known_keys
from dmengine.pluginparams import parameters_model
from dmengine.problems import Problem
from dmengine.yamlfile import load_document


class Bare:
    """Not a dataclass."""


@dataclass(frozen=True)
class Strange:
    """A mask with a parameter that has no plain form."""

    thing: Bare
    name: ClassVar[str] = "strange"


@dataclass(frozen=True)
class Awkward:
    """A mask whose parameters are called like methods of models."""

    json: str
    copy: tuple[str, ...] = ()
    model_fields: dict[str, int] = dataclass_field(default_factory=dict)
    name: ClassVar[str] = "awkward"


def test_a_mask_class_that_no_file_can_describe_is_named() -> None:
    """A plugin that is no dataclass, or has a parameter of a strange type, is an error of the plugin."""
    with pytest.raises(PluginError, match="Bare is not a dataclass"):
        parameters_model(Bare)
    with pytest.raises(PluginError, match="Strange has a type that no file can hold"):
        parameters_model(Strange)


def test_parameters_may_have_any_name() -> None:
    """Names that pydantic uses itself are fine as parameters."""
    model = parameters_model(Awkward).model_validate_json('{"json": "a", "copy": ["b"]}', strict=True)

    assert model.model_dump(by_alias=True) == {"json": "a", "copy": ("b",), "model_fields": {}}


def test_other_models_are_explained_the_same_way() -> None:
    """Any strict model over any document gets places and suggestions, also inside of lists and unions."""

    class Step(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        name: str
        size: int | str = 0

    class Job(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        steps: list[Step]

    document = load_document("job:\n  steps:\n  - {nmae: a}\n  - {name: b, size: [1]}\n", "job.yaml")
    with pytest.raises(ValidationError) as caught:
        Job.model_validate_json(json.dumps(document.data["job"]))

    found = explain(caught.value.errors(), document, Job, ("job",))

    assert sorted((document.where(p.where, on_key=p.on_key), p.message, p.hint) for p in found) == [
        ("job.yaml:3:5", "name is missing", ""),
        ("job.yaml:3:6", "there is no nmae here", "did you mean name?"),
        ("job.yaml:4:21", "size wants a whole number or text", ""),
    ]
    assert isinstance(found[0], Problem)
    assert known_keys(Job, ("steps", 0)) == ["name", "size"]
