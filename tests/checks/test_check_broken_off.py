"""A check that is killed, or that nobody answers well: what it leaves is named by the next one, and hurts no job."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

import dmengine as dm
from dmengine_connectors.checks.asking import Limit
from dmengine_connectors.checks.remedies import Caller
from dmengine_connectors.checks.s3 import _looked
from dmengine_connectors.checks.s3_probe import check_write
from tests.aws.s3_lab import RULES, TARGET
from tests.aws.standins.calls import Answer, Call, refusal
from tests.aws.standins.world import BASE, REGION, ROLE_C, World
from tests.checks.s3_lab import S3Lab

# The kill comes with the call, so that S3 has not done what it asks for.
CHECK = """
import sys
from dmengine.connectors import S3Files, SessionFactory
session = SessionFactory(region=sys.argv[1], endpoint_url=sys.argv[2]).assume(sys.argv[3])
print(list(S3Files(sys.argv[4], session).check("target", probe=True)))
"""


@pytest.fixture
def lab(world: World) -> S3Lab:
    """Return a healthy source and target."""
    return S3Lab(world)


def killed_at(lab: S3Lab, operation: str) -> int:
    """Check in another process, which is killed when S3 hears of an operation; return how it ended."""
    keys = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), BASE.values(), strict=True))
    arguments = [REGION, lab.world.proxy.url, ROLE_C, f"s3://{TARGET}/out/"]
    child = subprocess.Popen(
        [sys.executable, "-c", CHECK, *arguments], env={**os.environ, **keys}, stdout=subprocess.DEVNULL
    )  # fmt: skip

    def instead(call: Call) -> Answer | None:
        if call.operation == operation and "check-" in call.key:
            os.kill(child.pid, signal.SIGKILL)
            return refusal(call, 503, "SlowDown", "Nobody hears this.")
        return None

    lab.instead = instead
    ended = child.wait(60)
    lab.instead = lambda call: None
    return ended


@pytest.mark.parametrize(
    ("operation", "uploads"),
    [
        ("PutObject", None), ("GetObject", 0), ("PutObjectTagging", 0), ("CreateMultipartUpload", 0),
        ("AbortMultipartUpload", 1), ("DeleteObject", 0),
    ],
)  # fmt: skip
def test_what_a_killed_check_leaves_is_named_by_the_next_one(lab: S3Lab, operation: str, uploads: int | None) -> None:
    """Its probe and its upload are named with their ids; they are all that there is, and a run does not mind them."""
    assert killed_at(lab, operation) == -signal.SIGKILL

    left = lab.left("target")
    found = lab.look("target", probe=False)

    assert all(key.startswith("out/_dmengine/check-") for key in left)
    if uploads is None:
        assert (left, found.not_passed()) == ([], {"bucket.write": "unknown"})
        return
    told = found.one("bucket.earlier")
    assert told.status == "warning"
    assert f"s3://{TARGET}/{left[0]}" in told.answer
    assert len(re.findall(r"\(open upload .+?\)", told.answer)) == uploads
    assert lab.left("target") == left


def test_a_run_does_not_mind_what_a_killed_check_has_left(lab: S3Lab, key: dm.Key) -> None:
    """It is no object of the target, and no journal; and it is not removed: a check may be under way."""
    lab.allow(ROLE_C, "s3:*")
    killed_at(lab, "AbortMultipartUpload")
    left = lab.left("target")

    report = dm.run(lab.place("source"), lab.place("target"), RULES, key)

    assert report.leftovers == ()
    assert set(left) < set(lab.left("target"))


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (500, "InternalError"), (503, "SlowDown"), (400, "ExpiredToken")]
)
@pytest.mark.parametrize("service", ["s3", "sts"])
def test_where_every_call_fails_a_check_ends_with_findings(lab: S3Lab, service: str, status: int, code: str) -> None:
    """It raises nothing, changes nothing, ends in time, and says why of whatever it has tried."""
    lab.instead = lambda call: refusal(call, status, code, "No.") if call.service == service else None

    for side in ("source", "target"):
        found = lab.look(side)

        bad = [check for check in found if check.status in ("failed", "unknown")]
        assert bad
        assert all(check.remedy for check in bad)
        assert any(code in check.answer for check in bad)
    lab.instead = lambda call: None
    assert lab.left("target") == []


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError"])
def test_where_every_call_after_the_first_write_fails_the_probe_is_named(lab: S3Lab, code: str) -> None:
    """What was written and can neither be read nor removed is named, with what to do about it."""
    written = False

    def instead(call: Call) -> Answer | None:
        nonlocal written
        if written and call.service == "s3":
            return refusal(call, 403 if code == "AccessDenied" else 500, code, "No.")
        written = written or call.operation == "PutObject"
        return None

    lab.instead = instead

    found = lab.look("target")

    lab.instead = lambda call: None
    [left] = lab.left("target")
    assert any(f"s3://{TARGET}/{left} stays" in check.answer for check in found)
    assert f"s3://{TARGET}/{left}" in lab.look("target", probe=False).one("bucket.earlier").answer


def test_a_check_that_nobody_waits_for_any_more_writes_nothing(lab: S3Lab) -> None:
    """Its thread goes on in the background, and would leave its probe if the process ended: so it begins none."""
    bucket = _looked(lab.place("target")._looked, "target", Caller(ROLE_C, ROLE_C.split(":")[4], ROLE_C))

    assert [check.name for check in check_write(bucket, Limit(0))] == []

    assert not any(call.startswith("Put") for call in lab.world.proxy.log)


def test_a_check_of_many_probes_names_a_few(lab: S3Lab) -> None:
    """Nobody reads a thousand names."""
    for number in range(9):
        lab.owner("target").put_object(Bucket=TARGET, Key=f"out/_dmengine/check-{number}", Body=b"x")

    answer = lab.look("target", probe=False).one("bucket.earlier").answer

    assert answer.endswith("and 4 more")
    assert answer.count("s3://") == 5
