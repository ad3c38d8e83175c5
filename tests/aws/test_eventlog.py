"""Events of runs in CloudWatch Logs: they arrive, whatever the service does; and if not, the report says so."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.connectors import CloudWatchLog, S3Files, SessionFactory
from dmengine.errors import PlanError
from dmengine.keyring import Key
from dmengine.logs import FIELDS, Event
from dmengine.spi import Finding
from dmengine_connectors.eventlog_delivery import Delivery
from tests.aws.canaries import ROOT, Scene
from tests.aws.s3_lab import PEOPLE, RULES, SOURCE, TARGET, put, session_of_a
from tests.aws.standins.accounts import ACCOUNT_C, SOURCE_ROLE
from tests.aws.standins.calls import Call
from tests.aws.standins.faults import Fates, Fault, Kind
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import BASE, EXTERNAL_ID, REGION, ROLE_B, ROLE_C, World
from tests.leak.sources import FORMATS, ruleset

GROUP = "/masking/runs"
WHOLE = ["run started", "sealed", "committed", "finished"]
OPERATIONS = ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
KEY = Key.from_bytes(bytes.fromhex(ROOT))


@pytest.fixture
def source(world: World, a: SessionFactory) -> S3Files:
    """Two people in a file of B."""
    put(world, "in/people.csv", PEOPLE)
    return S3Files(f"s3://{SOURCE}/in/", session=a.assume(ROLE_B, external_id=EXTERNAL_ID))


def at(port: int) -> SessionFactory:
    """Return A's session, at another endpoint."""
    session = boto3.Session(**BASE, region_name=REGION)  # type: ignore[arg-type]
    return SessionFactory(session, endpoint_url=f"http://127.0.0.1:{port}")


def stored(world: World, stream: str, account: str = ACCOUNT_A, group: str = GROUP) -> list[dict[str, Any]]:
    """Return the events of a stream, as AWS has them."""
    client = world.owner("logs", account)
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = client.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True, limit=10_000, **token
        )  # fmt: skip
        if not page["events"]:
            return found
        found += page["events"]
        token = {"nextToken": page["nextForwardToken"]}


def names(events: list[dict[str, Any]]) -> list[str]:
    return [json.loads(one["message"])["event"] for one in events]


def delivery(session: SessionFactory, group: str = GROUP, stream: str = "tests") -> Delivery:
    return CloudWatchLog(group, stream, session).open()


def sealed(moment: float, part: str = "p") -> Event:
    return Event(moment, "sealed", {"part": part})


def calls_of(world: World, operation: str = "PutLogEvents") -> list[Call]:
    """Watch the calls of an operation, body and all."""
    seen: list[Call] = []
    world.proxy.watch = lambda call: seen.append(call) if call.operation == operation else None
    return seen


def warning(report: dm.Report) -> Finding:
    [found] = [finding for finding in report.findings if "event log" in finding.message]
    assert found.severity == "warning"
    assert report.status == "finished"
    assert report.rows == 2
    return found


# ---------------------------------------------------------------------------------------------- events arrive


def test_each_run_has_a_stream_of_its_own(world: World, source: S3Files, target: S3Files) -> None:
    """The group is made, a stream is named by the run's id, and account A writes although roles mask."""
    report = dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}")

    events = stored(world, report.run_id)
    assert names(events) == WHOLE
    assert report.findings == ()
    lines = [json.loads(one["message"]) for one in events]
    assert {name for line in lines for name in line} - FIELDS == {"time", "event"}
    assert {line["run"] for line in lines} == {report.run_id}
    assert abs(events[0]["timestamp"] / 1000 - time.time()) < 600


def test_runs_share_a_stream_that_has_a_name(world: World, source: S3Files, target: S3Files, a: SessionFactory) -> None:
    """Events are added to a stream that is there; nobody asks to make a group that is there."""
    world.owner("logs").create_log_group(logGroupName=GROUP)

    first = dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}:nightly")
    second = dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, "nightly", a))

    events = stored(world, "nightly")
    assert names(events) == WHOLE * 2
    assert not [one for report in (first, second) for one in report.findings if "event log" in one.message]
    assert world.proxy.count("CreateLogGroup") == 0


