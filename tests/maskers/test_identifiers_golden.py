"""Golden vectors: what the masks of identifiers made of these values, and make of them for ever."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from dmengine.spi import Masker
from dmengine.testing.context import mask_array
from dmengine_maskers import CreditCard, Ean, Iban, Isbn, NationalId, PanTruncate, SetChecksum, Vin
from tests.maskers.samples_identifiers import SAMPLES

GOLDEN = Path(__file__).parents[1] / "golden" / "identifiers.json"
MASKS: dict[str, Any] = {
    mask.name: mask for mask in (CreditCard, Ean, Iban, Isbn, NationalId, PanTruncate, SetChecksum, Vin)
}


def masked() -> dict[str, list[Any]]:
    """Mask the first column of every sample."""
    results: dict[str, list[Any]] = {}
    for name, options, columns in SAMPLES:
        masker: Masker = TypeAdapter(MASKS[name]).validate_python(options)
        shown = ", ".join(f"{option}={value}" for option, value in options.items())
        results[f"{name} {shown} {columns[0].type}".replace("  ", " ")] = mask_array(masker, columns[0]).to_pylist()
    return results


@pytest.fixture(scope="module")
def golden() -> dict[str, list[Any]]:
    """Read the vectors. DMENGINE_UPDATE_GOLDEN=1 writes them anew first: a breaking change for all masked data."""
    if os.environ.get("DMENGINE_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(masked(), indent=1) + "\n")
    vectors: dict[str, list[Any]] = json.loads(GOLDEN.read_text())
    return vectors


def test_identifiers_are_masked_as_they_always_were(golden: dict[str, list[Any]]) -> None:
    """A masked identifier never changes between versions."""
    assert masked() == golden
