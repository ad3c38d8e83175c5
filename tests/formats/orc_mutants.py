"""Reads damaged ORC files in a process of its own, which Arrow's reader may bring down: `CODEC FIRST`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import orc

from dmengine_connectors.formats.orc import Orc
from tests.formats.mutating import MUTANTS, mutants, read_or_refused

ROOT = Path(__file__).parents[2]


def content(codec: str) -> bytes:
    """Return the file that is damaged."""
    table = pa.table(
        {"a": ["x", None, "y"] * 40, "b": [[1, 2], None, []] * 40, "c": [{"d": 1.5}, None, {"d": 2.5}] * 40}
    )
    file = io.BytesIO()
    orc.write_table(table, file, compression=codec)
    return file.getvalue()


def rewrite(made: bytes) -> None:
    """Read a file and write it again."""
    Orc().write(Orc().read(io.BytesIO(made)), io.BytesIO())


def crashes(codec: str) -> list[int]:
    """Return the numbers of the damaged files that brought a process down; any other failure is raised."""
    found: list[int] = []
    first = 0
    while first < MUTANTS:
        command = [sys.executable, "-m", "tests.formats.orc_mutants", codec, str(first)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode == 0:
            return found
        assert done.returncode < 0, done.stderr[-2000:]
        found.append(int(done.stdout.split()[-1]))
        first = found[-1] + 1
    return found


def main() -> None:
    """Read the damaged files of a codec, from one on, and say which comes next."""
    codec, first = sys.argv[1], int(sys.argv[2])
    for number, (told, made) in enumerate(mutants(content(codec), f"orc {codec}")):
        if number >= first:
            print(number, flush=True)
            read_or_refused(lambda made=made: rewrite(made), told)  # type: ignore[misc]


if __name__ == "__main__":
    main()
