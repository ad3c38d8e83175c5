"""What every test shares: the printed seed of sampled proofs, and a key."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from dmengine.keyring import Key

WHOLE = bool(os.environ.get("DMENGINE_PROVE"))
# A plain run takes the same samples every time, so that it fails only for what changed; `make prove` looks for more.
os.environ.setdefault("DMENGINE_SEED", str(random.SystemRandom().randrange(1_000_000)) if WHOLE else "20261124")
settings.register_profile("dmengine", derandomize=not WHOLE)
settings.load_profile("dmengine")
# Worker processes of the tests must find the same hypothesis profile and write no caches beside the sources.
os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
# A shell starts its background jobs deaf to Ctrl-C, and their children inherit that; the tests send it to children.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Print what a failing sample needs to be run again."""
    whole = " (whole proofs)" if WHOLE else ""
    return f"sampled proofs: DMENGINE_SEED={os.environ['DMENGINE_SEED']}{whole}"


@pytest.fixture
def key() -> Key:
    """Return a key that is the same in every test run."""
    return Key.from_bytes(bytes.fromhex("8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"))


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the temp files of this process and its workers where they can be searched."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder
