"""Golden vectors of the masks of text, numbers, dates, choice and composition, for every type that they take."""

from __future__ import annotations

import json
import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dmengine.spi import fields_read
from dmengine.testing.context import Setting, mask_array
from tests.maskers.samples_general import SAMPLES
from tests.maskers.test_contract import BESIDE, build


def _brief(option: Any) -> str:
    """Name a mask within another one by what differs from its defaults: a new parameter renames no vector."""
    if not is_dataclass(option):
        return repr(option)
    said = (f"{f.name}={getattr(option, f.name)!r}" for f in fields(option) if getattr(option, f.name) != f.default)
    return f"{type(option).__name__}({', '.join(said)})"


GOLDEN = Path(__file__).parents[1] / "golden" / "maskers_general.json"
CASES = {
    f"{name}/{json.dumps(options, default=_brief, ensure_ascii=False, sort_keys=True)}/{number}-{values.type}": (
        name,
        options,
        values,
    )
    for name, options, columns in SAMPLES
    for number, values in enumerate(columns)
    if values.type != pa.large_string()  # the same as string
}


def masked(case: str) -> list[Any]:
    """Mask a sample, as plain JSON; what the mask cannot take is null."""
    name, options, values = CASES[case]
    masker = build(name, options)
    beside = {field: (BESIDE[field] * len(values))[: len(values)] for field in fields_read(masker)}
    made = mask_array(masker, values, Setting(beside=beside, on_mismatch="null")).to_pylist()
    return [value if value is None or isinstance(value, (str, int, float)) else str(value) for value in made]


@pytest.fixture(scope="module")
def golden() -> dict[str, list[Any]]:
    """Read the vectors. DMENGINE_UPDATE_GOLDEN=1 writes them anew first: a breaking change for all masked data."""
    if os.environ.get("DMENGINE_UPDATE_GOLDEN") == "1":
        vectors = {case: masked(case) for case in CASES}
        lines = (f"{json.dumps(case)}: {json.dumps(values)}" for case, values in vectors.items())
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    read: dict[str, list[Any]] = json.loads(GOLDEN.read_text())
    return read


@pytest.mark.parametrize("case", sorted(CASES))
def test_mask_gives_what_it_always_gave(case: str, golden: dict[str, list[Any]]) -> None:
    """A masked value never changes between versions."""
    assert masked(case) == golden[case]


def test_no_vector_is_forgotten(golden: dict[str, list[Any]]) -> None:
    """The file holds the cases that are tested, and no other."""
    assert set(golden) == set(CASES)
