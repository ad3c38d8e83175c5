"""Mask fields inside of texts that are JSON documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import NUMBER, is_text
from dmengine.errors import PlanError, RulesetError
from dmengine.inside import Inside
from dmengine.jsontext.check import Bounds
from dmengine.jsontext.edit import Change, removal, replacement
from dmengine.jsontext.index import Tree
from dmengine.jsontext.records import JsonRecords
from dmengine.jsontext.walk import find
from dmengine.paths import FieldPath, path_inside
from dmengine.spi import Finding, Limits, MaskContext, Masker, Positions, Scope, Selection, Uniqueness
from dmengine_maskers.inside import Unlisted, check_rules, hidden, mask_inside
from dmengine_maskers.json_values import read_documents
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.parts import all_consistent, all_domains, all_findings, any_keyed
from dmengine_maskers.spans import BLOCK_ROWS, spans

Flags = npt.NDArray[np.bool_]

_KINDS: Final = (pa.string(), NUMBER, pa.bool_())
_BLOCK_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Json:
    """Mask fields inside of JSON documents that are texts; all else of a document stays byte for byte.

    The first of `rules` that names a field says what happens to it. What happens to fields that no rule names,
    `unlisted` says: the document is a `mismatch`, or they are kept, redacted or dropped. A text that is not JSON, or
    nests deeper than `max_depth`, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> from dmengine.maskers import Email, Inside
    >>> rules = (Inside("user.email", Email()), Inside("id", keep="surrogate key"))
    >>> mask_values(Json(rules), ['{"id": 1.50, "user": {"email": "ann@corp.com"}}', None])
    ['{"id": 1.50, "user": {"email": "colton.wolfe52063591@example.org"}}', None]
    """

    rules: tuple[Inside, ...]
    unlisted: Unlisted = "mismatch"
    max_depth: int = 64

    name: ClassVar[str] = "json"
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def keyed(self) -> bool:
        """Whether the key has a say in any of the masks."""
        return any_keyed(self._masks())

    @property
    def consistent(self) -> bool:
        """Whether equal documents get equal masks."""
        return all_consistent(self._masks())

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domains that fields are masked in."""
        own = tuple((rule.domain, rule.mask) for rule in self.rules if rule.domain and rule.mask)
        return own + all_domains(rule.mask for rule in self.rules if rule.mask)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, rules that make no sense, and targets with a byte limit."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "name the fields inside it in rules of their own")
        check_rules(self.name, self.rules, _KINDS)
        for rule in self.rules:
            try:
                path_inside(rule.field)
                readable = True
            except RulesetError:
                readable = False
            if not readable:
                raise wrong_option(self.name, "field", "be a path", "such as user.email, items[*].sku or attrs{*}")
        if not 1 <= self.max_depth <= 512:
            raise wrong_option(self.name, "max_depth", "be 1 to 512", "leave it out for 64")
        if limits.max_bytes is not None:
            raise PlanError(
                f"json may need more than the {limits.max_bytes} bytes that the target holds",
                hint="widen the column; a document cannot be cut",
            )
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Warn of what stays, and say what the masks inside say."""
        if self.unlisted == "keep":
            hint = "name them in its rules, and leave unlisted out"
            yield Finding("warning", "json keeps all fields of documents that no rule names", hint=hint)
        yield from all_findings(self._masks(), pa.field(field.name, pa.null()))

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the documents with their fields masked."""
        wrong = np.zeros(len(values), np.bool_)
        made = [pa.array([], values.type)]
        for rows in _blocks(values):
            block = values.slice(rows.start, rows.stop - rows.start)
            documents, bad = read_documents(block, Bounds(self.max_depth + 1))
            made.append(documents.with_changes(self._changes(documents.records, bad, ctx)))
            wrong[rows] = bad
        if wrong.any():
            ctx.mismatch(wrong)
        return pa.concat_arrays(made)

    def _changes(self, records: JsonRecords, bad: Flags, ctx: MaskContext) -> list[Change]:
        """Mask all fields of some documents; mark the documents that are mismatches."""
        paths = [path_inside(rule.field) for rule in self.rules]
        missing = [np.ones(len(bad), np.bool_) for _ in paths]
        changes: list[Change] = []
        dropped: list[Positions] = []  # removed together, so that every comma goes once
        for path in records.fields(paths):
            number = next((n for n, rule in enumerate(self.rules) if _decides(rule, paths[n], path)), None)
            selections = records.select(path)
            if _is_opened(path, paths):  # what is looked into is decided about by what it holds
                unread = (pa.types.is_nested, pa.types.is_null) if number is None else (pa.types.is_nested,)
                selections = [found for found in selections if not any(is_a(found.values.type) for is_a in unread)]
            if number is None:
                if self.unlisted == "drop" and len(path.steps) > 1 and selections:
                    dropped.append(_children(records.tree, path, selections))
                else:
                    changes += self._unlisted(selections, bad)
                continue
            for found in selections:
                missing[number][_rows(found)] = False
            rule = self.rules[number]
            if rule.mask is not None:
                changes += [replacement(found.slots, _masked(rule, found, bad, ctx)) for found in selections]
        for rule, lacks in zip(self.rules, missing, strict=True):
            if rule.on_missing == "mismatch":
                bad |= lacks
        if dropped:
            changes.append(removal(records.tree, np.unique(np.concatenate(dropped))))
        return [change for change in changes if len(change.starts)]

    def _unlisted(self, selections: list[Selection], bad: Flags) -> list[Change]:
        """Deal with a field that no rule names; a document that would be dropped whole is redacted."""
        if self.unlisted == "mismatch":
            for found in selections:
                bad[_rows(found)] = True
        if self.unlisted in ("mismatch", "keep"):
            return []
        return [replacement(found.slots, _hidden(found.values)) for found in selections]

    def _masks(self) -> tuple[Masker, ...]:
        return tuple(rule.mask for rule in self.rules if rule.mask is not None)


