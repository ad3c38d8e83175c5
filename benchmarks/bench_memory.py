"""How much memory a whole run needs, for files of many sizes: each in a process of its own, imports included."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.bench_end_to_end import CACHE, once
from benchmarks.checking import check_masked
from benchmarks.contenders import THREADS
from benchmarks.machine import facts
from benchmarks.people import People

LIMIT_MB: Final = 600
MILLION: Final = 1_000_000
CASES: Final = (
    People(MILLION),
    People(MILLION, 0.005),
    People(MILLION, one_group=True),
    People(20 * MILLION),
    People(20 * MILLION, one_group=True),
)


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory of one run, in megabytes (10^6 bytes)."""

    rows: int
    distinct: float
    row_groups: int
    file_mb: float
    seconds: float
    peak_mb: float
    limit_mb: int = LIMIT_MB


def run(cases: tuple[People, ...]) -> list[Peak]:
    """Mask each file once."""
    return [measure(case) for case in cases]


def measure(case: People) -> Peak:
    """Mask one file; check what came out."""
    source = case.file(CACHE)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        target = Path(folder, source.name)
        found = once("dmengine", source, target)
        check_masked(source, target, whole=case.rows <= MILLION)
    return Peak(
        case.rows,
        case.distinct,
        pq.read_metadata(source).num_row_groups,
        round(source.stat().st_size / 1e6, 1),
        round(found["seconds"], 2),
        found["peak_mb"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no file of more than a million rows")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    machine = facts() | {"threads": THREADS}
    results = run(tuple(case for case in CASES if case.rows <= MILLION or not given.quick))
    print(f"{'rows':>11}{'distinct':>9}{'groups':>7}{'file MB':>9}{'seconds':>9}{'peak MB':>9}{'limit':>7}")
    for r in results:
        print(f"{r.rows:>11,}{r.distinct:>9.1%}{r.row_groups:>7}{r.file_mb:>9.1f}{r.seconds:>9.2f}", end="")
        print(f"{r.peak_mb:>9.0f}{r.limit_mb:>7}{'' if r.peak_mb < r.limit_mb else '  TOO MUCH'}")
    if given.json:
        given.json.write_text(
            json.dumps({"machine": machine, "results": [asdict(r) for r in results]}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
