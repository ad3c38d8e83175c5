"""Replace what a regular expression finds in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, flat, is_text, text_from_bytes
from dmengine.conditions import regex_problem
from dmengine.errors import PlanError
from dmengine.maskparameter import MaskParameter
from dmengine.spi import Finding, Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.chain import Chain
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.parts import (
    PartContext,
    all_consistent,
    all_domains,
    any_keyed,
    check_parts,
    findings_in_turn,
    widest_scope,
)
from dmengine_maskers.spans import BLOCK_ROWS, cut, spans

Places = npt.NDArray[np.int64]

_BEGIN, _END = 0xFE, 0xFF  # bytes that UTF-8 never has
_MARKED: Final = bytes([_BEGIN]) + b"\\0" + bytes([_END])


@dataclass(frozen=True, slots=True)
class RegexReplace:
    r"""Replace every match of a regular expression (RE2), by a text or by what masks make of the match.

    In `replacement`, `\1` is the first group and `\0` the match. `masks` work in turn, on each match as a value of
    its own. What does not match stays as it was, so a value without any match is a mismatch, unless `no_match` is
    `"keep"`.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(RegexReplace("[0-9]+", replacement="#"), ["room 12, bed 3", None])
    ['room #, bed #', None]
    >>> from dmengine.maskers import CharacterMask
    >>> mask_values(RegexReplace(r"[^@\s]+@", masks=(CharacterMask(keep_last=1),)), ["write to ann@corp.com"])
    ['write to ***@corp.com']
    """

    pattern: str
    replacement: str | None = None
    masks: tuple[MaskParameter, ...] = ()
    no_match: Literal["mismatch", "keep"] = "mismatch"

    name: ClassVar[str] = "regex_replace"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def keyed(self) -> bool:
        """Whether the key has a say in what replaces a match."""
        return any_keyed(self.masks)

    @property
    def consistent(self) -> bool:
        """Whether equal matches get equal masks."""
        return all_consistent(self.masks)

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domains that any of the masks works in beside the field's own."""
        return all_domains(self.masks)

    def findings(self, field: pa.Field) -> Iterable[Finding]:
        """Say what the masks of matches say."""
        return findings_in_turn(self.masks, field)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, an expression that RE2 does not take, and results that could be too long."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact or number")
        problem = regex_problem(self.pattern) if self.pattern else "it is empty"
        if problem:
            raise wrong_option(self.name, "pattern", f"be a regular expression: {problem}", "see the syntax of RE2")
        if pc.match_substring_regex(pa.array([""]), self.pattern)[0].as_py():
            raise wrong_option(self.name, "pattern", "not match where nothing is", "use + rather than *")
        if (self.replacement is None) == (not self.masks):
            raise wrong_option(self.name, "replacement or masks", "be given, and not both", 'such as replacement="*"')
        if self.replacement is not None:
            self._check_replacement(self.replacement, limits)
        else:
            self._check_masks(field, limits)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return texts without the matches."""
        if self.replacement is None:
            starts = range(0, len(values), BLOCK_ROWS)
            blocks = [self._block(values.slice(start, BLOCK_ROWS), start, len(values), ctx) for start in starts]
            return pa.concat_arrays([pa.array([], values.type), *blocks])
        if self.no_match == "mismatch":
            self._report(~booleans(pc.match_substring_regex(values, self.pattern)), ctx)
        return pc.replace_substring_regex(values, self.pattern, self.replacement)

    def _check_replacement(self, replacement: str, limits: Limits) -> None:
        try:
            pc.replace_substring_regex(pa.array(["x"]), self.pattern, replacement)
            readable = True
        except pa.ArrowInvalid:
            readable = False
        if not readable:
            hint = r"write \0 for the match, \1 for the first group, and \\ for a backslash"
            raise wrong_option(self.name, "replacement", "name groups that the pattern has", hint)
        if limits.max_bytes is not None and (len(replacement.encode()) > 1 or "\\" in replacement):
            raise self._too_long(limits.max_bytes)

    def _check_masks(self, field: pa.Field, limits: Limits) -> None:
        check_parts(self.name, self.masks)
        if widest_scope(self.masks) != "value":
            raise PlanError("regex_replace: masks must look at the match alone", hint="leave out by and consistent")
        chain, problem = Chain(self.masks), False
        made = chain.plan(field, Limits())
        if not is_text(made.type):
            raise PlanError(f"regex_replace: masks return {made.type}", hint="use masks that return text")
        if limits.max_bytes is not None:
            try:
                chain.plan(field, Limits(max_bytes=0))
            except PlanError:
                problem = True
            if problem or any(hasattr(mask, "longest_bytes") for mask in self.masks):
                raise self._too_long(limits.max_bytes)

    def _too_long(self, room: int) -> PlanError:
        hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {room}}}"
        return PlanError(f"regex_replace may need more than the {room} bytes that the target holds", hint=hint)

    def _block(self, values: pa.Array, start: int, count: int, ctx: MaskContext) -> pa.Array:
        """Mark the matches in some rows, mask them as one array, and put everything together again."""
        content, ends = spans(pc.replace_substring_regex(values, self.pattern, _MARKED))
        begins, closes = np.flatnonzero(content == _BEGIN), np.flatnonzero(content == _END)
        rows = np.searchsorted(ends, begins, side="right") - 1 + start
        if self.no_match == "mismatch":
            missing = np.zeros(count, np.bool_)
            missing[start : start + len(values)] = True
            missing[rows] = False
            self._report(missing, ctx)
        matches = cut(content, begins + 1, closes, values.type)
        masked = flat(Chain(self.masks).mask(matches, PartContext(ctx, self.name, count, rows)))
        return _put_back(content, ends, begins, closes, pc.fill_null(masked, "").cast(values.type))

    def _report(self, missing: npt.NDArray[np.bool_], ctx: MaskContext) -> None:
        if missing.any():
            ctx.mismatch(missing)


def _put_back(
    content: npt.NDArray[np.uint8], ends: Places, begins: Places, closes: Places, masked: pa.Array
) -> pa.Array:
    """Join, value by value, the stretches between the marks and what stands for the matches between them."""
    first = np.sort(np.concatenate([closes + 1, ends[:-1]]), kind="stable")
    stops = np.concatenate([ends[1:], begins])
    order = np.argsort(stops, kind="stable")
    followed = order >= len(ends) - 1  # by a match, rather than by the end of the value
    pieces = pa.concat_arrays([cut(content, first, stops[order], masked.type), masked])
    matches_before: Places = np.cumsum(followed) - followed
    sequence = np.empty(len(order) + len(begins), np.int64)
    gaps = np.arange(len(order)) + matches_before
    sequence[gaps] = np.arange(len(order))
    sequence[gaps[followed] + 1] = len(order) + np.arange(len(begins))
    last = gaps[~followed] + 1
    joined, piece_ends = spans(pieces.take(pa.array(sequence)))  # end to end already: only the ends are new
    return text_from_bytes(joined, piece_ends[np.concatenate([[0], last])], masked.type)
