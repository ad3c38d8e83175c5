"""Find personal data in free text, and mask each finding by its kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict

from dmengine.arrow import choose, is_text, offsets
from dmengine.conditions import regex_problem
from dmengine.errors import PlanError
from dmengine.maskparameter import MaskParameter
from dmengine.normalizing import Step, normalize
from dmengine.spi import Finding, Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.blocks import Block, Places, Spans
from dmengine_maskers.findings import Resolved, find, put_back, resolve
from dmengine_maskers.inner import mask_found
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.parts import all_consistent, all_domains, all_findings, any_keyed, check_parts
from dmengine_maskers.recognisers import RECOGNISERS, Recogniser, What
from dmengine_maskers.scanning import Scan
from dmengine_maskers.word_lists import find_words

BLOCK_BYTES: Final = 1 << 24
ALL: Final[tuple[What, ...]] = get_args(What)


@dataclass(frozen=True, slots=True)
class Find:
    r"""One kind of thing that `scrub` looks for, and what becomes of it.

    Give one of `what` (a recogniser by name), `pattern` (a regular expression of RE2) and `words` (whole words or
    names, of which `ignore_case` says whether case tells them apart).

    A finding is masked by `mask`, in `domain` as in a column of that domain, after the steps of `normalize`. Without a
    mask, or where the mask cannot take it, it becomes its `label` in angle brackets. `check=False` takes what only
    looks like a card number or IBAN too.
    """

    what: What | None = None
    pattern: str | None = None
    words: tuple[str, ...] = ()
    label: str | None = None
    mask: MaskParameter | None = None
    domain: str | None = None
    normalize: tuple[Step, ...] = ()
    check: bool = True
    ignore_case: bool = True

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def told(self) -> str:
        """What it is called in a report."""
        return (self.label or self.what or ("word" if self.words else "text")).lower()

    @property
    def shown(self) -> str:
        """What stands for a finding that has no mask."""
        return f"<{self.told.upper()}>"

    def spans(self, scan: Scan) -> Spans:
        """Find it."""
        if self.words:
            return find_words(scan.block, self.words, ignore_case=self.ignore_case)
        known = RECOGNISERS[self.what] if self.what is not None else Recogniser(f"(?:{self.pattern})")
        return find(scan, known, check=self.check)


@dataclass(frozen=True, slots=True)
class Scrub:
    """Mask what is found in free text, each finding by the mask of its kind; all other text stays as it was.

    `find` names recognisers, or says more about each with `Find`; without it all recognisers look. Where findings
    overlap, the longest decides; where it does not cover the others, its label stands for all of them.

    >>> from dmengine.testing.context import mask_values
    >>> from dmengine.maskers import Email
    >>> mask_values(Scrub(), ["Call 555-867-5309 or write to ann@corp.com.", "all well", None])
    ['Call <PHONE> or write to <EMAIL>.', 'all well', None]
    >>> mask_values(Scrub((Find("email", mask=Email(), domain="person.email"),)), ["write to ann@corp.com"])
    ['write to marvin.may50772790@example.net']
    >>> mask_values(Email(), ["ann@corp.com"], domain="person.email")
    ['marvin.may50772790@example.net']
    """

    find: tuple[What | Find, ...] = ALL

    name: ClassVar[str] = "scrub"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def keyed(self) -> bool:
        """Whether the key has a say in what becomes of findings."""
        return any_keyed(self._masks())

    @property
    def consistent(self) -> bool:
        """Whether equal findings get equal masks."""
        return all_consistent(self._masks())

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domains that findings are masked in."""
        own = tuple((kind.domain, kind.mask) for kind in self._kinds() if kind.domain and kind.mask)
        return own + all_domains(self._masks())

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, findings that cannot be looked for or masked, and targets with a byte limit."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        kinds = self._kinds()
        if not kinds:
            raise wrong_option(self.name, "find", "name something to look for", f"such as {', '.join(ALL[:3])}")
        for kind in kinds:
            _check_search(kind)
            if kind.mask is not None:
                _check_mask(kind.mask, field)
        if limits.max_bytes is not None:
            room = limits.max_bytes
            hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {room}}}"
            raise PlanError(f"scrub may need more than the {room} bytes that the target holds", hint=hint)
        return field

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say that it knows what it is told of, and no more."""
        hint = "read a sample of what comes out; redact the field where nothing may be missed"
        yield Finding("warning", "scrub keeps all text in which it finds nothing, names too", hint=hint)
        yield from all_findings(self._masks(), field)

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the texts with all findings masked."""
        counts = np.zeros((len(self._kinds()), len(values)), np.int64)
        made, done = [], 0
        for block in _blocks(values):
            made.append(self._block(block, ctx, counts[:, done : done + len(block)]))
            done += len(block)
        for kind, each in zip(self._kinds(), counts, strict=True):
            ctx.count(kind.told, each)
        return made[0] if len(made) == 1 else pa.concat_arrays(made)

    def _block(self, values: pa.Array, ctx: MaskContext, counts: Places) -> pa.Array:
        block = Block.of(values)
        kinds = self._kinds()
        scan = Scan(block)
        resolved = resolve([kind.spans(scan) for kind in kinds])
        if len(resolved.spans) == 0:
            return values
        rows = block.row_of(resolved.spans.starts)
        for number, each in enumerate(counts):
            each += np.bincount(rows[resolved.kinds == number], minlength=len(each))
        masked = [_masked(kind, number, block, resolved, ctx) for number, kind in enumerate(kinds)]
        order = np.argsort(np.argsort(resolved.kinds, kind="stable"), kind="stable")
        return put_back(block, resolved.spans, pa.concat_arrays(masked).take(pa.array(order)))

    def _kinds(self) -> tuple[Find, ...]:
        return tuple(kind if isinstance(kind, Find) else Find(kind) for kind in self.find)

    def _masks(self) -> tuple[Masker, ...]:
        return tuple(kind.mask for kind in self._kinds() if kind.mask is not None)


