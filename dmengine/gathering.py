"""Rules for fields inside of one document -> the mask of the field that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa

from dmengine import registry
from dmengine.errors import PlanError
from dmengine.inside import Inside
from dmengine.paths import FieldPath
from dmengine.rules import Drop, Keep, Rule, Unlisted, default_domain
from dmengine.spi import Limits, Masker

Placed = tuple[str, Rule]
"""A rule, with the name of its place in the ruleset."""

_AND: Final = " and "


@dataclass(slots=True)
class _Document:
    """The rules for one document."""

    places: list[str] = field(default_factory=list)
    rules: list[tuple[FieldPath, Rule]] = field(default_factory=list)


def gathered(rules: Sequence[Placed], unlisted: Unlisted) -> tuple[Placed, ...]:
    """Put rules for fields inside of one document together, as one rule for its field, where the first of them stands.

    >>> from dmengine.maskers import Email
    >>> mail, number = Rule("payload|json|email", Email()), Rule("payload|json|id", Keep("surrogate key"))
    >>> [(place, rule)] = gathered([("rules[0]", mail), ("rules[1]", number)], "fail")
    >>> place, str(rule.fields[0]), [(one.field, one.domain) for one in rule.mask.rules]
    ('rules[0] and rules[1]', 'payload', [('email', 'email:email'), ('id', None)])

    Args:
        rules: The rules of a dataset, in order.
        unlisted: What the ruleset says of fields that no rule names; it holds inside of documents as well.

    Raises:
        PlanError: a rule says what cannot be done inside of a document.
    """
    found: list[Placed | _Document] = []
    documents: dict[tuple[FieldPath, str], _Document] = {}
    for place, rule in rules:
        plain = tuple(path for path in rule.fields if path.inner is None)
        if plain:
            found.append((place, rule if len(plain) == len(rule.fields) else replace(rule, fields=plain)))
        for path in rule.fields:
            if path.inner is None:
                continue
            key = (path.outer, path.inner.kind)
            if key not in documents:
                documents[key] = _Document()
                found.append(documents[key])
            documents[key].places.append(place)
            documents[key].rules.append((path, rule))
    return tuple(_one_rule(one, unlisted) if isinstance(one, _Document) else one for one in found)


def places_of(rule_id: str) -> list[str]:
    """Return the places of the rules that were put together.

    >>> places_of("rules[0] and rules[1]")
    ['rules[0]', 'rules[1]']
    """
    return rule_id.split(_AND)


def inside_of(masker: Masker) -> tuple[Inside, ...]:
    """Return what a mask says of single fields inside of documents; nothing for most masks."""
    rules = getattr(masker, "rules", ())
    return tuple(one for one in rules if isinstance(one, Inside)) if isinstance(rules, tuple) else ()


def _one_rule(document: _Document, unlisted: Unlisted) -> Placed:
    first = document.rules[0][0]
    inside = tuple(_inside(path, rule) for path, rule in document.rules)
    said = "keep" if isinstance(unlisted, Keep) else "mismatch" if unlisted == "fail" else unlisted
    mask: Masker = _mask_of(first)(inside, unlisted=said)
    optional = all(rule.optional for _, rule in document.rules)
    return _AND.join(dict.fromkeys(document.places)), Rule(first.outer, mask, optional=optional)


def _inside(path: FieldPath, rule: Rule) -> Inside:
    """Say in the words of the mask what a rule says; refuse what that mask would refuse, by the whole path."""
    assert path.inner is not None
    assert not isinstance(rule.mask, Drop), "the check of rulesets refuses it"
    if isinstance(rule.mask, Keep):
        made = Inside(path.inner.path, keep=rule.mask.because)
    else:
        made = Inside(
            path.inner.path,
            rule.mask,
            domain=rule.domain or default_domain(rule.mask, path),
            normalize=rule.normalize,
            on_missing="mismatch" if rule.on_missing == "fail" else "skip",
            on_null="mismatch" if rule.on_null == "fail" else "keep",
            on_mismatch="null" if rule.on_mismatch == "null" else "mismatch",
        )
    try:
        _mask_of(path)((made,)).plan(pa.field(path.outer.leaf, pa.string()), Limits())
    except PlanError as error:  # it speaks of masks and their parameters only
        raise PlanError(f"{path}: {error.message}", hint=error.hint) from error
    return made


def _mask_of(path: FieldPath) -> type:
    assert path.inner is not None
    mask: type = registry.load("dmengine.maskers", path.inner.kind)
    return mask
