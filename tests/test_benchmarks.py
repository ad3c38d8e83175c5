"""Tests of the benchmarks: that they run, check what they measure, and say on what machine."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.__main__ import QUICK  # noqa: E402
from benchmarks.checking import check_masked  # noqa: E402
from benchmarks.machine import facts  # noqa: E402
from benchmarks.people import MASKED, SCHEMA, People  # noqa: E402


def test_one_command_measures_end_to_end_and_writes_json(tmp_path: Path) -> None:
    """`python -m benchmarks --quick --only end_to_end --json FILE` measures a run beside the copy."""
    report = tmp_path / "new" / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "end_to_end", "--json", str(report)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    assert found["machine"]["packages"]["pyarrow"] == pa.__version__
    measured = found["benchmarks"]["end_to_end"]["results"]
    assert {"copy", "dmengine"} <= {result["work"] for result in measured}
    ours = [result for result in measured if result["work"] == "dmengine"]
    assert {result["distinct"] for result in ours} == {1.0, 0.005}
    assert all(result[name] > 0 for result in ours for name in ("seconds_min", "times_copy", "peak_mb", "bytes_out"))


def test_buckets_are_masked_beside_a_plain_copy(tmp_path: Path) -> None:
    """`python -m benchmarks --quick --only s3` masks from bucket to bucket, and counts calls, memory and the server."""
    report = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "s3", "--json", str(report)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    measured = json.loads(report.read_text())["benchmarks"]["s3"]["results"]
    assert {(one["case"], one["work"]) for one in measured} == {
        (case, work) for case in ("small", "csv") for work in ("copy", "sealed copy", "dmengine")
    }
    assert all(0 < one["peak_mb"] < one["limit_mb"] and one["server_cpu_seconds"] >= 0 for one in measured)
    assert all(one["calls"]["GET"] >= one["objects"] for one in measured)


def test_every_benchmark_has_a_module() -> None:
    """Each name that `--only` takes is a file, and each file of a benchmark has a name."""
    files = {path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")}

    assert files == set(QUICK)


@pytest.mark.parametrize("distinct", [1.0, 0.02])
def test_people_are_as_distinct_as_asked(tmp_path: Path, distinct: float) -> None:
    """The files hold the share of distinct values that their name says, and are the same ones every time."""
    people = People(5_000, distinct)

    table = pq.read_table(people.file(tmp_path))

    assert table.schema == SCHEMA
    assert all(abs(pc.count_distinct(table[name]).as_py() - 5_000 * distinct) <= 2 for name in MASKED)
    assert table.equals(pa.concat_tables(people.tables()))


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        ("email", lambda values: values),
        ("city", lambda values: values[::-1]),
        ("id", lambda values: [7] * len(values)),
    ],
)
def test_a_target_that_is_not_masked_is_no_result(tmp_path: Path, column: str, wrong: Callable[[Any], Any]) -> None:
    """An original in its own row or in another one is refused, and so is a kept column that changed."""
    source, target = People(50).file(tmp_path), tmp_path / "target.parquet"
    columns = pq.read_table(source).to_pydict()
    masked = {name: [text[::-1] for text in values] if name in MASKED else values for name, values in columns.items()}
    pq.write_table(pa.table(masked, SCHEMA), target)
    check_masked(source, target)

    pq.write_table(pa.table(masked | {column: wrong(columns[column])}, SCHEMA), target)

    with pytest.raises(AssertionError, match=column):
        check_masked(source, target)


def test_machine_facts_hold_no_host_name() -> None:
    """What is published about the machine does not name it."""
    assert platform.node() not in json.dumps(facts())