def _decides(rule: Inside, written: FieldPath, path: FieldPath) -> bool:
    """Say whether a rule names a field; what is kept or redacted is so with all that is below it."""
    return written.covers(path) or ((rule.keep is not None or rule.redacts) and written.contains(path))


def _masked(rule: Inside, found: Selection, bad: Flags, ctx: MaskContext) -> pa.Array:
    """Mask what was found of one kind."""
    values, rows = found.values, _rows(found)
    if pa.types.is_null(values.type):
        if rule.on_null == "mismatch":
            bad[rows] = True
        return values
    if rule.redacts and pa.types.is_nested(values.type):
        return _hidden(values)
    masked, refused = mask_inside("json", rule, values, ctx)
    bad[rows[refused]] = True
    return masked


def _hidden(values: pa.Array) -> pa.Array:
    return values if pa.types.is_null(values.type) else hidden(values)


def _children(tree: Tree, path: FieldPath, selections: list[Selection]) -> Positions:
    """Return the children of a tree that were selected at a path."""
    children = find(tree, path).children
    starts = np.concatenate([found.slots.starts for found in selections])
    return children[np.isin(tree.starts(children), starts)]


def _is_opened(path: FieldPath, paths: list[FieldPath]) -> bool:
    """Say whether a rule names what is below a path."""
    depth = len(path.steps)
    return any(len(p.steps) > depth and FieldPath(p.steps[:depth]).covers(path) for p in paths)


def _rows(found: Selection) -> npt.NDArray[np.int64]:
    return np.arange(len(found.values)) if found.rows is None else found.rows


def _blocks(values: pa.Array) -> Iterator[slice]:
    """Rows that are worked on together: fewer where documents are long."""
    _, ends = spans(values)
    low = 0
    while low < len(values):
        reached = int(np.searchsorted(ends, ends[low] + _BLOCK_BYTES))
        high = min(low + BLOCK_ROWS, max(low + 1, reached), len(values))
        yield slice(low, high)
        low = high
