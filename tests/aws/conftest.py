"""What the AWS tests share: one moto server a test process, emptied and fronted by a strict proxy for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.lab import CloudLab
from tests.aws.standins.accounts import ACCOUNT_B
from tests.aws.standins.server import Moto
from tests.aws.standins.trying import BODY, BUCKET
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, World


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


@pytest.fixture
def s3(world: World) -> Any:
    """Return a client of a bucket in B that holds one object, with B's role and without retries."""
    world.make_bucket(ACCOUNT_B, BUCKET)
    client = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID))
    client.put_object(Bucket=BUCKET, Key="object", Body=BODY)
    return client


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test use what the machine that runs it is configured with."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
