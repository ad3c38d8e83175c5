"""CSV in, CSV out, beside a plain copy of the bytes and beside Arrow: `python -m benchmarks.bench_csv`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv

from benchmarks.filespeed import Measured, command, timed
from dmengine.paths import FieldPath
from dmengine.spi import Records
from dmengine_connectors.formats.codecs import Codec, compressed, decompressed
from dmengine_connectors.formats.csv import Csv

ROWS: Final = 500_000
ROUNDS: Final = 7
DIGITS: Final = (9, 6, 8, 10, 4, 12, 7, 5, 9, 8)  # one column each
REPLACED: Final = (1, 4, 7)


def make_file(rows: int, quoted: tuple[int, ...], line_end: str) -> bytes:
    """Make a file of ten columns of distinct digits."""
    random = np.random.default_rng(7)
    made = [random.integers(0, 10**digits, rows).astype(str) for digits in DIGITS]
    cells = [np.char.add(np.char.add('"', c), '"') if i in quoted else c for i, c in enumerate(made)]
    header = ",".join(f"c{index}" for index in range(len(DIGITS)))
    return line_end.join([header, *(",".join(row) for row in zip(*cells, strict=True)), ""]).encode()


def copy(content: bytes) -> None:
    """Copy the bytes in blocks, the floor of all work."""
    source, target = io.BytesIO(content), io.BytesIO()
    while block := source.read(1 << 20):
        target.write(block)


def rewrite(content: bytes, columns: tuple[int, ...], new: pa.Array, codec: Codec = "plain") -> None:
    """Read and write through the format, with the cells of some columns replaced by values that are at hand."""
    stream = Csv().read(decompressed(io.BytesIO(content), codec))

    def changed() -> Iterator[Records]:
        for records in stream.batches:
            for column in columns:
                path = FieldPath.of(f"c{column}")
                (found,) = records.select(path)
                records = records.replace(path, [found.with_values(new.slice(0, records.num_rows))])
            yield records

    with compressed(io.BytesIO(), codec) as target:
        Csv().write(replace(stream, batches=changed()), target)


def by_arrow(content: bytes, columns: tuple[int, ...], new: pa.Array) -> None:
    """Do the same with Arrow's reader and writer, on one thread, all as text."""
    names = [f"c{index}" for index in range(len(DIGITS))]
    options = pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    blocks = pc_csv.ReadOptions(use_threads=False, block_size=1 << 20)
    reader = pc_csv.open_csv(io.BytesIO(content), blocks, convert_options=options)
    with pc_csv.CSVWriter(
        io.BytesIO(), reader.schema, write_options=pc_csv.WriteOptions(quoting_style="needed")
    ) as out:
        for batch in reader:
            for column in columns:
                batch = batch.set_column(column, names[column], new.slice(0, len(batch)))
            out.write_batch(batch)


def contenders(content: bytes, new: pa.Array) -> dict[str, Callable[[], None]]:
    """Name the work on one file."""
    zipped = io.BytesIO()
    with compressed(zipped, "gzip") as target:
        target.write(content)
    return {
        "copy": lambda: copy(content),
        "dmengine, nothing replaced": lambda: rewrite(content, (), new),
        "dmengine, 1 of 10 columns replaced": lambda: rewrite(content, REPLACED[1:2], new),
        "dmengine, 3 of 10 columns replaced": lambda: rewrite(content, REPLACED, new),
        "dmengine, gzip to gzip, 3 of 10 columns replaced": lambda: rewrite(zipped.getvalue(), REPLACED, new, "gzip"),
        "pyarrow, nothing replaced": lambda: by_arrow(content, (), new),
        "pyarrow, 3 of 10 columns replaced": lambda: by_arrow(content, REPLACED, new),
    }


def measure(rows: int, rounds: int) -> list[Measured]:
    """Time all contenders in turns, on all files."""
    files = {"no quotes": ((), "\n"), "CRLF": ((), "\r\n"), "3 columns quoted": (REPLACED, "\n")}
    files["all quoted"] = (tuple(range(len(DIGITS))), "\n")
    new = pa.array(np.random.default_rng(8).integers(0, 10**8, 200_000).astype(str))
    results: list[Measured] = []
    for name, (quoted, line_end) in files.items():
        content = make_file(rows, quoted, line_end)
        results += timed(name, rows, len(content), rounds, contenders(content, new))
    return results


def main() -> None:
    command(__doc__, measure, rows=ROWS, rounds=ROUNDS)


if __name__ == "__main__":
    main()
