"""Rulesets of DataMasque as rulesets of ours, with a list of what could not be carried over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from dmengine.datamasque.conditions import Untranslated, condition_of
from dmengine.datamasque.fields import Branch, Part, rule_of
from dmengine.datamasque.masks import Unknown, json_path
from dmengine.datamasque.notes import NotCarried, Notes
from dmengine.datamasque.yaml import Mapping, load
from dmengine.errors import RulesetError
from dmengine.paths import FieldPath
from dmengine.rules import Dataset, Ruleset
from dmengine.yamlfile import read_text

_EVERYTHING: Final = "**"
_NOT_MASKS: Final = {
    "run_sql": "dmengine runs no SQL of yours", "truncate_table": "dmengine deletes nothing of yours",
    "build_temp_table": "dmengine builds no tables beside the target",
    "run_data_discovery": "the plan names every field without a rule", "run_schema_discovery": "use the plan",
    "run_file_data_discovery": "the plan names every field without a rule",
}  # fmt: skip
_UNUSED: Final = {
    "where": "all records are masked", "joins": "there are no joins; rules read fields of the same record",
    "skip": "choose files with the connector's options", "encoding": "files are UTF-8, or say what they are",
    "imports": "libraries are not part of the file", "auto_manage_triggers": "the source is not changed",
    "random_seed": "the key takes its place", "$ref": "it refers to a library, which is not part of the file",
}  # fmt: skip


class Imported(NamedTuple):
    """A ruleset of DataMasque, as far as it could be carried.

    Attributes:
        ruleset: With `unlisted: fail`, so that the plan names every field that DataMasque left as it was.
        not_carried: What is left out, redacted or different, with its line and the reason.
    """

    ruleset: Ruleset
    not_carried: tuple[NotCarried, ...]


def import_datamasque(source: str | Path, *, today: date | None = None) -> Imported:
    """Read a DataMasque ruleset from a file, or from its text, which has more than one line.

    A field whose mask cannot be carried is redacted: nothing that was masked before comes through.

    >>> ruleset, not_carried = import_datamasque('''
    ... version: "1.0"
    ... tasks:
    ... - type: mask_table
    ...   table: '"crm"."people"'
    ...   rules:
    ...   - column: phone
    ...     hash_columns: [phone]
    ...     masks: [{type: imitate}]
    ... ''')
    >>> print(ruleset.datasets[0].match, ruleset.datasets[0].rules[0].mask, not_carried)
    crm.people Imitate(force_change=False, uppercase=True, lowercase=True, digits=True, consistent=True) ()

    Args:
        source: The path, or the text.
        today: What "now" means in it, and the day of which ages are kept; the day of the import if not given.

    Raises:
        RulesetError: it is no YAML, or no ruleset of DataMasque.
    """
    whole = isinstance(source, str) and "\n" in source
    text, name = (str(source), "ruleset") if whole else (read_text(Path(source)), Path(source).name)
    data = load(text, name)
    if not isinstance(data.get("tasks"), list):
        raise RulesetError(f"{name} is no ruleset of DataMasque: it has no tasks", hint="name the file of a ruleset")
    importer = _Importer(today or date.today(), skip=data.get("skip_defaults"))
    importer.unused(data)
    importer.tasks(data["tasks"])
    return Imported(importer.ruleset(), importer.notes.sorted())


@dataclass(slots=True)
class _Importer:
    today: date
    skip: Any
    notes: Notes = field(default_factory=Notes)
    found: dict[str, dict[FieldPath, list[Part]]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def ruleset(self) -> Ruleset:
        """Return one rule for each field of each dataset."""
        datasets = [
            Dataset(match, [rule_of(path, parts, self.notes, self.today) for path, parts in fields.items()])
            for match, fields in self.found.items()
        ]
        if len(datasets) == 1 and datasets[0].match == _EVERYTHING:
            return Ruleset(datasets[0].rules)
        return Ruleset(datasets=datasets)

    def unused(self, data: Mapping) -> None:
        """Note the options that have no counterpart."""
        for word, why in _UNUSED.items():
            if data.get(word) is not None:
                self.notes.add(data, word, "left out", why)

    def tasks(self, tasks: Any) -> None:
        """Import tasks, also those within `parallel` and `serial`."""
        for task in tasks if isinstance(tasks, list) else ():
            kind = task.get("type") if isinstance(task, Mapping) else None
            if kind in ("parallel", "serial"):
                self.tasks(task.get("tasks"))
            elif kind in ("mask_table", "mask_tabular_file"):
                self._columns(task)
            elif kind == "mask_file":
                self._documents(task)
            elif kind == "mask_unique_key":
                self._keys(task)
            else:
                why = _NOT_MASKS.get(str(kind), "there is no such task")
                self.notes.add(task, f"task {kind}", "left out", why)

    def _columns(self, task: Mapping) -> None:
        self.unused(task)
        for match in self._matches(task):
            for path, part in self._parts(task.get("rules"), task.get("hash_columns"), ()):
                if task["type"] == "mask_table":  # where a column may be written with its table
                    path = FieldPath.of(path.leaf.rpartition(".")[2].strip('"'))
                self._add(match, path, part)

    def _parts(self, rules: Any, hashed: Any, branches: tuple[Branch, ...]) -> Iterator[tuple[FieldPath, Part]]:
        several = list(rules.values()) if isinstance(rules, Mapping) else rules
        for rule in several if isinstance(several, list) else ():
            if not isinstance(rule, Mapping):
                self.notes.add(rules, "a rule", "left out", "it is no mapping")
            elif "if" in rule:
                yield from self._branched(rule, hashed, branches)
            elif isinstance(rule.get("column"), str) and rule.get("masks"):
                mine = rule.get("hash_columns", hashed)
                part = Part(rule, _list(rule["masks"]), _list(mine), rule.get("skip", self.skip), branches)
                yield FieldPath.of(rule["column"]), part
            else:
                self.notes.add(rule, "a rule", "left out", "it has no column, or no masks")

    def _branched(self, rule: Mapping, hashed: Any, branches: tuple[Branch, ...]) -> Iterator[tuple[FieldPath, Part]]:
        problem = ""
        number = next(self.numbers)
        try:
            condition = condition_of(rule["if"])
        except Untranslated as error:
            problem = str(error)
        sides = (("rules", True), ("else_rules", False))
        if problem:
            for side, _ in sides:
                for path, part in self._parts(rule.get(side), hashed, branches):
                    bad = Mapping(type=f"(under a condition that is not carried: {problem})")
                    yield path, replace(part, masks=[bad])
            return
        for side, holds in sides:
            yield from self._parts(rule.get(side), hashed, (*branches, Branch(number, holds, condition)))

    def _documents(self, task: Mapping) -> None:
        self.unused(task)
        for match in self._matches(task):
            for rule in _list(task.get("rules")):
                for mask in _list(rule.get("masks") if isinstance(rule, Mapping) else None):
                    if isinstance(mask, Mapping) and mask.get("type") == "json":
                        self._transforms(match, rule, mask)
                    else:
                        kind = mask.get("type") if isinstance(mask, Mapping) else mask
                        why = "files of other kinds than tables and JSON lines are not masked whole"
                        self.notes.add(mask, f"mask {kind} of a file", "left out", why)

    def _transforms(self, match: str, rule: Mapping, mask: Mapping) -> None:
        for transform in _list(mask.get("transforms")):
            if not isinstance(transform, Mapping):
                continue
            problem = ""
            try:
                path = FieldPath.parse(json_path(transform.get("path")))
            except (Unknown, ValueError) as error:
                problem = str(error)
            if problem:
                self.notes.add(transform, "a path", "left out", problem)
                continue
            if any(isinstance(key, int) for key in _list(transform["path"])):
                self.notes.add(transform, str(path), "differs", "every element of the list is masked")
            hashed = transform.get("hash_sources", rule.get("hash_sources"))
            optional = transform.get("on_missing") == "skip"
            part = Part(transform, _list(transform.get("masks")), _list(hashed), self.skip, optional=optional)
            self._add(match, path, part)

    def _keys(self, task: Mapping) -> None:
        why = "fpe keeps keys unique; name each column that refers to them, with the same mask and domain"
        self.notes.add(task, "task mask_unique_key", "differs", why)
        match = str(task.get("table")).replace('"', "")
        for key in _list(task.get("target_key", task.get("key"))):
            name = key.get("column", key.get("column_name")) if isinstance(key, Mapping) else key
            part = Part(task, [Mapping(type="imitate_unique")], [name])
            self._add(match, FieldPath.of(str(name)), part)

    def _add(self, match: str, path: FieldPath, part: Part) -> None:
        self.found.setdefault(match, {}).setdefault(path, []).append(part)

    def _matches(self, task: Mapping) -> list[str]:
        """Return the globs of the datasets that a task is for."""
        if "table" in task:
            return [str(task["table"]).replace('"', "")]
        globs = []
        for entry in _list(task.get("include")):
            glob = entry.get("glob") if isinstance(entry, Mapping) else entry
            if isinstance(glob, str):
                globs.append(glob)
            else:
                self.notes.add(task, "include", "differs", "an expression that is no glob stands for all files here")
                return [_EVERYTHING]
        return globs or [_EVERYTHING]


def _list(value: Any) -> list[Any]:
    if isinstance(value, dict) and not {"type", "column_name", "source"} & value.keys():
        return list(value.values())
    return value if isinstance(value, list) else [] if value is None else [value]
