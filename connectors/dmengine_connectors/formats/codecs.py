"""Whole-file compression: gzip, zstd, bzip2 and xz, and the refusal of what is cut, damaged or a bomb."""

from __future__ import annotations

import bz2
import io
import lzma
import re
from collections.abc import Callable
from typing import Any, BinaryIO, Final, Literal, cast

import pyarrow as pa
from isal import igzip, isal_zlib

from dmengine.errors import InputError

Codec = Literal["plain", "gzip", "zstd", "bz2", "xz"]

MAX_EXPANSION = 200
FREE_OUTPUT = 64 << 20  # small files of one repeated byte are no bombs: count the ratio only after this much
GZIP_LEVEL = 2  # ISA-L's own default, of 0 to 3
_SUFFIXES: Final[dict[str, Codec]] = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
# RFC 1952; RFC 8878; bzip2's file and block headers, of which the first alone could be text; the .xz file format 2.1.1
_MAGIC: Final[dict[Codec, re.Pattern[bytes]]] = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "bz2": re.compile(rb"BZh[1-9](\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
}
_MAGIC_SIZE: Final = 10
_MAX_XZ_MEMORY: Final = 256 << 20  # the strongest preset wants 65 MiB; a header can ask for 1.5 GiB
_BUFFER = 256 << 10


def codec_of(name: str) -> tuple[Codec, str]:
    """Tell a file's codec by its name, and return the name without the codec's suffix.

    >>> codec_of("people/0001.csv.gz"), codec_of("people.csv")
    (('gzip', 'people/0001.csv'), ('plain', 'people.csv'))
    """
    for suffix, codec in _SUFFIXES.items():
        if name.lower().endswith(suffix):
            return codec, name[: -len(suffix)]
    return "plain", name


def decompressed(file: BinaryIO, codec: Codec, *, max_expansion: int = MAX_EXPANSION) -> BinaryIO:
    """Open the plain bytes of a file; closing them leaves the file itself open.

    >>> import io
    >>> packed = io.BytesIO()
    >>> with compressed(packed, "gzip") as writer:
    ...     _ = writer.write(b"a,b")
    >>> _ = packed.seek(0)
    >>> decompressed(packed, "gzip").read()
    b'a,b'

    Gzip members, zstd frames and bzip2 and xz streams that follow each other are read as one; zero padding after the
    last gzip member or xz stream is skipped.

    Args:
        file: Read forward only, from where it stands.
        codec: What the file is said to be; its first bytes must agree.
        max_expansion: Most bytes out for each byte in, counted after the first 64 MiB.

    Raises:
        InputError: at once if the first bytes do not fit the codec; while reading if the file is cut
            short, damaged, followed by other bytes, or expands too much.
    """
    source = _Counted(file)
    start = source.peek(_MAGIC_SIZE)
    if codec == "plain":
        for other, magic in _MAGIC.items():
            if magic.match(start):
                raise InputError(f"the file is {other}, but its name does not say so", hint=_rename(other))
        return cast(BinaryIO, io.BufferedReader(source, _BUFFER))
    if not _MAGIC[codec].match(start):
        raise InputError(
            f"the file is named as {codec}, but it is not",
            hint="name it for what it holds, or copy it again: it may be empty or damaged",
        )
    read = _READERS[codec](source)
    return cast(BinaryIO, io.BufferedReader(_Expanded(source, read, codec, max_expansion), _BUFFER))


def compressed(file: BinaryIO, codec: Codec) -> BinaryIO:
    """Open a writer whose close() finishes the compressed stream and leaves the file itself open.

    The same bytes written give the same file: gzip members carry no time and no name.

    >>> import io
    >>> once, twice = io.BytesIO(), io.BytesIO()
    >>> for target in once, twice:
    ...     with compressed(target, "zstd") as writer:
    ...         _ = writer.write(b"a,b")
    >>> once.getvalue() == twice.getvalue()
    True
    """
    return cast(BinaryIO, _WRITERS[codec](file))


def _rename(codec: Codec) -> str:
    suffix = next(suffix for suffix, named in _SUFFIXES.items() if named == codec)
    return f"give the file the ending {suffix}, or store it without compression"


