"""The policies of keys, of the masking key and of the event log."""

from __future__ import annotations

import pytest

from dmengine.connectors import policies
from tests.access.policy_lab import (
    DM_ROLE,
    KEY,
    SOURCE_ROLE,
    TARGET_ROLE,
    actions,
    bucket,
    documented,
    of_buckets,
    statement,
)


def test_a_kms_key_of_another_account_takes_both_policies_and_only_through_s3() -> None:
    """GenerateDataKey and Decrypt are allowed to the identity and by the key, bound to S3 by kms:ViaService."""
    found = of_buckets(encryption="aws:kms", kms_key=KEY)

    via = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    mine, theirs = statement(found.identity, "KMSPolicy"), statement(found.keys[KEY], "KMSPolicy")
    assert mine["Resource"] == KEY
    assert theirs["Resource"] == "*"
    assert mine["Condition"] == theirs["Condition"] == via
    assert theirs["Principal"] == documented("key")["Statement"][0]["Principal"]
    assert statement(found.keys[KEY], "EnableIAMPolicies")["Principal"]["AWS"] == "arn:aws:iam::333333333333:root"
    assert set(documented("key")["Statement"][0]["Action"]) - actions(found.keys[KEY]) == {"kms:Encrypt"}


def test_a_grant_is_offered_in_place_of_the_keys_policy() -> None:
    """kms:CreateGrant takes the same operations for the same principal."""
    [grant] = of_buckets(encryption="aws:kms", kms_key=KEY).grants

    assert grant["KeyId"] == KEY
    assert grant["GranteePrincipal"] == DM_ROLE
    assert set(grant["Operations"]) == {"GenerateDataKey", "Decrypt", "DescribeKey"}


def test_each_key_of_the_source_may_decrypt_and_not_encrypt() -> None:
    """Different keys of different objects are each allowed, for reading alone."""
    keys = [KEY, KEY.replace("1234abcd", "5678efgh")]

    found = policies(bucket("crm", "in", bucket_owner="333333333333"), principal=DM_ROLE, keys=keys)

    assert statement(found.identity, "KMSPolicy")["Resource"] == keys
    assert statement(found.identity, "KMSPolicy")["Action"] == "kms:Decrypt"
    assert set(found.keys) == set(keys)


@pytest.mark.parametrize("name", ["alias/aws/s3", "arn:aws:kms:eu-west-1:333333333333:alias/aws/s3"])
def test_the_key_that_aws_manages_is_explained_and_granted_to_nobody(name: str) -> None:
    """aws/s3 cannot be shared across accounts: no policy pretends so, and a note says what to do."""
    found = of_buckets(encryption="aws:kms", kms_key=name)

    assert not any(action.startswith("kms:") for action in actions(found.identity))
    assert found.keys == {}
    assert any("AWS manages" in note and "key of your own" in note for note in found.notes)


def test_a_key_that_is_known_by_an_alias_is_bound_to_it() -> None:
    """Policies know no aliases: all keys of the account are named, bound by kms:ResourceAliases, and a note says so."""
    found = of_buckets(encryption="aws:kms", kms_key="alias/masking")

    one = statement(found.identity, "KMSPolicy")
    assert one["Resource"] == "arn:aws:kms:eu-west-1:333333333333:key/*"
    assert one["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": "alias/masking"}
    assert any("alias/masking is an alias" in note for note in found.notes)


@pytest.mark.parametrize(
    ("key", "action", "resource"),
    [
        ("secretsmanager:masking#key?region=eu-west-3", "secretsmanager:GetSecretValue",
         "arn:aws:secretsmanager:eu-west-3:111111111111:secret:masking-??????"),
        ("ssm:/masking/key", "ssm:GetParameter", "arn:aws:ssm:eu-west-1:111111111111:parameter/masking/key"),
        ("kms:file:/key?region=eu-west-1", "kms:Decrypt", "arn:aws:kms:eu-west-1:111111111111:key/*"),
    ],
)  # fmt: skip
def test_the_place_of_the_masking_key_is_allowed_to_whoever_runs_dmengine(key: str, action: str, resource: str) -> None:
    """A key in Secrets Manager, Parameter Store or wrapped by KMS takes its right; the secret's name alone is named."""
    source = bucket("crm", "in", iam_role_arn=TARGET_ROLE)

    found = policies(source, principal=SOURCE_ROLE, key=key)

    [one] = [one for one in found.identity["Statement"] if one["Action"] == action and one["Resource"] == resource]
    assert action != "kms:Decrypt" or one["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:dmengine": "root-key"}
    }
    assert (
        policies(source, principal=SOURCE_ROLE, key="env:KEY").identity
        == policies(source, principal=SOURCE_ROLE).identity
    )


def test_the_event_log_may_be_written_to_its_group_alone() -> None:
    """AllowEventLogging names the log group; the document allows all of them."""
    found = policies(bucket("crm", "in"), principal=DM_ROLE, event_log="/dmengine/runs").identity

    one = statement(found, "AllowEventLogging")
    assert one["Resource"] == "arn:aws:logs:eu-west-1:111111111111:log-group:/dmengine/runs:*"
    assert set(one["Action"]) <= set(statement(documented("identity-of-a"), "AllowEventLogging")["Action"])
