"""Each way in which a chain of roles, or its beginning, can be wrong gets a check that says so, and the remedy."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from dmengine.connectors import S3Files, SessionFactory
from tests.aws.s3_lab import SOURCE
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE, Identity
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, ROLE_C, World
from tests.checks.looking import Found, actions
from tests.checks.s3_lab import ACTIONS, S3Lab, document, saying, silence

NOBODY: Final = f"arn:aws:iam::{ACCOUNT_A}:role/Somebody-Else"
URL: Final = f"s3://{SOURCE}/in/"


@pytest.fixture
def lab(world: World) -> S3Lab:
    """Return a healthy source and target."""
    return S3Lab(world)


def trust(principal: str, **condition: Any) -> dict[str, Any]:
    one = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", "Condition": condition}
    return document(one)


def not_trusted(lab: S3Lab) -> SessionFactory:
    lab.policies.trusts[ROLE_B] = trust(NOBODY)
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID)


def wrong_external_id(lab: S3Lab) -> SessionFactory:
    return lab.a.assume(ROLE_B, external_id="another-one")


def no_external_id(lab: S3Lab) -> SessionFactory:
    return lab.a.assume(ROLE_B)


def may_not_assume(lab: S3Lab) -> SessionFactory:
    lab.allow(SOURCE_ROLE, "s3:*")
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID)


def forbidden(lab: S3Lab) -> SessionFactory:
    deny = {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}
    lab.policies.roles[SOURCE_ROLE].append(document(deny))
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID)


def no_such_role(lab: S3Lab) -> SessionFactory:
    return lab.a.assume(f"arn:aws:iam::{ACCOUNT_B}:role/Target-DM-Rolle")


def second_hop(lab: S3Lab) -> SessionFactory:
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID).assume(ROLE_C)


def aws_says_no_more_than_no(lab: S3Lab) -> SessionFactory:
    lab.instead = saying("AssumeRole", "AccessDenied")
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID)


def too_long(lab: S3Lab) -> SessionFactory:
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID, duration=7200)


def not_enabled(lab: S3Lab) -> SessionFactory:
    lab.instead = saying("AssumeRole", "RegionDisabledException")
    return lab.a.assume(ROLE_B, external_id=EXTERNAL_ID)


def expired(lab: S3Lab) -> SessionFactory:
    arn = f"arn:aws:sts::{ACCOUNT_A}:assumed-role/x/i-0"
    lab.world.accounts.add_identity(
        BASE["aws_access_key_id"], Identity(ACCOUNT_A, arn, "token-a", SOURCE_ROLE, until=1.0)
    )
    return lab.a


def unknown_keys(lab: S3Lab) -> SessionFactory:
    import boto3

    return SessionFactory(boto3.Session("AKIAUNKNOWN", "secret", region_name=REGION), endpoint_url=lab.world.proxy.url)


def no_credentials(lab: S3Lab) -> SessionFactory:
    return SessionFactory(region=REGION, endpoint_url=lab.world.proxy.url)


def no_profile(lab: S3Lab) -> SessionFactory:
    return SessionFactory(profile="masking-prod", region=REGION, endpoint_url=lab.world.proxy.url)


def clock_is_off(lab: S3Lab) -> SessionFactory:
    lab.instead = saying("GetCallerIdentity", "SignatureDoesNotMatch")
    return lab.a


def throttled(lab: S3Lab) -> SessionFactory:
    lab.instead = saying("GetCallerIdentity", "Throttling", 400)
    return lab.a


def nobody_listens(lab: S3Lab) -> SessionFactory:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    import boto3

    session = boto3.Session(BASE["aws_access_key_id"], BASE["aws_secret_access_key"], region_name=REGION)
    return SessionFactory(session, endpoint_url=f"http://127.0.0.1:{port}")


@dataclass(frozen=True)
class Broken:
    """A chain in which one thing is wrong, and what is to be said of it."""

    make: Callable[[S3Lab], SessionFactory]
    name: str
    status: str
    subject: str
    cause: str
    remedy: str
    sids: tuple[str, ...] = ()


HOP, FIRST = "session.hop", "session.identity"
BEGINS: Final = "the identity that the chain begins with"
OF_CALLER, OF_ROLE = "InThePolicyOfTheCaller", "InTheTrustPolicyOfTheRole"
BROKEN: Final = (
    Broken(not_trusted, HOP, "failed", ROLE_B, f"or does not trust {SOURCE_ROLE}, or the external id given",
           f"the trust policy of {ROLE_B} must name {SOURCE_ROLE}", (OF_ROLE,)),
    Broken(wrong_external_id, HOP, "failed", ROLE_B, "the external id given is not the one it asks for; AWS answers",
           "its condition on sts:ExternalId must accept", (OF_ROLE,)),
    Broken(no_external_id, HOP, "failed", ROLE_B, "it asks for an external id and none is given",
           "give external_id=", (OF_ROLE,)),
    Broken(may_not_assume, HOP, "failed", ROLE_B, f"the policy of {SOURCE_ROLE} does not allow it",
           "it is this one that does not", (OF_CALLER,)),
    Broken(forbidden, HOP, "failed", ROLE_B, "identity-based policy forbids it",
           "sts:AssumeRole", (OF_CALLER, OF_ROLE)),
    Broken(no_such_role, HOP, "failed", f"arn:aws:iam::{ACCOUNT_B}:role/Target-DM-Rolle", "the role does not exist",
           "the trust policy of", (OF_ROLE,)),
    Broken(second_hop, HOP, "failed", ROLE_C, "hop 2 cannot assume", f"must name {ROLE_B} as Principal",
           (OF_ROLE,)),
    Broken(aws_says_no_more_than_no, HOP, "failed", ROLE_B, "AWS answers all of these alike",
           "and the trust policy of that role must name", (OF_CALLER, OF_ROLE)),
    Broken(too_long, HOP, "failed", ROLE_B, "ValidationError", "check duration="),
    Broken(not_enabled, HOP, "failed", ROLE_B, "RegionDisabledException", "enable STS for the region"),
    Broken(expired, FIRST, "failed", BEGINS, "ExpiredToken", "log in again"),
    Broken(unknown_keys, FIRST, "failed", BEGINS, "InvalidClientTokenId", "the access key is not known there"),
    Broken(no_credentials, FIRST, "failed", BEGINS, "NoCredentialsError", "set AWS_PROFILE"),
    Broken(no_profile, FIRST, "failed", BEGINS, "profile masking-prod", "name a profile"),
    Broken(clock_is_off, FIRST, "failed", BEGINS, "SignatureDoesNotMatch", "set this machine's clock"),
    Broken(throttled, FIRST, "unknown", BEGINS, "Throttling", "run again later"),
    Broken(nobody_listens, FIRST, "failed", BEGINS, "EndpointConnectionError", "check network, proxy, endpoint"),
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.make.__name__)
def test_what_is_wrong_with_a_chain_is_told_with_its_remedy(lab: S3Lab, broken: Broken) -> None:
    """One thing is wrong: its check says with which identity, why, and what which policy must say; no more is asked."""
    files = S3Files(URL, broken.make(lab))

    found = Found(files.check("source", probe=True))

    check = found.checks[-1]
    assert (check.name, check.status, check.subject) == (broken.name, broken.status, broken.subject), check
    assert broken.cause in check.answer, check
    assert broken.remedy in check.remedy, check
    assert check.call in ("AssumeRole", "GetCallerIdentity")
    sids = () if check.policy is None else tuple(one["Sid"] for one in check.policy["Statement"])
    assert sids == broken.sids
    assert EXTERNAL_ID not in found.shown()
    assert "another-one" not in found.shown()
    assert not [call for call in lab.world.proxy.log if SOURCE in call]


def test_the_trust_policy_of_a_remedy_opens_the_role(lab: S3Lab) -> None:
    """Put into the trust policy, with the external id written in, the statement of the remedy is what was missing."""
    found = Found(S3Files(URL, not_trusted(lab)).check("source"))
    policy = found.checks[-1].policy
    assert policy is not None
    text = json.dumps(policy).replace("<the external_id that the session gives>", EXTERNAL_ID)
    lab.policies.trusts[ROLE_B] = json.loads(text)

    again = Found(S3Files(URL, lab.a.assume(ROLE_B, external_id=EXTERNAL_ID)).check("source"))

    assert actions(found.checks[-1]) == {"sts:AssumeRole"}
    assert again.not_passed() == {}


def test_each_hop_is_named(lab: S3Lab) -> None:
    """A chain of two roles: who it begins with, and who each hop is, in which account."""
    lab.allow(ROLE_B, *ACTIONS, "sts:AssumeRole")
    lab.policies.trusts[ROLE_C] = trust(ROLE_B)

    found = Found(S3Files(URL, second_hop(lab), expected_owner=ACCOUNT_B).check("source"))

    told = [(check.subject, check.answer.partition(" (")[2]) for check in found.checks[:3]]
    assert told == [
        (SOURCE_ROLE, f"account {ACCOUNT_A})"), (ROLE_B, f"account {ACCOUNT_B})"), (ROLE_C, f"account {ACCOUNT_C})"),
    ]  # fmt: skip


def test_the_account_is_the_expected_one(lab: S3Lab) -> None:
    """Sessions that end in another account than expected are a failure, and nothing is asked of the bucket."""
    from dmengine_connectors.connections.account import AccountSession

    right = S3Files(URL, AccountSession.of(lab.a.assume(ROLE_B, external_id=EXTERNAL_ID), ACCOUNT_B))
    wrong = S3Files(URL, AccountSession.of(lab.a, ACCOUNT_B))

    good, bad = Found(right.check("source")), Found(wrong.check("source"))

    assert good.one("session.account").status == "passed"
    assert (bad.checks[-1].name, bad.checks[-1].status) == ("session.account", "failed")
    assert f"the account is {ACCOUNT_A}, and should be {ACCOUNT_B}" in bad.checks[-1].answer


@pytest.mark.parametrize(("service", "name"), [("sts", "session.identity"), ("s3", "bucket.reach")])
def test_an_endpoint_that_never_answers_does_not_hold_up(lab: S3Lab, service: str, name: str) -> None:
    """Something takes the connection and says nothing: the check ends within ten seconds, and names what is missing."""
    with silence(lab, service):
        found = lab.look("source")  # `Found` refuses more than ten seconds

    assert found.checks[-1].name == name
    assert found.checks[-1].status in ("failed", "unknown")
    assert "ReadTimeoutError" in found.checks[-1].answer or "no answer" in found.checks[-1].answer
    assert "network, proxy" in found.checks[-1].remedy


def test_sessions_that_are_held_are_used(lab: S3Lab) -> None:
    """Roles that were assumed for a run are not assumed again to look, and looking twice assumes them once."""
    held, fresh = lab.place("source"), lab.place("source")
    held.describe()

    for _ in range(2):
        Found(held.check("source"))
    after_a_run = list(lab.world.accounts.assumed)
    for _ in range(2):
        Found(fresh.check("source"))

    assert after_a_run == [ROLE_B]
    assert lab.world.accounts.assumed == [ROLE_B, ROLE_B]
