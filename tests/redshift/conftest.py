"""One stand-in for a cluster a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redshift.standin import StandIn


@pytest.fixture(scope="session")
def redshift_cluster() -> Iterator[StandIn]:
    """Return the stand-in."""
    made = StandIn()
    yield made
    made.close()
