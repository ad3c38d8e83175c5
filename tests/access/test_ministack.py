"""Roles, trust, sessions and buckets in an AWS of other people's, which decides as our evaluator does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from dmengine_connectors.access.evaluate import Policy, Request, decide_access

A, B, C = "111111111111", "222222222222", "333333333333"
SOURCE, TARGET, DEEP = (
    f"arn:aws:iam::{account}:role/{name}" for account, name in ((A, "Source"), (B, "Target"), (C, "Deep"))
)
OBJECT = "arn:aws:s3:::crm-of-b/in/a"


class Stack:
    """A running ministack, and the policies that are in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.trust: dict[str, Policy] = {}
        self.identity: dict[str, Policy] = {}

    def client(self, service: str, account: str, keys: dict[str, str] | None = None) -> Any:
        """Return a client: of an account's owner, or of a session."""
        found = keys or {"aws_access_key_id": account, "aws_secret_access_key": "x"}
        once = Config(retries={"total_max_attempts": 1})
        return boto3.client(  # type: ignore[call-overload]
            service, endpoint_url=self.url, region_name="eu-west-1", config=once, **found
        )

    def role(self, arn: str, trust: Policy, identity: Policy) -> None:
        """Make a role, or set it anew."""
        iam, name = self.client("iam", arn.split(":")[4]), arn.rpartition("/")[2]
        if arn in self.trust:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        else:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(identity))
        self.trust[arn], self.identity[arn] = trust, identity

    def assume(self, arn: str, keys: dict[str, str] | None = None, **more: str) -> dict[str, str] | None:
        """Return the keys of a session, or None where it is refused."""
        try:
            given = self.client("sts", A, keys).assume_role(RoleArn=arn, RoleSessionName="test", **more)["Credentials"]
        except ClientError as error:
            _denied(error)
            return None
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        ours = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return dict(zip(ours, (given[name] for name in names), strict=True))

    def may_assume(self, caller: str, arn: str, **given: str) -> bool:
        """Return what we make of the same."""
        session = f"arn:aws:sts::{caller.split(':')[4]}:assumed-role/{caller.rpartition('/')[2]}/test"
        request = Request(session, "sts:AssumeRole", arn, {f"sts:{name}": value for name, value in given.items()})
        decision = decide_access(request, identity=[self.identity[caller]], resource=self.trust[arn])
        return decision.effect == "allow"


