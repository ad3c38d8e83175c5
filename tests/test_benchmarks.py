"""Tests of the benchmarks: that they run, check what they measure, and say on what machine."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import bench_maskers  # noqa: E402
from benchmarks.__main__ import QUICK  # noqa: E402
from benchmarks.checking import check_masked  # noqa: E402
from benchmarks.machine import facts  # noqa: E402
from benchmarks.mask_cases import CASES, Measured  # noqa: E402
from benchmarks.mask_columns import FEW, columns  # noqa: E402
from benchmarks.peers import MissingPeerError, Peer, Timed, measure_peer, same  # noqa: E402
from benchmarks.people import MASKED, SCHEMA, People  # noqa: E402
from dmengine.maskers import Case  # noqa: E402


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


def test_every_built_in_mask_is_measured() -> None:
    """Each entry point of `dmengine.maskers` has a case, so no mask goes without a figure."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    built_in = set(project["project"]["entry-points"]["dmengine.maskers"])

    missing = sorted(built_in - {case.mask.name for case in CASES})

    assert not missing, (
        f"no benchmark of: {', '.join(missing)}. Add `Measured(TheMask(...), column)` to CASES in "
        "benchmarks/mask_cases.py; the columns are made in benchmarks/mask_columns.py"
    )


def test_every_case_and_peer_names_a_column_that_is_made() -> None:
    """Each mask takes the column that it is measured on, and so does each mask that a peer stands beside."""
    made = columns(200)
    cases = bench_maskers.all_cases(bench_maskers.all_peers())

    results = [bench_maskers.measure(case, made, 1.0, 1) for case in cases]

    assert {len(made[case.column]) for case in cases} == {200}
    assert all(result.rows == 200 and result.min_ns > 0 for result in results)


@pytest.mark.parametrize("distinct", [1.0, 0.1, 0.001])
def test_columns_of_masks_are_as_distinct_as_asked(distinct: float) -> None:
    """A column has the share of distinct values that its table says."""
    made = columns(10_000, distinct)

    counted = {name: pc.count_distinct(values.cast(pa.string())).as_py()
               for name, values in made.items() if name not in FEW and name != "number"}  # fmt: skip

    assert {name: count for name, count in counted.items() if count != 10_000 * distinct} == {}


def test_the_benchmark_of_masks_lists_its_losses(tmp_path: Path) -> None:
    """`bench_maskers --quick` measures at three shares, and names each peer that is nearer than it may be."""
    report = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.bench_maskers", "--quick", "--only", "case", "--json", str(report)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "losses: " in done.stdout
    found = json.loads(report.read_text())
    assert {(result["mask"], result["distinct"]) for result in found["results"]} == {
        ("case to='upper'", share) for share in (1.0, 0.1, 0.001)
    }
    lost = [b for b in found["beside"] if b["times"] is not None and b["times"] < b["limit"]]
    assert found["losses"] == lost
    assert {b["tool"] for b in found["beside"]} == {"DuckDB", "Polars"}


def test_a_peer_that_does_something_else_is_no_result() -> None:
    """A peer is timed only if what it makes is what our mask makes."""
    values = pa.chunked_array([["ann", "bob"]])

    def measured(made: list[str]) -> Timed:
        peer = Peer("a tool", "upper", Case("upper"), "text", lambda column: lambda: made, same)
        return measure_peer(peer, values, lambda given: pa.array(["ANN", "BOB"]), 1)

    assert measured(["ANN", "BOB"]).min_ns is not None
    for wrong in (["Ann", "Bob"], ["ANN"]):
        with pytest.raises(AssertionError, match="a tool: upper"):
            measured(wrong)


def test_a_peer_that_is_not_installed_is_shown_as_such() -> None:
    """Without a peer the benchmark goes on, and says so instead of a figure."""

    def bind(column: pa.ChunkedArray) -> Callable[[], Any]:
        raise MissingPeerError("a tool")

    peer = Peer("a tool", "upper", Case("upper"), "text", bind, same)
    made = columns(50)
    ours = bench_maskers.measure(Measured(Case("upper"), "text"), made, 1.0, 1)

    found = bench_maskers.measure_beside(peer, made, ours, 1)

    assert (found.min_ns, found.times, found.lost) == (None, None, False)
