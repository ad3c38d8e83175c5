"""What the AWS tests share: one moto server a test process, emptied and fronted by a strict proxy for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.lab import CloudLab
from tests.aws.standins.server import Moto
from tests.aws.standins.world import World


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """Return the moto server."""
    server = Moto()
    yield server
    server.close()


@pytest.fixture
def world(moto: Moto) -> Iterator[World]:
    """Return three accounts with nothing in them yet."""
    made = World(moto)
    yield made
    made.close()


@pytest.fixture(scope="session")
def cloud_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLab]:
    """Return the server of children."""
    made = CloudLab(tmp_path_factory.mktemp("results"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test use what the machine that runs it is configured with."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
