"""Codecs: what was written is read back whole, and what is not whole is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from dmengine.errors import InputError, StoreError
from dmengine_connectors.formats.codecs import FREE_OUTPUT, Codec, codec_of, compressed, decompressed
from dmengine_connectors.formats.csv import Csv

CONTENT = b"".join(b"%d,row %d\n" % (number, number * 7919 % 1000) for number in range(2000))
COMPRESSING: list[Codec] = ["gzip", "zstd", "bz2", "xz"]
ALL: list[Codec] = ["plain", *COMPRESSING]
THEIRS: dict[Codec, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": lambda packed: pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(),
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
}


class Stream(io.RawIOBase):
    """A file that can only be read forward, a little at a time."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 100) if size >= 0 else 100)


def pack(content: bytes, codec: Codec) -> bytes:
    """Compress through the writer."""
    target = io.BytesIO()
    with compressed(target, codec) as writer:
        for start in range(0, len(content), 1000):
            writer.write(content[start : start + 1000])
    return target.getvalue()


def unpack(content: bytes, codec: Codec, **options: Any) -> bytes:
    """Read everything back."""
    return decompressed(io.BytesIO(content), codec, **options).read()


def refusal(content: bytes, codec: Codec, **options: Any) -> str:
    """Return why a file is refused, having checked that no decoder's error hangs on."""
    with pytest.raises(InputError) as caught:
        unpack(content, codec, **options)
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("codec", ALL)
@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "short", "long"])
def test_what_was_written_is_read_back(codec: Codec, content: bytes) -> None:
    """Whole, in lines, and from a file that cannot seek."""
    packed = pack(content, codec)

    assert unpack(packed, codec) == content
    assert decompressed(io.BytesIO(packed), codec).readlines() == content.splitlines(keepends=True)
    assert decompressed(Stream(packed), codec).read() == content  # type: ignore[arg-type]


def test_the_name_tells_the_codec() -> None:
    """By its last ending, in any case."""
    assert codec_of("a/b.csv") == ("plain", "a/b.csv")
    assert codec_of("a/b.csv.gz") == ("gzip", "a/b.csv")
    assert codec_of("a/b.CSV.GZ") == ("gzip", "a/b.CSV")
    assert codec_of("a.gz/b.jsonl.zst") == ("zstd", "a.gz/b.jsonl")


@pytest.mark.parametrize("codec", COMPRESSING)
def test_equal_content_gives_equal_files(codec: Codec) -> None:
    """No time, name or other trace of the writer is in them, and others can read them."""
    packed = pack(CONTENT, codec)

    assert packed == pack(CONTENT, codec)
    if codec == "gzip":
        assert packed[3:8] == bytes(5)  # RFC 1952: FLG 0 means no name, then MTIME 0
    assert THEIRS[codec](packed) == CONTENT


@pytest.mark.parametrize("codec", ALL)
def test_closing_leaves_the_file_open(codec: Codec) -> None:
    """The file belongs to whoever opened it."""
    target = io.BytesIO()
    writer = compressed(target, codec)
    writer.write(b"x")
    writer.close()
    writer.close()
    target.seek(0)
    reader = decompressed(target, codec)
    reader.read()
    reader.close()

    assert not target.closed


@pytest.mark.parametrize("codec", COMPRESSING)
def test_files_one_after_the_other_are_one(codec: Codec) -> None:
    """Gzip members, zstd frames and the streams of bzip2 and xz are read to the last one."""
    assert unpack(pack(b"a\n", codec) + pack(b"", codec) + pack(b"b\n", codec), codec) == b"a\nb\n"


@pytest.mark.parametrize("codec", COMPRESSING)
def test_a_cut_file_is_refused_wherever_it_is_cut(codec: Codec) -> None:
    """Never a short read in silence, in the first or a later member."""
    packed = pack(CONTENT[:300], codec)

    for size in range(len(packed)):
        refusal(packed[:size], codec)
        if size:
            refusal(packed + packed[:size], codec)
    big = pack(CONTENT, codec)
    for size in random.Random(7).sample(range(1, len(big)), 50):
        refusal(big[:size], codec)


