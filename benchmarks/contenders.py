"""One tool doing the end-to-end work once, in a process of its own: `python -m benchmarks.contenders NAME IN OUT`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import peak_mb
from benchmarks.people import MASKED, SCHEMA, People

if TYPE_CHECKING:
    from dmengine import Ruleset

THREADS: Final = 2
KEY: Final = "8f1d3c5b7a90e2d4c6b8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5f"
WARM_ROWS: Final = 5_000


def plain_copy(source: Path, target: Path) -> None:
    """The floor: read a row group with all threads, write it, read the next; fsync at the end."""
    file = pq.ParquetFile(source)
    rows = file.metadata.row_group(0).num_rows
    with open(target, "wb") as out:
        with pq.ParquetWriter(out, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(rows, use_threads=True):
                writer.write_batch(batch, row_group_size=rows)
        out.flush()
        os.fsync(out.fileno())


def rules() -> Ruleset:
    """Return what becomes of people: seven of their columns are masked."""
    import dmengine as dm
    from dmengine.maskers import Email, FirstName, Fpe, LastName, Lookup

    return dm.Ruleset(
        [
            dm.Rule("first_name", FirstName()),
            dm.Rule("last_name", LastName()),
            dm.Rule("email", Email()),
            dm.Rule(["phone", "card"], Fpe()),
            dm.Rule("street", Lookup("street")),
            dm.Rule("city", Lookup("city")),
            dm.keep("id", "amount", "created", because="no meaning outside"),
        ]
    )


def dmengine(source: Path, target: Path) -> None:
    """A whole run: plan, journal, read, mask, seal, fsync, commit, publish, clean up."""
    import dmengine as dm
    from dmengine.connectors import LocalFiles

    dm.run(
        LocalFiles(source),
        LocalFiles(target.parent),
        rules(),
        dm.Key.from_bytes(bytes.fromhex(KEY)),
        workers=THREADS,
        progress=False,
    )


def duckdb_md5(source: Path, target: Path) -> None:
    """Seven salted MD5 hashes as text. No word lists, no form kept, no key worth the name: less work than ours."""
    import duckdb

    columns = [f"md5('{KEY}' || {name}) as {name}" if name in MASKED else name for name in SCHEMA.names]
    rows = pq.ParquetFile(source).metadata.row_group(0).num_rows
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.execute(
            f"copy (select {', '.join(columns)} from read_parquet('{source}')) to '{target}' "
            f"(format parquet, compression zstd, row_group_size {rows})"
        )
    _sync(target)


def polars_hash(source: Path, target: Path) -> None:
    """Seven seeded 64-bit hashes as text, streaming. Neither keyed nor one-way: far less work than ours."""
    import polars

    rows = pq.ParquetFile(source).metadata.row_group(0).num_rows
    hashed = [polars.col(name).hash(seed=20_231_124).cast(polars.String) for name in MASKED]
    frame = polars.scan_parquet(source).with_columns(hashed)
    frame.sink_parquet(target, compression="zstd", row_group_size=rows)
    _sync(target)


CONTENDERS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "copy": plain_copy,
    "dmengine": dmengine,
    "duckdb": duckdb_md5,
    "polars": polars_hash,
}


def installed(name: str) -> bool:
    """Say whether the package behind a contender is there."""
    return name == "copy" or importlib.util.find_spec(name) is not None


def _sync(target: Path) -> None:
    with open(target, "rb") as file:
        os.fsync(file.fileno())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)  # read when polars is imported
    pa.set_cpu_count(THREADS)
    work = CONTENDERS[given.name]
    with tempfile.TemporaryDirectory() as folder:  # imports, word lists and the like are loaded before the clock starts
        warm = People(WARM_ROWS).file(Path(folder))
        work(warm, Path(folder, "out.parquet"))
    wall, cpu = time.perf_counter(), time.process_time()
    work(given.source, given.target)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"seconds": wall, "cpu_seconds": cpu, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
