"""Field paths: how rules, plans and records name a value inside a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, Literal, cast, get_args

from dmengine.errors import RulesetError

_PLAIN = re.compile(r"[^.\[\]{}|\"*?\s][^.\[\]{}|\"*?]*(?<!\s)")
_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<each>\[\*\])|(?P<index>\[\d{1,9}\])|(?P<values>\{\*\})|(?P<dot>\.)|(?P<name>[^.\[\]{}|"]+)'
)
_INSIDE = re.compile(r'(?P<outer>(?:"(?:[^"\\]|\\.)*"|[^"|])*)\|(?P<kind>[^|]*)\|(?P<path>.*)', re.DOTALL)

ROOT: Final = "$"
"""The name of a JSON document itself, on paths inside of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a member by name, each element of a list, one of them, or each value of a map.

    A `name` step with `glob` set matches by shell pattern; paths of real fields never have one. Where rules name
    elements by their index, the real field of the others is an `each` step `without` these.
    """

    kind: Literal["name", "each", "index", "values"]
    name: str = ""
    glob: bool = False
    index: int = -1
    without: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.kind == "each":
            return "[*]"
        if self.kind == "index":
            return f"[{self.index}]"
        if self.kind == "values":
            return "{*}"
        if self.glob or _PLAIN.fullmatch(self.name):
            return self.name
        return json.dumps(self.name, ensure_ascii=False)

    def covers(self, other: Step) -> bool:
        """Say whether this step, as written in a rule, means the step `other` of a real field."""
        if self.kind == "each" and other.kind == "index":
            return other.index not in self.without
        if self.kind != other.kind:
            return False
        if self.kind == "index":
            return self.index == other.index
        return fnmatchcase(other.name, self.name) if self.glob else self.name == other.name

    @property
    def is_partial(self) -> bool:
        """Whether it means some elements of a list only."""
        return self.kind == "index" or bool(self.without)


EACH = Step("each")
VALUES = Step("values")

DocumentKind = Literal["json", "xml"]
"""What a text can be that rules look into; each is the name of the mask that does so."""


@dataclass(frozen=True, slots=True)
class Inner:
    """The rest of a path that goes on inside of a text, in the words of that kind of document."""

    kind: DocumentKind
    path: str

    def __str__(self) -> str:
        return f"|{self.kind}|{self.path}"

    @property
    def last(self) -> Step:
        """The last name on it; an empty one where it is the document itself."""
        if self.kind == "xml":
            name = self.path.rpartition("/")[2].removeprefix("@")
            return Step("name", name, glob=name == "*")
        return next((s for s in reversed(path_inside(self.path).steps[1:]) if s.kind == "name"), Step("name"))


def at_index(index: int) -> Step:
    """Return the step to one element of a list.

    >>> str(at_index(0)), EACH.covers(at_index(0))
    ('[0]', True)
    """
    return Step("index", index=index)


def element_steps(indexes: Iterable[int]) -> list[Step]:
    """Return the steps to the elements of a list of which some are named by their index: these, and all others.

    >>> [str(step) for step in element_steps([2, 0, 2])], element_steps([]) == [EACH]
    (['[0]', '[2]', '[*]'], True)
    """
    named = tuple(sorted(set(indexes)))
    return [*(at_index(index) for index in named), Step("each", without=named)]


@dataclass(frozen=True, slots=True)
class FieldPath:
    """The way from a record to a value; `str` of it reads back as the same path.

    >>> path = FieldPath.parse("contacts[*].email")
    >>> path.leaf, path.lists, str(path)
    ('email', 1, 'contacts[*].email')
    >>> str(FieldPath.of("first.name"))
    '"first.name"'

    In rules it may go on inside of a text that is a document (`inner`); paths of real fields never do.
    """

    steps: tuple[Step, ...]
    inner: Inner | None = None

    @staticmethod
    def parse(text: str) -> FieldPath:
        """Read a path or a pattern. Names with dots, brackets or stars are put in double quotes.

        Raises:
            RulesetError: the text is not a path.
        """
        return _parse(text)

    @staticmethod
    def of(*names: str) -> FieldPath:
        """Make a path of plain member names, whatever characters they hold."""
        return FieldPath(tuple(Step("name", name) for name in names))

    def child(self, step: Step | str) -> FieldPath:
        """Return the path one step further down."""
        return FieldPath((*self.steps, Step("name", step) if isinstance(step, str) else step))

    def __str__(self) -> str:
        text = ""
        for step in self.steps:
            text += ("." if text and step.kind == "name" else "") + str(step)
        return text if self.inner is None else f"{text}{self.inner}"

    @property
    def outer(self) -> FieldPath:
        """The path of the field itself, for one that goes on inside of it."""
        return FieldPath(self.steps)

    @property
    def leaf(self) -> str:
        """The last member name on the path: `email` of `contacts[*].email`."""
        inside = "" if self.inner is None else self.inner.last.name
        return inside or next((s.name for s in reversed(self.steps) if s.kind == "name"), "")

    @property
    def lists(self) -> int:
        """How many list or map levels the path goes through."""
        return sum(s.kind != "name" for s in self.steps)

    @property
    def has_glob(self) -> bool:
        """Whether a name on the path is a shell pattern."""
        return any(s.glob for s in self.steps)

    def covers(self, other: FieldPath) -> bool:
        """Say whether this path, as written in a rule, means the real field `other` itself."""
        return len(self.steps) == len(other.steps) and self.inner == other.inner and self.contains(other)

    def contains(self, other: FieldPath) -> bool:
        """Say whether `other` is this field or lies below it."""
        if self.inner is not None:
            return self == other
        return len(self.steps) <= len(other.steps) and all(
            mine.covers(theirs) for mine, theirs in zip(self.steps, other.steps, strict=False)
        )


def rule_path(text: str) -> FieldPath:
    """Read a path of a rule, which may go on inside of a field that holds a document.

    >>> path = rule_path("events[*].payload|json|user.name")
    >>> str(path.outer), path.inner, path.leaf
    ('events[*].payload', Inner(kind='json', path='user.name'), 'name')

    Raises:
        RulesetError: the text is not a path.
    """
    found = _INSIDE.fullmatch(text)
    if found is None:
        return FieldPath.parse(text)
    outer, kind, path = found["outer"], found["kind"], found["path"]
    if kind not in get_args(DocumentKind):
        raise RulesetError(
            f"{text!r} looks into a document of a kind that is not known", hint="write field|json|a.b or field|xml|a/b"
        )
    try:
        steps = FieldPath.parse(outer).steps
        is_path = bool(path_inside(path) if kind == "json" else path and "|" not in path)
    except RulesetError:
        is_path = False
    if not is_path:
        raise RulesetError(
            f"{text!r} is not a path into a document",
            hint="write payload|json|user.name, payload|json|items[*].sku, or payload|xml|//person/@id",
        )
    return FieldPath(steps, Inner(cast(DocumentKind, kind), path))


def path_inside(text: str) -> FieldPath:
    """Read the path of a field inside a JSON document; `$` is the document itself, as it is in JSONPath.

    >>> str(path_inside("user.email")), str(path_inside("[*].email")), str(path_inside("$.a"))
    ('$.user.email', '$[*].email', '$.a')

    Raises:
        RulesetError: the text is not a path.
    """
    if text == ROOT or text.startswith(("$.", "$[", "${")):
        return FieldPath.parse(text)
    return FieldPath.parse(ROOT + text if text.startswith(("[", "{")) else f"{ROOT}.{text}")


@lru_cache(maxsize=4096)
def _parse(text: str) -> FieldPath:
    steps: list[Step] = []
    position, need_name = 0, True
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _bad(text)
        position = token.end()
        kind = token.lastgroup
        if kind == "dot":
            if need_name:
                raise _bad(text)
            need_name = True
        elif kind in ("each", "index", "values"):
            if need_name:
                raise _bad(text)
            steps.append(at_index(int(token.group()[1:-1])) if kind == "index" else EACH if kind == "each" else VALUES)
        else:
            if not need_name:
                raise _bad(text)
            steps.append(_name(token.group(), quoted=kind == "quoted"))
            need_name = False
    if need_name:
        raise _bad(text)
    return FieldPath(tuple(steps))


def _name(text: str, *, quoted: bool) -> Step:
    if quoted:
        return Step("name", json.loads(text))
    return Step("name", text, glob="*" in text or "?" in text)


def _bad(text: str) -> RulesetError:
    return RulesetError(
        f"{text!r} is not a field path",
        hint="write a.b for members, items[*].sku or items[0].sku for lists, attrs{*} for maps; odd names in double "
        'quotes: "a.b"',
    )
