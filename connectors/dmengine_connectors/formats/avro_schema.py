"""The schema of an Avro file: a tree with a node for each place of a value, and Arrow types where they fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from dmengine.errors import InputError
from dmengine.paths import EACH, VALUES, FieldPath, Step

PRIMITIVES: Final[dict[str, pa.DataType]] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
LOGICAL: Final[dict[tuple[str, str], pa.DataType]] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("ms", "UTC"),
    ("long", "timestamp-micros"): pa.timestamp("us", "UTC"),
    ("long", "timestamp-nanos"): pa.timestamp("ns", "UTC"),
    ("long", "local-timestamp-millis"): pa.timestamp("ms"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
    ("long", "local-timestamp-nanos"): pa.timestamp("ns"),
}
MAX_DEPTH: Final = 64
MAX_NODES: Final = 10_000
MAX_PRECISION: Final = 76
"""The digits of Arrow's widest decimal; one of more is read as its bytes."""
_HINT: Final = "write the file anew with a library that follows the Avro specification"


@dataclass(eq=False, repr=False)
class Node:
    """One place in the schema. A type that is used at two places has two nodes.

    Attributes:
        kind: `null`, `boolean`, `int`, `long`, `float`, `double`, `bytes`, `string`, `fixed`, `enum`, `record`,
            `array`, `map`, `union`; `again` is a record within itself, which no path enters.
        parent: The node around it.
        children: The fields of a record, branches of a union, the items of an array, the values of a map.
        names: The fields' names.
        name: The full name of a record, an enum or a fixed.
        arrow: The Arrow type of a single value.
        size: The bytes of a fixed.
        symbols: The symbols of an enum.
    """

    kind: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    name: str = ""
    arrow: Any = None
    size: int = 0
    symbols: tuple[str, ...] = ()

    @property
    def is_container(self) -> bool:
        """Whether it holds other values."""
        return self.kind in ("record", "array", "map", "again")

    @property
    def is_optional(self) -> bool:
        """Whether it is a union of null and one type."""
        return self.kind == "union" and sorted(child.kind == "null" for child in self.children) == [False, True]

    def steps(self) -> Iterator[tuple[Step, Node]]:
        """Name the steps into it; unions have none of their own."""
        if self.kind == "record":
            for name, child in zip(self.names, self.children, strict=True):
                yield Step("name", name), child
        elif self.kind in ("array", "map"):
            yield (EACH if self.kind == "array" else VALUES), self.children[0]

    def branches(self) -> list[Node]:
        """Return what is really there: the branches of a union that are not null, or the node itself."""
        if self.kind != "union":
            return [self]
        return [branch for branch in self.children if branch.kind != "null"]


def read_schema(text: bytes) -> Node:
    """Read the JSON of a schema.

    >>> node = read_schema(b'{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "string"]}]}')
    >>> [str(path) for path in paths(node)]
    ['a']

    Raises:
        InputError: it is no schema, or one of more than 10,000 places or 64 levels.
    """
    return _read(text)[0]


def named_types(text: bytes) -> dict[str, tuple[Mapping[str, Any], str]]:
    """Return the types that a schema gives a name to: the JSON of each, and the namespace within it."""
    return _read(text)[1].named


def _read(text: bytes) -> tuple[Node, _Reader]:
    reader = _Reader()
    problem = ""
    try:
        node = reader.node(json.loads(text), None, "", 0)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        problem = type(error).__name__
    if problem:
        raise InputError(f"the schema of the Avro file is not valid ({problem})", hint=_HINT)
    return node, reader


def paths(root: Node, opened: tuple[FieldPath, ...] = ()) -> Iterator[FieldPath]:
    """Name the leaves, and the containers that hold none of the `opened` paths, each once."""
    yield from dict.fromkeys(_presented(root, FieldPath(()), opened))


def at_path(root: Node, path: FieldPath) -> list[Node]:
    """Return the nodes that a path means: several where branches of a union have the same field."""
    found = [root]
    for wanted in path.steps:
        found = [
            child for node in found for branch in node.branches() for step, child in branch.steps() if step == wanted
        ]
    return found


def nodes(root: Node) -> Iterator[Node]:
    """Return a node and all below it."""
    yield root
    for child in root.children:
        yield from nodes(child)


def arrow_schema(root: Node) -> pa.Schema | None:
    """Return the schema in Arrow's types, or None where a value may be of several types, or holds its own type."""
    if root.kind != "record":
        return None
    fields = [_arrow_field(name, child) for name, child in zip(root.names, root.children, strict=True)]
    return None if any(each is None for each in fields) else pa.schema(fields)


def _arrow_field(name: str, node: Node) -> pa.Field | None:
    if node.kind == "union":
        if not node.is_optional:
            return None
        inner = _arrow_field(name, node.branches()[0])
        return inner if inner is None else inner.with_nullable(True)
    kind = _arrow_type(node)
    return None if kind is None else pa.field(name, kind, node.kind == "null")


def _arrow_type(node: Node) -> pa.DataType | None:
    if not node.is_container:
        return node.arrow
    if node.kind == "again":
        return None
    names = {"array": ["item"], "map": ["value"]}.get(node.kind, node.names)
    fields = [_arrow_field(name, child) for name, child in zip(names, node.children, strict=True)]
    if any(each is None for each in fields):
        return None
    if node.kind == "array":
        return pa.list_(fields[0])
    return pa.map_(pa.string(), fields[0]) if node.kind == "map" else pa.struct(fields)


def _presented(node: Node, path: FieldPath, opened: tuple[FieldPath, ...]) -> Iterator[FieldPath]:
    for branch in node.branches() or [node]:
        steps = list(branch.steps())
        if path.steps and not any(_leads_into(other, path, steps) for other in opened):
            yield path
            continue
        for step, child in steps:
            yield from _presented(child, path.child(step), opened)


