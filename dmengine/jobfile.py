"""A whole job as YAML or JSON: where from, where to, by which rules, with which key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dmengine.api import journal_at
from dmengine.errors import DmengineError, RulesetError
from dmengine.eventlog import LOGS, EventLog, FileLog, as_log
from dmengine.jobconnections import Connections
from dmengine.jobsessions import Sessions, read_part
from dmengine.keyring import Key
from dmengine.modelerrors import explain
from dmengine.problems import Problem, Where, as_error
from dmengine.report import unwritable
from dmengine.rulefile import load_ruleset, read_ruleset
from dmengine.rules import Ruleset
from dmengine.spi import Side, Sink, Source, Store
from dmengine.yamlfile import Document, load_document, read_text

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
    journal: str | Store | None = None
    reports: tuple[Path, ...] = ()
    connections: Mapping[Side, Any] = field(default_factory=dict)
    """The connection of each side that has one."""
    log: str | EventLog | None = None
    strict: bool = False

    def load_key(self) -> Key:
        """Load the key from where the job says it is."""
        return Key.load(self.key)


class _JobModel(BaseModel):
    """The shape of a job file."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    sessions: dict[str, dict[str, Any]] = {}
    connections: dict[str, str | dict[str, Any]] = Field(default={}, repr=False)
    source: dict[str, Any]
    target: dict[str, Any]
    ruleset: str | dict[str, Any]
    key: str
    workers: int | None = Field(default=None, ge=1)
    executor: Literal["threads", "processes"] = "threads"
    on_failure: Literal["discard", "keep"] = "discard"
    remask: bool = False
    journal: str | dict[str, Any] | None = None
    reports: tuple[str, ...] = ()
    log: str | dict[str, Any] | None = None
    strict: bool = False


