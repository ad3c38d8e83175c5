"""A small S3 on the loopback interface, quick enough not to be what is measured.

It is started as `python -m benchmarks.s3_server FOLDER`, keeps bodies in files there (best on a file system in memory),
sends them with sendfile, stores checksums without comparing them, and knows no rights. `GET /_used` tells its processor
time and what it was asked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import resource
import socket
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

_PIECE: Final = 1 << 20
_NOT_FOUND: Final = (404, "NoSuchKey")
_FAILED: Final = (412, "PreconditionFailed")
_KEPT: Final = ("content-type", "cache-control", "x-amz-storage-class")


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: the files that its bytes lie in, one after the other."""

    etag: str
    files: tuple[tuple[str, int], ...]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the whole object."""
        return sum(size for _, size in self.files)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, without the body."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def operation(self) -> str:
        """A name for it, to count by."""
        words = [word for word in self.query if word in ("uploads", "uploadId", "tagging", "list-type", "delete")]
        return " ".join([self.method, *words]) + ("" if self.key else " bucket")


@dataclass(slots=True)
class Bodies:
    """All that the server holds."""

    folder: Path
    objects: dict[tuple[str, str], Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[str, str, dict[int, Stored], dict[str, str]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    named: int = 0

    def load(self, bucket: str, folder: Path) -> None:
        """Take the files of a folder as the objects of a bucket; each with its CRC-32, as S3 has it."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            crc = 0
            with open(path, "rb") as file:
                while piece := file.read(_PIECE):
                    crc = zlib.crc32(piece, crc)
            stored = base64.b64encode(crc.to_bytes(4, "big")).decode()
            headers = {"x-amz-checksum-crc32": stored, "x-amz-checksum-type": "FULL_OBJECT"}
            key = path.relative_to(folder).as_posix()
            self.objects[bucket, key] = Stored(_etag(), ((str(path), path.stat().st_size),), headers)

    def file(self) -> str:
        """Return a new path for a body."""
        with self.lock:
            self.named += 1
            return str(self.folder / f"{self.named}.body")

    def refused(self, request: Request) -> tuple[int, str] | None:
        """Say whether a condition of a write is not met."""
        there = self.objects.get((request.bucket, request.key))
        if "if-none-match" in request.headers and there is not None:
            return _FAILED
        if "if-match" in request.headers and (there is None or request.headers["if-match"].strip('"') != there.etag):
            return _NOT_FOUND if there is None else _FAILED
        return None


