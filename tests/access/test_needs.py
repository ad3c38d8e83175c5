"""The rights that are granted are those of the calls that the code makes, and their names are IAM's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest

from dmengine.connectors import policies
from dmengine_connectors.access.needs_dynamodb import dynamodb_needs
from dmengine_connectors.access.needs_keys import key_needs, secret_needs, table_key_needs
from dmengine_connectors.access.needs_logs import event_log_needs
from dmengine_connectors.access.needs_redshift import cluster_needs, redshift_needs
from dmengine_connectors.access.needs_s3 import journal_needs, s3_needs
from dmengine_connectors.access.places import Account, ClusterPlace, KmsKey, S3Place, TablePlace
from dmengine_connectors.redshift_login import IamLogin
from dmengine_connectors.stores.s3_calls import right_to

HERE = Account("aws", "eu-west-1", "222222222222")
KEYS = (KmsKey(HERE, "1"),)
PLACE = S3Place("b", "in/", HERE, KEYS, delete_old=True, within=True)
CONNECTORS = Path(__file__).parents[2] / "connectors" / "dmengine_connectors"
# Of https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html, what is or was granted here.
S3_ACTIONS = frozenset(
    "s3:" + name
    for name in (
        "AbortMultipartUpload", "DeleteObject", "DeleteObjectVersion", "GetAccountPublicAccessBlock", "GetBucketAcl",
        "GetBucketLocation", "GetBucketObjectLockConfiguration", "GetBucketOwnershipControls", "GetBucketPolicy",
        "GetBucketPolicyStatus", "GetBucketPublicAccessBlock", "GetBucketRequestPayment", "GetBucketVersioning",
        "GetEncryptionConfiguration", "GetLifecycleConfiguration", "GetObject", "GetObjectTagging", "GetObjectVersion",
        "ListBucket", "ListBucketMultipartUploads", "ListBucketVersions", "ListMultipartUploadParts", "PutObject",
        "PutObjectAcl", "PutObjectTagging",
    )
)  # fmt: skip
# Actions that are permissions alone, and no calls: https://docs.aws.amazon.com/service-authorization/latest/reference/
PERMISSIONS_ONLY = {"sts:TagSession", "sts:SetSourceIdentity", "redshift:CreateClusterUser", "redshift:JoinGroup"}
EXPLAINING = {"s3:GetBucketRequestPayment"}  # asked only after a refusal, to say why


def everything() -> Iterator[str]:
    """Yield every action that any needs name."""
    table, masked = TablePlace("t", HERE, PLACE, KEYS), TablePlace("t-MASKED", HERE, PLACE, KEYS, HERE.arn("x", "t"))
    logins = (IamLogin("cluster", "crm", True, ("g",)), IamLogin("cluster_iam", "crm"), IamLogin("serverless", "crm"))
    clusters = [ClusterPlace((), PLACE, HERE, "crm", "masker", "crm", login) for login in logins]
    groups = [
        s3_needs(PLACE, "source"), s3_needs(PLACE, "target", in_place=True), s3_needs(PLACE, "staging"),
        journal_needs(PLACE), dynamodb_needs(table, "source"), dynamodb_needs(masked, "target"),
        *map(redshift_needs, clusters), cluster_needs(clusters[0]), event_log_needs("g", HERE), table_key_needs(KEYS),
        key_needs(KEYS, "read", "s3"),
        *(secret_needs(f"{scheme}:x", HERE) for scheme in ("secretsmanager", "ssm", "kms")),
    ]  # fmt: skip
    for group in groups:
        for need in group:
            yield need.action


def operations(folder: str, files: str) -> set[str]:
    """Return the operations of S3 that some of our code names, by boto3's words for them."""
    models = botocore.session.get_session()
    known = {botocore.xform_name(name) for name in models.get_service_model("s3").operation_names}
    found: set[str] = set()
    for path in sorted((CONNECTORS / folder).glob(files)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in known:
                found.add(str(node.value))
    return found


@pytest.mark.parametrize(("folder", "files"), [("stores", "s3*.py"), ("checks", "s3*.py")])
def test_every_call_on_s3_has_its_right_in_the_policies(folder: str, files: str) -> None:
    """Whatever the store and the checks call is granted: the table of needs leaves none of their calls out."""
    calls = operations(folder, files)
    granted = {need.action for side in ("source", "target") for need in s3_needs(PLACE, side, in_place=True)}

    lacking = {right_to(call) for call in calls} - granted - EXPLAINING

    assert {"list_objects_v2", "put_object"} <= calls
    assert lacking == set()


def test_every_right_on_s3_is_for_a_call() -> None:
    """No right is granted that no call of the store or of the checks uses."""
    calls = operations("stores", "s3*.py") | operations("checks", "s3*.py")
    used = {right_to(call) for call in calls}

    granted = {need.action for side in ("source", "target") for need in s3_needs(PLACE, side, in_place=True)}

    beside = {"s3:DeleteObjectVersion", "s3:GetAccountPublicAccessBlock"}  # a parameter, and S3 Control
    assert {action for action in granted if action.startswith("s3:")} - used - beside == set()


def test_actions_have_the_names_that_iam_knows() -> None:
    """Each action is a call of its service, a permission of S3, or a permission that is no call."""
    models = botocore.session.get_session()

    for action in set(everything()):
        service, name = action.split(":")
        if service == "s3":
            assert action in S3_ACTIONS, action
        elif action not in PERMISSIONS_ONLY:
            assert name in models.get_service_model(service).operation_names, action


def test_needs_say_why_in_words_that_follow_to() -> None:
    """A reason begins with a verb in small letters, so that it can stand after "to"."""
    places = [s3_needs(PLACE, "source"), s3_needs(PLACE, "target"), s3_needs(PLACE, "staging")]

    for need in (need for group in places for need in group):
        assert need.reason[0].islower(), need
        assert not need.reason.endswith("."), need


def test_nothing_is_asked_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies are written without credentials, and without a network."""
    from dmengine.connectors import S3Files, SessionFactory

    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network is used"))
    session = SessionFactory().assume("arn:aws:iam::222222222222:role/R")

    assert policies(S3Files("s3://b/in/", session=session), S3Files("s3://c/out/")).written