@pytest.fixture(scope="module")
def stack(ministack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run ministack on a free port of the loopback interface, until the tests are done."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    process = subprocess.Popen(
        [ministack / "ministack"], env=os.environ | settings, cwd=tmp_path_factory.mktemp("ministack"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    made = Stack(f"http://127.0.0.1:{port}")
    try:
        _wait(made)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def _wait(stack: Stack) -> None:
    for _ in range(150):
        try:
            stack.client("sts", A).get_caller_identity()
        except EndpointConnectionError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("ministack does not answer")


def allow(action: str, resource: str = "*") -> Policy:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def trust(principal: Any, condition: Any = None, effect: str = "Allow") -> Policy:
    more = {"Condition": condition} if condition else {}
    one = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}
    return {"Version": "2012-10-17", "Statement": [one]}


@pytest.fixture
def base(stack: Stack) -> dict[str, str]:
    """Return a session of A's role, which may assume any role."""
    stack.role(SOURCE, trust({"AWS": f"arn:aws:iam::{A}:root"}), allow("sts:AssumeRole"))
    keys = stack.assume(SOURCE)
    assert keys is not None
    return keys


# Not asked: conditions on aws:PrincipalArn, which ministack 1.5.33 takes for the session's ARN and IAM for the role's.
@pytest.mark.parametrize("given", [{}, {"ExternalId": "x1"}, {"ExternalId": "xx"}])
@pytest.mark.parametrize(
    "trusts",
    [
        trust({"AWS": SOURCE}),
        trust({"AWS": f"arn:aws:iam::{A}:root"}),
        trust({"AWS": A}),
        trust({"AWS": f"arn:aws:iam::{C}:root"}),
        trust({"AWS": f"{SOURCE}-2"}),
        trust({"Service": "ec2.amazonaws.com"}),
        trust({"AWS": SOURCE}, {"StringEquals": {"sts:ExternalId": "x1"}}),
        trust({"AWS": SOURCE}, {"StringNotEquals": {"sts:ExternalId": "x1"}}),
        trust({"AWS": SOURCE}, {"StringLike": {"sts:ExternalId": "x?"}}),
        trust({"AWS": SOURCE}, {"StringEqualsIfExists": {"sts:ExternalId": "x1"}}),
        trust({"AWS": SOURCE}, effect="Deny"),
    ],
)
@pytest.mark.parametrize("identity", [allow("sts:AssumeRole"), allow("sts:AssumeRole", TARGET), allow("s3:*")])
def test_a_role_is_assumed_where_we_say_so(
    identity: Policy, trusts: Policy, given: dict[str, str], stack: Stack, base: dict[str, str]
) -> None:
    """For each trust policy, identity policy and external id: assumed or refused, as we decide."""
    stack.role(TARGET, trusts, allow("s3:GetObject"))
    stack.role(SOURCE, stack.trust[SOURCE], identity)

    assumed = stack.assume(TARGET, base, **given) is not None

    assert assumed == stack.may_assume(SOURCE, TARGET, **given)


def test_a_chain_is_assumed_hop_by_hop(stack: Stack, base: dict[str, str]) -> None:
    """A -> B -> C: C's role trusts B's and not A's, so that A comes there by way of B alone."""
    stack.role(TARGET, trust({"AWS": SOURCE}), allow("sts:AssumeRole", DEEP))
    stack.role(DEEP, trust({"AWS": TARGET}), allow("s3:GetObject"))

    b = stack.assume(TARGET, base)
    assert b is not None

    assert (stack.assume(DEEP, b) is not None) is stack.may_assume(TARGET, DEEP) is True
    assert (stack.assume(DEEP, base) is not None) is stack.may_assume(SOURCE, DEEP) is False


@pytest.mark.parametrize("session", [None, allow("s3:GetObject"), allow("s3:PutObject"), allow("s3:*", f"{OBJECT}*")])
@pytest.mark.parametrize("identity", [allow("s3:*"), allow("s3:GetObject", OBJECT), allow("s3:List*")])
def test_a_session_reads_and_writes_where_we_say_so(
    session: Policy | None, identity: Policy, stack: Stack, base: dict[str, str]
) -> None:
    """For each identity policy and session policy: an object is read and written, or refused, as we decide."""
    owner = stack.client("s3", B)
    _make(owner)
    stack.role(TARGET, trust({"AWS": SOURCE}), identity)
    keys = stack.assume(TARGET, base, **({"Policy": json.dumps(session)} if session else {}))
    s3 = stack.client("s3", B, keys)
    arn = f"arn:aws:sts::{B}:assumed-role/Target/test"

    for action, call in (("GetObject", s3.get_object), ("PutObject", s3.put_object)):
        request = Request(arn, f"s3:{action}", OBJECT, owner=B)
        ours = decide_access(request, identity=[identity], session=[session] if session else None)
        assert _passes(call) == (ours.effect == "allow"), action


def _make(owner: Any) -> None:
    try:
        owner.create_bucket(Bucket="crm-of-b", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    except owner.exceptions.BucketAlreadyOwnedByYou:
        return
    owner.put_object(Bucket="crm-of-b", Key="in/a", Body=b"abc")


def _passes(call: Any) -> bool:
    try:
        call(Bucket="crm-of-b", Key="in/a")
    except ClientError as error:
        _denied(error)
        return False
    return True


def _denied(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "AccessDenied":
        raise error
