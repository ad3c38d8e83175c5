"""Masks of a DataMasque ruleset as specs of ours: `{type: name, ...}`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from dmengine import registry
from dmengine.datamasque.files import from_file
from dmengine.datamasque.notes import Notes

Spec = dict[str, Any]
Written = dict[str, Any]

GENERATING: Final = frozenset({
    "from_choices", "from_format_string", "from_file", "from_random_text", "from_random_number",
    "from_random_boolean", "from_random_date", "from_random_datetime", "from_unique",
})  # fmt: skip
"""Masks that do not look at the value they replace."""

_CONSISTENT: Final = frozenset({
    "choice", "format_string", "imitate", "random_text", "number", "random_boolean", "random_date", "keep_year",
    "keep_age",
})  # fmt: skip
_CHECKSUMS: Final = {
    "brazilian_cpf": "br_cpf", "cpf": "br_cpf", "nz_ird": "nz_ird", "ird": "nz_ird", "cnpj": "br_cnpj",
}  # fmt: skip
_CASES: Final = {"uppercase": "upper", "lowercase": "lower", "titlecase": "title"}


class Unknown(Exception):  # noqa: N818 - it is caught where it is raised for, and noted
    """A mask has no counterpart; the message says why."""


@dataclass(slots=True)
class Reading:
    """How a text is read before masking, as `typecast` and the date masks say; and what was noted on the way."""

    notes: Notes
    keyed: bool
    today: date
    as_: str | None = None
    format: str | None = None

    def steps(self, masks: Any) -> list[Spec]:
        """Translate a list of masks (or a mapping of names to masks), each working on what the one before made.

        Raises:
            Unknown: one of them has no counterpart.
        """
        several = list(masks.values()) if isinstance(masks, dict) and "type" not in masks else masks
        several = several if isinstance(several, list) else [several]
        return [step for mask in several for step in self._mask(mask)]

    def one(self, masks: Any) -> Spec:
        """Translate masks to a single one."""
        steps = self.steps(masks)
        if not steps:
            raise Unknown("nothing is masked there")
        return steps[0] if len(steps) == 1 else {"type": "chain", "masks": steps}

    def differs(self, mask: Written, why: str) -> None:
        """Note how a mask works otherwise than before."""
        self.notes.add(mask, f"mask {mask['type']}", "differs", why)

    def _mask(self, mask: Any) -> Iterator[Spec]:
        if not isinstance(mask, dict) or not isinstance(mask.get("type"), str):
            raise Unknown("it has no type")
        if "$ref" in mask:
            raise Unknown("it refers to a library, which is not part of the file")
        translate = TRANSLATIONS.get(mask["type"])
        if translate is None:
            raise Unknown(WITHOUT.get(mask["type"], "there is no such mask"))
        problem = ""
        try:
            for spec in translate(self, mask):
                yield self._drawn(mask, spec)
        except KeyError as error:
            problem = f"it has no {error.args[0]}"
        except (TypeError, ValueError, AttributeError):
            problem = "its parameters are of another kind than expected"
        if problem:
            raise Unknown(problem)

    def _drawn(self, mask: Written, spec: Spec) -> Spec:
        if spec["type"] in _CONSISTENT:
            return spec | {"consistent": self.keyed}
        if not self.keyed and mask["type"] in GENERATING:
            self.differs(mask, f"equal values get equal results: {spec['type']} is always consistent")
        return spec


def _fixed(reading: Reading, mask: Written) -> Iterator[Spec]:
    yield {"type": "null"} if mask["value"] is None else {"type": "fixed", "value": mask["value"]}


def _from_column(reading: Reading, mask: Written) -> Iterator[Spec]:
    column: str = mask["source_column"]
    if "." in column:
        raise Unknown("it reads a column of another table, and there are no joins")
    yield {"type": "from_field", "field": column}


def _from_file(reading: Reading, mask: Written) -> Iterator[Spec]:
    spec = from_file(str(mask["seed_file"]), str(mask.get("seed_column", "")))
    if spec is None:
        raise Unknown("it has no seed_column")
    if "null_string" in mask:
        reading.differs(mask, "null_string is left out: null stays null, and no other value becomes one")
    if spec["type"] != "from_file":
        reading.differs(mask, f"{spec['type']} has a list of its own in place of the seed file")
        if "table_filter_column" in mask:
            reading.differs(mask, "table_filter_column is left out: the whole list is chosen from")
        yield spec
        return
    reading.differs(mask, "the seed file is read from that path on the machine that runs: put a copy there")
    if "table_filter_column" in mask:
        spec |= {"match": mask["seed_filter_column"], "match_field": mask["table_filter_column"]}
    yield spec


def _choices(reading: Reading, mask: Written) -> Iterator[Spec]:
    choices = mask["choices"]
    weighted = [next(iter(one.items())) if isinstance(one, dict) else (one, None) for one in choices]
    weights = [1 if weight is None else weight for _, weight in weighted]
    spec: Spec = {"type": "choice", "choices": [value for value, _ in weighted]}
    yield spec | ({"weights": weights} if any(weight != 1 for weight in weights) else {})


def _format_string(reading: Reading, mask: Written) -> Iterator[Spec]:
    yield {"type": "format_string", "format": mask.get("value", mask.get("format"))}
    if mask["type"] == "from_unique":
        reading.differs(mask, "two values may get one text: format_string draws; where keys are needed use fpe")


def _imitate(reading: Reading, mask: Written) -> Iterator[Spec]:
    names = ("force_change", "uppercase", "lowercase", "digits")
    yield {"type": "imitate"} | {name: mask[name] for name in names if name in mask}


def _random_text(reading: Reading, mask: Written) -> Iterator[Spec]:
    spec: Spec = {"type": "random_text", "maximum": mask["max"]}
    spec |= {"minimum": mask["min"]} if "min" in mask else {}
    yield spec | ({"alphabet": "upper"} if mask.get("caps") else {})


def _case(reading: Reading, mask: Written) -> Iterator[Spec]:
    yield {"type": "case", "to": _CASES.get(mask["transform"], "capitalize")}


def _substring(reading: Reading, mask: Written) -> Iterator[Spec]:
    spec: Spec = {"type": "substring", "start": mask.get("start_index", 0)}
    yield spec | ({"stop": mask["end_index"]} if mask.get("end_index") is not None else {})


def _replace_substring(reading: Reading, mask: Written) -> Iterator[Spec]:
    start, stop = mask.get("start_index", 0), mask.get("end_index")
    middle: Spec = {"type": "substring", "start": start} | ({"stop": stop} if stop is not None else {})
    parts = [{"type": "chain", "masks": [middle, *reading.steps(mask["masks"])]}]
    before = [{"type": "substring", "stop": start}] if start else []
    after = [{"type": "substring", "start": stop}] if stop is not None else []
    _no_preserved_length(reading, mask)
    yield {"type": "concat", "masks": [*before, *parts, *after]}


def _replace_regex(reading: Reading, mask: Written) -> Iterator[Spec]:
    _no_preserved_length(reading, mask)
    reading.differs(mask, "a text without a match is a mismatch: set on_mismatch, or no_match: keep if it may show")
    yield {"type": "regex_replace", "pattern": mask["regex"], "masks": reading.steps(mask["masks"])}


def _no_preserved_length(reading: Reading, mask: Written) -> None:
    if mask.get("preserve_length"):
        reading.differs(mask, "preserve_length is left out: the masks decide about the length")


def _card(reading: Reading, mask: Written) -> Iterator[Spec]:
    generate, truncate = mask.get("generate_card_number", True), mask.get("pan_format", False)
    if not generate and not truncate:
        raise Unknown("it has neither generate_card_number nor pan_format")
    if generate:
        kept = mask.get("retain_prefix_length")
        yield {"type": "credit_card"} | ({"keep_prefix": kept} if kept is not None else {})
        _own_value(reading, mask)
    if truncate:
        yield {"type": "pan_truncate", "masking_char": mask.get("pan_character", "#")}


def _national(kind: str) -> Callable[[Reading, Written], Iterator[Spec]]:
    def translate(reading: Reading, mask: Written) -> Iterator[Spec]:
        _own_value(reading, mask)
        yield {"type": "national_id", "kind": kind}

    return translate


def _own_value(reading: Reading, mask: Written) -> None:
    reading.differs(mask, "the number that comes out follows from the one that was there, one to one")


def _checksum(reading: Reading, mask: Written) -> Iterator[Spec]:
    kind = str(mask.get("checksum", mask.get("checksum_type", mask.get("kind", "luhn"))))
    yield {"type": "set_checksum", "kind": _CHECKSUMS.get(kind, kind)}


def _number(reading: Reading, mask: Written) -> Iterator[Spec]:
    if "mode" in mask:
        reading.differs(mask, "mode is left out: all numbers are equally likely")
    spec: Spec = {"type": "number", "minimum": mask.get("min", 0), "maximum": mask["max"]}
    yield spec | ({"decimals": mask["decimal_places"]} if "decimal_places" in mask else {})


def _bucket(reading: Reading, mask: Written) -> Iterator[Spec]:
    reading.differs(mask, "a number becomes the lower bound of its bucket, not a random one within it")
    yield {"type": "bucket", "bounds": mask["buckets"]}


def _random_date(reading: Reading, mask: Written) -> Iterator[Spec]:
    first, last = _day(reading, mask, mask["min"]), _day(reading, mask, mask["max"])
    yield {
        "type": "random_date", "minimum": first.isoformat(), "maximum": max(first, last - timedelta(1)).isoformat(),
    }  # fmt: skip


def _day(reading: Reading, mask: Written, text: str) -> date:
    if text in ("now", "current_date_time"):
        reading.differs(mask, f"{text} is the day of the import, so that results do not change from day to day")
        return reading.today
    return date.fromisoformat(str(text)[:10])


def _keep_age(reading: Reading, mask: Written) -> Iterator[Spec]:
    _read_dates(reading, mask.get("date_parse_format"), "date")
    reading.differs(mask, "the age is that of the day of the import, so that results do not change from day to day")
    yield {"type": "keep_age", "on": reading.today.isoformat()}


def _keep_year(reading: Reading, mask: Written) -> Iterator[Spec]:
    _read_dates(reading, mask.get("date_parse_format"), "date")
    yield {"type": "keep_year"}


def _keep_parts(reading: Reading, mask: Written) -> Iterator[Spec]:
    _read_dates(reading, mask.get("date_parse_format"), "date")
    kept = [part for part in ("year", "month", "day") if mask.get(part)]
    if kept == ["year"]:
        yield {"type": "keep_year"}
    elif kept == ["year", "month"]:
        reading.differs(mask, "the day becomes the first of the month, not a random one")
        yield {"type": "date_truncate", "to": "month"}
    else:
        raise Unknown("only the year, or year and month, can be kept")


def _typecast(reading: Reading, mask: Written) -> Iterator[Spec]:
    wanted = mask["typecast_as"]
    if wanted in ("date", "datetime"):
        _read_dates(reading, mask.get("date_format"), "date" if wanted == "date" else "timestamp")
    else:
        reading.differs(mask, "masks return the type of the field; `as:` reads a text as a number or date")
    return iter(())


def _read_dates(reading: Reading, form: str | None, kind: str) -> None:
    if form is not None:
        reading.as_, reading.format = kind, form


def _chain(reading: Reading, mask: Written) -> Iterator[Spec]:
    yield from reading.steps(mask["masks"])


def _concat(reading: Reading, mask: Written) -> Iterator[Spec]:
    masks = mask["masks"]
    each = list(masks.values()) if isinstance(masks, dict) else masks
    yield {"type": "concat", "masks": [reading.one(inner) for inner in each], "glue": mask.get("glue", "")}


def _unique(reading: Reading, mask: Written) -> Iterator[Spec]:
    letters = not mask.get("skip_digits") or mask["type"] == "imitate_unique"
    reading.differs(mask, "a letter may become a digit and a digit a letter; no two values get one result")
    yield {"type": "fpe", "alphabet": "alphanumeric" if letters else "letters"}


def _json(reading: Reading, mask: Written) -> Iterator[Spec]:
    reading.differs(mask, "a document with a field that no transform names is a mismatch: say so with unlisted")
    rules = []
    for transform in mask["transforms"]:
        rule: Spec = {"field": json_path(transform["path"]), "mask": reading.one(transform["masks"])}
        missing = transform.get("on_missing", "error")
        rules.append(rule | ({"on_missing": "mismatch"} if missing == "error" else {}))
    yield {"type": "json", "rules": rules}


def json_path(keys: Any) -> str:
    """Write the keys of a JSON path as a field's path.

    >>> json_path(["contacts", "*", "e-mail"]), json_path(["a", 0])
    ('contacts[*].e-mail', 'a[*]')
    """
    from dmengine.paths import EACH, FieldPath, Step

    several = keys if isinstance(keys, list) else [keys]
    steps = [EACH if key == "*" or isinstance(key, int) else Step("name", str(key)) for key in several]
    if not steps or steps[0] is EACH:
        raise Unknown("its path does not begin with a name")
    return str(FieldPath(tuple(steps)))


def _nothing(reading: Reading, mask: Written) -> Iterator[Spec]:
    return iter(())


def _shuffle(reading: Reading, mask: Written) -> Iterator[Spec]:
    reading.differs(mask, "values are dealt out within each object or table, held in memory up to 256 MiB")
    yield {"type": "shuffle"}


def _uuid(reading: Reading, mask: Written) -> Iterator[Spec]:
    if "uuid" in registry.names("dmengine.maskers"):
        yield {"type": "uuid"}
    else:
        reading.differs(mask, "the digit that tells the version changes too")
        yield {"type": "fpe", "alphabet": "hex"}


TRANSLATIONS: Final[dict[str, Callable[[Reading, Written], Iterator[Spec]]]] = {
    "from_fixed": _fixed, "from_column": _from_column, "from_file": _from_file, "from_choices": _choices,
    "from_format_string": _format_string, "secure_shuffle": _shuffle, "imitate": _imitate, "substitute": _imitate,
    "from_random_text": _random_text, "transform_case": _case, "take_substring": _substring,
    "replace_substring": _replace_substring, "replace_regex": _replace_regex, "credit_card": _card,
    "social_security_number": _national("us_ssn"), "brazilian_cpf": _national("br_cpf"), "set_checksum": _checksum,
    "from_random_number": _number,
    "from_random_boolean": lambda reading, mask: iter([{"type": "random_boolean"}]),
    "numeric_bucket": _bucket, "from_random_date": _random_date, "from_random_datetime": _random_date,
    "retain_age": _keep_age, "retain_year": _keep_year, "retain_date_component": _keep_parts, "typecast": _typecast,
    "do_nothing": _nothing, "chain": _chain, "concat": _concat, "from_unique": _format_string,
    "from_unique_imitate": _unique, "imitate_unique": _unique, "imitate_uuid": _uuid,
    "imitate_nz_ird": _national("nz_ird"), "json": _json,
}  # fmt: skip
"""How each mask of DataMasque is written here; a translation gives steps of a chain, perhaps none."""

WITHOUT: Final = {
    "from_blob": "a whole file in place of a value is not offered: use fixed",
    "from_json_path": "a document's other fields cannot be copied: use from_field on documents",
    "xml": "XPath is not read: write the fields of the xml mask by hand",
    "unstructured_text": "its matchers have no counterpart one to one: use scrub",
}
"""Why the other masks of DataMasque are not translated."""
