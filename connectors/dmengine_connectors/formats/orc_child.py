"""Reads ORC files for the process that started this one: what runs where Arrow's reader may die (see `limited`)."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn

import pyarrow as pa
from pyarrow import orc

HEAD: Final = struct.Struct("<cQ")
"""What goes before every message: its kind, and how many bytes follow."""
BLOCK: Final = 8 << 20
"""The bytes of the file that are asked for at once, at most."""
OWN_MEMORY: Final = 256 << 20
"""What the interpreter and its libraries take of the address space."""
IDLE_SECONDS: Final = 60.0
FACTS: Final = (
    "nstripes", "nrows", "compression", "compression_size", "content_length", "row_index_stride", "file_version",
)  # fmt: skip
_NOT_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of linux/prctl.h


class Parent:
    """The process that started this one, at the other ends of standard input and output."""

    def __init__(self) -> None:
        self._input = sys.stdin.buffer
        self._output = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # a library that prints must not be taken for an answer

    def send(self, kind: bytes, body: Any) -> None:
        """Send one message."""
        view = memoryview(body).cast("B")
        self._output.write(HEAD.pack(kind, len(view)))
        self._output.write(view)
        self._output.flush()

    def receive(self, seconds: float | None = None) -> tuple[bytes, bytes]:
        """Wait for a message; end with the parent, and after a time without work."""
        if not select.select([0], [], [], seconds)[0]:
            _end()
        kind, size = HEAD.unpack(self._bytes(HEAD.size))
        return kind, self._bytes(size)

    def _bytes(self, count: int) -> bytes:
        found = self._input.read(count)
        return found if len(found) == count else _end()


class AskedFile:
    """A file that the parent has open, as Arrow reads one."""

    closed = False

    def __init__(self, parent: Parent, size: int) -> None:
        self._parent = parent
        self._size = size
        self._place = 0

    def read(self, count: int = -1) -> bytes:
        """Ask the parent for the next bytes."""
        end = self._size if count < 0 else min(self._size, self._place + count)
        blocks = []
        while self._place < end:
            self._parent.send(b"?", struct.pack("<2q", self._place, min(BLOCK, end - self._place)))
            block = self._parent.receive()[1]
            if not block:
                break
            blocks.append(block)
            self._place += len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a place."""
        self._place = place + (0, self._place, self._size)[whence]
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def close(self) -> None:
        """Do nothing: the parent closes the file."""


class Reading:
    """What the parent may ask for, each by a letter and numbers."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._file: Any = None
        self._stripe: Any = None

    @property
    def idle(self) -> bool:
        """Whether no file is open."""
        return self._file is None

    def open(self, memory: int, size: int) -> bytes:
        """Open the file that the parent holds now, and tell what its footer says."""
        if sys.platform == "linux":  # others have no such limit, or refuse to set it
            most = resource.getrlimit(resource.RLIMIT_AS)[1]
            wanted = memory + OWN_MEMORY
            limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
            resource.setrlimit(resource.RLIMIT_AS, (limit, most))
        self._file = orc.ORCFile(pa.PythonFile(AskedFile(self._parent, size), mode="r"))
        facts = {name: getattr(self._file, name) for name in FACTS}
        keys = [key.decode(errors="replace") for key in self._file.metadata or {}]
        return json.dumps(facts | {"metadata": keys}).encode()

    def schema(self) -> pa.Buffer:
        """Return the schema of the open file."""
        return self._file.schema.serialize()

    def stripe(self, number: int) -> bytes:
        """Read a stripe, to be asked for in batches, and return how many records it has."""
        self._stripe = None
        self._stripe = self._file.read_stripe(number)
        return struct.pack("<q", self._stripe.num_rows)

    def batch(self, start: int, count: int) -> pa.Buffer:
        """Return some records of the stripe."""
        return self._stripe.slice(start, count).serialize()

    def close(self) -> bytes:
        """Let go of the file, for the next one."""
        self._file = self._stripe = None
        pa.default_memory_pool().release_unused()
        return b""


def main() -> None:
    """Do what the parent asks for until it ends, or asks for nothing for a time."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    parent = Parent()
    _limit()
    reading = Reading(parent)
    acts: dict[bytes, Callable[..., Any]] = {
        b"o": reading.open, b"d": reading.schema, b"s": reading.stripe, b"b": reading.batch, b"c": reading.close,
    }  # fmt: skip
    parent.send(b"=", b"")
    while True:
        kind, body = parent.receive(IDLE_SECONDS if reading.idle else None)
        try:
            answer = b"=", acts[kind](*struct.unpack(f"<{len(body) // 8}q", body))
        except Exception as error:  # noqa: BLE001  # raised again by the parent
            name = "MemoryError" if "bad_alloc" in str(error) else type(error).__name__
            answer = b"!", json.dumps([name, str(error)]).encode()
        parent.send(*answer)


def _limit() -> None:
    """Leave no core file, which would hold values, and write no file at all."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NOT_DUMPABLE, 0, 0, 0, 0)  # a core that is piped to a service has no size limit
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def _end_with_parent() -> None:
    """End when the other end of standard input is gone, even while Arrow hangs.

    PR_SET_PDEATHSIG would end this process with the thread that started it, and threads come and go.
    """
    gone = select.poll()
    gone.register(0, 0)
    gone.poll()
    _end()


def _end() -> NoReturn:
    os._exit(0)