def test_a_role_may_write_the_log(world: World, source: S3Files, target: S3Files, a: SessionFactory) -> None:
    """A session of its own is who writes the log, whoever else reads and writes."""
    report = dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, session=a.assume(ROLE_C)))

    assert names(stored(world, report.run_id, ACCOUNT_C)) == WHOLE
    assert report.findings == ()
    who = {world.accounts._identities[call.access_key].role for call in world.proxy.calls if call.service == "logs"}
    assert who == {ROLE_C}


def test_no_more_is_asked_than_the_policy_must_allow(world: World, source: S3Files, target: S3Files) -> None:
    """Three actions of the documented AllowEventLogging are enough."""
    dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}")

    asked = {call.operation for call in world.proxy.calls if call.service == "logs"}
    assert asked == set(OPERATIONS)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_log_gets_over_faults(seed: int, world: World, source: S3Files, target: S3Files, no_pauses: None) -> None:
    """Throttled, reset and failing at every second call, all events arrive: each at least once, in order."""
    kinds: tuple[Kind, ...] = ("slow_down", "internal", "reset_before", "reset_after")
    world.proxy.fates = Fates(seed, Fault(kinds, OPERATIONS, 0.5))

    report = dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}:nightly")

    assert sum(world.proxy.fates.met.values()) > 0
    assert list(dict.fromkeys(names(stored(world, "nightly")))) == WHOLE
    assert report.findings == ()


def test_a_session_that_ends_is_renewed_for_the_log(
    world: World, source: S3Files, target: S3Files, a: SessionFactory
) -> None:
    """AWS calls the credentials expired: the role is assumed anew, and nothing is lost."""
    world.proxy.fates = Fates(1, Fault(("expired",), ("PutLogEvents",), times=1))

    report = dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, "s", a.assume(ROLE_C)))

    assert report.findings == ()
    assert names(stored(world, "s", ACCOUNT_C)) == WHOLE


def test_a_group_that_goes_is_made_again(world: World, a: SessionFactory) -> None:
    """Somebody deletes the group while a run lasts: later events go into a new one."""
    log = delivery(a)
    log.put(sealed(time.time(), "first"))
    until(lambda: world.proxy.count("PutLogEvents") == 1 and not log._waiting)
    world.owner("logs").delete_log_group(logGroupName=GROUP)

    log.put(sealed(time.time(), "second"))
    until(lambda: world.proxy.count("CreateLogGroup") == 2)
    lost = log.close()

    assert lost is None
    assert [json.loads(one["message"])["part"] for one in stored(world, "tests")] == ["second"]


