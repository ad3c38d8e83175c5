"""Golden vectors of people, places, and what they go by."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dmengine.spi import fields_read
from dmengine.testing.context import Setting, mask_array
from tests.maskers.samples_people import SAMPLES, SEED
from tests.maskers.test_contract import BESIDE, build

GOLDEN = Path(__file__).parents[1] / "golden" / "maskers_people.json"


def shown(options: dict[str, Any]) -> str:
    plain = {key: "seed.csv" if value == SEED else value for key, value in options.items()}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)


CASES = {
    f"{name}/{shown(options)}/{number}-{values.type}": (name, options, values)
    for name, options, columns in SAMPLES
    for number, values in enumerate(columns)
    if name != "faker" and str(values.type) != "large_string"  # Faker's own words may change; large_string is string
}


def masked(case: str) -> list[Any]:
    """Mask a sample, as plain JSON."""
    name, options, values = CASES[case]
    masker = build(name, options)
    beside = {field: (BESIDE[field] * len(values))[: len(values)] for field in fields_read(masker)}
    made = mask_array(masker, values, Setting(beside=beside)).to_pylist()
    return [value if value is None or isinstance(value, (str, int)) else str(value) for value in made]


@pytest.fixture(scope="module")
def golden() -> dict[str, list[Any]]:
    """Read the vectors. DMENGINE_UPDATE_GOLDEN=1 writes them anew first: a breaking change for all masked data."""
    if os.environ.get("DMENGINE_UPDATE_GOLDEN") == "1":
        vectors = {case: masked(case) for case in CASES}
        lines = (
            f"{json.dumps(case, ensure_ascii=False)}: {json.dumps(v, ensure_ascii=False)}"
            for case, v in vectors.items()
        )
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    read: dict[str, list[Any]] = json.loads(GOLDEN.read_text("utf-8"))
    return read


@pytest.mark.parametrize("case", sorted(CASES))
def test_mask_gives_what_it_always_gave(case: str, golden: dict[str, list[Any]]) -> None:
    """A masked value never changes between versions."""
    assert masked(case) == golden[case]


def test_no_vector_is_forgotten(golden: dict[str, list[Any]]) -> None:
    """The file holds the cases that are tested, and no other."""
    assert set(golden) == set(CASES)
