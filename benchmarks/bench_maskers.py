"""What every built-in mask costs for a value, beside what other tools need for the same.

    python -m benchmarks.bench_maskers [--rows 1000000] [--only MASK] [--json results.json]

Times are CPU time on one core, in nanoseconds a value: the least of several rounds. A column is masked by `mask_table`
in batches of 65,536 values, of which 100 %, 10 % or 0.1 % differ; what was planned, checked and counted is in the time.
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is imported

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.machine import facts
from benchmarks.mask_cases import CASES, LIMITS, Measured
from benchmarks.mask_columns import columns
from benchmarks.peers import Peer, measure_peer
from benchmarks.peers_expressions import expressions
from benchmarks.peers_generators import generators
from benchmarks.peers_operators import operators
from dmengine import Key, Rule, Ruleset, keep, mask_table
from dmengine.testing.context import TEST_KEY

SHARES: Final = (1.0, 0.1, 0.001)
Columns = dict[str, pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class Result:
    """One mask over one column; times are CPU time for one value."""

    mask: str
    column: str
    distinct: float
    rows: int
    bytes: int
    min_ns: float
    median_ns: float
    mb_per_s: float
    copy_ns: float
    limit_ns: float | None


@dataclass(frozen=True, slots=True)
class Beside:
    """One peer beside our mask; None: not installed."""

    tool: str
    does: str
    mask: str
    column: str
    distinct: float
    values: int
    min_ns: float | None
    median_ns: float | None
    ours_ns: float
    times: float | None
    limit: float
    less: str

    @property
    def lost(self) -> bool:
        """Whether ours is not as much faster as it is to be."""
        return self.times is not None and self.times < self.limit


def masking(case: Measured, made: Columns) -> Callable[[pa.ChunkedArray], pa.Table]:
    """Bind a mask; the fields that it reads lie beside its own."""
    reads = tuple(getattr(case.mask, "reads", ()))
    rules = Ruleset([Rule("value", case.mask, domain="benchmark"), *(keep(name, because="read") for name in reads)])
    key = Key.from_bytes(TEST_KEY)

    def masked(values: pa.ChunkedArray) -> pa.Table:
        table = pa.table({"value": values, **{name: made[name].slice(0, len(values)) for name in reads}})
        return mask_table(table, rules, key)

    return masked


def measure(case: Measured, made: Columns, distinct: float, rounds: int) -> Result:
    """Time a mask over its column, and a copy of the column."""
    column = made[case.column]
    masked = masking(case, made)
    masked(column)
    times, rows = sorted(_cpu(lambda: masked(column)) for _ in range(rounds)), len(column)
    floor = min(_cpu(lambda: _copied(column)) for _ in range(rounds))
    least, per = times[0], 1e9 / rows
    return Result(
        case.shown, case.column, distinct, rows, column.nbytes, least * per, statistics.median(times) * per,
        column.nbytes / least / 1e6, floor * per, LIMITS[case.kind],
    )  # fmt: skip


def _copied(column: pa.ChunkedArray) -> None:
    for batch in column.chunks:
        batch.take(pa.array(np.arange(len(batch))))


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_beside(peer: Peer, made: Columns, ours: Result, rounds: int) -> Beside:
    """Time a peer, and say how many times our mask goes into it."""
    masked = masking(Measured(peer.mask, peer.column), made)

    def own(values: pa.ChunkedArray) -> pa.Array:
        batches = masked(values).column(0).chunks
        return pa.concat_arrays(batches)

    found = measure_peer(peer, made[peer.column], own, rounds)
    times = None if found.min_ns is None else found.min_ns / ours.min_ns
    return Beside(
        peer.tool, peer.does, ours.mask, peer.column, ours.distinct, found.values, found.min_ns, found.median_ns,
        ours.min_ns, times, peer.limit, peer.less,
    )  # fmt: skip


def all_peers() -> tuple[Peer, ...]:
    """Return every way of every other tool."""
    return (*generators(), *operators(), *expressions())


def all_cases(peers: Iterable[Peer]) -> list[Measured]:
    """Return every mask to measure, those included that are there for a peer alone."""
    cases = list(CASES)
    known = {(repr(case.mask), case.column) for case in cases}
    for peer in peers:
        if (repr(peer.mask), peer.column) not in known:
            known.add((repr(peer.mask), peer.column))
            cases.append(Measured(peer.mask, peer.column))
    return cases


def run(rows: int, rounds: int, only: str) -> tuple[list[Result], list[Beside]]:
    """Measure all of it, one share of distinct values after the other."""
    peers = [peer for peer in all_peers() if only in ("", peer.mask.name)]
    cases = [case for case in all_cases(peers) if only in ("", case.mask.name)]
    results: list[Result] = []
    beside: list[Beside] = []
    for share in SHARES:
        made, ours = columns(rows, share), {}
        for case in cases:
            ours[repr(case.mask), case.column] = measure(case, made, share, rounds)
        for peer in peers:
            own = ours[repr(peer.mask), peer.column]
            beside.append(measure_beside(peer, made, own, rounds))
        results += ours.values()
    return results, beside


def show(results: list[Result], beside: list[Beside]) -> None:
    """Print both tables, and then what is over its limit, what is lost, and what is not installed."""
    print(f"{'mask':<60}{'column':<11}{'100 %':>8}{'10 %':>8}{'0.1 %':>8}{'copy':>7}{'limit':>7}")
    for rows in _by_share(results, lambda r: (r.mask, r.column)):
        first, shown = rows[0], "".join(f"{row.min_ns:>8.0f}" for row in rows)
        limit = f"{first.limit_ns:.0f}" if first.limit_ns else "-"
        print(f"{first.mask:<60}{first.column:<11}{shown}{first.copy_ns:>7.0f}{limit:>7}")
    print(
        f"\n{'tool':<19}{'does':<62}{'ours':<34}{'values':>9}{'ns':>9}{'ours':>7}"
        f"{'times, at 100/10/0.1 %':>26}{'limit':>7}"
    )
    for found in _by_share(beside, lambda b: (b.tool, b.does, b.mask, b.column)):
        first = found[0]
        times = "  ".join("-" if b.times is None else f"{b.times:,.1f}" for b in found)
        ns = "-" if first.min_ns is None else f"{first.min_ns:,.0f}"
        print(f"{first.tool:<19}{first.does[:61]:<62}{first.mask[:33]:<34}{first.values:>9,}{ns:>9}"
              f"{first.ours_ns:>7.0f}{times:>26}{first.limit:>7.0f}")  # fmt: skip
    print("\nover the limit, where all values differ:")
    _listed(f"{r.mask} ({r.column}): {r.min_ns:.0f} ns, limit {r.limit_ns:.0f}" for r in over_limit(results))
    for title, less in (("the peer does the same", False), ("the peer does less", True)):
        print(f"\nlosses: ours is not as many times faster as it is to be, and {title}")
        lost = [b for b in beside if b.lost and bool(b.less) == less]
        _listed(_loss(found) for found in _by_share(lost, lambda b: (b.tool, b.does, b.mask, b.column)))
    print("\nnot installed:")
    _listed(sorted({b.tool for b in beside if b.times is None}))


def over_limit(results: list[Result]) -> list[Result]:
    """Return what costs more than it may where all values differ, the worst first."""
    over = [r for r in results if r.distinct == 1 and r.limit_ns is not None and r.min_ns > r.limit_ns]
    return sorted(over, key=lambda r: -r.min_ns / (r.limit_ns or 1))


def _loss(found: list[Beside]) -> str:
    first = found[0]
    why = f"; it leaves out: {first.less}" if first.less else ""
    times = ", ".join(f"{b.times:.2f} at {b.distinct * 100:g} %" for b in found)
    return f"{first.tool} {first.does} beside {first.mask} ({first.column}): {times}; limit {first.limit:g}{why}"


def _listed(lines: Iterable[str]) -> None:
    print("\n".join(f"  {line}" for line in lines) or "  none")


def _by_share(rows: list[Any], key: Callable[[Any], object]) -> Iterable[list[Any]]:
    """Bring together what was measured at several shares, in the order of the first."""
    found: dict[object, list[Any]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found.values()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="", help="a mask's name")
    options.add_argument("--quick", action="store_true", help="2,000 rows, one round: to see that it works")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    given = options.parse_args()
    before = facts()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows, rounds = (2_000, 1) if given.quick else (given.rows, given.rounds)
    results, beside = run(rows, rounds, given.only)
    show(results, beside)
    if given.json:
        report = {
            "machine": before,
            "load_after": facts()["load_1_minute"],
            "results": [asdict(r) for r in results],
            "beside": [asdict(b) for b in beside],
            "over_limit": [asdict(r) for r in over_limit(results)],
            "losses": [asdict(b) for b in beside if b.lost],
        }
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
