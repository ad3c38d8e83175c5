"""JSON documents and XML in and out, beside a plain copy: `python -m benchmarks.bench_documents`."""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa

from benchmarks.bench_jsonl import MASKED, Measured, copy, flat_record
from benchmarks.machine import facts
from dmengine.connectors import JsonDocument, JsonLines, XmlDocument
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records

ROWS: Final = 20_000
ROUNDS: Final = 5


def files(rows: int) -> dict[str, tuple[Format, bytes]]:
    """Make files of the same records of twelve attributes."""
    records = [flat_record(i) for i in range(rows)]
    texts = [json.dumps(record, separators=(",", ":")) for record in records]
    people = ("".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in record.items()) for record in records)
    return {
        "JSON Lines": (JsonLines(), "\n".join(texts).encode()),
        "JSON, one list": (JsonDocument(), f"[{','.join(texts)}]".encode()),
        "JSON, indented": (JsonDocument(), json.dumps(records, indent=2).encode()),
        "JSON, envelope": (
            JsonDocument(records="items", envelope=("n",)),
            f'{{"n":{rows},"items":[{",".join(texts)}]}}'.encode(),
        ),
        "XML": (
            XmlDocument(records="person"),
            b"<people>" + "\n".join(f"<person>{person}</person>" for person in people).encode() + b"</people>",
        ),
    }


def rewrite(form: Format, content: bytes, names: tuple[str, ...]) -> None:
    """Check the names in every record, and put values that are at hand in the places of some fields."""
    paths = [FieldPath.parse(name) for name in names]
    pool = pa.array(["Zoe Example", "Max Example", "Ute Example", "Kim Example"])
    stream = form.read(io.BytesIO(content))

    def changed() -> Iterator[Records]:
        for records in stream.batches:
            assert records.num_rows == 0 or list(records.fields(paths))
            for path in paths:
                found = records.select(path)
                picks = [pool.take(pa.array(np.arange(len(one.values)) % 4)) for one in found]
                records = records.replace(path, [one.with_values(new) for one, new in zip(found, picks, strict=True)])
            yield records

    form.write(replace(stream, batches=changed()), io.BytesIO())


def measure(rows: int, rounds: int) -> list[Measured]:
    """Time copying, reading and masking of each file, in turns."""
    results = []
    for name, (form, content) in files(rows).items():
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for work, masked in (("copy", None), ("nothing replaced", ()), ("3 fields replaced", MASKED)):
                start = time.process_time()
                copy(content) if masked is None else rewrite(form, content, masked)
                times.setdefault(work, []).append(time.process_time() - start)
        for work, taken in times.items():
            least, middle, mb = min(taken), statistics.median(taken), len(content) / 1e6
            results.append(Measured(work, name, rows, round(mb, 1), least, middle, round(mb / least)))
    return results


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--json", metavar="FILE", help="write the results there too")
    given = options.parse_args()
    results = measure(given.rows, given.rounds)
    print(f"{'file':<18}{'work':<20}{'MB/s':>8}{'s min':>9}{'s median':>10}")
    for r in results:
        print(f"{r.file:<18}{r.work:<20}{r.mb_per_s:>8}{r.seconds_min:>9.3f}{r.seconds_median:>10.3f}")
    if given.json:
        told: dict[str, Any] = {"machine": facts(), "results": [asdict(r) for r in results]}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=2)


if __name__ == "__main__":
    main()
