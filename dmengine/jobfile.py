"""A whole job as YAML or JSON: where from, where to, by which rules, with which key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dmengine.errors import RulesetError
from dmengine.keyring import Key
from dmengine.modelerrors import explain
from dmengine.pluginparams import read_plugin
from dmengine.problems import Problem, Where, as_error
from dmengine.report import unwritable
from dmengine.rulefile import load_ruleset, read_ruleset, read_text
from dmengine.rules import Ruleset
from dmengine.spi import Sink, Source
from dmengine.yamlfile import Document, load_document

_PATHS = ("path",)  # parameters of connectors that are paths: relative ones are taken from the job file's folder


@dataclass(frozen=True, slots=True)
class Job:
    """What a job file says."""

    source: Source
    target: Sink
    ruleset: Ruleset
    key: str
    workers: int | None = None
    executor: Literal["threads", "processes"] = "threads"
    on_failure: Literal["discard", "keep"] = "discard"
    remask: bool = False
    journal: str | None = None
    reports: tuple[Path, ...] = ()

    def load_key(self) -> Key:
        """Load the key from where the job says it is."""
        return Key.load(self.key)


class _JobModel(BaseModel):
    """The shape of a job file."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    source: dict[str, Any]
    target: dict[str, Any]
    ruleset: str | dict[str, Any]
    key: str
    workers: int | None = Field(default=None, ge=1)
    executor: Literal["threads", "processes"] = "threads"
    on_failure: Literal["discard", "keep"] = "discard"
    remask: bool = False
    journal: str | None = None
    reports: tuple[str, ...] = ()


def load_job(path: Path) -> Job:
    """Read a job file. Relative paths in it are taken from the folder it lies in.

    ```yaml
    version: 1
    source: {type: local_files, path: original, unmatched: skip}
    target: {type: local_files, path: masked}
    ruleset: rules.yaml          # or the ruleset itself
    key: env:DMENGINE_KEY        # a reference, never a key
    workers: 4
    reports: [report.html, report.json]
    ```

    Raises:
        RulesetError: with every problem there is, each with its line and column.
    """
    document = load_document(read_text(path), path.name)
    model = _validated(document)
    problems: list[Problem] = []
    source = _connector(document, "source", path.parent, problems)
    target = _connector(document, "target", path.parent, problems)
    reports = [path.parent / report for report in model.reports]
    for number, report in enumerate(reports):
        if problem := unwritable(report):
            problems.append(Problem(("reports", number), f"a report cannot be written there: {problem}"))
    _raise(problems, document)
    if not isinstance(source, Source) or not isinstance(target, Sink):
        raise RulesetError(f"{path.name}: a connector can be read from or written to, not both", hint="choose another")
    return Job(
        source, target, _ruleset(model, document, path.parent), _key(model.key, path.parent), model.workers,
        model.executor, model.on_failure, model.remask, model.journal and str(path.parent / model.journal),
        tuple(reports),
    )  # fmt: skip


def _validated(document: Document) -> _JobModel:
    try:
        return _JobModel.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    _raise(explain(errors, document, _JobModel), document)
    raise AssertionError("a job that does not validate has problems")


def _raise(problems: list[Problem], document: Document) -> None:
    if problems:
        raise as_error(problems, document.source, lambda p: document.where(p.where, on_key=p.on_key))


def _connector(document: Document, side: str, folder: Path, problems: list[Problem]) -> Any:
    spec: dict[str, Any] = dict(document.data[side])
    where: Where = (side,)
    if not isinstance(spec.get("type"), str):
        problems.append(Problem(where, f"{side} has no type", "name a connector: {type: local_files, path: ...}"))
        return None
    spec |= {name: str(folder / spec[name]) for name in _PATHS if isinstance(spec.get(name), str)}
    made = {"formats": dict(_formats(spec.get("formats", {}), document, (*where, "formats"), problems))}
    return _read("dmengine.connectors", spec, document, where, problems, made)


def _formats(written: Any, document: Document, where: Where, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    if not isinstance(written, dict):
        problems.append(Problem(where, "formats wants a mapping", 'write {"**/*.txt": {type: csv, delimiter: "|"}}'))
        return
    for glob, one in written.items():
        spec = {"type": one} if isinstance(one, str) else one
        if not isinstance(spec, dict) or not isinstance(spec.get("type"), str):
            problems.append(Problem((*where, glob), "this names no format", "write {type: csv, ...}"))
            continue
        yield glob, _read("dmengine.formats", spec, document, (*where, glob), problems, {})


def _read(
    group: str, spec: Mapping[str, Any], document: Document, where: Where, problems: list[Problem], made: dict[str, Any]
) -> Any:
    found = read_plugin(group, spec, document, where, made)
    if isinstance(found, list):
        problems += found
        return None
    return found


def _ruleset(model: _JobModel, document: Document, folder: Path) -> Ruleset:
    if isinstance(model.ruleset, str):
        return load_ruleset(folder / model.ruleset)
    return read_ruleset(document.below("ruleset"))


def _key(reference: str, folder: Path) -> str:
    scheme, colon, rest = reference.partition(":")
    return f"file:{folder / rest}" if colon and scheme == "file" else reference
