"""A folder of files as a store of data objects: listed, pinned, read, sealed, published."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from dmengine.errors import DmengineError, InputError, RunError, StoreError
from dmengine.spi import Sealed
from dmengine_connectors.stores.local import remove_empty, sync_folder

HOME = "_dmengine"  # where journals, manifests and sealed parts lie; every reader of ours skips it
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One file of a folder: its name below the root, its size, its pin; `odd` says why it cannot be read."""

    name: str
    size: int
    pin: str
    odd: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """The data files below a root folder."""

    root: str

    def objects(self) -> Iterator[ObjectInfo]:
        """List files in name order, without what dmengine itself keeps there. Links are named, not followed."""
        yield from sorted(self._walk(Path(self.root)), key=lambda found: found.name)

    def _walk(self, folder: Path) -> Iterator[ObjectInfo]:
        with _named("list", str(folder)):
            entries = list(os.scandir(folder))
        for entry in entries:
            if folder == Path(self.root) and entry.name == HOME:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))
            else:
                yield self._info(entry)

    def _info(self, entry: os.DirEntry[str]) -> ObjectInfo:
        name = Path(entry.path).relative_to(self.root).as_posix()
        status = entry.stat(follow_symlinks=False)
        odd = "" if stat.S_ISREG(status.st_mode) else "a link" if entry.is_symlink() else "not a regular file"
        return ObjectInfo(name, status.st_size, pin_of(status), odd)

    def open(self, name: str, pin: str = "") -> BinaryIO:
        """Open a file for reading; with a pin, refuse a file that is not the one that was listed."""
        with _named("read", name):
            file = open(self._path(name), "rb")  # noqa: SIM115  # the caller closes it
        if pin:
            check_pin(file, name, pin)
        return file

    def pin(self, name: str) -> str:
        """Return the pin of a file, or `absent`."""
        try:
            return pin_of(os.stat(self._path(name), follow_symlinks=False))
        except FileNotFoundError:
            return ABSENT

    # ------------------------------------------------------------------------------------------ sealing

    @contextmanager
    def sealing(self, run_id: str, name: str) -> Iterator[SealedFile]:
        """Write a new version of a file that stays invisible until it is published."""
        staged = self.staged(run_id, name)
        replaces = self.pin(name)
        with _named("write", name):
            staged.parent.mkdir(parents=True, exist_ok=True)
            with open(staged, "wb") as raw:
                file = SealedFile(raw, replaces)
                yield file
                raw.flush()
                if replaces != ABSENT:
                    os.fchmod(raw.fileno(), stat.S_IMODE(os.stat(self._path(name)).st_mode))
                os.fsync(raw.fileno())
                status = os.fstat(raw.fileno())
            sync_folder(staged.parent)
        if status.st_size != file.size:
            raise StoreError(f"{name} has another size on disk than was written", hint="check the file system")
        file.pin = pin_of(status)

    def publish(self, run_id: str, sealed: Sealed) -> None:
        """Put a sealed file in its place, in one rename. May be called again after a crash."""
        name, staged = sealed.location, self.staged(run_id, sealed.location)
        target = self._path(name)
        with _named("publish", name):
            if not staged.exists():
                self._check_published(sealed)
                return
            if self.pin(name) not in (ABSENT, sealed.notes["replaces"]):
                raise RunError(
                    f"{name} was changed at the target while the run was under way",
                    hint="move it away and resume the run; the masked version is sealed and waits",
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)
            sync_folder(target.parent)
            sync_folder(staged.parent)

    def _check_published(self, sealed: Sealed) -> None:
        """Nothing is sealed any more: then the target must be what was sealed."""
        try:
            with open(self._path(sealed.location), "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            found = ABSENT
        if found != sealed.checksum:
            raise RunError(
                f"{sealed.location} is neither sealed nor published as it was sealed",
                hint="something else removed or changed it; run `clean`, then mask again",
            )

    def discard(self, run_id: str) -> None:
        """Remove every sealed file of a run."""
        folder = self._home(run_id)
        if folder.is_dir():
            for path in folder.iterdir():
                path.unlink()
            remove_empty(folder, Path(self.root, HOME))

    def leftovers(self, run_id: str) -> tuple[str, ...]:
        """Name what a run has left sealed; the folder goes when it is empty."""
        folder = self._home(run_id)
        remove_empty(folder, Path(self.root, HOME))
        return tuple(sorted(str(path) for path in folder.iterdir())) if folder.is_dir() else ()

    def staged(self, run_id: str, name: str) -> Path:
        """Return where a file lies until it is published: named by hash, so that any name fits."""
        return self._home(run_id) / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.tmp"

    def _home(self, run_id: str) -> Path:
        return Path(self.root, HOME, run_id, "sealed")

    def _path(self, name: str) -> Path:
        return Path(self.root, *name.split("/"))


class SealedFile(io.RawIOBase):
    """A file being written: counts and hashes what goes through."""

    def __init__(self, raw: IO[bytes], replaces: str) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self.replaces = replaces
        self.size = 0
        self.pin = ""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, body: Any) -> int:
        """Write all of it."""
        view = memoryview(body).cast("B")
        self._digest.update(view)
        self._raw.write(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how much was written."""
        return self.size

    @property
    def checksum(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._digest.hexdigest()


def pin_of(status: os.stat_result) -> str:
    """Return what must still be true of a file when it is read: size, time of change, identity."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def check_pin(file: BinaryIO, name: str, pin: str) -> None:
    """Refuse a file that is not, or is no longer, the one that was listed."""
    if pin_of(os.fstat(file.fileno())) != pin:
        raise InputError(f"{name} was changed while the run was under way", hint="run again when it is at rest")


@contextmanager
def _named(verb: str, name: str) -> Iterator[None]:
    """Turn an operating system's refusal into a StoreError that names the file and the reason."""
    reason = ""
    try:
        yield
    except DmengineError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason:
        raise StoreError(f"cannot {verb} {name}: {reason}", hint="check space, permissions and the path")
