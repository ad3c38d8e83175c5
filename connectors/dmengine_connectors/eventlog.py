"""An event log in a group of CloudWatch Logs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import InstanceOf

from dmengine.errors import PlanError
from dmengine_connectors.session import SessionFactory

if TYPE_CHECKING:
    from dmengine_connectors.eventlog_delivery import Delivery

_GROUP: Final = re.compile(r"[\w./#-]{1,512}", re.ASCII)
_STREAM: Final = re.compile(r"[^:*]{1,512}")


@dataclass(frozen=True, slots=True)
class CloudWatchLog:
    """A group of CloudWatch Logs, to whose stream events are added.

    Args:
        group: The log group; it is made where there is none.
        stream: The log stream; by default each run has one of its own, named by its id.
        session: Who writes; by default what the environment or the machine gives.

    >>> CloudWatchLog.named("/masking/runs:nightly")
    CloudWatchLog(group='/masking/runs', stream='nightly')
    >>> CloudWatchLog("/masking/runs").location
    'cloudwatch:/masking/runs'

    Raises:
        PlanError: CloudWatch Logs takes no such name.
    """

    group: str
    stream: str | None = None
    session: InstanceOf[SessionFactory] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _GROUP.fullmatch(self.group):
            raise PlanError(
                f"{self.group!r} is not the name of a log group",
                hint="give 1 to 512 letters, digits or _-/.#; with a stream: cloudwatch:GROUP:STREAM",
            )
        if self.stream is not None and not _STREAM.fullmatch(self.stream):
            raise PlanError(
                f"{self.stream!r} is not the name of a log stream", hint="give 1 to 512 characters without : and *"
            )

    @classmethod
    def named(cls, text: str, session: Any = None) -> CloudWatchLog:
        """Return the log of `GROUP` or `GROUP:STREAM`; names of groups hold slashes, and no colon."""
        group, colon, stream = text.partition(":")
        return cls(group, stream if colon else None, session)

    @property
    def location(self) -> str:
        """What names it."""
        return f"cloudwatch:{self.group}" + (f":{self.stream}" if self.stream else "")

    def open(self) -> Delivery:
        """Begin to take events; asks nothing yet."""
        from dmengine_connectors.eventlog_delivery import Delivery

        return Delivery(self.group, self.stream, self.session or SessionFactory(), self.location)
