"""Sessions that are used in one account only: another one is refused before anything is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from dmengine.errors import PlanError
from dmengine_connectors.session import SessionFactory

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")


class AccountSession(SessionFactory):
    """Sessions whose last identity must be in one account.

    A role says its account by its ARN; without any role STS is asked, once a process, at the first use.

    >>> from dmengine_connectors.session import SessionFactory
    >>> b = SessionFactory().assume("arn:aws:iam::222222222222:role/Reader")
    >>> AccountSession.of(b, "222222222222").expected_account
    '222222222222'
    """

    __slots__ = ("_known", "expected_account")

    expected_account: str
    _known: list[str]

    @staticmethod
    def of(sessions: SessionFactory, expected_account: str) -> AccountSession:
        """Return the same sessions, for one account only.

        Raises:
            PlanError: they end with a role of another account.
        """
        made = AccountSession.__new__(AccountSession)
        same = ("_origin", "profile", "region", "endpoint_url", "roles", "clock")
        facts: dict[str, object] = {name: getattr(sessions, name) for name in same}
        for name, value in {**facts, "expected_account": expected_account, "_known": []}.items():
            object.__setattr__(made, name, value)
        if made.roles:
            made._check()
        return made

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return the client of a service, once the account is known to be the expected one."""
        self._check()
        return SessionFactory.client(self, service, region=region)

    def session(self) -> boto3.Session:
        """Return a boto3 session, once the account is known to be the expected one."""
        self._check()
        return SessionFactory.session(self)

    def call(self, function: Callable[..., T], /, **parameters: Any) -> T:
        """Call a method of a client, once the account is known to be the expected one."""
        self._check()
        return SessionFactory.call(self, function, **parameters)

    def _check(self) -> None:
        if not self._known:
            self._known.append(self.account_id())
        account = self._known[0]
        if account != self.expected_account:
            raise PlanError(
                f"the sessions are in account {account}, and expected_account is {self.expected_account}",
                hint="check which credentials or roles they begin with; nothing else was asked",
            )

    def __reduce__(self) -> tuple[object, ...]:
        plain = SessionFactory.__reduce__(self)
        return _again, (*plain, self.expected_account)

    def _facts(self) -> tuple[object, ...]:
        return (*SessionFactory._facts(self), self.expected_account)


def _again(make: Callable[..., SessionFactory], facts: tuple[object, ...], expected_account: str) -> AccountSession:
    return AccountSession.of(make(*facts), expected_account)
