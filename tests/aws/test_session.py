"""Sessions: where a chain of roles begins, and whom it reaches through which hops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from dmengine.errors import PlanError
from dmengine_connectors.session import SessionFactory
from tests.aws.fake_sts import BASE_KEY, FakeSts
from tests.aws.s3_lab import session_of_a
from tests.aws.session_lab import ROLE_B, ROLE_C, ROLE_D, factory, whoami
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import DEEP, EXTERNAL_ID, HOP, RELAY, World

pytestmark = pytest.mark.usefixtures("own_keys")


def test_a_chain_ends_as_its_last_role(sts: FakeSts) -> None:
    """Each role is assumed by the one before it, with what was said of it."""
    sts.external_ids[ROLE_B] = "x7"
    chain = factory(sts).assume(ROLE_B, external_id="x7", session_name="run-1").assume(ROLE_C)

    assert whoami(chain) == "arn:aws:sts::333333333333:assumed-role/Writer/dmengine"
    assert sts.assumed == [
        (ROLE_B, "arn:aws:iam::111111111111:user/ann"),
        (ROLE_C, "arn:aws:sts::222222222222:assumed-role/Reader/run-1"),
    ]


def test_everything_said_of_a_role_reaches_sts(sts: FakeSts) -> None:
    """Tags, session policy, duration and source identity are asked for."""
    policy = {"Version": "2012-10-17", "Statement": []}

    whoami(factory(sts).assume(ROLE_B, duration=900, tags={"team": "data"}, policy=policy, source_identity="ann"))

    asked = sts.requests[0]
    assert asked["DurationSeconds"] == "900"
    assert (asked["Tags.member.1.Key"], asked["Tags.member.1.Value"]) == ("team", "data")
    assert asked["Policy"] == '{"Version":"2012-10-17","Statement":[]}'
    assert asked["SourceIdentity"] == "ann"


def test_nothing_is_asked_before_the_first_call(sts: FakeSts) -> None:
    """Making factories, clients and sessions asks AWS nothing; neither does the account of a role."""
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C)

    chain.client("s3")
    chain.session().client("s3")

    assert chain.account_id() == "333333333333"
    assert sts.requests == []


def test_branches_share_the_hops_that_they_have_in_common(sts: FakeSts) -> None:
    """Two chains through one role assume it once; source and target stay apart after it."""
    b = factory(sts).assume(ROLE_B)
    c, d = b.assume(ROLE_C), b.assume(ROLE_D)

    assert (whoami(c), whoami(d)) == (
        "arn:aws:sts::333333333333:assumed-role/Writer/dmengine",
        "arn:aws:sts::444444444444:assumed-role/Deep/dmengine",
    )
    assert Counter(role for role, _ in sts.assumed) == {ROLE_B: 1, ROLE_C: 1, ROLE_D: 1}


def test_a_role_with_another_session_policy_is_another_hop(sts: FakeSts) -> None:
    """A session with one policy or with one set of tags is never used where another was asked for."""
    base = factory(sts)

    for chain in (
        base.assume(ROLE_B),
        base.assume(ROLE_B, tags={"a": "1"}),
        base.assume(ROLE_B, tags={"a": "2"}),
        base.assume(ROLE_B, policy={"Statement": []}),
    ):
        whoami(chain)

    assert len(sts.assumed) == 4


def test_a_chain_of_three_roles_is_trusted_hop_by_hop(world: World) -> None:
    """Where each role trusts only the one before it, and the last wants an external id, the chain reaches its end."""
    chain = session_of_a(world).assume(HOP).assume(RELAY).assume(DEEP, external_id=EXTERNAL_ID)

    found = chain.verify()

    assert [identity.account for identity in found] == [ACCOUNT_A, ACCOUNT_B, ACCOUNT_C, ACCOUNT_B]
    assert world.accounts.assumed == [HOP, RELAY, DEEP]


def test_a_given_session_begins_the_chain(sts: FakeSts) -> None:
    """Its credentials, region and handlers are used, and its clients have our retries."""
    given = boto3.Session(BASE_KEY, "CANARY-BASE", region_name="eu-west-1")
    sessions = SessionFactory(given, endpoint_url=sts.url, clock=sts.clock)

    assert [identity.account for identity in sessions.assume(ROLE_B).verify()] == ["111111111111", "222222222222"]
    assert sessions.session() is given
    assert getattr(sessions.client("s3").meta.config, "retries")["total_max_attempts"] == 10  # noqa: B009
    with pytest.raises(PlanError, match="both a session and a profile"):
        SessionFactory(given, profile="x")
    with pytest.raises(PlanError, match=r"takes a boto3\.Session, not a dict"):
        SessionFactory({})  # type: ignore[arg-type]


def test_a_profile_gives_credentials_and_region_to_the_whole_chain(
    sts: FakeSts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A chain that begins with a profile takes its region from it."""
    (tmp_path / "config").write_text("[profile masking]\nregion = eu-north-1\n")
    (tmp_path / "credentials").write_text(f"[masking]\naws_access_key_id = {BASE_KEY}\naws_secret_access_key = x\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    chain = SessionFactory(profile="masking", endpoint_url=sts.url, clock=sts.clock).assume(ROLE_B)

    assert whoami(chain).endswith("assumed-role/Reader/dmengine")
    assert chain.client("s3").meta.region_name == "eu-north-1"
    assert chain.client("s3", region="us-east-1").meta.region_name == "us-east-1"


def test_keys_that_another_tool_rotates_are_read_again(
    sts: FakeSts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the first identity has expired, its profile is looked up once more."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    profile = "[masking]\naws_access_key_id = {}\naws_secret_access_key = x\n"
    (tmp_path / "credentials").write_text(profile.format("ASIAOLD"))
    sts._sessions["ASIAOLD"] = ("arn:aws:iam::111111111111:user/ann", sts.now + 60)
    sessions = factory(sts, profile="masking")
    client = sessions.client("sts")
    sessions.call(client.get_caller_identity)

    sts.now += 3600
    (tmp_path / "credentials").write_text(profile.format(BASE_KEY))

    assert sessions.call(client.get_caller_identity)["Account"] == "111111111111"


def test_sessions_of_a_chain_renew_themselves(sts: FakeSts) -> None:
    """A boto3 session that is handed out holds no keys that end: it goes on after an hour."""
    session = factory(sts).assume(ROLE_B).session()
    client = session.client("sts", config=Config(read_timeout=7))

    client.get_caller_identity()
    sts.now += 7200
    client.get_caller_identity()

    assert len(sts.assumed) == 2
    assert client.meta.endpoint_url == sts.url
    assert getattr(client.meta.config, "read_timeout") == 7  # noqa: B009
    assert "dmengine/" in getattr(client.meta.config, "user_agent_extra")  # noqa: B009
