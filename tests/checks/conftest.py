"""What tests of checks share with those of AWS, and one stand-in for Redshift a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.conftest import moto, no_credentials_of_this_machine, world
from tests.redshift.standin import StandIn

__all__ = ["moto", "no_credentials_of_this_machine", "redshift", "world"]


@pytest.fixture(scope="session")
def redshift() -> Iterator[StandIn]:
    """Return the stand-in for a cluster."""
    made = StandIn()
    yield made
    made.close()
