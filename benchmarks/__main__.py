"""Runs the benchmarks one after the other, each in a process of its own, and puts their results in one file."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import facts

ROOT: Final = Path(__file__).parents[1]
QUICK: Final[dict[str, list[str]]] = {
    "primitives": ["--rows", "50000"],
    "maskers": ["--quick"],
    "csv": ["--rows", "5000", "--rounds", "1"],
    "jsonl": ["--rows", "5000", "--rounds", "1"],
    "containers": ["--rows", "2000", "--rounds", "1"],
    "documents": ["--rows", "2000", "--rounds", "1"],
    "end_to_end": ["--quick"],
    "memory": ["--quick"],
    "s3": ["--quick"],
}
"""Every benchmark, with what makes it short."""


def run(name: str, *, quick: bool) -> dict[str, Any]:
    """Run one benchmark; return what it found."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "result.json")
        command = [sys.executable, "-m", f"benchmarks.bench_{name}", "--json", str(found)]
        subprocess.run(command + (QUICK[name] if quick else []), check=True, cwd=ROOT)
        result: dict[str, Any] = json.loads(found.read_text())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs: to see that it works, not to quote")
    parser.add_argument("--only", nargs="+", choices=QUICK, default=list(QUICK), metavar="NAME", help=", ".join(QUICK))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    given = parser.parse_args()
    results: dict[str, Any] = {"machine": facts(), "quick": given.quick, "benchmarks": {}}
    for name in given.only:
        print(f"\n## {name}\n", flush=True)
        results["benchmarks"][name] = run(name, quick=given.quick)
        if given.json:  # after each, so that an hour's work is not lost with the last
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
