"""Each way in which a bucket, its keys or the rights on them can be wrong gets a check that says so, and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from dmengine.spi import CheckStatus, Side
from tests.aws.s3_lab import PEOPLE, SOURCE, TARGET
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE
from tests.aws.standins.calls import Answer
from tests.aws.standins.world import REGION, ROLE_B, ROLE_C, World
from tests.checks.looking import actions
from tests.checks.s3_lab import S3Lab, anyone, document, saying, telling, tls_only

Spoil = Callable[[S3Lab], object]
OFF: Final = {
    "BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False,
}  # fmt: skip
ON: Final = dict.fromkeys(OFF, True)


@pytest.fixture
def lab(world: World) -> S3Lab:
    """Return a healthy source and target."""
    return S3Lab(world)


@dataclass(frozen=True)
class Broken:
    """A set-up in which one thing is wrong, and what is to be said of it."""

    id: str
    side: Side
    spoil: Spoil
    name: str
    status: CheckStatus
    cause: str
    remedy: str
    rights: set[str] = field(default_factory=set)
    call: str = ""


def without(*rights: str) -> Spoil:
    return lambda lab: lab.without(*rights)


def said(**facts: Any) -> Spoil:
    return lambda lab: lab.files.update(facts)


def instead(rule: Any) -> Spoil:
    return lambda lab: setattr(lab, "instead", rule)


def unblocked(bucket: str, side: Side, **statement: Any) -> Spoil:
    """Take the public access block away; add a statement to the policy, if one is given."""

    def spoil(lab: S3Lab) -> None:
        client = lab.owner(side)
        client.delete_public_access_block(Bucket=bucket)
        if statement:
            lab.world.add_bucket_policy(bucket, document(tls_only(bucket), statement))

    return spoil


def open_acl(lab: S3Lab) -> None:
    client = lab.owner("target")
    client.delete_public_access_block(Bucket=TARGET)
    client.delete_bucket_ownership_controls(Bucket=TARGET)
    client.put_bucket_acl(Bucket=TARGET, ACL="public-read")


def encrypted(side: Side, *, change: Callable[[Any, str], object] = lambda kms, key: None, **policy: Any) -> Spoil:
    """Let a bucket encrypt with a key of its account, and do something to the key."""

    def spoil(lab: S3Lab) -> None:
        account, bucket = (ACCOUNT_B, SOURCE) if side == "source" else (ACCOUNT_C, TARGET)
        key = lab.world.add_key(account, **policy)
        lab.world.encrypt_bucket(bucket, key)
        if side == "source":
            lab.owner("source").put_object(
                Bucket=SOURCE, Key="in/a.csv", Body=PEOPLE, ServerSideEncryption="aws:kms", SSEKMSKeyId=key
            )
        change(lab.world.owner("kms", account), key.rpartition("/")[2])

    return spoil


def of_nobody(account: str) -> dict[str, Any]:
    """Return the policy of a key that only the account's root may use, and that leaves nothing to IAM."""
    root = f"arn:aws:iam::{account}:user/keeper"
    return document({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"})


def versioned(lab: S3Lab) -> None:
    lab.owner("target").put_bucket_versioning(Bucket=TARGET, VersioningConfiguration={"Status": "Enabled"})


def locked(rule: bool) -> Spoil:
    """Make the target a bucket with object lock."""
    by_default = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule>"
    body = (
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        f"{by_default if rule else ''}</ObjectLockConfiguration>"
    )
    return instead(telling("GetObjectLockConfiguration", body.encode()))


def short_rule(lab: S3Lab) -> None:
    rule = {
        "ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }  # fmt: skip
    lab.owner("target").put_bucket_lifecycle_configuration(Bucket=TARGET, LifecycleConfiguration={"Rules": [rule]})


def archived(lab: S3Lab) -> None:
    lab.owner("source").put_object(Bucket=SOURCE, Key="in/a.csv", Body=PEOPLE, StorageClass="DEEP_ARCHIVE")


def by_bucket_policy(*allowed: str) -> Spoil:
    """Let A's role work on C's bucket without any role in C, as far as the bucket's policy goes."""

    def spoil(lab: S3Lab) -> None:
        lab.allow(SOURCE_ROLE, "s3:*", "kms:*")
        granted = {
            "Effect": "Allow", "Principal": {"AWS": SOURCE_ROLE}, "Action": list(allowed),
            "Resource": [f"arn:aws:s3:::{TARGET}", f"arn:aws:s3:::{TARGET}/*"],
        }  # fmt: skip
        lab.world.add_bucket_policy(TARGET, document(tls_only(TARGET), *([granted] if allowed else [])))
        lab.files |= {"session": lab.a, "expected_owner": ACCOUNT_C}

    return spoil


def forbidden(action: str) -> Spoil:
    """Let the target's policy forbid an action to everyone."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{TARGET}/*"}
    return lambda lab: lab.world.add_bucket_policy(TARGET, document(tls_only(TARGET), deny))


def both(*spoils: Spoil) -> Spoil:
    return lambda lab: [spoil(lab) for spoil in spoils]


IN_C: Final = f"arn:aws:kms:{REGION}:{ACCOUNT_C}:"
BROKEN: Final = (
    # where it is and whose
    Broken("no-such-bucket", "source", said(url="s3://no-such-bucket-of-b/in/"), "bucket.reach", "failed",
           "there is no bucket no-such-bucket-of-b", "check the name"),
    Broken("wrong-owner", "source", said(expected_owner=ACCOUNT_C), "bucket.owner", "failed",
           f"not owned by account {ACCOUNT_C}", "expected_owner", call="HeadBucket"),
    Broken("sent-to-another-region", "source",
           instead(lambda call: saying("ListObjectsV2", "AuthorizationHeaderMalformed", 400,
                                       **{"x-amz-bucket-region": "eu-west-1"})(call)
                   or saying("HeadBucket", "400", 400, **{"x-amz-bucket-region": "eu-west-1"})(call)),
           "bucket.region", "failed", "the bucket is in eu-west-1", 'SessionFactory(region="eu-west-1")'),
    Broken("session-in-another-region", "source",
           lambda lab: lab.files.update(session=elsewhere(lab)), "bucket.region", "warning",
           "the bucket is in eu-west-1, and the session in us-east-1", 'say region="eu-west-1"'),
    Broken("requester-pays", "source",
           both(without("s3:ListBucket"), instead(telling(
               "GetBucketRequestPayment",
               b"<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"))),
           "bucket.payer", "failed", "who asks pays", "requester_pays=True"),
    Broken("s3-throttles", "source", instead(saying("GetObject", "SlowDown", 503)), "bucket.read", "unknown",
           "SlowDown", "later"),
    # rights
    Broken("may-not-list", "source", without("s3:ListBucket"), "bucket.reach", "failed", "AccessDenied",
           f"allow s3:ListBucket on arn:aws:s3:::{SOURCE} to {ROLE_B}, in its policy", {"s3:ListBucket"}),
    Broken("may-not-read", "source", without("s3:GetObject"), "bucket.read", "failed", "AccessDenied (GetObject",
           f"allow s3:GetObject on arn:aws:s3:::{SOURCE}/in/* to {ROLE_B}, in its policy", {"s3:GetObject"}),
    Broken("may-not-write", "target", without("s3:PutObject"), "bucket.write", "failed", "AccessDenied (PutObject",
           f"allow s3:PutObject on arn:aws:s3:::{TARGET}/out/* to {ROLE_C}, in its policy", {"s3:PutObject"}),
    Broken("may-not-read-back", "target", without("s3:GetObject"), "bucket.readback", "failed", "(GetObject",
           f"allow s3:GetObject on arn:aws:s3:::{TARGET}/out/*", {"s3:GetObject"}),
    Broken("may-not-tag", "target", without("s3:PutObjectTagging"), "bucket.tags", "warning", "(PutObjectTagging",
           'tags="drop"', {"s3:PutObjectTagging"}),
    Broken("may-not-abort", "target", without("s3:AbortMultipartUpload"), "bucket.uploads", "warning",
           "(open upload ", "AbortIncompleteMultipartUpload", {"s3:AbortMultipartUpload"}),
    Broken("may-not-list-uploads", "target", without("s3:ListBucketMultipartUploads"), "bucket.earlier", "unknown",
           "(ListMultipartUploads: AccessDenied)", "allow s3:ListBucketMultipartUploads",
           {"s3:ListBucketMultipartUploads"}),
    Broken("may-not-delete", "target", without("s3:DeleteObject"), "bucket.delete", "warning",
           f"s3://{TARGET}/out/_dmengine/check-", "by hand", {"s3:DeleteObject"}),
    Broken("may-not-delete-in-staging", "staging", without("s3:DeleteObject"), "bucket.delete", "failed",
           "would leave unmasked data in staging", "by hand", {"s3:DeleteObject"}),
    Broken("may-not-delete-versions", "target", both(versioned, without("s3:DeleteObjectVersion")), "bucket.delete",
           "warning", "stays, as version ", "allow s3:DeleteObjectVersion", {"s3:DeleteObjectVersion"}),
    Broken("forbidden", "target", forbidden("s3:PutObject"), "bucket.write", "failed", "AccessDenied",
           "a resource-based policy forbids it, so take that away", {"s3:PutObject"}),
    Broken("no-bucket-policy", "target", by_bucket_policy(), "bucket.reach", "failed", "AccessDenied",
           f"allow s3:ListBucket on arn:aws:s3:::{TARGET} to {SOURCE_ROLE}, in the bucket's policy", {"s3:ListBucket"}),
    Broken("bucket-policy-without-put", "target", by_bucket_policy("s3:List*", "s3:Get*", "s3:Delete*"),
           "bucket.write", "failed", "AccessDenied",
           f"allow s3:PutObject on arn:aws:s3:::{TARGET}/out/* to {SOURCE_ROLE}, in the bucket's policy",
           {"s3:PutObject"}),
    # what may not be looked at
    Broken("block-unseen", "source",
           both(unblocked(SOURCE, "source"), without("s3:GetBucketPublicAccessBlock")), "bucket.public", "unknown",
           "unknown: whether the source bucket is public", "or check it by hand", {"s3:GetBucketPublicAccessBlock"},
           "GetPublicAccessBlock"),
    Broken("acl-unseen", "source", both(unblocked(SOURCE, "source"), without("s3:GetBucketAcl")), "bucket.public",
           "unknown", "GetBucketAcl: AccessDenied", "allow s3:GetBucketAcl", {"s3:GetBucketAcl"}),
    Broken("policy-status-unseen", "source",
           both(unblocked(SOURCE, "source"), without("s3:GetBucketPolicyStatus")), "bucket.public", "unknown",
           "GetBucketPolicyStatus: AccessDenied", "allow s3:GetBucketPolicyStatus", {"s3:GetBucketPolicyStatus"}),
    Broken("encryption-unseen", "target", without("s3:GetEncryptionConfiguration"), "bucket.encryption", "unknown",
           "unknown: how new objects", "look by hand", {"s3:GetEncryptionConfiguration"}),
    Broken("versions-unseen", "target", without("s3:GetBucketVersioning"), "bucket.versions", "unknown",
           "keeps old versions", "look by hand", {"s3:GetBucketVersioning"}),
    Broken("lock-unseen", "target", without("s3:GetBucketObjectLockConfiguration"), "bucket.lock", "unknown",
           "whether a lock", "look by hand", {"s3:GetBucketObjectLockConfiguration"}),
    Broken("lifecycle-unseen", "target", without("s3:GetLifecycleConfiguration"), "bucket.lifecycle", "unknown",
           "whether a lifecycle rule", "look by hand", {"s3:GetLifecycleConfiguration"}),
    Broken("policy-unseen", "target", without("s3:GetBucketPolicy"), "bucket.tls", "unknown",
           "refuses plain http", "look by hand", {"s3:GetBucketPolicy"}),
    Broken("ownership-unseen", "target", without("s3:GetBucketOwnershipControls"), "bucket.ownership", "unknown",
           "belong to", "look by hand", {"s3:GetBucketOwnershipControls"}),
    # how it is set up
    Broken("public-by-policy", "source", unblocked(SOURCE, "source", **anyone(SOURCE)), "bucket.public", "failed",
           f"the source bucket {SOURCE} is public: its policy lets anyone in", "put-public-access-block"),
    Broken("public-by-acl", "target", open_acl, "bucket.public", "failed",
           f"the target bucket {TARGET} is public: its ACL lets anyone in", "put-public-access-block"),
    Broken("public-staging", "staging", unblocked(TARGET, "target", **anyone(TARGET)), "bucket.public", "failed",
           f"the staging bucket {TARGET} is public", "put-public-access-block"),
    Broken("block-off", "source", unblocked(SOURCE, "source"), "bucket.block", "warning",
           "nothing would keep it from becoming so", "BlockPublicPolicy=true"),
    Broken("no-tls-policy", "source", lambda lab: lab.owner("source").delete_bucket_policy(Bucket=SOURCE),
           "bucket.tls", "warning", "does not refuse plain http", "add this statement", {"s3:*"}),
    Broken("locked-target", "target", locked(True), "bucket.lock", "warning", "stays for 30 days (COMPLIANCE)",
           "journal="),
    Broken("locked-staging", "staging", locked(False), "bucket.lock", "failed", "could not be removed",
           "without object lock"),
    Broken("versions-in-staging", "staging", versioned, "bucket.versions", "warning", "stays as one of them",
           "s3:DeleteObjectVersion"),
    Broken("short-lifecycle", "target", short_rule, "bucket.lifecycle", "warning", "open for 1 day",
           "raise DaysAfterInitiation"),
    Broken("writer-owns", "target",
           both(by_bucket_policy("s3:*"),
                lambda lab: lab.owner("target").delete_bucket_ownership_controls(Bucket=TARGET)),
           "bucket.ownership", "warning", "(ObjectWriter)", "BucketOwnerEnforced"),
    Broken("no-default-encryption", "target",
           lambda lab: lab.owner("target").delete_bucket_encryption(Bucket=TARGET), "bucket.encryption", "warning",
           "says of no encryption", "SSE-S3"),
    Broken("archived", "source", archived, "bucket.archived", "warning", f"such as s3://{SOURCE}/in/a.csv",
           "restore them first"),
    Broken("nothing-there", "source", said(url=f"s3://{SOURCE}/inn/"), "bucket.list", "warning",
           f"there is no object below s3://{SOURCE}/inn/", "check the prefix"),
    Broken("no-such-object", "source", said(url=f"s3://{SOURCE}/in/b.csv"), "bucket.list", "failed",
           f"there is no s3://{SOURCE}/in/b.csv", "ends with /"),
    # keys
    Broken("key-disabled", "target", encrypted("target", change=lambda kms, key: kms.disable_key(KeyId=key)),
           "kms.key", "failed", "is disabled", "aws kms enable-key --key-id", call="DescribeKey"),
    Broken("key-to-be-deleted", "target",
           encrypted("target", change=lambda kms, key: kms.schedule_key_deletion(KeyId=key)), "kms.key", "failed",
           "is to be deleted", "cancel-key-deletion"),
    Broken("no-such-key", "target", said(encryption="aws:kms", kms_key=f"{IN_C}key/0000"), "kms.key", "failed",
           "NotFoundException", "whole ARN"),
    Broken("key-elsewhere", "target",
           said(encryption="aws:kms", kms_key=f"arn:aws:kms:us-east-1:{ACCOUNT_C}:key/0000"), "kms.region", "failed",
           "is in us-east-1, and the bucket in eu-west-1", "a key in eu-west-1"),
    Broken("key-of-aws-across-accounts", "target",
           both(by_bucket_policy("s3:*"), lambda lab: lab.world.encrypt_bucket(TARGET, f"{IN_C}alias/aws/s3")),
           "kms.key", "failed", f"the key that AWS manages for S3 in account {ACCOUNT_C}", "a key of your own"),
    Broken("key-of-aws-found-by-kms", "target",
           both(by_bucket_policy("s3:*"), encrypted("target"),
                instead(telling("DescribeKey", {"KeyMetadata": {
                    "KeyId": "k", "AWSAccountId": ACCOUNT_C, "KeyManager": "AWS", "KeyState": "Enabled"}}))),
           "kms.key", "failed", "no other account can use it", "SSE-S3", call="DescribeKey"),
    Broken("key-not-granted-to-write", "target", both(encrypted("target"), without("kms:GenerateDataKey")),
           "bucket.write", "failed", "kms:GenerateDataKey is not allowed on the KMS key", f"on the key {IN_C}key/",
           {"kms:GenerateDataKey", "kms:Decrypt"}),
    Broken("key-policy-names-nobody", "target", encrypted("target", policy=of_nobody(ACCOUNT_C)), "bucket.write",
           "failed", "kms:GenerateDataKey is not allowed", "in the key's", {"kms:GenerateDataKey", "kms:Decrypt"}),
    Broken("key-not-granted-to-read", "source", both(encrypted("source"), without("kms:Decrypt")), "bucket.read",
           "failed", "kms:Decrypt is not allowed on the KMS key", "in the key's", {"kms:Decrypt"}),
    Broken("key-unseen", "target", both(encrypted("target"), without("kms:DescribeKey")), "kms.key", "unknown",
           "unknown: the state of the key", "seen by using it", {"kms:DescribeKey"}),
    Broken("s3-says-no-more-than-no", "source", instead(saying("GetObject", "AccessDenied")), "bucket.read", "failed",
           "kms:Decrypt on the object's key is what is missing: S3 does not say which", "allow s3:GetObject"),
)  # fmt: skip


def elsewhere(lab: S3Lab) -> Any:
    import boto3

    from dmengine.connectors import SessionFactory
    from tests.aws.standins.world import BASE, EXTERNAL_ID

    session = boto3.Session(
        BASE["aws_access_key_id"], BASE["aws_secret_access_key"], BASE["aws_session_token"], region_name="us-east-1"
    )
    return SessionFactory(session, endpoint_url=lab.world.proxy.url).assume(ROLE_B, external_id=EXTERNAL_ID)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.id)
def test_what_is_wrong_is_told_with_its_remedy(lab: S3Lab, broken: Broken) -> None:
    """One thing is wrong: its check has the status, the cause in plain words, and the remedy with its statements."""
    broken.spoil(lab)

    found = lab.look(broken.side)

    check = found.one(broken.name)
    assert check.status == broken.status, check
    assert broken.cause in check.answer, check
    assert broken.remedy in check.remedy, check
    assert check.call
    assert broken.call in check.call
    if broken.rights:
        assert actions(check) == broken.rights
    assert "secret" not in found.shown()


@pytest.mark.parametrize("side", ["source", "target", "staging"])
def test_a_healthy_bucket_passes_and_is_left_as_it_was(lab: S3Lab, side: Side) -> None:
    """Nothing is wrong: every check passes, and of the probe nothing is left, no version and no upload."""
    versioned(lab)

    first = lab.look(side)

    assert first.not_passed() == ({} if side != "staging" else {"bucket.versions": "warning"})
    assert lab.left(side) == []


def test_without_a_probe_nothing_is_written(lab: S3Lab) -> None:
    """Without leave to write, the rights to do so are unknown, and no call changes anything."""
    found = lab.look("target", probe=False)

    assert found.not_passed() == {"bucket.write": "unknown"}
    assert (found.one("bucket.write").call, found.one("bucket.write").answer[:9]) == ("", "not tried")
    changing = ("Put", "Delete", "Create", "Abort", "Upload", "Complete")
    assert [call for call in lab.world.proxy.log if call.startswith(changing)] == []


def test_a_public_access_block_of_the_account_is_enough(lab: S3Lab) -> None:
    """Where the bucket's own block is off, that of its account counts; whether it is there is asked of S3 Control."""
    unblocked(SOURCE, "source")(lab)
    settings = "".join(f"<{name}>true</{name}>" for name in ON)
    body = f"<PublicAccessBlockConfiguration>{settings}</PublicAccessBlockConfiguration>".encode()
    lab.instead = lambda call: (
        Answer(200, body, {"Content-Type": "text/xml"}) if call.target.startswith("/v20180820/") else None
    )

    found = lab.look("source")

    assert found.not_passed() == {}
    assert "on for the bucket's account" in found.one("bucket.public").answer


def test_a_listing_below_a_prefix_is_enough(lab: S3Lab) -> None:
    """A policy that allows to list one prefix does not allow HeadBucket: the bucket is reached all the same."""
    lab.policies.roles[ROLE_B] = [
        document(
            {"Effect": "Allow", "Action": ["s3:Get*", "kms:*"], "Resource": "*"},
            {
                "Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{SOURCE}",
                "Condition": {"StringLike": {"s3:prefix": "in/*"}},
            },
        )
    ]  # fmt: skip

    found = lab.look("source")

    assert found.not_passed() == {}


def test_old_versions_are_a_failure_in_place_alone(lab: S3Lab) -> None:
    """A bucket that keeps old versions is fine as a target; masked in place, it would keep the originals."""
    import dmengine as dm

    versioned(lab)
    target = lab.place("target")

    apart, in_place = dm.check(lab.place("source"), target), dm.check(target, target)
    kept = dm.check(target, lab.place("target", old_versions="delete"))

    assert apart.status == "passed"
    [wrong] = [one.check for one in in_place.found if one.check.status == "failed"]
    assert (wrong.name, "the originals would stay readable" in wrong.answer) == ("places.versions", True)
    assert 'old_versions="delete"' in wrong.remedy
    assert not [one for one in kept.found if one.check.status == "failed"]


def test_a_target_inside_the_source_fails(lab: S3Lab) -> None:
    """Source and target must not lie one inside the other."""
    import dmengine as dm

    source = lab.place("source")

    checks = dm.check(source, lab.place("source", url=f"s3://{SOURCE}/in/masked/"))

    [wrong] = [one.check for one in checks.found if one.check.name == "places.overlap"]
    assert (wrong.status, checks.exit_code) == ("failed", 2)
    assert "choose another prefix" in wrong.remedy
