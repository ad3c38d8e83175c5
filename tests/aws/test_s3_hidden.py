"""Objects that S3 hides: a missing one is answered with 403 where a right to list is bound to a prefix."""

from __future__ import annotations

import pytest

import dmengine as dm
from dmengine.connectors import S3Files
from dmengine.errors import StoreError
from tests.aws.s3_lab import PEOPLE, RULES, bodies, put, target_now
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import World


def test_a_target_object_that_is_not_there_may_be_answered_with_403(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """Where S3 says 403 for a missing object, a listing of its key tells that it is missing, and the run goes on."""
    put(world, "in/a.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault(("denied",), ("HeadObject",), keys="out/a.csv"))

    report = dm.run(source, target, RULES, key)

    assert report.leftovers == ()
    assert list(bodies(target_now(world))) == ["out/a.csv"]


def test_an_object_that_is_there_stays_denied(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """A 403 for an object that is there is no "missing": the run is refused with the right that it needs."""
    put(world, "in/a.csv", PEOPLE)
    dm.run(source, target, RULES, key)
    world.proxy.fates = Fates(1, Fault(("denied",), ("HeadObject",), keys="out/a.csv"))

    with pytest.raises(StoreError, match="cannot look at") as caught:
        dm.run(source, target, RULES, key)

    assert "s3:GetObject" in caught.value.hint
