"""What tests of S3 begin with: the session of account A, as the stand-ins know it."""

from __future__ import annotations

import time
from collections.abc import Callable

import boto3

from dmengine.connectors import SessionFactory
from tests.aws.standins.world import BASE, REGION, World


def session_of_a(world: World, clock: Callable[[], float] = time.time) -> SessionFactory:
    """Return A's session, which calls the strict proxy and has assumed nothing yet."""
    session = boto3.Session(
        BASE["aws_access_key_id"], BASE["aws_secret_access_key"], BASE["aws_session_token"], region_name=REGION
    )  # fmt: skip
    return SessionFactory(session, endpoint_url=world.proxy.url, clock=clock)