class _Counted(io.RawIOBase):
    """A file read forward: counts its bytes, keeps its own errors apart, and is not closed with its reader."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = b""
        self.count = 0
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (more := self._file.read(size - len(self._ahead))):
            self._ahead += more
        return self._ahead

    def read(self, size: int = -1, /) -> bytes:
        if self._ahead:
            size = len(self._ahead) if size < 0 else size
            found, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            found = self._pull(size)
        self.count += len(found)
        return found

    def readinto(self, buffer: Any, /) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _pull(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except BaseException as error:  # pyarrow and gzip would pass it on as one of their own
            self.failure = error
            raise


def _gzip_reader(source: _Counted) -> Callable[[int], bytes]:
    stream = igzip.GzipFile(fileobj=source)  # type: ignore[no-untyped-call]  # isal has no types here
    return cast(Callable[[int], bytes], stream.read)


def _zstd_reader(source: _Counted) -> Callable[[int], bytes]:
    stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
    return cast(Callable[[int], bytes], stream.read)


class _Streams:
    """Streams of bzip2 or xz that follow each other, read as one."""

    def __init__(self, source: _Counted, unpacker: Callable[[], Any], padding: bytes = b"") -> None:
        self._source = source
        self._unpacker = unpacker
        self._padding = padding
        self._stream = unpacker()

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end.

        Raises:
            EOFError: the file ends within a stream.
        """
        while True:
            packed = self._source.read(_BUFFER) if self._stream.needs_input and not self._stream.eof else b""
            if self._stream.eof:
                packed = (self._stream.unused_data or self._source.read(_BUFFER)).lstrip(self._padding or None)
                if not packed and not self._source.peek(1):
                    return b""
                self._stream = self._unpacker()
            elif not packed and self._stream.needs_input:
                raise EOFError
            found: bytes = self._stream.decompress(packed, size)
            if found:
                return found


def _bz2_reader(source: _Counted) -> Callable[[int], bytes]:
    return _Streams(source, bz2.BZ2Decompressor).read


def _xz_reader(source: _Counted) -> Callable[[int], bytes]:
    return _Streams(source, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_XZ_MEMORY), b"\0").read


class _Expanded(io.RawIOBase):
    """The plain bytes of a compressed file, with the decoder's failures told as input errors."""

    def __init__(self, source: _Counted, read: Callable[[int], bytes], codec: Codec, max_expansion: int) -> None:
        self._source = source
        self._read = read
        self._codec = codec
        self._max_expansion = max_expansion
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        found = self._next(len(buffer))
        if found is None:
            if self._source.failure is not None:
                raise self._source.failure
            raise InputError(
                f"the {self._codec} file is cut short or damaged, after {self._count} bytes of content",
                hint="copy the file again from where it was made",
            )
        self._count += len(found)
        if self._count > FREE_OUTPUT and self._count > self._max_expansion * self._source.count:
            raise InputError(
                f"the {self._codec} file expands more than {self._max_expansion} times",
                hint="raise the expansion limit if the file is to be trusted",
            )
        buffer[: len(found)] = found
        return len(found)

    def _next(self, size: int) -> bytes | None:
        try:
            return self._read(size)
        except (EOFError, OSError, lzma.LZMAError, cast(type[Exception], isal_zlib.error)):
            return None  # told by the caller, so that no decoder's state hangs on the error


class _Writer(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True


class _PlainWriter(_Writer):
    def write(self, content: Any, /) -> int:
        self._file.write(content)
        return memoryview(content).nbytes


class _PackingWriter(_Writer):
    """Writes through an object that packs bytes, and has a last word."""

    def __init__(self, file: BinaryIO, packer: Any) -> None:
        super().__init__(file)
        self._packer = packer

    def write(self, content: Any, /) -> int:
        self._file.write(self._packer.compress(content))
        return memoryview(content).nbytes

    def close(self) -> None:
        if not self.closed:
            self._file.write(self._packer.flush())
        super().close()


def _gzip_writer(file: BinaryIO) -> _Writer:
    return _PackingWriter(file, isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, 16 + isal_zlib.MAX_WBITS))


def _bz2_writer(file: BinaryIO) -> _Writer:
    return _PackingWriter(file, bz2.BZ2Compressor())


def _xz_writer(file: BinaryIO) -> _Writer:
    return _PackingWriter(file, lzma.LZMACompressor())


class _ZstdWriter(_Writer):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._stream = pa.CompressedOutputStream(pa.PythonFile(_PlainWriter(file), mode="w"), "zstd")

    def write(self, content: Any, /) -> int:
        self._stream.write(content)
        return memoryview(content).nbytes

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


_READERS: Final[dict[Codec, Callable[[_Counted], Callable[[int], bytes]]]] = {
    "gzip": _gzip_reader, "zstd": _zstd_reader, "bz2": _bz2_reader, "xz": _xz_reader,
}  # fmt: skip
_WRITERS: Final[dict[Codec, Callable[[BinaryIO], _Writer]]] = {
    "plain": _PlainWriter, "gzip": _gzip_writer, "zstd": _ZstdWriter, "bz2": _bz2_writer, "xz": _xz_writer,
}  # fmt: skip
