"""What runs with which policies: with the page's own it goes on and says so; those that dmengine writes fit exactly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

import dmengine as dm
from dmengine.connectors import S3Files, SessionFactory
from dmengine.connectors import policies as policies_for
from dmengine.errors import DmengineError, InputError
from dmengine_connectors.access.needs_s3 import s3_needs
from dmengine_connectors.access.places import S3Place
from dmengine_connectors.policy.written import Policies as Written
from tests.aws import documented
from tests.aws.s3_lab import PEOPLE, RULES, SOURCE, TARGET, bodies, session_of_a, target_now
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE
from tests.aws.standins.actions import FREE
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.policies import Policies
from tests.aws.standins.world import ROLE_B, ROLE_C, World

# What dmengine asks for over the page's policies, and may do without.
EXTRA = frozenset(
    {
        "s3:DeleteObject", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
        "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload", "s3:GetObjectTagging", "s3:PutObjectTagging",
        "s3:GetBucketVersioning", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy",
        "s3:GetAccountPublicAccessBlock",
    }
)  # fmt: skip
# HeadBucket has no prefix: a right to list one prefix alone does not cover it, and the check goes by the listing.
# S3 tells a bucket's policy to its own account alone, whatever the policy says.
EXPECTED = frozenset({("s3:ListBucket", "HeadBucket"), ("s3:GetBucketPolicy", "GetBucketPolicy")})
KNOWN = frozenset(
    {
        "sts:AssumeRole", "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject",
        "s3:ListBucketMultipartUploads", "s3:GetBucketAcl", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketObjectLockConfiguration", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
        "s3:GetBucketVersioning", "s3:GetBucketOwnershipControls", "s3:GetObjectTagging", "s3:PutObjectTagging",
    }
)  # fmt: skip
"""IAM's names, https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""
Ends = tuple[S3Files, S3Files]


@pytest.fixture
def policies(world: World, a: SessionFactory) -> Policies:
    """Enforce policies."""
    return world.enforce()


def ends(world: World, way: str, **options: Any) -> Ends:
    """Return a source in B and a target in C, by roles of theirs or by their buckets' policies."""
    session = session_of_a(world)
    roles = way == "roles"
    b, c = (session.assume(ROLE_B), session.assume(ROLE_C)) if roles else (session, session)
    return (
        S3Files(f"s3://{SOURCE}/in/", b, expected_owner=ACCOUNT_B),
        S3Files(f"s3://{TARGET}/out/", c, expected_owner=ACCOUNT_C, **options),
    )


def put(world: World, name: str, body: bytes, **more: Any) -> None:
    world.owner("s3", ACCOUNT_B).put_object(Bucket=SOURCE, Key=f"in/{name}", Body=body, **more)


def attach(world: World, policies: Policies, written: Written) -> None:
    """Attach what dmengine wrote, to all that it is for."""
    policies.roles[SOURCE_ROLE] = [written.identity]
    for role, document in written.roles.items():
        world.add_role(role, written.trust[role], document)
    for bucket, document in written.buckets.items():
        world.add_bucket_policy(bucket, document)


def document_them(world: World, policies: Policies, way: str) -> None:
    """Attach the page's own policies."""
    if way == "roles":
        policies.roles[SOURCE_ROLE] = [documented.assuming(ROLE_B, ROLE_C)]
        for role in (ROLE_B, ROLE_C):
            world.add_role(role, documented.trusting(SOURCE_ROLE), documented.of_target_role(SOURCE, TARGET))
        return
    policies.roles[SOURCE_ROLE] = [documented.in_account_a()]
    for bucket in (SOURCE, TARGET):
        world.add_bucket_policy(bucket, documented.of_bucket(bucket, SOURCE_ROLE))


def granted_by(written: Written) -> set[tuple[str, str]]:
    return {
        (role, action)
        for role, document in written.roles_and_identity.items()
        for statement in document["Statement"]
        for action in _listed(statement["Action"])
    }


