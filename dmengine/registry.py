"""The registry finds plugins by name, through the entry points of installed distributions.

Nothing is imported before it is asked for by name. The built-in plugins use the same door as anyone's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final

from dmengine.errors import PluginError

GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dmengine.maskers": "mask",
        "dmengine.connectors": "connector",
        "dmengine.formats": "format",
        "dmengine.keys": "key source",
        "dmengine.stores": "store",
        "dmengine.sessions": "session",
        "dmengine.logs": "event log",
        "dmengine.connections": "type of connection",
        "dmengine.commands": "command",
    }
)
"""The entry-point groups, with the word that a message uses for a plugin of each."""

_EXTRA: Final = re.compile(r"""(?P<name>[A-Za-z0-9._-]+)[^;]*;.*\bextra\s*==\s*["'](?P<extra>[^"']+)["']""")


def names(group: str) -> list[str]:
    """Return the names of the installed plugins of a group, sorted, without importing any.

    >>> {"env", "file"} <= set(names("dmengine.keys"))
    True
    """
    return sorted(_entries(group))


def load(group: str, name: str) -> Any:
    """Import a plugin and return it: a class, or a function.

    >>> load("dmengine.keys", "file").__name__
    'load_from_file'
    >>> load("dmengine.keys", "fil")
    Traceback (most recent call last):
    dmengine.errors.PluginError: there is no key source 'fil'
      To fix: did you mean file? Installed: ...env, file...

    Raises:
        PluginError: there is no such plugin, there are two, or it cannot be imported.
    """
    found = _entries(group).get(name, ())
    if not found:
        raise _unknown(group, name)
    if len(found) > 1:
        owners = ", ".join(sorted(_distribution(entry) for entry in found))
        raise PluginError(
            f"the {_word(group)} {name!r} is offered more than once, by {owners}",
            hint="uninstall all but one: which one masks must not depend on the order of installation",
        )
    return _import(group, found[0])


@cache
def _entries(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    _word(group)
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entry_points(group=group):
        # the same distribution can be on the path twice, as installed and as its source tree
        found.setdefault(entry.name, {}).setdefault((_distribution(entry), entry.value), entry)
    return MappingProxyType({name: tuple(entries.values()) for name, entries in found.items()})


def _import(group: str, entry: EntryPoint) -> Any:
    cause: Exception
    try:
        module = import_module(entry.module)
        return reduce(getattr, entry.attr.split("."), module)
    except ImportError as error:
        cause, why = error, f"{error.name or 'a module'} could not be imported"
        hint = _how_to_get(entry, error.name)
    except AttributeError as error:
        cause, why = error, f"{error}"
        hint = f"reinstall {_distribution(entry)}, and dmengine with it"
    raise PluginError(
        f"the {_word(group)} {entry.name!r} of {_distribution(entry)} cannot be loaded: {why}", hint=hint
    ) from cause


def _how_to_get(entry: EntryPoint, module: str | None) -> str:
    distribution = _distribution(entry)
    if module is None or module.partition(".")[0] == entry.module.partition(".")[0]:
        return f"reinstall {distribution}: it is not whole, or does not fit this version of dmengine"
    requirements = (entry.dist.requires or []) if entry.dist else []
    wanted = _normal(module.partition(".")[0])
    for match in filter(None, map(_EXTRA.match, requirements)):
        if _normal(match["name"]).removesuffix("-binary") == wanted:
            return f"pip install '{distribution}[{match['extra']}]'"
    return f"install what provides the module {module}, which {distribution} needs for it"


def _unknown(group: str, name: str) -> PluginError:
    installed = names(group)
    close = get_close_matches(name.casefold(), installed, 1)
    guess = f"did you mean {close[0]}? " if close else ""
    return PluginError(
        f"there is no {_word(group)} {name!r}", hint=f"{guess}Installed: {', '.join(installed) or 'none'}"
    )


def _word(group: str) -> str:
    if group not in GROUPS:
        raise PluginError(f"{group} is not a group of plugins", hint=f"groups are: {', '.join(GROUPS)}")
    return GROUPS[group]


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unnamed distribution"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).casefold()
