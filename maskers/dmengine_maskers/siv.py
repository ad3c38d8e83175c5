"""Deterministic authenticated encryption, AES-SIV of RFC 5297, over a whole column at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import text_from_bytes
from dmengine.errors import KeyringError
from dmengine.prf import AesBlocks, cmac
from dmengine.spi import Words
from dmengine_maskers.spans import BLOCK_ROWS, cut, spans

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

TAG: Final = 16
"""The bytes by which a ciphertext is longer than its value."""

_CLEARED: Final = np.array([0xFFFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_7FFF_FFFF], np.uint64)  # RFC 5297, section 2.5


@dataclass(frozen=True, slots=True)
class Siv:
    """AES-SIV with a key of 32, 48 or 64 bytes: one half makes the tag, the other encrypts.

    >>> siv = Siv(bytes(range(64)))
    >>> [len(made) for made in siv.encrypt(pa.array([b"abc", b""], pa.binary())).to_pylist()]
    [19, 16]
    >>> back, broken = siv.decrypt(siv.encrypt(pa.array([b"abc"], pa.binary())))
    >>> back.to_pylist(), broken.tolist()
    ([b'abc'], [False])
    """

    key: bytes = field(repr=False)
    associated: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(self.key) not in (32, 48, 64):
            raise KeyringError(
                f"an AES-SIV key has 32, 48 or 64 bytes, not {len(self.key)}",
                hint="derive one with ctx.key(purpose, 64)",
            )

    def encrypt(self, values: pa.Array) -> pa.Array:
        """Return the tag and the ciphertext of every value, as large_binary."""
        return _in_blocks(self._encrypted, values)[0]

    def decrypt(self, values: pa.Array) -> tuple[pa.Array, Flags]:
        """Return what was encrypted, and which values are no ciphertext of this key: empty ones stand for those."""
        made, flags = _in_blocks(self._decrypted, values)
        return made, flags

    def _encrypted(self, values: pa.Array) -> tuple[pa.Array, Flags]:
        content, ends = spans(values)
        tags = self._tags(content, ends)
        hidden = content ^ self._stream(tags, np.diff(ends))
        bounds = ends + TAG * np.arange(len(ends))
        both = np.empty(bounds[-1], np.uint8)
        if len(values):
            _write_words(both, bounds[:-1], tags.byteswap())
        both[np.repeat(bounds[:-1] + TAG - ends[:-1], np.diff(ends)) + np.arange(len(hidden))] = hidden
        made = text_from_bytes(both, bounds, pa.large_binary())
        return made, np.zeros(len(values), np.bool_)

    def _decrypted(self, values: pa.Array) -> tuple[pa.Array, Flags]:
        content, ends = spans(values)
        broken = np.diff(ends) < TAG
        starts = np.where(broken, 0, ends[:-1])
        tags = _read_words(np.concatenate([content, np.zeros(TAG, np.uint8)]), starts).byteswap()
        hidden, inner = spans(cut(content, starts + TAG * ~broken, np.where(broken, 0, ends[1:]), pa.large_binary()))
        plain = hidden ^ self._stream(tags, np.diff(inner))
        broken |= (self._tags(plain, inner) != tags).any(axis=1)
        if broken.any():
            ok = ~broken
            plain, inner = spans(cut(plain, inner[:-1] * ok, inner[1:] * ok, pa.large_binary()))
        return text_from_bytes(plain, inner, pa.large_binary()), broken

    def _tags(self, content: npt.NDArray[np.uint8], ends: Places) -> Words:
        """S2V of RFC 5297, section 2.4, as big-endian words."""
        key = self.key[: len(self.key) // 2]
        start = _mac(key, bytes(TAG))
        for more in self.associated:
            start = _doubled(start) ^ _mac(key, more)
        lengths = np.diff(ends)
        short = lengths < TAG
        sizes = np.maximum(lengths, TAG)
        if not len(lengths):
            return np.empty((0, 2), np.uint64)
        if short.any():
            bounds = np.concatenate([[0], np.cumsum(sizes)])
            mixed = np.zeros(bounds[-1], np.uint8)
            mixed[np.repeat(bounds[:-1] - ends[:-1], lengths) + np.arange(ends[-1])] = content
            mixed[(bounds[:-1] + lengths)[short]] = 0x80
        else:
            mixed, bounds = content.copy(), ends
        both = np.frombuffer(start.to_bytes(TAG) + _doubled(start).to_bytes(TAG), np.uint64).reshape(2, 2)
        last = bounds[1:] - TAG
        _write_words(mixed, last, _read_words(mixed, last) ^ both.take(short.view(np.int8), axis=0))
        return cmac(key, text_from_bytes(mixed, bounds, pa.large_binary()))

    def _stream(self, tags: Words, lengths: Places) -> npt.NDArray[np.uint8]:
        """The bytes that each value is combined with: AES-CTR that starts at its tag, two bits of it cleared."""
        blocks = (lengths + TAG - 1) // TAG
        first = np.cumsum(blocks) - blocks
        total = int(blocks.sum())
        if total == 0:
            return np.zeros(0, np.uint8)
        of = np.repeat(np.arange(len(lengths)), blocks)
        counters = (tags & _CLEARED).take(of, axis=0)
        counters[:, 1] += (np.arange(total) - first[of]).astype(np.uint64)  # the cleared bits take every carry
        aes = AesBlocks(self.key[len(self.key) // 2 :], total)
        stream = aes.encrypt(counters.byteswap(inplace=True)).view(np.uint8).reshape(-1)
        before = np.cumsum(lengths) - lengths
        return stream.take(np.repeat(first * TAG - before, lengths) + np.arange(int(lengths.sum())))


def _in_blocks(work: Callable[[pa.Array], tuple[pa.Array, Flags]], values: pa.Array) -> tuple[pa.Array, Flags]:
    done = [work(values.slice(start, BLOCK_ROWS)) for start in range(0, max(len(values), 1), BLOCK_ROWS)]
    return pa.concat_arrays([made for made, _ in done]), np.concatenate([flags for _, flags in done])


def _read_words(content: npt.NDArray[np.uint8], places: Places) -> Words:
    """Read the 16 bytes at each place, as two words."""
    window = _window(content)
    return np.stack([window.take(places), window.take(places + 8)], axis=1)


def _write_words(content: npt.NDArray[np.uint8], places: Places, words: Words) -> None:
    """Write 16 bytes at each place; the places are as far apart."""
    window = _window(content)
    window[places], window[places + 8] = words[:, 0], words[:, 1]


def _window(content: npt.NDArray[np.uint8]) -> Words:
    """A word at every byte."""
    return np.ndarray((len(content) - 7,), np.uint64, content.data, strides=(1,))


def _mac(key: bytes, text: bytes) -> int:
    high, low = cmac(key, pa.array([text], pa.binary()))[0].tolist()
    return int(high) << 64 | int(low)


def _doubled(block: int) -> int:
    """Multiply by x in GF(2^128) (RFC 5297, section 2.3)."""
    return (block << 1) & ((1 << 128) - 1) ^ (0x87 if block >> 127 else 0)
