"""The clients of a chain of roles: one a service and region, with our retries and deadline, and without debug logs."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from threading import RLock
from time import monotonic
from typing import Any, Final, TypeVar

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials
from botocore.exceptions import BotoCoreError, ClientError

from dmengine.errors import DmengineError
from dmengine.versions import version
from dmengine_connectors.aws_errors import is_expired, kind_of, reported
from dmengine_connectors.session_hops import BaseCredentials, Clock, HopCredentials, SelfRenewing
from dmengine_connectors.session_roles import Role, check_endpoint, is_loopback, no_endpoint

T = TypeVar("T")

ATTEMPTS: Final = 10
"""How often a call is made in all: at 20 % of faults, one call in 10 million still fails."""
DEADLINE: Final = 300.0
"""Seconds after which a call that fails is not made again."""
_LOUD: Final = frozenset(("boto3", "botocore", "s3transfer", "urllib3"))


def standard_config(endpoint: str | None) -> Config:
    """Return how our clients call: retries with full jitter (botocore's "standard" mode), and time-outs."""
    local = endpoint is not None and is_loopback(endpoint)
    return Config(
        user_agent_extra=f"dmengine/{version()}",
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=64,
        tcp_keepalive=True,
        s3={"addressing_style": "path"} if local else None,  # bucket.localhost is no name everywhere
    )


class Chain:
    """What a base and the roles after it come to: credentials, and clients that use them. All threads share it."""

    def __init__(
        self,
        open_session: Callable[[], boto3.Session],
        *,
        profile: str | None,
        region: str | None,
        endpoint: str | None,
        links: tuple[SelfRenewing, ...],
        role: Role | None = None,
    ) -> None:
        self._open = open_session
        self._profile = profile
        self._region = region
        self._endpoint = endpoint
        self._links = links
        self._role = role
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, str | None], BaseClient] = {}
        self._identity: tuple[str, str] | None = None
        self._lock = RLock()  # sessions are not thread-safe, clients are

    def session(self) -> boto3.Session:
        """Return a session of its own, for whoever asks; its credentials are those of the chain."""
        with self._lock:
            return reported(self._open, call="session", what="cannot begin a session")

    def client(self, service: str, region: str | None = None) -> BaseClient:
        """Return the client of a service in a region; the same one every time."""
        found = self._clients.get((service, region))
        if found is not None:
            return found
        with self._lock:
            if (service, region) not in self._clients:
                work = lambda: self._made(service, region)  # noqa: E731
                made = reported(work, call="client", what=f"cannot make a client for {service}")
                self._clients[service, region] = made
            return self._clients[service, region]

    def call(self, function: Callable[..., T], /, **parameters: Any) -> T:
        """Call AWS; once more with newer credentials if it says that they are expired (botocore never does)."""
        held = [link.held() for link in self._links]
        try:
            return function(**parameters)
        except ClientError as error:
            if not self._links or not is_expired(error):
                raise
        for link, was in zip(self._links, held, strict=True):
            link.drop(was)
        return function(**parameters)

    def identity(self) -> tuple[str, str]:
        """Return the ARN and account that this is; asks STS once."""
        if self._identity is None:
            answer: dict[str, str] = self.call(self.client("sts").get_caller_identity)  # type: ignore[attr-defined]
            self._identity = answer["Arn"], answer["Account"]
        return self._identity

    @property
    def principal(self) -> str:
        """Who this is, as policies name it, as far as it can be known."""
        if self._role is not None:
            return self._role.arn
        try:
            return self.identity()[0]
        except (BotoCoreError, ClientError, DmengineError):
            return "the identity that this process runs as"

    def next(self, role: Role, clock: Clock) -> Chain:
        """Return the chain with one role more."""
        hop = f"hop {1 + sum(isinstance(link, HopCredentials) for link in self._links)}"
        link = HopCredentials(role, hop, self, clock)
        return _chain((*self._links, link), self._profile, self._region, self._endpoint, role)

    def _made(self, service: str, region: str | None) -> BaseClient:
        if self._session is None:
            self._session = self._open()
        options: Any = {"region_name": region or self._region, "endpoint_url": self._endpoint}
        config = standard_config(self._endpoint)
        try:
            client: BaseClient | None = self._session.client(service, config=config, **options)  # type: ignore[call-overload]
        except ValueError:
            client = None
        if client is None:
            raise no_endpoint()  # outside: the message shows the URL
        return client if isinstance(self._session._session, _Session) else _finished(client)


