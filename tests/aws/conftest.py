"""What the AWS tests share: one moto server a test process, emptied and fronted by a strict proxy for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from dmengine.connectors import S3Files, SessionFactory
from tests.aws.fake_sts import BASE_KEY, SECRETS, FakeSts, serving
from tests.aws.lab import CloudLab, Plays, Scene, play
from tests.aws.s3_lab import SOURCE, TARGET, session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.server import Moto
from tests.aws.standins.trying import BODY, BUCKET
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, ROLE_C, World


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


@pytest.fixture(scope="session")
def plays(moto: Moto, cloud_lab: CloudLab) -> Plays:
    """Return each scene, run once to its end."""
    return {scene: play(moto, cloud_lab, scene) for scene in get_args(Scene)}


@pytest.fixture
def s3(world: World) -> Any:
    """Return a client of a bucket in B that holds one object, with B's role and without retries."""
    world.make_bucket(ACCOUNT_B, BUCKET)
    client = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID))
    client.put_object(Bucket=BUCKET, Key="object", Body=BODY)
    return client


@pytest.fixture
def a(world: World) -> SessionFactory:
    """Return the session of account A, with nothing assumed yet, and make the buckets of B and C."""
    world.make_bucket(ACCOUNT_B, SOURCE)
    world.make_bucket(ACCOUNT_C, TARGET)
    return session_of_a(world)


@pytest.fixture
def source(a: SessionFactory) -> S3Files:
    """Return the objects of B below `in/`, by way of its role."""
    return S3Files(f"s3://{SOURCE}/in/", session=a.assume(ROLE_B, external_id=EXTERNAL_ID))


@pytest.fixture
def target(a: SessionFactory) -> S3Files:
    """Return the objects of C below `out/`, by way of its role."""
    return S3Files(f"s3://{TARGET}/out/", session=a.assume(ROLE_C))


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait before trying again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test use what the machine that runs it is configured with."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def own_keys(no_credentials_of_this_machine: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the environment give the keys that the fake STS knows, and nothing else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", BASE_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[0])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def sts(own_keys: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSts]:
    """Serve a fake STS, and let no retry wait."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with serving(FakeSts()) as fake:
        yield fake
