"""Parquet to Parquet, ten columns, seven masked: a whole run beside a plain copy and beside other tools."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.checking import check_masked, check_rows
from benchmarks.contenders import CONTENDERS, THREADS, installed
from benchmarks.machine import facts
from benchmarks.people import People
from benchmarks.per_value import Value, per_value

CACHE: Final = Path(tempfile.gettempdir(), "dmengine-benchmarks")
ROWS: Final = 1_000_000
ROUNDS: Final = 5
LIMIT: Final = 1.5
"""A whole run may take so many times the wall time of the copy."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one contender needed for one file, over all rounds.

    Attributes:
        mb: Megabytes of the file's Arrow data; what `mb_per_s` counts.
        times_copy: The median, over the rounds, of its wall time by that of the copy in the same round; below 1 is
            faster than the copy.
    """

    work: str
    rows: int
    distinct: float
    row_groups: int
    mb: float
    seconds_min: float
    seconds_median: float
    cpu_seconds_min: float
    rows_per_s: int
    mb_per_s: int
    times_copy: float
    times_copy_min: float
    peak_mb: float
    bytes_out: int


def run(rows: int, rounds: int, shapes: int = 4) -> list[Measured]:
    """Measure every installed contender on every shape of file."""
    every = [People(rows, distinct, one_group) for one_group in (False, True) for distinct in (1.0, 0.005)]
    return [result for shape in every[:shapes] for result in measure(shape, rounds)]


def measure(shape: People, rounds: int) -> list[Measured]:
    """Run the contenders in turn, round after round, each time in a new process; check what they wrote."""
    source = shape.file(CACHE)
    names = [name for name in CONTENDERS if installed(name)]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                target = Path(folder, source.name)
                runs[name].append(once(name, source, target) | {"bytes_out": target.stat().st_size})
                check = check_masked if name == "dmengine" else check_rows
                check(source, target)
    return [_measured(name, shape, source, runs[name], runs["copy"]) for name in names]


def once(name: str, source: Path, target: Path) -> dict[str, float]:
    """Let one contender do the work in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.contenders", name, str(source), str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measured(
    name: str, shape: People, source: Path, runs: list[dict[str, float]], copies: list[dict[str, float]]
) -> Measured:
    seconds = [one["seconds"] for one in runs]
    ratios = [one / other["seconds"] for one, other in zip(seconds, copies, strict=True)]
    mb = sum(batch.nbytes for batch in pq.ParquetFile(source).iter_batches()) / 1e6
    least = min(seconds)
    return Measured(
        work=name,
        rows=shape.rows,
        distinct=shape.distinct,
        row_groups=pq.read_metadata(source).num_row_groups,
        mb=round(mb, 1),
        seconds_min=round(least, 3),
        seconds_median=round(statistics.median(seconds), 3),
        cpu_seconds_min=round(min(one["cpu_seconds"] for one in runs), 3),
        rows_per_s=round(shape.rows / least),
        mb_per_s=round(mb / least),
        times_copy=round(statistics.median(ratios), 2),
        times_copy_min=round(least / min(other["seconds"] for other in copies), 2),
        peak_mb=max(one["peak_mb"] for one in runs),
        bytes_out=int(runs[0]["bytes_out"]),
    )


def show(results: list[Measured], values: list[Value]) -> None:
    """Print the tables."""
    print(f"{'work':<14}{'rows':>10}{'distinct':>9}{'groups':>7}{'min s':>8}{'median':>8}{'CPU s':>7}", end="")
    print(f"{'rows/s':>12}{'MB/s':>6}{'x copy':>8}{'by min':>8}{'peak MB':>9}")
    for r in results:
        print(f"{r.work:<14}{r.rows:>10,}{r.distinct:>9.1%}{r.row_groups:>7}{r.seconds_min:>8.2f}", end="")
        print(f"{r.seconds_median:>8.2f}{r.cpu_seconds_min:>7.2f}{r.rows_per_s:>12,}{r.mb_per_s:>6}", end="")
        print(f"{r.times_copy:>8.2f}{r.times_copy_min:>8.2f}{r.peak_mb:>9.0f}")
    ours = max(result.times_copy for result in results if result.work == "dmengine")
    if results[0].rows >= ROWS:  # of fewer rows, starting and ending a run is most of the work
        verdict = "kept" if ours <= LIMIT else "MISSED"
        print(f"\nA run takes {ours:.2f} times the copy at most; the limit of {LIMIT} is {verdict}.")
    print("\nMasked value by value, in Python, one thread:")
    for value in values:
        print(f"{value.work:<50}", f"{value.ns:>9,.0f} ns a value" if value.ns is not None else "not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="to see that it works; the figures mean nothing")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = given.rows or (20_000 if given.quick else ROWS)
    rounds = given.rounds or (1 if given.quick else ROUNDS)
    machine = facts() | {"threads": THREADS}
    results = run(rows, rounds, shapes=2 if given.quick else 4)
    values = per_value(2_000 if given.quick else 50_000)
    show(results, values)
    if given.json:
        every = [asdict(result) for result in results] + [asdict(value) for value in values]
        given.json.write_text(json.dumps({"machine": machine, "results": every}, indent=2) + "\n")


if __name__ == "__main__":
    main()