@pytest.mark.parametrize("codec", COMPRESSING)
def test_bytes_after_the_end_are_refused(codec: Codec) -> None:
    """What no decoder can read may be data that no mask has seen."""
    told = refusal(pack(CONTENT, codec) + b"SECRET", codec)

    assert "cut short or damaged" in told
    assert "SECRET" not in told


@pytest.mark.parametrize("codec", ["gzip", "xz"])
def test_zero_padding_is_skipped(codec: Codec) -> None:
    """Tapes and block devices leave it after gzip, and xz allows it between streams; it holds nothing."""
    packed = pack(CONTENT, codec)

    assert unpack(packed + bytes(512), codec) == CONTENT
    assert unpack(packed + bytes(4) + packed, codec) == CONTENT * 2


@pytest.mark.parametrize("codec", ["gzip", "bz2", "xz"])
def test_a_damaged_file_is_refused(codec: Codec) -> None:
    """Its checksums tell; those of zstd are optional."""
    packed = bytearray(pack(CONTENT, codec))
    packed[-6 if codec == "gzip" else len(packed) // 2] ^= 1

    refusal(bytes(packed), codec)


def test_xz_that_asks_for_a_gigabyte_is_refused() -> None:
    """A header of a few bytes may name a dictionary that the machine has no memory for."""
    wide = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]

    refusal(lzma.compress(CONTENT, filters=wide), "xz")


def test_a_file_must_be_what_its_name_says() -> None:
    """A wrong ending would mask compressed bytes as text, or copy text as it is."""
    assert "named as gzip, but it is not" in refusal(CONTENT, "gzip")
    assert "named as zstd, but it is not" in refusal(pack(CONTENT, "gzip"), "zstd")
    assert "the file is gzip" in refusal(pack(CONTENT, "gzip"), "plain")
    assert "the file is zstd" in refusal(pack(CONTENT, "zstd"), "plain")
    assert "the file is bz2" in refusal(pack(b"", "bz2"), "plain")
    assert unpack(b"BZh9,a text\n", "plain") == b"BZh9,a text\n"
    assert "empty" in refusal(b"", "gzip")


@pytest.mark.parametrize("codec", COMPRESSING)
def test_a_bomb_is_refused(codec: Codec) -> None:
    """More than 200 times its size is refused after 64 MiB, or as often as the caller allows."""
    zeros = bytes(FREE_OUTPUT)
    bomb = (gzip.compress(zeros, 9) if codec == "gzip" else pack(zeros, codec)) + pack(bytes(1000), codec)

    assert len(unpack(pack(bytes(1 << 20), codec), codec)) == 1 << 20
    assert "more than 200 times" in refusal(bomb, codec)
    assert len(unpack(bomb, codec, max_expansion=10_000_000)) == FREE_OUTPUT + 1000


@pytest.mark.parametrize("codec", COMPRESSING)
@pytest.mark.parametrize("error", [OSError(5, "connection lost"), StoreError("no such key"), EOFError()], ids=repr)
def test_errors_of_the_file_itself_pass_through(codec: Codec, error: Exception) -> None:
    """A lost connection is not a damaged file."""
    packed = pack(CONTENT * 20, codec)

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 4:
                raise error
            return super().read(min(size or 4, 5))

    with pytest.raises(type(error)) as caught:
        decompressed(Failing(packed), codec).read()
    assert caught.value is error


@pytest.mark.parametrize("codec", ALL)
def test_csv_goes_through_a_codec(codec: Codec) -> None:
    """Decompressed, read, written and compressed again, the content is the same."""
    content = b"id,name\n" + CONTENT
    target = io.BytesIO()

    with compressed(target, codec) as writer:
        rows = Csv().write(Csv().read(decompressed(io.BytesIO(pack(content, codec)), codec)), writer)

    assert rows == 2000
    assert unpack(target.getvalue(), codec) == content
