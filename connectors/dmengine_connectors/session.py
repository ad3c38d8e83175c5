"""Sessions with AWS through chains of roles: lazy, renewing themselves, and pickled without a secret."""

from __future__ import annotations

import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar, overload
from weakref import WeakValueDictionary

from dmengine.errors import PlanError, RunError
from dmengine_connectors.aws_errors import reported
from dmengine_connectors.session_roles import DEFAULT_DURATION, DEFAULT_NAME, Role, check_durations, check_endpoint

if TYPE_CHECKING:
    import boto3
    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

    from dmengine_connectors.session_clients import Chain

T = TypeVar("T")

__all__ = ["Identity", "Role", "SessionFactory"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a hop of a chain is: hop 0 is the identity that the chain begins with."""

    hop: int
    account: str
    arn: str


class SessionFactory:
    """Makes sessions and clients, from an identity and through the roles that follow it. It does not change.

    Nothing is asked of AWS before a client makes its first call. Each role is then assumed once a session, whatever
    the number of threads, and renewed before its session ends. Factories derived from one another share that.

    Args:
        session: A boto3 session to begin with. It cannot follow the work into another process.
        profile: A profile of `~/.aws/config` to begin with; by default what the environment or the machine gives.
        region: The region of all clients that are not asked for in another one.
        endpoint_url: Where all services are, for stand-ins; plain http only on this machine.
        roles: The roles to assume, each by the one before; `assume` adds to them.
        clock: Seconds since 1970, for tests with a time of their own.

    >>> a = SessionFactory(region="eu-west-1")
    >>> b = a.assume("arn:aws:iam::222222222222:role/Reader", external_id="x7")
    >>> b.account_id(), len(a.roles), b.portable
    ('222222222222', 0, True)

    Raises:
        PlanError: an ARN, a name, a duration or the endpoint is not one.
    """

    __slots__ = ("__weakref__", "_origin", "clock", "endpoint_url", "profile", "region", "roles")

    profile: str | None
    region: str | None
    endpoint_url: str | None
    roles: tuple[Role, ...]
    clock: Callable[[], float]
    _origin: Origin

    def __init__(
        self,
        session: boto3.Session | None = None,
        *,
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        roles: Sequence[Role] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_durations(tuple(roles))
        if endpoint_url is not None:
            check_endpoint(endpoint_url)
        if session is not None:
            _check_session(session, profile)
        _fill(self, Origin(uuid.uuid4().hex, session), profile, region, endpoint_url, tuple(roles), clock)

    def assume(
        self,
        arn: str,
        *,
        external_id: str | None = None,
        session_name: str = DEFAULT_NAME,
        duration: int = DEFAULT_DURATION,
        tags: Mapping[str, str] | None = None,
        policy: Mapping[str, Any] | None = None,
        source_identity: str | None = None,
    ) -> SessionFactory:
        """Return a factory with one hop more: this one's last identity assumes the role. Asks nothing.

        >>> SessionFactory().assume("arn:aws:iam::222222222222:role/Reader").roles[0].name
        'Reader'
        """
        return self.through(Role(arn, external_id, session_name, duration, tags or {}, policy, source_identity))

    def through(self, *roles: Role) -> SessionFactory:
        """Return a factory with these hops more. Asks nothing.

        >>> SessionFactory().through(Role("arn:aws:iam::222222222222:role/Reader")).account_id()
        '222222222222'
        """
        chain = (*self.roles, *roles)
        check_durations(chain)
        return _restored(self._origin, self.profile, self.region, self.endpoint_url, chain, self.clock)

    def without_roles(self) -> SessionFactory:
        """Return a factory of the identity that the chain begins with. Asks nothing.

        >>> SessionFactory().assume("arn:aws:iam::222222222222:role/Reader").without_roles()
        SessionFactory()
        """
        return _restored(self._origin, self.profile, self.region, self.endpoint_url, (), self.clock)

    @overload
    def client(self, service: Literal["s3"], *, region: str | None = None) -> S3Client: ...
    @overload
    def client(self, service: Literal["sts"], *, region: str | None = None) -> STSClient: ...
    @overload
    def client(self, service: Literal["dynamodb"], *, region: str | None = None) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["kms"], *, region: str | None = None) -> KMSClient: ...
    @overload
    def client(self, service: Literal["secretsmanager"], *, region: str | None = None) -> SecretsManagerClient: ...
    @overload
    def client(self, service: str, *, region: str | None = None) -> BaseClient: ...
    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return the client of a service; the same one for all threads of a process. Asks nothing yet.

        A call is made up to 10 times with full jitter, and not again after 5 minutes.
        """
        return self._chain().client(service, region)

    def session(self) -> boto3.Session:
        """Return a boto3 session whose credentials renew themselves. It is not thread-safe; its clients are."""
        return self._chain().session()

    def call(self, function: Callable[..., T], /, **parameters: Any) -> T:
        """Call a method of a client; again, with all roles assumed anew, if AWS calls the credentials expired.

        A body among the parameters must be bytes: a stream would have been read by the first call.
        What botocore raises is raised as it is; `aws_errors.named` makes an error of ours of it.
        """
        return self._chain().call(function, **parameters)

    def in_region(self, region: str) -> SessionFactory:
        """Return a factory of the same chain in another region. It assumes the roles itself, and asks nothing yet.

        >>> SessionFactory(region="eu-west-1").in_region("eu-north-1").region
        'eu-north-1'
        """
        origin = Origin(uuid.uuid4().hex, self._origin.given, lost=self._origin.lost)
        return _restored(origin, self.profile, region, self.endpoint_url, self.roles, self.clock)

    def hurried(self) -> SessionFactory:
        """Return a factory of the same chain whose calls soon give up: to look whether AWS answers.

        It has the roles' sessions that this one holds at the moment, and assumes the others itself.

        >>> SessionFactory(region="eu-west-1").hurried() == SessionFactory(region="eu-west-1")
        True
        """
        facts = self.profile, self.region, self.endpoint_url, self.roles, self.clock
        return _restored(self._origin.hurried(), *facts)

    def verify(self) -> list[Identity]:
        """Assume the whole chain and return who each hop is.

        Raises:
            StoreError: a hop is refused; says which, and what the policies must allow.
        """
        return [self.identity(hop) for hop in range(len(self.roles) + 1)]

    def identity(self, hop: int) -> Identity:
        """Assume the chain as far as a hop, and return who that is; hop 0 is the identity that it begins with.

        Raises:
            StoreError: a hop is refused, or there is nothing to begin with.
        """
        chain = self._chain(hop)
        who = f"hop {hop}" if hop else "the identity that the chain begins with"
        arn, account = reported(chain.identity, call="GetCallerIdentity", what=f"{who} is not accepted by AWS")
        return Identity(hop, account, arn)

    def account_id(self) -> str:
        """Return the account of the last identity; asks STS, once, only where no role says it."""
        return self.roles[-1].account if self.roles else self.identity(0).account

    @property
    def portable(self) -> bool:
        """Whether another process can make the same sessions: not if the chain begins with a `boto3.Session`."""
        return self._origin.given is None and not self._origin.lost

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self._origin, self.profile, self.region, self.endpoint_url, self.roles, self.clock)

    def __eq__(self, other: object) -> bool:
        return self._facts() == other._facts() if isinstance(other, SessionFactory) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        if not hasattr(self, "_origin"):
            return "SessionFactory(...)"  # in the traceback of what it refuses, before it is made
        shown = (
            ("session", self._origin.given), ("profile", self.profile), ("region", self.region),
            ("endpoint_url", self.endpoint_url), ("roles", self.roles or None),
        )  # fmt: skip
        given = (f"{name}={value!r}" for name, value in shown if value is not None)
        return f"SessionFactory({', '.join(given)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a session factory does not change; `assume` returns another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a session factory does not change")

    def _facts(self) -> tuple[object, ...]:
        # what a boto3 session can do is not to be seen from outside: only the same one is equal
        given = None if self.portable else self._origin.name
        return given, self.profile, self.region, self.endpoint_url, self.roles

    def _chain(self, hops: int | None = None) -> Chain:
        return self._origin.chain(self, self.roles[:hops])


