"""Tests of reading in processes of their own: whatever becomes of these, the one that asked goes on."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import orc

from dmengine.errors import InputError
from dmengine.records import TableRecords
from dmengine.spi import RecordStream
from dmengine_connectors.formats import limited
from dmengine_connectors.formats.orc import Orc

WHOLE_STRIPE = 1 << 30
SCRIPT = """
import io, os, sys
import pyarrow as pa
from pyarrow import orc
from dmengine.records import TableRecords
from dmengine.spi import RecordStream
from dmengine_connectors.formats import limited
from dmengine_connectors.formats.orc import Orc

def made(rows):
    file = io.BytesIO()
    orc.write_table(pa.table({"a": range(rows)}), file)
    return file

def read(stream):
    return [value for records in stream.batches for value in records.batch["a"].to_pylist()]

stream = Orc(batch_rows=10).read(made(30))
idle = Orc().read(made(1))
idle.close()
pids = {child._process.pid for child in limited._lent.living}
"""


def made(rows: int = 20) -> bytes:
    """Write a file."""
    file = io.BytesIO()
    orc.write_table(pa.table({"a": range(rows), "b": [f"text {i}" for i in range(rows)]}), file, compression="zstd")
    return file.getvalue()


def read(content: bytes) -> list[int]:
    """Read the numbers in a file."""
    return numbers(Orc(batch_rows=7).read(io.BytesIO(content)))


def numbers(stream: RecordStream) -> list[int]:
    """Pull the numbers of a stream."""
    found: list[int] = []
    for records in stream.batches:
        assert isinstance(records, TableRecords)
        found += records.batch["a"].to_pylist()
    return found


def children() -> list[int]:
    """Return the processes that this one has started to read, dead ones that nobody waited for too."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (place / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if int(parent) == os.getpid() and (b"orc_child" in command or (state == "Z" and not command)):
            found.append(int(place.name))
    return found


def gone(pid: int) -> bool:
    """Return whether a process ends soon."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


class Acting(io.BytesIO):
    """A file that does something when more is read of it than its first letters."""

    def __init__(self, content: bytes, act: Callable[[], None]) -> None:
        super().__init__(content)
        self._act = act

    def read(self, count: int | None = -1) -> bytes:
        if count is None or count > len(b"ORC"):
            self._act()
        return super().read(count)


def strike(number: signal.Signals) -> Callable[[], None]:
    """Return what sends a signal to all reading processes."""

    def act() -> None:
        for pid in children():
            os.kill(pid, number)

    return act


def test_a_reader_that_is_killed_is_an_error_of_the_file() -> None:
    """A process that dies while it reads makes its file refused, and the next file is read."""
    with pytest.raises(InputError, match=r"ends its reader \(SIGSEGV\)") as caught:
        Orc().schema(Acting(made(), strike(signal.SIGSEGV)))

    assert caught.value.__context__ is None
    assert read(made()) == list(range(20))


def test_a_reader_that_hangs_is_ended() -> None:
    """A process that does not answer in time makes its file refused, and is not there any more."""
    with pytest.raises(InputError, match=r"keeps its reader busy for more than 0\.5 seconds"):
        Orc(max_stripe_seconds=0.5).read(Acting(made(), strike(signal.SIGSTOP)))

    assert not any(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T" for pid in children())
    assert read(made()) == list(range(20))


def test_a_stripe_that_outgrows_its_memory_is_refused() -> None:
    """A small file that unfolds to much more than allowed is refused as that; more memory reads it."""
    bomb = io.BytesIO()
    orc.write_table(pa.table({"a": np.zeros(16_000_000, np.int64)}), bomb, stripe_size=WHOLE_STRIPE, compression="zstd")

    with pytest.raises(InputError, match="max_memory_bytes"):
        Orc(max_memory_bytes=16 << 20).read(bomb)
    assert len(bomb.getvalue()) < 1 << 20
    assert sum(records.num_rows for records in Orc().read(bomb).batches) == 16_000_000


def test_what_fails_here_is_raised_as_it_is() -> None:
    """A storage that fails while the process waits for a block is not taken for a damaged file."""

    def fail() -> None:
        raise OSError(errno.EIO, "no disk")

    with pytest.raises(OSError, match="no disk"):
        Orc().read(Acting(made(), fail))
    assert read(made()) == list(range(20))


def test_many_files_share_one_process_and_leave_none() -> None:
    """One process serves file after file, whole, given up, damaged or never pulled, and the last one can be ended."""
    limited._end_all()
    for number in range(24):
        content = made()
        stream = None
        if number % 4 == 0:
            assert read(content) == list(range(20))
        elif number % 4 == 1:
            stream = Orc(batch_rows=1).read(io.BytesIO(content))
            next(stream.batches)
        elif number % 4 == 2:
            with pytest.raises(InputError):
                Orc().read(io.BytesIO(content[:-30] + b"\xff" * 30))
        else:
            stream = Orc().read(io.BytesIO(content))
        assert len(children()) <= 1
        if stream is not None:
            stream.close()

    served = children()
    assert read(made()) == list(range(20))
    assert children() == served
    limited._end_all()
    assert children() == []


def test_threads_and_processes_read_at_once() -> None:
    """Files that are read at the same time do not get into each other's way, in threads or in processes."""
    contents = [made(rows) for rows in (1, 50, 500, 5000)] * 3

    with ThreadPoolExecutor(4) as threads, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for pool in (threads, processes):
            assert [len(found) for found in pool.map(read, contents)] == [1, 50, 500, 5000] * 3


def test_a_fork_reads_by_processes_of_its_own() -> None:
    """A fork reads files, and what it took along open is as it was for the one that it came from."""
    code = """
if pid := os.fork():
    assert os.waitpid(pid, 0)[1] == 0
    assert read(stream) == list(range(30))
    print("whole")
else:
    assert not limited._lent.living
    assert read(Orc().read(made(5))) == list(range(5))
    stream.close()
    limited._end_all()
    os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + code], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.stdout, done.stderr) == ("whole\n", "")


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_readers_end_with_the_process_that_started_them(end: str) -> None:
    """However a process ends, those that read for it end too, idle or not."""
    code = f"print(*pids, flush=True)\n{end}\n"

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + code], capture_output=True, text=True, timeout=120, check=False
    )
    pids = [int(pid) for pid in done.stdout.split()]

    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)
    assert done.stderr == ""


def test_only_pipes_hold_what_is_read() -> None:
    """A process gets no argument that tells of the file, and may write no file, not even one of its own core."""
    stream = Orc().read(io.BytesIO(made()))
    [pid] = {child._process.pid for child in limited._lent.living} - {c._process.pid for c in limited._lent.idle}
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    limits = Path(f"/proc/{pid}/limits").read_text()
    stream.close()

    assert b"text" not in command
    assert [line.split()[-3:-1] for line in limits.splitlines() if "file size" in line] == [["0", "0"]] * 2
