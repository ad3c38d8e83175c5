"""Lends processes in which a parser reads that a damaged file may bring down: they have limits, this one lives on."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import BinaryIO, Final, NoReturn

import pyarrow as pa

from dmengine.errors import InputError, RunError
from dmengine_connectors.formats.orc_child import BLOCK, HEAD, IDLE_SECONDS

PIPE_BYTES: Final = 1 << 20
START_SECONDS: Final = 120.0
MOST_IDLE: Final = 8
MOST_GLANCES: Final = 4
PASSED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "TZDIR")
"""What a process may need of the environment to start, and to know time zones; secrets stay here."""
SET: Final = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
"""Address space is what is limited: Arrow's own allocator reserves much of it for later, within one file's limit or
another's."""
BOOT: Final = (
    "import sys; sys.path += sys.argv[1:]; sys.modules['numpy'] = None; "
    "from dmengine_connectors.formats.orc_child import main; main()"
)
"""The folders of pyarrow and of this package are told: isolated, Python would not look where the parent does."""
_KINDS: Final = {kind.__name__: kind for kind in (OSError, pa.ArrowNotImplementedError, pa.ArrowKeyError, TypeError)}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use to read a file.

    Attributes:
        memory_bytes: Memory, on top of what it needs to be there.
        seconds: How long it may take over one answer, not counting what reading the file takes here.
    """

    memory_bytes: int
    seconds: float


class Reader:
    """A process that reads one file: it asks for blocks of it, and answers what it is asked.

    Attributes:
        size: The bytes of the file.
    """

    def __init__(self, what: str, file: BinaryIO, limits: Limits) -> None:
        self._what = what
        self._file = file
        self.size = file.seek(0, 2)
        self._limits = limits
        self._child = _borrowed()

    def ask(self, kind: bytes, *numbers: int) -> pa.Buffer:
        """Ask for something.

        Raises:
            InputError: it died, took too long or too much memory; it can be asked for nothing more.
            Exception: of Arrow, as it was raised there.
        """
        child = self._child
        child.sound = False
        child.left = self._limits.seconds
        sent = child.send(kind, struct.pack(f"<{len(numbers)}q", *numbers))
        while sent and (message := child.receive(self._limits.memory_bytes)) is not None:
            kind, body = message
            if kind == b"=":
                child.sound = True
                return body
            if kind == b"!":
                self._raise(*json.loads(body.to_pybytes()))
            block = self._block(body)
            sent = block is not None and child.send(b"?", block)
        raise self._refused()

    def close(self) -> None:
        """Give the process back, for the next file; it ends if anything at all went wrong, which may linger in it."""
        child = self._child
        try:
            if child.sound:
                self.ask(b"c")
        finally:
            _given_back(child)

    def _block(self, body: pa.Buffer) -> bytes | None:
        place, count = struct.unpack("<2q", body) if body.size == 16 else (-1, 0)
        if not (0 <= place <= self.size and 0 < count <= BLOCK):
            return None
        self._file.seek(place)
        return self._file.read(count)

    def _raise(self, kind: str, text: str) -> NoReturn:
        if not kind.endswith("MemoryError"):
            raise _KINDS.get(kind, pa.ArrowInvalid)(text)
        raise InputError(
            f"reading the {self._what} file takes more than {self._limits.memory_bytes:,} bytes of memory",
            hint="set max_memory_bytes higher if you trust the file",
        )

    def _refused(self) -> InputError:
        late = self._child.left <= 0
        code = self._child.end(dying=not late)
        if late:
            why = f"keeps its reader busy for more than {self._limits.seconds:g} seconds"
        else:
            why = f"ends its reader ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
        return InputError(f"the {self._what} file {why}", hint="it is likely damaged: copy it again, or exclude it")


@contextmanager
def glance() -> Iterator[None]:
    """Wait until few enough look into a file: where objects are looked at by the dozen, each would start a process."""
    with _lent.glances:
        yield


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process: no secret is in it.

    >>> passed_on({"AWS_SECRET_ACCESS_KEY": "x", "TZ": "UTC"})
    {'TZ': 'UTC', 'ARROW_DEFAULT_MEMORY_POOL': 'system', 'MALLOC_ARENA_MAX': '1'}
    """
    return {name: environment[name] for name in PASSED if name in environment} | SET


