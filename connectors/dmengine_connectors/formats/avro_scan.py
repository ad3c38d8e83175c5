"""Walks once over the bytes of Avro records: checks their structure, and notes where records and elements begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from dmengine.errors import InputError
from dmengine_connectors.formats.avro_schema import Node

FIXED, VARINT, BYTES, UNION, SEQUENCE, COLLECTION, AGAIN, CHOICE = range(8)
Op = tuple[int, Any]
"""What to skip, with its argument: a number of bytes, the ops of branches by the byte before, an `Elements`."""

MAX_EMPTY: Final = 1 << 20
"""Records and elements that take no byte may be as many as this in a batch: a few bytes can claim any number."""
MAX_DEPTH: Final = 64
_JUMP: Final = [(byte >> 1) + 1 if byte < 128 and not byte & 1 else 0 for byte in range(256)]
"""How far a string goes whose length takes one byte; 0: its length is longer, or negative."""


class BrokenError(Exception):
    """The bytes are not what the schema says; `args` hold a text without any value."""


@dataclass(eq=False, repr=False)
class Elements:
    """What a walk notes of the arrays, maps or recursive records at one place, in their order.

    Attributes:
        starts: Where each element begins (in a map: its key).
        counts: How many elements each array or map has.
        ends: Where each array, map or recursive record ends.
    """

    starts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class _Skip:
    """How to skip an array or a map."""

    ops: list[Op]
    size: int
    keys: bool
    notes: Elements | None


@dataclass(eq=False, repr=False)
class Walk:
    """One walk over a batch: its ops, and what it has noted.

    Attributes:
        sized: Blocks of arrays and maps that say how many bytes they take: where the block's head begins, where its
            elements begin and end, and how many they are.
    """

    ops: list[Op]
    notes: dict[Node, Elements]
    starts: list[int] = field(default_factory=list)
    sized: list[tuple[int, int, int, int]] = field(default_factory=list)
    empty: int = 0
    depth: int = 0

    @staticmethod
    def of(root: Node) -> Walk:
        """Make a walk ready for the records of a schema."""
        notes: dict[Node, Elements] = {}
        records: dict[str, list[Op]] = {}
        _collect(root, records)
        return Walk(_ops(root, notes, records), notes)

    def block(self, text: bytes, start: int, end: int, count: int) -> None:
        """Walk over the records of a block.

        Raises:
            InputError: it does not hold just so many records; with the number of the record, counted in this batch.
        """
        problem = ""
        position = start
        try:
            position = self._records(text, start, count)
        except IndexError:
            problem = "the record goes on beyond its block"
        except RecursionError:
            problem = f"nested deeper than {MAX_DEPTH} levels"
        except BrokenError as error:
            problem = str(error)
        if not problem and position != end:
            problem = "the block holds more, or less, than its records"
        if problem:
            refusal = InputError(
                f"an Avro record is damaged: {problem}", hint="copy the file again, or leave it out of the run"
            )
            refusal.place = {"record": str(max(len(self.starts) - 1, 0))}
            raise refusal

    def _records(self, text: bytes, position: int, count: int) -> int:
        ops, note = self.ops, self.starts.append
        for _ in range(count):
            note(position)
            position, before = self._skip(ops, text, position), position
            if position == before:
                self._count_empty(1)
        return position

    def _count_empty(self, count: int) -> None:
        self.empty += count
        if self.empty > MAX_EMPTY:
            raise BrokenError(f"more than {MAX_EMPTY:,} values in a row take no byte")

    def _skip(self, ops: list[Op], text: bytes, at: int) -> int:
        """Skip what the ops say, and return where it ends. This is the hot path: it calls nothing for scalars."""
        jump = _JUMP
        for op, arg in ops:
            if op == UNION:
                op, arg = arg[text[at]]
                at += 1
            if op == BYTES:
                step = jump[text[at]]
                if step:
                    at += step
                else:
                    size, at = long_at(text, at)
                    if size < 0:
                        raise BrokenError("a length is negative")
                    at += size
            elif op == VARINT:
                if text[at] > 127:
                    at = _after_varint(text, at)
                else:
                    at += 1
            elif op == FIXED:
                at += arg
            elif op == SEQUENCE:
                at = self._skip(arg, text, at)
            elif op == COLLECTION:
                at = self._collection(arg, text, at)
            else:
                at = self._rare(op, arg, text, at)
        return at

    def _rare(self, op: int, arg: Any, text: bytes, at: int) -> int:
        """Skip a record within itself; check a choice of few: a boolean, an enum, or the branch of a large union."""
        if op == AGAIN:
            ops, notes = arg
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise BrokenError(f"nested deeper than {MAX_DEPTH} levels")
            at = self._skip(ops, text, at)
            self.depth -= 1
            if notes is not None:
                notes.ends.append(at)
            return at
        if op == CHOICE and isinstance(arg, int):
            chosen, at = long_at(text, at)
            if 0 <= chosen < arg:
                return at
        raise BrokenError("a branch of a union, or a symbol of an enum, is not in the schema")

    def _collection(self, skip: _Skip, text: bytes, at: int) -> int:
        notes, total = skip.notes, 0
        while True:
            head = at
            count, at = long_at(text, at)
            if count == 0:
                break
            sized = count < 0
            if sized:
                count = -count
                size, at = long_at(text, at)
            body = at
            at = self._elements(skip, text, at, count)
            if sized:
                if at - body != size:
                    raise BrokenError("a block of elements is not as long as it says")
                self.sized.append((head, body, at, count))
            total += count
        if notes is not None:
            notes.counts.append(total)
            notes.ends.append(at)
        return at

    def _elements(self, skip: _Skip, text: bytes, at: int, count: int) -> int:
        note = skip.notes.starts if skip.notes is not None else None
        if skip.size >= 0:
            end = at + count * skip.size
            if skip.size == 0:
                self._count_empty(count)
            elif end > len(text):
                raise IndexError
            if note is not None:
                note.extend(range(at, end, skip.size) if skip.size else [at] * count)
            return end
        if count > len(text) + MAX_EMPTY:
            raise IndexError
        for _ in range(count):
            before = at
            if note is not None:
                note.append(at)
            if skip.keys:
                size, at = long_at(text, at)
                if size < 0:
                    raise BrokenError("a length is negative")
                at += size
            at = self._skip(skip.ops, text, at)
            if at == before:
                self._count_empty(1)
        return at


def long_at(text: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length, and return it with where it ends.

    >>> long_at(bytes([0x80, 0x01]), 0), long_at(bytes([0x01]), 0)
    ((64, 2), (-1, 1))
    """
    byte = text[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    end = _after_varint(text, at)
    value = 0
    for place, each in enumerate(text[at:end]):
        value |= (each & 127) << 7 * place
    return (value >> 1) ^ -(value & 1), end


def _after_varint(text: bytes, at: int) -> int:
    last = at + 9
    while text[at] > 127:
        at += 1
        if at > last:
            raise BrokenError("a number is longer than ten bytes")
    if at == last and text[at] > 1:
        raise BrokenError("a number is longer than 64 bits")
    return at + 1


def _collect(node: Node, records: dict[str, list[Op]]) -> None:
    """Make ops for records that hold themselves: these note nothing, for no path leads into them."""
    again: dict[str, Node] = {}
    known: dict[str, Node] = {}
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.kind == "record":
            known.setdefault(each.name, each)
        if each.kind == "again":
            again[each.name] = each
        waiting += each.children
    for name in again:
        records[name] = []
    for name in again:
        records[name] += _ops(known[name], None, records)


def _ops(node: Node, notes: dict[Node, Elements] | None, records: dict[str, list[Op]]) -> list[Op]:
    if node.kind == "record":
        ops: list[Op] = []
        for child in node.children:
            ops += _ops(child, notes, records)
        return _joined(ops)
    return [_op(node, notes, records)]


def _op(node: Node, notes: dict[Node, Elements] | None, records: dict[str, list[Op]]) -> Op:
    kind = node.kind
    if kind in ("int", "long"):
        return VARINT, 0
    if kind in ("bytes", "string"):
        return BYTES, 0
    if kind in ("boolean", "enum"):
        return CHOICE if kind == "enum" else FIXED, len(node.symbols) or 1
    if kind in ("array", "map"):
        kept = None if notes is None else notes.setdefault(node, Elements())
        ops = _ops(node.children[0], notes, records)
        size = sum(arg for _, arg in ops) if node.kind == "array" and all(op == FIXED for op, _ in ops) else -1
        return COLLECTION, _Skip(ops, size, node.kind == "map", kept)
    if kind == "again":
        return AGAIN, (records[node.name], None if notes is None else notes.setdefault(node, Elements()))
    if kind == "union":
        return UNION, _branches([_ops(child, notes, records) for child in node.children])
    return FIXED, {"null": 0, "float": 4, "double": 8}.get(kind, node.size)


def _branches(ops: list[list[Op]]) -> list[Op]:
    """Return the op for each byte that a branch's number may be; unions of more than 64 branches are refused."""
    if len(ops) > 64:
        raise InputError("a union in the schema has more than 64 branches", hint="split the file by what it holds")
    table: list[Op] = [(CHOICE, None)] * 256
    for number, each in enumerate(ops):
        single = len(each) == 1 and each[0][0] != UNION
        table[2 * number] = each[0] if single else (SEQUENCE, each)
    return table


def _joined(ops: list[Op]) -> list[Op]:
    """Put neighbours of fixed size together."""
    joined: list[Op] = []
    for op, arg in ops:
        if op == FIXED and joined and joined[-1][0] == FIXED:
            joined[-1] = FIXED, joined[-1][1] + arg
        elif (op, arg) != (FIXED, 0):
            joined.append((op, arg))
    return joined
