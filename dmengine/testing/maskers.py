"""The contract of a masker, as one call in its author's tests."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from dmengine.arrow import NUMBER, flat, is_text
from dmengine.errors import DmengineError, PlanError
from dmengine.spi import Finding, Limits, Masker, Scope, Uniqueness, findings_of
from dmengine.testing.context import Setting, Values, as_array, mask_array, unmask_array

KINDS = (
    pa.string(), pa.large_string(), pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.bool_(),
    pa.decimal128(12, 2), NUMBER, pa.date32(), pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.time64("us"),
    pa.binary(), pa.binary(16), pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.map_(pa.string(), pa.int8()),
)  # fmt: skip
"""Types that a masker must take or refuse in order."""


class ContractError(AssertionError):
    """A masker breaks its contract; the message says which part of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """A masker under test with values that it takes, at least one of them not null."""

    masker: Masker
    values: pa.Array
    beside: Mapping[str, pa.Array]

    def mask(self, values: pa.Array, first_row: int = 0) -> pa.Array:
        """Mask values that begin at a row of `values`."""
        return mask_array(self.masker, values, Setting(beside=self.beside, first_row=first_row))

    def require(self, holds: bool, promise: str) -> None:
        """Fail, naming the promise that does not hold."""
        if not holds:
            raise ContractError(f"{self.masker.name}, {self.values.type}: {promise}")


def check_masker(masker: Masker, values: Values, *, beside: Mapping[str, Values] | None = None) -> None:
    """Hold a masker to everything that the engine relies on.

    Give values that it takes: the more different ones, with nulls and duplicates among them, the better. `beside`
    gives the fields that it asks for, as long as `values`.

    >>> from dmengine.maskers import Redact
    >>> check_masker(Redact(), ["Alice", None, "Bob", "Alice"])

    Raises:
        ContractError: the masker breaks its contract.
        DmengineError: the masker does not take these values.
    """
    array = flat(as_array(values))
    arrays = {name: flat(as_array(other)) for name, other in (beside or {}).items()}
    subject = Subject(masker, array, arrays)
    for check in CHECKS:
        check(subject)


def keeps_the_protocol(subject: Subject) -> None:
    """Its declared properties are there, and are words of the contract."""
    masker = subject.masker
    subject.require(isinstance(masker, Masker), "it has name, consistent, uniqueness, reversible, scope, plan and mask")
    subject.require(masker.uniqueness in get_args(Uniqueness), f"uniqueness is one of {get_args(Uniqueness)}")
    subject.require(masker.scope in get_args(Scope), f"scope is one of {get_args(Scope)}")
    subject.require(not masker.reversible or hasattr(masker, "unmask"), "a reversible masker has unmask(values, ctx)")


def is_a_value(subject: Subject) -> None:
    """It is a frozen dataclass that can be compared and hashed, also on the far side of a pickle."""
    masker: Any = subject.masker
    params = getattr(type(masker), "__dataclass_params__", None)
    subject.require(params is not None and params.frozen, "it is a frozen dataclass")
    for again in (dataclasses.replace(masker), _pickled(masker)):
        subject.require(again == masker and hash(again) == hash(masker), "made again from its parameters, it is equal")


def keeps_its_plan(subject: Subject) -> None:
    """It plans the same every time, keeps the field's name, and returns the planned type (mask_array sees to that)."""
    field = pa.field("value", subject.values.type)
    planned = subject.masker.plan(field, Limits())
    subject.require(planned == subject.masker.plan(field, Limits()), "plan() answers alike every time")
    subject.require(planned.name == field.name, "plan() keeps the name of the field")


def keeps_the_length(subject: Subject) -> None:
    """It returns as many values as it got, also for none, for one, and for a slice."""
    values = subject.values
    for part in (values, values.slice(0, 0), values.slice(0, 1), values.slice(1), values.drop_null()):
        subject.require(len(subject.mask(part)) == len(part), "as many values come out as went in")


def keeps_nulls(subject: Subject) -> None:
    """Nulls stay null; where the field cannot be null, nothing becomes null."""
    before, after = subject.values, subject.mask(subject.values)
    stays = all(now is None for was, now in zip(before.to_pylist(), after.to_pylist(), strict=True) if was is None)
    subject.require(stays, "null stays null")
    if after.null_count > before.null_count:
        strict = pa.field("value", before.type, nullable=False)
        subject.require(_refuses(subject.masker, strict, Limits()), "a field that cannot be null gets no nulls")