def load_job(path: Path) -> Job:
    """Read a job file. Relative paths in it are taken from the folder it lies in.

    ```yaml
    version: 1
    source: {type: local_files, path: original, unmatched: skip}
    target: {type: s3_files, url: "s3://bucket/masked/", session: c}
    sessions:                    # for AWS; a session begins with the environment, and assumes roles
      c: {region: eu-west-1, roles: [{arn: "arn:aws:iam::333333333333:role/Writer"}]}
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
    named = Sessions(document, problems)
    connections = Connections(document, path.parent, named, problems)
    source = _connector(document, "source", path.parent, named, connections, problems)
    target = _connector(document, "target", path.parent, named, connections, problems)
    journal = _journal(document, path.parent, target, named, problems)
    log = _log(document, path.parent, named, problems)
    reports = [path.parent / report for report in model.reports]
    for number, report in enumerate(reports):
        if problem := unwritable(report):
            problems.append(Problem(("reports", number), f"a report cannot be written there: {problem}"))
    _raise(problems, document)
    if not isinstance(source, Source) or not isinstance(target, Sink):
        raise RulesetError(f"{path.name}: a connector can be read from or written to, not both", hint="choose another")
    return Job(
        source, target, _ruleset(model, document, path.parent), _key(model.key, path.parent), model.workers,
        model.executor, model.on_failure, model.remask, journal, tuple(reports), connections.used, log,
        model.strict,
    )  # fmt: skip


def _validated(document: Document) -> _JobModel:
    written = document.data
    if isinstance(written, dict) and written.keys() & {"type", "db_type"} and "source" not in written:
        hint = (
            "name it in a job: connections: {c: FILE}, source: {connection: c}; `check` and `policy` take it as it is"
        )
        raise RulesetError(f"{document.source} is a connection, and not a job", hint=hint)
    try:
        return _JobModel.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    _raise(explain(errors, document, _JobModel), document)
    raise AssertionError("a job that does not validate has problems")


def _raise(problems: list[Problem], document: Document) -> None:
    if problems:
        raise as_error(problems, document.source, lambda p: document.where(p.where, on_key=p.on_key))


def _connector(
    document: Document, side: Literal["source", "target"], folder: Path, named: Sessions, connections: Connections,
    problems: list[Problem],
) -> Any:  # fmt: skip
    spec: dict[str, Any] = dict(document.data[side])
    where: Where = (side,)
    made: dict[str, Any] = {"formats": dict(_formats(spec.get("formats", {}), document, (*where, "formats"), problems))}
    if "connection" in spec:
        expanded = connections.expanded(spec, side, where)
        if expanded is None:
            return None
        spec = expanded
        made["session"] = spec.pop("session")
    elif not isinstance(spec.get("type"), str):
        hint = "name a connector: {type: local_files, path: ...}, or a connection: {connection: b, path: ...}"
        problems.append(Problem(where, f"{side} has no type", hint))
        return None
    else:
        spec |= {name: str(folder / spec[name]) for name in _PATHS if isinstance(spec.get(name), str)}
        if "session" in spec:
            made["session"] = named.get(spec["session"], (*where, "session"))
    return _located(read_part("dmengine.connectors", spec, document, where, problems, made), (*where, "url"), problems)


def _journal(
    document: Document, folder: Path, target: Any, named: Sessions, problems: list[Problem]
) -> str | Store | None:
    """Read where the journal goes: a folder or a URL as text; a store with a session of its own as a mapping."""
    written: str | dict[str, Any] | None = document.data.get("journal")
    where: Where = ("journal",)
    if isinstance(written, dict):
        spec = {"type": "file", **written}
        spec |= {name: str(folder / spec[name]) for name in ("root",) if isinstance(spec.get(name), str)}
        made = {"session": named.get(spec["session"], (*where, "session"))} if "session" in spec else {}
        store: Store | None = read_part("dmengine.stores", spec, document, where, problems, made)
        _located(store, (*where, "url"), problems)
        return store
    if written is None:
        return None
    try:
        _located(journal_at(written, target), where, problems)
    except DmengineError as error:
        problems.append(Problem(where, error.message, error.hint))
    return written if "://" in written else str(folder / written)


def _log(document: Document, folder: Path, named: Sessions, problems: list[Problem]) -> str | EventLog | None:
    """Read where events go: a file or `scheme:...` as text; a log with a session of its own as a mapping."""
    written: str | dict[str, Any] | None = document.data.get("log")
    where: Where = ("log",)
    if isinstance(written, dict):
        spec = {"type": "file", **written}
        spec |= {name: str(folder / spec[name]) for name in _PATHS if isinstance(spec.get(name), str)}
        made = {"session": named.get(spec["session"], (*where, "session"))} if "session" in spec else {}
        log: EventLog | None = read_part(LOGS, spec, document, where, problems, made)
        return log
    try:
        found = None if written is None else as_log(written)
    except DmengineError as error:
        problems.append(Problem(where, error.message, error.hint))
        return None
    return FileLog(str(folder / found.path)) if isinstance(found, FileLog) else written


def _located(found: Any, where: Where, problems: list[Problem]) -> Any:
    """Ask what was made where it is: whether a URL is one is known to its store alone."""
    try:
        _ = found and found.location
    except DmengineError as error:
        problems.append(Problem(where, error.message, error.hint))
    return found


def _formats(written: Any, document: Document, where: Where, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    if not isinstance(written, dict):
        problems.append(Problem(where, "formats wants a mapping", 'write {"**/*.txt": {type: csv, delimiter: "|"}}'))
        return
    for glob, one in written.items():
        spec = {"type": one} if isinstance(one, str) else one
        if not isinstance(spec, dict) or not isinstance(spec.get("type"), str):
            problems.append(Problem((*where, glob), "this names no format", "write {type: csv, ...}"))
            continue
        yield glob, read_part("dmengine.formats", spec, document, (*where, glob), problems, {})


def _ruleset(model: _JobModel, document: Document, folder: Path) -> Ruleset:
    if isinstance(model.ruleset, str):
        return load_ruleset(folder / model.ruleset)
    return read_ruleset(document.below("ruleset"))


def _key(reference: str, folder: Path) -> str:
    """Take the path of a key's file, or of a wrapped key's, from the job's folder."""
    for prefix in ("file:", "kms:file:"):
        rest = reference.removeprefix(prefix)
        if rest != reference and not rest.startswith("~"):
            return f"{prefix}{folder / rest}"
    return reference
