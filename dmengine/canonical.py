"""The canonical form of values: the bytes that the keyed functions see, equal wherever the value is equal.

The same person must get the same pseudonym whether the id lies as int64 in Parquet, as decimal in Redshift or as a
number in DynamoDB. So what is keyed is not the value as stored, but this form of it (algorithm version 1, UTF-8):

| Values | Canonical form | Example |
|---|---|---|
| numbers of any type | shortest decimal: no exponent, no `+`, no idle zeros; -0 is 0 | `42`, `-0.5`, `1000` |
| floats | the shortest decimal that reads back as the same float *of its own width*; `nan`, `inf`, `-inf` | `0.1` |
| text | as it is; nothing is trimmed or folded (see `dmengine.normalizing`) | `042` |
| binary of any type | the bytes themselves | |
| booleans | `true`, `false` | |
| dates | `YYYY-MM-DD` | `1999-12-31` |
| naive timestamps | `YYYY-MM-DDTHH:MM:SS[.fraction]`, the fraction without trailing zeros | `1999-12-31T23:59:59.5` |
| zoned timestamps | the same in UTC, and `Z` | `1999-12-31T22:59:59.5Z` |
| times | `HH:MM:SS[.fraction]` | `23:59:59` |
| UUIDs | 8-4-4-4-12 hex digits, lower case | `01234567-89ab-cdef-0123-456789abcdef` |

Equal forms are equal values: the number 42, the float 42.0 and the text "42" are one, and so are a date and its text.
Text that only *reads* as a number ("042", "42.0") stays text. Years outside 1 to 9999 have as many digits as they
need. Padding that a store adds, such as Redshift's to CHAR, is the connector's to remove. A null stays null.
Durations, intervals and nested values have no canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, offsets, text_from_matrix
from dmengine.errors import MaskError, PlanError

MAX_DIGITS: Final = 400
"""Characters of the longest number: any float fits; 1e1000000 does not, and is not written out to find that out."""

_CANONICAL_NUMBER: Final = r"^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])$"
_PLAIN_FRACTION: Final = r"^-?[0-9]+\.[0-9]+$"
_NUMBER: Final = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?0*(?P<exponent>[0-9]+))?|[+-]?(nan|inf(inity)?)", re.IGNORECASE
)
_HEX_PAIRS: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
_ZERO, _MINUS = np.uint8(ord("0")), ord("-")
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""0001-01-01 and the end of 9999-12-31, in seconds since 1970."""
_DAY: Final = 86_400
_WHOLE_IN_FLOAT: Final = {pa.float32(): 2**24, pa.float64(): 2**53}
"""Up to here every whole number is a float, so that its shortest decimal is the number itself."""


def canonical(values: pa.Array) -> pa.Array:
    """Return the canonical form of each value, as a text or binary array of the same length.

    Text and binary come back without a copy; nulls stay null.

    >>> canonical(pa.array([42.0, -0.0, 1e21])).to_pylist()
    ['42', '0', '1000000000000000000000']

    Raises:
        PlanError: the type has no canonical form.
        MaskError: a number is not one, or would need more than 400 digits.
    """
    form = _form(values.type)
    if form is None:
        raise PlanError(
            f"values of type {values.type} cannot be keyed",
            hint="use a mask that needs no key (redact, null, fixed), or rules for the fields inside a nested one",
        )
    return form(values)


def can_be_keyed(kind: pa.DataType) -> bool:
    """Say whether values of a type have a canonical form.

    >>> can_be_keyed(pa.date32()), can_be_keyed(pa.duration("s"))
    (True, False)
    """
    if pa.types.is_dictionary(kind):
        return can_be_keyed(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) and _form(kind) is _storage:
        return can_be_keyed(kind.storage_type)
    return _form(kind) is not None


_Form = Callable[[pa.Array], pa.Array]


def _form(kind: pa.DataType) -> _Form | None:
    return next((form for belongs, form in _FORMS if belongs(kind)), None)


# ---------------------------------------------------------------------------------------------- plain casts


def _as_is(values: pa.Array) -> pa.Array:
    return values