def refused(policies: Policies) -> set[tuple[str, str]]:
    """Return each action that was refused, and the call that asked for it."""
    return {(one.action, one.operation) for one in policies.judged if one.effect != "allow"}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# ------------------------------------------------------------------------------------------ the page's policies


@pytest.mark.parametrize("way", ["roles", "buckets"])
def test_with_the_page_s_policies_a_run_goes_on_and_warns(
    way: str, world: World, policies: Policies, key: dm.Key
) -> None:
    """What they do not grant is named in the report; nothing else is refused, and the target is whole and masked."""
    document_them(world, policies, way)
    put(world, "a.csv", PEOPLE)

    report = dm.run(*ends(world, way), RULES, key)

    assert list(bodies(target_now(world))) == ["out/a.csv"]
    assert b"ann@x.org" not in target_now(world).everything()
    assert {action for _, action in policies.refused()} <= EXTRA
    told = [finding.message for finding in report.findings if finding.severity == "warning"]
    assert any("GetBucketEncryption: AccessDenied" in one for one in told)
    assert any("GetBucketLifecycleConfiguration: AccessDenied" in one for one in told)
    assert any("notes of the journal stay, emptied" in one and "DeleteObject: AccessDenied" in one for one in told)
    assert any("ListMultipartUploads: AccessDenied" in one for one in told)
    assert len(told) == len(set(told))


@pytest.mark.parametrize("way", ["roles", "buckets"])
def test_with_the_page_s_policies_a_failed_run_names_what_it_may_not_abort(
    way: str, world: World, policies: Policies, key: dm.Key
) -> None:
    """s3:AbortMultipartUpload is not granted: the uploads that stay are named, and nothing of them can be read."""
    document_them(world, policies, way)
    put(world, "a.csv", PEOPLE)
    put(world, "b.csv", b"id,email\n1\n")

    with pytest.raises(InputError) as caught:
        dm.run(*ends(world, way), RULES, key, workers=1)

    [(_, upload)] = target_now(world).uploads
    assert f"s3://{TARGET}/out/a.csv (open upload {upload})" in caught.value.hint
    assert "AbortIncompleteMultipartUpload" in caught.value.hint
    assert not bodies(target_now(world))


def test_tags_that_may_not_be_read_are_not_copied_and_said_so(world: World, policies: Policies, key: dm.Key) -> None:
    """s3:GetObjectTagging is not granted to the role of B: the object arrives without its tags, with a warning."""
    document_them(world, policies, "roles")
    put(world, "a.csv", PEOPLE, Tagging="team=crm")

    report = dm.run(*ends(world, "roles"), RULES, key)

    assert target_now(world).objects["out/a.csv"].tags == {}
    assert any("tags" in finding.message for finding in report.findings if finding.severity == "warning")


# ------------------------------------------------------------------------------------------ one right less


@dataclass(frozen=True, slots=True)
class Less:
    """One right that is denied, all others being granted; what shows it, and the call that has to be named.

    Attributes:
        action: The right.
        role: Whose.
        call: The call that is refused, as S3 names it.
        act: What is done: a run, one that fails, one in place, or a check.
        bare: Whether the buckets are without a public access block, which would answer the question by itself.
    """

    action: str
    role: str
    call: str
    act: Literal["run", "failed run", "in place", "check"] = "run"
    bare: bool = False

    def __str__(self) -> str:
        return f"{self.action} {'of the source' if self.role == ROLE_B else 'of the target'}, {self.act}"