def chain_of(profile: str | None, region: str | None, endpoint: str | None) -> Chain:
    """Begin a chain with what a profile, the environment or the machine gives."""
    link = BaseCredentials(lambda: botocore.session.Session(profile=profile).get_credentials())
    return _chain((link,), profile, region, endpoint, None)


def chain_from(session: boto3.Session, region: str | None, endpoint: str | None) -> Chain:
    """Begin a chain with a session that somebody made; its clients are its own, with its handlers and settings."""
    profile = session.profile_name if session.profile_name in session.available_profiles else None
    region = region or session.region_name
    return Chain(lambda: session, profile=profile, region=region, endpoint=endpoint, links=())


def _chain(
    links: tuple[SelfRenewing, ...], profile: str | None, region: str | None, endpoint: str | None, role: Role | None
) -> Chain:
    def opened() -> boto3.Session:
        return boto3.Session(botocore_session=_Session(links[-1], profile, region, endpoint))

    return Chain(opened, profile=profile, region=region, endpoint=endpoint, links=links, role=role)


class _Session(botocore.session.Session):
    """A session whose credentials are a link of ours, and whose clients are as ours should be."""

    def __init__(self, link: SelfRenewing, profile: str | None, region: str | None, endpoint: str | None) -> None:
        super().__init__(profile=profile)
        self._endpoint = endpoint
        self.register_component("credential_provider", CredentialResolver([_Fixed(link)]))
        if region is not None:
            self.set_config_variable("region", region)

    def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:
        """Make a client, with our settings under the caller's."""
        config = standard_config(self._endpoint)
        options["config"] = config.merge(options["config"]) if options.get("config") else config
        options["endpoint_url"] = options.get("endpoint_url") or self._endpoint
        return _finished(super().create_client(service_name, *args, **options))


class _Fixed(CredentialProvider):
    METHOD = "dmengine"

    def __init__(self, link: SelfRenewing) -> None:
        super().__init__()
        self._link = link

    def load(self) -> Credentials:
        return self._link


def _finished(client: Any) -> Any:
    check_endpoint(client.meta.endpoint_url)  # it may come from AWS_ENDPOINT_URL or a profile
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-call.{service}", _note_time)
    client.meta.events.register_first(f"needs-retry.{service}", _give_up)
    silence()
    return client


def silence() -> None:
    """Keep debug logs of the AWS libraries off: they hold bodies, tokens and keys.

    Every logger that there is is set, not only the topmost: a program that turns "botocore" to DEBUG for its own
    purposes would else turn on the ones below it.
    """
    for name in (*_LOUD, *list(logging.root.manager.loggerDict)):
        logger = logging.getLogger(name)
        if name.partition(".")[0] in _LOUD and logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


def _note_time(context: dict[str, Any], **_: object) -> None:
    context["dmengine_began"] = monotonic()


def _give_up(
    request_dict: Any, operation: Any, response: Any, caught_exception: Any, attempts: int, **_: object
) -> float | None:
    """Try again while there are attempts and time: each call has its own, where botocore has one budget for a client.

    That budget is spent by calls that fail twice in a row, or that end in an answer like 412: at one fault in five a
    long run would come to its end, and then a single fault would be the last.
    """
    trouble = caught_exception
    if trouble is None and response is not None and "Error" in response[1]:
        trouble = ClientError(response[1], operation.name)
    if trouble is None or kind_of(trouble) not in ("throttled", "busy", "unreachable"):
        return None
    began = request_dict["context"].get("dmengine_began")
    if began is not None and monotonic() - began >= DEADLINE:
        raise trouble
    return random.uniform(0, min(20.0, 2.0 ** (attempts - 1))) if attempts < ATTEMPTS else None  # noqa: S311  # jitter
