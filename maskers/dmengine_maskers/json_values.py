"""Texts that are JSON documents, a block of them at a time, as records of one member each."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans
from dmengine.errors import InputError
from dmengine.jsontext.check import Bounds
from dmengine.jsontext.edit import Change, splice
from dmengine.jsontext.records import JsonRecords
from dmengine_maskers.spans import cut, spans

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

_HEAD, _TAIL = '{"$":', "}\n"
_NEWLINE, _RETURN = 0x0A, 0x0D
_SURROGATE = r"\\u[dD][89a-fA-F]"
_ANY = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents that were texts, each the member `$` of a record.

    Attributes:
        records: The documents.
        content: Their bytes as they were.
        ends: Where each begins and the last ends, with what was put around it.
        kind: The type of the texts.
    """

    records: JsonRecords
    content: npt.NDArray[np.uint8]
    ends: Places
    kind: pa.DataType

    def with_changes(self, changes: list[Change]) -> pa.Array:
        """Return the texts with changes made, whose spans are apart; all other bytes are as they were."""
        if not changes:
            return cut(self.content, self.ends[:-1] + len(_HEAD), self.ends[1:] - len(_TAIL), self.kind)
        spliced = np.frombuffer(splice(self.content.tobytes(), changes), np.uint8)
        ends = self.ends + _growth(changes, self.ends)
        return cut(spliced, ends[:-1] + len(_HEAD), ends[1:] - len(_TAIL), self.kind)


def read_documents(values: pa.Array, bounds: Bounds) -> tuple[Documents, Flags]:
    """Read texts as JSON; those that are none (which are marked) are read as null.

    >>> documents, bad = read_documents(pa.array(['{"a": 1}', "x", "1, 2"]), Bounds())
    >>> bad.tolist(), documents.records.num_rows
    ([False, True, True], 3)
    """
    bad = booleans(pc.match_substring_regex(values, _SURROGATE))
    if bad.any():  # halves of pairs are no text: JSON may hold them, but nothing that masks text
        bad[bad] = ~_are_json(values.filter(pa.array(bad)))
        values = _without(values, bad)
    found = _parsed(values, bounds)
    if found is None:
        bad |= ~_are_json(values)
        values = _without(values, bad)
        found = _parsed(values, bounds)
    if found is None:  # beyond the bounds, keys that occur twice, and the like
        _mark(values, bounds, 0, len(values), bad)
        values = _without(values, bad)
        found = _parsed(values, bounds)
    assert found is not None, "texts that are good one by one are good together"
    return found, bad


def _parsed(values: pa.Array, bounds: Bounds) -> Documents | None:
    """Put the texts into records, a line each; None if any is not JSON."""
    kind = values.type
    parts = (pa.scalar(_HEAD, kind), values, pa.scalar(_TAIL, kind), pa.scalar("", kind))
    content, ends = spans(pc.binary_join_element_wise(*parts))
    inner = np.flatnonzero(content == _NEWLINE)
    lines = content
    if len(inner) > len(values):  # white space of documents: no line ends there
        lines = content.copy()
        lines[inner] = _RETURN
        lines[ends[1:] - 1] = _NEWLINE
    try:
        records = JsonRecords.parse(lines.tobytes(), bounds=bounds)
    except InputError:
        return None
    tree = records.tree
    if records.num_rows != len(values) or int(tree.first[tree.rows]) != tree.rows:
        return None  # a text such as `1, "b": 2` is more than a document
    return Documents(records, content, ends, kind)


def _mark(values: pa.Array, bounds: Bounds, low: int, high: int, bad: Flags) -> None:
    """Find the texts that cannot be read by halving."""
    if low == high or _parsed(values.slice(low, high - low), bounds) is not None:
        return
    if high - low == 1:
        bad[low] = True
        return
    middle = (low + high) // 2
    _mark(values, bounds, low, middle, bad)
    _mark(values, bounds, middle, high, bad)


def _are_json(values: pa.Array) -> Flags:
    return np.array([_is_json(value) for value in values.to_pylist()], np.bool_)


def _is_json(text: str) -> bool:
    try:
        _ANY.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _without(values: pa.Array, bad: Flags) -> pa.Array:
    return pc.if_else(pa.array(bad), pa.scalar("null", values.type), values)


def _growth(changes: list[Change], ends: Places) -> Places:
    """By how much the changes before each place make the text longer."""
    stops = np.concatenate([change.ends for change in changes])
    starts = np.concatenate([change.starts for change in changes])
    sizes = np.concatenate([pc.binary_length(change.pieces).to_numpy(zero_copy_only=False) for change in changes])
    order = np.argsort(stops, kind="stable")
    grown = np.concatenate([[0], np.cumsum((sizes - (stops - starts))[order])])
    return grown[np.searchsorted(stops[order], ends, side="right")]