def until(done: Any) -> None:
    for _ in range(1200):
        if done():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize(
    "log", [f"cloudwatch:{GROUP}:job", f"{{type: cloudwatch, group: {GROUP}, stream: job, session: c}}"]
)
def test_a_job_writes_its_log_by_a_session_of_the_job(
    log: str, world: World, source: S3Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text it is whoever the target's session begins with; a mapping names one of the job's sessions."""
    for name, value in (*BASE.items(), ("dmengine_test_key", ROOT)):
        monkeypatch.setenv(name.upper(), value)
    (tmp_path / "job.yaml").write_text(
        f"""version: 1
sessions:
  a: {{region: {REGION}, endpoint_url: "{world.proxy.url}"}}
  b: {{from: a, roles: [{{arn: "{ROLE_B}", external_id: {EXTERNAL_ID}}}]}}
  c: {{from: a, roles: [{{arn: "{ROLE_C}"}}]}}
source: {{type: s3_files, url: "s3://{SOURCE}/in/", session: b}}
target: {{type: s3_files, url: "s3://{TARGET}/out/", session: c}}
key: env:DMENGINE_TEST_KEY
ruleset: {{rules: [{{field: email, mask: email}}, {{field: id, keep: "surrogate key"}}]}}
log: {log}
"""
    )

    assert main(["mask", str(tmp_path / "job.yaml"), "--quiet"]) == 0

    named = "session: c" in log
    assert names(stored(world, "job", ACCOUNT_C if named else ACCOUNT_A)) == WHOLE
    who = {world.accounts._identities[call.access_key].role for call in world.proxy.calls if call.service == "logs"}
    assert who == {ROLE_C if named else SOURCE_ROLE}


# ---------------------------------------------------------------------------------------------- batches


def test_batches_keep_to_the_limits_of_the_service(world: World, a: SessionFactory) -> None:
    """However many events come at once: 10,000 and 1 MiB a call at most, in order of time, and each arrives once."""
    seen = calls_of(world)
    now = time.time()
    log = delivery(a)

    for number in range(25_000):
        log.put(sealed(now - number % 7, f"{number:05}"))
    for number in range(200):
        log.put(sealed(now, f"{number:05}" + "x" * 9_000))
    lost = log.close()

    assert lost is None
    sent = [json.loads(call.body)["logEvents"] for call in seen]
    assert all(len(batch) <= 10_000 for batch in sent)
    assert all(sum(len(one["message"].encode()) + 26 for one in batch) <= 1_048_576 for batch in sent)
    assert all(batch == sorted(batch, key=lambda one: one["timestamp"]) for batch in sent)
    parts = [json.loads(one["message"])["part"] for batch in sent for one in batch]
    assert len(parts) == len(set(parts)) == 25_200


def test_a_batch_spans_less_than_a_day(world: World, a: SessionFactory) -> None:
    """A run of several days, whose log could not be reached, catches up by the day."""
    seen = calls_of(world)
    now = time.time()
    log = delivery(a)

    for hour in range(100):
        log.put(sealed(now - (100 - hour) * 3600, str(hour)))
    lost = log.close()

    assert lost is None
    sent = [json.loads(call.body)["logEvents"] for call in seen]
    assert all(batch[-1]["timestamp"] - batch[0]["timestamp"] < 24 * 3_600_000 for batch in sent)
    assert sum(map(len, sent)) == 100


# ---------------------------------------------------------------------------------------------- events get lost


@pytest.mark.parametrize("operations", [OPERATIONS, ("PutLogEvents",), ("CreateLog*",)], ids=str)
def test_a_log_that_is_denied_is_a_warning(
    operations: tuple[str, ...], world: World, source: S3Files, target: S3Files
) -> None:
    """The run is done; the report says how many events are missing, which call was refused, and what to allow."""
    world.proxy.fates = Fates(1, Fault(("denied",), operations))

    found = warning(dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}"))

    call = "PutLogEvents" if operations[0] == "PutLogEvents" else "CreateLogStream"
    if operations == OPERATIONS:
        call = "PutLogEvents"
    assert found.message.startswith(f"4 of 4 events did not reach the event log cloudwatch:{GROUP}: AccessDenied (")
    assert f"({call}, " in found.message or f"({call})" in found.message
    assert found.hint == f"allow logs:CreateLogStream, logs:PutLogEvents, logs:CreateLogGroup on the log group {GROUP}"


def test_what_may_not_be_made_may_be_there(world: World, source: S3Files, target: S3Files) -> None:
    """A stream that is there is written to by who may make none."""
    world.owner("logs").create_log_group(logGroupName=GROUP)
    world.owner("logs").create_log_stream(logGroupName=GROUP, logStreamName="nightly")
    world.proxy.fates = Fates(1, Fault(("denied",), ("CreateLog*",)))

    report = dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}:nightly")

    assert names(stored(world, "nightly")) == WHOLE
    assert report.findings == ()


@pytest.mark.parametrize(("kind", "code"), [("slow_down", "Throttling"), ("internal", "InternalError")])
def test_a_log_that_is_never_free_is_a_warning(
    kind: Any, code: str, world: World, source: S3Files, target: S3Files
) -> None:
    """Throttled or failing for ever, the service does not hold up the end of the run."""
    world.proxy.fates = Fates(1, Fault((kind,), OPERATIONS))

    found = warning(dm.run(source, target, RULES, KEY, log=f"cloudwatch:{GROUP}"))

    assert f"4 of 4 events did not reach the event log cloudwatch:{GROUP}: {code} (CreateLogStream" in found.message


def test_an_endpoint_that_nobody_listens_at_is_a_warning(source: S3Files, target: S3Files) -> None:
    """It says where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        port = taken.getsockname()[1]

        found = warning(dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, session=at(port))))

    assert f"EndpointConnectionError (CreateLogStream, at 127.0.0.1:{port})" in found.message


@pytest.fixture
def silent() -> Iterator[int]:
    """Return a port that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_an_endpoint_that_never_answers_is_left_alone_after_a_while(
    source: S3Files, target: S3Files, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a run waits for its log for a fixed time, and no longer."""
    monkeypatch.setattr("dmengine_connectors.eventlog_delivery._PATIENCE", 0.3)

    found = warning(dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, session=at(silent))))

    told = "4 of 4 events did not reach the event log cloudwatch:/masking/runs: no answer came in time"
    assert found.message == told