def _leads_into(wanted: FieldPath, path: FieldPath, steps: list[tuple[Step, Node]]) -> bool:
    depth = len(path.steps)
    return (
        len(wanted.steps) > depth
        and FieldPath(wanted.steps[:depth]).covers(path)
        and any(wanted.steps[depth].covers(step) for step, _ in steps)
    )


class _Reader:
    """Makes nodes of JSON, and remembers the types that have names."""

    def __init__(self) -> None:
        self.named: dict[str, tuple[Mapping[str, Any], str]] = {}
        self._open: list[str] = []
        self._count = 0

    def node(self, given: Any, parent: Node | None, space: str, depth: int) -> Node:
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise InputError(
                f"the schema of the Avro file has more than {MAX_NODES:,} places or {MAX_DEPTH} levels",
                hint="give the masks to the parts of it: write the file anew with fewer fields",
            )
        if isinstance(given, list):
            return self._union(given, parent, space, depth)
        if isinstance(given, str):
            return self._reference(given, parent, space, depth)
        kind = given["type"]
        if not isinstance(kind, str):
            return self.node(kind, parent, space, depth + 1)
        make: dict[str, Callable[[Mapping[str, Any], Node | None, str, int], Node]] = {
            "record": self._record, "error": self._record, "enum": self._enum, "fixed": self._fixed,
            "array": self._array, "map": self._map,
        }  # fmt: skip
        if kind in make:
            return make[kind](given, parent, space, depth)
        if kind in PRIMITIVES:
            return Node(kind, parent, arrow=_logical(kind, given))
        return self._reference(kind, parent, space, depth)

    def _reference(self, name: str, parent: Node | None, space: str, depth: int) -> Node:
        if name in PRIMITIVES:
            return Node(name, parent, arrow=PRIMITIVES[name])
        full = full_name(name, space)
        full = full if full in self.named else name
        given, around = self.named[full]
        if full in self._open:
            return Node("again", parent, name=full)
        return self._made(given, full, parent, around, depth)

    def _union(self, given: list[Any], parent: Node | None, space: str, depth: int) -> Node:
        node = Node("union", parent)
        node.children = [self.node(branch, node, space, depth + 1) for branch in given]
        kinds = [child.name or child.kind for child in node.children]
        if not kinds or len(set(kinds)) < len(kinds) or "union" in kinds:
            raise InputError("a union in the schema of the Avro file is empty, nested, or has a type twice", hint=_HINT)
        return node

    def _record(self, given: Mapping[str, Any], parent: Node | None, space: str, depth: int) -> Node:
        return self._made(given, self._define(given, space), parent, space, depth)

    def _enum(self, given: Mapping[str, Any], parent: Node | None, space: str, depth: int) -> Node:
        return self._made(given, self._define(given, space), parent, space, depth)

    _fixed = _enum

    def _array(self, given: Mapping[str, Any], parent: Node | None, space: str, depth: int) -> Node:
        node = Node("array", parent)
        node.children = [self.node(given["items"], node, space, depth + 1)]
        return node

    def _map(self, given: Mapping[str, Any], parent: Node | None, space: str, depth: int) -> Node:
        node = Node("map", parent)
        node.children = [self.node(given["values"], node, space, depth + 1)]
        return node

    def _define(self, given: Mapping[str, Any], space: str) -> str:
        name, own = str(given["name"]), given.get("namespace")
        full = full_name(name, str(own) if own is not None else space)
        if full in self.named and self.named[full][0] is not given:  # within a type that is used twice: the same one
            raise InputError("the schema of the Avro file defines a name twice", hint=_HINT)
        self.named[full] = given, full.rpartition(".")[0]
        return full

    def _made(self, given: Mapping[str, Any], full: str, parent: Node | None, space: str, depth: int) -> Node:
        kind = given["type"]
        if kind == "enum":
            symbols = tuple(map(str, given["symbols"]))
            return Node("enum", parent, name=full, symbols=symbols, arrow=pa.dictionary(pa.int32(), pa.string()))
        if kind == "fixed":
            size = _natural(given["size"])
            return Node("fixed", parent, name=full, size=size, arrow=_fixed_type(size, given))
        node = Node("record", parent, name=full)
        self._open.append(full)
        inside = self.named[full][1]
        for each in given["fields"]:
            node.names.append(str(each["name"]))
            node.children.append(self.node(each["type"], node, inside, depth + 1))
        self._open.pop()
        if len(set(node.names)) < len(node.names):
            raise InputError("a record in the schema of the Avro file has two fields of one name", hint=_HINT)
        return node


def full_name(name: str, space: str) -> str:
    """Return a name with its namespace."""
    return name if "." in name or not space else f"{space}.{name}"


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise ValueError("not a size")
    return value


def _logical(kind: str, given: Mapping[str, Any]) -> pa.DataType:
    logical = given.get("logicalType")
    if kind == "bytes" and logical == "decimal":
        return _decimal(given, None) or pa.binary()
    return LOGICAL.get((kind, str(logical)), PRIMITIVES[kind])


def _fixed_type(size: int, given: Mapping[str, Any]) -> pa.DataType:
    plain = pa.binary(size) if size else pa.binary()
    return (_decimal(given, size) or plain) if given.get("logicalType") == "decimal" else plain


def _decimal(given: Mapping[str, Any], size: int | None) -> pa.DataType | None:
    """Return the type of a decimal; one whose precision or scale makes no sense is its bytes, as Avro wants it."""
    precision, scale = given.get("precision"), given.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision:
        return None
    if not 1 <= precision <= MAX_PRECISION or (size is not None and 10**precision > 1 << max(0, 8 * size - 1)):
        return None
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
