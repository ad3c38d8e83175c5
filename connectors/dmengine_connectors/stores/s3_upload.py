"""Writes an object as a multipart upload that is finished but not completed: durable, and invisible."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from dmengine.errors import StoreError
from dmengine_connectors.stores.s3_calls import Calls, RefusedError

MIB: Final = 1 << 20
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MOST_PARTS: Final = 10_000
SMALLEST_PART, LARGEST_PART = 8 * MIB, 5 << 30
_EXPECTED_PARTS: Final = 5_000
_GROWTH: Final = 400
_AT_ONCE: Final = 3
_TRIES: Final = 3


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
        begin: Begins the upload, and returns its id; called when the first part is full, or at the end.
    """

    def __init__(self, calls: Calls, key: str, expected: int, begin: Callable[[], str]) -> None:
        self._calls = calls
        self._key = key
        self._expected = expected
        self._begin = begin
        self._digest = hashlib.sha256()
        self._buffer = bytearray()
        self._pool: ThreadPoolExecutor | None = None
        self._sending: deque[Future[PartSent]] = deque()
        self.parts: list[PartSent] = []
        self.upload = ""
        self.size = 0
        self.notes: dict[str, str] = {}

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
            room = self._limit() - len(self._buffer)
            self._buffer += view[done : done + room]
            done += room
            if len(self._buffer) >= self._limit():
                self._send()
        return view.nbytes

    @property
    def checksum(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Send what is left, and wait until S3 has all parts. An empty object is one empty part."""
        if self._buffer or not self.size:
            self._send()
        while self._sending:
            self.parts.append(self._sending.popleft().result())
        self.stop()

    def stop(self) -> None:
        """Send nothing more, and wait for what is under way: it must not arrive after an abort."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _limit(self) -> int:
        return part_size(len(self.parts) + len(self._sending) + 1, self._expected)

    def _send(self) -> None:
        number = len(self.parts) + len(self._sending) + 1
        if number > MOST_PARTS:
            raise StoreError(f"{self._key} is too large for one object", hint="split the source")
        if self._pool is None:
            self.upload = self._begin()
            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dmengine-send")
        body, self._buffer = bytes(self._buffer), bytearray()
        at_once = _AT_ONCE if len(body) <= 8 * SMALLEST_PART else 1
        while len(self._sending) >= at_once:
            self.parts.append(self._sending.popleft().result())
        self._sending.append(self._pool.submit(self._send_part, number, body))

    def _send_part(self, number: int, body: bytes) -> PartSent:
        sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._calls(
                    "upload_part", Key=self._key, UploadId=self.upload, PartNumber=number, Body=body,
                    ChecksumSHA256=sha256,
                )  # fmt: skip
            except RefusedError as error:
                if error.code != "BadDigest" or tries == _TRIES:
                    raise
                continue
            if answer.get("ETag") and answer.get("ChecksumSHA256", sha256) == sha256:
                return PartSent(answer["ETag"], sha256)
            if tries == _TRIES:
                raise StoreError(f"S3 stored another part of {self._key} than was sent", hint="check the network")


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
