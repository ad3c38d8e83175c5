"""Golden vectors of the masks of free text, of documents inside of strings, and of tokens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dmengine.testing.context import mask_array
from tests.maskers.samples_documents import SAMPLES
from tests.maskers.test_contract import build

GOLDEN = Path(__file__).parents[1] / "golden" / "maskers_documents.json"


def masked() -> dict[str, list[Any]]:
    """Mask the first column of each sample; bytes as hexadecimal digits."""
    results: dict[str, list[Any]] = {}
    for number, (name, options, columns) in enumerate(SAMPLES):
        made = mask_array(build(name, options), columns[0]).to_pylist()
        results[f"{name} {number}"] = [value.hex() if isinstance(value, bytes) else value for value in made]
    return results


@pytest.fixture(scope="module")
def golden() -> dict[str, list[Any]]:
    """Read the vectors. DMENGINE_UPDATE_GOLDEN=1 writes them anew first: a breaking change for all masked data."""
    if os.environ.get("DMENGINE_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(masked(), indent=1, default=str) + "\n")
    vectors: dict[str, list[Any]] = json.loads(GOLDEN.read_text())
    return vectors


def test_documents_and_tokens_are_masked_as_they_always_were(golden: dict[str, list[Any]]) -> None:
    """A masked value never changes between versions."""
    assert json.loads(json.dumps(masked(), default=str)) == golden
