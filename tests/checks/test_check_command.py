"""`dmengine check` on AWS, and what is looked at before a run there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.errors import PlanError
from tests.aws.s3_lab import RULES, SOURCE, TARGET
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, ROLE_C, World
from tests.checks.s3_lab import S3Lab, anyone
from tests.checks.test_check_s3 import encrypted, unblocked


@pytest.fixture
def lab(world: World, monkeypatch: pytest.MonkeyPatch) -> S3Lab:
    """Return a healthy source and target, which the environment leads to."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.proxy.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name, value in BASE.items():
        monkeypatch.setenv(name.upper(), value)
    return S3Lab(world)


def connection(folder: Path, **keys: Any) -> Path:
    """Write a connection to C's bucket, and return its path."""
    path = folder / "c.json"
    said = {"version": "1.0", "name": "c", "type": "s3_connection", "bucket": TARGET, "iam_role_arn": ROLE_C, **keys}
    path.write_text(json.dumps(said))
    return path


def job(folder: Path) -> Path:
    """Write a job from B to C that names its sessions, and return its path."""
    path = folder / "job.json"
    sessions = {"b": {"roles": [{"arn": ROLE_B, "external_id": EXTERNAL_ID}]}, "c": {"roles": [{"arn": ROLE_C}]}}
    rules = {"rules": [{"field": "email", "mask": "email"}, {"field": "id", "keep": "surrogate key"}]}
    said = {
        "version": 1, "sessions": sessions, "ruleset": rules, "key": "env:NOT_SET",
        "source": {"type": "s3_files", "url": f"s3://{SOURCE}/in/", "session": "b"},
        "target": {"type": "s3_files", "url": f"s3://{TARGET}/out/", "session": "c"},
    }  # fmt: skip
    path.write_text(json.dumps(said))
    return path


def test_a_healthy_job_is_well(lab: S3Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A healthy job: exit code 0, all passed on both sides, nothing left behind, and no key was needed."""
    code = main(["check", str(job(tmp_path)), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert (code, told["status"]) == (0, "passed")
    assert {one["side"] for one in told["checks"]} == {"source", "target"}
    assert lab.left("target") == []


@pytest.mark.parametrize(("flag", "sides"), [(None, {"source", "target"}), (False, {"target"})])
def test_a_connection_is_looked_at_as_what_it_may_be_used(
    lab: S3Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: bool | None, sides: set[str]
) -> None:
    """A connection file is looked at as source and as target, or as the one that it says it is for."""
    path = connection(tmp_path, **({} if flag is None else {"is_file_mask_source": flag}))

    code = main(["check", str(path), "--json", "--no-probe"])

    told = json.loads(capsys.readouterr().out)
    assert (code, {one["side"] for one in told["checks"]}) == (1, sides)
    assert {one["name"] for one in told["checks"] if one["status"] == "unknown"} >= {"bucket.write"}


def test_a_broken_connection_is_told_in_the_terminal(
    lab: S3Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong external id: exit code 2, the hop, and both sides' statements; no colour where nobody looks."""
    code = main(["check", str(connection(tmp_path, iam_role_arn=ROLE_B, external_id="wrong-one"))])

    told = capsys.readouterr().out
    assert (code, "\x1b" in told, "wrong-one" in told) == (2, False, False)
    assert "failed  source  session.hop" in told
    assert '"Sid": "InTheTrustPolicyOfTheRole"' in told


def test_what_is_dangerous_stops_a_run_before_anything_is_written(lab: S3Lab, key: dm.Key) -> None:
    """A public source, and a target whose key is disabled: both are told, and the target stays empty."""
    unblocked(SOURCE, "source", **anyone(SOURCE))(lab)
    encrypted("target", change=lambda kms, name: kms.disable_key(KeyId=name))(lab)

    with pytest.raises(PlanError, match="2 reasons not to run") as caught:
        dm.run(lab.place("source"), lab.place("target"), RULES, key)

    assert f"the source bucket {SOURCE} is public" in caught.value.message
    assert "is disabled" in caught.value.message
    assert lab.left("target") == []


def test_a_run_looks_with_the_sessions_it_has(lab: S3Lab, key: dm.Key) -> None:
    """What is looked at before a run costs no call of STS, and nothing of it is denied by the rights of a run."""
    report = dm.run(lab.place("source"), lab.place("target"), RULES, key, strict=True)

    assert report.findings == ()
    assert lab.world.accounts.assumed == [ROLE_B, ROLE_C]
    assert lab.world.proxy.count("GetCallerIdentity") == 0
    assert not {"GetBucketPolicy", "GetBucketOwnershipControls", "HeadBucket"} & {
        call.operation for call in lab.world.proxy.calls
    }
