"""Mask elements and attributes inside of texts that are XML documents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import is_text
from dmengine.errors import PlanError
from dmengine.inside import Inside
from dmengine.spi import Finding, Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.inside import Unlisted, check_rules, mask_inside
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.parts import all_consistent, all_domains, all_findings, any_keyed
from dmengine_maskers.xml_paths import XmlPath
from dmengine_maskers.xml_values import Document, Text, remove, require_lxml

Flags = npt.NDArray[np.bool_]

_BLOCK_ROWS: Final = 1024
_DEEPEST: Final = 256  # libxml2 reads no deeper


@dataclass(frozen=True, slots=True)
class Xml:
    """Mask elements and attributes inside of XML documents that are texts. Needs lxml: `pip install "dmengine[xml]"`.

    The first of `rules` that names an element or attribute says what happens to its text; paths go from the root, by
    names without namespace (`order/customer/@id`, `order/*/email`, `//email`). What happens to texts that no rule
    names, and to comments and processing instructions, `unlisted` says: the document is a `mismatch`, or they are kept,
    redacted or dropped. A text that is not well-formed, has a DTD, or nests deeper than `max_depth`, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> from dmengine.maskers import Email, Inside
    >>> rules = (Inside("user/email", Email()), Inside("user/@id", keep="surrogate key"))
    >>> mask_values(Xml(rules), ['<user id="7"><email>ann@corp.com</email></user>', None])
    ['<user id="7"><email>amy.sandoval16943021@example.org</email></user>', None]
    """

    rules: tuple[Inside, ...]
    unlisted: Unlisted = "mismatch"
    max_depth: int = 64

    name: ClassVar[str] = "xml"
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
        """The domains that texts are masked in."""
        own = tuple((rule.domain, rule.mask) for rule in self.rules if rule.domain and rule.mask)
        return own + all_domains(rule.mask for rule in self.rules if rule.mask)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, rules that make no sense, and targets with a byte limit."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "name the fields inside it in rules of their own")
        require_lxml()
        check_rules(self.name, self.rules, (pa.string(),))
        for rule in self.rules:
            try:
                XmlPath.parse(rule.field)
                readable = True
            except ValueError:
                readable = False
            if not readable:
                raise wrong_option(self.name, "field", "be a path", "such as order/user/@id, order/*/email, //email")
            made = rule.mask.plan(pa.field("value", pa.string()), Limits()) if rule.mask else field
            if rule.on_null != "keep":
                raise wrong_option(self.name, "on_null", "be left out", "XML has no null; an empty element is missing")
            if not is_text(made.type):
                raise PlanError(f"xml: {rule.mask and rule.mask.name} returns {made.type}", hint="use others")
        if not 1 <= self.max_depth <= _DEEPEST:
            raise wrong_option(self.name, "max_depth", f"be 1 to {_DEEPEST}", "leave it out for 64")
        if limits.max_bytes is not None:
            raise PlanError(
                f"xml may need more than the {limits.max_bytes} bytes that the target holds",
                hint="widen the column; a document cannot be cut",
            )
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Warn of what stays, and say what the masks inside say."""
        if self.unlisted == "keep":
            hint = "name them in its rules, and leave unlisted out"
            yield Finding("warning", "xml keeps all texts of documents that no rule names", hint=hint)
        yield from all_findings(self._masks(), pa.field(field.name, pa.string()))

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the documents with their elements and attributes masked."""
        work = _Work(self.rules, self.unlisted, tuple(XmlPath.parse(rule.field) for rule in self.rules))
        wrong = np.zeros(len(values), np.bool_)
        made = [pa.array([], values.type)]
        for start in range(0, len(values), _BLOCK_ROWS):
            block = values.slice(start, _BLOCK_ROWS)
            documents = [Document.parse(text, self.max_depth) for text in block.to_pylist()]
            bad = wrong[start : start + len(block)]
            work.change(documents, bad, ctx)
            texts = ["" if document is None else document.to_text() for document in documents]
            made.append(pa.array(texts, values.type))
        if wrong.any():
            ctx.mismatch(wrong)
        return pa.concat_arrays(made)

    def _masks(self) -> tuple[Masker, ...]:
        return tuple(rule.mask for rule in self.rules if rule.mask is not None)


@dataclass(slots=True)
class _Work:
    """The rules, with what is known of the paths that were met."""

    rules: tuple[Inside, ...]
    unlisted: Unlisted
    paths: tuple[XmlPath, ...]
    known: dict[str, int | None] = field(default_factory=dict)

    def change(self, documents: list[Document | None], bad: Flags, ctx: MaskContext) -> None:
        """Mask what the rules name in some documents, a rule at a time; mark the documents that are mismatches."""
        found: list[list[tuple[int, Text]]] = [[] for _ in self.rules]
        for row, document in enumerate(documents):
            if document is None:
                bad[row] = True
                continue
            for text in list(document.texts()):
                number = self._rule(text.path)
                if number is None:
                    self._unlisted(text, row, bad)
                else:
                    found[number].append((row, text))
            self._notes(document, row, bad)
        for rule, texts in zip(self.rules, found, strict=True):
            rows = np.array([row for row, _ in texts], np.int64)
            if rule.on_missing == "mismatch":
                missing = np.ones(len(bad), np.bool_)
                missing[rows] = False
                bad |= missing
            if rule.mask is not None and texts:
                self._mask(rule, rows, [text for _, text in texts], bad, ctx)

    def _mask(self, rule: Inside, rows: npt.NDArray[np.int64], texts: list[Text], bad: Flags, ctx: MaskContext) -> None:
        values = pa.array([text.value for text in texts], pa.string())
        masked, refused = mask_inside("xml", rule, values, ctx)
        bad[rows[refused]] = True
        for row, text, new in zip(rows.tolist(), texts, masked.to_pylist(), strict=True):
            if not _put(text, new or ""):
                bad[row] = True

    def _unlisted(self, text: Text, row: int, bad: Flags) -> None:
        if self.unlisted == "mismatch":
            bad[row] = True
        elif self.unlisted != "keep":
            text.put("*" if self.unlisted == "redact" else "")

    def _notes(self, document: Document, row: int, bad: Flags) -> None:
        """Treat comments and processing instructions as texts that no rule names, but where a rule keeps all."""
        for path, node in document.notes() if self.unlisted != "keep" else ():
            number = self._rule(path)
            if number is not None and self.rules[number].keep is not None:
                continue
            if self.unlisted == "mismatch":
                bad[row] = True
            else:
                remove(node)

    def _rule(self, path: str) -> int | None:
        """Find the first rule that names a path; what is kept or redacted is so with all that is below it."""
        if path not in self.known:
            self.known[path] = next(
                (
                    number
                    for number, (rule, written) in enumerate(zip(self.rules, self.paths, strict=True))
                    if written.covers(path) or ((rule.keep is not None or rule.redacts) and written.contains(path))
                ),
                None,
            )
        return self.known[path]


def _put(text: Text, new: str) -> bool:
    """Put a masked text in its place; False for one that XML cannot hold, such as control characters."""
    try:
        text.put(new)
    except ValueError:
        return False
    return True