class Origin:
    """What factories share that come from one: the chains of this process, and the lock under which they are made."""

    def __init__(self, name: str, given: boto3.Session | None = None, *, lost: bool = False) -> None:
        self.name = name
        self.given = given
        self.lost = lost
        """Whether the chain began with a session that stayed in another process."""
        self.reset()
        _ORIGINS[name] = self
        _watch_forks()

    def reset(self) -> None:
        """Begin anew."""
        self._lock = RLock()
        self._chains: dict[tuple[Role, ...], Chain] = {}
        self._hurried: Hurried | None = None

    def chain(self, factory: SessionFactory, roles: tuple[Role, ...]) -> Chain:
        """Return the chain of a factory through some of its roles; the same one every time."""
        with self._lock:
            found = self._chains.get(roles)
            if found is None and roles:
                found = self.chain(factory, roles[:-1]).next(roles[-1], factory.clock)
            elif found is None:
                found = self._begun(factory)
            self._chains[roles] = found
            return found

    def hurried(self) -> Hurried:
        """Return what the hurried factories of this origin share."""
        with self._lock:
            if self._hurried is None:
                self._hurried = Hurried(self)
            return self._hurried

    def __reduce__(self) -> tuple[object, ...]:
        return _found, (self.name, self.lost or self.given is not None)

    def _begun(self, factory: SessionFactory) -> Chain:
        if self.lost:
            raise RunError(
                "these sessions begin with a boto3.Session, which stayed in the process that made it",
                hint="begin with SessionFactory(profile=...) or with the environment, or run in threads",
            )
        from dmengine_connectors.session_clients import chain_from, chain_of

        if (given := self.given) is not None:
            work = lambda: chain_from(given, factory.region, factory.endpoint_url)  # noqa: E731
            return reported(work, call="session", what="cannot begin with the session given")
        return chain_of(factory.profile, factory.region, factory.endpoint_url)


