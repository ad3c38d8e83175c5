"""Names of objects whose folders are named by values, as Hive names them: `country=DE/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
HIDDEN: Final = "…"
INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# https://github.com/apache/hive/blob/master/common/src/java/org/apache/hadoop/hive/common/FileUtils.java
_ESCAPED: Final = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")
_IN_TEXT: Final = re.compile(r"(?:^|(?<=[/\s'\"(]))[^/\s=]+=[^/]+(?=/)|(?<=/)[^/\s=]+=[^/]+?(?=: |['\"]|$)")


class Folder(NamedTuple):
    """A folder that is named by a value.

    Attributes:
        place: Which of the name's steps it is.
        field: The field whose value it is.
        value: The value as text; None for null.
    """

    place: int
    field: str
    value: str | None


def folders(name: str) -> list[Folder]:
    """Return the folders of an object's name that are named by values; its own name is no folder.

    >>> folders("in/country=DE/city=K%C3%B6ln/a.csv")
    [Folder(place=1, field='country', value='DE'), Folder(place=2, field='city', value='Köln')]
    >>> folders("email=__HIVE_DEFAULT_PARTITION__/a=b.csv")
    [Folder(place=0, field='email', value=None)]
    """
    return list(_folders(name)) if "=" in name else []


def _folders(name: str) -> Iterator[Folder]:
    for place, step in enumerate(name.split("/")[:-1]):
        field, equals, value = step.partition("=")
        if field and equals:
            yield Folder(place, _unquoted(field), None if value in ("", NO_VALUE) else _unquoted(value))


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:  # other bytes than UTF-8: two values must not become one
        return text


def step_of(field: str, value: str | None) -> str:
    """Return the folder's name for a value, quoted as Hive quotes it.

    >>> step_of("email", "a/b@x.org"), step_of("email", None)
    ('email=a%2Fb@x.org', 'email=__HIVE_DEFAULT_PARTITION__')
    """
    if not value:
        return f"{field}={NO_VALUE}"
    return f"{field}={_ESCAPED.sub(lambda found: f'%{ord(found[0]):02X}', value)}"


def shown(text: str, names: Mapping[str, str]) -> str:
    """Return a text in which names of objects are as they may be shown; any other value in a folder's name is hidden.

    >>> shown("cannot read email=ann@x.org/a.csv: no space", {"email=ann@x.org/a.csv": "email=q7@example.com/a.csv"})
    'cannot read email=q7@example.com/a.csv: no space'
    >>> shown("cannot list /in/email=ann@x.org: no such folder", {})
    'cannot list /in/email=…: no such folder'
    """
    if "=" not in text:
        return text
    for name in sorted((name for name in names if name in text), key=len, reverse=True):
        text = text.replace(name, names[name])
    known = {step for name in names.values() for step in name.split("/") if "=" in step}
    return _IN_TEXT.sub(lambda found: found[0] if found[0] in known else hidden_step(found[0]), text)


def hidden_step(step: str) -> str:
    """Return a folder's name without its value.

    >>> hidden_step("email=ann@x.org")
    'email=…'
    """
    return f"{step.partition('=')[0]}={HIDDEN}"
