"""What a user writes for S3, line by line as the design says it, against three accounts that are strict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

import dmengine as dm
from dmengine.connectors import S3Files, S3Store, SessionFactory
from dmengine.maskers import Email, FirstName
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE, TrustedRole
from tests.aws.standins.contents import objects
from tests.aws.standins.world import BASE, DEEP, EXTERNAL_ID, HOP, RELAY, ROLE_B, ROLE_C, World

HEX = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"
PEOPLE = [
    {"id": 1, "name": "Anna", "email": "ann@x.org", "country": "DE", "contacts": [{"email": "bo@x.org"}]},
    {"id": 2, "name": "Bob", "email": "bo@x.org", "country": "FR", "contacts": []},
]
LOGINS = [{"id": 1, "name": "Anna", "email": "ann@x.org", "country": "DE", "contacts": [{"email": "cy@x.org"}]}]
GIVEN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture
def in_account_a(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Be a process in account A: its environment has A's credentials, and its two buckets are others'."""
    world.accounts.add_role(TrustedRole(ROLE_B, [SOURCE_ROLE], "x7"))
    for bucket, account in (("bucket-of-b", ACCOUNT_B), ("bucket-of-c", ACCOUNT_C)):
        world.make_bucket(account, bucket)
    b = world.truth(ACCOUNT_B)
    b.put_object(Bucket="bucket-of-b", Key="in/people.jsonl", Body=lines(PEOPLE))
    b.put_object(Bucket="bucket-of-b", Key="in/2026/logins.jsonl", Body=lines(LOGINS))
    for name, value in zip(GIVEN, BASE.values(), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.proxy.url)
    monkeypatch.setenv("DMENGINE_KEY", HEX)
    return world


def lines(records: list[dict[str, Any]]) -> bytes:
    """Write JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def masked(world: World) -> dict[str, bytes]:
    """Return what a reader of the target sees."""
    return {key: one.body for key, one in objects(world.truth(ACCOUNT_C), "bucket-of-c").shown().items()}


def rules() -> dm.Ruleset:
    """Return the ruleset of the design, and what becomes of the field that its condition reads."""
    return dm.Ruleset([dm.Rule(["email", "contacts[*].email"], Email(), domain="person.email"),
                       dm.Rule("name", FirstName(), when=dm.field("country").isin(["DE"]),
                               otherwise=dm.keep(because="public register")),
                       dm.keep("id", because="surrogate key"),
                       dm.keep("country", because="many share it")])  # fmt: skip


def test_the_lines_of_the_design(in_account_a: World) -> None:
    """Sessions from the environment, two roles, plan, run: B is read as B's role, C written as C's, joins survive."""
    a = SessionFactory(region="eu-west-1")
    b, c = a.assume(ROLE_B, external_id="x7"), a.assume(ROLE_C)
    key = dm.Key.load("env:DMENGINE_KEY")
    plan = dm.plan(
        S3Files("s3://bucket-of-b/in/", session=b), S3Files("s3://bucket-of-c/out/", session=c), rules(), key
    )
    before = masked(in_account_a)
    report = dm.run(
        S3Files("s3://bucket-of-b/in/", session=b), S3Files("s3://bucket-of-c/out/", session=c), rules(), key
    )

    assert (plan.ok, before) == (True, {})
    assert (report.rows, sorted(masked(in_account_a))) == (3, ["out/2026/logins.jsonl", "out/people.jsonl"])
    ann, bob = (json.loads(line) for line in masked(in_account_a)["out/people.jsonl"].splitlines())
    login = json.loads(masked(in_account_a)["out/2026/logins.jsonl"])
    assert (ann["id"], bob["id"], ann["country"], bob["country"]) == (1, 2, "DE", "FR")
    assert ann["email"] == login["email"] != "ann@x.org"
    assert ann["contacts"][0]["email"] == bob["email"] != "bo@x.org"
    assert ann["name"] == login["name"] != "Anna"
    assert bob["name"] == "Bob"  # the rule is for DE; otherwise a name is kept
    assert sorted(in_account_a.accounts.assumed) == [ROLE_B, ROLE_C]


def test_a_session_begins_with_a_boto3_session(in_account_a: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SessionFactory(session=boto3.Session(...))` needs nothing from the environment."""
    for name in GIVEN:
        monkeypatch.delenv(name)

    access_key, secret_key, token = BASE.values()
    a = SessionFactory(session=boto3.Session(access_key, secret_key, token, region_name="eu-west-1"))
    b, c = a.assume(ROLE_B, external_id="x7"), a.assume(ROLE_C)
    key = dm.Key.load("env:DMENGINE_KEY")
    dm.run(S3Files("s3://bucket-of-b/in/", session=b), S3Files("s3://bucket-of-c/out/", session=c), rules(), key)

    assert sorted(masked(in_account_a)) == ["out/2026/logins.jsonl", "out/people.jsonl"]