MAY_BE_MISSING = (
    Less("s3:GetObjectTagging", ROLE_B, "GetObjectTagging"),
    Less("s3:GetBucketPublicAccessBlock", ROLE_B, "GetPublicAccessBlock"),
    Less("s3:GetBucketPolicyStatus", ROLE_B, "GetBucketPolicyStatus", bare=True),
    Less("s3:GetBucketAcl", ROLE_B, "GetBucketAcl", bare=True),
    Less("s3:GetEncryptionConfiguration", ROLE_B, "GetBucketEncryption", "check"),
    Less("s3:GetBucketPolicy", ROLE_B, "GetBucketPolicy", "check"),
    Less("s3:PutObjectTagging", ROLE_C, "PutObjectTagging"),
    Less("s3:DeleteObject", ROLE_C, "DeleteObject"),
    Less("s3:ListBucketMultipartUploads", ROLE_C, "ListMultipartUploads"),
    Less("s3:AbortMultipartUpload", ROLE_C, "AbortIncompleteMultipartUpload", "failed run"),
    Less("s3:DeleteObject", ROLE_C, "DeleteObject", "failed run"),
    Less("s3:ListBucketMultipartUploads", ROLE_C, "ListMultipartUploads", "failed run"),
    Less("s3:GetBucketPublicAccessBlock", ROLE_C, "GetPublicAccessBlock"),
    Less("s3:GetBucketPolicyStatus", ROLE_C, "GetBucketPolicyStatus", bare=True),
    Less("s3:GetBucketAcl", ROLE_C, "GetBucketAcl", bare=True),
    Less("s3:GetEncryptionConfiguration", ROLE_C, "GetBucketEncryption"),
    Less("s3:GetBucketObjectLockConfiguration", ROLE_C, "GetObjectLockConfiguration"),
    Less("s3:GetLifecycleConfiguration", ROLE_C, "GetBucketLifecycleConfiguration"),
    Less("s3:GetBucketVersioning", ROLE_C, "GetBucketVersioning", "in place"),
    Less("s3:GetBucketVersioning", ROLE_C, "GetBucketVersioning", "check"),
    Less("s3:GetBucketOwnershipControls", ROLE_C, "GetBucketOwnershipControls", "check"),
    Less("s3:GetBucketPolicy", ROLE_C, "GetBucketPolicy", "check"),
)
NOT_LOOKED_AT = {"s3:GetAccountPublicAccessBlock"}
"""Whatever it would say, a bucket without a block of its own is warned of."""
MUST_NOT_BE_MISSING = (
    Less("s3:ListBucket", ROLE_B, "ListObjectsV2"),
    Less("s3:GetObject", ROLE_B, "GetObject"),
    Less("s3:ListBucket", ROLE_C, "ListObjectsV2"),
    Less("s3:PutObject", ROLE_C, "PutObject"),
    Less("s3:GetObject", ROLE_C, "Object"),  # of the target, or of the journal: whichever is asked for first
    Less("s3:ListBucketVersions", ROLE_C, "ListObjectVersions", "in place"),
    Less("s3:DeleteObjectVersion", ROLE_C, "DeleteObject", "in place"),
)


def prepared(less: Less, world: World, policies: Policies) -> Ends:
    """Grant all that is needed but the one right, and put two objects with tags into the source."""
    source, target = ends(world, "roles")
    if less.act == "in place":
        source = target = replace(target, old_versions="delete")
        world.owner("s3", ACCOUNT_C).put_bucket_versioning(
            Bucket=TARGET, VersioningConfiguration={"Status": "Enabled"}
        )  # fmt: skip
    attach(world, policies, policies_for(source, target, principal=SOURCE_ROLE))
    denied = {"Effect": "Deny", "Action": less.action, "Resource": "*"}
    policies.roles[less.role].append({"Version": "2012-10-17", "Statement": [denied]})
    if less.bare:
        for account, bucket in ((ACCOUNT_B, SOURCE), (ACCOUNT_C, TARGET)):
            world.owner("s3", account).delete_public_access_block(Bucket=bucket)
    account, bucket, prefix = (ACCOUNT_C, TARGET, "out") if less.act == "in place" else (ACCOUNT_B, SOURCE, "in")
    for name in ("a.csv", "b.csv"):
        world.owner("s3", account).put_object(
            Bucket=bucket, Key=f"{prefix}/{name}", Body=PEOPLE, Tagging="team=crm"
        )  # fmt: skip
    if less.act == "failed run":
        put(world, "c.csv", b"id,email\n1\n")
    return source, target


