"""What tests of S3 begin with: the session of account A, as the stand-ins know it."""

from __future__ import annotations

import boto3

from dmengine.connectors import SessionFactory
from tests.aws.standins.world import BASE, REGION, World


def session_of_a(world: World) -> SessionFactory:
    """Return A's session, which calls the strict proxy and has assumed nothing yet."""
    keys = [BASE[f"aws_{name}"] for name in ("access_key_id", "secret_access_key", "session_token")]
    return SessionFactory(boto3.Session(*keys, region_name=REGION), endpoint_url=world.proxy.url)
