"""The sessions that a job names, and the parts of a job that are plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from dmengine.errors import DmengineError
from dmengine.pluginparams import read_plugin
from dmengine.problems import Problem, Where
from dmengine.yamlfile import Document


class Sessions:
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
        none_yet = "name it: sessions: {b: {roles: [{arn: ...}]}}; or leave it out, for what the environment gives"
        self._problems.append(not_named("session", name, list(self._written), where, none_yet))
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
        sessions = read_part("dmengine.sessions", spec, self._document, where, found, {})
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


def read_part(
    group: str, spec: Mapping[str, Any], document: Document, where: Where, problems: list[Problem], made: dict[str, Any]
) -> Any:
    """Make what a part of a job means; None, and its problems, if something is wrong with it."""
    if not isinstance(spec["type"], str):
        problems.append(Problem((*where, "type"), "type wants text"))
        return None
    found = read_plugin(group, spec, document, where, made)
    if isinstance(found, list):
        problems += found
        return None
    return found


def not_named(what: str, name: object, known: list[str], where: Where, none_yet: str) -> Problem:
    """Return the problem with a name that none of the job's has.

    >>> not_named("session", "bb", ["b", "c"], ("source", "session"), "name it").hint
    'did you mean b?'

    Args:
        what: What it should be the name of.
        name: What is written.
        known: The names that there are.
        where: Where it is written.
        none_yet: The hint where there are none.
    """
    close = get_close_matches(str(name), known, 1)
    hint = f"did you mean {close[0]}?" if close else f"named are: {', '.join(known)}" if known else none_yet
    wrong = f"no {what} is named {name}" if isinstance(name, str) else f"{what} wants the name of a {what}"
    return Problem(where, wrong, hint)