def test_a_role_that_cannot_be_assumed_is_a_warning(source: S3Files, target: S3Files, a: SessionFactory) -> None:
    """The log's own session may be refused: the hop is named, and the run goes on with its own."""
    other = "arn:aws:iam::222222222222:role/Nobody"

    found = warning(dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, session=a.assume(other))))

    assert f"hop 1 cannot assume {other}: AccessDenied (AssumeRole" in found.message
    assert "trust policy" in found.hint


def test_a_log_without_any_credentials_is_a_warning(world: World, source: S3Files, target: S3Files) -> None:
    """Where the environment gives nothing to begin with, the log says so, and the run is done."""
    nobody = SessionFactory(region="eu-west-1", endpoint_url=world.proxy.url)

    found = warning(dm.run(source, target, RULES, KEY, log=CloudWatchLog(GROUP, session=nobody)))

    assert "cannot get the credentials to begin with: NoCredentialsError" in found.message


def test_events_that_wait_are_bounded(world: World, a: SessionFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing arrives only so many are kept; what is lost is counted, and what was kept arrives later."""
    monkeypatch.setattr("dmengine_connectors.eventlog_delivery._WAITING", 10)
    world.proxy.fates = Fates(1, Fault(("denied",), OPERATIONS))
    log = delivery(a)

    for number in range(25):
        log.put(sealed(time.time(), f"{number:02}"))
    until(lambda: world.proxy.count("PutLogEvents") >= 1)
    world.proxy.fates = Fates(1)
    lost = log.close()

    assert lost is not None
    assert lost.message.startswith("15 of 25 events did not reach the event log cloudwatch:/masking/runs:tests: 10 ")
    parts = [json.loads(one["message"])["part"] for one in stored(world, "tests")]
    assert parts == [f"{number:02}" for number in range(10)]


def test_events_that_the_service_takes_for_too_old_are_counted(world: World, a: SessionFactory) -> None:
    """A clock that is weeks off loses events, and the report says what to look at."""
    log = delivery(a)

    log.put(sealed(time.time() + 30 * 86_400))
    lost = log.close()

    assert lost is not None
    assert "1 of 1 events did not reach" in lost.message
    assert "clock" in lost.hint


# ---------------------------------------------------------------------------------------------- what a log is given


@pytest.mark.parametrize("text", ["", "a b", "group:", "group:str:eam", "group:a*", "x" * 513, "grüße"])
def test_a_name_that_no_group_has_is_refused_before_the_run(text: str, source: S3Files, target: S3Files) -> None:
    """CloudWatch Logs would refuse it in the end."""
    with pytest.raises(PlanError, match="is not the name of a log"):
        dm.run(source, target, RULES, KEY, log=f"cloudwatch:{text}")


def places(a: SessionFactory) -> tuple[S3Files, S3Files]:
    """Return the source of canaries, and a target."""
    source = S3Files(f"s3://{SOURCE}/in/", session=a.assume(ROLE_B, external_id=EXTERNAL_ID), formats=FORMATS)
    return source, S3Files(f"s3://{TARGET}/out/", session=a.assume(ROLE_C), formats=FORMATS)


def test_no_value_and_no_credential_gets_into_a_log(world: World, tmp_path: Path) -> None:
    """Of a source full of canaries nothing is found in what is sent to the service, or kept there."""
    scene = Scene(world)
    scene.fill(tmp_path, 40)
    sent: list[bytes] = []
    world.proxy.watch = lambda call: sent.append(call.body) if call.service == "logs" else None
    source, target = places(session_of_a(world))

    report = dm.run(source, target, ruleset(), KEY, log=f"cloudwatch:{GROUP}:all")

    kept = json.dumps(stored(world, "all")).encode()
    everything = b"".join(sent) + kept
    assert names(stored(world, "all"))[-1] == "finished"
    assert scene.canaries.found(everything) == []
    assert [finding for finding in report.findings if "event log" in finding.message] == []
    for secret in (ROOT.encode(), b"secret-a", b"token-a", b"ASIAOFACCOUNTA"):
        assert secret not in everything
