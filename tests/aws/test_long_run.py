"""A masking run that outlives its sessions many times over: every hop renewed in time, once, and nothing refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from threading import Condition
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError

import dmengine as dm
from dmengine.connectors import S3Files, SessionFactory
from dmengine.maskers import Email
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, TrustedRole
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import objects
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import BASE, DEEP, EXTERNAL_ID, HOP, RELAY, World
from tests.crash.lab import PROVE

BUCKET_B, BUCKET_C = "source-of-b", "target-of-c"
SESSION = 900  # seconds, the shortest that there are
EARLIEST = SESSION * 3 / 4  # when a session is renewed at the earliest
STEP = 10 if PROVE else 30  # seconds that pass with each row group
GROUPS = 5
OBJECTS = 7200 // (STEP * GROUPS)
# A second chain, through accounts in another order: A -> C -> B -> C.
TO_C = [f"arn:aws:iam::{account}:role/{name}" for account, name in
        ((ACCOUNT_C, "Far-Hop"), (ACCOUNT_B, "Far-Relay"), (ACCOUNT_C, "Far-Deep"))]  # fmt: skip


@pytest.fixture
def chains(world: World) -> tuple[SessionFactory, SessionFactory]:
    """Return a chain of three roles into B, and another one into C, of 15-minute sessions on the tests' clock."""
    trusted = (f"arn:aws:iam::{ACCOUNT_A}:root", *TO_C)
    for role, truster in zip(TO_C, trusted, strict=False):
        world.accounts.add_role(TrustedRole(role, [truster]))
    world.make_bucket(ACCOUNT_B, BUCKET_B)
    world.make_bucket(ACCOUNT_C, BUCKET_C)
    a = session_of_a(world, clock=world.clock)
    to_b = a.assume(HOP, duration=SESSION).assume(RELAY, duration=SESSION)
    to_c = a
    for role in TO_C:
        to_c = to_c.assume(role, duration=SESSION)
    return to_b.assume(DEEP, external_id=EXTERNAL_ID, duration=SESSION), to_c


class Stillness:
    """Lets time pass only while no request is under way: a run of seconds stands for one of hours.

    A request would else be signed in one quarter of an hour and arrive in the next.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._under_way = 0
        self._change = Condition()
        send = Endpoint._send_request  # type: ignore[attr-defined]

        def counted(*args: Any) -> Any:
            with self._change:
                self._under_way += 1
            try:
                return send(*args)
            finally:
                with self._change:
                    self._under_way -= 1
                    self._change.notify_all()

        monkeypatch.setattr(Endpoint, "_send_request", counted)

    def then(self, work: Callable[[], object]) -> None:
        """Do something while no request is under way."""
        with self._change:
            assert self._change.wait_for(lambda: not self._under_way, 60)
            work()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Stillness:
    return Stillness(monkeypatch)


class Register:
    """Remembers when each role was asked for, on the tests' clock."""

    def __init__(self, world: World) -> None:
        self.asked: dict[str, list[float]] = {}
        self._clock = world.clock
        world.proxy.watch = self._watch

    def _watch(self, call: Call) -> None:
        if call.operation == "AssumeRole":
            self.asked.setdefault(call.query["RoleArn"], []).append(self._clock())


def fill(world: World, count: int) -> None:
    """Put objects of some row groups into the source, each group with one row that time passes for."""
    for number in range(count):
        out = io.BytesIO()
        names = [f"{number}-{group}-{row or 'first'}" for group in range(GROUPS) for row in range(50)]
        table = pa.table({"id": range(len(names)), "slow": names, "email": [f"{name}@x.org" for name in names]})
        pq.write_table(table, out, row_group_size=50)
        world.truth(ACCOUNT_B).put_object(Bucket=BUCKET_B, Key=f"in/{number:03}.parquet", Body=out.getvalue())


def rules(pass_time: Callable[[], None]) -> dm.Ruleset:
    """Return rules whose mask of `slow` takes its time, once a row group."""

    @dm.masker
    def slowly(value: str) -> str:
        if value.endswith("first"):
            pass_time()
        return "x" * len(value)

    email = dm.Rule("email", Email(), domain="person.email")
    return dm.Ruleset([dm.Rule("slow", slowly), email, dm.keep("id", because="row number")])


@pytest.mark.proof
def test_two_hours_over_chains_of_three_roles_ask_for_each_session_once(
    world: World, chains: tuple[SessionFactory, SessionFactory], still: Stillness, key: dm.Key
) -> None:
    """Source and target have a chain each; each hop is assumed once a session, and no call is refused as expired."""
    to_b, to_c = chains
    fill(world, OBJECTS)
    register, started = Register(world), world.clock()
    source, target = S3Files(f"s3://{BUCKET_B}/in/", session=to_b), S3Files(f"s3://{BUCKET_C}/out/", session=to_c)
    dm.plan(source, target, rules(lambda: None), key)
    begun: Any = to_b.session().get_credentials()
    first = begun.get_frozen_credentials()

    slowly = rules(lambda: still.then(lambda: world.clock.advance(STEP)))
    report = dm.run(source, target, slowly, key, workers=4, progress=False)

    spent = world.clock() - started
    assert (len(report.outputs), report.rows, report.leftovers) == (OBJECTS, OBJECTS * GROUPS * 50, ())
    assert spent >= 7200
    assert register.asked.keys() == {HOP, RELAY, DEEP, *TO_C}
    apart = [later - one for times in register.asked.values() for one, later in pairwise(times)]
    assert min(apart) >= EARLIEST - 2  # seconds: an answer gives the end in whole ones
    assert all(spent / SESSION / 2 <= len(times) <= spent / EARLIEST + 1 for times in register.asked.values())
    assert len(objects(world.truth(ACCOUNT_C), BUCKET_C).shown()) == OBJECTS
    check_refused(world, first)


def check_refused(world: World, first: Any) -> None:
    """Assert that the strict stand-in refuses keys of a session that has ended."""
    keys = dict(zip(BASE, (first.access_key, first.secret_key, first.token), strict=True))
    with pytest.raises(ClientError, match="ExpiredToken"):
        world.client("s3", keys).get_object(Bucket=BUCKET_B, Key="in/000.parquet")


def test_sessions_that_are_ended_in_the_middle_are_assumed_anew(
    world: World, chains: tuple[SessionFactory, SessionFactory], still: Stillness, key: dm.Key
) -> None:
    """All sessions are revoked while objects are masked: each chain begins anew, and the run ends well."""
    fill(world, 12)
    register, passed = Register(world), iter(range(10_000))

    def revoke() -> None:
        if next(passed) == 5:
            still.then(world.accounts.end_sessions)

    source, target = (S3Files(url, session=session) for url, session in
                      zip((f"s3://{BUCKET_B}/in/", f"s3://{BUCKET_C}/out/"), chains, strict=True))  # fmt: skip

    report = dm.run(source, target, rules(revoke), key, workers=4, progress=False)

    assert (len(report.outputs), report.leftovers) == (12, ())
    assert {len(times) for times in register.asked.values()} == {2}
