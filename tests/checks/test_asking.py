"""Questions are asked at the same time, and none holds up the others."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Event

import pytest

from dmengine.errors import StoreError
from dmengine.spi import Check
from dmengine_connectors.checks.asking import Limit, together

FINE = Check("a", "passed", "there", "fine")


def test_what_is_not_answered_in_time_is_unknown() -> None:
    """One look never ends: what it had found is kept, the rest is unknown, and the others are whole."""
    over = Event()

    def never() -> Iterator[Check]:
        yield FINE
        over.wait(60)

    found = together({"slow": never, "quick": lambda: [FINE]}, "there", Limit(0.2))
    over.set()

    assert [(check.name, check.status) for check in found] == [("a", "passed"), ("slow", "unknown"), ("a", "passed")]
    assert found[1].answer == "unknown: there is no answer within 0.2 seconds"


def test_looks_run_at_the_same_time() -> None:
    """Each of three looks waits for the two others: one after the other, they would never end."""
    meeting = Barrier(3)

    def meet() -> Iterator[Check]:
        meeting.wait(30)
        yield FINE

    found = together(dict.fromkeys("abc", meet), "there", Limit(30))

    assert [check.status for check in found] == ["passed"] * 3


def test_an_error_of_ours_is_a_failure_and_any_other_is_raised() -> None:
    """What goes wrong in a thread is not lost: told as a failure, or raised where it is a bug."""

    def refused() -> Iterator[Check]:
        raise StoreError("it broke", hint="mend it")
        yield FINE

    def wrong() -> Iterator[Check]:
        raise ZeroDivisionError
        yield FINE

    [told] = together({"a": refused}, "there", Limit())

    assert (told.status, told.answer, told.remedy) == ("failed", "it broke", "mend it")
    with pytest.raises(ZeroDivisionError):
        together({"a": wrong}, "there", Limit())
