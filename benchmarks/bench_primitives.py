"""Measure the two keyed primitives beside their peers, on one core, in one run.

    python benchmarks/bench_primitives.py [--rows 1000000] [--json results.json]

Times are CPU time in nanoseconds a value, the least and the median of several runs. What counts are the ratios:
they were taken on the same machine, minutes apart at most.
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is imported

import argparse
import hashlib
import hmac
import importlib
import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dmengine.ff1 import FF1, encrypt_text
from dmengine.prf import cmac

KEY = bytes(range(32))
DIGITS = "0123456789"
PACKAGES = ("dmengine", "numpy", "pyarrow", "cryptography", "polars", "polars-hash", "duckdb", "ff3", "libffx")


@dataclass(frozen=True, slots=True)
class Result:
    work: str
    rows: int
    ns_min: float | None  # None: not installed
    ns_median: float | None


def measured(work: str, rows: int, run: Callable[[], object] | None, repeat: int = 7) -> Result:
    """Time a piece of work that is bound already; the first run warms up and does not count."""
    if run is None:
        return Result(work, rows, None, None)
    times = []
    for _ in range(repeat + 1):
        start = time.process_time()
        run()
        times.append((time.process_time() - start) / rows * 1e9)
    return Result(work, rows, round(min(times[1:]), 1), round(statistics.median(times[1:]), 1))


def installed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def cmac_results(rows: int, width: int) -> list[Result]:
    """The PRF of distinct texts of one width, beside hashes that people mask with."""
    texts = [f"{row:0{width}d}" for row in range(rows)]
    column, some = pa.array(texts), [text.encode() for text in texts[: min(rows, 50_000)]]
    return [
        measured(f"copy of the batch, {width} bytes (the floor)", rows, lambda: pa.concat_arrays([column, column[:0]])),
        measured(f"dmengine AES-CMAC, {width} bytes", rows, lambda: cmac(KEY, column)),
        measured(
            f"loop of hmac.digest sha256, {width} bytes",
            len(some),
            lambda: [hmac.digest(KEY, value, "sha256") for value in some],
        ),
        measured(
            f"loop of keyed blake2b, {width} bytes",
            len(some),
            lambda: [hashlib.blake2b(value, key=KEY, digest_size=16).digest() for value in some],
        ),
        measured(f"polars-hash blake3 (unkeyed), {width} bytes", rows, polars_blake3(column)),
        measured(f"DuckDB md5 (unkeyed), {width} bytes", rows, duckdb_md5(column)),
    ]


def ff1_results(rows: int, length: int) -> list[Result]:
    """FF1 of texts of decimal digits, beside the packages that do it a value at a time."""
    texts = [f"{row * 7_919:0{length}d}" for row in range(rows)]
    column, few = pa.array(texts), texts[: min(rows, 2_000)]
    digits = np.frombuffer(column.buffers()[2], np.uint8).reshape(rows, length) - ord("0")
    cipher = FF1(KEY, 10)
    return [
        measured(f"dmengine FF1, {length} digits, digits to digits", rows, lambda: cipher.encrypt_digits(digits)),
        measured(f"dmengine FF1, {length} digits, text to text", rows, lambda: encrypt_text(cipher, DIGITS, column)),
        measured(f"libffx (FF1), {length} digits", len(few), libffx(few), 3),
        measured(f"ff3 (FF3-1), {length} digits", len(few), ff3(few), 3),
    ]


def polars_blake3(column: pa.Array) -> Callable[[], object] | None:
    polars, hashes = installed("polars"), installed("polars_hash")
    if polars is None or hashes is None:
        return None
    frame = polars.DataFrame({"value": polars.from_arrow(column)})
    return lambda: frame.select(hashes.col("value").chash.blake3())


def duckdb_md5(column: pa.Array) -> Callable[[], object] | None:
    duckdb = installed("duckdb")
    if duckdb is None:
        return None
    connection = duckdb.connect(config={"threads": 1})
    connection.register("arrow_values", pa.table({"value": column}))
    connection.execute("create table texts as select value from arrow_values")
    return lambda: connection.execute("select count(md5(value)), max(md5(value)) from texts").fetchall()


def libffx(texts: list[str]) -> Callable[[], object] | None:
    package = installed("ffx")
    if package is None:
        return None
    cipher = package.FF1(KEY, radix=10)
    return lambda: [cipher.encrypt(text) for text in texts]


def ff3(texts: list[str]) -> Callable[[], object] | None:
    package = installed("ff3")
    if package is None:
        return None
    cipher = package.FF3Cipher(KEY.hex(), "D8E7920AFA330A")
    return lambda: [cipher.encrypt(text) for text in texts]


def ratios(results: list[Result]) -> dict[str, float | str]:
    """How many times our least time goes into a peer's: the claims that the README makes."""
    least = {result.work: result.ns_min for result in results}

    def times(peer: str, ours: str) -> float | str:
        other, own = least[peer], least[ours]
        return "not installed" if other is None or own is None else round(other / own, 1)

    cmac_12, digits_16 = "dmengine AES-CMAC, 12 bytes", "dmengine FF1, 16 digits, digits to digits"
    text_16 = "dmengine FF1, 16 digits, text to text"
    return {
        "hmac.digest loop / CMAC, 12 bytes": times("loop of hmac.digest sha256, 12 bytes", cmac_12),
        "polars-hash blake3 / CMAC, 12 bytes": times("polars-hash blake3 (unkeyed), 12 bytes", cmac_12),
        "ff3 / FF1, 16 digits": times("ff3 (FF3-1), 16 digits", digits_16),
        "ff3 / FF1, 16 digits, text to text": times("ff3 (FF3-1), 16 digits", text_16),
        "libffx / FF1, 16 digits": times("libffx (FF1), 16 digits", digits_16),
    }


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "cores_used": 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the keyed primitives beside their peers, on one core.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    results = [*cmac_results(arguments.rows, 12), *cmac_results(arguments.rows, 30)]
    results += ff1_results(arguments.rows // 4, 16)
    facts, found = machine(), ratios(results)

    print(f"{facts['cpu']}, one core, Python {facts['python']}; CPU time, ns a value\n")
    print(f"{'work':<52}{'rows':>10}{'min':>11}{'median':>11}")
    for result in results:
        shown = [f"{ns:,.1f}" if ns is not None else "not inst." for ns in (result.ns_min, result.ns_median)]
        print(f"{result.work:<52}{result.rows:>10,}{shown[0]:>11}{shown[1]:>11}")
    print()
    for claim, times in found.items():
        print(f"{claim:<52}{times:>10}" + ("x" if isinstance(times, float) else ""))
    if arguments.json:
        report = {"machine": facts, "results": [asdict(result) for result in results], "ratios": found}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
