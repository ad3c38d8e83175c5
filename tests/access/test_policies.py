"""The policies that are written: who gets which rights, on what, and how they compare with the user's document."""

from __future__ import annotations

import json
import re

import pytest

from dmengine.connectors import LocalFiles, S3Files, S3Store, SessionFactory, policies
from dmengine.errors import PlanError
from dmengine_connectors.access.evaluate import Request, decide, decide_access
from dmengine_connectors.access.statements import (
    BUCKET_LIMIT,
    IDENTITY_LIMIT,
    TRUST_LIMIT,
    size,
)
from tests.access.policy_lab import (
    DM_ROLE,
    KEY,
    REGION,
    ROLE_C,
    SOURCE_ROLE,
    TARGET_ROLE,
    actions,
    assumed,
    bucket,
    documented,
    listed,
    of_buckets,
    statement,
    tables,
)

# ------------------------------------------------------------------------------------------ roles


def test_whoever_runs_dmengine_may_assume_the_first_roles_and_nothing_else() -> None:
    """With roles in B and C, the identity of A needs sts:AssumeRole on exactly these two, as in the document."""
    found = assumed()

    assert [one["Action"] for one in found.identity["Statement"]] == ["sts:AssumeRole"]
    assert found.identity["Statement"][0]["Resource"] == documented("assume")["Statement"][0]["Resource"]


def test_a_role_trusts_who_assumes_it_and_demands_the_external_id() -> None:
    """The trust policy is the document's, with the external id of the connection added where there is one."""
    found = assumed()

    [with_id], [without] = (found.trust[role]["Statement"] for role in (TARGET_ROLE, ROLE_C))
    assert with_id["Principal"] == documented("trust")["Statement"][0]["Principal"]
    assert with_id["Condition"] == {"StringEquals": {"sts:ExternalId": "x7"}}
    assert "Condition" not in without


def test_a_chain_gives_each_hop_the_right_to_the_next() -> None:
    """In A -> B -> C, A may assume B's role and B's role may assume C's, which trusts B's; only C's reads."""
    chain = SessionFactory(region=REGION).assume(TARGET_ROLE).assume(ROLE_C)

    found = policies(S3Files("s3://crm/in/", session=chain), principal=SOURCE_ROLE)

    assert [one["Resource"] for one in found.identity["Statement"]] == [TARGET_ROLE]
    assert found.roles[TARGET_ROLE]["Statement"] == [
        {"Sid": "AssumeRole", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_C}
    ]
    assert found.trust[ROLE_C]["Statement"][0]["Principal"] == {"AWS": TARGET_ROLE}
    assert "s3:GetObject" in actions(found.roles[ROLE_C])


def test_tags_and_a_source_identity_are_allowed_on_both_sides() -> None:
    """Session tags take sts:TagSession, a source identity sts:SetSourceIdentity, which all later hops keep needing."""
    chain = SessionFactory().assume(TARGET_ROLE, tags={"team": "data"}, source_identity="ann").assume(ROLE_C)

    found = policies(S3Files("s3://crm/in/", session=chain), principal=SOURCE_ROLE)

    both = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    assert found.trust[TARGET_ROLE]["Statement"][0]["Action"] == both
    assert actions(found.identity) == set(both)
    assert found.trust[ROLE_C]["Statement"][0]["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity"]
    assert actions(found.roles[TARGET_ROLE]) == {"sts:AssumeRole", "sts:SetSourceIdentity"}


# ------------------------------------------------------------------------------------------ buckets


def test_rights_are_bound_to_the_prefix() -> None:
    """Objects are named below the prefix, listings are bound by s3:prefix, and no resource is all of S3."""
    found = assumed()

    role = found.roles[TARGET_ROLE]
    assert statement(role, "SourceBucketRead")["Resource"] == "arn:aws:s3:::crm/in/*"
    assert statement(role, "SourceBucketList")["Condition"] == {"StringLike": {"s3:prefix": "in/*"}}
    assert "arn:aws:s3:::*" not in json.dumps(found.to_dict())


def test_nothing_but_the_journal_may_be_deleted() -> None:
    """In the target, s3:DeleteObject covers `_dmengine/` alone."""
    found = assumed().roles[ROLE_C]

    [deleting] = [one for one in found["Statement"] if "s3:DeleteObject" in listed(one["Action"])]

    assert deleting["Resource"] == "arn:aws:s3:::test/out/_dmengine/*"


