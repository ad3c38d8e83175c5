"""One mask over the values of one selection: nulls, duplicates, mismatches and checks around the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, choose, equal, flat, is_text, positions, rebuilt, repeats, scatter
from dmengine.casting import Reading, read_text
from dmengine.contexts import Context
from dmengine.counts import FieldCounts
from dmengine.decisions import Decision, Planned, redact
from dmengine.errors import DmengineError, MaskError
from dmengine.gathering import inside_of
from dmengine.keyring import Key
from dmengine.normalizing import normalize
from dmengine.spi import Limits, Masker, Positions


@dataclass(frozen=True, slots=True)
class Call:
    """A mask with all that one call of it needs, bound to the values of one selection."""

    masker: Masker
    decision: Decision
    planned: Planned
    limits: Limits
    context: Callable[[Positions | None], Context]


def apply(call: Call, values: pa.Array, counts: FieldCounts) -> pa.Array:
    """Mask values that may hold nulls, duplicates and a dictionary; count what happened.

    Raises:
        MaskError: values that the mask cannot take (unless `on_mismatch` says otherwise), or a broken contract.
    """
    counts.seen += len(values)
    counts.null += values.null_count
    if pa.types.is_dictionary(values.type):
        return _dictionary(call, values, counts)
    if values.null_count == 0:
        return _present(call, values, counts, None)
    valid = booleans(values.is_valid())
    kept = np.flatnonzero(valid)
    if len(kept) == 0:
        return pa.nulls(len(values), call.planned.out.type)
    return scatter(_present(call, values.drop_null(), counts, kept), valid)


def _dictionary(call: Call, values: pa.DictionaryArray, counts: FieldCounts) -> pa.Array:
    """Mask a dictionary's values once, and leave the column a dictionary without any value unused before."""
    if call.masker.scope != "value" or len(values.dictionary) > len(values) or values.dictionary.null_count:
        counts.seen -= len(values)
        counts.null -= values.null_count
        return apply(call, flat(values), counts)
    indices = values.indices
    weights = np.bincount(positions(indices.drop_null()), minlength=len(values.dictionary))
    if weights.all():
        masked = _distinct(call, values.dictionary, weights, counts)
    else:
        used = np.flatnonzero(weights)
        places = np.full(len(weights), -1, np.int32)
        places[used] = np.arange(len(used))
        indices = pa.array(places).take(indices)
        masked = _distinct(call, values.dictionary.take(pa.array(used)), weights[used], counts)
    if masked.null_count:
        return masked.take(indices)
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), masked)


def _present(call: Call, values: pa.Array, counts: FieldCounts, kept: Positions | None) -> pa.Array:
    if call.masker.scope == "value" and repeats(values):
        encoded = values.dictionary_encode()
        indices = encoded.indices
        weights = np.bincount(indices.to_numpy(), minlength=len(encoded.dictionary))
        return _distinct(call, encoded.dictionary, weights, counts).take(indices)
    return _masked(call, values, None, counts, call.context(kept))


def _distinct(call: Call, distinct: pa.Array, weights: npt.NDArray[np.int64], counts: FieldCounts) -> pa.Array:
    return _masked(call, distinct, weights, counts, call.context(None))


def _masked(
    call: Call, values: pa.Array, weights: npt.NDArray[np.int64] | None, counts: FieldCounts, context: Context
) -> pa.Array:
    """Mask values that are present and (with weights) distinct."""
    decision = call.decision
    given = normalize(values, decision.rule.normalize) if decision.rule.normalize and is_text(values.type) else values
    reading: Reading | None = None
    if call.planned.read_as is not None:
        reading = read_text(given, call.planned.read_as, decision.rule.format)
        if reading.failed.any():
            context.mismatch(reading.failed)
        given = reading.values
    result = rebuilt(flat(_call(call.masker, given, context)))
    _check_shape(call, result, given, reading)
    if reading is not None:
        result = reading.write(result)
    bad = context.mismatched if context.mismatched is not None else np.zeros(len(values), np.bool_)
    if bad.any():
        result = _mismatched(decision, call.planned.out, values, result, bad, weights, call.limits)
    _check_fit(call, result)
    weigh = weights if weights is not None else np.ones(len(values), np.int64)
    mismatched = int(weigh[bad].sum())
    counts.mismatched += mismatched
    counts.masked += int(weigh.sum()) - mismatched
    counts.add_found({what: int((each * weigh).sum()) for what, each in context.counted.items()})
    if result.type == values.type:
        counts.unchanged += int(weigh[equal(result, values) & ~bad].sum())
    return result


