"""Three accounts as in DataMasque's documents: A runs dmengine, B and C hold buckets, with roles to assume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials

from dmengine_connectors.access.evaluate import Policy
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE, Accounts, Identity, TrustedRole
from tests.aws.standins.clock import Clock
from tests.aws.standins.policies import Policies
from tests.aws.standins.proxy import Proxy
from tests.aws.standins.server import ACCOUNT_A, Moto

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION: Final = "eu-west-1"
EXTERNAL_ID = "given-by-b"
# The credentials of an EC2 instance with Source-DM-Role: of a role, but not by chaining.
BASE = {"aws_access_key_id": "ASIAOFACCOUNTA", "aws_secret_access_key": "secret-a", "aws_session_token": "token-a"}
ROLE_B = f"arn:aws:iam::{ACCOUNT_B}:role/Target-DM-Role"
ROLE_C = f"arn:aws:iam::{ACCOUNT_C}:role/Target-DM-Role"
# A -> HOP in B -> RELAY in C -> DEEP in B: three hops, of which the last wants an external id.
HOP = f"arn:aws:iam::{ACCOUNT_B}:role/Hop-DM-Role"
RELAY = f"arn:aws:iam::{ACCOUNT_C}:role/Relay-DM-Role"
DEEP = f"arn:aws:iam::{ACCOUNT_B}:role/Deep-DM-Role"
LONG = f"arn:aws:iam::{ACCOUNT_C}:role/Long-DM-Role"
_ROLES = (
    TrustedRole(ROLE_B, [SOURCE_ROLE], EXTERNAL_ID),
    TrustedRole(ROLE_C, [SOURCE_ROLE]),
    TrustedRole(HOP, [f"arn:aws:iam::{ACCOUNT_A}:root"]),
    TrustedRole(RELAY, [HOP], max_duration=43200),
    TrustedRole(DEEP, [RELAY], EXTERNAL_ID),
    TrustedRole(LONG, [SOURCE_ROLE], max_duration=43200),
)


class World:
    """Moto, the strict proxy before it, and the accounts; `proxy.url` is the endpoint that dmengine is given."""

    def __init__(self, moto: Moto) -> None:
        moto.reset()
        self.moto = moto
        self.clock = Clock()
        self.accounts = Accounts(self.clock)
        self.accounts.add_identity(
            BASE["aws_access_key_id"],
            Identity(ACCOUNT_A, f"arn:aws:sts::{ACCOUNT_A}:assumed-role/Source-DM-Role/i-0", "token-a", SOURCE_ROLE),
        )
        for role in _ROLES:
            self.accounts.add_role(role)
        self.proxy = Proxy(moto.port, self.accounts)

    def close(self) -> None:
        """Stop the proxy."""
        self.proxy.close()

    def truth(self, account: str = ACCOUNT_A) -> S3Client:
        """Return a client of moto itself, past the proxy, with the rights of an account's owner."""
        client, keys = _truth(self.moto.url, account)
        if account != ACCOUNT_A:
            role = f"arn:aws:iam::{account}:role/Owner"
            given = _sts(self.moto.url).assume_role(RoleArn=role, RoleSessionName="owner")["Credentials"]
            keys.access_key, keys.secret_key = given["AccessKeyId"], given["SecretAccessKey"]
            keys.token = given["SessionToken"]
        return client

    def owner(self, service: str, account: str = ACCOUNT_A) -> Any:
        """Return a client of any service on moto itself, with the rights of an account's owner."""
        keys = dict(BASE)
        if account != ACCOUNT_A:
            given = _sts(self.moto.url).assume_role(
                RoleArn=f"arn:aws:iam::{account}:role/Owner", RoleSessionName="owner"
            )["Credentials"]
            keys = dict(zip(BASE, (given[n] for n in ("AccessKeyId", "SecretAccessKey", "SessionToken")), strict=True))
        return self.client(service, keys, url=self.moto.url)

    # ------------------------------------------------------------------------------------------ policies

    def enforce(self) -> Policies:
        """Let JSON policies decide from now on: who has none may do nothing. Returns what was asked and decided."""
        policies = Policies(self.moto.url, REGION)
        self.accounts.enforce(policies)
        return policies

    def add_role(self, arn: str, trust: Policy | None, *identity: Policy, max_duration: int = 3600) -> str:
        """Make a role with its trust policy (none: nobody may assume it) and its own policies; `enforce` first."""
        policies = self.accounts.policies
        assert policies is not None
        self.accounts.add_role(TrustedRole(arn, [], max_duration=max_duration))
        policies.trusts[arn] = trust or {"Version": "2012-10-17", "Statement": []}
        policies.roles[arn] = list(identity)
        return arn

    def add_bucket_policy(self, bucket: str, policy: Policy) -> None:
        """Attach a policy to a bucket."""
        self.truth(self.accounts.owners[bucket]).put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def add_key(self, account: str, policy: Policy | None = None, alias: str = "") -> str:
        """Make a KMS key, with AWS's default policy if none is given, and return its ARN."""
        kms = self.owner("kms", account)
        more = {} if policy is None else {"Policy": json.dumps(policy)}
        key: str = kms.create_key(**more)["KeyMetadata"]["Arn"]
        if alias:
            kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
        return key

    def encrypt_bucket(self, bucket: str, key: str, algorithm: str = "aws:kms") -> None:
        """Let new objects of a bucket be encrypted with a KMS key."""
        self.owner("s3", self.accounts.owners[bucket]).put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm, "KMSMasterKeyID": key}}]
            },
        )

    def make_bucket(self, account: str, bucket: str) -> str:
        """Make a bucket as AWS makes them now: private, encrypted, everything in it its owner's."""
        client = self.truth(account)
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True, "IgnorePublicAcls": True,
                "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
            },
        )  # fmt: skip
        client.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        client.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
        self.accounts.owners[bucket] = account
        return bucket

    def client(
        self, service: str, keys: Mapping[str, str] | None = None, *, url: str = "", verify: str = "", **config: Any
    ) -> Any:
        """Return a plain boto3 client of the proxy: with the keys of A's instance, or those of a session."""
        chosen = Config(**{"retries": {"mode": "standard", "total_max_attempts": 1}, **config})
        return boto3.client(  # type: ignore[call-overload]
            service, endpoint_url=url or self.proxy.url, region_name=REGION, config=chosen, verify=verify or None,
            **dict(keys or BASE),
        )  # fmt: skip

    def assume(self, role: str, keys: Mapping[str, str] | None = None, **more: Any) -> dict[str, str]:
        """Assume a role through the proxy, and return the keys of the session."""
        given = self.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="test", **more)["Credentials"]
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return dict(zip(BASE, (given[name] for name in names), strict=True))


@lru_cache(maxsize=8)
def _truth(url: str, account: str) -> tuple[S3Client, Credentials]:
    keys = Credentials(f"ASIA{account}", "secret", "token")
    session = botocore.session.Session()
    session._credentials = keys  # type: ignore[attr-defined]  # one client for all tests: reading its model is slow
    return boto3.Session(botocore_session=session, region_name=REGION).client("s3", endpoint_url=url), keys


@lru_cache(maxsize=1)
def _sts(url: str) -> Any:
    return boto3.client("sts", endpoint_url=url, region_name=REGION, **BASE)  # type: ignore[call-overload]
