"""Reads objects of a bucket by ranges: read ahead, seekable, and going on at the byte where an answer broke off."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from mmap import mmap
from threading import Event
from typing import Any, Final

from dmengine.errors import DmengineError, InputError, StoreError
from dmengine_connectors.stores.objects import Access, not_at_rest
from dmengine_connectors.stores.s3_calls import Calls, RefusedError, wait
from dmengine_connectors.stores.s3_sums import Expected, algorithm, expected

MIB: Final = 1 << 20
TRIES: Final = 10
Block = bytes | memoryview
_CHUNK: Final = MIB


@dataclass(frozen=True, slots=True)
class Manner:
    """How an object is asked for: bytes in a range, ranges fetched ahead, ranges kept in memory."""

    block: int
    ahead: int
    keep: int

    def in_pieces(self, block: int) -> Manner:
        """Return the same with ranges of another size, and no more memory; two of them are kept all the same.

        >>> Manner(8, 4, 6).in_pieces(12), Manner(8, 4, 6).in_pieces(40)
        (Manner(block=12, ahead=2, keep=4), Manner(block=40, ahead=0, keep=2))
        """
        keep = max(2, self.block * self.keep // block)
        return replace(self, block=block, keep=keep, ahead=max(0, min(self.ahead, keep - 2)))


# 48 MiB at most for a file that is open: a row group of 128 MiB in memory is seldom more than that in the file.
MANNERS: Final[Mapping[Access, Manner]] = {
    "stream": Manner(8 * MIB, 4, 6),
    "seek": Manner(2 * MIB, 2, 24),
    "glance": Manner(MIB // 2, 0, 8),
}


def pin_of(etag: str, size: int) -> str:
    """Return what must still be true of an object when it is read: what it holds, and how much.

    >>> pin_of('"9a0364b9e99bb480dd25e1f0284c8555"', 4)
    '9a0364b9e99bb480dd25e1f0284c8555:4'
    """
    return f"{etag.strip(chr(34))}:{size}"


def split_pin(pin: str) -> tuple[str, int]:
    """Return the ETag, as S3 wants it, and the size that a pin stands for."""
    etag, _, size = pin.rpartition(":")
    return f'"{etag}"', int(size)


def open_object(calls: Calls, key: str, name: str, pin: str, access: Access) -> RangedFile:
    """Open an object: ask for its beginning, and learn with that what else there is to know.

    Raises:
        InputError: it is not the object that was listed, or it is archived.
        RefusedError: S3 refused.
    """
    manner = MANNERS[access]
    size = split_pin(pin)[1] if pin else None
    reader = Ranges(calls, key, name, split_pin(pin)[0] if pin else "")
    sum_: Expected | None = None
    if size is not None and size > manner.block and access != "glance":
        sum_ = reader.expected(size)
        piece = sum_.piece(manner.block) if sum_ is not None else None
        manner = manner if piece is None else manner.in_pieces(piece)
    if size == 0:
        answer = reader.look()
        first: Block = b""
    else:
        whole = size is not None and size <= manner.block
        answer, first = reader.begin(size if whole and size else manner.block, whole=whole)
    found = _size(answer)
    if size is not None and found != size:
        raise not_at_rest(name, "changed")
    reader.etag = answer["ETag"]
    if "ContentRange" not in answer and found:
        sum_ = expected(answer, found, lambda: reader.part(1))
    return RangedFile(reader.fetch, found, manner, first, answer, sum_)


class Ranges:
    """The bytes of one object, asked for by range, all of the same version."""

    def __init__(self, calls: Calls, key: str, name: str, etag: str) -> None:
        self._calls = calls
        self._key = key
        self._name = name
        self.etag = etag

    @property
    def name(self) -> str:
        """The object's name."""
        return self._name

    def look(self) -> dict[str, Any]:
        """Ask for everything but the bytes."""
        return self._asked("head_object", ChecksumMode="ENABLED")

    def part(self, number: int) -> int:
        """Ask how large a part was that the object was sent in."""
        # without IfMatch: an answer about a part has an ETag of its own in some stores
        return int(self._calls("head_object", Key=self._key, PartNumber=number)["ContentLength"])

    def expected(self, size: int) -> Expected | None:
        """Ask for the checksum that S3 has of the object; None if it has none, or none to show us."""
        try:
            return expected(self.look(), size, lambda: self.part(1))
        except RefusedError as error:
            if error.kind not in ("denied", "kms"):
                raise
        return None

    def begin(self, block: int, *, whole: bool) -> tuple[dict[str, Any], Block]:
        """Ask for the first bytes, or the whole; return the answer's headers with them.

        S3 sends a checksum with a whole object only, and botocore compares it, if it is of one piece.
        """
        tries = 0
        body = _room(block)
        while True:
            try:
                answer, got = self._part(0, body, whole=whole)
            except RefusedError as error:
                if error.code not in ("InvalidRange", "416"):
                    raise
                return self.look(), b""  # it is empty
            if "ContentLength" in answer:
                break
            tries = self._tried(tries)
        self.etag = answer["ETag"]
        body = body[: _size(answer)]
        self._fill(0, body, got)
        return answer, body

    def fetch(self, start: int, end: int, stop: Event | None = None) -> Block:
        """Return the bytes from `start` up to `end`; nothing, if it was stopped."""
        body = _room(end - start)
        return body if self._fill(start, body, 0, stop) else b""

    def _fill(self, start: int, body: memoryview, got: int, stop: Event | None = None) -> bool:
        """Ask for what is missing of a body, again when an answer breaks off; False if it was stopped."""
        tries = 0
        while got < len(body):
            if stop is not None and stop.is_set():
                return False
            _, more = self._part(start + got, body[got:], stop)
            got += more
            if got < len(body):
                tries = self._tried(0 if more >= MIB else tries)
        return True

    def _tried(self, tries: int) -> int:
        """Count one more answer that broke off, and wait a little; give up after so many without a step forward."""
        if tries + 1 == TRIES:
            raise StoreError(
                f"{self._name} broke off {TRIES} times while it was read",
                hint="check the network, then run again; what is sealed is not done again",
            )
        if tries:
            wait(tries)
        return tries + 1

    def _part(
        self, start: int, into: memoryview, stop: Event | None = None, *, whole: bool = False
    ) -> tuple[dict[str, Any], int]:
        """Ask once for as many bytes as there is room for; say how many came before the answer broke off."""
        wanted = {} if whole else {"Range": f"bytes={start}-{start + len(into) - 1}"}
        answer = self._asked("get_object", ChecksumMode="ENABLED", **wanted)
        body = answer.pop("Body")
        if "ContentLength" not in answer:  # then its end could not be told from where it broke off
            body.close()
            return answer, 0
        if _start(answer) != start:
            body.close()
            raise StoreError(f"S3 answered with other bytes of {self._name} than were asked for", hint="report it")
        return answer, _received(body, into[: max(0, _size(answer) - start)], stop)

    def _asked(self, operation: str, **parameters: Any) -> dict[str, Any]:
        if self.etag:
            parameters["IfMatch"] = self.etag
        try:
            return self._calls(operation, Key=self._key, **parameters)
        except RefusedError as error:
            refused = error
        raise self._meaning(refused)

    def _meaning(self, refused: RefusedError) -> DmengineError:
        if refused.kind == "changed":
            return not_at_rest(self._name, "changed")
        if refused.kind == "missing" and self.etag and refused.code != "NoSuchBucket":
            return not_at_rest(self._name, "removed")
        if refused.kind == "archived":
            return InputError(f"{self._name} is archived and cannot be read", hint="restore it first, or exclude it")
        return refused