def _call(masker: Masker, values: pa.Array, context: Context) -> pa.Array:
    """Call the mask; whatever it raises becomes an error that holds no value, nor a chain to one."""
    problem = ""
    try:
        return masker.mask(values, context)
    except DmengineError as error:
        error.__cause__ = error.__context__ = None
        raise
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything, with the value in its message
        problem = type(error).__name__
    raise MaskError(
        f"{masker.name} raised {problem}",
        hint="its message may hold a value and is not shown; run the mask on made-up values to see it",
    )


def _check_shape(call: Call, result: pa.Array, given: pa.Array, reading: Reading | None) -> None:
    wanted = given.type if reading is not None else call.planned.out.type
    if len(result) != len(given):
        raise MaskError(
            f"{call.masker.name} returned {len(result)} values for {len(given)}", hint="a mask keeps the length"
        )
    if result.type != wanted and not pa.types.is_null(wanted):
        raise MaskError(
            f"{call.masker.name} returned {result.type}, planned {wanted}", hint="make plan() and mask() agree"
        )


def _check_fit(call: Call, result: pa.Array) -> None:
    """Hold what came out to the field's nullability and to the target's limits."""
    if result.null_count and not call.planned.out.nullable:
        raise MaskError(f"{call.masker.name} returned nulls for a field that cannot be null", hint="use another mask")
    limit = call.limits.max_bytes
    if limit is not None and is_text(result.type) and len(result):
        unit = call.limits.counts
        longest = pc.max(pc.binary_length(result) if unit == "bytes" else pc.utf8_length(result)).as_py()
        if longest is not None and longest > limit:
            raise MaskError(
                f"{call.masker.name} returned a text of {longest} {unit} where the target holds {limit}",
                hint="choose a mask, or parameters, whose output fits",
            )


def _mismatched(
    decision: Decision,
    out: pa.Field,
    values: pa.Array,
    result: pa.Array,
    bad: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.int64] | None,
    limits: Limits,
) -> pa.Array:
    policy = decision.rule.on_mismatch
    if policy == "fail":
        count = int(bad.sum() if weights is None else weights[bad].sum())
        name = decision.masker.name if decision.masker else ""
        raise MaskError(
            f"{name} cannot take {count} of the values",
            hint=_how_to_take(decision, "choose a mask that takes them"),
        )
    if policy == "null":
        return scatter(result.filter(pa.array(~bad)), ~bad)
    return choose(bad, hide(result.type, len(result), out.nullable, limits), result)


def _how_to_take(decision: Decision, other: str) -> str:
    masker = decision.masker
    inside = inside_of(masker) if masker is not None else ()
    if masker is None or not inside:
        return f"set on_mismatch: redact (or null) for this rule, or {other}"
    paths = ", ".join(f"{decision.path}|{masker.name}|{one.field}" for one in inside)
    return (
        f"each value must be a document whose fields all have rules, and fit them (there are: {paths}); a rule for "
        f"{decision.path} as a whole, with the mask {masker.name} and on_mismatch, says what happens to others"
    )


def hide(kind: pa.DataType, count: int, nullable: bool, limits: Limits) -> pa.Array:
    """Return values that say nothing, of the given type: what `redact` makes of anything."""
    masker = redact()
    masker.plan(pa.field("", kind, nullable), limits)
    return masker.mask(pa.nulls(count, kind), Context(Key.generate(), ""))


def refuse(call: Call, values: pa.Array, counts: FieldCounts) -> pa.Array:
    """Deal with values of a type that the mask cannot take at all, as `on_mismatch` says."""
    present = len(values) - values.null_count
    counts.seen += len(values)
    counts.null += values.null_count
    counts.mismatched += present
    policy = call.decision.rule.on_mismatch
    if policy == "fail" and present:
        raise MaskError(
            call.planned.why or f"{call.masker.name} cannot take {present} of the values",
            hint=_how_to_take(call.decision, "name what is inside a container"),
        )
    if policy == "redact" and not pa.types.is_nested(values.type):
        valid = booleans(values.is_valid())
        return scatter(hide(values.type, present, True, call.limits), valid)
    return pa.nulls(len(values), pa.null() if pa.types.is_nested(values.type) else values.type)