def _blocks(values: pa.Array) -> Iterator[pa.Array]:
    """Yield values that are worked on together: many, so that masks are called seldom, but of bounded size."""
    ends = offsets(values)
    start = 0
    while True:
        stop = int(np.searchsorted(ends, ends[start] + BLOCK_BYTES))
        stop = min(max(stop, start + 1), len(values))
        yield values.slice(start, stop - start)
        start = stop
        if start >= len(values):
            return


def _masked(kind: Find, number: int, block: Block, resolved: Resolved, ctx: MaskContext) -> pa.Array:
    """Mask the findings of one kind, in their order."""
    here = resolved.kinds == number
    labels = pa.repeat(pa.scalar(kind.shown, block.values.type), int(here.sum()))
    if kind.mask is None or len(labels) == 0:
        return labels
    texts = normalize(block.texts(resolved.spans.only(here)), kind.normalize)
    part = f"scrub/{kind.what or number}"
    masked, refused = mask_found(kind.mask, texts, ctx, part, kind.domain)
    masked = pc.fill_null(masked.cast(block.values.type), "")
    refused = refused | ~resolved.whole[here]
    return choose(refused, labels, masked) if refused.any() else masked


def _check_search(kind: Find) -> None:
    given: list[Any] = [way for way in (kind.what, kind.pattern, kind.words) if way]
    if len(given) != 1:
        raise wrong_option("scrub", "find", "have one of what, pattern and words", "such as {what: email}")
    if kind.pattern is not None:
        problem = regex_problem(kind.pattern)
        if problem:
            raise wrong_option("scrub", "pattern", f"be a regular expression: {problem}", "see the syntax of RE2")
        if pc.match_substring_regex(pa.array([""]), kind.pattern)[0].as_py():
            raise wrong_option("scrub", "pattern", "not match where nothing is", "use + rather than *")
    if not all(any(character.isalnum() for character in word) for word in kind.words):
        raise wrong_option("scrub", "words", "have a letter or digit each", "use pattern for other text")


def _check_mask(mask: Masker, field: pa.Field) -> None:
    check_parts("scrub", (mask,))
    if mask.scope != "value":
        raise PlanError("scrub: masks must look at the finding alone", hint="leave out by and consistent")
    made = mask.plan(field, Limits())
    if not is_text(made.type):
        raise PlanError(f"scrub: {mask.name} returns {made.type}", hint="use masks that return text")
