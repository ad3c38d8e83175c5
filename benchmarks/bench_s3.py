"""Bucket to bucket, with every object masked: a whole run beside plain copies through the same client."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from benchmarks.bench_end_to_end import CACHE
from benchmarks.checking import check_masked
from benchmarks.machine import facts
from benchmarks.people import MASKED, People
from benchmarks.s3_work import SOURCE, TARGET, WORKS

ROOT: Final = Path(__file__).parents[1]
LIMIT_MB: Final = 600
SMALL_ROWS: Final = 150  # about 20 KB
LATENCY: Final = 0.02  # seconds before an answer, as from a bucket in the same region
BLOCK_ROWS: Final = 131_072


@dataclass(frozen=True, slots=True)
class Case:
    """What lies in the source bucket.

    Attributes:
        files: How many objects.
        mb: Megabytes of each where there is one; the small ones have about 20 KB.
        suffix: Its format.
        latency: Seconds that each call waits for its answer.
        at_once: How many objects every way has under way at the same time.
    """

    name: str
    files: int
    mb: int = 0
    suffix: str = ""
    latency: float = 0.0
    at_once: int = 2

    def folder(self) -> Path:
        """Return the folder with the objects; make them if they are not there yet."""
        folder = CACHE / f"s3-v1-{self.files}-{self.mb}{self.suffix or '-mixed'}"
        if not folder.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
                made = Path(unfinished, "made")
                made.mkdir()
                if self.suffix:
                    _make_large(made / f"people{self.suffix}", self.mb)
                else:
                    _make_small(made, self.files)
                made.rename(folder)
        return folder


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way needed for one case, over all rounds.

    Attributes:
        times_copy: The median, over the rounds, of its wall time by that of the plain copy in the same round.
        calls: Requests that the server answered, of all kinds.
        server_cpu_seconds: Processor time of the server, which has the same cores.
        load: What else ran on the machine before the first round, over one minute.
    """

    case: str
    work: str
    objects: int
    mb: float
    at_once: int
    latency_ms: int
    seconds_min: float
    seconds_median: float
    cpu_seconds_min: float
    server_cpu_seconds: float
    times_copy: float
    mb_per_s: float
    calls: dict[str, int]
    peak_mb: float
    load: float
    limit_mb: int = LIMIT_MB


def cases(*, quick: bool) -> list[Case]:
    """Return what is measured: many small objects, at once and with answers that take their time; large ones."""
    if quick:
        return [Case("small", 30, at_once=8), Case("csv", 1, 64, ".csv")]
    return [
        Case("small", 2_000, at_once=8), Case("small, far", 2_000, latency=LATENCY, at_once=8),
        Case("csv", 1, 2_000, ".csv"), Case("csv.gz", 1, 500, ".csv.gz"), Case("parquet", 1, 2_000, ".parquet"),
    ]  # fmt: skip


def measure(case: Case, rounds: int, works: list[str]) -> list[Measured]:
    """Go through all ways in turn, round after round, each with a server and a process of its own."""
    folder = case.folder()
    load = facts()["load_1_minute"]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name in works:
            runs[name].append(once(case, name, folder))
    mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    return [_measured(case, name, runs, mb, load) for name in works]


def once(case: Case, name: str, folder: Path) -> dict[str, Any]:
    """Do it once, and check what came out."""
    with server(folder, case.latency) as endpoint, server(_warm_folder(), 0) as warm:
        command = [
            sys.executable,
            "-m",
            "benchmarks.s3_work",
            name,
            endpoint,
            "--warm",
            warm,
            "--at-once",
            str(case.at_once),
        ]
        before = _used(endpoint)["cpu_seconds"]  # what loading took
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
        found: dict[str, Any] = json.loads(done.stdout)
        used = _used(endpoint)
        found |= {"server_cpu_seconds": used["cpu_seconds"] - before, "calls": used["asked"]}
        _check(endpoint, folder, masked=name == "dmengine")
    return found


