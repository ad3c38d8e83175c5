"""Damaged files: what every format must read right or refuse by name, without hanging."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

from dmengine.errors import DmengineError

MUTANTS = 3_000 if os.environ.get("DMENGINE_PROVE") else 150
MOST_SECONDS = 5.0


def mutants(content: bytes, seed: str, count: int = MUTANTS) -> Iterator[tuple[str, bytes]]:
    """Yield damaged copies, each with a word on what was done: bytes changed, cut, doubled, moved, put in."""
    for number in range(count):
        chance = random.Random(f"{os.environ['DMENGINE_SEED']} {seed} {number}")
        made, told = bytearray(content), []
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            act = chance.choice(_ACTS)
            act(made, chance)
            told.append(act.__name__)
        yield f"mutant {number} of {seed}: {' '.join(told)}", bytes(made)


def read_or_refused(act: Callable[[], object], told: str) -> DmengineError | None:
    """Do something that may raise one of our errors and no other, in a bounded time; return that error."""
    error: DmengineError | None = None
    start = time.monotonic()
    try:
        act()
    except DmengineError as caught:
        error = caught
    except Exception as other:
        raise AssertionError(f"{told}: {type(other).__name__} instead of an error of ours") from other
    assert time.monotonic() - start < MOST_SECONDS, f"{told}: took too long"
    assert error is None or (error.__cause__ is None and error.__context__ is None), told
    return error


def _change(made: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 8))):
        if made:
            made[chance.randrange(len(made))] = chance.choice((chance.randrange(256), 0, 255, 10, 13, 34))


def _flip(made: bytearray, chance: random.Random) -> None:
    if made:
        made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)


def _cut(made: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(made) + 1)
    del made[start : start + chance.choice((1, 2, 7, len(made)))]


def _double(made: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(made) + 1)
    made[start:start] = made[start : start + chance.choice((1, 4, 64))]


def _move(made: bytearray, chance: random.Random) -> None:
    start, size = chance.randrange(len(made) + 1), chance.choice((1, 4, 64))
    piece = made[start : start + size]
    del made[start : start + size]
    place = chance.randrange(len(made) + 1)
    made[place:place] = piece


def _insert(made: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(made) + 1)
    made[place:place] = chance.choice((b"\0", b"\n", b"\r\n", b"\xff\xfe", b"{" * 99, b'"', chance.randbytes(9)))


_ACTS = (_change, _flip, _cut, _double, _move, _insert)