class Hurried(Origin):
    """What hurried factories share: chains beside those of an origin, which soon give up."""

    def __init__(self, patient: Origin) -> None:
        super().__init__(uuid.uuid4().hex, patient.given, lost=patient.lost)
        self._patient = patient

    def chain(self, factory: SessionFactory, roles: tuple[Role, ...]) -> Chain:
        """Return the chain through some of the roles; the same one every time."""
        with self._lock:
            if roles not in self._chains:
                before = self.chain(factory, roles[:-1]) if roles else None
                self._chains[roles] = self._patient.chain(factory, roles).hurried(before)
            return self._chains[roles]


# Tasks carry pickled factories: those of one origin find each other here, also when none is alive between two tasks.
_ORIGINS: Final[WeakValueDictionary[str, Origin]] = WeakValueDictionary()
_RECENT: Final[deque[Origin]] = deque(maxlen=16)
_finding = Lock()


def _found(name: str, given: bool) -> Origin:
    with _finding:
        origin = _ORIGINS.get(name)
        if origin is None:
            origin = Origin(name, lost=given)
            _RECENT.append(origin)
        return origin


def _restored(origin: Origin, *facts: Any) -> SessionFactory:
    factory = SessionFactory.__new__(SessionFactory)
    _fill(factory, origin, *facts)
    return factory


def _fill(
    factory: SessionFactory, origin: Origin, profile: str | None, region: str | None, endpoint_url: str | None,
    roles: tuple[Role, ...], clock: Callable[[], float],
) -> None:  # fmt: skip
    facts = {"profile": profile, "region": region, "endpoint_url": endpoint_url, "roles": roles, "clock": clock}
    for name, value in {**facts, "_origin": origin}.items():
        _set(factory, name, value)


@cache
def _watch_forks() -> None:
    """A forked child begins anew: it must not share connections with its parent, nor inherit a lock that is held."""
    os.register_at_fork(after_in_child=_begin_anew)  # two threads may do it at once: it does no harm twice


def _begin_anew() -> None:
    global _finding  # a thread that is not here may hold the old one
    _finding = Lock()
    for origin in list(_ORIGINS.values()):
        origin.reset()


def _check_session(session: object, profile: str | None) -> None:
    if profile is not None:
        raise PlanError("both a session and a profile are given", hint="give one of them to begin the chain with")
    if not (hasattr(session, "client") and hasattr(session, "region_name")):
        raise PlanError(
            f"session= takes a boto3.Session, not a {type(session).__name__}",
            hint="give boto3.Session(...), or profile=, or nothing for what the environment gives",
        )


_set = object.__setattr__
