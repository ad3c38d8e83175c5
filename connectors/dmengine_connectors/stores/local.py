"""A folder as a store of small durable objects, and the file operations that must not tear."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dmengine.errors import StoreError
from dmengine.spi import Finding

_TRIES = 100


@dataclass(frozen=True, slots=True)
class LocalStore:
    """Small objects below a folder. An object is created whole and durably, or not at all.

    >>> import tempfile
    >>> store = LocalStore(tempfile.mkdtemp())
    >>> store.create("run/a.json", b"1"), store.create("run/a.json", b"2"), store.read("run/a.json")
    (True, False, b'1')
    """

    root: str

    @property
    def location(self) -> str:
        """The folder."""
        return self.root

    @property
    def at_once(self) -> int:
        """One: a disk is not asked faster by asking it from many threads."""
        return 1

    def names(self, prefix: str = "") -> list[str]:
        """List the objects below a prefix, sorted, with what a crash left: half-written ones, and empty `folders/`."""
        found = []
        for folder, folders, files in os.walk(self.root):
            below = "" if folder == self.root else os.path.relpath(folder, self.root) + "/"
            found += [below + name for name in files]
            if below and not files and not folders:
                found.append(below)
        return sorted(name.replace(os.sep, "/") for name in found if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(error, name) from error

    def create(self, name: str, body: bytes) -> bool:
        """Write a whole new object durably; False, and no change, if there is one already."""
        for tries_left in reversed(range(_TRIES)):
            try:
                return _create(self._path(name), body)
            except OSError as error:
                # Another process may take a folder without a file yet for what a crash has left, and remove it.
                if not tries_left or not isinstance(error, FileNotFoundError):
                    remove_empty(self._path(name).parent, Path(self.root))
                    raise _refused(error, name) from error
        return False

    def delete(self, *names: str) -> tuple[Finding, ...]:
        """Remove objects, and the folders that they leave empty; no error for one that is not there."""
        for name in names:
            self._delete(name)
        return ()

    def _delete(self, name: str) -> None:
        path = self._path(name)
        folder = path if name.endswith("/") else path.parent
        try:
            if folder != path:
                path.unlink(missing_ok=True)
            remove_empty(folder, Path(self.root))
        except OSError as error:
            raise _refused(error, name) from error

    def _path(self, name: str) -> Path:
        return Path(self.root, *name.split("/"))


def _create(path: Path, body: bytes) -> bool:
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    make_folders(path.parent)
    try:
        write_durably(scratch, body)
        os.link(scratch, path)  # fails if the name is taken: the one atomic "create if absent" of POSIX
    except FileExistsError:
        return False
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, durably: a file is no safer than the names that lead to it."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_durably(path: Path, body: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's entries: a rename or a new name is not durable before."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and its parents, up to and with `root`, as far as they are empty."""
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # a crash came between this folder and the one above
        except OSError:
            return
        if folder == root or root not in folder.parents:
            return
        folder = folder.parent


def _refused(error: OSError, name: str) -> StoreError:
    return StoreError(f"cannot use {name}: {error.strerror}", hint="check space and permissions of the folder")
