"""JSON documents and XML in and out, beside a plain copy: `python -m benchmarks.bench_documents`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.bench_jsonl import MASKED, copy, flat_record
from benchmarks.filespeed import Measured, command, rewrite, timed
from dmengine.connectors import JsonDocument, JsonLines, XmlDocument
from dmengine.spi import Format

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


def measure(rows: int, rounds: int) -> list[Measured]:
    """Time copying, reading and masking of each file, in turns."""
    results: list[Measured] = []
    for name, (form, content) in files(rows).items():
        work: dict[str, Callable[[], object]] = {
            "copy": partial(copy, content),
            "nothing replaced": partial(rewrite, form, content, ()),
            "3 fields replaced": partial(rewrite, form, content, MASKED),
        }
        results += timed(name, rows, len(content), rounds, work)
    return results


def main() -> None:
    command(__doc__, measure, rows=ROWS, rounds=ROUNDS)


if __name__ == "__main__":
    main()
