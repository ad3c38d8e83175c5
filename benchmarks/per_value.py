"""What tools that mask one value at a time need for one value, beside ours on a whole column."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from benchmarks.people import People
from dmengine.maskers import FirstName, Hash
from dmengine.testing.context import mask_array

Work = Callable[[pa.Array, list[str]], object]


@dataclass(frozen=True, slots=True)
class Value:
    """CPU time in nanoseconds for one value; None: not installed."""

    work: str
    values: int
    ns: float | None
    ns_median: float | None


def per_value(count: int, repeat: int = 3) -> list[Value]:
    """Mask so many distinct first names with each tool."""
    column = next(People(count).tables()).column("first_name").combine_chunks()
    works: dict[str, Work | None] = {
        "dmengine first_name, keyed": lambda column, texts: mask_array(FirstName(), column),
        "Faker first_name, seeded with each value": _faker(),
        "dmengine hash, keyed": lambda column, texts: mask_array(Hash(), column),
        "presidio hash operator, SHA-256 with a salt": _presidio(),
    }
    return [_measured(work, column, does, repeat) for work, does in works.items()]


def _measured(work: str, column: pa.Array, does: Work | None, repeat: int) -> Value:
    if does is None:
        return Value(work, len(column), None, None)
    texts, times = column.to_pylist(), []
    does(column, texts)
    for _ in range(repeat):
        start = time.process_time()
        does(column, texts)
        times.append((time.process_time() - start) / len(column) * 1e9)
    return Value(work, len(column), round(min(times), 1), round(statistics.median(times), 1))


def _faker() -> Work | None:
    package = _installed("faker")
    if package is None:
        return None
    fake = package.Faker()

    def one(text: str) -> str:
        fake.seed_instance(text)
        return str(fake.first_name())

    return lambda column, texts: [one(text) for text in texts]


def _presidio() -> Work | None:
    package = _installed("presidio_anonymizer.operators")
    if package is None:
        return None
    operator, options = package.Hash(), {"salt": "8f1d3c5b7a90e2d4"}
    return lambda column, texts: [operator.operate(text, options) for text in texts]


def _installed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
