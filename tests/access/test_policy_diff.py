"""Policies that there are, compared with those that are needed; first of all the policies of the user's document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dmengine.connectors import policies
from dmengine.errors import PlanError
from dmengine_connectors.access.compare import Comparison
from dmengine_connectors.access.places import covers, meet
from dmengine_connectors.policy.written import Policies
from tests.access.policy_lab import DM_ROLE, KEY, SOURCE_ROLE, TARGET_ROLE, USERS, bucket, cluster, documented, tables


def by_roles() -> Policies:
    source = bucket("crm", "in", iam_role_arn=TARGET_ROLE)
    return policies(source, bucket("crm-test", "out", iam_role_arn=TARGET_ROLE), principal=SOURCE_ROLE)


def by_buckets() -> Policies:
    target = bucket("crm-test", "out", bucket_owner="333333333333", encryption="aws:kms", kms_key=KEY)
    return policies(bucket("crm", "in", bucket_owner="222222222222"), target, principal=DM_ROLE)


def of_tables() -> Policies:
    return policies(tables(), tables(), principal=SOURCE_ROLE, tables=["users"])


def missing(found: Comparison) -> set[str]:
    return {need.action for need in found.missing}


def wide(found: Comparison, problem: str) -> set[str]:
    return {one.what for one in found.wide if one.problem == problem}


# ------------------------------------------------------------------------------------------ the document's policies


def test_the_documents_role_for_s3_lets_a_run_work_with_warnings() -> None:
    """It lacks aborting, tags, cleaning up, and looking at encryption and versions; nothing vital."""
    found = by_roles().diff(documented("role-s3"))

    assert found.lacking == ()
    assert {
        "s3:AbortMultipartUpload", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObject",
        "s3:GetEncryptionConfiguration", "s3:GetBucketVersioning", "s3:GetBucketOwnershipControls",
    } <= missing(found)  # fmt: skip
    assert wide(found, "wide resource") >= {"arn:aws:s3:::crm/*", "arn:aws:s3:::crm-test/*"}


def test_the_documents_identity_of_a_is_far_too_wide() -> None:
    """It reads, writes and deletes in every bucket there is; the KMS rights stand in a policy of their own."""
    found = by_buckets().diff(documented("identity-of-a"))
    both = by_buckets().diff(documented("identity-of-a"), documented("identity-kms"))

    assert {one.statement for one in found.wide if one.what == "arn:aws:s3:::*"} >= {
        "SourceBucketRead", "DestinationBucketWrite", "ExportedDataAccess",
    }  # fmt: skip
    assert {need.action for need in found.lacking} == {"kms:GenerateDataKey", "kms:Decrypt"}
    assert both.lacking == ()
    assert {"kms:Encrypt"} <= wide(both, "unused action")
    assert "*" in wide(both, "wide resource")


def test_the_documents_bucket_policy_lacks_cleaning_up_and_names_too_much() -> None:
    """It lacks abort, delete, tags, encryption; `ListBucket*` and `GetObject*` are wide; GetObject names the bucket."""
    found = by_buckets().diff(documented("bucket"))

    assert found.subject == "bucket policy of crm-test"
    assert {
        "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObjectTagging", "s3:GetEncryptionConfiguration",
    } <= missing(found)  # fmt: skip
    assert wide(found, "wide action") == {"s3:ListBucket*", "s3:GetObject*"}
    assert "arn:aws:s3:::crm-test" in wide(found, "unused resource")
    assert wide(found, "no TLS-only") == set()


def test_the_documents_policy_for_dynamodb_deletes_the_source() -> None:
    """`table/users*` reaches the source: that is a danger, and stands first."""
    found = of_tables().diff(documented("role-dynamodb"))

    assert [one.what for one in found.dangers] == [USERS]
    assert found.wide[0].statement == "TargetTableImportAndCleanup"
    assert found.lacking == ()
    assert {
        "s3:AbortMultipartUpload", "s3:PutObjectAcl", "dynamodb:TagResource", "dynamodb:ListTagsOfResource",
        "dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive", "dynamodb:UpdateContinuousBackups",
        "logs:GetLogEvents", "logs:PutRetentionPolicy", "s3:GetBucketVersioning",
    } <= missing(found)  # fmt: skip


def test_the_documents_key_policy_grants_encrypt_which_s3_never_asks_for() -> None:
    """Nothing is missing there; kms:Encrypt is not used."""
    found = by_buckets().diff(documented("key"))

    assert found.missing == ()
    assert wide(found, "unused action") == {"kms:Encrypt"}


def test_the_documents_bucket_policy_cannot_clean_redshifts_staging() -> None:
    """With Redshift and S3 in one account the bucket policy lacks s3:DeleteObject, without which no run begins."""
    there = cluster("arn:aws:iam::222222222222:role/Cluster", bucket_owner="222222222222", s3_bucket_name="crm-test")

    found = policies(there, principal=DM_ROLE).diff(documented("bucket"))

    assert "s3:DeleteObject" in {need.action for need in found.lacking}


def test_the_documents_trust_lets_in_without_an_external_id() -> None:
    """It fits a connection without one; where the connection has one, it is to be demanded."""
    with_id = policies(bucket("crm", "in", iam_role_arn=TARGET_ROLE, external_id="x7"), principal=SOURCE_ROLE)

    offered, demanded = by_roles().diff(documented("trust")), with_id.diff(documented("trust"))

    assert offered.missing == ()
    assert [one.problem for one in offered.wide] == ["no external id"]
    assert "offer one" in offered.wide[0].why
    assert "the connection has one" in demanded.wide[0].why


def test_the_documents_assume_policy_names_one_role_that_is_not_used() -> None:
    """It fits whoever runs dmengine, and the role in C is not needed by this job."""
    found = by_roles().diff(documented("assume"))

    assert found.subject == f"identity policy of {SOURCE_ROLE}"
    assert found.missing == ()
    assert wide(found, "unused resource") == {"arn:aws:iam::333333333333:role/Target-DM-Role"}


# ------------------------------------------------------------------------------------------ ours, and others


@pytest.mark.parametrize("make", [by_roles, by_buckets, of_tables])
def test_the_policies_that_are_written_lack_nothing_and_grant_nothing_more(make: Any) -> None:
    """Compared with themselves, all policies that dmengine writes are exact."""
    found = make()

    for one in found.written:
        if one.kind in ("identity", "bucket", "key"):
            compared = found.diff(*one.parts, of=one.subject)
            assert (compared.missing, compared.wide) == ((), ()), f"{one.title}: {compared}"


def test_a_written_trust_policy_with_an_external_id_is_exact() -> None:
    """Who is trusted, and by which external id, is all that is needed."""
    found = policies(bucket("crm", "in", iam_role_arn=TARGET_ROLE, external_id="x7"), principal=SOURCE_ROLE)

    compared = found.diff(found.trust[TARGET_ROLE])

    assert (compared.missing, compared.wide) == ((), ())


def changed(policy: Any, change: Mapping[str, Any], sid: str = "") -> Any:
    """Return a policy with some keys of the statement of a Sid, or of all, changed."""
    copy = json.loads(json.dumps(policy))
    for one in copy["Statement"]:
        if one.get("Sid", "").startswith(sid) and one["Effect"] == "Allow":
            one.update(change)
    return copy


def test_trust_in_a_whole_account_or_in_everybody_is_wide() -> None:
    """`:root` and `*` let in more than the one role that assumes."""
    found = by_roles()

    for who in ("arn:aws:iam::111111111111:root", "*"):
        compared = found.diff(changed(found.trust[TARGET_ROLE], {"Principal": {"AWS": who}}))
        assert wide(compared, "wide principal") == {who}


def test_a_wrong_principal_in_a_trust_policy_is_missing() -> None:
    """A trust policy for another role does not let ours in."""
    found = by_roles()

    compared = found.diff(changed(found.trust[TARGET_ROLE], {"Principal": {"AWS": f"{SOURCE_ROLE}-2"}}))

    assert [need.action for need in compared.missing] == ["sts:AssumeRole"]


def test_a_bucket_policy_without_tls_only_says_so() -> None:
    """Where plain http is not refused, AllowSSLRequestsOnly is missing."""
    found = by_buckets()
    open_to_http = {"Statement": [one for one in found.buckets["crm"]["Statement"] if one["Effect"] == "Allow"]}

    compared = found.diff(open_to_http)

    assert wide(compared, "no TLS-only") == {"arn:aws:s3:::crm"}


def test_a_deny_takes_what_another_policy_grants() -> None:
    """All policies of an identity count together, and a Deny in one of them is missing rights."""
    found = by_roles()
    denied = {"Statement": {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}}

    compared = found.diff(found.roles[TARGET_ROLE], denied)

    assert missing(compared) == {"s3:PutObject"}


def test_statements_for_others_in_a_bucket_policy_are_their_business() -> None:
    """What a bucket's policy says of other principals is neither missing nor too wide."""
    found = by_buckets()
    theirs = changed(found.buckets["crm"], {"Principal": {"AWS": "arn:aws:iam::999999999999:role/X"}, "Action": "s3:*"})
    together = {"Statement": [*found.buckets["crm"]["Statement"], *theirs["Statement"]]}

    compared = found.diff(together)

    assert (compared.missing, compared.wide) == ((), ())


