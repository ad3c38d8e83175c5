"""The checks of a cluster's roles and bucket: which hop or right is missing, proven by a row that is removed again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmengine_connectors.checks.asking import Limit
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import World
from tests.checks.dynamodb_lab import RightsBut, owner
from tests.checks.looking import actions
from tests.checks.redshift_lab import CHAIN, FIRST, LAST, STAGE, STAGING, RedshiftLab
from tests.redshift.standin import StandIn

KEY = "arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def lab(world: World, redshift: StandIn) -> RedshiftLab:
    """Return a healthy cluster."""
    return RedshiftLab(world, redshift)


def test_no_statement_holds_a_credential(lab: RedshiftLab) -> None:
    """UNLOAD and COPY name roles, and nothing that lets anyone in."""
    lab.check(probe=True)

    assert len(lab.cluster.log) == 2
    for statement in lab.cluster.log:
        assert f"IAM_ROLE '{CHAIN}'" in statement
        assert not any(word in statement.upper() for word in ("ACCESS_KEY", "SECRET", "TOKEN", "CREDENTIALS", "CANARY"))


@pytest.mark.parametrize(
    ("chain", "tells"),
    [
        (f"{FIRST}, {LAST}", "a space"),
        (f"{FIRST},arn:aws:iam::222222222222:user/Someone", "part 2"),
        ("default-role", "part 1"),
        (f"{FIRST},{FIRST}", "twice"),
        (f"{FIRST};{LAST}", "part 1"),
    ],
)
def test_a_chain_of_roles_that_is_written_wrongly_fails_before_anything_is_run(
    lab: RedshiftLab, chain: str, tells: str
) -> None:
    """What Redshift would refuse in the middle of a run is refused by its form."""
    found = lab.check(chain=chain, probe=True)

    check = found.one("redshift.roles")
    assert check.status == "failed"
    assert tells in check.answer
    assert "cluster's own" in check.remedy or "comma" in check.remedy
    assert lab.cluster.log == []


def test_a_role_that_is_not_attached_is_named(lab: RedshiftLab) -> None:
    """The first role must be attached to the cluster and trust the service: its trust policy is the remedy."""
    lab.cluster.attached = ()

    check = lab.check(probe=True).one("redshift.unload")

    assert check.status == "failed"
    assert f"cannot assume {FIRST}" in check.answer
    assert "attach the role" in check.remedy
    assert check.policy is not None
    assert "redshift.amazonaws.com" in check.policy["Statement"][0]["Principal"]["Service"]


def test_a_role_that_does_not_trust_the_one_before_is_named(lab: RedshiftLab) -> None:
    """The hop that breaks is told, with both statements that it takes."""
    lab.trust(LAST, f"arn:aws:iam::{ACCOUNT_C}:role/Another")

    check = lab.check(probe=True).one("redshift.unload")

    assert check.status == "failed"
    assert f"{FIRST} cannot assume {LAST}" in check.answer
    assert check.policy is not None
    allowing, trust = check.policy["Statement"]
    assert (allowing["Action"], allowing["Resource"]) == ("sts:AssumeRole", LAST)
    assert trust["Principal"] == {"AWS": FIRST}


def test_the_wrong_order_of_the_chain_is_told(lab: RedshiftLab) -> None:
    """The cluster's own role comes first."""
    check = lab.check(chain=f"{LAST},{FIRST}", probe=True).one("redshift.unload")

    assert check.status == "failed"
    assert f"cannot assume {LAST}" in check.answer


def test_a_bucket_that_the_last_role_cannot_reach_comes_with_its_policy(lab: RedshiftLab) -> None:
    """A 403 of S3 is told as whose right on which bucket, and the remedy is the role's policy."""
    last = f"arn:aws:iam::{ACCOUNT_C}:role/StagingRole"
    lab.trust(last, FIRST)

    check = lab.check(chain=f"{FIRST},{last}", probe=True).one("redshift.unload")

    assert check.status == "failed"
    assert f"{last} has no access to s3://{STAGE}/crm/" in check.answer
    assert {"s3:PutObject", "s3:GetObject", "s3:ListBucket"} <= actions(check)


def test_a_key_that_the_last_role_may_not_use_is_named(lab: RedshiftLab) -> None:
    """A 403 of the bucket's key is not taken for one of the bucket."""
    lab.cluster.no_key = KEY

    check = lab.check(probe=True).one("redshift.unload")

    assert check.status == "failed"
    assert "KMS key" in check.answer
    assert actions(check) == {"kms:GenerateDataKey", "kms:Decrypt"}
    assert KEY in str(check.policy)


