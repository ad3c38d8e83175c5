"""Sessions that are refused: the error says which hop it was and what must be allowed, and holds no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmengine.errors import PlanError, RunError, StoreError
from dmengine_connectors.session import Identity, SessionFactory
from tests.aws.fake_sts import REQUEST_ID, FakeSts
from tests.aws.session_lab import ROLE_B, ROLE_C, factory, refusal, whoami

pytestmark = pytest.mark.usefixtures("own_keys")


def test_a_refused_hop_says_which_and_what_must_be_allowed(sts: FakeSts) -> None:
    """The error names hop, role, code, request, the caller's policy and the trust policy."""
    sts.denied.add(ROLE_C)
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C, external_id="id-of-ours", tags={"team": "data"})

    error = refusal(lambda: chain.client("s3").list_buckets())

    assert isinstance(error, StoreError)
    assert error.message == f"hop 2 cannot assume {ROLE_C}: AccessDenied (AssumeRole, request {REQUEST_ID})"
    assert f"the policy of {ROLE_B} must allow sts:AssumeRole, sts:TagSession on {ROLE_C}" in error.hint
    assert f"name {ROLE_B} as Principal" in error.hint
    assert "sts:ExternalId must accept the external_id= given" in error.hint
    assert "id-of-ours" not in str(error)


def test_a_first_hop_that_is_refused_names_the_identity_that_asked(sts: FakeSts) -> None:
    """Where the caller is not a role of the chain, STS says who it is; a forgotten external id is thought of."""
    sts.external_ids[ROLE_B] = "x7"

    error = refusal(lambda: whoami(factory(sts).assume(ROLE_B)))

    assert "the policy of arn:aws:iam::111111111111:user/ann must allow sts:AssumeRole" in error.hint
    assert "give external_id=" in error.hint


def test_verify_says_who_each_hop_is(sts: FakeSts) -> None:
    """The identity that the chain begins with is hop 0."""
    found = factory(sts).assume(ROLE_B).verify()

    assert found == [
        Identity(0, "111111111111", "arn:aws:iam::111111111111:user/ann"),
        Identity(1, "222222222222", "arn:aws:sts::222222222222:assumed-role/Reader/dmengine"),
    ]


def test_the_account_is_asked_for_once(sts: FakeSts) -> None:
    """Without roles STS knows the account."""
    sessions = factory(sts)

    assert [sessions.account_id() for _ in range(3)] == ["111111111111"] * 3
    assert len(sts.requests) == 1


def test_an_answer_for_another_account_is_refused(sts: FakeSts) -> None:
    """An endpoint that hands out an identity that was not asked for is not trusted with data."""
    sts.impostor = True

    error = refusal(lambda: whoami(factory(sts).assume(ROLE_B)))

    assert isinstance(error, RunError)
    assert "was given another identity" in str(error)


def test_no_credentials_at_all_say_how_to_give_some(sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to begin with, the error says what can be set."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    error = refusal(lambda: whoami(factory(sts).assume(ROLE_B)))

    assert error.message == "cannot get the credentials to begin with: NoCredentialsError (credentials)"
    assert "AWS_PROFILE" in error.hint


def test_a_missing_profile_or_region_is_named(sts: FakeSts) -> None:
    """What botocore finds missing is an error of ours."""
    profile = refusal(lambda: factory(sts, profile="nobody").client("s3"))
    region = refusal(lambda: SessionFactory().client("sqs"))

    assert "ProfileNotFound" in str(profile)
    assert "NoRegionError" in str(region)
    assert "region=" in region.hint


@pytest.mark.parametrize(
    "url", ["http://minio.example.org", "ftp://127.0.0.1", "https://u:CANARY@x.org", "x", "http://"]
)
def test_an_endpoint_that_would_be_spoken_to_in_plain_text_is_refused(url: str) -> None:
    """Plain http is for this machine only, and a URL's password is not shown."""
    assert isinstance(refusal(lambda: SessionFactory(endpoint_url=url)), PlanError)


@pytest.mark.parametrize(
    ("url", "says"),
    [("http://minio.example.org", "would be spoken to without encryption"), ("CANARY", "not a URL of the form")],
)
def test_an_endpoint_from_the_environment_is_held_to_the_same(
    monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    """AWS_ENDPOINT_URL cannot turn encryption off either."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)

    assert says in str(refusal(lambda: SessionFactory(region="eu-west-1").client("s3")))


def test_a_process_that_prints_no_credentials_shows_nothing_of_what_it_printed(
    sts: FakeSts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error of the parser holds all that it read: it stays out, and so does its chain."""
    (tmp_path / "printing.json").write_text('{"SecretAccessKey": "CANARY-SECRET" "broken"}')
    (tmp_path / "config").write_text(f"[profile printing]\ncredential_process = cat {tmp_path}/printing.json\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    error = refusal(lambda: whoami(factory(sts, profile="printing")))

    assert error.message == "cannot get the credentials to begin with: JSONDecodeError"
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_session_policy_that_is_none_is_refused() -> None:
    """What is not JSON, or not a document, is seen before anything is asked."""
    for wrong in ({"Statement": {1, 2}}, "{}", [1]):
        error = refusal(lambda wrong=wrong: SessionFactory().assume(ROLE_B, policy=wrong))  # type: ignore[misc]
        assert "is not a policy" in str(error)
