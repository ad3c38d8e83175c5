"""Avro files for tests: schemas and values of every kind, written by fastavro."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
from hypothesis import strategies as st

from dmengine.paths import FieldPath
from dmengine.spi import Records
from dmengine_connectors.formats.avro import Avro

Change = Callable[[pa.Array], pa.Array]
UTC = dt.timezone.utc  # noqa: UP017  # one spelling for Python 3.11 and fastavro

LEAVES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "boolean": ("boolean", st.booleans()),
    "int": ("int", st.integers(-(2**31), 2**31 - 1)),
    "long": ("long", st.integers(-(2**63), 2**63 - 1)),
    "float": ("float", st.floats(width=32, allow_nan=False)),
    "double": ("double", st.floats(allow_nan=False)),
    "bytes": ("bytes", st.binary(max_size=200)),
    "string": ("string", st.text(st.characters(exclude_categories=["Cs"]), max_size=100)),
    "date": ({"type": "int", "logicalType": "date"}, st.dates()),
    "time-millis": ({"type": "int", "logicalType": "time-millis"}, st.times().map(lambda t: t.replace(microsecond=0))),
    "time-micros": ({"type": "long", "logicalType": "time-micros"}, st.times()),
    "timestamp-micros": (
        {"type": "long", "logicalType": "timestamp-micros"},
        st.datetimes(min_value=dt.datetime(1900, 1, 1), timezones=st.just(UTC)),
    ),
    "local-timestamp-micros": (
        {"type": "long", "logicalType": "local-timestamp-micros"}, st.datetimes(min_value=dt.datetime(1900, 1, 1)),
    ),
    "decimal": (
        {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3},
        st.integers(-(10**20) + 1, 10**20 - 1).map(lambda n: Decimal(n).scaleb(-3)),
    ),
    "uuid": ({"type": "string", "logicalType": "uuid"}, st.uuids()),
}  # fmt: skip


def avro(schema: Any, records: Sequence[Any], **options: Any) -> bytes:
    """Write records by fastavro."""
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), records, **options)
    return file.getvalue()


def record(name: str, /, **fields: Any) -> dict[str, Any]:
    """Make the schema of a record."""
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def read(content: bytes) -> list[Any]:
    """Read records by fastavro, with the names of the branches of unions."""
    return list(fastavro.reader(io.BytesIO(content), return_record_name=True))


def header(content: bytes) -> Any:
    """Open a file by fastavro."""
    return fastavro.reader(io.BytesIO(content))


def blocks(content: bytes) -> list[int]:
    """Return how many records each block has."""
    return [block.num_records for block in fastavro.block_reader(io.BytesIO(content))]


def plain(content: bytes) -> list[bytes]:
    """Return the plain bytes of each block."""
    found: Any = fastavro.block_reader(io.BytesIO(content))
    return [block.bytes_.getvalue() for block in found]


def rewritten(content: bytes, act: Callable[[Records], Records] = lambda r: r, form: Avro | None = None) -> bytes:
    """Read a file, change each batch, and write it again."""
    form, out = form or Avro(), io.BytesIO()
    stream = form.read(io.BytesIO(content))
    form.write(replace(stream, batches=(act(batch) for batch in stream.batches)), out)
    return out.getvalue()


def changing(path: str, change: Change) -> Callable[[Records], Records]:
    """Make a change of all values at a path."""
    where = FieldPath.parse(path)

    def act(records: Records) -> Records:
        found = records.select(where)
        return records.replace(where, [one.with_values(change(one.values)) for one in found])

    return act


def selected(content: bytes, path: str, form: Avro | None = None) -> list[list[Any]]:
    """Return what is at a path: a list for each selection, over all batches."""
    found = []
    for batch in (form or Avro()).read(io.BytesIO(content)).batches:
        found += [one.values.to_pylist() for one in batch.select(FieldPath.parse(path))]
    return found


@st.composite
def files(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """Draw a schema of a record, nested to any small depth, and records of it."""
    names = (f"T{number}" for number in range(10_000))
    fields, values = {}, {}
    for number in range(draw(st.integers(1, 5))):
        kind, strategy = draw(types(names, 3))
        fields[f"f{number}"], values[f"f{number}"] = kind, strategy
    records = draw(st.lists(st.fixed_dictionaries(values), max_size=12))
    return record("Root", **fields), records


@st.composite
def types(draw: st.DrawFn, names: Iterable[str], depth: int) -> tuple[Any, st.SearchStrategy[Any]]:
    """Draw a type, and a strategy for its values."""
    names = iter(names)
    simple = ["leaf", "leaf", "leaf", "enum", "fixed", "optional leaf"]
    kind = draw(st.sampled_from([*simple, "record", "array", "map", "optional", "union"] if depth else simple))
    if kind == "leaf":
        return LEAVES[draw(st.sampled_from(sorted(LEAVES)))]
    if kind == "optional leaf":
        given, strategy = LEAVES[draw(st.sampled_from(sorted(LEAVES)))]
        order = ["null", given] if draw(st.booleans()) else [given, "null"]
        return order, st.none() | strategy
    if kind == "enum":
        return {"type": "enum", "name": next(names), "symbols": ["A", "B", "C"]}, st.sampled_from("ABC")
    if kind == "fixed":
        size = draw(st.integers(1, 20))
        return {"type": "fixed", "name": next(names), "size": size}, st.binary(min_size=size, max_size=size)
    if kind == "record":
        inner = {f"g{i}": draw(types(names, depth - 1)) for i in range(draw(st.integers(1, 3)))}
        shape = record(next(names), **{name: given for name, (given, _) in inner.items()})
        return shape, st.fixed_dictionaries({name: strategy for name, (_, strategy) in inner.items()})
    if kind == "union":
        return ["string", "null", "long", {"type": "map", "values": "int"}], (
            st.none()
            | st.text("abc")
            | st.integers(-9, 9)
            | st.dictionaries(st.text("ab", max_size=3), st.integers(0, 9))
        )
    given, strategy = draw(types(names, depth - 1))
    if kind == "array":
        return {"type": "array", "items": given}, st.lists(strategy, max_size=4)
    if kind == "map":
        return {"type": "map", "values": given}, st.dictionaries(st.text(max_size=5), strategy, max_size=4)
    if isinstance(given, list):
        return given, strategy
    return ["null", given], st.none() | strategy
