"""Traps in file operations: count them, and kill, fail or act at the n-th of a kind."""

from __future__ import annotations

import builtins
import errno
import functools
import hashlib
import io
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")
CHANGES = ("open", "write", "fsync", "link", "replace", "rename", "unlink", "mkdir", "rmdir", "chmod", "fchmod")
FULL_DISK = ("open", "write", "fsync", "link", "replace", "rename", "mkdir")
SIGNALS = {"kill": signal.SIGKILL, "int": signal.SIGINT, "term": signal.SIGTERM, "stop": signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Trap:
    """What to do at which file operation.

    Attributes:
        below: Only operations on paths below this folder count.
        at: The number of the operation that springs the trap, from 1; 0 never does.
        when: Before it has an effect, after it, or (a write) when half of the bytes are written.
        act: `kill`, `int`, `term`, `stop`, the name of an errno to raise, `append PATH` or `remove PATH`.
        ops: The kinds of operations that count.
        path: Count only those whose path holds this.
        stays: Fail every later one too: a disk that is full stays full.
        victim: The process that gets the signal; 0 is the one that springs the trap, -1 its parent.
        look: Note what the folder shows after every operation.
    """

    below: str
    at: int = 0
    when: Literal["before", "half", "after"] = "before"
    act: str = "kill"
    ops: tuple[str, ...] = CHANGES
    path: str = ""
    stays: bool = False
    victim: int = 0
    look: str = ""


@dataclass(slots=True)
class Watch:
    """Counts file operations, and springs the trap. One for a process."""

    trap: Trap
    calls: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    sprung: bool = False
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self, op: str, path: str, effect: Callable[[], T], half: Callable[[], object] | None = None) -> T:
        """Let one operation take effect, or not."""
        if not self._counts(op, path):
            return effect()
        with self.lock:
            self.calls.append(f"{op} {path}")
            now = len(self.calls) == self.trap.at or (self.trap.stays and 0 < self.trap.at < len(self.calls))
        if now and (self.trap.when == "before" or (self.trap.when == "half" and half is None)):
            self._spring()
        elif now and self.trap.when == "half" and half is not None:
            half()
            self._spring()
        try:
            return effect()
        finally:  # also after a folder that was there already, or one that was not empty
            if now and self.trap.when == "after":
                self._spring()
            if self.trap.look:
                self._look()

    def _counts(self, op: str, path: str) -> bool:
        trap = self.trap
        return op in trap.ops and trap.path in path and (not path or path.startswith(trap.below))

    def _spring(self) -> None:
        self.sprung = True
        act, _, path = self.trap.act.partition(" ")
        if act in SIGNALS:
            os.kill({0: os.getpid(), -1: os.getppid()}.get(self.trap.victim, self.trap.victim), SIGNALS[act])
        elif act == "append":
            with REAL_OPEN(path, "ab") as file:
                file.write(b"99,by,somebody else\n")
        elif act == "truncate":
            os.truncate(path, os.path.getsize(path) // 2)
        elif act == "remove":
            REAL["unlink"](path)
        else:
            number = getattr(errno, act)
            raise OSError(number, os.strerror(number))

    def _look(self) -> None:
        with self.lock:
            shown = digests(Path(self.trap.look))
            if shown not in self.seen:
                self.seen.append(shown)


def digests(folder: Path) -> dict[str, str]:
    """Return what a reader of the folder sees: names and SHA-256, without what dmengine keeps for itself."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("_dmengine/") and path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


REAL_OPEN = builtins.open
REAL: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in CHANGES if name not in ("open", "write")}


def install(trap: Trap) -> Watch:
    """Put the trap into this process's file operations, for good. Only a process that is to end may do that."""
    watch = Watch(trap)
    for name, real in REAL.items():
        setattr(os, name, _watched(watch, name, real))
    setattr(os, "remove", os.unlink)  # noqa: B010  # another name of the same
    setattr(builtins, "open", functools.partial(_open, watch))  # noqa: B010  # mypy knows that these are functions
    return watch


def _watched(watch: Watch, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def operation(target: Any, *args: Any, **options: Any) -> Any:
        # A kill loses nothing that the kernel has, so nothing is really synced: the order of syncs has its own proof.
        effect = (lambda: None) if name == "fsync" else functools.partial(real, target, *args, **options)
        named = args[0] if name in ("link", "replace", "rename") else target
        return watch(name, _path_of(named), effect)

    return operation


def _path_of(target: Any) -> str:
    if not isinstance(target, int):
        return os.path.abspath(os.fsdecode(target))
    try:
        return os.readlink(f"/proc/self/fd/{target}")
    except OSError:
        return ""


def _open(watch: Watch, file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
    if isinstance(file, int) or "b" not in mode:
        return REAL_OPEN(file, mode, *args, **options)
    path = _path_of(file)
    if "r" in mode:
        return watch("reading", path, lambda: _Reader(watch, path))
    return watch("open", path, lambda: _Writer(watch, path, mode))


class _Writer(io.BufferedWriter):
    def __init__(self, watch: Watch, path: str, mode: str) -> None:
        super().__init__(io.FileIO(path, mode.replace("b", "")))
        self._watch = watch
        self._path = path

    def write(self, body: Any) -> int:
        """Write through, so that a kill leaves on the disk what was written before it."""
        view = memoryview(body).cast("B")
        return self._watch(
            "write", self._path, lambda: self._through(view), lambda: self._through(view[: len(view) // 2])
        )

    def _through(self, view: memoryview) -> int:
        count = super().write(view)
        self.flush()
        return count


class _Reader(io.BufferedReader):
    def __init__(self, watch: Watch, path: str) -> None:
        super().__init__(io.FileIO(path, "r"))
        self._watch = watch
        self._path = path

    def read(self, size: int | None = -1) -> bytes:
        """Read, counted."""
        return self._watch("read", self._path, lambda: super(_Reader, self).read(size))

    def readinto(self, buffer: Any) -> int:
        """Read, counted."""
        return self._watch("read", self._path, lambda: super(_Reader, self).readinto(buffer))
