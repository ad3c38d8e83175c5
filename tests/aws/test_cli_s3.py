"""The command line on buckets of other accounts, as a process of its own: what it does, and what it says."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tests.aws.standins.accounts import (
    ACCOUNT_B,
    ACCOUNT_C,
    DOCUMENTED_RIGHTS,
    SOURCE_ROLE,
    Identity,
)
from tests.aws.standins.contents import objects
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, ROLE_C, World

HEX = "8c3f5e0b1d97a2644fd0b9187ce3a5521be6049df7c830a91452de6b70f18c3d"
B, C = "bucket-of-b", "bucket-of-c"
JOB = f"""\
version: 1
sessions:
  a: {{region: {REGION}}}
  b: {{from: a, roles: [{{arn: "{ROLE_B}", external_id: {EXTERNAL_ID}}}]}}
  c: {{from: a, roles: [{{arn: "{ROLE_C}"}}]}}
source: {{type: s3_files, url: "s3://{B}/in/", session: b}}
target: {{type: s3_files, url: "s3://{C}/out/", session: c}}
key: env:DMENGINE_TEST_KEY
ruleset:
  rules:
    - {{field: email, mask: email, domain: person.email}}
    - {{field: id, keep: "surrogate key"}}
"""
DIE = "import os, dmengine.journal as j; j.Journal.commit = lambda *a: os._exit(9)\n"
HURRY = "import time; asleep = time.sleep; time.sleep = lambda seconds: asleep(min(seconds, 0.005))\n"
MAIN = "import sys; from dmengine.cli import main; sys.exit(main())"
GIVEN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody in account A with a job file, and a shell whose environment speaks to the stand-ins."""

    world: World
    folder: Path

    @property
    def job(self) -> Path:
        return self.folder / "job.yaml"

    def write(self, old: str = "", new: str = "") -> None:
        """Write the job file with one thing changed."""
        assert old in JOB
        self.job.write_text(JOB.replace(old, new) if old else JOB)

    def run(
        self, command: str, *options: str, before: str = "", **more: str | None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; `before` is what the process does first, `more` is its environment (None: not set)."""
        wanted = {
            **dict(zip(GIVEN, BASE.values(), strict=True)), "AWS_ENDPOINT_URL": self.world.proxy.url,
            "DMENGINE_TEST_KEY": HEX, **more,
        }  # fmt: skip
        environment = {**os.environ, **wanted}
        words = [sys.executable, "-c", before + MAIN, command, str(self.job), *options]
        return subprocess.run(
            words, env={name: value for name, value in environment.items() if value is not None},
            cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def shown(self) -> dict[str, bytes]:
        """Return what a reader of the target sees."""
        return {key: one.body for key, one in objects(self.world.truth(ACCOUNT_C), C).shown().items()}


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    """Two small objects in B, an empty bucket in C, and a job that masks one into the other."""
    for bucket, account in ((B, ACCOUNT_B), (C, ACCOUNT_C)):
        world.make_bucket(account, bucket)
    b = world.truth(ACCOUNT_B)
    b.put_object(Bucket=B, Key="in/a.csv", Body=b"id,email\n1,ann@x.org\n")
    b.put_object(Bucket=B, Key="in/b.jsonl", Body=b'{"id": 1, "email": "ann@x.org"}\n')
    made = Desk(world, tmp_path)
    made.write()
    return made


# ------------------------------------------------------------------------------------------ what it does


def test_a_job_is_planned_previewed_and_masked_through_roles(desk: Desk) -> None:
    """plan, preview and mask read as the role in B and write as the role in C; only mask leaves anything."""
    plan, preview = desk.run("plan"), desk.run("preview")
    before = desk.shown()
    mask = desk.run("mask", "--report", "report.json")

    assert (plan.returncode, preview.returncode, mask.returncode) == (0, 0, 0), mask.stderr
    assert (plan.stderr, preview.stderr, mask.stderr, before) == ("", "", "", {})
    assert "nothing stops this run" in plan.stdout
    assert "aaa@a.aaa" in preview.stdout
    assert "finished: 2 objects, 2 records; nothing is left behind" in mask.stdout
    masked = json.loads(desk.shown()["out/b.jsonl"])["email"]
    assert desk.shown()["out/a.csv"].decode() == f"id,email\n1,{masked}\n"
    assert "ann@x.org" not in masked + plan.stdout + preview.stdout + mask.stdout
    assert json.loads((desk.folder / "report.json").read_text())["target"] == f"s3://{C}/out/"
    assert set(desk.world.accounts.assumed) == {ROLE_B, ROLE_C}


def test_a_killed_run_is_resumed_or_cleaned_by_another_process(desk: Desk) -> None:
    """What a killed process has left in the bucket, `resume` finishes, and `clean` takes away."""
    codes = [desk.run("mask", before=DIE).returncode]
    killed = desk.shown()
    codes.append(desk.run("resume", "--quiet").returncode)
    resumed = desk.shown()
    codes.append(desk.run("mask", before=DIE).returncode)
    clean, again = desk.run("clean"), desk.run("clean")

    found = objects(desk.world.truth(ACCOUNT_C), C)
    assert codes == [9, 0, 9]
    assert (sorted(killed), sorted(resumed)) == ([], ["out/a.csv", "out/b.jsonl"])
    assert (clean.returncode, clean.stdout[:7]) == (0, "ended: ")
    assert (again.returncode, again.stdout) == (0, "nothing to clean\n")
    assert (found.uploads, desk.shown()) == ((), resumed)
    assert [
        key for key, one in found.objects.items() if "_dmengine" in key and one.body and "manifest" not in key
    ] == []


@pytest.mark.parametrize("journal", [f"s3://{C}/journals/", f'{{type: s3, url: "s3://{B}/journals/", session: b}}'])
def test_the_journal_can_lie_in_a_bucket(desk: Desk, journal: str) -> None:
    """A URL is written with the target's session, a mapping with its own; `resume` finds it by the same words."""
    desk.write("version: 1\n", f"version: 1\njournal: {journal}\n")
    killed, resumed = desk.run("mask", before=DIE), desk.run("resume", "--quiet")

    bucket, account = (C, ACCOUNT_C) if journal.startswith("s3") else (B, ACCOUNT_B)
    kept = [key for key, one in objects(desk.world.truth(account), bucket).objects.items() if one.body]
    assert (killed.returncode, resumed.returncode) == (9, 0), resumed.stderr
    assert [key.startswith("journals/") for key in kept if key.endswith("manifest.json")] == [True]
    assert sorted(desk.shown()) == sorted({"out/a.csv", "out/b.jsonl"} | {k for k in kept if bucket == C})


def test_a_key_of_secrets_manager_or_kms_is_named_in_the_job(desk: Desk) -> None:
    """Both references work from the command line, and mask as the same key from anywhere else does."""
    keys = {"aws_access_key_id": BASE["aws_access_key_id"], "aws_secret_access_key": "x", "region_name": REGION}
    aws = {name: boto3.client(name, endpoint_url=desk.world.moto.url, **keys) for name in ("secretsmanager", "kms")}  # type: ignore[call-overload]
    aws["secretsmanager"].create_secret(Name="masking/key", SecretString=HEX)
    made = aws["kms"].create_key()["KeyMetadata"]["KeyId"]
    context = {"dmengine": "root-key"}
    blob = aws["kms"].encrypt(KeyId=made, Plaintext=bytes.fromhex(HEX), EncryptionContext=context)["CiphertextBlob"]
    (desk.folder / "key.kms").write_bytes(base64.b64encode(blob))
    shown = [desk.run("preview").stdout]
    for reference in ("secretsmanager:masking/key", f"kms:file:key.kms?region={REGION}"):
        desk.write("env:DMENGINE_TEST_KEY", reference)
        shown.append(desk.run("preview", DMENGINE_TEST_KEY=None, AWS_DEFAULT_REGION=REGION).stdout)

    assert "aaa@a.aaa" in shown[0]
    assert shown == shown[:1] * 3


# ------------------------------------------------------------------------------------------ what it says


def check(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """Assert that a command ended so, said all of that in one error, and showed no traceback and no internal name."""
    assert done.returncode == code, done.stderr
    assert [words for words in said if words not in done.stderr] == [], done.stderr
    assert "To fix: " in done.stderr
    assert not any(words in done.stderr for words in ("Traceback", "RefusedError", BASE["aws_secret_access_key"]))


def test_no_credentials(desk: Desk) -> None:
    """Where nothing gives credentials, the error says what can."""
    done = desk.run("plan", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_SESSION_TOKEN=None)

    check(done, 3, "StoreError: cannot get the credentials", "NoCredentialsError", "AWS_PROFILE", "profile: ...")


def test_no_such_profile(desk: Desk) -> None:
    """A profile that is not there is named."""
    desk.write(f"region: {REGION}", "profile: masking")

    check(desk.run("plan"), 3, "ProfileNotFound (client, profile masking)", "in a job file profile: ...")


def test_no_region(desk: Desk) -> None:
    """A session without a region is told where one can be said."""
    desk.write(f"a: {{region: {REGION}}}", "a: {}")

    check(desk.run("plan"), 3, "NoRegionError", "AWS_DEFAULT_REGION", "region: ...")


@pytest.mark.parametrize("bucket", [B, C])
def test_no_such_bucket(desk: Desk, bucket: str) -> None:
    """A bucket that is not there is named, as source and as target."""
    desk.write(f"{bucket}/", "no-such-bucket/")

    check(desk.run("mask"), 3, "StoreError: cannot list s3://no-such-bucket/", "NoSuchBucket", "check the name")


@pytest.mark.parametrize(
    ("right", "code", "said", "action", "role"),
    [
        ("ListObjectsV2", 3, f"StoreError: cannot list s3://{B}/in/", "s3:ListBucket", ROLE_B),
        ("GetObject", 2, f"cannot read s3://{B}/in/a.csv", "s3:GetObject", ROLE_B),
        ("PutObject", 3, f"StoreError: cannot write s3://{C}/out/_dmengine/", "s3:PutObject", ROLE_C),
        ("CreateMultipartUpload", 3, f"StoreError: cannot write s3://{C}/out/a.csv", "s3:PutObject", ROLE_C),
    ],
)
def test_access_denied(desk: Desk, right: str, code: int, said: str, action: str, role: str) -> None:
    """A denied call says which object, and which action the policy of which role must allow; nothing is left."""
    desk.world.accounts.rights = DOCUMENTED_RIGHTS - {right}

    check(desk.run("mask"), code, said, f"AccessDenied ({right}", f"allow {action} to {role}")
    assert objects(desk.world.truth(ACCOUNT_C), C).shown() == {}


def test_a_bucket_of_another_account(desk: Desk) -> None:
    """A bucket that the role's account does not own is refused, with the account that was expected."""
    desk.write("session: b", "session: c")

    check(desk.run("mask"), 3, f"cannot list s3://{B}/in/", f"owned by account {ACCOUNT_C} (expected_owner)")


@pytest.mark.parametrize("written", ["external_id: wrong", "session_name: nightly"])
def test_wrong_external_id(desk: Desk, written: str) -> None:
    """A hop that is refused says which, who asked, and that the external id may be why."""
    desk.write(f"external_id: {EXTERNAL_ID}", written)

    check(desk.run("mask"), 3, f"StoreError: hop 1 cannot assume {ROLE_B}: AccessDenied", "sts:ExternalId")


def test_a_token_that_was_typed_in_and_has_expired(desk: Desk) -> None:
    """Keys with an end are told to be expired, with what renews itself."""
    ended = Identity(ACCOUNT_A, f"arn:aws:sts::{ACCOUNT_A}:assumed-role/x/i-0", "token-a", SOURCE_ROLE, until=1.0)
    desk.world.accounts.add_identity(BASE["aws_access_key_id"], ended)
    through_roles = desk.run("mask")
    desk.write("session: b", "session: a")
    direct = desk.run("plan")

    check(through_roles, 3, f"hop 1 cannot assume {ROLE_B}: ExpiredToken", "not copied keys")
    check(direct, 3, f"cannot list s3://{B}/in/: ExpiredToken", "not copied keys")


def test_nobody_answers(desk: Desk) -> None:
    """A closed port is a named error after the attempts, with the host; the pauses between are not waited for here."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # taken, and nobody listens
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        done = desk.run("plan", before=HURRY, AWS_ENDPOINT_URL=f"http://{host}")

    check(done, 3, f"hop 1 cannot assume {ROLE_B}: EndpointConnectionError", host, "check network, proxy, endpoint")


def test_a_public_bucket(desk: Desk) -> None:
    """A source that anyone can read is refused by plan and mask, before anything is written."""
    b = desk.world.truth(ACCOUNT_B)
    b.delete_public_access_block(Bucket=B)
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{B}/*"}
    b.put_bucket_policy(Bucket=B, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
    plan, mask = desk.run("plan"), desk.run("mask")

    assert (plan.returncode, "1 finding would stop this run" in plan.stdout) == (2, True)
    check(mask, 2, f"PlanError: the source bucket {B} is public: its policy lets anyone in", "Block Public Access")
    assert desk.shown() == {}
