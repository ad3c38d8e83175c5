"""JSON texts as Arrow values, and Arrow values as JSON texts."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_number, is_text
from dmengine.errors import MaskError
from dmengine.jsontext.index import BACKSLASH, LOWER, QUOTE, Bytes, Flags, slices
from dmengine.spi import Positions

_TEXTS = msgspec.json.Decoder(list[str])
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_FIXED = pa.array([b"null", b"false", b"true"], pa.large_binary())


def texts(data: Bytes, starts: Positions, ends: Positions, escapes: Positions) -> pa.Array | int:
    """Decode JSON strings, given with their quotes, to an Arrow string array.

    `escapes` are the places of all backslashes of the block. Returns, instead, the index of the first string
    that holds half of a surrogate pair, which is no Unicode text.

    >>> block = np.frombuffer(b'"a" "b\\\\n"', np.uint8)
    >>> texts(block, np.array([0, 4]), np.array([3, 9]), np.array([6])).to_pylist()
    ['a', 'b\\n']
    """
    raw = slices(data, starts + 1, ends - 1)
    plain = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    if not len(escapes):
        return plain
    escaped = np.searchsorted(escapes, starts) < np.searchsorted(escapes, ends)
    if not escaped.any():
        return plain
    where = np.flatnonzero(escaped)
    quoted = slices(data, starts[where], ends[where]).to_pylist()
    decoded = _decode(quoted)
    if isinstance(decoded, int):
        return int(where[decoded])
    return _put(plain, where, pa.array(decoded, pa.string()))


def _decode(quoted: list[bytes]) -> list[str] | int:
    try:
        return _TEXTS.decode(b"[" + b",".join(quoted) + b"]")
    except msgspec.DecodeError:
        pass
    for index, one in enumerate(quoted):
        try:
            _TEXTS.decode(b"[" + one + b"]")
        except msgspec.DecodeError:
            return index
    raise AssertionError("strings that decode one by one decode together")


def _put(values: pa.Array, where: Positions, others: pa.Array) -> pa.Array:
    """Return the values with others put at some places."""
    index = np.arange(len(values))
    index[where] = len(values) + np.arange(len(where))
    return pa.concat_arrays([values, others]).take(pa.array(index))


def written(values: pa.Array) -> pa.Array:
    """Write values as JSON, one large_binary each; texts without their quotes, nulls as `null`.

    Raises:
        MaskError: a value has no JSON form.

    >>> written(pa.array(['say "hi"', None])).to_pylist()
    [b'say \\\\"hi\\\\"', b'null']
    >>> written(pa.array([1.5, 1e300])).to_pylist(), written(pa.array([True, None])).to_pylist()
    ([b'1.5', b'1e+300'], [b'true', b'null'])
    """
    if not values.null_count:
        return _written(values)
    valid = booleans(values.is_valid())
    nulls = _FIXED.take(pa.array(np.zeros(len(values), np.int64)))
    if values.null_count == len(values):
        return nulls
    return _put(nulls, np.flatnonzero(valid), _written(values.drop_null()))


def _written(values: pa.Array) -> pa.Array:
    kind = values.type
    if is_text(kind):
        return _escape(_binary(values))
    if pa.types.is_boolean(kind):
        return _FIXED.take(pa.array(booleans(values).astype(np.int64) + 1))
    if is_number(kind):
        return _numbers(values)
    raise MaskError(f"{kind} cannot be written as JSON", hint="use a mask that returns text, numbers or true and false")


def _binary(values: pa.Array) -> pa.Array:
    """Return texts as large_binary, after a check that they are UTF-8."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        values = None
    if values is None:
        raise MaskError("a mask returned text that is not UTF-8", hint="correct the mask")
    return values.cast(pa.large_string()).cast(pa.large_binary())


def _escape(values: pa.Array) -> pa.Array:
    """Escape what JSON strings cannot hold raw: quotes, backslashes and control characters; nothing else."""
    bounds = np.frombuffer(values.buffers()[1], np.int64, len(values) + 1, values.offset * 8)
    text = np.frombuffer(values.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
    special = (text < LOWER) | (text == QUOTE) | (text == BACKSLASH)
    if not special.any():
        return values
    where = np.unique(np.searchsorted(bounds, np.flatnonzero(special) + bounds[0], "right") - 1)
    plain = values.take(pa.array(where)).to_pylist()
    return _put(
        values, where, pa.array([msgspec.json.encode(str(one, "utf-8"))[1:-1] for one in plain], pa.large_binary())
    )


def _numbers(values: pa.Array) -> pa.Array:
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        text = values.storage
        if not pc.all(pc.match_substring_regex(text, _NUMBER), min_count=0).as_py():
            raise MaskError("a mask returned a number that is not one in JSON", hint="return digits, as in -1.5e3")
        return _binary(text)
    if pa.types.is_floating(kind):
        values = values.cast(pa.float32()) if pa.types.is_float16(kind) else values
        if not pc.all(pc.is_finite(values), min_count=0).as_py():
            raise MaskError("a mask returned NaN or an infinity, which JSON does not have", hint="return null instead")
    return _binary(values.cast(pa.string()))


def quoted(texts: pa.Array, chosen: Flags) -> pa.Array:
    """Put quotes around the chosen JSON texts.

    >>> quoted(pa.array([b"a", b"null"], pa.large_binary()), np.array([True, False])).to_pylist()
    [b'"a"', b'null']
    """
    quote, nothing = pa.scalar(b'"', pa.large_binary()), pa.scalar(b"", pa.large_binary())
    around = pc.if_else(pa.array(chosen), quote, nothing)
    return pc.binary_join_element_wise(around, texts, around, nothing)
