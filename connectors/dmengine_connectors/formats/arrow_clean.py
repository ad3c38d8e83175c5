"""Lets Arrow columns hold nothing but their values: formats that write Arrow's buffers would carry the rest along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import flat, is_text, plain_type, positions, rebuilt
from dmengine.errors import MaskError
from dmengine.nested import bitmap, is_list, packed, unpacked, validity
from dmengine.spi import Positions

OnDictionary = Callable[[pa.Array, tuple[int, ...]], pa.Array]


@dataclass(eq=False, repr=False)
class Pools:
    """The dictionaries of a file, which grow by what each batch adds: an Arrow file may not replace one.

    >>> pools, field = Pools(), pa.field("a", pa.dictionary(pa.int8(), pa.string()))
    >>> batch = pa.DictionaryArray.from_arrays(pa.array([2, 0], pa.int8()), ["x", "unused", "y"])
    >>> pools.column(batch, field).dictionary.to_pylist()
    ['y', 'x']
    """

    _values: dict[tuple[str, tuple[int, ...]], pa.Array] = field(default_factory=dict)

    def column(self, column: pa.Array, wanted: pa.Field) -> pa.Array:
        """Return a column, in the type of its field, with no byte beyond its values.

        Raises:
            MaskError: nulls in a field that may have none, or more distinct values than a dictionary's type counts.
        """
        if not wanted.nullable and column.null_count:
            raise MaskError(
                f"{wanted.name}: the field is declared not null, and there are nulls to write",
                hint="use a mask that makes no nulls",
            )
        if pa.types.is_dictionary(wanted.type):
            if not pa.types.is_dictionary(column.type) or column.type.value_type != wanted.type.value_type:
                column = _cast(flat(column), wanted.with_type(wanted.type.value_type)).dictionary_encode()
            return self._pooled(column, (wanted.name, ()), wanted.type)
        if column.type != wanted.type:
            column = _cast(column, wanted)
        return cleaned(column, lambda array, at: self._pooled(array, (wanted.name, at), array.type))

    def _pooled(self, array: pa.Array, place: tuple[str, tuple[int, ...]], kind: pa.DataType) -> pa.Array:
        """Map a dictionary column onto the values that the file has so far, and those that this batch adds."""
        plain = array.dictionary_decode()
        old = self._values.get(place)
        if kind.ordered and array.type == kind:  # the order of the values says something, so they stay together
            return pa.DictionaryArray.from_arrays(rebuilt(array.indices), array.dictionary, ordered=True)
        used = array.indices.drop_null()
        present = array.dictionary.take(pa.array(_first_used(positions(used)))) if len(used) else array.dictionary[:0]
        present = present.drop_null()
        present = pc.unique(present) if len(present) else present
        if old is None:  # not empty, for Arrow adds nothing to an empty dictionary
            pool = present if len(present) else _nothing(kind.value_type)
        else:
            new = present.filter(pc.invert(pc.is_in(present, old)))
            pool = pa.concat_arrays([old, new]) if len(new) else old
        bits = kind.index_type.bit_width - pa.types.is_signed_integer(kind.index_type)
        if len(pool) > 1 << bits:
            raise MaskError(
                f"{place[0]}: there are more distinct values than its type, {kind}, can count",
                hint="use a mask that gives equal masks to equal values",
            )
        self._values[place] = pool
        found = pc.index_in(plain, pool, skip_nulls=True)
        return pa.DictionaryArray.from_arrays(found.cast(kind.index_type), pool, ordered=kind.ordered)


def cleaned(array: pa.Array, on_dictionary: OnDictionary, at: tuple[int, ...] = ()) -> pa.Array:
    """Return an array of the same values with nothing behind its nulls, at any level."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return kind.wrap_array(cleaned(array.storage, on_dictionary, at))
    if pa.types.is_dictionary(kind):
        return on_dictionary(array, at)
    if pa.types.is_struct(kind):
        children = [array.field(i) for i in range(kind.num_fields)]
        valid = validity(array)
        if valid is not None:
            index = pa.array(np.arange(len(array)), mask=~valid)
            children = [child.take(index) for child in children]
        children = [cleaned(child, on_dictionary, (*at, i)) for i, child in enumerate(children)]
        return pa.Array.from_buffers(kind, len(array), [bitmap(array)], children=children)
    if is_list(kind) or pa.types.is_map(kind):
        valid = validity(array)
        if valid is not None:
            array = array.take(pa.array(np.arange(len(array)), mask=~valid))
        ends, child = unpacked(array)
        return packed(array, kind, ends, cleaned(child, on_dictionary, (*at, 0)))
    plain = plain_type(kind)  # the kernels do not know views
    return rebuilt(array) if plain == kind else rebuilt(array.cast(plain)).cast(kind)


def _first_used(indices: Positions) -> Positions:
    """Return the distinct indices in the order in which they come first."""
    distinct, first = np.unique(indices, return_index=True)
    return distinct[np.argsort(first)]


def _nothing(kind: pa.DataType) -> pa.Array:
    """Return one value that says nothing: an empty text, or a null."""
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return pa.array([""], kind) if is_text(kind) else pa.array([b""], kind) if binary else pa.nulls(1, kind)


def _cast(column: pa.Array, wanted: pa.Field) -> pa.Array:
    """Return a column as the type of a field; the texts of Arrow's errors quote values, so they go no further."""
    try:
        return column.cast(wanted.type)
    except (pa.ArrowException, ValueError, TypeError):
        pass
    raise MaskError(f"{wanted.name}: values of type {column.type} do not fit the planned type {wanted.type}")