class Connection:
    """Answers what comes over one connection."""

    def __init__(self, connection: socket.socket, bodies: Bodies, latency: float) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._in = connection.makefile("rb", 1 << 16)
        self._bodies = bodies
        self._latency = latency
        self._buffer = memoryview(bytearray(_PIECE))

    def serve(self) -> None:
        """Answer until the other side goes."""
        try:
            while line := self._in.readline():
                self._one(*line.split()[:2])
        except OSError:
            pass
        finally:
            self._socket.close()

    def _one(self, method: bytes, target: bytes) -> None:
        headers = {}
        while (line := self._in.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = target.decode("latin-1").partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        request = Request(method.decode(), bucket, key, asked, headers)
        if headers.get("expect"):
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.bucket == "_used":
            return self._used()
        body = self._received(int(headers.get("content-length", 0)), keep=request.method == "PUT")
        if self._latency:
            time.sleep(self._latency)
        with self._bodies.lock:
            self._bodies.asked[request.operation] += 1
        if request.method == "PUT":
            return self._put(request, body)
        if request.method == "POST":
            return self._post(request, body)
        return {"GET": self._get, "HEAD": self._head, "DELETE": self._delete}[request.method](request)

    def _received(self, size: int, *, keep: bool) -> tuple[str, int]:
        """Take a body: into a file, or as the text itself where it is only a list of parts."""
        if not keep:
            return self._in.read(size).decode() if size else "", size
        path = self._bodies.file()
        with open(path, "wb", 0) as file:
            left = size
            while left:
                view = self._buffer[: min(left, _PIECE)]
                got = self._in.readinto(view)  # type: ignore[attr-defined]  # typing takes it for any IOBase
                if not got:
                    raise ConnectionError
                file.write(view[:got])
                left -= got
        return path, size

    # ------------------------------------------------------------------------------------------ operations

    def _get(self, request: Request) -> None:
        if not request.key:
            return self._about_bucket(request)
        if "tagging" in request.query:
            return self._answer(200, "<Tagging><TagSet></TagSet></Tagging>")
        return self._object(request)

    def _head(self, request: Request) -> None:
        return self._object(request) if request.key else self._answer(200)

    def _object(self, request: Request) -> None:
        stored = self._bodies.objects.get((request.bucket, request.key))
        if stored is None:
            return self._answer(404) if request.method == "HEAD" else self._error(request, *_NOT_FOUND)
        if request.headers.get("if-match", stored.etag).strip('"') != stored.etag:
            return self._error(request, *_FAILED)
        start, end, status = 0, stored.size, 200
        headers = {"ETag": f'"{stored.etag}"', "Last-Modified": formatdate(usegmt=True), **stored.headers}
        if wanted := request.headers.get("range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last or stored.size) + 1, stored.size), 206
            if start >= stored.size:
                return self._error(request, 416, "InvalidRange")
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
        if status == 206 or "x-amz-checksum-mode" not in request.headers:
            headers = {name: value for name, value in headers.items() if not name.startswith("x-amz-checksum")}
        self._head_of(status, end - start, headers)
        if request.method != "HEAD":
            self._send(stored, start, end)
        return None

    def _send(self, stored: Stored, start: int, end: int) -> None:
        begin = 0
        for path, size in stored.files:
            first, last = max(start - begin, 0), min(end - begin, size)
            if first < last:
                with open(path, "rb", 0) as file:
                    while first < last:
                        first += os.sendfile(self._socket.fileno(), file.fileno(), first, last - first)
            begin += size

    def _put(self, request: Request, body: tuple[str, int]) -> None:
        stored = Stored(_etag(), (body,), {k: v for k, v in request.headers.items() if k in _KEPT})
        if "uploadId" in request.query:
            self._bodies.uploads[request.query["uploadId"]][2][int(request.query["partNumber"])] = stored
            name = "x-amz-checksum-sha256"
            more = {name: request.headers[name]} if name in request.headers else {}
            return self._answer(200, headers={"ETag": f'"{stored.etag}"', **more})
        with self._bodies.lock:
            if refused := self._bodies.refused(request):
                return self._error(request, *refused)
            self._bodies.objects[request.bucket, request.key] = stored
        return self._answer(200, headers={"ETag": f'"{stored.etag}"'})

    def _post(self, request: Request, body: tuple[str, int]) -> None:
        if "uploads" in request.query:
            upload = os.urandom(12).hex()
            kept = {k: v for k, v in request.headers.items() if k in _KEPT}
            self._bodies.uploads[upload] = request.bucket, request.key, {}, kept
            return self._answer(200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
                                     "</InitiateMultipartUploadResult>")  # fmt: skip
        if "delete" in request.query:
            for piece in body[0].split("<Key>")[1:]:
                self._bodies.objects.pop((request.bucket, piece.partition("</Key>")[0]), None)
            return self._answer(200, "<DeleteResult></DeleteResult>")
        with self._bodies.lock:
            return self._completed(request)

    def _completed(self, request: Request) -> None:
        if refused := self._bodies.refused(request):
            return self._error(request, *refused)
        found = self._bodies.uploads.pop(request.query["uploadId"], None)
        if found is None:
            return self._error(request, 404, "NoSuchUpload")
        parts = [part for _, part in sorted(found[2].items())]
        joined = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
        etag = f"{joined.hexdigest()}-{len(parts)}"
        files = tuple(file for part in parts for file in part.files)
        self._bodies.objects[request.bucket, request.key] = Stored(etag, files, found[3])
        return self._answer(200, f"<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag>"
                                 "</CompleteMultipartUploadResult>")  # fmt: skip

    def _delete(self, request: Request) -> None:
        if "uploadId" in request.query:
            self._bodies.uploads.pop(request.query["uploadId"], None)
        else:
            self._bodies.objects.pop((request.bucket, request.key), None)
        return self._answer(204)

    def _about_bucket(self, request: Request) -> None:
        """List objects or uploads, or say that the bucket is private; of anything else, that it is not set."""
        if "list-type" in request.query:
            return self._listed(request)
        if "uploads" in request.query:
            below = request.query.get("prefix", "")
            found = [(key, upload) for upload, (_, key, *_) in [*self._bodies.uploads.items()] if key.startswith(below)]
            when = "2026-01-01T00:00:00.000Z"
            items = "".join(f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>"
                            f"<Initiated>{when}</Initiated></Upload>" for key, upload in sorted(found))  # fmt: skip
            return self._answer(200, f"<ListMultipartUploadsResult>{items}</ListMultipartUploadsResult>")
        if "publicAccessBlock" in request.query:
            names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
            items = "".join(f"<{name}>true</{name}>" for name in names)
            return self._answer(200, f"<PublicAccessBlockConfiguration>{items}</PublicAccessBlockConfiguration>")
        if "versioning" in request.query:
            return self._answer(200, "<VersioningConfiguration></VersioningConfiguration>")
        return self._error(request, 404, "NoSuchLifecycleConfiguration")

    def _listed(self, request: Request) -> None:
        below, after = request.query.get("prefix", ""), request.query.get("continuation-token", "")
        found = sorted((key, stored) for (bucket, key), stored in [*self._bodies.objects.items()]
                       if bucket == request.bucket and key.startswith(below) and key > after)  # fmt: skip
        page = found[: int(request.query.get("max-keys", 1000))]
        items = "".join(f"<Contents><Key>{escape(key)}</Key><ETag>&quot;{stored.etag}&quot;</ETag>"
                        f"<Size>{stored.size}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                        "<StorageClass>STANDARD</StorageClass></Contents>" for key, stored in page)  # fmt: skip
        more = len(found) > len(page)
        token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more else ""
        return self._answer(200, f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}"
                                 "</ListBucketResult>")  # fmt: skip

    def _used(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        asked: Any = {"cpu_seconds": used.ru_utime + used.ru_stime, "asked": dict(self._bodies.asked)}
        self._answer(200, json.dumps(asked))

    # ------------------------------------------------------------------------------------------ answers

    def _error(self, request: Request, status: int, code: str) -> None:
        self._answer(status, "" if request.method == "HEAD" else f"<Error><Code>{code}</Code></Error>")

    def _answer(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        self._head_of(status, len(text.encode()), headers or {}, text)

    def _head_of(self, status: int, size: int, headers: Mapping[str, str], text: str = "") -> None:
        lines = [f"HTTP/1.1 {status} x", f"Date: {formatdate(usegmt=True)}", f"Content-Length: {size}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall(("\r\n".join([*lines, "", ""]) + text).encode())


def _etag() -> str:
    return os.urandom(16).hex()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where bodies are kept")
    parser.add_argument("--load", nargs=2, metavar=("BUCKET", "FOLDER"), help="begin with these files as objects")
    parser.add_argument("--latency", type=float, default=0, help="seconds before each answer")
    given = parser.parse_args()
    bodies = Bodies(given.folder)
    if given.load:
        bodies.load(given.load[0], Path(given.load[1]))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener, bodies, given.latency), daemon=True).start()
    sys.stdin.read()  # until whoever started it goes
    os._exit(0)


def _accept(listener: socket.socket, bodies: Bodies, latency: float) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=Connection(connection, bodies, latency).serve, daemon=True).start()


if __name__ == "__main__":
    main()