def _as_text(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _as_binary(values: pa.Array) -> pa.Array:
    return values.cast(pa.binary())


def _decoded(values: pa.Array) -> pa.Array:
    return canonical(values.dictionary_decode())


def _storage(values: pa.Array) -> pa.Array:
    return canonical(values.storage)


def _truth(values: pa.Array) -> pa.Array:
    return values.storage.cast(pa.bool_()).cast(pa.string())


def _uuid(values: pa.Array) -> pa.Array:
    storage = values.storage
    filled = pc.fill_null(storage, bytes(16)) if storage.null_count else storage
    start = filled.offset * 16
    raw = np.frombuffer(filled.buffers()[1] or b"", np.uint8)[start : start + len(filled) * 16]
    digits = _HEX_PAIRS[raw].view(np.uint8).reshape(-1, 32)
    text = np.full((len(filled), 36), ord("-"), np.uint8)
    for to, begin, end in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
        text[:, to : to + end - begin] = digits[:, begin:end]
    return _nulls_of(storage, text_from_matrix(text))


# ---------------------------------------------------------------------------------------------- numbers


def _float(values: pa.Array) -> pa.Array:
    bound = _WHOLE_IN_FLOAT[values.type]
    numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        whole = bool(np.all((np.abs(numbers) <= bound) & (np.trunc(numbers) == numbers)))
    if whole:
        return values.cast(pa.int64(), safe=False).cast(pa.string())
    texts = pc.add(values, pa.scalar(0.0, values.type)).cast(pa.string())  # -0.0 + 0.0 is 0.0
    return _rewrite(texts, pc.match_substring(texts, "e"), _numeral)


def _half_float(values: pa.Array) -> pa.Array:
    # Arrow prints a half float as the float it widens to; numpy knows its own shortest form
    bits = pc.fill_null(values, np.float16(0)).to_numpy(zero_copy_only=False).view(np.uint16)
    distinct, index = np.unique(bits, return_inverse=True)
    texts = pa.array([str(number) for number in distinct.view(np.float16)], pa.string())
    return _number(_nulls_of(values, texts.take(pa.array(index))))


def _decimal(values: pa.Array) -> pa.Array:
    texts = values.cast(pa.string())
    if values.type.scale == 0:
        return texts
    exponents = pc.match_substring(texts, "E")
    if values.type.scale < 0:
        return _rewrite(texts, exponents, _numeral)
    # with a scale and without an exponent there is always a point, which the first trim stops at
    trimmed = pc.ascii_rtrim(pc.ascii_rtrim(texts, "0"), ".")
    if not pc.any(exponents, min_count=0).as_py():
        return trimmed
    return _rewrite(pc.if_else(exponents, texts, trimmed), exponents, _numeral)


def _number(texts: pa.Array) -> pa.Array:
    """Bring decimal text, as documents have it, to the canonical form."""
    integers = _integers(texts)
    if integers is not None:
        return integers.cast(pa.string())
    trimmed = pc.ascii_rtrim(pc.ascii_rtrim(texts, "0"), ".")
    plain = pc.if_else(pc.match_substring_regex(texts, _PLAIN_FRACTION), trimmed, texts)
    found = _rewrite(plain, pc.invert(pc.match_substring_regex(plain, _CANONICAL_NUMBER)), _numeral)
    if (pc.max(pc.binary_length(found)).as_py() or 0) > MAX_DIGITS:
        raise _too_long()
    return found


def _integers(texts: pa.Array) -> pa.Array | None:
    if not _only_digits(texts):  # a cast that fails does so slowly, and Arrow reads 0x1F
        return None
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _only_digits(texts: pa.Array) -> bool:
    """Say whether there is nothing but digits and signs in the bytes of all texts."""
    ends, buffer = offsets(texts), texts.buffers()[2]
    content = np.frombuffer(buffer or b"", np.uint8)[ends[0] : ends[-1]]
    return bool(((content - _ZERO < 10) | (content == _MINUS)).all())


def _numeral(text: str) -> str:
    """Write one number out; slow, for the few that Arrow writes with an exponent or that are oddly written."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise MaskError("a number of a document is not a number", hint="read the field as text, or mend the source")
    if len(text) > 2 * MAX_DIGITS or len(match["exponent"] or "") > len(str(MAX_DIGITS)):
        raise _too_long()
    number = Decimal(text)
    if number.is_nan():
        return "nan"
    if number.is_infinite():
        return "-inf" if number < 0 else "inf"
    if number == 0:
        return "0"
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    if len(plain) > MAX_DIGITS:
        raise _too_long()
    return plain


def _too_long() -> MaskError:
    return MaskError(
        f"a number needs more than {MAX_DIGITS} digits when written without an exponent",
        hint="use a mask that needs no key for this field (redact, null), or mend the source",
    )


# ---------------------------------------------------------------------------------------------- dates and times


def _date(values: pa.Array) -> pa.Array:
    days = values.cast(pa.date32(), safe=False)  # a date64 may hold part of a day
    counts = _counts(days.view(pa.int32()))
    outside = (counts < _FIRST_SECOND // _DAY) | (counts > _LAST_SECOND // _DAY)
    texts = days.cast(pa.string())
    if outside.any():
        texts = _replace(texts, outside, np.datetime_as_string(counts[outside].view("M8[D]")).tolist())
    return texts


def _timestamp(values: pa.Array) -> pa.Array:
    unit, ticks = values.type.unit, _PER_SECOND[values.type.unit]
    instants = values.view(pa.timestamp(unit))  # what is stored is UTC; no time zone database is asked
    texts = pc.binary_replace_slice(instants.cast(pa.string()), 10, 11, "T")
    if unit != "ns":  # nanoseconds reach from 1677 to 2262 only
        counts = _counts(instants.view(pa.int64()))
        outside = (counts < _FIRST_SECOND * ticks) | (counts >= (_LAST_SECOND + 1) * ticks)
        if outside.any():
            texts = _replace(texts, outside, np.datetime_as_string(counts[outside].view(f"M8[{unit}]")).tolist())
    texts = _without_idle_fraction(texts, unit)
    return texts if values.type.tz is None else pc.binary_join_element_wise(texts, "Z", "")


def _time(values: pa.Array) -> pa.Array:
    unit = values.type.unit
    ticks = _PER_SECOND[unit]
    texts = values.cast(pa.string())
    counts = _counts(values.view(pa.int64() if values.type.bit_width == 64 else pa.int32()))
    outside = (counts < 0) | (counts >= _DAY * ticks)
    if outside.any():
        texts = _replace(texts, outside, [_clock(count, ticks) for count in counts[outside].tolist()])
    return _without_idle_fraction(texts, unit)


def _clock(count: int, ticks: int) -> str:
    """Write a time that no clock shows, such as 24:00:00, which databases allow."""
    seconds, rest = divmod(abs(count), ticks)
    fraction = f".{rest:0{len(str(ticks)) - 1}}" if ticks > 1 else ""
    sign = "-" if count < 0 else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _without_idle_fraction(texts: pa.Array, unit: str) -> pa.Array:
    return texts if unit == "s" else pc.ascii_rtrim(pc.ascii_rtrim(texts, "0"), ".")


def _counts(integers: pa.Array) -> npt.NDArray[np.int64]:
    filled: npt.NDArray[Any] = pc.fill_null(integers, 0).to_numpy(zero_copy_only=False)
    return filled.astype(np.int64, copy=False)


# ---------------------------------------------------------------------------------------------- rare rows


def _rewrite(texts: pa.Array, where: pa.Array, write: Callable[[str], str]) -> pa.Array:
    """Replace the texts where it says so, each distinct one worked out once."""
    where = pc.fill_null(where, False)
    if not pc.any(where, min_count=0).as_py():
        return texts
    coded = texts.filter(where).dictionary_encode()
    written = pa.array([write(text) for text in coded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(texts, where, written.take(coded.indices))


def _replace(texts: pa.Array, where: npt.NDArray[np.bool_], written: list[str]) -> pa.Array:
    return pc.replace_with_mask(texts, pa.array(where), pa.array(written, texts.type))


def _nulls_of(values: pa.Array, texts: pa.Array) -> pa.Array:
    return pc.if_else(values.is_valid(), texts, None) if values.null_count else texts


def _is_extension(name: str, kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == name


def _is_half(kind: pa.DataType) -> bool:
    return bool(kind == pa.float16())


_FORMS: Final[tuple[tuple[Callable[[pa.DataType], bool], _Form], ...]] = (
    (lambda kind: isinstance(kind, NumberType), lambda values: _number(values.storage)),
    (partial(_is_extension, "arrow.uuid"), _uuid),
    (partial(_is_extension, "arrow.bool8"), _truth),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _storage),
    (pa.types.is_dictionary, _decoded),
    (pa.types.is_string, _as_is),
    (pa.types.is_large_string, _as_is),
    (pa.types.is_binary, _as_is),
    (pa.types.is_large_binary, _as_is),
    (pa.types.is_string_view, _as_text),
    (pa.types.is_binary_view, _as_binary),
    (pa.types.is_fixed_size_binary, _as_binary),
    (pa.types.is_integer, _as_text),
    (_is_half, _half_float),
    (pa.types.is_floating, _float),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_boolean, _as_text),
    (pa.types.is_null, _as_text),
    (pa.types.is_date, _date),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_time, _time),
)
