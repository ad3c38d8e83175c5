"""The journal of a run: small durable notes that outlive a crash, and one COMMIT."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

from dmengine.errors import DmengineError, RunError
from dmengine.spi import Finding, Store

RUN, COMMIT, MANIFEST = "run.json", "COMMIT.json", "manifest.json"
_OWNER = "owner."

_driven: set[tuple[str, str]] = set()  # the runs that this process drives, by place and id
_driven_lock = threading.Lock()


class EndedError(RunError):
    """A run was ended by another process between being found and being claimed."""


def new_run_id() -> str:
    """Return a run id that sorts by time: `20261124T031500-1f0c9a`."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + uuid.uuid4().hex[:6]


@dataclass(frozen=True, slots=True)
class Journal:
    """The notes of one run in a store; implements `spi.RunInfo`, and pickles.

    Every note is one small object that is created whole and never changed, so there is nothing to tear:
    a note is there or it is not.
    """

    store: Store
    run_id: str

    def _name(self, name: str) -> str:
        return f"{self.run_id}/{name}"

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Write the run's first note: what it is a run of."""
        self._create(RUN, dict(identity))

    def identity(self) -> dict[str, Any] | None:
        """Return what the run is a run of, or None if there is no such run."""
        return self._read(RUN)

    def note(self, part: str, key: str, value: str) -> None:
        """Write a note durably, once: a second note of the same name must be equal."""
        name = self._name(_note_name(part, key))
        if not self.store.create(name, value.encode()) and self.store.read(name) != value.encode():
            raise RunError(f"the journal holds another note {key!r}", hint="do two processes drive this run?")

    def get(self, part: str, key: str) -> str | None:
        """Read a note back, in any process of the run."""
        body = self.store.read(self._name(_note_name(part, key)))
        return None if body is None else body.decode()

    def note_anew(self, part: str, key: str, value: str) -> None:
        """Write a note that counts in place of the ones of its name: beside them, because no note ever changes."""
        for number in count(2):
            name = self._name(_note_name(part, key, number))
            if self.store.create(name, value.encode()):
                return

    def newest(self, key: str, parts: Sequence[str]) -> dict[str, str]:
        """Read the note of many parts that counts, where there is one: listed once, then several read at a time."""
        there = set(self.store.names(self._name("parts/")))

        def name_of(part: str) -> str | None:
            found = None
            for number in count(1):
                name = self._name(_note_name(part, key, number))
                if name not in there:
                    return found
                found = name
            return found

        names = {part: name for part in parts if (name := name_of(part)) is not None}
        with ThreadPoolExecutor(self.store.at_once, thread_name_prefix="dmengine-notes") as pool:
            bodies = pool.map(self.store.read, names.values())
            return {part: body.decode() for part, body in zip(names, bodies, strict=True) if body is not None}

    def commit(self, summary: Mapping[str, Any]) -> None:
        """Write COMMIT: from here on the run only rolls forward."""
        self._create(COMMIT, dict(summary))

    def committed(self) -> dict[str, Any] | None:
        """Return what COMMIT says, or None before it."""
        return self._read(COMMIT)

    def finish(self, manifest: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Write the manifest, which ends the run, and drop every other note; say what of them stays."""
        self._create(MANIFEST, dict(manifest))
        return self.forget(keep=MANIFEST)

    def finished(self) -> dict[str, Any] | None:
        """Return the manifest of a run that ended well."""
        return self._read(MANIFEST)

    def forget(self, *, keep: str = "") -> tuple[Finding, ...]:
        """Drop the notes, and say what of them stays.

        The run's first note goes late, so that a crash before is seen as this run's; the lock goes last.
        """
        names = [n for n in self.store.names(f"{self.run_id}/") if not keep or n != self._name(keep)]
        last = [n for n in names if n.startswith(self._name(_OWNER))]
        late = [n for n in names if n == self._name(RUN)]
        rest = [n for n in names if n not in {*late, *last}]
        stays = [finding for some in (rest, late, last) if some for finding in self.store.delete(*some)]
        return tuple(dict.fromkeys(stays))

    def unseal(self) -> None:
        """Drop the notes of sealed parts, before the parts: a crash between must not leave notes of nothing."""
        self.store.delete(*(n for n in self.store.names(self._name("parts/")) if n.endswith(".sealed.json")))

    # ------------------------------------------------------------------------------------------ the owner lock

    def claim(self) -> int:
        """Become the run's owner, with an epoch above every earlier owner's.

        Raises:
            RunError: the owner is a process of this host that is still alive.
            EndedError: there is no such run any more.
        """
        with _driven_lock:
            if self._place in _driven:
                raise self._is_driven(os.getpid())
            _driven.add(self._place)
        try:
            return self._claim()
        except BaseException:
            self.release()
            raise

    def _claim(self) -> int:
        created = False
        while not created:
            last, owner = self._owner()
            if owner is not None and _alive(owner):
                raise self._is_driven(owner["pid"])
            name = self._name(f"{_OWNER}{last + 1:06d}.json")
            created = self.store.create(name, json.dumps(_me()).encode())
        try:
            there = self.identity() is not None and self.finished() is None
        except DmengineError:  # who may write notes and not read them must not leave a lock
            self.store.delete(name)
            raise
        if not there:
            self.store.delete(name)
            raise EndedError(f"run {self.run_id} was ended by another process", hint="run again")
        return last + 1

    def release(self) -> None:
        """Say that this process drives the run no more; that a process has ended, others see by themselves."""
        _driven.discard(self._place)

    @property
    def _place(self) -> tuple[str, str]:
        return self.store.location, self.run_id

    def _is_driven(self, pid: int) -> RunError:
        where = "this process" if pid == os.getpid() else f"process {pid} on this host"
        return RunError(f"run {self.run_id} is being driven by {where}", hint="wait for it, or stop it and resume")

    def check_owner(self, epoch: int) -> None:
        """Refuse to go on when another process has taken the run over since `claim`."""
        if not self.owned(epoch):
            raise RunError(f"run {self.run_id} was taken over by another process", hint="let that one finish")

    def owned(self, epoch: int) -> bool:
        """Say whether the owner is still the one that `claim` gave this epoch."""
        return self._owner()[0] == epoch

    def is_mine(self) -> bool:
        """Say whether no other process has claimed the run."""
        return self._owner()[1] in (None, _me())

    def _owner(self) -> tuple[int, dict[str, Any] | None]:
        owners = self.store.names(self._name(_OWNER))
        if not owners:
            return 0, None
        body = self.store.read(owners[-1])
        return int(owners[-1].rsplit(".", 2)[-2]), json.loads(body) if body else None

    def _create(self, name: str, content: dict[str, Any]) -> None:
        body = json.dumps(content, sort_keys=True).encode()
        if not self.store.create(self._name(name), body) and self.store.read(self._name(name)) != body:
            raise RunError(f"run {self.run_id} already has another {name}", hint="do two processes drive this run?")

    def _read(self, name: str) -> dict[str, Any] | None:
        body = self.store.read(self._name(name))
        return None if body is None else dict(json.loads(body))


def unfinished(store: Store) -> list[Journal]:
    """Find the runs of a store that neither ended well nor were discarded, oldest first."""
    names = store.names()
    ended = {n.split("/")[0] for n in names if n.endswith("/" + MANIFEST)}
    begun = {n.split("/")[0] for n in names if "/" in n}
    still = {n.split("/")[0] for n in names if n.split("/")[0] in ended and not n.endswith("/" + MANIFEST)}
    return [Journal(store, run) for run in sorted((begun - ended) | still)]


def manifests(store: Store) -> list[dict[str, Any]]:
    """Read the manifests of the runs that ended well."""
    runs = [n.split("/")[0] for n in store.names() if n.endswith("/" + MANIFEST)]
    return [m for run in runs if (m := Journal(store, run).finished()) is not None]


def _note_name(part: str, key: str, number: int = 1) -> str:
    digest = hashlib.sha256(part.encode("utf-8", "surrogateescape")).hexdigest()
    return f"parts/{digest[:24]}.{key}{f'-{number}' if number > 1 else ''}.json"


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _process_start(os.getpid())}


def _alive(owner: Mapping[str, Any]) -> bool:
    """Say whether an owner is another process of this host that still runs; our own runs are in `_driven`."""
    if owner.get("host") != socket.gethostname() or owner.get("pid") == os.getpid():
        return False
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _process_start(int(owner["pid"])) == owner.get("started")


def _process_start(pid: int) -> str:
    """Return when a process started, as the kernel counts it, so that a reused pid is not taken for its owner."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            text = stat.read()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "gone" if state == "Z" else rest[18]
