"""Rulesets as YAML or JSON files: read with line numbers in every complaint, written, described by a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dmengine.conditions import All, AnyOf, Compare, Condition, Not
from dmengine.errors import RulesetError
from dmengine.maskparameter import mask_spec
from dmengine.modelerrors import explain
from dmengine.pluginparams import mask_schema, read_masker, write_masker
from dmengine.problems import Problem, Where, as_error
from dmengine.rulecheck import problems_of
from dmengine.rulemodels import KEEP_SCHEMA, MASK, OTHERWISE, RuleModel, RulesetModel
from dmengine.rules import Action, Dataset, Drop, Keep, Rule, Ruleset
from dmengine.spi import Masker
from dmengine.yamlfile import Document, dump_document, load_document, read_text

_Masks = dict[Where, Masker]


def load_ruleset(source: str | Path) -> Ruleset:
    """Read a ruleset from a file, or from YAML or JSON text.

    >>> rules = load_ruleset('''
    ... rules:
    ... - field: id
    ...   keep: surrogate key
    ... - {field: fax, drop: true}
    ... ''')
    >>> [str(rule.fields[0]) for rule in rules.rules]
    ['id', 'fax']

    Args:
        source: A path; or the text itself, which has more than one line or begins with a brace.

    Raises:
        RulesetError: with every problem there is, each with its line and column.
    """
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return read_ruleset(load_document(source, "ruleset"))
    return read_ruleset(load_document(read_text(Path(source)), Path(source).name))


def read_ruleset(document: Document) -> Ruleset:
    """Make the ruleset that a document describes.

    Raises:
        RulesetError: with every problem there is.
    """
    masks: _Masks = {}
    problems = list(_read_masks(document, masks))
    model: RulesetModel | None = None
    try:
        # strict JSON: "1" is no number, but lists become tuples
        model = RulesetModel.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        problems += explain(errors, document, RulesetModel)
    if model is not None and not problems:
        ruleset = _ruleset(model, masks)
        problems += problems_of(ruleset)
    if problems:
        problems.sort(key=lambda p: document.position(p.where, on_key=p.on_key))
        raise as_error(problems, document.source, lambda p: document.where(p.where, on_key=p.on_key))
    return ruleset


def _read_masks(document: Document, masks: _Masks) -> Iterator[Problem]:
    """Make every mask of the document, whatever else is wrong with it."""
    for where, written in _mask_places(document.data):
        try:
            spec = mask_spec(written)
        except ValueError:  # the model says what is wrong with it
            continue
        if "type" not in spec:
            continue
        found = read_masker(spec, document, where)
        if isinstance(found, list):
            yield from found
        else:
            masks[where] = found


def _mask_places(data: Any) -> Iterator[tuple[Where, Any]]:
    whole = data if isinstance(data, dict) else {}
    lists: list[tuple[Where, Any]] = [(("rules",), whole.get("rules"))]
    datasets = whole.get("datasets")
    for number, dataset in enumerate(datasets if isinstance(datasets, list) else ()):
        if isinstance(dataset, dict):
            lists.append((("datasets", number, "rules"), dataset.get("rules")))
    for where, rules in lists:
        for number, rule in enumerate(rules if isinstance(rules, list) else ()):
            for key in (MASK, OTHERWISE):
                if isinstance(rule, dict) and key in rule:
                    yield (*where, number, key), rule[key]


def _ruleset(model: RulesetModel, masks: _Masks) -> Ruleset:
    return Ruleset(
        [_rule(rule, ("rules", i), masks) for i, rule in enumerate(model.rules)],
        unlisted=model.unlisted,
        datasets=[
            Dataset(d.match, [_rule(rule, ("datasets", n, "rules", i), masks) for i, rule in enumerate(d.rules)])
            for n, d in enumerate(model.datasets)
        ],
        version=model.version,
    )


def _rule(rule: RuleModel, where: Where, masks: _Masks) -> Rule:
    reason = rule.keep
    action = Keep(reason) if reason is not None else Drop() if rule.drop else masks[(*where, MASK)]
    otherwise: Masker | Action | None = None
    if rule.otherwise is not None:
        named = "type" in rule.otherwise
        otherwise = masks[(*where, OTHERWISE)] if named else Keep(rule.otherwise["keep"])
    return Rule(
        rule.field,
        action,
        domain=rule.domain,
        normalize=rule.normalize,
        as_=rule.as_,
        format=rule.format,
        when=rule.when.condition() if rule.when is not None else None,
        otherwise=otherwise,
        on_mismatch=rule.on_mismatch,
        on_missing=rule.on_missing,
        on_null=rule.on_null,
        optional=rule.optional,
    )


# ---------------------------------------------------------------------------------------------- writing


def dump_ruleset(ruleset: Ruleset) -> str:
    """Return YAML that reads back as an equal ruleset.

    >>> from dmengine.rules import keep
    >>> print(dump_ruleset(Ruleset([keep("id", because="surrogate key")])), end="")
    version: 1
    unlisted: fail
    rules:
    - field: id
      keep: surrogate key

    Raises:
        RulesetError: the ruleset is not valid, or has a mask that no file can name, such as a function.
    """
    ruleset.validate()
    unlisted = {"keep": ruleset.unlisted.because} if isinstance(ruleset.unlisted, Keep) else ruleset.unlisted
    data: dict[str, Any] = {"version": ruleset.version, "unlisted": unlisted}
    if ruleset.datasets:
        data["datasets"] = [
            {"match": dataset.match, "rules": [_write_rule(rule) for rule in dataset.rules]}
            for dataset in ruleset.datasets
        ]
    data["rules"] = [_write_rule(rule) for rule in ruleset.rules]
    return dump_document(data)


def _write_rule(rule: Rule) -> dict[str, Any]:
    paths = [str(path) for path in rule.fields]
    data: dict[str, Any] = {"field": paths[0] if len(paths) == 1 else paths}
    if rule.when is not None:
        data["when"] = _write_condition(rule.when)
    data |= _write_action(rule.mask, MASK)
    if rule.otherwise is not None:
        written = _write_action(rule.otherwise, OTHERWISE)
        data["otherwise"] = written.get(OTHERWISE, written)
    for name, value, default in (
        ("domain", rule.domain, None),
        ("normalize", list(rule.normalize), []),
        ("as", rule.as_, None),
        ("format", rule.format, None),
        ("on_mismatch", rule.on_mismatch, "fail"),
        ("on_missing", rule.on_missing, "skip"),
        ("on_null", rule.on_null, "keep"),
        ("optional", rule.optional, False),
    ):
        if value != default:
            data[name] = value
    return data


def _write_action(action: Masker | Action, key: str) -> dict[str, Any]:
    if isinstance(action, Drop):
        return {"drop": True}
    return {"keep": action.because} if isinstance(action, Keep) else {key: write_masker(action)}


def _write_condition(condition: Condition) -> dict[str, Any]:
    match condition:
        case Compare(field, op, value):
            return {"field": field, op: list(value) if isinstance(value, tuple) else value}
        case All(conditions):
            return {"all": [_write_condition(inner) for inner in conditions]}
        case AnyOf(conditions):
            return {"any": [_write_condition(inner) for inner in conditions]}
        case Not(inner):
            return {"not": _write_condition(inner)}
    raise RulesetError(f"a {type(condition).__name__} is not a condition", hint="build one with field(...)")


# ---------------------------------------------------------------------------------------------- schema


def ruleset_schema() -> dict[str, Any]:
    """Return the JSON Schema of ruleset files, with the parameters of every installed mask."""
    schema = RulesetModel.model_json_schema()
    mask, definitions = mask_schema()
    reference = {"$ref": f"#/$defs/{MASK}"}
    schema["$defs"] |= {MASK: mask, **definitions}
    properties = schema["$defs"][RuleModel.__name__]["properties"]
    properties[MASK] |= reference
    properties[OTHERWISE] |= {"oneOf": [reference, KEEP_SCHEMA]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """Return the JSON Schema as the text of a file for editors.

    >>> print(schema_text().splitlines()[1])
      "$schema": "https://json-schema.org/draft/2020-12/schema",
    """
    return json.dumps(ruleset_schema(), indent=2, ensure_ascii=False) + "\n"
