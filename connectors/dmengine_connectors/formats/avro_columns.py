"""Where the values at each place of an Avro schema are in a batch, column by column, and what they are in Arrow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import scatter
from dmengine.errors import InputError
from dmengine.jsontext.index import slices
from dmengine.spi import Positions
from dmengine_connectors.formats.avro_scan import Elements
from dmengine_connectors.formats.avro_schema import Node

Bytes = npt.NDArray[np.uint8]
MAX_VARINT: Final = 10


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Places:
    """Every time that one node of the schema occurs in a batch, in the order of the bytes.

    Attributes:
        starts: Where it begins.
        rows: Its record.
        elements: For each list or map level, the ordinal of its element within its record.
        heads: Where the number of the union's branch begins that it is; else as `starts`.
    """

    starts: Positions
    rows: Positions
    elements: tuple[Positions, ...] = ()
    heads: Positions | None = None

    def where(self, chosen: npt.NDArray[Any], starts: Positions, heads: Positions | None = None) -> Places:
        """Return some of them, which begin elsewhere."""
        return Places(starts, self.rows[chosen], tuple(level[chosen] for level in self.elements), heads)


@dataclass(eq=False, repr=False)
class Columns:
    """A batch, indexed: looked at one node at a time, and each only once.

    Attributes:
        text: The records, one behind the other.
        root: The schema.
        starts: Where each record begins.
        notes: What the walk has noted of arrays, maps and records within themselves.
    """

    text: bytes
    root: Node
    starts: Positions
    notes: dict[Node, Elements]
    _places: dict[Node, Places] = field(default_factory=dict)
    _ends: dict[Node, Positions] = field(default_factory=dict)
    _chosen: dict[Node, Positions] = field(default_factory=dict)

    @property
    def data(self) -> Bytes:
        """The bytes as numpy sees them."""
        return np.frombuffer(self.text, np.uint8)

    def places(self, node: Node) -> Places:
        """Say where a node occurs."""
        if node not in self._places:
            self._places[node] = self._find(node)
        return self._places[node]

    def ends(self, node: Node) -> Positions:
        """Say where each occurrence of a node ends."""
        if node not in self._ends:
            self._ends[node] = self._end(node)
        return self._ends[node]

    def chosen(self, union: Node) -> Positions:
        """Say which branch each occurrence of a union is."""
        if union not in self._chosen:  # a branch's number is one byte: the walk takes no more than 64 branches
            self._chosen[union] = self.data[self.places(union).starts].astype(np.int64) >> 1
        return self._chosen[union]

    def _find(self, node: Node) -> Places:
        parent = node.parent
        if parent is None:
            return Places(self.starts, np.arange(len(self.starts), dtype=np.int64))
        around = self.places(parent)
        if parent.kind == "union":
            taken = np.flatnonzero(self.chosen(parent) == parent.children.index(node))
            heads = around.starts[taken]
            return around.where(taken, heads + 1, heads)
        if parent.kind == "record":
            number = parent.children.index(node)
            starts = self.ends(parent.children[number - 1]) if number else around.starts
            return Places(starts, around.rows, around.elements)
        return self._elements(parent, around)

    def _elements(self, parent: Node, around: Places) -> Places:
        notes = self.notes[parent]
        owner = np.repeat(np.arange(len(around.starts)), np.array(notes.counts, np.int64))
        starts = np.array(notes.starts, np.int64)
        if parent.kind == "map":
            sizes, bodies = self.longs(starts)
            starts = bodies + sizes
        rows = around.rows[owner]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        ordinals = np.arange(len(rows)) - np.repeat(first, np.diff(first, append=len(rows)))
        return Places(starts, rows, (*(level[owner] for level in around.elements), ordinals))

    def _end(self, node: Node) -> Positions:
        starts = self.places(node).starts
        kind = node.kind
        if kind in ("array", "map", "again"):
            return np.array(self.notes[node].ends, np.int64)
        if kind in ("int", "long", "enum"):
            return self.longs(starts)[1]
        if kind in ("bytes", "string"):
            sizes, bodies = self.longs(starts)
            return bodies + sizes
        if kind == "record":
            return self.ends(node.children[-1]) if node.children else starts
        if kind == "union":
            ends = np.empty(len(starts), np.int64)
            for number, branch in enumerate(node.children):
                ends[self.chosen(node) == number] = self.ends(branch)
            return ends
        return starts + {"null": 0, "boolean": 1, "float": 4, "double": 8}.get(kind, node.size)

    def longs(self, starts: Positions) -> tuple[Positions, Positions]:
        """Read numbers of variable length, and say where each ends."""
        data = self.data
        if not len(starts):
            return starts, starts
        first = data[starts]
        raw = (first & 127).astype(np.uint64)
        ends = starts + 1
        more = np.flatnonzero(first > 127)
        for place in range(1, MAX_VARINT):
            if not len(more):
                break
            byte = data[ends[more]]
            raw[more] |= (byte & 127).astype(np.uint64) << np.uint64(7 * place)
            ends[more] += 1
            more = more[byte > 127]
        return ((raw >> np.uint64(1)) ^ (~(raw & np.uint64(1)) + np.uint64(1))).view(np.int64), ends

    def values(self, node: Node) -> pa.Array:
        """Read what a scalar node holds, in its Arrow type.

        Raises:
            InputError: a value is none of its type: a text that is not UTF-8, a number that is too large.
        """
        kind, starts = node.kind, self.places(node).starts
        if kind == "null":
            return pa.nulls(len(starts))
        if kind in ("int", "long"):
            return self._numbers(node, self.longs(starts)[0])
        if kind == "enum":
            symbols = pa.array(node.symbols, pa.string())
            return pa.DictionaryArray.from_arrays(pa.array(self.longs(starts)[0].astype(np.int32)), symbols)
        if kind == "boolean":
            byte = self.data[starts]
            self._refuse(node, byte > 1, "a boolean is neither 0 nor 1")
            return pa.array(byte == 1)
        if kind in ("float", "double"):
            width = 4 if kind == "float" else 8
            parts = self._matrix(starts, width)
            return pa.array(parts.view("<f4" if width == 4 else "<f8").reshape(-1))
        if kind == "fixed":
            return self._fixed(node, starts)
        ends = self.ends(node)
        found = slices(self.data, self.longs(starts)[1], ends)
        if kind == "string":
            return self._texts(node, found)
        return self._decimals(node, found) if pa.types.is_decimal(node.arrow) else found

    def _numbers(self, node: Node, numbers: Positions) -> pa.Array:
        if node.kind == "long":
            plain = pa.array(numbers)
            if pa.types.is_time(node.arrow):
                self._refuse(node, (numbers < 0) | (numbers >= 86_400_000_000), "a time of day is beyond the day")
            return plain if node.arrow == pa.int64() else plain.view(node.arrow)
        self._refuse(node, numbers != numbers.astype(np.int32), "an int is larger than 32 bits")
        plain = pa.array(numbers.astype(np.int32))
        if pa.types.is_time(node.arrow):
            self._refuse(node, (numbers < 0) | (numbers >= 86_400_000), "a time of day is beyond the day")
        return plain if node.arrow == pa.int32() else plain.view(node.arrow)

    def _texts(self, node: Node, found: pa.Array) -> pa.Array:
        texts = pa.Array.from_buffers(pa.string(), len(found), found.buffers())
        try:
            texts.validate(full=True)
            return texts
        except pa.ArrowInvalid:
            pass
        bad = np.array([not _is_utf8(each) for each in found.to_pylist()], np.bool_)
        self._refuse(node, bad, "a text is not UTF-8")
        return texts

    def _fixed(self, node: Node, starts: Positions) -> pa.Array:
        matrix = self._matrix(starts, node.size)
        if pa.types.is_decimal(node.arrow):
            return self._decimal_of(node, matrix)
        if node.size == 0:
            return pa.array([b""] * len(starts), pa.binary())
        return pa.Array.from_buffers(node.arrow, len(starts), [None, pa.py_buffer(matrix)])

    def _decimals(self, node: Node, found: pa.Array) -> pa.Array:
        """Read decimals of any length, right-aligned in a matrix whose front repeats the sign."""
        width = node.arrow.bit_width // 8
        if not len(found):
            return self._decimal_of(node, np.zeros((0, width), np.uint8))
        bounds = np.frombuffer(found.buffers()[1], np.int32, len(found) + 1).astype(np.int64)
        sizes = np.diff(bounds)
        self._refuse(node, (sizes > width) | (sizes == 0), "a decimal is empty or longer than its precision needs")
        data = np.frombuffer(found.buffers()[2], np.uint8)
        column = np.arange(width) - (width - sizes)[:, None]
        matrix = data[np.maximum(column, 0) + bounds[:-1, None]]
        sign = np.where(matrix[np.arange(len(matrix)), width - sizes] > 127, 255, 0).astype(np.uint8)
        return self._decimal_of(node, np.where(column < 0, sign[:, None], matrix))

    def _decimal_of(self, node: Node, big: Bytes) -> pa.Array:
        """Make decimals of two's complements, the high byte first, of any width."""
        width = node.arrow.bit_width // 8
        count, given = big.shape
        sign = np.where(big[:, :1] > 127, 255, 0).astype(np.uint8)
        if given > width:
            self._refuse(node, (big[:, : given - width] != sign).any(axis=1), "a decimal has too many digits")
            big = big[:, given - width :]
        elif given < width:
            big = np.concatenate([np.repeat(sign, width - given, axis=1), big], axis=1)
        little = np.ascontiguousarray(big[:, ::-1])
        found = pa.Array.from_buffers(node.arrow, count, [None, pa.py_buffer(little)])
        try:
            found.validate(full=True)
            return found
        except pa.ArrowInvalid:
            pass
        self._refuse(node, np.ones(count, np.bool_), "a decimal has more digits than its precision")
        return found

    def _matrix(self, starts: Positions, width: int) -> Bytes:
        return cast(Bytes, self.data[starts[:, None] + np.arange(width)])

    def _refuse(self, node: Node, bad: npt.NDArray[Any], message: str) -> None:
        if bad.any():
            rows = self.places(node).rows[np.flatnonzero(bad)]
            error = InputError(message, hint="correct the file, or give the field a rule that does not read it")
            error.place = {"record": str(int(rows[0]))}
            raise error


def optional(union: Node, columns: Columns) -> pa.Array:
    """Read a union of null and one scalar type as one column with nulls."""
    [branch] = union.branches()
    valid = columns.chosen(union) == union.children.index(branch)
    values = columns.values(branch)
    return values if valid.all() else scatter(values, valid)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