def ignores_batches(subject: Subject) -> None:
    """A value is masked alike in whatever batch it comes, but by masks of whole columns."""
    values = subject.values
    if subject.masker.scope == "column":
        return
    whole = subject.mask(values).to_pylist()
    for cut in {1, len(values) // 3, len(values) // 2, len(values) - 1}:
        parts = subject.mask(values.slice(0, cut)).to_pylist() + subject.mask(values.slice(cut), cut).to_pylist()
        subject.require(_same(parts, whole), "two halves of a batch are masked as the whole")


def ignores_order(subject: Subject) -> None:
    """A consistent masker sees no neighbours: backwards gives the same, backwards."""
    if not subject.masker.consistent or subject.beside:
        return
    values = subject.values
    backwards = np.arange(len(values))[::-1]
    masked = subject.mask(values.take(pa.array(backwards))).to_pylist()[::-1]
    subject.require(_same(masked, subject.mask(values).to_pylist()), "the order of values does not matter")


def ignores_dictionaries(subject: Subject) -> None:
    """A dictionary column is masked as a plain one."""
    values = subject.values
    try:
        encoded = values.dictionary_encode()
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return  # no dictionaries of this type, no columns of them
    masked = subject.mask(encoded).to_pylist()
    subject.require(_same(masked, subject.mask(values).to_pylist()), "a dictionary is masked as its values are")


def repeats_itself(subject: Subject) -> None:
    """It gives the same again, also from several threads at once, and leaves its input alone."""
    values = subject.values
    before = values.to_pylist()
    whole = subject.mask(values).to_pylist()
    with ThreadPoolExecutor(4) as pool:
        runs = [run.to_pylist() for run in pool.map(subject.mask, [values] * 8)]
    subject.require(all(_same(run, whole) for run in runs), "every call and every thread gives the same")
    subject.require(_same(values.to_pylist(), before), "what went in is left as it was")


def is_consistent(subject: Subject) -> None:
    """Equal in, equal out, where that is declared."""
    if not subject.masker.consistent or subject.masker.scope != "value":
        return
    seen: dict[Any, Any] = {}
    values = subject.values
    for was, now in zip(_keys(values), _keys(subject.mask(values)), strict=True):
        subject.require(seen.setdefault(was, now) == now, "equal values get equal masks")


def is_injective(subject: Subject) -> None:
    """Different values stay different, where that is declared."""
    if subject.masker.uniqueness == "injective":
        values = subject.values.drop_null()
        before, after = len(set(_keys(values))), len(set(_keys(subject.mask(values))))
        subject.require(before == after, "different values stay different")


def comes_back(subject: Subject) -> None:
    """The key gives the originals back, where that is declared."""
    if subject.masker.reversible:
        back = unmask_array(subject.masker, subject.mask(subject.values), Setting(beside=subject.beside))
        subject.require(_same(back.to_pylist(), subject.values.to_pylist()), "unmask() gives the originals back")


def fits_its_limits(subject: Subject) -> None:
    """A text never has more bytes than the target holds, or the plan refuses."""
    values = subject.values.drop_null()
    if not is_text(values.type):
        return
    field = pa.field("value", values.type)
    sizes = np.array([len(text.encode()) for text in values.to_pylist()])
    for limit in (1, 2, 5, 10, 20, 40, 80, 300):
        fitting = values.filter(pa.array(sizes <= limit))
        if len(fitting) and not subject.beside and not _refuses(subject.masker, field, Limits(max_bytes=limit)):
            longest = max(len((text or "").encode()) for text in subject.mask(fitting).to_pylist())
            subject.require(longest <= limit, f"a target of {limit} bytes is refused, or what comes out fits in it")


def refuses_in_order(subject: Subject) -> None:
    """Whatever the type, plan() answers with a field or a PlanError; neither that nor repr() tells a value."""
    told: list[str] = []
    for kind in (*KINDS, subject.values.type):
        for limits in (Limits(), Limits(max_bytes=1)):
            try:
                subject.masker.plan(pa.field("value", kind), limits)
            except PlanError as error:
                told.append(str(error))
                subject.require(bool(error.hint), "every refusal says what would fit")
    values = {value for value in subject.values.to_pylist() if isinstance(value, str) and len(value) > 6}
    subject.require(not any(value in text for value in values for text in told), "no refusal holds a value")
    fresh = dataclasses.replace(subject.masker)  # type: ignore[type-var]  # a dataclass: checked above
    subject.require(repr(fresh) == repr(subject.masker), "repr() holds its parameters, and nothing it has seen")


def warns_in_order(subject: Subject) -> None:
    """What it says of itself in a plan is the same every time, for any type of field, and tells no value."""
    values = {value for value in subject.values.to_pylist() if isinstance(value, str) and len(value) > 6}
    for kind in (pa.null(), *KINDS, subject.values.type):
        field = pa.field("value", kind)
        said = findings_of(subject.masker, field)
        subject.require(all(isinstance(finding, Finding) for finding in said), "findings() yields findings")
        subject.require(said == findings_of(subject.masker, field), "findings() answers alike every time")
        told = [f"{finding.message} {finding.hint}" for finding in said]
        subject.require(not any(value in text for value in values for text in told), "no finding holds a value")


CHECKS: tuple[Callable[[Subject], None], ...] = (
    keeps_the_protocol, is_a_value, keeps_its_plan, keeps_the_length, keeps_nulls, ignores_batches, ignores_order,
    ignores_dictionaries, repeats_itself, is_consistent, is_injective, comes_back, fits_its_limits, refuses_in_order,
    warns_in_order,
)  # fmt: skip
"""What `check_masker` checks, in this order; each is one promise."""


def _refuses(masker: Masker, field: pa.Field, limits: Limits) -> bool:
    try:
        masker.plan(field, limits)
    except DmengineError:
        return True
    return False


def _pickled(masker: Masker) -> Masker:
    """Send a masker through a pickle; one that cannot go, such as a class in a function, runs in threads only."""
    try:
        sent = pickle.dumps(masker)
    except (pickle.PicklingError, AttributeError, TypeError):
        return masker
    again: Masker = pickle.loads(sent)  # noqa: S301  # our own bytes
    return again


def _same(left: list[Any], right: list[Any]) -> bool:
    """Compare value by value; NaN is NaN, and 1 is not True."""
    return [repr(value) for value in left] == [repr(value) for value in right]


def _keys(values: pa.Array) -> list[Any]:
    return [repr(value) for value in values.to_pylist()]