def _room(size: int) -> memoryview:
    """Return memory for a range; much of it comes from the system and goes back to it, past any allocator."""
    return memoryview(mmap(-1, size) if size >= MIB else bytearray(size))


def _received(body: Any, into: memoryview, stop: Event | None) -> int:
    """Take what comes of a body, and say how much that was; a body that breaks off is no error yet."""
    from botocore.exceptions import BotoCoreError

    got = 0
    try:
        while got < len(into) and not (stop is not None and stop.is_set()):
            chunk = body.read(min(_CHUNK, len(into) - got))
            if not chunk:
                break
            into[got : got + len(chunk)] = chunk
            got += len(chunk)
        if got == len(into):
            body.read(1)  # the end: here botocore compares checksum and length
    except (BotoCoreError, OSError) as error:
        if type(error).__name__ == "FlexibleChecksumError":
            got = 0
    finally:
        body.close()
    return got


def _start(answer: Mapping[str, Any]) -> int:
    found: str = answer.get("ContentRange", "bytes 0-")
    return int(found.removeprefix("bytes ").partition("-")[0])


def _size(answer: Mapping[str, Any]) -> int:
    """Return the size of the whole object that an answer is part of."""
    found: str = answer.get("ContentRange", "")
    return int(found.rpartition("/")[2]) if found else int(answer["ContentLength"])


