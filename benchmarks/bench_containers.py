"""Avro, ORC and Arrow IPC beside a plain copy by the usual library: `python -m benchmarks.bench_containers`."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import orc

from benchmarks.bench_jsonl import MASKED, flat_record
from benchmarks.machine import facts
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records
from dmengine_connectors.formats.arrow_ipc import ArrowIpc
from dmengine_connectors.formats.avro import Avro
from dmengine_connectors.formats.orc import Orc

ROWS: Final = 100_000
ROUNDS: Final = 5
POOL: Final = pa.array(["Zoe Example", "Max Example", "Ute Example", "Kim Example"])


@dataclass(frozen=True, slots=True)
class Measured:
    """What one contender needed for one file.

    Attributes:
        mb: Megabytes (10^6) of the file.
        seconds_min: CPU time of the process, the least of all rounds.
        mb_per_s: Megabytes by the least time.
    """

    file: str
    work: str
    rows: int
    mb: float
    seconds_min: float
    seconds_median: float
    mb_per_s: float


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


def rewrite(form: Format, content: bytes, names: tuple[str, ...]) -> None:
    """Read and write by dmengine, with texts that are at hand in the places of some fields."""
    stream = form.read(io.BytesIO(content))
    paths = [FieldPath.parse(name) for name in names]

    def changed() -> Iterator[Records]:
        for records in stream.batches:
            for path in paths:
                found = records.select(path)
                picks = [POOL.take(pa.array(np.arange(len(one.values)) % 4)) for one in found]
                records = records.replace(path, [one.with_values(new) for one, new in zip(found, picks, strict=True)])
            yield records

    form.write(replace(stream, batches=changed()), io.BytesIO())


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
    results = []
    for name, (content, form, copy) in files(rows).items():
        work: dict[str, Callable[[], None]] = {
            "copy by the library": lambda copy=copy, content=content: copy(content),  # type: ignore[misc]
            "dmengine, nothing replaced": lambda form=form, content=content: rewrite(form, content, ()),  # type: ignore[misc]
            "dmengine, 3 fields replaced": lambda form=form, content=content: rewrite(form, content, MASKED),  # type: ignore[misc]
        }
        times: dict[str, list[float]] = {each: [] for each in work}
        for _ in range(rounds):
            for each, act in work.items():
                start = time.process_time()
                act()
                times[each].append(time.process_time() - start)
        for each, taken in times.items():
            least, mb = min(taken), len(content) / 1e6
            middle = statistics.median(taken)
            results.append(Measured(name, each, rows, round(mb, 1), least, middle, round(mb / least, 1)))
    return results


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--json", metavar="FILE", help="write the results there too")
    given = options.parse_args()
    results = measure(given.rows, given.rounds)
    print(f"{'file':<16}{'work':<30}{'MB':>8}{'MB/s':>9}{'s min':>9}{'s median':>10}")
    for r in results:
        print(f"{r.file:<16}{r.work:<30}{r.mb:>8}{r.mb_per_s:>9}{r.seconds_min:>9.3f}{r.seconds_median:>10.3f}")
    if given.json:
        told: dict[str, Any] = {"machine": facts(), "results": [asdict(r) for r in results]}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=2)


if __name__ == "__main__":
    main()