def test_a_bucket_of_the_roles_own_account_needs_no_more_than_tls() -> None:
    """Within an account the role's policy is enough: the bucket's holds the refusal of plain http."""
    found = assumed()

    assert [one["Sid"] for one in found.buckets["crm"]["Statement"]] == ["AllowSSLRequestsOnly"]
    assert found.buckets["crm"]["Statement"][0] == statement(
        json.loads(json.dumps(documented("bucket")).replace("crm-test", "crm")), "AllowSSLRequestsOnly"
    )


def test_across_accounts_identity_and_bucket_allow_the_same() -> None:
    """Without a role both the identity's policy and the bucket's grant each right, and only then it is allowed."""
    found = of_buckets()
    read = Request(
        DM_ROLE, "s3:GetObject", "arn:aws:s3:::crm/in/a.csv", {"aws:SecureTransport": "true"}, "222222222222"
    )

    allowed = decide_access(read, identity=[found.identity], resource=found.buckets["crm"])
    alone = decide_access(read, identity=[found.identity])

    assert (allowed.effect, alone.effect) == ("allow", "none")
    assert {one["Sid"] for one in documented("bucket")["Statement"]} <= {
        one["Sid"] for name in ("crm", "test") for one in found.buckets[name]["Statement"]
    }


def test_plain_http_is_refused_by_the_buckets_policy() -> None:
    """What is asked without TLS is denied, whoever asks."""
    found = of_buckets()
    plain = Request(DM_ROLE, "s3:GetObject", "arn:aws:s3:::crm/in/a.csv", {"aws:SecureTransport": "false"})

    assert decide([found.buckets["crm"]], plain) == "deny"


def test_a_bucket_whose_owner_nobody_said_is_named_in_a_note() -> None:
    """Where the owner is not known the bucket's policy is written too, and a note says when it is not needed."""
    found = policies(S3Files("s3://crm/in/"), principal=DM_ROLE)

    assert "s3:GetObject" in actions(found.buckets["crm"])
    assert any("which account owns crm" in note for note in found.notes)


def test_tags_and_old_versions_take_rights_only_where_they_are_asked_for() -> None:
    """Without tags no tagging right is granted; old versions are listed and deleted only in place and if asked."""
    plain = policies(S3Files("s3://b/in/", tags="drop"), S3Files("s3://c/out/", tags="drop"), principal=DM_ROLE)
    place = S3Files("s3://b/in/", old_versions="delete")
    in_place = policies(place, place, principal=DM_ROLE)
    other = policies(place, S3Files("s3://b/out/", old_versions="delete"), principal=DM_ROLE)

    versions = {"s3:ListBucketVersions", "s3:DeleteObjectVersion"}
    assert not any("Tagging" in action for action in actions(plain.identity))
    assert versions <= actions(in_place.identity)
    assert not versions & actions(other.identity)


def test_a_single_object_grants_that_object_and_the_journal() -> None:
    """One object in place: rights on its key alone, and on the notes beside it."""
    place = S3Files("s3://b/in/people.csv")

    found = policies(place, place, principal=DM_ROLE).identity

    objects = {r for one in found["Statement"] for r in listed(one["Resource"]) if "/" in r}
    assert objects == {"arn:aws:s3:::b/in/people.csv", "arn:aws:s3:::b/in/_dmengine/*"}


def test_a_journal_elsewhere_takes_its_rights_there() -> None:
    """With journal= in another bucket nothing may be deleted in the target."""
    journal = S3Store("s3://notes/masking/")

    found = policies(S3Files("s3://b/in/"), S3Files("s3://c/out/"), principal=DM_ROLE, journal=journal)

    deleting = [one["Resource"] for one in found.identity["Statement"] if "s3:DeleteObject" in listed(one["Action"])]
    assert deleting == ["arn:aws:s3:::notes/masking/*"]
    assert set(found.buckets) == {"b", "c", "notes"}


def test_folders_of_this_machine_need_no_rights() -> None:
    """A job from a folder to a bucket writes the bucket's policies alone; between folders there are none."""
    to_bucket = policies(LocalFiles("in"), S3Files("s3://c/out/"), principal=DM_ROLE)
    nowhere = policies(LocalFiles("in"), LocalFiles("out"), principal=DM_ROLE)

    assert set(to_bucket.buckets) == {"c"}
    assert nowhere.written == ()


