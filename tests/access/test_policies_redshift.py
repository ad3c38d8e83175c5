"""The policies for Redshift: the cluster's roles, dmengine's own rights, a login for which IAM gives the password."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dmengine.connectors import load_connection, policies
from tests.access.policy_lab import DM_ROLE, actions, cluster, statement


def test_redshift_and_s3_in_one_account() -> None:
    """The cluster's role trusts Redshift and reads and writes staging; A's role has staging by the bucket's policy."""
    role = "arn:aws:iam::222222222222:role/Cluster"

    found = policies(cluster(role, bucket_owner="222222222222"), principal=DM_ROLE)

    [trusted] = found.trust[role]["Statement"]
    assert trusted["Principal"] == {"Service": "redshift.amazonaws.com"}
    user = "arn:aws:redshift:eu-west-1:222222222222:dbuser:crm/masker"
    assert trusted["Condition"] == {"StringEquals": {"sts:ExternalId": user}}
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket"} <= actions(found.roles[role])
    assert "s3:DeleteObject" not in actions(found.roles[role])
    assert "s3:DeleteObject" in actions(found.buckets["stage"]) & actions(found.identity)
    assert statement(found.identity, "ExportedDataAccess")["Resource"] == "arn:aws:s3:::stage/crm/*"


def test_dmengine_and_s3_in_one_account() -> None:
    """The cluster's role RoleB assumes RoleA in A, which trusts it and reaches the bucket; A's own role too."""
    role_b, role_a = "arn:aws:iam::222222222222:role/RoleB", "arn:aws:iam::111111111111:role/RoleA"

    found = policies(cluster(f"{role_b},{role_a}", bucket_owner="111111111111"), principal=DM_ROLE)

    assert found.trust[role_b]["Statement"][0]["Principal"] == {"Service": "redshift.amazonaws.com"}
    assert found.trust[role_a]["Statement"][0]["Principal"] == {"AWS": role_b}
    assert [one["Resource"] for one in found.roles[role_b]["Statement"]] == [role_a]
    assert {"s3:GetObject", "s3:PutObject"} <= actions(found.roles[role_a])
    assert [one["Sid"] for one in found.buckets["stage"]["Statement"]] == ["AllowSSLRequestsOnly"]


HOST = "crm.x1.eu-west-1.redshift.amazonaws.com"
WORKGROUP = "wg.222222222222.eu-west-1.redshift-serverless.amazonaws.com"


@pytest.mark.parametrize(
    ("login", "keys", "granted"),
    [
        ("cluster", {"user": "masker"}, {("redshift:GetClusterCredentials", "dbuser:crm/masker"),
                                         ("redshift:GetClusterCredentials", "dbname:crm/dwh")}),
        ("cluster_iam", {}, {("redshift:GetClusterCredentialsWithIAM", "dbname:crm/dwh")}),
        ("serverless", {"host": WORKGROUP}, {("redshift-serverless:GetCredentials", "workgroup/*")}),
        ({"kind": "cluster", "auto_create": True, "groups": ["readers"]}, {"user": "masker"},
         {("redshift:GetClusterCredentials", "dbuser:crm/masker"), ("redshift:GetClusterCredentials", "dbname:crm/dwh"),
          ("redshift:CreateClusterUser", "dbuser:crm/masker"), ("redshift:JoinGroup", "dbgroup:crm/readers")}),
    ],
    ids=["cluster", "cluster_iam", "serverless", "a user that is made, in a group"],
)  # fmt: skip
def test_a_login_by_iam_is_granted_and_no_secret(
    login: Any, keys: dict[str, str], granted: set[tuple[str, str]]
) -> None:
    """The last role may ask for this cluster, user and database alone; nobody reads a password from anywhere."""
    role, mine = "arn:aws:iam::222222222222:role/Cluster", "arn:aws:iam::222222222222:role/Target-DM-Role"
    b = load_connection(
        {"name": "b", "db_type": "redshift", "host": HOST, "database": "dwh", "s3_bucket_name": "stage",
         "s3_redshift_iam_role": role, "iam_role_arn": mine, "iam_login": login, **keys}
    )  # fmt: skip

    found = policies(b, principal=DM_ROLE)

    statements = [one for one in found.roles[mine]["Statement"] if one["Sid"].startswith("Temporary")]
    pairs = {
        (action, resource.partition(":222222222222:")[2])
        for one in statements
        for action in [one["Action"]]
        for resource in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    }
    assert pairs == granted
    assert actions(found.identity) == {"sts:AssumeRole"}
    services = found.trust[role]["Statement"][0]["Principal"]["Service"]
    assert ("redshift-serverless.amazonaws.com" in services) == (login == "serverless")


def test_staging_that_others_empty_need_not_be_deletable() -> None:
    """The right to delete is optional then, and its reason says who removes the data otherwise."""
    role = "arn:aws:iam::222222222222:role/Cluster"
    external = {"staging_cleanup": "external", "staging_deleted_by": "the rule expire-staging"}
    both = policies(cluster(role), principal=DM_ROLE), policies(cluster(role, **external), principal=DM_ROLE)
    without = json.loads(json.dumps(both[0].identity).replace('"s3:DeleteObject", ', ""))

    refused, warned = (found.diff(without, of=DM_ROLE) for found in both)

    assert [need.action for need in refused.lacking] == ["s3:DeleteObject"]
    assert warned.lacking == ()
    assert "which the rule expire-staging does otherwise" in str(warned)