def told_of(less: Less, source: S3Files, target: S3Files, key: dm.Key) -> list[str]:
    """Return what is said of the right: the findings of a run, the lines of an error, or the answers of a check."""
    if less.act == "check":
        checks = dm.check(source, target).found
        return [f"{one.check.answer} {json.dumps(one.check.policy)}" for one in checks if one.check.status == "unknown"]
    if less.act == "failed run":
        with pytest.raises(InputError) as caught:
            dm.run(source, target, RULES, key, workers=1)
        return str(caught.value).splitlines()
    report = dm.run(source, target, RULES, key)
    assert report.leftovers == ()
    return [f"{one.message} {one.hint}" for one in report.findings if one.severity == "warning"]


@pytest.mark.parametrize("less", MAY_BE_MISSING, ids=str)
def test_a_right_that_may_be_missing_is_warned_of_by_its_name(
    less: Less, world: World, policies: Policies, key: dm.Key
) -> None:
    """However many objects there are, one warning names the place, the call and the right; all promises hold."""
    source, target = prepared(less, world, policies)

    told = told_of(less, source, target, key)

    [warning] = [one for one in told if (less.call in one and less.action in one) or "open upload" in one]
    assert less.call in warning
    assert (SOURCE if less.role == ROLE_B else TARGET) in warning
    assert (less.role, less.action) in policies.refused()
    shown = bodies(target_now(world))
    assert sorted(shown) == (["out/a.csv", "out/b.csv"] if less.act in ("run", "in place") else [])
    assert b"ann@x.org" not in target_now(world).everything()


@pytest.mark.parametrize("less", MUST_NOT_BE_MISSING, ids=str)
def test_a_right_that_cannot_be_missing_stops_the_run(
    less: Less, world: World, policies: Policies, key: dm.Key
) -> None:
    """A run without it is refused, by the right's name, before anything is changed; and nothing of it stays."""
    source, target = prepared(less, world, policies)
    before = {one: stored.body for one, stored in target_now(world).objects.items()}

    with pytest.raises(DmengineError) as caught:
        dm.run(source, target, RULES, key)

    assert less.action in str(caught.value)
    assert less.call in str(caught.value)
    now = target_now(world)
    assert {one: stored.body for one, stored in now.objects.items() if stored.body} == before
    assert now.uploads == ()


def test_every_right_is_tried_without() -> None:
    """The rights that files need are the ones that are denied here, and each as optional as it says."""
    place = S3Place("b", "p/", delete_old=True, within=True)
    needs = [*s3_needs(place, "source"), *s3_needs(place, "target", in_place=True)]

    assert {need.action for need in needs if need.optional} - NOT_LOOKED_AT == {one.action for one in MAY_BE_MISSING}
    assert {need.action for need in needs if not need.optional} == {one.action for one in MUST_NOT_BE_MISSING}


# ------------------------------------------------------------------------------------------ our own policies


def test_with_written_policies_nothing_is_refused_or_warned_of(world: World, policies: Policies, key: dm.Key) -> None:
    """A run, and a check with a probe, are allowed all that they ask for, and have nothing to say."""
    put(world, "a.csv", PEOPLE)
    source, target = ends(world, "roles")
    attach(world, policies, policies_for(source, target, principal=SOURCE_ROLE))

    report = dm.run(source, target, RULES, key)
    checks = dm.check(source, target, probe=True)

    assert list(bodies(target_now(world))) == ["out/a.csv"]
    assert [finding for finding in report.findings if finding.severity != "info"] == []
    assert refused(policies) <= {("s3:ListBucket", "HeadBucket")}
    assert [one.check for one in checks.found if one.check.status != "passed"] == []


