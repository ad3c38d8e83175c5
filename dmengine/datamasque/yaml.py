"""A ruleset of DataMasque as plain data, with anchors and merges resolved, and the line of every part."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import yaml

from dmengine.errors import RulesetError
from dmengine.yamlfile import MAX_BYTES, MAX_DEPTH

_MOST: Final = 200_000  # values, aliases counted as often as they are used: a few lines can stand for billions
_MERGE: Final = "tag:yaml.org,2002:merge"


class Mapping(dict[str, Any]):
    """A mapping that knows its line; keys are text, as YAML writes them."""

    line: int = 0


class Sequence(list[Any]):
    """A list that knows its line."""

    line: int = 0


def load(text: str, source: str) -> Mapping:
    """Read the text of a ruleset.

    >>> load("version: '1.0'\\ntasks:\\n- type: mask_table\\n", "old.yml")["tasks"][0].line
    3

    Raises:
        RulesetError: it is not YAML, too large, or not a mapping.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise RulesetError(f"{source} is larger than 1 MiB", hint="import its tasks one file at a time")
    problem: RulesetError | None = None
    node: Any = None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = _Builder(source).build(node, 0) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark is not None else ""
        problem = RulesetError(f"{source}{at}: {error.problem or 'not YAML'}")
    except (yaml.YAMLError, UnicodeEncodeError, ValueError, RecursionError):
        problem = RulesetError(f"{source} is no YAML that can be read")
    if problem is not None:
        raise problem
    if not isinstance(data, Mapping):
        raise RulesetError(f"{source} is no ruleset of DataMasque", hint="it has `version` and `tasks` at its top")
    return data


class _Builder:
    def __init__(self, source: str) -> None:
        self.source = source
        self.count = 0
        self.scalars = yaml.SafeLoader("")

    def build(self, node: Any, depth: int) -> Any:
        self.count += 1
        if self.count > _MOST or depth > MAX_DEPTH:
            what = f"more than {_MOST:,} values" if self.count > _MOST else f"more than {MAX_DEPTH} levels"
            raise RulesetError(f"{self.source}:{node.start_mark.line + 1}: {what}, aliases followed")
        if isinstance(node, yaml.ScalarNode):
            value = self.scalars.construct_object(node)
            return value.isoformat() if isinstance(value, date) else value
        found: Mapping | Sequence
        if isinstance(node, yaml.SequenceNode):
            found = Sequence(self.build(inner, depth + 1) for inner in node.value)
        else:
            found = self._mapping(node, depth)
        found.line = node.start_mark.line + 1
        return found

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Mapping:
        own, merged = Mapping(), Mapping()
        for key, value in node.value:
            if key.tag == _MERGE:
                several = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for one in reversed(several):  # of several, the first has the say
                    inner = self.build(one, depth + 1)
                    merged.update(inner if isinstance(inner, dict) else {})
            else:
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                own[str(name)] = self.build(value, depth + 1)
        return Mapping(merged | own)
