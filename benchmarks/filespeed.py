"""What benchmarks of file formats share: the work of masking, contenders timed in turns, a table of MB a second."""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa

from benchmarks.machine import facts
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records

POOL: Final = pa.array(["Zoe Example", "Max Example", "Ute Example", "Kim Example"])


@dataclass(frozen=True, slots=True)
class Measured:
    """What one contender needed for one file.

    Attributes:
        mb: Megabytes (10^6) of the file.
        seconds_min: CPU time of the process, the least of all rounds.
        mb_per_s: Megabytes by the least time.
    """

    work: str
    file: str
    rows: int
    mb: float
    seconds_min: float
    seconds_median: float
    mb_per_s: float


def timed(
    name: str, rows: int, size: int, rounds: int, contenders: Mapping[str, Callable[[], object]]
) -> list[Measured]:
    """Time contenders in turns on one file.

    Args:
        name: The file's.
        rows: How many records it has.
        size: How many bytes.
        rounds: How often each contender has its turn.
        contenders: What each does, by its name.
    """
    times: dict[str, list[float]] = {work: [] for work in contenders}
    for _ in range(rounds):
        for work, act in contenders.items():
            start = time.process_time()
            act()
            times[work].append(time.process_time() - start)
    mb = size / 1e6
    return [
        Measured(work, name, rows, round(mb, 1), min(taken), statistics.median(taken), round(mb / min(taken), 1))
        for work, taken in times.items()
    ]


def rewrite(form: Format, content: bytes, names: Sequence[str]) -> None:
    """Check the names in every record, and put texts that are at hand in the places of some fields."""
    rewrite_file(form, io.BytesIO(content), io.BytesIO(), names)


def rewrite_file(form: Format, source: BinaryIO, target: BinaryIO, names: Sequence[str]) -> None:
    """Do so from file to file."""
    paths = [FieldPath.parse(name) for name in names]
    stream = form.read(source)

    def changed() -> Iterator[Records]:
        for records in stream.batches:
            assert records.num_rows == 0 or list(records.fields(paths))
            for path in paths:
                found = records.select(path)
                picks = [POOL.take(pa.array(np.arange(len(one.values)) % len(POOL))) for one in found]
                records = records.replace(path, [one.with_values(new) for one, new in zip(found, picks, strict=True)])
            yield records

    form.write(replace(stream, batches=changed()), target)


def command(about: str | None, measure: Callable[[int, int], list[Measured]], *, rows: int, rounds: int) -> None:
    """Run a benchmark as its command line says, print a table, and write JSON where asked.

    Args:
        about: What `--help` says.
        measure: Takes the number of rows and of rounds.
        rows: How many rows, unless said otherwise.
        rounds: How many rounds.
    """
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--rows", type=int, default=rows)
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--json", metavar="FILE", help="write the results there too")
    given = options.parse_args()
    results = measure(given.rows, given.rounds)
    print(f"{'file':<18}{'work':<50}{'MB':>8}{'MB/s':>9}{'s min':>9}{'s median':>10}")
    for r in results:
        print(f"{r.file:<18}{r.work:<50}{r.mb:>8}{r.mb_per_s:>9}{r.seconds_min:>9.3f}{r.seconds_median:>10.3f}")
    if given.json:
        told: dict[str, Any] = {"machine": facts(), "results": [asdict(r) for r in results]}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=2)
