"""The wire of PostgreSQL: messages, start-up with or without TLS, and one client passed on to one backend."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

Message = tuple[bytes, bytes]
"""The kind of a message, one byte, and what it holds."""
_TLS, _GSS, _CANCEL = 80877103, 80877104, 80877102
_SHOWN_VERSION: Final = b"server_version\x008.0.2\x00"  # Redshift's, which drivers read from the start-up


class Gone(Exception):
    """The other side has closed the connection."""


class Wire:
    """One side of a conversation, read through a buffer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = connection.makefile("rb", 1 << 16)

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes."""
        found: bytes = self._buffer.read(size)
        if len(found) < size:
            raise Gone
        return found

    def start(self) -> bytes:
        """Return a message of the start-up, which has no kind; whole, with its length."""
        head = self.read(4)
        return head + self.read(struct.unpack("!I", head)[0] - 4)

    def message(self) -> Message:
        """Return the next message."""
        kind = self.read(1)
        return kind, self.read(struct.unpack("!I", self.read(4))[0] - 4)

    def send(self, *messages: Message) -> None:
        """Send messages."""
        self.connection.sendall(b"".join(kind + struct.pack("!I", len(body) + 4) + body for kind, body in messages))

    def close(self) -> None:
        """Close it."""
        self._buffer.close()
        self.connection.close()


@dataclass
class Result:
    """What a backend answered to one query.

    Attributes:
        names: The names of the columns.
        types: The OIDs of their types.
        rows: The values, as texts.
        error: The message of the error that it ended with.
        status: What the backend says of its transaction: I, T or E.
    """

    names: list[str]
    types: list[int]
    rows: list[list[str | None]]
    error: bytes = b""
    status: bytes = b"I"


class Backend(Wire):
    """The connection to PostgreSQL that belongs to one client."""

    status = b"I"

    def query(self, sql: str) -> Result:
        """Run statements on the client's own session."""
        self.send((b"Q", sql.encode() + b"\0"))
        found = Result([], [], [])
        while True:
            kind, body = self.message()
            if kind == b"T":
                found.names, found.types = _described(body)
            elif kind == b"D":
                found.rows.append(_row(body))
            elif kind == b"E":
                found.error = body
            elif kind == b"Z":
                self.status = found.status = body
                return found


def _described(body: bytes) -> tuple[list[str], list[int]]:
    names, types, at = [], [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        types.append(struct.unpack("!I", body[end + 7 : end + 11])[0])
        at = end + 19
    return names, types


def _row(body: bytes) -> list[str | None]:
    values: list[str | None] = []
    at = 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        size = struct.unpack("!i", body[at : at + 4])[0]
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return values


def error(message: str, code: str = "XX000") -> Message:
    """Return the message of an error."""
    fields = (("S", "ERROR"), ("V", "ERROR"), ("C", code), ("M", message))
    return b"E", b"".join(f"{name}{value}".encode() + b"\0" for name, value in fields) + b"\0"


def notice(message: str) -> Message:
    """Return the message of a notice."""
    fields = (("S", "INFO"), ("V", "INFO"), ("C", "00000"), ("M", message))
    return b"N", b"".join(f"{name}{value}".encode() + b"\0" for name, value in fields) + b"\0"


def begin(client: socket.socket, port: int, tls: ssl.SSLContext | None, ends: ExitStack) -> tuple[Wire, Backend] | None:
    """Do the start-up with a client until it is logged in at the backend; None where that is not so.

    Args:
        client: The connection.
        port: That of the backend.
        tls: What to encrypt with; None: clients that want it are told that there is none.
        ends: Closes what was opened.
    """
    while True:
        wire = Wire(client)
        ends.callback(wire.close)
        message = wire.start()
        code = struct.unpack("!I", message[4:8])[0]
        if code == _GSS or (code == _TLS and tls is None):
            client.sendall(b"N")
        elif code == _TLS and tls is not None:
            client.sendall(b"S")
            client = tls.wrap_socket(client, server_side=True)
        else:
            break
    backend = Backend(socket.create_connection(("127.0.0.1", port)))
    ends.callback(backend.close)
    backend.connection.sendall(message)
    if code == _CANCEL:
        return None
    return (wire, backend) if _logged_in(wire, backend) else None


def _logged_in(wire: Wire, backend: Backend) -> bool:
    while True:
        kind, body = backend.message()
        if kind == b"S" and body.startswith(b"server_version\0"):
            body = _SHOWN_VERSION
        wire.send((kind, body))
        if kind == b"E":
            return False
        if kind == b"Z":
            return True
        if kind == b"R" and struct.unpack("!I", body[:4])[0] not in (0, 12):
            backend.send(wire.message())


def converse(wire: Wire, backend: Backend, instead: Callable[[str, Wire, Backend], bool]) -> None:
    """Pass on what is said, but for the queries that something else answers, until one side goes."""
    while True:
        kind, body = wire.message()
        if kind == b"X":
            return
        if kind == b"Q" and instead(body[:-1].decode(), wire, backend):
            continue
        backend.send((kind, body))
        if kind not in (b"Q", b"S"):
            continue
        while True:
            answer = backend.message()
            wire.send(answer)
            if answer[0] == b"Z":
                backend.status = answer[1]
                break
