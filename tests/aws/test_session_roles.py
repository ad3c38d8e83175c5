"""Roles: what STS would refuse anyway is refused before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from dmengine.errors import PlanError
from dmengine_connectors.session import Role, SessionFactory

ROLE_B = "arn:aws:iam::222222222222:role/masking/Reader"
ROLE_C = "arn:aws:iam::333333333333:role/Writer"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"arn": "arn:aws:s3:::bucket"}, "not the ARN of a role"),
        ({"arn": "arn:aws:sts::222222222222:assumed-role/R/s"}, "ARN of a session"),
        ({"arn": "arn:aws:iam::222:role/R"}, "not the ARN of a role"),
        ({"duration": 899}, "cannot last"),
        ({"duration": 43_201}, "cannot last"),
        ({"duration": 900.5}, "cannot last"),
        ({"session_name": "with space"}, "session_name="),
        ({"external_id": "x\n"}, "external_id="),
        ({"source_identity": "s"}, "source_identity="),
        ({"tags": {"": "v"}}, "tags="),
        ({"session_policy": {"x": "y" * 2048}}, "session_policy="),
    ],
)
def test_a_role_that_sts_would_refuse_is_refused_before(wrong: dict[str, Any], says: str) -> None:
    """What can be seen to be wrong is a PlanError, and a value that may be a secret is not shown."""
    with pytest.raises(PlanError, match=says):
        Role(**{"arn": ROLE_B} | wrong)


def test_a_chained_role_cannot_last_longer_than_an_hour() -> None:
    """AWS refuses it at the first call; dmengine does so at once."""
    twelve_hours = SessionFactory().assume(ROLE_B, duration=43_200)

    with pytest.raises(PlanError, match="another role assumes it"):
        twelve_hours.assume(ROLE_C, duration=3_601)
    with pytest.raises(PlanError, match="another role assumes it"):
        SessionFactory(roles=[Role(ROLE_B), Role(ROLE_C, duration=7_200)])
