"""The shape of a ruleset file, as pydantic models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from dmengine.conditions import Condition, all_of, any_of, field, not_
from dmengine.errors import RulesetError
from dmengine.maskparameter import mask_spec
from dmengine.paths import FieldPath, rule_path
from dmengine.rules import Keep, Normalize, OnMismatch, OnMissing, OnNull, ReadAs, Unlisted

MASK: Final = "mask"
OTHERWISE: Final = "otherwise"
KEEP_SCHEMA: Final = {
    "type": "object",
    "title": "keep",
    "properties": {"keep": {"type": "string", "minLength": 1, "description": "why it may stay"}},
    "required": ["keep"],
    "additionalProperties": False,
}
_NORMALIZE_SCHEMA: Final = {
    "oneOf": [{"enum": [*get_args(Normalize)]}, {"type": "array", "items": {"enum": [*get_args(Normalize)]}}]
}


def _mask(written: Any) -> dict[str, Any]:
    spec = mask_spec(written)
    if "type" not in spec:
        raise ValueError("this names no mask; a field that is kept has keep: instead of mask:")
    return spec


def _mask_or_keep(written: Any) -> dict[str, Any]:
    spec = mask_spec(written)
    if "type" not in spec and set(spec) != {"keep"}:
        raise ValueError("keep takes a reason and nothing else; write {keep: why it may stay}")
    if "type" not in spec:
        _reason(spec["keep"])
    return spec


def _reason(written: Any) -> str:
    if not isinstance(written, str) or not written.strip():
        raise ValueError("keep has no reason; say why it may stay, for whoever reads the report")
    return written


def _unlisted(written: Any) -> Any:
    if isinstance(written, dict) and set(written) == {"keep"}:
        return Keep(_reason(written["keep"]))
    if written in ("fail", "drop", "redact"):
        return written
    raise ValueError("unlisted is not known; choose fail, drop, redact or {keep: why they may stay}")


def _as_list(written: Any) -> Any:
    return [written] if isinstance(written, str) else written


def _path(text: str, read: Callable[[str], FieldPath] = FieldPath.parse) -> str:
    problem = ""
    try:
        read(text)
    except RulesetError as error:
        problem = f"{error.message}; {error.hint}"
    if problem:
        raise ValueError(problem)
    return text


def _rule_path(text: str) -> str:
    return _path(text, rule_path)


def _true(written: Any) -> Any:
    if written is not True:
        raise ValueError("only true can stand here; to turn a condition round, write not:")
    return written


def _null_word(written: Any) -> Any:
    return "null" if written is None else written  # `on_mismatch: null` without quotes


Path = Annotated[str, AfterValidator(_path)]
RulePath = Annotated[str, AfterValidator(_rule_path)]
Value = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Yes = Annotated[Any, BeforeValidator(_true), WithJsonSchema({"const": True})]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_TESTS: Final = ("eq", "in", "lt", "gt", "matches", "is_null", "exists")
_GROUPS: Final = ("all", "any", "not")


def _condition_schema(schema: dict[str, Any]) -> None:
    tests = [{"required": ["field", test]} for test in _TESTS]
    schema |= {"oneOf": [*tests, *({"required": [group]} for group in _GROUPS)]}
    for member in schema["properties"].values():
        member.pop("default", None)


class ConditionModel(_Model):
    """One comparison of one field, or conditions joined by all, any or not. They read the original values."""

    model_config = ConfigDict(title="condition", json_schema_extra=_condition_schema)

    field: Annotated[Path, WithJsonSchema({"type": "string"})] = Field("", description="the field to look at")
    eq: Value = Field(None, description="equal to this value")
    in_: list[Value] = Field([], alias="in", description="equal to one of these values")
    lt: Value = Field(None, description="less than this number, date or text")
    gt: Value = Field(None, description="greater than this number, date or text")
    matches: str = Field("", description="text in which this regular expression (RE2) is found anywhere")
    is_null: Yes = Field(None, description="there, but null")
    exists: Yes = Field(None, description="there, null or not")
    all: list[ConditionModel] = Field([], description="every one of these holds")
    any: list[ConditionModel] = Field([], description="one of these holds")
    not_: ConditionModel | None = Field(None, alias="not", description="this does not hold")

    @model_validator(mode="after")
    def _is_one_condition(self) -> ConditionModel:
        given = {name.rstrip("_") for name in self.model_fields_set} - {"field"}
        has_field = "field" in self.model_fields_set
        if len(given) != 1:
            known = ", ".join((*_TESTS, *_GROUPS))
            raise ValueError(f"a condition has one test; choose one of {known}, and join several with all: [...]")
        (test,) = given
        if has_field != (test in _TESTS):
            wrong = f"{test} takes no field beside it" if has_field else f"{test} needs a field to look at"
            raise ValueError(f"{wrong}; write {{field: name, {_TESTS[0]}: value}}, or all: [...]")
        problem = ""
        try:
            self.condition()
        except RulesetError as error:
            problem = f"{error.message}; {error.hint}"
        if problem:
            raise ValueError(problem)
        return self

    def condition(self) -> Condition:
        """Return the condition that this describes."""
        given = self.model_fields_set
        if "all" in given:
            return all_of(*(inner.condition() for inner in self.all))
        if "any" in given:
            return any_of(*(inner.condition() for inner in self.any))
        if self.not_ is not None:
            return not_(self.not_.condition())
        test = field(self.field)
        if "eq" in given:
            return test.eq(self.eq)
        if "in_" in given:
            return test.isin(self.in_)
        if "lt" in given:
            return test.lt(self.lt)
        if "gt" in given:
            return test.gt(self.gt)
        if "matches" in given:
            return test.matches(self.matches)
        return test.is_null() if "is_null" in given else test.exists()


def _rule_schema(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": [action]} for action in (MASK, "keep", "drop")]
    schema["dependentRequired"] = {"when": [OTHERWISE], OTHERWISE: ["when"], "format": ["as"]}
    for name in (MASK, "keep", "drop", "when", OTHERWISE):
        schema["properties"][name].pop("default", None)


class RuleModel(_Model):
    """What happens to one field, or to several that share a domain: a mask, keep or drop."""

    model_config = ConfigDict(title="rule", json_schema_extra=_rule_schema)

    field: Annotated[
        list[RulePath],
        BeforeValidator(_as_list),
        WithJsonSchema({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
    ] = Field(
        min_length=1,
        description="a path, or several: a.b, items[*].email, attrs{*}, payload|json|a.b; names may have * and ?",
    )
    mask: Annotated[dict[str, Any] | None, BeforeValidator(_mask), WithJsonSchema({})] = Field(
        None, description="the mask's name, or {type: name, ...} with its parameters"
    )
    keep: Annotated[str | None, BeforeValidator(_reason), WithJsonSchema({"type": "string", "minLength": 1})] = Field(
        None, description="keep the field as it is; the text says why it may stay"
    )
    drop: Yes = Field(None, description="leave the field out of the target")
    domain: str | None = Field(None, description="values of one domain get equal masks, in every field, file and store")
    normalize: Annotated[list[Normalize], BeforeValidator(_as_list), WithJsonSchema(_NORMALIZE_SCHEMA)] = Field(
        [], description="how to fold values before masking, where sources write one value in several ways"
    )
    as_: ReadAs | None = Field(None, alias="as", description="read text as this, mask it, and write it back as it was")
    format: str | None = Field(None, description="how such dates are written, as for strptime; else ISO 8601")
    when: ConditionModel | None = Field(None, description="the mask holds for records of which this is true")
    otherwise: Annotated[
        dict[str, Any] | None,
        BeforeValidator(_mask_or_keep),
        WithJsonSchema({}),  # of all installed masks; `ruleset_schema` puts it in
    ] = Field(None, description="what happens to the other records: a mask, or {keep: why they may stay}")
    on_mismatch: Annotated[
        OnMismatch, BeforeValidator(_null_word), WithJsonSchema({"enum": ["fail", "redact", "null", None]})
    ] = Field("fail", description="what to do with a value that the mask cannot take")
    on_missing: OnMissing = Field("skip", description="what to do with a record that lacks the field")
    on_null: OnNull = Field("keep", description="what to do with a null")
    optional: bool = Field(False, description="whether data without the field is fine")

    @model_validator(mode="after")
    def _has_one_action(self) -> RuleModel:
        given = [name for name in (MASK, "keep", "drop") if name in self.model_fields_set]
        if len(given) != 1:
            said = " and ".join(given) if given else "no mask"
            raise ValueError(f"the rule has {said}; write one of mask, keep and drop")
        return self


class DatasetModel(_Model):
    """Rules for some objects or tables, which go before the general ones."""

    model_config = ConfigDict(title="dataset")

    match: str = Field(description="objects (* within a folder, ** across folders), or a table: crm.customers")
    rules: list[RuleModel] = Field(description="in order; the first that means a field wins")


class RulesetModel(_Model):
    """What is decided about every field of a source."""

    model_config = ConfigDict(title="dmengine ruleset")

    version: Literal[1] = Field(1, description="of the ruleset language")
    unlisted: Annotated[
        Unlisted,
        BeforeValidator(_unlisted),
        WithJsonSchema({"oneOf": [{"enum": ["fail", "drop", "redact"]}, KEEP_SCHEMA]}),
    ] = Field("fail", description="what happens to fields that no rule names")
    datasets: list[DatasetModel] = Field(
        [], description="where there are any, each object or table matches exactly one"
    )
    rules: list[RuleModel] = Field([], description="for every dataset, after its own")