class _Child:
    """The process itself.

    Attributes:
        sound: Whether it waits for the next question, and nothing has gone wrong yet.
        left: The seconds that it may still be waited for.
    """

    def __init__(self) -> None:
        folders = Path(pa.__file__).resolve().parents[1], Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(  # noqa: S603  # nothing here is from outside
            [sys.executable, "-I", "-S", "-c", BOOT, *map(str, folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=passed_on(os.environ),
            process_group=0,  # Ctrl-C is for this process to deal with
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._ends = self._process.stdin, self._process.stdout
        for end in self._ends:
            os.set_blocking(end.fileno(), False)
            with suppress(AttributeError, OSError):  # not on every system, and not without end for every user
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._owner = os.getpid()
        _lent.living.add(self)
        self.sound = True
        self.left = START_SECONDS
        self.since = time.monotonic()

    def send(self, kind: bytes, body: bytes) -> bool:
        """Send one message, and say whether it arrived."""
        for part in (HEAD.pack(kind, len(body)), body):
            view = memoryview(part)
            while view:
                try:
                    done = os.write(self._ends[0].fileno(), view)
                except BlockingIOError:
                    done = 0
                except BrokenPipeError:
                    return False
                view = view[done:]
                if not done and not self._waited(0, select.POLLOUT):
                    return False
        return True

    def receive(self, most: int) -> tuple[bytes, pa.Buffer] | None:
        """Wait for a message; None: none comes."""
        head = self._bytes(HEAD.size)
        kind, size = (b"", 0) if head is None else HEAD.unpack(head)
        body = self._bytes(size) if kind and size <= most else None
        return None if body is None else (kind, body)

    def end(self, *, dying: bool = False) -> int:
        """End it, and return its exit code; what a fork left here is another process's child, and only let go of."""
        self.sound = False
        _lent.living.discard(self)
        if os.getpid() == self._owner:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1 if dying else 0)  # if it is dying, it may say of what
            self._process.kill()
            self._process.wait()
        else:
            self._process.returncode = 0
        for end in self._ends:
            end.close()
        return int(self._process.returncode)

    def _bytes(self, count: int) -> pa.Buffer | None:
        found = pa.allocate_buffer(count)
        view = memoryview(found)
        while view:
            try:
                done = os.readv(self._ends[1].fileno(), [view])
                if not done:
                    return None
            except BlockingIOError:
                done = 0
            view = view[done:]
            if not done and not self._waited(1, select.POLLIN):
                return None
        return found

    def _waited(self, end: int, event: int) -> bool:
        ready = select.poll()
        ready.register(self._ends[end], event)
        start = time.monotonic()
        found = bool(ready.poll(max(self.left, 0) * 1000))
        self.left = self.left - (time.monotonic() - start) if found else 0.0
        return found


class _Lent:
    """The processes that this one has started, and those of them that wait for work."""

    def __init__(self) -> None:
        self.living: set[_Child] = set()
        self.idle: list[_Child] = []
        self.glances = BoundedSemaphore(MOST_GLANCES)


_lent = _Lent()


def _borrowed() -> _Child:
    while _lent.idle:
        with suppress(IndexError):  # another thread took the last one
            child = _lent.idle.pop()
            if time.monotonic() - child.since < IDLE_SECONDS / 2:  # else it may be about to end itself
                return child
            child.end()
    _watch()
    if started := _started():
        return started
    raise RunError(
        "a process that reads files could not be started",
        hint="is sys.executable a Python, and is there memory for one more?",
    )


def _started() -> _Child | None:
    try:
        child = _Child()
    except OSError:
        return None
    if child.receive(0) is not None:
        return child
    child.end()
    return None


def _given_back(child: _Child) -> None:
    if child.sound and len(_lent.idle) < MOST_IDLE:
        child.since = time.monotonic()
        _lent.idle.append(child)
    else:
        child.end()


@cache
def _watch() -> None:
    """Let the processes end with this one, and a fork of this one start its own."""
    atexit.register(_end_all)
    os.register_at_fork(after_in_child=_forget)


def _end_all() -> None:
    for child in list(_lent.living):
        child.end()
    _lent.idle.clear()


def _forget() -> None:
    global _lent
    _end_all()
    _lent = _Lent()