@pytest.mark.parametrize("way", ["roles", "buckets"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["SSE-S3", "SSE-KMS"])
def test_no_written_action_is_unused(way: str, encrypted: bool, world: World, policies: Policies, key: dm.Key) -> None:
    """Over a run, a failed run, a check with a probe and buckets without blocks, every granted action is asked for."""
    options = {"kms_key": world.add_key(ACCOUNT_C), "encryption": "aws:kms"} if encrypted else {}
    source, target = ends(world, way, **options)
    written = policies_for(source, target, principal=SOURCE_ROLE)
    attach(world, policies, written)
    for arn, document in written.keys.items():
        world.owner("kms", arn.split(":")[4]).put_key_policy(
            KeyId=arn.rpartition("/")[2], PolicyName="default", Policy=_with_owner(document, arn.split(":")[4])
        )
    put(world, "a.csv", PEOPLE, Tagging="team=crm")

    dm.run(source, target, RULES, key)
    put(world, "b.csv", b"id,email\n1\n")
    with pytest.raises(InputError):
        dm.run(source, target, RULES, key, workers=1)
    dm.check(source, target, probe=True)
    for account, bucket in ((ACCOUNT_B, SOURCE), (ACCOUNT_C, TARGET)):
        world.owner("s3", account).delete_public_access_block(Bucket=bucket)
    dm.check(source, target)

    unused = granted_by(written) - policies.granted()
    assert refused(policies) <= EXPECTED
    assert unused == set()


def test_every_call_is_known_by_its_action(world: World, policies: Policies, key: dm.Key) -> None:
    """Plan, preview, run, a run that fails, is kept and resumed, and cleaning ask for actions that IAM knows."""
    source, target = ends(world, "roles")
    attach(world, policies, policies_for(source, target, principal=SOURCE_ROLE))
    put(world, "a.csv", PEOPLE)
    put(world, "b.csv", PEOPLE)

    dm.plan(source, target, RULES, key)
    dm.preview(source, RULES, key)
    for end in (lambda: dm.clean(target), lambda: dm.resume(source, target, RULES, key)):
        world.proxy.fates = Fates(1, Fault(("denied",), ("UploadPart",), keys="*b.csv"))
        with pytest.raises(DmengineError):
            dm.run(source, target, RULES, key, workers=1, on_failure="keep")
        world.proxy.fates = Fates(0)
        end()

    assert sorted(bodies(target_now(world))) == ["out/a.csv", "out/b.csv"]
    asked = {one.action for one in policies.judged}
    assert refused(policies) == set()
    assert asked <= KNOWN
    assert {one.split()[0] for one in world.proxy.log} - FREE <= {one.operation for one in policies.judged}


def _with_owner(document: Any, account: str) -> str:
    own = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({**document, "Statement": [own, *document["Statement"]]})


@pytest.mark.parametrize("way", ["roles", "buckets"])
def test_each_written_statement_is_needed(way: str, world: World, policies: Policies, key: dm.Key) -> None:
    """Take any statement out, and something is refused: none stands there for nothing."""
    put(world, "a.csv", PEOPLE, Tagging="team=crm")
    for account, bucket in ((ACCOUNT_B, SOURCE), (ACCOUNT_C, TARGET)):  # so that the other looks are needed
        world.owner("s3", account).delete_public_access_block(Bucket=bucket)
    source, target = ends(world, way)
    written = policies_for(source, target, principal=SOURCE_ROLE)

    for role, less in _one_less(written):
        attach(world, policies, written)
        policies.roles[role] = [less]
        policies.judged.clear()
        _try(source, target, key)
        assert refused(policies) - EXPECTED, (role, less)


def _one_less(written: Written) -> Iterator[tuple[str, Any]]:
    for role, document in written.roles_and_identity.items():
        for number in range(len(document["Statement"])):
            kept: Iterable[Any] = [one for n, one in enumerate(document["Statement"]) if n != number]
            yield role, {**document, "Statement": kept}


def _try(source: S3Files, target: S3Files, key: dm.Key) -> None:
    try:
        dm.run(source, target, RULES, key)
        dm.check(source, target, probe=True)
    except DmengineError:
        return
