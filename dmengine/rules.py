"""The ruleset: which mask every field gets, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, overload

from dmengine.conditions import Condition
from dmengine.errors import PlanError
from dmengine.globs import glob_matches
from dmengine.paths import FieldPath, rule_path
from dmengine.plainform import ADDED_LATER, fingerprint_of
from dmengine.spi import Masker

if TYPE_CHECKING:
    from dmengine.datamasque import Imported

Normalize = Literal["trim", "casefold", "nfc"]
ReadAs = Literal["integer", "number", "date", "timestamp", "boolean"]
OnMismatch = Literal["fail", "redact", "null"]
OnMissing = Literal["skip", "fail"]
OnNull = Literal["keep", "fail"]


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave a field as it is, for a stated reason."""

    because: str
    name: ClassVar[str] = "keep"


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave a field out of the target."""

    name: ClassVar[str] = "drop"


Action = Keep | Drop
Unlisted = Literal["fail", "drop", "redact"] | Keep
Fields = str | FieldPath | Sequence[str | FieldPath]


@dataclass(frozen=True, slots=True, init=False)
class Rule:
    """What happens to some fields.

    >>> rule = Rule(["email", "contacts[*].email"], keep(because="shown in public"))
    >>> [str(path) for path in rule.fields]
    ['email', 'contacts[*].email']

    Args:
        fields: One path or several; names may be shell patterns. All of them share one domain. A path may go on inside
            of a text that is a document: `payload|json|user.name`, `doc|xml|//person/@id`.
        mask: What to do where the condition holds, or always.
        domain: Values of one domain get equal masks, in whatever field, file or store they are.
        normalize: How to fold values before they are masked, where sources write one value in several ways.
        as_: Read text as this type, mask that, and write it back in the same lexical form.
        format: The `strptime` form of dates read so; ISO 8601 if not given.
        when: The mask holds for records of which this is true; `otherwise` says what happens to the others.
        otherwise: A mask or `keep(because=...)`.
        on_mismatch: What to do with a value that the mask cannot take.
        on_missing: What to do with a record that lacks the field; such records are counted.
        on_null: What to do with a null; nulls are counted.
        optional: Whether data without the field is fine.
    """

    fields: tuple[FieldPath, ...]
    mask: Masker | Action
    domain: str | None
    normalize: tuple[Normalize, ...]
    as_: ReadAs | None
    format: str | None
    when: Condition | None
    otherwise: Masker | Action | None
    on_mismatch: OnMismatch
    optional: bool
    on_missing: OnMissing = field(default="skip", metadata=ADDED_LATER)
    on_null: OnNull = field(default="keep", metadata=ADDED_LATER)

    def __init__(
        self,
        fields: Fields,
        mask: Masker | Action,
        *,
        domain: str | None = None,
        normalize: Sequence[Normalize] = (),
        as_: ReadAs | None = None,
        format: str | None = None,  # noqa: A002 - the word of the YAML file
        when: Condition | None = None,
        otherwise: Masker | Action | None = None,
        on_mismatch: OnMismatch = "fail",
        optional: bool = False,
        on_missing: OnMissing = "skip",
        on_null: OnNull = "keep",
    ) -> None:
        put = object.__setattr__
        put(self, "fields", _paths(fields))
        put(self, "mask", mask)
        put(self, "domain", domain)
        put(self, "normalize", (normalize,) if isinstance(normalize, str) else tuple(normalize))
        put(self, "as_", as_)
        put(self, "format", format)
        put(self, "when", when)
        put(self, "otherwise", otherwise)
        put(self, "on_mismatch", on_mismatch)
        put(self, "optional", optional)
        put(self, "on_missing", on_missing)
        put(self, "on_null", on_null)


def _paths(fields: Fields) -> tuple[FieldPath, ...]:
    several = (fields,) if isinstance(fields, (str, FieldPath)) else fields
    return tuple(rule_path(one) if isinstance(one, str) else one for one in several)


def _all_paths(several: Sequence[Fields]) -> tuple[FieldPath, ...]:
    return tuple(path for fields in several for path in _paths(fields))


@overload
def keep(*, because: str) -> Keep: ...
@overload
def keep(fields: Fields, /, *more: Fields, because: str) -> Rule: ...
def keep(*fields: Fields, because: str) -> Keep | Rule:
    """Keep fields as they are: a decision, with its reason.

    >>> keep("id", because="surrogate key").mask
    Keep(because='surrogate key')
    >>> keep(["id", "at"], because="no meaning outside").fields == keep("id", "at", because="the same").fields
    True

    Returns:
        A rule for the fields named; without fields the bare action, for `otherwise` and `unlisted`.
    """
    return Rule(_all_paths(fields), Keep(because)) if fields else Keep(because)


def drop(fields: Fields, /, *more: Fields) -> Rule:
    """Leave fields out of the target.

    >>> drop("fax").mask
    Drop()
    """
    return Rule(_all_paths((fields, *more)), Drop())


@dataclass(frozen=True, slots=True, init=False)
class Dataset:
    """Rules for some objects or tables, which go before the general ones.

    >>> Dataset("customers/**", []).matches("customers/2024/07.parquet")
    True

    Args:
        match: A glob over names: `*` stays within a folder, `**` crosses folders; dots are just dots.
        rules: In order; the first that means a field wins.
    """

    match: str
    rules: tuple[Rule, ...]

    def __init__(self, match: str, rules: Iterable[Rule]) -> None:
        object.__setattr__(self, "match", match)
        object.__setattr__(self, "rules", tuple(rules))

    def matches(self, name: str) -> bool:
        """Say whether the rules are for the dataset of this name."""
        return glob_matches(self.match, name)


@dataclass(frozen=True, slots=True, init=False)
class Ruleset:
    """All that is decided about the fields of a source. It never holds a key or a value of the data.

    >>> rules = Ruleset([keep("id", because="surrogate key"), drop("fax")])
    >>> [str(rule.mask) for rule in rules.for_dataset("people.csv")]
    ["Keep(because='surrogate key')", 'Drop()']

    Args:
        rules: For every dataset, after its own.
        unlisted: What happens to a field that no rule names.
        datasets: If there are any, each object or table must match exactly one.
        version: Of the ruleset language.
    """

    rules: tuple[Rule, ...]
    unlisted: Unlisted
    datasets: tuple[Dataset, ...]
    version: int

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        unlisted: Unlisted = "fail",
        datasets: Iterable[Dataset] = (),
        version: int = 1,
    ) -> None:
        object.__setattr__(self, "rules", tuple(rules))
        object.__setattr__(self, "unlisted", unlisted)
        object.__setattr__(self, "datasets", tuple(datasets))
        object.__setattr__(self, "version", version)

    def for_dataset(self, name: str) -> tuple[Rule, ...]:
        """Return the rules for one object or table: its own, then the general ones.

        Raises:
            RulesetError: the ruleset is not valid; a condition without `otherwise` must never get as far as data.
            PlanError: there are datasets, and none or several match.
        """
        self.validate()
        found = [dataset for dataset in self.datasets if dataset.matches(name)]
        if self.datasets and len(found) != 1:
            raise self._unmatched(name, found)
        return (*(rule for dataset in found for rule in dataset.rules), *self.rules)

    def _unmatched(self, name: str, found: list[Dataset]) -> PlanError:
        if found:
            both = ", ".join(repr(dataset.match) for dataset in found)
            return PlanError(
                f"{name} matches several datasets of the ruleset: {both}", hint="make their globs disjoint"
            )
        have = ", ".join(repr(dataset.match) for dataset in self.datasets)
        return PlanError(f"no dataset of the ruleset matches {name}", hint=f"it has {have}; add one for this name")

    def validate(self) -> None:
        """Check all that can be known without data.

        Raises:
            RulesetError: with every problem there is.
        """
        from dmengine.rulecheck import check_ruleset  # the check knows these classes, so it comes after them

        check_ruleset(self)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of what the ruleset says, in hex: the same in every process and for every layout of a file."""
        return fingerprint_of(self)

    @staticmethod
    def from_yaml(source: str | Path) -> Ruleset:
        """Read a ruleset from a YAML (or JSON) file, or from the text itself.

        Raises:
            RulesetError: with every problem there is, each with its line and column.
        """
        from dmengine.rulefile import load_ruleset  # a program that writes its rules in Python needs no YAML

        return load_ruleset(source)

    @staticmethod
    def from_datamasque(source: str | Path) -> Imported:
        """Import a ruleset of DataMasque, from a file or from its text; with a list of what could not be carried.

        Raises:
            RulesetError: it is no YAML, or no ruleset of DataMasque.
        """
        from dmengine.datamasque import import_datamasque

        return import_datamasque(source)

    def to_yaml(self) -> str:
        """Return the YAML that reads back as this ruleset.

        Raises:
            RulesetError: a mask has no name in rulesets, such as a function of yours.
        """
        from dmengine.rulefile import dump_ruleset

        return dump_ruleset(self)


def default_domain(mask: Masker | Action, path: FieldPath) -> str:
    """Name the domain of a field whose rule names none: spellings of one field name are one domain.

    >>> default_domain(keep(because="an example"), FieldPath.parse("orders[*].customer_ID"))
    'keep:customerid'
    """
    return f"{mask.name}:{path.leaf.casefold().replace('_', '').replace('-', '')}"
