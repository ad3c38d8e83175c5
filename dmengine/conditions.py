"""Conditions on the original values of a record: when a rule's mask applies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NoReturn, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans
from dmengine.comparisons import Scalar, Truth, compare
from dmengine.errors import RulesetError
from dmengine.paths import FieldPath

Op = Literal["eq", "in", "lt", "gt", "matches", "is_null", "exists"]
_MOST_DIGITS = 400  # doubles end at 10**308


class Condition:
    """What all conditions share: `&`, `|` and `~` combine them.

    >>> (field("country") == "DE") & ~field("age").lt(18)
    All(conditions=(Compare(field='country', op='eq', value='DE'),
        Not(condition=Compare(field='age', op='lt', value=18))))
    """

    __slots__ = ()

    def __and__(self, other: Condition) -> All:
        return All((self, other))

    def __or__(self, other: Condition) -> AnyOf:
        return AnyOf((self, other))

    def __invert__(self) -> Not:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise RulesetError(
            "a condition is true or false for a record, not by itself",
            hint="combine conditions with & | ~ instead of and, or, not, each comparison in parentheses",
        )


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    """One comparison of one field; false where the field is null, absent or of another type."""

    field: str
    op: Op
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class All(Condition):
    """True where every one of the conditions is."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """True where at least one of the conditions is."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """True where the condition is false, so also where its field is null, absent or of another type."""

    condition: Condition


# ---------------------------------------------------------------------------------------------- builders


@dataclass(frozen=True, slots=True, eq=False)
class FieldTest:
    """A field waiting for its comparison; made by `field`."""

    name: str

    def eq(self, value: Scalar | date) -> Compare:
        """Equal to one value of the same type: text to text, number to number, whatever the width."""
        return Compare(self.name, "eq", self._scalar(value))

    def __eq__(self, value: Scalar | date) -> Compare:  # type: ignore[override]
        return self.eq(value)

    def __ne__(self, value: object) -> NoReturn:
        raise RulesetError("!= does not say what it means for null and absent values", hint="write ~(field == value)")

    __hash__ = None  # type: ignore[assignment]

    def isin(self, values: Iterable[Scalar | date]) -> Compare:
        """Equal to one of several values."""
        if isinstance(values, str):
            raise RulesetError(f"isin() of {self.name} takes a list of values", hint='write isin(["..."])')
        wanted = tuple(self._scalar(value) for value in values)
        if not wanted:
            raise RulesetError(f"isin() of {self.name} has no values", hint="name at least one")
        return Compare(self.name, "in", wanted)

    def lt(self, value: Scalar | date) -> Compare:
        """Less than a number, a date, or a text (by its UTF-8 bytes)."""
        return Compare(self.name, "lt", self._edge(value))

    __lt__ = lt

    def gt(self, value: Scalar | date) -> Compare:
        """Greater than a number, a date, or a text (by its UTF-8 bytes)."""
        return Compare(self.name, "gt", self._edge(value))

    __gt__ = gt

    def matches(self, pattern: str) -> Compare:
        """Text in which a regular expression (RE2) is found anywhere; `^` and `$` hold it to the whole text."""
        problem = regex_problem(pattern)
        if problem:
            raise RulesetError(f"the regular expression for {self.name} is not one: {problem}", hint=_RE2)
        return Compare(self.name, "matches", pattern)

    def is_null(self) -> Compare:
        """There, but null."""
        return Compare(self.name, "is_null", True)

    def exists(self) -> Compare:
        """There, null or not."""
        return Compare(self.name, "exists", True)

    def _edge(self, value: Scalar | date) -> Scalar:
        if isinstance(value, bool):
            raise RulesetError(
                f"true and false have no order ({self.name})", hint="compare with a number, text or date"
            )
        return self._scalar(value)

    def _scalar(self, value: Scalar | date) -> Scalar:
        if isinstance(value, date):  # datetimes are dates too
            return value.isoformat()
        if not isinstance(value, (str, bool, int, float, Decimal)):
            raise RulesetError(
                f"a condition on {self.name} cannot compare with {_kind(value)}",
                hint="compare with text, a number, a date, true or false; for null there is is_null",
            )
        if isinstance(value, (int, float, Decimal)) and not _is_finite(value):
            raise RulesetError(f"a condition on {self.name} compares with a number out of all bounds")
        return _plain_number(value, self.name) if isinstance(value, Decimal) else value


def field(name: str | FieldPath) -> FieldTest:
    """Start a condition on a field of the same element or record.

    >>> field("country").isin(["DE", "FR"])
    Compare(field='country', op='in', value=('DE', 'FR'))

    Dates and timestamps are given as ISO text or as `datetime` values. Where a field has a time zone, a
    value without one is read as UTC; a value with a zone never meets a field without one.
    """
    return FieldTest(str(FieldPath.parse(name) if isinstance(name, str) else name))


def all_of(*conditions: Condition) -> All:
    """Join conditions that must all hold; the same as `&`."""
    return All(_some(conditions))


def any_of(*conditions: Condition) -> AnyOf:
    """Join conditions of which one must hold; the same as `|`."""
    return AnyOf(_some(conditions))


def not_(condition: Condition) -> Not:
    """Turn a condition round; the same as `~`. It then holds for null and absent values too."""
    return Not(condition)


def _some(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    if not conditions:
        raise RulesetError("all and any need at least one condition", hint="name one, or leave the condition out")
    return tuple(conditions)


def _kind(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def _is_finite(value: int | float | Decimal) -> bool:
    exact = Decimal(value)
    return exact.is_finite() and abs(exact.adjusted()) <= _MOST_DIGITS


def _plain_number(value: Decimal, name: str) -> int | float:
    """Return the int or float that is written the same way, so that conditions are the same in YAML."""
    if value == value.to_integral_value():
        return int(value)
    if Decimal(repr(float(value))) != value:
        raise RulesetError(f"a condition on {name} has more digits than can be told apart", hint="give 15 at most")
    return float(value)


_RE2 = "RE2 syntax is taken, which has no look-ahead, look-behind or back-references"


def regex_problem(pattern: str) -> str:
    """Say what is wrong with a regular expression, and where, without repeating it."""
    reason = ""
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
    if not reason:
        return ""
    cut = next((cut for cut in range(len(reason)) if reason[cut : cut + 2] == ": "), len(reason))
    said, fragment = reason[:cut], reason[cut + 2 :]
    place = pattern.find(fragment) if fragment and fragment != pattern else -1
    return said if place < 0 else f"{said} at character {place + 1}"


# ---------------------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True, slots=True)
class Aligned:
    """Values of one kind of a field, one for each slot in question.

    Attributes:
        values: An Arrow array; null where the field is null, absent, or of another kind.
        present: Where the field is there at all, null or not.
    """

    values: pa.Array
    present: Truth


Lookup = Callable[[str], Sequence[Aligned]]


def fields(condition: Condition) -> set[str]:
    """Name the fields that a condition reads.

    >>> sorted(fields(field("a").exists() | ~field("b").is_null()))
    ['a', 'b']
    """
    return {compare.field for compare in comparisons_of(condition)}


def comparisons_of(condition: Condition) -> Iterator[Compare]:
    """Walk the comparisons of a condition, left to right."""
    match condition:
        case Compare():
            yield condition
        case All(conditions) | AnyOf(conditions):
            for inner in conditions:
                yield from comparisons_of(inner)
        case Not(inner):
            yield from comparisons_of(inner)


def evaluate(condition: Condition, lookup: Lookup, count: int) -> Truth:
    """Say for each of `count` slots whether the condition holds.

    >>> column = Aligned(pa.array(["DE", None, "FR"]), np.array([True, True, True]))
    >>> evaluate(~(field("country") == "DE"), lambda name: [column], 3).tolist()
    [False, True, True]

    Args:
        condition: What to test.
        lookup: Returns a field's values: one `Aligned` for each kind of value there is, none where no slot has it.
        count: How many slots there are.
    """
    match condition:
        case Compare():
            return _compare(condition, lookup(condition.field), count)
        case All(conditions):
            return _all([evaluate(inner, lookup, count) for inner in conditions])
        case AnyOf(conditions):
            return _any([evaluate(inner, lookup, count) for inner in conditions], count)
        case Not(inner):
            return ~evaluate(inner, lookup, count)
        case _:
            raise RulesetError(f"{type(condition).__name__} is not a condition", hint="build one with field(...)")


def _compare(test: Compare, columns: Sequence[Aligned], count: int) -> Truth:
    present = _any([column.present for column in columns], count)
    wanted = test.value if isinstance(test.value, tuple) else (test.value,)
    match test.op:
        case "exists":
            return present
        case "is_null":
            return present & ~_any([booleans(pc.is_valid(column.values)) for column in columns], count)
        case "eq":
            found = [compare(column.values, "in", wanted) for column in columns]
        case op:
            found = [compare(column.values, op, wanted) for column in columns]
    return present & _any(found, count)


def _any(truths: Sequence[Truth], count: int) -> Truth:
    return cast(Truth, np.logical_or.reduce([np.zeros(count, np.bool_), *truths]))


def _all(truths: Sequence[Truth]) -> Truth:
    return cast(Truth, np.logical_and.reduce(truths))
