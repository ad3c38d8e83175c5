"""A whole job as YAML or JSON: where from, where to, by which rules, with which key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dmengine.api import journal_at
from dmengine.errors import DmengineError, RulesetError
from dmengine.keyring import Key
from dmengine.modelerrors import explain
from dmengine.pluginparams import read_plugin
from dmengine.problems import Problem, Where, as_error
from dmengine.report import unwritable
from dmengine.rulefile import load_ruleset, read_ruleset, read_text
from dmengine.rules import Ruleset
from dmengine.spi import Sink, Source, Store
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
    journal: str | Store | None = None
    reports: tuple[Path, ...] = ()

    def load_key(self) -> Key:
        """Load the key from where the job says it is."""
        return Key.load(self.key)


class _JobModel(BaseModel):
    """The shape of a job file."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    sessions: dict[str, dict[str, Any]] = {}
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
    named = _Sessions(document, problems)
    source = _connector(document, "source", path.parent, named, problems)
    target = _connector(document, "target", path.parent, named, problems)
    journal = _journal(document, path.parent, target, named, problems)
    reports = [path.parent / report for report in model.reports]
    for number, report in enumerate(reports):
        if problem := unwritable(report):
            problems.append(Problem(("reports", number), f"a report cannot be written there: {problem}"))
    _raise(problems, document)
    if not isinstance(source, Source) or not isinstance(target, Sink):
        raise RulesetError(f"{path.name}: a connector can be read from or written to, not both", hint="choose another")
    return Job(
        source, target, _ruleset(model, document, path.parent), _key(model.key, path.parent), model.workers,
        model.executor, model.on_failure, model.remask, journal, tuple(reports),
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


class _Sessions:
    """The sessions that a job names; every one is made, so that all that is wrong with any is told."""

    def __init__(self, document: Document, problems: list[Problem]) -> None:
        self._document = document
        self._problems = problems
        self._written: dict[str, dict[str, Any]] = document.data.get("sessions", {})
        self._made: dict[str, Any] = {}
        for name in self._written:
            self._open(name, ())

    def get(self, name: object, where: Where) -> Any:
        """Return the session of a name that stands somewhere in the job; None, and a problem, if there is none."""
        if isinstance(name, str) and name in self._written:
            return self._open(name, ())
        known = list(self._written)
        close = get_close_matches(str(name), known, 1)
        hint = f"did you mean {close[0]}?" if close else f"named are: {', '.join(known)}"
        if not known:
            hint = "name it: sessions: {b: {roles: [{arn: ...}]}}; or leave it out, for what the environment gives"
        wrong = f"no session is named {name}" if isinstance(name, str) else "session wants the name of a session"
        self._problems.append(Problem(where, wrong, hint))
        return None

    def _open(self, name: str, before: tuple[str, ...]) -> Any:
        if name not in self._made:
            self._made[name] = self._opened(name, ("sessions", name), before)
        return self._made[name]

    def _opened(self, name: str, where: Where, before: tuple[str, ...]) -> Any:
        spec = {"type": "aws", **self._written[name]}
        base = None
        if "from" in spec and (base := self._base(spec.pop("from"), (*where, "from"), (*before, name))) is None:
            return None
        found: list[Problem] = []
        sessions = _read("dmengine.sessions", spec, self._document, where, found, {})
        self._problems.extend(_as_session(problem) for problem in found)
        if found:
            return None
        try:
            return sessions.open(base)
        except DmengineError as error:
            self._problems.append(Problem(where, error.message, error.hint))
            return None

    def _base(self, first: object, where: Where, before: tuple[str, ...]) -> Any:
        if first in before:
            wrong = f"{before[0]} begins with itself" if len(before) == 1 else f"{' and '.join(before)} begin in a ring"
            self._problems.append(Problem(where, wrong, "let one begin without `from`"))
            return None
        known = isinstance(first, str) and first in self._written
        return self._open(str(first), before) if known else self.get(first, where)


def _as_session(problem: Problem) -> Problem:
    """Add to a problem of a session what only its writer and this page know."""
    if (
        problem.on_key
        and len(problem.where) == 3
        and any(w in str(problem.where[-1]) for w in ("key", "secret", "token"))
    ):
        return replace(problem, hint="credentials never stand in a job file: name a profile, or use the environment")
    if len(problem.where) == 3:
        return replace(problem, hint=problem.hint.replace("known are: ", "known are: from, "))
    return problem


def _connector(document: Document, side: str, folder: Path, named: _Sessions, problems: list[Problem]) -> Any:
    spec: dict[str, Any] = dict(document.data[side])
    where: Where = (side,)
    if not isinstance(spec.get("type"), str):
        problems.append(Problem(where, f"{side} has no type", "name a connector: {type: local_files, path: ...}"))
        return None
    spec |= {name: str(folder / spec[name]) for name in _PATHS if isinstance(spec.get(name), str)}
    made: dict[str, Any] = {"formats": dict(_formats(spec.get("formats", {}), document, (*where, "formats"), problems))}
    if "session" in spec:
        made["session"] = named.get(spec["session"], (*where, "session"))
    return _located(_read("dmengine.connectors", spec, document, where, problems, made), (*where, "url"), problems)


def _journal(
    document: Document, folder: Path, target: Any, named: _Sessions, problems: list[Problem]
) -> str | Store | None:
    """Read where the journal goes: a folder or a URL as text; a store with a session of its own as a mapping."""
    written: str | dict[str, Any] | None = document.data.get("journal")
    where: Where = ("journal",)
    if isinstance(written, dict):
        spec = {"type": "file", **written}
        spec |= {name: str(folder / spec[name]) for name in ("root",) if isinstance(spec.get(name), str)}
        made = {"session": named.get(spec["session"], (*where, "session"))} if "session" in spec else {}
        store: Store | None = _read("dmengine.stores", spec, document, where, problems, made)
        _located(store, (*where, "url"), problems)
        return store
    if written is None:
        return None
    try:
        _located(journal_at(written, target), where, problems)
    except DmengineError as error:
        problems.append(Problem(where, error.message, error.hint))
    return written if "://" in written else str(folder / written)


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
        yield glob, _read("dmengine.formats", spec, document, (*where, glob), problems, {})


def _read(
    group: str, spec: Mapping[str, Any], document: Document, where: Where, problems: list[Problem], made: dict[str, Any]
) -> Any:
    if not isinstance(spec["type"], str):
        problems.append(Problem((*where, "type"), "type wants text"))
        return None
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
    """Take the path of a key's file, or of a wrapped key's, from the job's folder."""
    for prefix in ("file:", "kms:file:"):
        rest = reference.removeprefix(prefix)
        if rest != reference and not rest.startswith("~"):
            return f"{prefix}{folder / rest}"
    return reference