@pytest.mark.parametrize(
    ("said", "tells", "remedy"),
    [
        ("S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket", "no bucket", "name"),
        ("S3ServiceException:x,Status 301,Error PermanentRedirect", "not in the cluster's region", "region"),
        ("permission denied for ASSUMEROLE on the role", "may not use these roles", "GRANT ASSUMEROLE"),
        (f"Not authorized to get credentials of role {FIRST}", "does not trust Redshift", "attach"),
        (f"The requested role {FIRST} is not associated to cluster", "not attached", "attach"),
        ("an error that nobody has seen", "XX000", "STL_ERROR"),
    ],
)
def test_what_redshift_says_is_told_in_our_words(lab: RedshiftLab, said: str, tells: str, remedy: str) -> None:
    """Each refusal that is known has its cause and remedy; one that is not is told by its code alone."""
    lab.cluster.refuse = {"UNLOAD": said}

    found = lab.check(probe=True)

    check = found.one("redshift.unload")
    assert check.status == "failed"
    assert tells in check.answer
    assert remedy in check.remedy
    assert said not in found.shown()


def test_a_copy_that_is_refused_is_told_and_the_probe_is_removed(lab: RedshiftLab) -> None:
    """Reading may be denied where writing is not; what was unloaded does not stay."""
    lab.cluster.refuse = {"COPY": "S3ServiceException:Access Denied,Status 403,Error AccessDenied"}

    found = lab.check(probe=True)

    assert found.not_passed() == {"redshift.copy": "failed"}
    assert "s3:GetObject" in actions(found.one("redshift.copy"))
    assert lab.world.moto.listed(STAGE) == {}


def test_a_statement_that_takes_too_long_is_unknown(lab: RedshiftLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy cluster neither passes nor fails, and does not hold anybody up."""
    lab.sql(
        "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql AS $$SELECT pg_sleep(60)::text$$"
    )
    monkeypatch.setattr("dmengine_connectors.checks.redshift.STATEMENT_SECONDS", 1)

    check = lab.check().one("redshift.version")

    assert check.status == "unknown"
    assert "57014" in check.answer


def test_what_cannot_be_removed_is_named(lab: RedshiftLab) -> None:
    """Where deleting is denied, what the probe has left is told with its place, and with the right for it."""
    lab.world.accounts.rights = RightsBut("DeleteObject")

    check = lab.check(probe=True).one("redshift.probe")

    assert (check.status, check.call) == ("failed", "DeleteObject")
    assert check.subject.startswith(f"s3://{STAGE}/crm/dmengine-check-")
    assert "s3:DeleteObject" in actions(check)
    assert "by hand" in check.remedy


def test_files_of_the_cluster_that_we_cannot_read_are_told(lab: RedshiftLab) -> None:
    """The cluster and dmengine must both reach the bucket: which of them does not is told."""
    lab.world.proxy.fates = Fates(0, Fault(("denied",), ("GetObject",)))

    found = lab.check(probe=True)

    assert found.one("redshift.unload").status == "passed"
    assert found.one("redshift.staging").status == "failed"
    assert "s3:GetObject" in actions(found.one("redshift.staging"))


def test_a_bucket_in_another_region_than_the_cluster_fails(lab: RedshiftLab) -> None:
    """COPY of Parquet reads from no other region, so it is no warning."""
    owner(lab.world, "s3", "eu-central-1").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    lab.world.accounts.owners["far"] = ACCOUNT_B
    far = replace(STAGING, place=replace(STAGING.place, bucket="far"))

    check = lab.check(staging=far).one("redshift.region")

    assert check.status == "failed"
    assert "eu-central-1" in check.answer
    assert "COPY of Parquet" in check.remedy


def test_a_line_that_falls_silent_is_unknown(lab: RedshiftLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that swallows the answer holds nobody up: the line is closed, and nothing passes for it."""
    monkeypatch.setattr("dmengine_connectors.checks.redshift.Limit", lambda: Limit(2))
    lab.cluster.mute = "SELECT version()"

    found = lab.check(tables=["crm.users"])

    assert found.one("redshift.login").status == "passed"
    assert found.one("redshift.version").status == "unknown"
    assert found.one("redshift.table").status == "unknown"
    assert "awake" in found.one("redshift.table").remedy
