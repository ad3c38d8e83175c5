"""Mask a handful of values as the engine would: for docstrings, documents and tests of maskers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import booleans, choose, flat, plain_type, scatter
from dmengine.contexts import Context
from dmengine.errors import MaskError, PlanError
from dmengine.keyring import Key
from dmengine.spi import Limits, MaskContext, Masker, Positions

TEST_KEY = sha256(b"dmengine test key").digest()
"""The key of every example; it protects nothing."""

Values: TypeAlias = "Sequence[Any] | pa.Array"
OnMismatch = Literal["fail", "null"]
Call = Callable[[pa.Array, MaskContext], pa.Array]


class Reversible(Protocol):
    """What `unmask_values` asks of a masker besides the contract."""

    def unmask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the originals of masked values."""
        ...


def mask_values(
    masker: Masker,
    values: Values,
    *,
    key: bytes = TEST_KEY,
    domain: str = "test",
    beside: Mapping[str, Values] | None = None,
    on_mismatch: OnMismatch = "fail",
) -> list[Any]:
    """Mask values and return plain Python ones.

    `beside` gives the other fields that a masker may ask for, by name, each as long as `values`.

    >>> from dmengine.maskers import Redact
    >>> mask_values(Redact(), ["Alice", None])
    ['*', None]

    Raises:
        PlanError: the masker does not take values of this type.
        MaskError: it cannot take some of the values, or breaks its contract.
    """
    setting = Setting(key, domain, beside or {}, on_mismatch)
    return cast(list[Any], mask_array(masker, as_array(values), setting).to_pylist())


def unmask_values(masker: Masker, values: Values, *, key: bytes = TEST_KEY, domain: str = "test") -> list[Any]:
    """Turn masked values back with a masker that is reversible.

    >>> from dmengine.maskers import Fpe
    >>> unmask_values(Fpe(), mask_values(Fpe(), ["123-456"]))
    ['123-456']
    """
    return cast(list[Any], unmask_array(masker, as_array(values), Setting(key, domain)).to_pylist())


@dataclass(frozen=True, slots=True)
class Setting:
    """Where masking happens: the key, the domain, the rest of the records, and which record comes first."""

    key: bytes = field(default=TEST_KEY, repr=False)
    domain: str = "test"
    beside: Mapping[str, Values] = field(default_factory=dict, repr=False)
    on_mismatch: OnMismatch = "fail"
    first_row: int = 0


def mask_array(masker: Masker, values: pa.Array, setting: Setting | None = None) -> pa.Array:
    """Mask an Arrow array, nulls, duplicates and a dictionary included, and hold the masker to its plan."""
    out = masker.plan(pa.field("value", plain_type(values.type)), Limits())
    if pa.types.is_dictionary(values.type) and masker.scope == "value":
        return mask_array(masker, values.dictionary, setting).take(values.indices)
    masked = _present(masker.mask, flat(values), out.type, setting or Setting())
    is_view = pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type)
    return masked.cast(values.type) if is_view and out.type == plain_type(values.type) else masked


def unmask_array(masker: Masker, values: pa.Array, setting: Setting | None = None) -> pa.Array:
    """Turn an Arrow array of masked values back."""
    if not masker.reversible:
        raise PlanError(f"{masker.name} is not reversible", hint="nothing gives its originals back")
    return _present(cast(Reversible, masker).unmask, flat(values), values.type, setting or Setting())


def as_array(values: Values) -> pa.Array:
    """Return values as an Arrow array; a list of nothing but nulls becomes text.

    >>> as_array([None]).type
    DataType(string)
    """
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return flat(values) if isinstance(values, pa.ChunkedArray) else values
    array = pa.array(values)
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _present(call: Call, values: pa.Array, kind: pa.DataType, setting: Setting) -> pa.Array:
    """Run a mask over the values that are there, and put the nulls back."""
    valid = booleans(values.is_valid())
    rows = np.flatnonzero(valid)
    given = values if valid.all() else values.take(pa.array(rows))
    context = _context(setting, rows)
    result = call(given, context)
    if len(result) != len(given):
        raise MaskError(f"the mask returned {len(result)} values for {len(given)}", hint="a mask keeps the length")
    if result.type != kind:
        raise MaskError(f"the mask returned {result.type}, planned {kind}", hint="make plan() and mask() agree")
    result = _without(result, context.mismatched, setting)
    return result if valid.all() else scatter(result, valid)


def _context(setting: Setting, rows: Positions) -> Context:
    def reader(name: str) -> pa.Array:
        return flat(as_array(setting.beside[name])).take(pa.array(rows + setting.first_row))

    key = Key.from_bytes(setting.key)
    return Context(key, setting.domain, "test", rows=rows + setting.first_row, reader=reader)


def _without(result: pa.Array, mismatched: npt.NDArray[np.bool_] | None, setting: Setting) -> pa.Array:
    if mismatched is None or not mismatched.any():
        return result
    if setting.on_mismatch == "fail":
        raise MaskError(
            f"the mask cannot take {int(mismatched.sum())} of {len(mismatched)} values",
            hint='choose a mask that takes them, or pass on_mismatch="null"',
        )
    return choose(mismatched, pa.nulls(len(result), result.type), result)