def test_a_policy_that_allows_all_but_a_few_is_wide() -> None:
    """NotAction in an Allow grants whatever is not named."""
    everything = {"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]}

    compared = by_roles().diff(everything, of=TARGET_ROLE)

    assert compared.missing == ()
    assert "NotAction" in wide(compared, "wide action")


def test_a_kind_of_policy_that_nothing_needs_is_refused() -> None:
    """A key's policy for a job without KMS, or a file that is no policy, is an error in words."""
    with pytest.raises(PlanError, match="no key policy is needed"):
        by_roles().diff(documented("key"))
    with pytest.raises(PlanError, match="this is no policy"):
        by_roles().diff({})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a*", "*b", True), ("a*", "b*", False), ("*", "", True), ("a?c", "abc", True), ("a?c", "ac", False),
        ("*x*", "*y*", True), ("ab", "ab", True), ("ab*cd", "ab*", True), ("a", "a*", True), ("", "a", False),
    ],
)  # fmt: skip
def test_patterns_meet_where_some_text_is_of_both(one: str, other: str, expected: bool) -> None:
    """Two patterns meet if there is a text that both match, whichever comes first."""
    assert meet(one, other) is meet(other, one) is expected


def test_patterns_of_many_stars_are_compared_at_once() -> None:
    """A policy of nothing but stars does not hold anybody up."""
    assert meet("*a" * 200, "a*" * 200)
    assert not covers("*a" * 40 + "b", "a*" * 40)
