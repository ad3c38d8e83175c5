"""Strict YAML with the place of everything in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from dmengine.errors import RulesetError
from dmengine.problems import Where

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 50
_MAX_DIGITS: Final = 400  # no double has more, and Python itself stops at 4300
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None}
_Parser: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events, in a hundredth of the time

_QUOTE: Final = 'put text with any of []{}*&!|:#"% in quotes: "contacts[*].email"'

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says: plain data, and where each part of it stands.

    >>> document = load_document("rules:\\n- field: email\\n", "rules.yaml")
    >>> document.data
    {'rules': [{'field': 'email'}]}
    >>> document.where(("rules", 0, "field")), document.where(("rules", 0, "field"), on_key=True)
    ('rules.yaml:2:10', 'rules.yaml:2:3')
    """

    data: Any = field(repr=False)  # a person may have written a secret into it
    source: str
    _values: dict[Where, Place] = field(repr=False)
    _keys: dict[Where, Place] = field(repr=False)

    def position(self, path: Where, *, on_key: bool = False) -> Place:
        """Return line and column, from 1, of a value or of its key; of the nearest thing around it if it is not there.

        >>> load_document("[a, {b: c}]", "x").position((1, "nothing", "here"))
        (1, 5)
        """
        if on_key and path in self._keys:
            return self._keys[path]
        while path and path not in self._values:
            path = path[:-1]
        return self._values.get(path, (1, 1))

    def below(self, key: str) -> Document:
        """Return what stands under a key as a document of its own, with places in the same file.

        >>> load_document("a: {b: c}", "x").below("a").where(("b",))
        'x:1:8'
        """
        values, keys = ({p[1:]: at for p, at in d.items() if p[:1] == (key,)} for d in (self._values, self._keys))
        return Document(self.data[key], self.source, values, keys)

    def where(self, path: Where, *, on_key: bool = False) -> str:
        """Return the place as editors and terminals write it: file:line:column."""
        line, column = self.position(path, on_key=on_key)
        return f"{self.source}:{line}:{column}"


def load_document(text: str, source_name: str) -> Document:
    """Read one YAML or JSON document.

    Scalars are those of JSON: `true`, `false`, `null` (or `~`) and decimal numbers. All else is text: `NO`, `on`,
    `010`, `0x1F`, `12:30:45`, `2024-01-31`. Keys are always text. A key with nothing after it is refused.

    Args:
        text: At most 1 MiB, nested at most 50 levels.
        source_name: What to call it in messages: a file's name.

    Raises:
        RulesetError: not YAML, or YAML that dmengine does not take: anchors and aliases, tags, one key twice,
            several documents. With line and column.
    """
    too_long = len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES
    if too_long:
        raise RulesetError(f"{source_name} is larger than 1 MiB", hint="split it into several files")
    return _Reader(source_name).read(text)


def read_text(path: Path) -> str:
    """Return the text of a small UTF-8 file that a person wrote."""
    text: str | None = None
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise RulesetError(f"{path} cannot be read: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError:
        pass
    if text is None:  # raised here: the decoder's error holds the bytes
        raise RulesetError(f"{path} is not UTF-8 text", hint="save it as UTF-8")
    return text


class _Reader:
    """Builds a document from parser events, and stops at the first thing that is not taken."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.values: dict[Where, Place] = {}
        self.keys: dict[Where, Place] = {}

    def read(self, text: str) -> Document:
        problem: RulesetError | None = None
        data: Any = None
        try:
            data = self._document(yaml.parse(text, Loader=_Parser))
        except yaml.MarkedYAMLError as error:
            problem = self._error(error.problem_mark or error.context_mark, error.problem or "not YAML", _QUOTE)
        except (yaml.YAMLError, UnicodeEncodeError):
            problem = self._error(None, "the file has characters that YAML does not allow")
        if problem is not None:  # raised here, so that no parser's message with the text of the file is its context
            raise problem
        return Document(data, self.source, self.values, self.keys)

    def _document(self, events: Iterator[yaml.Event]) -> Any:
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event.start_mark, "a second document begins", "keep one in a file")
            elif not isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)):
                data = self._node(event, events, ())
        return data

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], path: Where) -> Any:
        self._refuse(event, path)
        self.values[path] = _place(event.start_mark)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(inner := next(events), yaml.SequenceEndEvent):
                items.append(self._node(inner, events, (*path, len(items))))
            return items
        members: dict[str, Any] = {}
        while not isinstance(inner := next(events), yaml.MappingEndEvent):
            key = self._key(inner, members, path)
            members[key] = self._node(next(events), events, (*path, key))
        return members

    def _key(self, event: yaml.Event, members: dict[str, Any], path: Where) -> str:
        self._refuse(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event.start_mark, "a key must be a single word or text")
        key = str(event.value)
        if key in members:
            line, column = self.keys[(*path, key)]
            raise self._error(event.start_mark, f"the key {key!r} is here twice, first at {line}:{column}")
        self.keys[(*path, key)] = _place(event.start_mark)
        return key

    def _refuse(self, event: yaml.Event, path: Where) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._error(event.start_mark, "anchors (&) and aliases (*) are not taken", 'write "*" in quotes')
        if getattr(event, "tag", None) is not None:
            raise self._error(event.start_mark, "tags (!) are not taken", 'put text that begins with "!" in quotes')
        if len(path) > MAX_DEPTH:
            raise self._error(event.start_mark, f"nested more than {MAX_DEPTH} levels deep")

    def _scalar(self, event: yaml.ScalarEvent) -> str | bool | int | float | None:
        text = str(event.value)
        if event.style:  # quoted, or a block of text
            return text
        if not text:
            raise self._error(event.start_mark, "nothing stands here", 'write a value; empty text is ""')
        if _NUMBER.fullmatch(text) and (len(text) > _MAX_DIGITS or math.isinf(float(text))):
            raise self._error(event.start_mark, "a number out of all bounds", "put text in quotes")
        return _meaning(text)

    def _error(self, mark: Any, message: str, hint: str = "") -> RulesetError:
        line, column = _place(mark) if mark is not None else (1, 1)
        return RulesetError(f"{self.source}:{line}:{column}: {message}", hint=hint)


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1


def _meaning(text: str) -> str | bool | int | float | None:
    """Return what a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return float(text) if number.group(1) or number.group(2) else int(text)


def dump_document(data: Any) -> str:
    """Return data as YAML that `load_document`, and a YAML 1.1 reader too, reads back as the same data.

    >>> print(dump_document({"eq": "NO", "in": ["010", 10]}), end="")
    eq: 'NO'
    in:
    - '010'
    - 10
    """
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes whatever either reading would take for something else than text, and never writes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if not text.isprintable():  # line breaks of every kind are folded away in any style but this
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, '"')
    style = None if isinstance(_meaning(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _write_text)
