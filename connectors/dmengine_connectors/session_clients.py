"""The clients of a chain of roles: one a service and region, with our retries and deadline, and without debug logs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import RLock
from typing import Any, Final, TypeVar

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader

from dmengine.errors import DmengineError
from dmengine.versions import version
from dmengine_connectors.aws_errors import is_expired, reported
from dmengine_connectors.session_hops import BaseCredentials, Clock, HopCredentials, SelfRenewing
from dmengine_connectors.session_logs import silence
from dmengine_connectors.session_retries import HURRIED, PATIENT, Patience, Retries, called
from dmengine_connectors.session_roles import Role, check_endpoint, is_loopback, no_endpoint, policy_arn

T = TypeVar("T")

_RENEWALS: Final = 3


def standard_config(endpoint: str | None, patience: Patience = PATIENT) -> Config:
    """Return how our clients call: as often as `session_retries` says, which decides before botocore, and time-outs."""
    local = endpoint is not None and is_loopback(endpoint)
    return Config(
        user_agent_extra=f"dmengine/{version()}",
        retries={"total_max_attempts": patience.attempts, "mode": "standard"},
        connect_timeout=patience.connect,
        read_timeout=patience.read,
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
        patience: Patience = PATIENT,
    ) -> None:
        self._patience = patience
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
        """Call AWS; again with newer credentials if it says that they are expired (botocore never does).

        Another thread may have signed with keys that end while they are renewed, so once more is not always enough.
        """
        for _ in range(_RENEWALS):
            held = [link.held() for link in self._links]
            try:
                return called(function, parameters, self._patience.attempts)
            except ClientError as error:
                if not self._links or not is_expired(error):
                    raise
            for link, was in zip(self._links, held, strict=True):
                link.drop(was)
        return called(function, parameters, self._patience.attempts)

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
            return policy_arn(self.identity()[0])
        except (BotoCoreError, ClientError, DmengineError):
            return "the identity that this process runs as"

    def kind(self) -> str:
        """Return how the credentials came to be, as botocore names it; nothing for a session that somebody made."""
        if self._role is not None:
            return "assume-role"
        first = self._links[0] if self._links else None
        return first.kind() if isinstance(first, BaseCredentials) else ""

    def next(self, role: Role, clock: Clock) -> Chain:
        """Return the chain with one role more."""
        hop = f"hop {1 + sum(isinstance(link, HopCredentials) for link in self._links)}"
        link = HopCredentials(role, hop, self, clock)
        return _chain((*self._links, link), self._profile, self._region, self._endpoint, role)

    def hurried(self, before: Chain | None) -> Chain:
        """Return a chain that soon gives up, with the credentials that this one has at the moment.

        Args:
            before: The hurried chain of one role less, where this one ends in a role.
        """
        last = self._links[-1] if self._links else None
        if last is None:
            return Chain(
                self._open, profile=self._profile, region=self._region, endpoint=self._endpoint, links=(),
                patience=HURRIED,
            )  # fmt: skip
        links = self._links
        if isinstance(last, BaseCredentials):
            links = (last.lent(HURRIED),)
        elif before is not None and isinstance(last, HopCredentials):
            links = (*before._links, last.lent(before))
        return _chain(links, self._profile, self._region, self._endpoint, self._role, HURRIED)

    def _made(self, service: str, region: str | None) -> BaseClient:
        if self._session is None:
            self._session = self._open()
        options: Any = {"region_name": region or self._region, "endpoint_url": self._endpoint}
        config = standard_config(self._endpoint, self._patience)
        try:
            client: BaseClient | None = self._session.client(service, config=config, **options)  # type: ignore[call-overload]
        except ValueError:
            client = None
        if client is None:
            raise no_endpoint()  # outside: the message shows the URL
        return client if isinstance(self._session._session, _Session) else _finished(client, self._patience)


def chain_of(profile: str | None, region: str | None, endpoint: str | None) -> Chain:
    """Begin a chain with what a profile, the environment or the machine gives."""
    link = BaseCredentials(lambda patience: _Session(None, profile, region, endpoint, patience).get_credentials())
    return _chain((link,), profile, region, endpoint, None)


def chain_from(session: boto3.Session, region: str | None, endpoint: str | None) -> Chain:
    """Begin a chain with a session that somebody made; its clients are its own, with its handlers and settings."""
    profile = session.profile_name if session.profile_name in session.available_profiles else None
    region = region or session.region_name
    return Chain(lambda: session, profile=profile, region=region, endpoint=endpoint, links=())


def _chain(
    links: tuple[SelfRenewing, ...], profile: str | None, region: str | None, endpoint: str | None, role: Role | None,
    patience: Patience = PATIENT,
) -> Chain:  # fmt: skip
    def opened() -> boto3.Session:
        return boto3.Session(botocore_session=_Session(links[-1], profile, region, endpoint, patience))

    return Chain(
        opened, profile=profile, region=region, endpoint=endpoint, links=links, role=role, patience=patience
    )  # fmt: skip


class _Session(botocore.session.Session):
    """A session whose credentials are a link of ours, and whose clients are as ours should be.

    Without a link its credentials are what botocore finds, also where that asks STS: for a profile's own role, or with
    the token of a web identity.
    """

    def __init__(
        self, link: SelfRenewing | None, profile: str | None, region: str | None, endpoint: str | None,
        patience: Patience,
    ) -> None:  # fmt: skip
        super().__init__(profile=profile)
        self._endpoint = endpoint
        self._patience = patience
        if link is not None:
            self.register_component("credential_provider", CredentialResolver([_Fixed(link)]))
        self.register_component("data_loader", _models(self.get_config_variable("data_path")))
        if region is not None:
            self.set_config_variable("region", region)

    def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:
        """Make a client, with our settings under the caller's."""
        config = standard_config(self._endpoint, self._patience)
        options["config"] = config.merge(options["config"]) if options.get("config") else config
        options["endpoint_url"] = options.get("endpoint_url") or self._endpoint
        return _finished(super().create_client(service_name, *args, **options), self._patience)


@cache
def _models(data_path: str | None) -> Loader:
    """Return the descriptions of the services, read once a process and not once a hop: they are megabytes of JSON."""
    return create_loader(data_path)


class _Fixed(CredentialProvider):
    METHOD = "dmengine"

    def __init__(self, link: SelfRenewing) -> None:
        super().__init__()
        self._link = link

    def load(self) -> Credentials:
        return self._link


def _finished(client: Any, patience: Patience) -> Any:
    check_endpoint(client.meta.endpoint_url)  # it may come from AWS_ENDPOINT_URL or a profile
    Retries(patience).watch(client)
    silence()
    return client