class RangedFile(io.RawIOBase):
    """An object as a file to read from: keeps a few blocks, and fetches the next ones before they are asked for.

    Attributes:
        size: Bytes of the whole object.
        answer: What S3 said of the object with its first bytes.
        unlike: The kind of checksum that S3 has of it and that cannot be compared; empty if there is none.
    """

    def __init__(
        self, fetch: Callable[[int, int, Event], Block], size: int, manner: Manner, first: Block,
        answer: dict[str, Any], sum_: Expected | None = None,
    ) -> None:  # fmt: skip
        self._fetch = fetch
        self.size = size
        self.answer = answer
        self.unlike = ""
        self._manner = manner
        self._blocks: OrderedDict[int, Block | Future[Block]] = OrderedDict({0: first})
        self._sum = sum_ if sum_ is not None and sum_.piece(manner.block) in (manner.block, size) else None
        if sum_ is not None and self._sum is None:
            self.unlike = sum_.name
        self._digest = _digest(self._sum)
        self._sums = {0: self._digest(first)}
        self._pool: ThreadPoolExecutor | None = None
        self._stop = Event()
        self._position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go elsewhere; asks for nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning of the file")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return as many bytes as asked for; fewer only at the end."""
        left = max(0, self.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        while wanted > 0:
            index, offset = divmod(self._position, self._manner.block)
            piece = memoryview(self._block(index))[offset : offset + wanted]
            pieces.append(piece)
            self._position += len(piece)
            wanted -= len(piece)
        return b"".join(pieces) if len(pieces) != 1 else bytes(pieces[0])

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, less only at the end."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def verify(self, ranges: Ranges) -> None:
        """Compare all that was read with the checksum that S3 has of it, where it has one that can be compared.

        Raises:
            InputError: it is another one.
        """
        if self._sum is None:
            return
        block = self._manner.block
        starts = range(0, self.size, block)
        for index in range(len(starts)):
            if index not in self._sums:  # a hole that no reader wanted
                self._fetched(index)
        sums = [(self._sums[index], min(block, self.size - start)) for index, start in enumerate(starts)]
        if not self._sum.agrees(sums) and self._is_even(ranges):
            raise InputError(
                f"{ranges.name} was not read as it is stored: its checksum is wrong",
                hint="check the network; run again",
            )

    def _is_even(self, ranges: Ranges) -> bool:
        """Say whether the parts of the object are all as large as its first one; else its pieces were cut wrongly."""
        assert self._sum is not None
        if -(-self.size // (self._sum.part or self.size)) != (self._sum.parts or 1):
            return False
        return all(ranges.part(number) == self._sum.part for number in range(2, self._sum.parts))

    def close(self) -> None:
        """Drop what was fetched ahead."""
        self._stop.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._blocks.clear()
        super().close()

    def _block(self, index: int) -> Block:
        """Return a block, and have the next ones fetched."""
        self._ask(index)
        for following in range(index + 1, index + 1 + self._manner.ahead):
            self._ask(following)
        self._blocks.move_to_end(index)
        self._drop(range(index, index + 1 + self._manner.ahead))
        found = self._blocks[index]
        if isinstance(found, Future):
            self._blocks[index] = found = found.result()
        return found

    def _drop(self, wanted: range) -> None:
        """Drop the blocks that were not asked for longest, but none that is about to be."""
        spare = len(self._blocks) - max(self._manner.keep, self._manner.ahead + 2)
        if spare > 0:
            for old in [index for index in self._blocks if index not in wanted][:spare]:
                dropped = self._blocks.pop(old)
                if isinstance(dropped, Future):
                    dropped.cancel()

    def _ask(self, index: int) -> None:
        if index in self._blocks or index * self._manner.block >= self.size:
            return
        if not self._manner.ahead:
            self._blocks[index] = self._fetched(index)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._manner.ahead + 1, thread_name_prefix="dmengine-fetch")
        self._blocks[index] = self._pool.submit(self._fetched, index)

    def _fetched(self, index: int) -> Block:
        start = index * self._manner.block
        found = self._fetch(start, min(start + self._manner.block, self.size), self._stop)
        self._sums[index] = self._digest(found)
        return found


def _digest(sum_: Expected | None) -> Callable[[Any], bytes]:
    found = algorithm(sum_.name) if sum_ is not None else None
    return found.digest if found is not None else lambda body: b""
