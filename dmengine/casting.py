"""Text that stands for a number or a date: read before masking, written back in the same lexical form (`as:`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NUMBER, booleans, choose, repeats
from dmengine.errors import PlanError

# int64 holds every integer of up to 18 digits.
_INTEGER = r"^-?[0-9]{1,18}$"
_NUMBER = r"^-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?$"
_ISO_DATE = "%Y-%m-%d"
_BOOLEANS = (
    ("false", "true"), ("False", "True"), ("FALSE", "TRUE"), ("0", "1"), ("no", "yes"), ("No", "Yes"), ("NO", "YES"),
    ("f", "t"), ("F", "T"), ("n", "y"), ("N", "Y"),
)  # fmt: skip
_ISO_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$"
# The zero of a two-digit group: `01.02.2020` and `1.2.2020` are one date, and each is written back as it was.
_PADDING = r"\b0([0-9])\b"


@dataclass(frozen=True, slots=True)
class Reading:
    """Text read as another type.

    Attributes:
        values: The typed values; where reading failed, some valid value that will be thrown away.
        failed: True where the text is not of the wanted form.
        write: Turns masked values of the same type back into text of the original's form.
    """

    values: pa.Array
    failed: npt.NDArray[np.bool_]
    write: Callable[[pa.Array], pa.Array]


def read_type(as_: str, form: str | None) -> pa.DataType:
    """Return the Arrow type that `as:` reads text as; a format that ends in Z or %z means UTC.

    >>> read_type("date", "%d.%m.%Y"), read_type("timestamp", "%Y-%m-%dT%H:%M:%SZ")
    (DataType(date32[day]), TimestampType(timestamp[us, tz=UTC]))
    """
    if as_ == "timestamp":
        return pa.timestamp("us", "UTC" if form and form.endswith(("Z", "%z")) else None)
    types = {"integer": pa.int64(), "number": NUMBER, "date": pa.date32(), "boolean": pa.bool_()}
    if as_ not in types:
        raise PlanError(f"as: {as_} is not known", hint=f"as is one of: timestamp, {', '.join(types)}")
    return types[as_]


def read_text(values: pa.Array, kind: pa.DataType, form: str | None) -> Reading:
    """Read text (no nulls) as `kind`.

    >>> reading = read_text(pa.array(["31.12.1999", "31.02.2000"]), pa.date32(), "%d.%m.%Y")
    >>> reading.failed.tolist(), reading.write(reading.values).to_pylist()[0]
    ([False, True], '31.12.1999')
    """
    text = values.cast(pa.string())
    if pa.types.is_int64(kind):
        reading = _integers(text)
    elif pa.types.is_boolean(kind):
        reading = _booleans(text)
    elif kind == NUMBER:
        failed = ~booleans(pc.match_substring_regex(text, _NUMBER))
        number = pa.ExtensionArray.from_storage(NUMBER, _replaced(text, failed, "0"))
        reading = Reading(number, failed, lambda masked: masked.storage)
    elif pa.types.is_date(kind):
        reading = _formatted(text, kind, form or _ISO_DATE)
    elif form is not None:
        reading = _formatted(text, kind, form)
    else:
        reading = _iso_timestamps(text, kind)
    write = reading.write
    return Reading(reading.values, reading.failed, lambda masked: write(masked).cast(values.type))


def _booleans(text: pa.Array) -> Reading:
    """Read the words of `_BOOLEANS`, and write the other word of the same pair."""
    words = pa.array([word for pair in _BOOLEANS for word in pair])
    found = pc.index_in(text, words)
    failed = ~booleans(pc.is_valid(found))
    index = pc.fill_null(found, 0).to_numpy(zero_copy_only=False)

    def write(masked: pa.Array) -> pa.Array:
        return words.take(pa.array(index // 2 * 2 + booleans(pc.fill_null(masked, False))))

    return Reading(pa.array(index % 2 == 1), failed, write)


def _replaced(text: pa.Array, failed: npt.NDArray[np.bool_], stand_in: str) -> pa.Array:
    """Put a readable stand-in where the text cannot be read; its result is thrown away."""
    return pc.if_else(pa.array(failed), pa.scalar(stand_in), text) if failed.any() else text


def _integers(text: pa.Array) -> Reading:
    failed = ~booleans(pc.match_substring_regex(text, _INTEGER))
    padded = booleans(pc.match_substring_regex(text, "^-?0[0-9]"))

    def write(masked: pa.Array) -> pa.Array:
        plain = masked.cast(pa.string())
        return choose(padded, _padded(plain, text), plain) if padded.any() else plain

    return Reading(_replaced(text, failed, "0").cast(pa.int64()), failed, write)


def _padded(plain: pa.Array, text: pa.Array) -> pa.Array:
    """Pad digits with zeros to the length that the original text had."""
    negative = booleans(pc.starts_with(plain, "-"))
    digits = pc.utf8_ltrim(plain, "-")
    missing = pc.subtract(pc.utf8_length(text), pc.add(pc.utf8_length(digits), pa.array(negative.astype(np.int32))))
    zeros = pc.binary_repeat(pa.scalar("0"), pc.max_element_wise(missing, pa.scalar(0, pa.int32())))
    sign = pc.if_else(pa.array(negative), pa.scalar("-"), pa.scalar(""))
    return pc.binary_join_element_wise(sign, zeros, digits, "")


def _formatted(text: pa.Array, kind: pa.DataType, form: str) -> Reading:
    if pa.types.is_date(kind) and form == _ISO_DATE and (quick := _iso_dates(text)) is not None:
        return quick
    distinct, spread = _once(text)
    parsed = pc.strptime(distinct, format=form, unit="s", error_is_null=True)
    again = pc.strftime(parsed, format=form)
    # strptime takes 31 February for 2 March; only what comes out as it went in was a date of this form.
    same = pc.equal(_unpadded(again), _unpadded(distinct))
    failed = ~booleans(spread(pc.fill_null(same, False)))
    unpadded = ~booleans(spread(pc.fill_null(pc.equal(again, distinct), True)))
    moments = spread(pc.fill_null(parsed, pa.scalar(0, parsed.type)))
    zone = kind.tz if pa.types.is_timestamp(kind) else None

    def write(masked: pa.Array) -> pa.Array:
        naive = masked.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us")).cast(pa.timestamp("s"), safe=False)
        moments, spread = _once(naive)
        padded = spread(pc.strftime(moments, format=form))
        return choose(unpadded, _unpadded(padded), padded) if unpadded.any() else padded

    typed = moments.cast(kind) if zone is None else moments.cast(pa.timestamp("us")).cast(pa.timestamp("us", zone))
    return Reading(typed, failed, write)


def _iso_dates(text: pa.Array) -> Reading | None:
    """Read a column of nothing but ISO dates by a cast, fifty times faster than strptime; None for any other."""
    try:
        dates = text.cast(pa.date32())
    except pa.ArrowInvalid:
        return None
    return Reading(dates, np.zeros(len(text), np.bool_), lambda masked: masked.cast(pa.string()))


def _once(values: pa.Array) -> tuple[pa.Array, Callable[[pa.Array], pa.Array]]:
    """Return the values to work on, each distinct one once where that pays, and how to spread the results again."""
    if not repeats(values):
        return values, lambda results: results
    encoded = values.dictionary_encode()
    return encoded.dictionary, lambda results: results.take(encoded.indices)


def _unpadded(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, _PADDING, r"\1")


def _iso_timestamps(text: pa.Array, kind: pa.DataType) -> Reading:
    failed = ~booleans(pc.match_substring_regex(text, _ISO_TIMESTAMP))
    readable = _replaced(text, failed, "1970-01-01T00:00:00")
    try:
        typed = readable.cast(kind)
    except pa.ArrowInvalid:  # a cast refuses the whole column for one 31 February; strptime finds that row
        seconds = pc.replace_substring(pc.utf8_slice_codeunits(readable, 0, 19), " ", "T")
        failed |= _formatted(seconds, pa.timestamp("us"), "%Y-%m-%dT%H:%M:%S").failed
        typed = _replaced(readable, failed, "1970-01-01T00:00:00").cast(kind)
    spaced = booleans(pc.equal(pc.utf8_slice_codeunits(readable, 10, 11), " "))
    lengths = pc.utf8_length(readable).to_numpy()

    def write(masked: pa.Array) -> pa.Array:
        full = pc.strftime(masked, format="%Y-%m-%dT%H:%M:%S")  # Arrow's %S carries the fraction of the unit
        full = choose(spaced, pc.replace_substring(full, "T", " "), full) if spaced.any() else full
        for length in np.unique(lengths):
            full = choose(lengths == length, pc.utf8_slice_codeunits(full, 0, int(length)), full)
        return full

    return Reading(typed, failed, write)
