"""A folder of files as a store of data objects: listed, pinned, read, sealed, published."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from dmengine.errors import DmengineError, RunError, StoreError
from dmengine.spi import Finding, Leftovers, Part, RunInfo, Sealed
from dmengine_connectors.stores.local import make_folders, remove_empty, sync_folder
from dmengine_connectors.stores.objects import ABSENT, HOME, Access, Carried, ObjectInfo, gone, not_at_rest


@dataclass(frozen=True, slots=True)
class Folder:
    """The data files below a root folder."""

    root: str

    @property
    def at_once(self) -> int:
        """One: a disk is not asked faster by asking it from many threads."""
        return 1

    def objects(self, only: str = "") -> Iterator[ObjectInfo]:
        """List files in name order, without what dmengine itself keeps there. Links are named, not followed."""
        found = self._walk(Path(self.root), only)
        yield from sorted(found, key=lambda info: info.name)

    def entries(self) -> set[str]:
        """Name what lies directly in the folder, without what dmengine keeps there; nothing if there is no folder."""
        with named("list", self.root):
            return set(os.listdir(self.root)) - {HOME} if os.path.isdir(self.root) else set()

    def _walk(self, folder: Path, only: str = "") -> Iterator[ObjectInfo]:
        with named("list", str(folder)):
            entries = [entry for entry in os.scandir(folder) if not only or entry.name == only]
        for entry in entries:
            if folder == Path(self.root) and entry.name == HOME:
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield self._info(entry)
            elif not only:
                yield from self._walk(Path(entry.path))

    def _info(self, entry: os.DirEntry[str]) -> ObjectInfo:
        name = Path(entry.path).relative_to(self.root).as_posix()
        with named("list", name):
            status = entry.stat(follow_symlinks=False)
        odd = "" if stat.S_ISREG(status.st_mode) else "a link" if entry.is_symlink() else "not a regular file"
        return ObjectInfo(name, status.st_size, pin_of(status), odd)

    def open(self, name: str, pin: str = "", access: Access = "stream") -> BinaryIO:
        """Open a file for reading; with a pin, refuse a file that is not the one that was listed."""
        with named("read", name):
            file = open(self._path(name), "rb")  # noqa: SIM115  # the caller closes it
        if pin and pin_of(os.fstat(file.fileno())) != pin:
            file.close()
            raise not_at_rest(name, "changed")
        return file

    def carried(self, file: BinaryIO, name: str) -> Carried | None:
        """Return nothing: mode and owner are the target's own affair."""
        return None

    def check_same(self, name: str, pin: str, file: BinaryIO) -> None:
        """Refuse a file that is no longer, or never was, the one that was listed."""
        found = self.pin(name)
        if found != pin:
            raise not_at_rest(name, "removed" if found == ABSENT else "changed")

    def pin(self, name: str) -> str:
        """Return the pin of a file, or `absent`."""
        try:
            return pin_of(os.stat(self._path(name), follow_symlinks=False))
        except FileNotFoundError:
            return ABSENT

    # ------------------------------------------------------------------------------------------ sealing

    @contextmanager
    def sealing(self, run: RunInfo, part: Part, carried: Carried | None) -> Iterator[SealedFile]:
        """Write a new version of a file that stays invisible until it is published."""
        name = part.name
        staged = self._home(run) / _staged_name(name)
        with named("write", name):
            make_folders(staged.parent)
            self._check_place(name)
            replaces = self.pin(name)
            with open(staged, "wb") as raw, _removed_on_failure(staged):
                file = SealedFile(raw, staged.name, replaces)
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

    def _check_place(self, name: str) -> None:
        """Refuse a place where `publish` could not put the file: after COMMIT it would be too late."""
        path, home = self._path(name), Path(self.root, HOME)
        above = next(folder for folder in path.parents if os.path.lexists(folder))
        problem = ""
        if path.is_dir() and not path.is_symlink():
            problem = "a folder of that name is there"
        elif not above.is_dir():
            problem = f"{above} is not a folder"
        elif not os.access(above, os.W_OK | os.X_OK):
            problem = f"{above} is read-only"
        elif os.stat(above).st_dev != os.stat(home).st_dev:
            problem = f"{above} lies on another file system than {home}, so no rename can put it there"
        if problem:
            raise StoreError(
                f"cannot write {name} to the target: {problem}", hint="mend that, or choose another target"
            )

    def publish(self, run: RunInfo, sealed: Iterable[Sealed]) -> None:
        """Put sealed files in their places, each in one rename. May be called again after a crash."""
        lost = [one for one in sealed if not self._published(run, one)]
        if lost:
            raise gone(lost, "sealed file")

    def _published(self, run: RunInfo, sealed: Sealed) -> bool:
        """Put one file in its place; say no if it is gone, and not there already."""
        name, staged = sealed.location, self._home(run) / sealed.notes["staged"]
        target = self._path(name)
        with named("publish", name):
            if not staged.exists() and self._is_there(sealed):
                return True
            if self.pin(name) not in (ABSENT, sealed.notes["replaces"]):
                raise RunError(
                    f"{name} was changed at the target while the run was under way",
                    hint="move it away and resume the run, which then puts the masked version there",
                )
            if not staged.exists():
                return False
            make_folders(target.parent)
            os.replace(staged, target)
            sync_folder(target.parent)
            sync_folder(staged.parent)
        return True

    def _is_there(self, sealed: Sealed) -> bool:
        """Say whether the file at the target is what was sealed."""
        try:
            with open(self._path(sealed.location), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sealed.checksum
        except FileNotFoundError:
            return False

    def discard(self, run: RunInfo) -> None:
        """Remove every sealed file of a run, as far as that is allowed."""
        folder = self._home(run)
        with named("list", str(folder)):
            for path in folder.iterdir() if folder.is_dir() else ():
                with suppress(OSError):  # `leftovers` names it
                    path.unlink()
        remove_empty(folder, Path(self.root, HOME))

    def leftovers(self, run: RunInfo) -> Leftovers:
        """Remove what attempts that were broken off have left, and name what could not be removed."""
        self.discard(run)
        folder = self._home(run)
        with named("list", str(folder)):
            return Leftovers(tuple(sorted(str(path) for path in folder.iterdir())) if folder.is_dir() else ())

    def _home(self, run: RunInfo) -> Path:
        return Path(self.root, HOME, run.run_id, "sealed")

    def _path(self, name: str) -> Path:
        return Path(self.root, *name.split("/"))


class SealedFile(io.RawIOBase):
    """A file being written: counts and hashes what goes through."""

    def __init__(self, raw: IO[bytes], staged: str, replaces: str) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self._staged = staged
        self._replaces = replaces
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

    @property
    def notes(self) -> dict[str, str]:
        """What `publish` needs to know of it."""
        return {"staged": self._staged, "replaces": self._replaces, "pin": self.pin}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Nothing: a file has all that it was given."""
        return ()


def pin_of(status: os.stat_result) -> str:
    """Return what must still be true of a file when it is read: size, time of change, identity."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def _staged_name(name: str) -> str:
    """Name a file until it is published: by hash, so that any name fits, and anew for each attempt.

    Two processes that drive one run, one of them taken for dead, never write to one file.
    """
    return f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.{os.urandom(4).hex()}.tmp"


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """Give the space of a broken attempt back at once: it may be why the attempt broke."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def named(verb: str, name: str) -> Iterator[None]:
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
