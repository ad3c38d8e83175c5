"""The proof that a block is a run of JSON objects, with commas or nothing but white space between them."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

import numpy as np

from dmengine.jsontext.check import (
    Bounds,
    Fault,
    Place,
    count_values,
    fault_of,
    is_utf8,
    refusal,
    without_surrogates,
)
from dmengine.jsontext.index import (
    COMMA,
    LOWER,
    NEWLINE,
    OPEN_OBJECT,
    Bytes,
    Tokens,
    Tree,
    build_tree,
    skip_blank,
    tokenize,
)
from dmengine.spi import Positions

Separator = Literal["line", "comma", "none"]

_RETURN: Final = 0x0D
_BLANK: Final = np.frombuffer(b" \t\r\n", np.uint8)
HINT: Final = "every record must be a JSON object (RFC 8259), without NaN, Infinity, comments or trailing commas"


def checked_run(text: bytes, place: Place, bounds: Bounds, separator: Separator, tokens: Tokens | None = None) -> Tree:
    """Check a block that begins with the first byte of a record and ends with the last of another, and index it.

    Args:
        text: The block.
        place: Where it begins in its file.
        bounds: The limits of a record.
        separator: What stands between two records: `comma`, or `none` for white space, or not even that.
        tokens: The structure of the block, where it is known already.

    Raises:
        InputError: a record is not a JSON object, or is beyond the bounds; or something else stands between two.
    """
    tokens = tokens or tokenize(np.frombuffer(text, np.uint8))
    tree = _tree(text, tokens, bounds, separator)
    if tree is not None:
        return tree
    byte, fault = _first_fault(text, tokens, bounds, separator)
    raise refusal(fault, Place(place.line + text.count(b"\n", 0, byte), place.byte + byte - fault.byte))


def within(tokens: Tokens, start: int, end: int) -> Tokens:
    """Return the structure of a slice of a block, which begins and ends where no record is open.

    >>> found = within(tokenize(np.frombuffer(b' {"a":1}, {}', np.uint8)), 1, 8)
    >>> found.char.tobytes(), found.at.tolist()
    (b'{:}', [0, 4, 6])
    """
    low, high = np.searchsorted(tokens.at, (start, end))
    level = tokens.level[low:high]
    return Tokens(
        tokens.at[low:high] - start, tokens.char[low:high], level, int(level.max(initial=0)), True,
        _between(tokens.escapes, start, end), _between(tokens.newlines, start, end),
    )  # fmt: skip


def _between(places: Positions, start: int, end: int) -> Positions:
    low, high = np.searchsorted(places, (start, end))
    return places[low:high] - start


def _spans(tokens: Tokens) -> tuple[Positions, Positions]:
    """Return the first and the last byte of each record, by its brackets."""
    outer = np.flatnonzero(((tokens.char | LOWER) >= OPEN_OBJECT) & (tokens.level == 1))
    return tokens.at[outer[0::2]], tokens.at[outer[1::2]]


def _tree(text: bytes, tokens: Tokens, bounds: Bounds, separator: Separator) -> Tree | None:
    """Index a block if all of its records are good. Depth is known before a parser sees the block."""
    if not tokens.balanced or tokens.deepest > bounds.max_depth or not is_utf8(text):
        return None
    data = np.frombuffer(text, np.uint8)
    opens, closes = _spans(tokens)
    if len(opens) != len(closes) or (data[opens] != OPEN_OBJECT).any():
        return None
    if len(opens) and int((closes - opens).max()) >= bounds.max_record_bytes:
        return None
    if _bad_gap(data, tokens, opens, closes, separator) is not None:
        return None
    if count_values(_as_lines(data, tokens, closes, separator), np.zeros(0, np.int64)) != len(opens):
        return None
    inside = tokens.level > 0
    if not inside.all():
        tokens = dataclasses.replace(tokens, at=tokens.at[inside], char=tokens.char[inside], level=tokens.level[inside])
    return build_tree(data, tokens)


def _bad_gap(
    data: Bytes, tokens: Tokens, opens: Positions, closes: Positions, separator: Separator
) -> tuple[int, int] | None:
    """Find the first gap between two records that holds other than it should: its number, and the byte."""
    behind = skip_blank(data, closes[:-1] + 1)
    if separator == "none":
        bad = behind != opens[1:]
    else:
        bad = data[behind] != COMMA
        at_comma = np.where(bad, closes[:-1], behind)
        behind = np.where(bad, behind, skip_blank(data, at_comma + 1))
        bad |= behind != opens[1:]
    first = np.flatnonzero(bad)
    return (int(first[0]), int(behind[first[0]])) if len(first) else None


def _as_lines(data: Bytes, tokens: Tokens, closes: Positions, separator: Separator) -> Bytes:
    """Return a text that is one record a line if and only if `data` is a run of records: the parser reads lines."""
    lines = data.copy()
    lines[tokens.newlines] = _RETURN
    lines = without_surrogates(lines, tokens.escapes)
    if separator == "comma":
        lines[tokens.at[tokens.level == 0]] = NEWLINE
        return lines
    behind = closes[:-1] + 1
    blank = np.isin(data[behind], _BLANK)
    lines[behind[blank]] = NEWLINE
    return lines if blank.all() else np.insert(lines, behind[~blank], NEWLINE)


def _first_fault(text: bytes, tokens: Tokens, bounds: Bounds, separator: Separator) -> tuple[int, Fault]:
    """Find the first bad byte of a bad block, by halving: a run of records is good if each of them is."""
    data = np.frombuffer(text, np.uint8)
    opens, closes = _spans(tokens)
    if len(opens) != len(closes) or not len(opens):
        return len(text), Fault("the file ends in the middle of a record", 0, "it may be cut off: get it again")
    gap = _bad_gap(data, tokens, opens, closes, separator)
    low, high = 0, len(opens) - 1 if gap is None else gap[0]
    if gap is not None and _good(text, tokens, bounds, separator, int(opens[0]), int(closes[high]) + 1):
        return gap[1], between(separator, text[gap[1] : gap[1] + 1])
    while low < high:
        middle = (low + high) // 2
        if _good(text, tokens, bounds, separator, int(opens[low]), int(closes[middle]) + 1):
            low = middle + 1
        else:
            high = middle
    start, end = int(opens[low]), int(closes[low]) + 1
    if _good(text, tokens, bounds, separator, start, end):  # the brackets behind the last record are wrong
        at = min(int(skip_blank(np.append(data, OPEN_OBJECT), closes[-1:] + 1)[0]), len(text) - 1)
        return at, between(separator, text[at : at + 1])
    fault = fault_of(text[start:end], bounds)
    hint = HINT if fault.hint == Fault("").hint else fault.hint
    return start + fault.byte, dataclasses.replace(fault, hint=hint)


def _good(text: bytes, tokens: Tokens, bounds: Bounds, separator: Separator, start: int, end: int) -> bool:
    return _tree(text[start:end], within(tokens, start, end), bounds, separator) is not None


def between(separator: Separator, found: bytes) -> Fault:
    """Say what is wrong between two records, of which the byte that should not be there is known."""
    if found in (b",", b"{", b"}", b"]", b":"):
        wanted = "one comma" if separator == "comma" else "white space"
        return Fault(f"there must be {wanted} between two records, and nothing else", 0, HINT)
    return Fault("not a JSON object", 0, HINT)
