"""The proof that a block of lines is what it says: UTF-8, one JSON object a line, within the limits."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dmengine.errors import InputError
from dmengine.jsontext.index import (
    LOWER,
    NEWLINE,
    OPEN_OBJECT,
    Bytes,
    Tokens,
    Tree,
    build_tree,
    places,
    tokenize,
)
from dmengine.paths import Step
from dmengine.spi import Positions

_LINES = msgspec.json.Decoder(msgspec.Raw)
_WHERE = re.compile(r"JSON is malformed: ([^(]+) \(byte (\d+)\)")
_LONGEST_NAME = 60
_TWICE = "readers differ on which one counts: keep one of them"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest record, and the deepest nesting, that are read."""

    max_depth: int = 64
    max_record_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block begins in its file."""

    line: int = 1
    byte: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is refused: what, how far into the line, and what to do."""

    message: str
    byte: int = 0
    hint: str = "every line must be one JSON object (RFC 8259), without NaN, Infinity, comments or trailing commas"


def checked(text: bytes, place: Place, bounds: Bounds) -> Tree:
    """Check a block of whole lines and index it.

    Raises:
        InputError: a line is not a JSON object, or is beyond the bounds; with its place, without its content.
    """
    tree = _tree(text, bounds)
    if tree is not None:
        return tree
    start, end = _first_bad_line(text, bounds)
    fault = fault_of(text[start:end], bounds, last=end == len(text) and not text.endswith(b"\n"))
    raise refusal(fault, Place(place.line + text.count(b"\n", 0, start), place.byte + start))


def refusal(fault: Fault, line: Place) -> InputError:
    """Make the error for a fault of the line that begins at a place."""
    error = InputError(fault.message, hint=fault.hint)
    error.place = {"line": str(line.line), "byte": str(line.byte + fault.byte)}
    return error


def _tree(text: bytes, bounds: Bounds) -> Tree | None:
    """Index a block if all of its lines are good. Depth is known before a parser sees the block."""
    data = np.frombuffer(text, np.uint8)
    tokens = tokenize(data)
    ends = np.append(tokens.newlines, len(data))
    if np.diff(ends, prepend=-1).max() - 1 > bounds.max_record_bytes or not is_utf8(text):
        return None
    if not tokens.balanced or tokens.deepest > bounds.max_depth:
        return None
    count = count_values(data, tokens.escapes)
    if count is None or not _one_object_a_line(tokens, ends, count):
        return None
    return build_tree(data, tokens)


def is_utf8(text: bytes) -> bool:
    """Say whether all of a text is UTF-8."""
    bounds = pa.py_buffer(np.array([0, len(text)], np.int32))
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, bounds, pa.py_buffer(text)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def count_values(data: Bytes, escapes: Positions) -> int | None:
    """Count the JSON values of a block, or return None if it is not JSON.

    `msgspec.Raw` checks all but the UTF-8 within strings.
    """
    try:
        return len(_LINES.decode_lines(without_surrogates(data, escapes).data))
    except (msgspec.DecodeError, RecursionError):
        return None


def without_surrogates(data: Bytes, escapes: Positions) -> Bytes:
    r"""Return a text that is JSON if and only if `data` is, but for halves of surrogate pairs, which msgspec refuses.

    They are JSON, if no Unicode; so `\ud` becomes `\u0`, which is as long, and another letter.
    """
    escapes = escapes[escapes + 2 < len(data)]
    surrogates = escapes[(data[escapes + 1] == ord("u")) & ((data[escapes + 2] | LOWER) == ord("d"))]
    if len(surrogates):
        data = data.copy()
        data[surrogates + 2] = ord("0")
    return data


def _one_object_a_line(tokens: Tokens, ends: Positions, count: int) -> bool:
    """Say whether all values are objects that open and close on a line of their own."""
    outer = np.flatnonzero((tokens.char | LOWER) >= OPEN_OBJECT)
    outer = outer[tokens.level[outer] == 1]
    opens, closes = outer[0::2], outer[1::2]
    if len(opens) != count or (tokens.char[opens] != OPEN_OBJECT).any():
        return False
    line = np.searchsorted(ends, tokens.at[opens])
    return bool((np.diff(line) > 0).all() and (line == np.searchsorted(ends, tokens.at[closes])).all())


def _first_bad_line(text: bytes, bounds: Bounds) -> tuple[int, int]:
    """Find the first bad line of a block by halving: a run of lines is good if each of them is."""
    ends = np.append(places(np.frombuffer(text, np.uint8), NEWLINE) + 1, len(text))
    starts = np.insert(ends[:-1], 0, 0)
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if _tree(text[starts[low] : ends[middle]], bounds) is None:
            high = middle
        else:
            low = middle + 1
    return int(starts[low]), int(ends[low])


def fault_of(line: bytes, bounds: Bounds, *, last: bool = False) -> Fault:
    """Say what is wrong with a line, or with another text that should be one record, that is known to be bad."""
    if len(line.rstrip(b"\n")) > bounds.max_record_bytes:
        return _too_long(bounds)
    if not is_utf8(line):
        return _not_utf8(line)
    data = np.frombuffer(line, np.uint8)
    tokens = tokenize(data)
    if tokens.deepest > bounds.max_depth:
        deep = int(tokens.at[np.argmax(tokens.level > bounds.max_depth)])
        return Fault(f"nested deeper than {bounds.max_depth} levels", deep, "raise max_depth if the file is trusted")
    malformed = _malformed(data, tokens.escapes, last=last)
    if malformed is not None:
        return malformed
    if line.lstrip()[:1] != b"{":
        return Fault("not a JSON object", len(line) - len(line.lstrip()))
    return _twin(line)


def _too_long(bounds: Bounds) -> Fault:
    return Fault(
        f"longer than {bounds.max_record_bytes} bytes",
        hint="raise max_record_bytes; or, if this is one JSON document, read it as json",
    )


def _not_utf8(line: bytes) -> Fault:
    byte = 0
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = error.start
    return Fault("not UTF-8", byte, "convert the file to UTF-8 first: JSON has no other encoding")


def _malformed(data: Bytes, escapes: Positions, *, last: bool) -> Fault | None:
    problem = ""
    try:
        _LINES.decode(without_surrogates(data, escapes).data)
    except (msgspec.DecodeError, RecursionError) as error:
        problem = str(error)  # msgspec's messages for Raw are fixed texts with a byte, never content
    if not problem:
        return None
    found = _WHERE.match(problem)
    if found is not None:
        return Fault(f"not JSON: {found[1]}", int(found[2]))
    if last:
        return Fault("the last line ends in the middle of a record", len(data), "the file may be cut off: get it again")
    return Fault("the line ends in the middle of a record", len(data))


def _twin(line: bytes) -> Fault:
    """Name the key that occurs twice in one object, or say that one is not text.

    Only a field of the record is named: further inside, keys may be people's data, which a rule masks as a whole.
    """
    twins: list[str] = []
    inside = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal inside
        inside = inside or bool(twins)  # objects are looked at from the inside out, the record last
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                twins.append(name)
            seen.add(name)

    json.loads(line, object_pairs_hook=look, parse_int=str, parse_float=str)
    if inside:
        return Fault("a key occurs twice in an object inside the record", hint=_TWICE)
    if not twins:
        return Fault("a key holds half of a surrogate pair", hint="write the keys of this record as valid Unicode")
    name = str(Step("name", twins[0]))
    shown = name if len(name) <= _LONGEST_NAME and name.isprintable() else "a key"
    return Fault(f"{shown} occurs twice in one object", hint=_TWICE)
