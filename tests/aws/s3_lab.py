"""What tests of S3 begin with: the session of account A, and a source and a target as the stand-ins know them."""

from __future__ import annotations

import base64
import io
import random
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

import dmengine as dm
from dmengine.connectors import SessionFactory
from dmengine.maskers import Email
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.contents import Contents, objects
from tests.aws.standins.world import BASE, REGION, World

SOURCE, TARGET = "source-of-b", "target-of-c"
RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", because="surrogate key")])
PEOPLE = b"id,email\n007,ann@x.org\n008,bob@x.org\n"


def session_of_a(world: World, clock: Callable[[], float] = time.time) -> SessionFactory:
    """Return A's session, which calls the strict proxy and has assumed nothing yet."""
    session = boto3.Session(
        BASE["aws_access_key_id"], BASE["aws_secret_access_key"], BASE["aws_session_token"], region_name=REGION
    )  # fmt: skip
    return SessionFactory(session, endpoint_url=world.proxy.url, clock=clock)


def put(world: World, key: str, body: bytes, **more: Any) -> str:
    return world.truth(ACCOUNT_B).put_object(Bucket=SOURCE, Key=key, Body=body, **more)["ETag"]


def source_now(world: World) -> Contents:
    return objects(world.truth(ACCOUNT_B), SOURCE)


def target_now(world: World) -> Contents:
    return objects(world.truth(ACCOUNT_C), TARGET)


def bodies(contents: Contents) -> Mapping[str, bytes]:
    return {key: stored.body for key, stored in contents.shown().items()}


def parquet_of(emails: list[str], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": range(len(emails)), "email": emails}), out, **options)
    return out.getvalue()


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def many(count: int) -> list[str]:
    chance = random.Random(7)
    return [f"{chance.randrange(10**12)}@x.org" for _ in range(count)]


def csv_of(emails: list[str]) -> bytes:
    return b"id,email\n" + b"".join(b"%d,%s\n" % (n, email.encode()) for n, email in enumerate(emails))
