"""Runs single statements on a cluster for checks: bounded in time, and with errors in our words."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any, Final

from dmengine.errors import StoreError
from dmengine_connectors.checks.asking import Limit

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  # psycopg2's class has a small name

STATEMENT_SECONDS: Final = 8
"""How long the cluster may work at a statement; it ends one that takes longer."""
_GRACE: Final = 0.5
_TOO_LONG: Final = ("57014",)


class SqlError(StoreError):
    """A statement failed.

    Attributes:
        code: Its SQLSTATE; "silent" where no answer came.
        said: What the server said, for the mapping of causes. It is not shown: it may name more than we know.
    """

    code: str = ""
    said: str = ""

    @property
    def is_late(self) -> bool:
        """Whether it took too long, so that nothing is known."""
        return self.code in (*_TOO_LONG, "silent")


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements on one connection, which share one limit of time.

    Attributes:
        connection: It commits by itself.
        limit: Until when all of them must have ended.
    """

    connection: Connection
    limit: Limit

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement, and return the rows that it answers with.

        Raises:
            SqlError: it failed, or did not end in time.
        """
        import psycopg2

        if not self.limit.left:
            raise _late()
        with self._hung_up_when_silent():
            try:
                with self.connection.cursor() as cursor:
                    cursor.execute(sql)
                    return list(cursor.fetchall()) if cursor.description else []
            except psycopg2.Error as error:
                problem = _problem(error)
        raise problem

    def one(self, sql: str) -> Any:
        """Return the only value that a statement answers with."""
        return self.rows(sql)[0][0]

    @contextlib.contextmanager
    def _hung_up_when_silent(self) -> Any:
        """Close the line when no answer comes: a network that swallows packets would let us wait for ever."""
        line = None if self.connection.closed else socket.socket(fileno=os.dup(self.connection.fileno()))
        timer = Timer(self.limit.left + _GRACE, _hang_up, [line])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if line is not None:
                line.close()


def _hang_up(line: socket.socket | None) -> None:
    if line is not None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


def _late() -> SqlError:
    problem = SqlError(
        "the cluster did not answer in time", hint="check again, when the cluster is awake and less busy"
    )
    problem.code = "silent"
    return problem


def _problem(error: Any) -> SqlError:
    code = error.pgcode or "silent"
    if code == "silent":
        return _late()
    problem = SqlError(f"the cluster refused a statement: {code}", hint="look the code up in Redshift's documentation")
    problem.code = code
    problem.said = " ".join(str(error.pgerror or "").split())
    return problem