@contextmanager
def server(folder: Path, latency: float) -> Iterator[str]:
    """Start a server that has a folder's files in the source bucket; bodies lie in memory, if it can be."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as bodies:
        command = [sys.executable, "-m", "benchmarks.s3_server", bodies, "--load", SOURCE, str(folder)]
        process = subprocess.Popen(
            [*command, "--latency", str(latency)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.communicate()


def _used(endpoint: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{endpoint}/_used") as answer:  # our own server
        found: dict[str, Any] = json.loads(answer.read())
    return found


def _warm_folder() -> Path:
    return Case("warm", 3).folder()


def _measured(case: Case, name: str, runs: dict[str, list[dict[str, Any]]], mb: float, load: float) -> Measured:
    own = runs[name]
    seconds = [one["seconds"] for one in own]
    ratios = [one / other["seconds"] for one, other in zip(seconds, runs.get("copy", own), strict=True)]
    return Measured(
        case=case.name,
        work=name,
        objects=case.files,
        mb=round(mb, 1),
        at_once=case.at_once,
        latency_ms=round(case.latency * 1000),
        seconds_min=round(min(seconds), 2),
        seconds_median=round(statistics.median(seconds), 2),
        cpu_seconds_min=round(min(one["cpu_seconds"] for one in own), 2),
        server_cpu_seconds=round(min(one["server_cpu_seconds"] for one in own), 2),
        times_copy=round(statistics.median(ratios), 2),
        mb_per_s=round(mb / min(seconds), 1),
        calls=own[0]["calls"],
        peak_mb=max(one["peak_mb"] for one in own),
        load=load,
    )


# ------------------------------------------------------------------------------------------ what lies in the buckets


def _make_small(folder: Path, files: int) -> None:
    table = pa.concat_tables(People(files * SMALL_ROWS).tables())
    writers: list[tuple[str, Callable[[pa.Table, Path], None]]] = [
        ("csv", pacsv.write_csv), ("jsonl", _write_jsonl), ("parquet", pq.write_table)
    ]  # fmt: skip
    for number in range(files):
        suffix, write = writers[number % 3]
        write(table.slice(number * SMALL_ROWS, SMALL_ROWS), folder / f"{number:05d}.{suffix}")


def _write_jsonl(table: pa.Table, path: Path) -> None:
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()))


def _make_large(path: Path, mb: int) -> None:
    """Write a file of so many megabytes: the same rows over and over, which hides nothing from a mask."""
    table = pa.concat_tables(People(2 * BLOCK_ROWS).tables())
    if path.suffix == ".parquet":
        with open(path, "wb") as file, pq.ParquetWriter(file, table.schema, compression="zstd") as writer:
            while file.tell() < mb * 1e6:
                writer.write_table(table, row_group_size=BLOCK_ROWS)
        return
    body = io.BytesIO()
    pacsv.write_csv(table, body)
    head, _, rest = body.getvalue().partition(b"\n")
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(head + b"\n")
        for _ in range(max(1, round(mb * 1e6 / len(rest)))):
            file.write(rest)


def _check(endpoint: str, folder: Path, *, masked: bool) -> None:
    """Refuse a target that lacks an object, or where the first of each format is not masked, or not copied."""
    from benchmarks.s3_work import session

    client = session(endpoint).client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=TARGET)
    there = {one["Key"] for page in pages for one in page.get("Contents", ()) if not one["Key"].startswith("_dmengine")}
    if there != {path.name for path in folder.iterdir()}:
        raise AssertionError("the target does not hold the objects of the source")
    first = {path.suffix: path for path in sorted(folder.iterdir(), reverse=True)}
    for source in first.values():
        with tempfile.TemporaryDirectory(dir=CACHE) as into:
            target = Path(into, source.name)
            client.download_file(TARGET, source.name, str(target))
            _compare(source, target, masked=masked)


def _compare(source: Path, target: Path, *, masked: bool) -> None:
    if not masked:
        if source.stat().st_size != target.stat().st_size:
            raise AssertionError(f"{source.name} was not copied")
    elif source.suffix == ".parquet":
        check_masked(source, target, whole=source.stat().st_size < 1e8)
    else:
        opened = gzip.open if source.suffix == ".gz" else open
        with opened(source, "rb") as before, opened(target, "rb") as after:
            _compare_lines(source.name, before.read(1 << 20), after.read(1 << 20))


def _compare_lines(name: str, before: bytes, after: bytes) -> None:
    """Refuse another header, an id that is not the same, or a text of the original in its place."""
    pairs = list(zip(before.splitlines(), after.splitlines(), strict=False))[1:-1]
    split = (lambda line: [str(v) for v in json.loads(line).values()]) if name.endswith(".jsonl") else _cells
    for one, other in pairs:
        rows = split(one), split(other)
        same = [a == b for a, b in zip(*rows, strict=True)]
        if not same[0] or any(same[1 : 1 + len(MASKED)]):
            raise AssertionError(f"{name} is not masked as it should be")


def _cells(line: bytes) -> list[str]:
    return [cell.strip('"') for cell in line.decode().split(",")]


def show_head() -> None:
    """Print the names of the columns."""
    print(f"{'case':<12}{'work':<13}{'objects':>8}{'MB':>7}{'min s':>8}{'median':>8}{'CPU s':>7}{'server':>8}", end="")
    print(f"{'MB/s':>7}{'x copy':>8}{'calls':>8}{'peak MB':>9}{'load':>6}", flush=True)


def show(results: list[Measured]) -> None:
    """Print some lines of the table."""
    for r in results:
        print(f"{r.case:<12}{r.work:<13}{r.objects:>8,}{r.mb:>7,.0f}{r.seconds_min:>8.2f}", end="")
        print(f"{r.seconds_median:>8.2f}", end="")
        print(f"{r.cpu_seconds_min:>7.2f}{r.server_cpu_seconds:>8.2f}{r.mb_per_s:>7.1f}{r.times_copy:>8.2f}", end="")
        print(f"{sum(r.calls.values()):>8,}{r.peak_mb:>9.0f}{r.load:>6.1f}", end="")
        print("" if r.peak_mb < r.limit_mb else "  TOO MUCH", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="to see that it works; the figures mean nothing")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="+", metavar="CASE", help="some of the cases")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rounds = given.rounds or (1 if given.quick else 3)
    chosen = [case for case in cases(quick=given.quick) if not given.only or case.name in given.only]
    results = []
    show_head()
    for case in chosen:
        found = measure(case, rounds, given.works)
        show(found)
        results += found
    if given.json:
        given.json.write_text(
            json.dumps({"machine": facts(), "results": [asdict(result) for result in results]}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