# ------------------------------------------------------------------------------------------ form


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [("aws-cn", "cn-north-1", "amazonaws.com.cn"), ("aws-us-gov", "us-gov-west-1", "amazonaws.com")],
)
def test_other_partitions_are_honoured(partition: str, region: str, domain: str) -> None:
    """In China and GovCloud every ARN is of that partition, and services have their names of there."""
    me, role = f"arn:{partition}:iam::111111111111:role/DM-Role", f"arn:{partition}:iam::222222222222:role/R"
    key = f"arn:{partition}:kms:{region}:111111111111:key/1"
    session = SessionFactory(region=region)
    source = S3Files("s3://crm/in/", session=session.assume(role))
    target = S3Files("s3://test/out/", session=session, encryption="aws:kms", kms_key=key)

    text = json.dumps(policies(source, target, principal=me, key="ssm:/k", event_log="g").to_dict())

    assert set(re.findall(r"arn:(aws[a-z-]*):", text)) == {partition}
    assert f"s3.{region}.{domain}" in text


def test_documents_fit_the_limits_of_iam() -> None:
    """Rights too many for one managed policy are spread over several of 6,144 characters, and a note says so."""
    sources = [S3Files(f"s3://bucket-of-the-department-{n}/a/rather/long/prefix/of/objects/") for n in range(40)]

    found = policies(sources, principal=DM_ROLE)

    [identity] = [one for one in found.written if one.kind == "identity"]
    assert len(identity.parts) > 1
    assert all(size(part) <= IDENTITY_LIMIT for part in identity.parts)
    assert sum(len(part["Statement"]) for part in identity.parts) >= len(identity.document["Statement"])
    assert any(f"{len(identity.parts)} managed policies" in note for note in found.notes)
    assert all(size(one.document) <= {"trust": TRUST_LIMIT}.get(one.kind, BUCKET_LIMIT) for one in found.written[1:])


def test_a_session_policy_is_given_only_where_it_fits() -> None:
    """The policy of a role narrows its sessions too, up to 2,048 characters; a longer one is refused in words."""
    found = assumed()
    large = policies(tables(), tables(), principal=SOURCE_ROLE, tables=["users"])

    narrowed = found.session(TARGET_ROLE)

    assert SessionFactory().assume(TARGET_ROLE, policy=narrowed).roles[0].session_policy == narrowed
    with pytest.raises(PlanError, match="a session takes 2,048"):
        large.session(TARGET_ROLE)


def test_sids_are_unique_and_plain_in_each_policy() -> None:
    """IAM takes letters and digits in a Sid, and no Sid twice."""
    found = [assumed(), of_buckets(encryption="aws:kms", kms_key=KEY),
             policies(tables(), tables(), principal=SOURCE_ROLE, tables=["users", "orders"])]  # fmt: skip

    for one in (one for each in found for one in each.written if one.kind != "grant"):
        sids = [each["Sid"] for each in one.document["Statement"] if "Sid" in each]
        assert len(set(sids)) == len(sids)
        assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids), sids


def test_every_right_has_its_reason() -> None:
    """Each action of each policy is explained beside it, as data and as text."""
    found = of_buckets(encryption="aws:kms", kms_key=KEY)

    for one, told in zip(found.written, found.to_dict()["policies"], strict=True):
        if one.kind in ("identity", "bucket"):
            assert {reason["action"] for reason in told["reasons"]} == actions(one.document)
        assert all(reason["reason"] and reason["needed"] for reason in told["reasons"])
    assert "read the objects to mask" in found.explained()


def test_policies_print_as_json_and_show_in_a_notebook() -> None:
    """What is printed below each heading is the policy's JSON; in a notebook it is the same, escaped."""
    found = of_buckets()

    blocks = re.findall(r"^\{\n.*?^\}", str(found), re.DOTALL | re.MULTILINE)

    assert [json.loads(block) for block in blocks] == [part for one in found.written for part in one.parts]
    assert "Bucket policy of crm" in found._repr_html_()


def test_a_principal_that_nobody_named_is_a_placeholder_with_a_note() -> None:
    """Without principal= the policies stand, with a name that no one can take for an ARN, and a note says so."""
    found = policies(bucket("crm", "in", iam_role_arn=TARGET_ROLE))

    assert found.trust[TARGET_ROLE]["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT:role/ROLE"}
    assert "--principal" in found.notes[0]


def test_a_session_is_no_principal() -> None:
    """The ARN of a session, or of nothing, is refused with the form that is wanted."""
    with pytest.raises(PlanError, match="not the ARN") as caught:
        policies(principal="arn:aws:sts::111111111111:assumed-role/DM-Role/i-0")

    assert "name its role" in caught.value.hint