def test_chains_of_several_roles(in_account_a: World) -> None:
    """Source and target each have a chain of their own: three hops to B, two to C; hops in common are assumed once."""
    hop = SessionFactory(region="eu-west-1").assume(HOP)
    b = hop.assume(RELAY).assume(DEEP, external_id=EXTERNAL_ID)
    c = hop.assume(RELAY)
    key = dm.Key.load("env:DMENGINE_KEY")

    dm.run(S3Files("s3://bucket-of-b/in/", session=b), S3Files("s3://bucket-of-c/out/", session=c), rules(), key)

    assert in_account_a.accounts.assumed == [HOP, RELAY, DEEP]
    assert len(masked(in_account_a)) == 2


def test_the_same_roles_in_a_process_pool(in_account_a: World) -> None:
    """Sessions follow the work into other processes, which assume the roles for themselves."""
    a = SessionFactory(region="eu-west-1")
    b, c = a.assume(ROLE_B, external_id="x7"), a.assume(ROLE_C)
    key = dm.Key.load("env:DMENGINE_KEY")

    dm.run(
        S3Files("s3://bucket-of-b/in/", session=b), S3Files("s3://bucket-of-c/out/", session=c), rules(), key,
        executor="processes", workers=2,
    )  # fmt: skip

    assert len(masked(in_account_a)) == 2
    assert len(in_account_a.accounts.assumed) > 2


@pytest.mark.parametrize("own", [False, True])
def test_a_journal_in_a_bucket(in_account_a: World, tmp_path: Path, own: bool) -> None:
    """`journal="s3://..."` is written with the target's session; a store has a session of its own."""
    a = SessionFactory(region="eu-west-1")
    b, c = a.assume(ROLE_B, external_id="x7"), a.assume(ROLE_C)
    key = dm.Key.load("env:DMENGINE_KEY")
    journal = S3Store("s3://bucket-of-b/journals/", session=b) if own else "s3://bucket-of-c/journals/"
    bucket, account = ("bucket-of-b", ACCOUNT_B) if own else ("bucket-of-c", ACCOUNT_C)

    report = dm.run(
        S3Files("s3://bucket-of-b/in/", session=b), S3Files("s3://bucket-of-c/out/", session=c), rules(), key,
        journal=journal,
    )  # fmt: skip

    found = objects(in_account_a.truth(account), bucket).objects
    notes = [key for key, one in found.items() if key.startswith("journals/") and one.body]
    assert notes == [f"journals/{report.run_id}/manifest.json"]
    assert [key for key in objects(in_account_a.truth(ACCOUNT_C), "bucket-of-c").objects if "_dmengine" in key] == []
    assert dm.clean(S3Files("s3://bucket-of-c/out/", session=c), journal=journal) == ()


def test_naming_connectors_loads_no_aws_library() -> None:
    """`from dmengine.connectors import S3Files` is cheap: boto3 comes with the first call."""
    code = (
        "import sys\n"
        "from dmengine.connectors import S3Files, S3Store, SessionFactory\n"
        f"b = SessionFactory(region='eu-west-1').assume({ROLE_B!r}, external_id='x7')\n"
        "S3Files('s3://bucket-of-b/in/', session=b).location, S3Store('s3://bucket-of-b/j/', session=b).location\n"
        "print(sorted({'boto3', 'botocore'} & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout == "[]\n"
