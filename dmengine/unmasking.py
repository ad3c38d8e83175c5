"""The way back: a ruleset that turns what reversible masks made into the originals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import pyarrow as pa

from dmengine.errors import PlanError
from dmengine.rules import Dataset, Drop, Keep, Rule, Ruleset
from dmengine.spi import Limits, MaskContext, Masker, Scope, Uniqueness

_STAYS = Keep("its mask is not reversible")


@dataclass(frozen=True, slots=True)
class Unmask:
    """A reversible mask, the other way round: it takes masked values, and returns the originals.

    >>> from dmengine.testing.context import mask_values
    >>> from dmengine.maskers import Fpe
    >>> mask_values(Unmask(Fpe()), mask_values(Fpe(), ["123-456"]))
    ['123-456']
    """

    masker: Masker

    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def name(self) -> str:
        """The name of the mask, so that a domain that is named after it is the same one."""
        return self.masker.name

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what the mask does not take; what comes out is what the mask once got."""
        self.masker.plan(field, Limits())
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the originals."""
        unmask = cast(Callable[[pa.Array, MaskContext], pa.Array], getattr(self.masker, "unmask"))  # noqa: B009
        return unmask(values, ctx)


def way_back(ruleset: Ruleset) -> Ruleset:
    """Return the rules that turn masked data back: reversible masks are undone, and all else stays as it is.

    Raises:
        PlanError: no mask of the ruleset is reversible, or one of them stands under a condition: nobody can tell from
            masked data of which records the condition was true.
    """
    rules = [*ruleset.rules, *(rule for dataset in ruleset.datasets for rule in dataset.rules)]
    if not any(_is_reversible(rule) for rule in rules):
        raise PlanError("no mask of the ruleset is reversible", hint="only fpe, tokenize and chains of them are")
    datasets = [Dataset(dataset.match, _turned(dataset.rules)) for dataset in ruleset.datasets]
    return Ruleset(_turned(ruleset.rules), datasets=datasets, unlisted=_STAYS)


def _turned(rules: tuple[Rule, ...]) -> list[Rule]:
    return [_back(rule) for rule in rules if not isinstance(rule.mask, Drop)]


def _back(rule: Rule) -> Rule:
    if not _is_reversible(rule):
        return Rule(rule.fields, _STAYS, optional=True)
    if rule.when is not None:
        names = ", ".join(map(str, rule.fields))
        raise PlanError(
            f"the mask of {names} stands under a condition, so it cannot be turned back",
            hint="turn the field back with a ruleset without the condition, for the records that you know it masked",
        )
    return Rule(
        rule.fields, Unmask(cast(Masker, rule.mask)), domain=rule.domain, as_=rule.as_, format=rule.format,
        on_mismatch=rule.on_mismatch, optional=rule.optional, on_missing=rule.on_missing, on_null=rule.on_null,
    )  # fmt: skip


def _is_reversible(rule: Rule) -> bool:
    return any(
        not isinstance(mask, (Keep, Drop)) and mask is not None and mask.reversible
        for mask in (rule.mask, rule.otherwise)
    )
