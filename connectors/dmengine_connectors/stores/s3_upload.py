"""Writes an object as a multipart upload that is finished but not completed: durable, and invisible."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from mmap import mmap
from tempfile import TemporaryFile
from typing import Any, Final

from dmengine.errors import StoreError
from dmengine.spi import Finding
from dmengine_connectors.stores.s3_calls import Calls, RefusedError

MIB: Final = 1 << 20
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MOST_PARTS: Final = 10_000
SMALLEST_PART, LARGEST_PART = 8 * MIB, 5 << 30
_EXPECTED_PARTS: Final = 5_000
_GROWTH: Final = 400
_AT_ONCE: Final = 4
_IN_FLIGHT: Final = 64 * MIB
"""Bytes of one object that may wait in memory; a part larger than that waits in a file that has no name."""
_TRIES: Final = 3
Begun = tuple[str, tuple[Finding, ...]]
_DAMAGED: Final = ("BadDigest", "XAmzContentSHA256Mismatch")  # by a checksum; without TLS, by the signature


def part_size(number: int, expected: int) -> int:
    """Return how large a part must be so that 10,000 of them are enough, however wrong the expectation was.

    Half of the parts hold what is expected; each 400 parts after them are twice as large as those before.

    >>> part_size(1, 0) // MIB, part_size(1, 100 << 30) // MIB, part_size(6_000, 0) // MIB
    (8, 20, 64)
    """
    size = max(SMALLEST_PART, -(-expected // _EXPECTED_PARTS))
    beyond = max(0, number - _EXPECTED_PARTS)
    return min(LARGEST_PART, size << -(-beyond // _GROWTH))


@dataclass(frozen=True, slots=True)
class PartSent:
    """One part that S3 has: its ETag, and the SHA-256 that S3 has compared."""

    etag: str
    sha256: str

    def complete(self, number: int) -> dict[str, Any]:
        """Return what CompleteMultipartUpload wants to hear of it."""
        return {"PartNumber": number, "ETag": self.etag, "ChecksumSHA256": self.sha256}


class SealedUpload(io.RawIOBase):
    """An object being written: cut into parts that are sent while the next one fills.

    Args:
        calls: The bucket.
        key: The object's key.
        expected: About how many bytes there will be.
        begin: Begins the upload, and returns its id with what could not be carried over; called when the first part is
            full, or at the end.
    """

    def __init__(self, calls: Calls, key: str, expected: int, begin: Callable[[], Begun]) -> None:
        self._calls = calls
        self._key = key
        self._expected = expected
        self._begin = begin
        self._digest = hashlib.sha256()
        self._number = 1
        self._part = _Part(part_size(1, expected))
        self._pool: ThreadPoolExecutor | None = None
        self._sending: deque[Future[PartSent]] = deque()
        self.parts: list[PartSent] = []
        self.upload = ""
        self.size = 0
        self.notes: dict[str, str] = {}
        self.findings: tuple[Finding, ...] = ()

    def writable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return how much was written."""
        return self.size

    def write(self, body: Any, /) -> int:
        """Write all of it."""
        view = memoryview(body).cast("B")
        self._digest.update(view)
        self.size += view.nbytes
        done = 0
        while done < view.nbytes:
            if not self._part.room:
                self._send()
            done += self._part.write(view[done:])
        return view.nbytes

    @property
    def checksum(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Send what is left, and wait until S3 has all parts. An empty object is one empty part."""
        if self._pool is None:
            self._begun()
            self.parts.append(self._sent(1, self._part))  # the only one: no other thread is needed
        else:
            self._hand_over()
            while self._sending:
                self.parts.append(self._sending.popleft().result())
        self.stop()

    def stop(self) -> None:
        """Send nothing more, and wait for what is under way: it must not arrive after an abort."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._part.close()

    def _send(self) -> None:
        """Have the part sent that is full, and begin the next one."""
        if self._number == MOST_PARTS:
            raise StoreError(f"{self._key} is too large for one object", hint="split the source")
        if self._pool is None:
            self._begun()
            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dmengine-send")
        self._hand_over()
        self._number += 1
        size = part_size(self._number, self._expected)
        while len(self._sending) >= max(2, min(_AT_ONCE, _IN_FLIGHT // size)):  # with the one that is filled next
            self.parts.append(self._sending.popleft().result())
        self._part = _Part(size)

    def _begun(self) -> None:
        self.upload, self.findings = self._begin()

    def _hand_over(self) -> None:
        assert self._pool is not None
        self._sending.append(self._pool.submit(self._sent, self._number, self._part))

    def _sent(self, number: int, part: _Part) -> PartSent:
        with part:
            return self._send_part(number, part)

    def _send_part(self, number: int, part: _Part) -> PartSent:
        sha256 = part.sha256()
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._calls(
                    "upload_part", Key=self._key, UploadId=self.upload, PartNumber=number, Body=part.body(),
                    ChecksumSHA256=sha256,
                )  # fmt: skip
            except RefusedError as error:
                if error.code not in _DAMAGED or tries == _TRIES:
                    raise
                continue
            if answer.get("ETag") and answer.get("ChecksumSHA256", sha256) == sha256:
                return PartSent(answer["ETag"], sha256)
            if tries == _TRIES:
                raise StoreError(f"S3 stored another part of {self._key} than was sent", hint="check the network")


class _Part:
    """The bytes of one part: in memory, or, of a part too large for that, in a file that has no name.

    The memory comes from the system and goes back to it at once, past an allocator that would keep much of it.
    """

    def __init__(self, size: int) -> None:
        self.room = size
        self._file: Any = TemporaryFile() if size > _IN_FLIGHT else mmap(-1, size)  # noqa: SIM115
        self._size = 0

    def __enter__(self) -> _Part:
        if isinstance(self._file, mmap) and self.room:
            self._file = _cut(self._file, self._size)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, view: memoryview) -> int:
        """Take as much as there is room for, and say how much that was."""
        taken = view[: self.room]
        self._file.write(taken)
        self._size += len(taken)
        self.room -= len(taken)
        return len(taken)

    def body(self) -> Any:
        """Return what is to be sent, as a file at its beginning."""
        self._file.seek(0)
        return self._file

    def sha256(self) -> str:
        """Return the checksum as S3 writes it."""
        if isinstance(self._file, mmap):
            found = hashlib.sha256(self._file)
        else:
            self._file.seek(0)
            found = hashlib.file_digest(self._file, "sha256")
        return base64.b64encode(found.digest()).decode()

    def close(self) -> None:
        """Let go of the bytes."""
        self._file.close()


def _cut(memory: mmap, size: int) -> Any:
    """Return as much of it as was written, as a file."""
    found = BytesIO(memory[:size])
    memory.close()
    return found


def composite_etag(parts: Sequence[PartSent]) -> str:
    """Return the ETag that the object will have, where S3 makes ETags of MD5 sums (not under KMS keys).

    >>> composite_etag([PartSent('"d41d8cd98f00b204e9800998ecf8427e"', "")])
    '"59adb24ef3cdbe0297f05b395827453f-1"'
    """
    etags = [part.etag.strip('"') for part in parts]
    try:
        joined = b"".join(bytes.fromhex(etag) for etag in etags)
    except ValueError:
        return ""
    return f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"'


def composite_checksum(parts: Sequence[PartSent]) -> str:
    """Return the checksum of checksums by which S3 knows the object: SHA-256 over those of its parts."""
    joined = b"".join(base64.b64decode(part.sha256) for part in parts)
    return base64.b64encode(hashlib.sha256(joined).digest()).decode()
