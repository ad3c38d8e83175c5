"""Where the tests find ministack, an AWS of other people's that enforces IAM; `make prove` installs it beside ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ministack() -> Path:
    """Return the folder of ministack's programs. It pins another botocore than ours, so that it lives by itself."""
    found = Path(os.environ.get("DMENGINE_MINISTACK", ROOT / ".ministack")) / "bin"
    if not (found / "ministack").exists():
        pytest.skip("ministack is not installed: `make .ministack/done` does it")
    return found
