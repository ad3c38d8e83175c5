"""Avro, ORC and Arrow IPC beside a plain copy by the usual library: `python -m benchmarks.bench_containers`."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pyarrow import orc

from benchmarks.bench_jsonl import MASKED, flat_record
from benchmarks.filespeed import Measured, command, rewrite, timed
from dmengine.spi import Format
from dmengine_connectors.formats.arrow_ipc import ArrowIpc
from dmengine_connectors.formats.avro import Avro
from dmengine_connectors.formats.orc import Orc

ROWS: Final = 100_000
ROUNDS: Final = 5


def avro_file(records: list[dict[str, Any]], codec: str) -> bytes:
    """Write the records by fastavro."""
    types = {int: "long", float: "double", bool: "boolean", str: "string"}
    fields = [{"name": name, "type": ["null", types[type(value)]]} for name, value in records[0].items()]
    file = io.BytesIO()
    fastavro = importlib.import_module("fastavro")
    fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, records, codec=codec)
    return file.getvalue()


def avro_copy(content: bytes) -> None:
    """Read and write all records by fastavro, the floor for those who work with it."""
    fastavro = importlib.import_module("fastavro")
    reader = fastavro.reader(io.BytesIO(content))
    fastavro.writer(io.BytesIO(), reader.writer_schema, reader, codec=reader.codec)


def orc_copy(content: bytes) -> None:
    """Read and write by pyarrow."""
    file = orc.ORCFile(io.BytesIO(content))
    orc.write_table(file.read(), io.BytesIO(), compression=file.compression)


def ipc_copy(content: bytes) -> None:
    """Read and write by pyarrow."""
    with pa.ipc.open_file(io.BytesIO(content)) as reader, pa.ipc.new_file(io.BytesIO(), reader.schema) as writer:
        for number in range(reader.num_record_batches):
            writer.write_batch(reader.get_batch(number))


def files(rows: int) -> dict[str, tuple[bytes, Format, Callable[[bytes], None]]]:
    """Make a file of each form."""
    records = [flat_record(i) for i in range(rows)]
    table, coded, plain = pa.Table.from_pylist(records), io.BytesIO(), io.BytesIO()
    orc.write_table(table, coded, compression="zstd")
    with pa.ipc.new_file(plain, table.schema) as writer:
        writer.write_table(table, 65_536)
    return {
        "avro, null": (avro_file(records, "null"), Avro(), avro_copy),
        "avro, deflate": (avro_file(records, "deflate"), Avro(), avro_copy),
        "avro, snappy": (avro_file(records, "snappy"), Avro(), avro_copy),
        "orc, zstd": (coded.getvalue(), Orc(), orc_copy),
        "arrow file": (plain.getvalue(), ArrowIpc(), ipc_copy),
    }


def measure(rows: int, rounds: int) -> list[Measured]:
    """Time all contenders in turns, on all files."""
    results: list[Measured] = []
    for name, (content, form, copy) in files(rows).items():
        work: dict[str, Callable[[], object]] = {
            "copy by the library": partial(copy, content),
            "dmengine, nothing replaced": partial(rewrite, form, content, ()),
            "dmengine, 3 fields replaced": partial(rewrite, form, content, MASKED),
        }
        results += timed(name, rows, len(content), rounds, work)
    return results


def main() -> None:
    command(__doc__, measure, rows=ROWS, rounds=ROUNDS)


if __name__ == "__main__":
    main()
