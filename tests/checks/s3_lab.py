"""A healthy source in account B and target in account C, whose policies are enforced; each test spoils one thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

from dmengine.connectors import S3Files, SessionFactory
from dmengine.spi import Side
from tests.aws.s3_lab import PEOPLE, SOURCE, TARGET, session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE
from tests.aws.standins.calls import Answer, Call, refusal
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, ROLE_C, World
from tests.checks.looking import Found

ACTIONS: Final = (
    "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload", "s3:PutObjectTagging", "s3:GetBucketPublicAccessBlock",
    "s3:ListBucketMultipartUploads",
    "s3:GetAccountPublicAccessBlock", "s3:GetBucketPolicyStatus", "s3:GetBucketAcl", "s3:GetBucketPolicy",
    "s3:GetBucketOwnershipControls", "s3:GetEncryptionConfiguration", "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration", "s3:GetBucketRequestPayment", "kms:DescribeKey",
    "kms:GenerateDataKey", "kms:Decrypt",
)  # fmt: skip
Instead = Callable[[Call], Answer | None]


class S3Lab:
    """The world with its buckets, roles and policies.

    Attributes:
        files: How the connectors are made: a test adds what it wants of S3Files.
        instead: What is answered in place of everything else; None: nothing.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.policies = world.enforce()
        self.files: dict[str, Any] = {}
        self.instead: Instead = lambda call: None
        self._refuse = world.accounts.refuse
        world.accounts.refuse = lambda call: self.instead(call) or self._refuse(call)  # type: ignore[method-assign]
        for account, bucket in ((ACCOUNT_B, SOURCE), (ACCOUNT_C, TARGET)):
            world.make_bucket(account, bucket)
            world.add_bucket_policy(bucket, document(tls_only(bucket)))
        world.truth(ACCOUNT_B).put_object(Bucket=SOURCE, Key="in/a.csv", Body=PEOPLE)
        self.allow(SOURCE_ROLE, "sts:AssumeRole")
        self.allow(ROLE_B, *ACTIONS)
        self.allow(ROLE_C, *ACTIONS)

    def allow(self, role: str, *actions: str) -> None:
        """Let a role do this, on everything, and nothing else."""
        self.policies.roles[role] = [document({"Effect": "Allow", "Action": list(actions), "Resource": "*"})]

    def without(self, *actions: str) -> None:
        """Take rights from both roles."""
        left = [action for action in ACTIONS if action not in actions]
        self.allow(ROLE_B, *left)
        self.allow(ROLE_C, *left)

    def owner(self, side: Side) -> Any:
        """Return the client of the owner of a side's bucket; the other one's keys end with the next call."""
        return self.world.truth(ACCOUNT_B if side == "source" else ACCOUNT_C)

    @property
    def a(self) -> SessionFactory:
        """A's session."""
        return session_of_a(self.world)

    def place(self, side: Side, **more: Any) -> S3Files:
        """Return the connector of a side."""
        session = self.a.assume(ROLE_C) if side != "source" else self.a.assume(ROLE_B, external_id=EXTERNAL_ID)
        url = f"s3://{SOURCE}/in/" if side == "source" else f"s3://{TARGET}/out/"
        return S3Files(**{"url": url, "session": session, **self.files, **more})

    def look(self, side: Side, *, probe: bool = True, **more: Any) -> Found:
        """Check a side."""
        return Found(self.place(side, **more).check(side, probe=probe))

    def left(self, side: Side) -> list[str]:
        """Return what is in a side's bucket beside the object that was there: all versions, and open uploads."""
        client, bucket = self.owner(side), SOURCE if side == "source" else TARGET
        answer = client.list_object_versions(Bucket=bucket)
        uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        keys = [one["Key"] for name in ("Versions", "DeleteMarkers") for one in answer.get(name, ())]
        return sorted({*keys, *(f"{one['Key']} (upload)" for one in uploads)} - {"in/a.csv"})


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [dict(one) for one in statements]}


def tls_only(bucket: str) -> dict[str, Any]:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources, "Condition": condition}


def anyone(bucket: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}


def saying(operation: str, code: str, status: int = 403, message: str = "No.", **headers: str) -> Instead:
    """Return a rule that answers an operation with an error."""

    def instead(call: Call) -> Answer | None:
        if call.operation != operation:
            return None
        answer = refusal(call, status, code, message)
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    return instead


def telling(operation: str, body: bytes | Mapping[str, Any]) -> Instead:
    """Return a rule that answers an operation with what moto does not tell."""
    kind = "text/xml" if isinstance(body, bytes) else "application/x-amz-json-1.1"
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda call: Answer(200, text, {"Content-Type": kind}) if call.operation == operation else None


@contextmanager
def silence(lab: S3Lab, service: str) -> Iterator[None]:
    """Let one service never answer, as long as this lasts."""
    over = Event()

    def instead(call: Call) -> Answer | None:
        if call.service == service:
            over.wait(60)
        return None

    lab.instead = instead
    try:
        yield
    finally:
        over.set()
