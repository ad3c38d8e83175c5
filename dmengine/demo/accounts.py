"""Three made-up AWS accounts: A runs dmengine, and B and C hold buckets with roles that A may assume."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dmengine.connectors import SessionFactory
from dmengine.demo.server import Server

REGION: Final = "eu-west-1"
A, B, C = "111111111111", "222222222222", "333333333333"
ROLE_A = f"arn:aws:iam::{A}:role/Source-DM-Role"
ROLE_B = f"arn:aws:iam::{B}:role/Target-DM-Role"
ROLE_C = f"arn:aws:iam::{C}:role/Target-DM-Role"
EXTERNAL_ID: Final = "given-by-b"
BUCKET_B, BUCKET_C = "shop-of-b", "shop-of-c"
_ENVIRONMENT: Final = {
    "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo",
    "MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS": "false",
}  # fmt: skip


@contextmanager
def three_accounts(server: Server, original: Path) -> Iterator[SessionFactory]:
    """Make the roles and buckets, upload the shop to B, and be the machine in A that runs dmengine.

    Yields the session of the owner of C, for whoever wants to look at what has come. Whatever the user's environment
    and `~/.aws` say about AWS and proxies is out of sight meanwhile: the real AWS cannot be reached.
    """
    with _environment(_ENVIRONMENT):
        nobody = SessionFactory(region=REGION, endpoint_url=server.url)
        owner_a, owner_b, owner_c = (nobody.assume(f"arn:aws:iam::{account}:role/Owner") for account in (A, B, C))
        _make_role(server, owner_a, ROLE_A, {"Service": "ec2.amazonaws.com"})
        machine = owner_a.client("sts").assume_role(RoleArn=ROLE_A, RoleSessionName="i-0")["Credentials"]
        _make_role(server, owner_b, ROLE_B, {"AWS": ROLE_A}, EXTERNAL_ID)
        _make_role(server, owner_c, ROLE_C, {"AWS": ROLE_A})
        _make_bucket(owner_b, BUCKET_B)
        _make_bucket(owner_c, BUCKET_C)
        for path in sorted(original.iterdir()):
            owner_b.client("s3").upload_file(str(path), BUCKET_B, f"original/{path.name}")
        given = {
            "AWS_ACCESS_KEY_ID": machine["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": machine["SecretAccessKey"],
            "AWS_SESSION_TOKEN": machine["SessionToken"],
        }  # fmt: skip
        with _environment(_ENVIRONMENT | given):
            yield owner_c


def _make_role(
    server: Server, owner: SessionFactory, arn: str, principal: dict[str, str], external_id: str | None = None
) -> None:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    iam: Any = owner.client("iam")
    iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(trust))
    if "AWS" in principal:
        server.trust[arn] = trust


def _make_bucket(owner: SessionFactory, bucket: str) -> None:
    """Make a bucket as AWS makes them now: private, and encrypted."""
    s3 = owner.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
        },
    )  # fmt: skip
    rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Replace all that the environment says about AWS, moto and proxies, for a while."""
    aside = {name: value for name, value in os.environ.items() if _is_about_aws(name)}
    for name in aside:
        del os.environ[name]
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in [name for name in os.environ if _is_about_aws(name)]:
            del os.environ[name]
        os.environ.update(aside)


def _is_about_aws(name: str) -> bool:
    return name.startswith(("AWS_", "BOTO", "MOTO_")) or name.lower().endswith("_proxy")
