"""Logs in to a Redshift cluster: over TLS, within seconds, with a password or with what IAM gives for an hour."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from dmengine.errors import PlanError, PluginError, StoreError
from dmengine_connectors.aws_errors import AwsError, reported
from dmengine_connectors.session import SessionFactory

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  # psycopg2's class has a small name

Tls = Literal["verify-full", "verify-ca", "require", "disable"]
Trouble = Literal[
    "host", "port", "silent", "tls", "password", "database", "iam", "denied", "cluster", "refused", "other"
]  # fmt: skip
_DURATION: Final = 900  # seconds, the least; credentials are needed for the login only
_HOSTS: Final = re.compile(
    r"(?P<name>[\w-]+)\.[\w-]+\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.redshift(?P<serverless>-serverless)?\.amazonaws\.com"
    r"(?:\.cn)?",
    re.ASCII,
)

_NO_CLUSTER: Final = ("ClusterNotFound", "ClusterNotFoundFault", "ResourceNotFoundException")

# What libpq and the server say, in lower case, the first that fits.
_SIGNS: Final[tuple[tuple[str, Trouble], ...]] = (
    ("could not translate host name", "host"),
    ("name or service not known", "host"),
    ("connection refused", "port"),
    ("timeout expired", "silent"),
    ("timed out", "silent"),
    ("no route to host", "silent"),
    ("network is unreachable", "silent"),
    ("password authentication failed", "password"),
    ("no password supplied", "password"),
    ("iam authentication failed", "password"),
    ("pg_hba", "refused"),
    ("certificate", "tls"),
    ("ssl", "tls"),
    ("does not exist", "database"),
    ("too many", "refused"),
    ("limit", "refused"),
)
_TOLD: Final[dict[Trouble, tuple[str, str]]] = {
    "host": ("the host's name is not known", "copy the endpoint of the cluster or workgroup without port and database"),
    "port": ("the host is there, and nothing listens on the port", "take the port of the endpoint: 5439 by default"),
    "silent": (
        "the host does not answer",
        "let the cluster's security group and routes admit this machine on the port; a paused cluster is silent too",
    ),
    "tls": (
        "TLS cannot be agreed on: the server has none, or its certificate is not of this host or not trusted",
        "connect by the name in the certificate, or name the authority that signed it: ca=/path/to/bundle.pem",
    ),
    "password": (
        "the user or the password is not accepted",
        "check user and password, and that the user may log in; what was given is never shown",
    ),
    "database": ("the user or the database does not exist", "SELECT datname FROM pg_database lists them"),
    "denied": (
        "IAM gives no credentials for the cluster",
        "allow the call in the policy of whoever calls, on this cluster, user and database",
    ),
    "cluster": (
        "AWS knows no cluster or workgroup of that name",
        "check the name in iam_login, the region, and that the last role is of the cluster's account",
    ),
    "iam": ("IAM gives no credentials for the cluster", "see what AWS says"),
    "refused": ("the cluster refuses this login", "look at its limits of connections and its rules of authentication"),
    "other": ("the server does not answer as Redshift does", "check host and port: is it Redshift that listens there?"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class IamLogin:
    """Credentials that AWS gives for one login, in place of a password.

    Attributes:
        kind: Whose: "cluster" for a named user (GetClusterCredentials), "cluster_iam" for a user that IAM is
            (GetClusterCredentialsWithIAM), "serverless" for a workgroup (GetCredentials).
        name: The cluster's identifier, or the workgroup's name.
        auto_create: Whether a user that is not there is created; "cluster" only.
        groups: The groups that the user joins for this session; "cluster" only.
    """

    kind: Literal["cluster", "cluster_iam", "serverless"]
    name: str
    auto_create: bool = False
    groups: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """The call that gives them."""
        calls = {"cluster": "GetClusterCredentials", "cluster_iam": "GetClusterCredentialsWithIAM"}
        return calls.get(self.kind, "GetCredentials")

    @property
    def action(self) -> str:
        """The same, as policies name it."""
        return f"redshift{'-serverless' if self.kind == 'serverless' else ''}:{self.call}"


@dataclass(frozen=True, slots=True)
class RedshiftLogin:
    """Where a cluster is and who logs in. It asks nothing before `open_connection`.

    Attributes:
        host: The endpoint, without port and database.
        database: The database in it.
        user: The database user; not needed where IAM says who it is.
        port: The port.
        password: Returns the password when it is needed; it is never kept.
        iam: How IAM gives the credentials, in place of a password.
        tls: How sure we are of the server; "disable" for a server on this machine only.
        ca: A file of the authorities to trust; by default those of botocore, which know Amazon's.

    >>> RedshiftLogin("crm.x1.eu-west-1.redshift.amazonaws.com", "dev", "masker", password=str).region
    'eu-west-1'

    Raises:
        PlanError: it could not be used, whatever the cluster says.
    """

    host: str
    database: str
    user: str = ""
    port: int = 5439
    password: Callable[[], str] | None = field(default=None, repr=False)
    iam: IamLogin | None = None
    tls: Tls = "verify-full"
    ca: str = ""

    def __post_init__(self) -> None:
        if not self.host or not re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", self.host):
            raise PlanError("the host of a Redshift connection is no host", hint="copy it from the cluster's endpoint")
        if not 0 < self.port < 65536:
            raise PlanError("the port of a Redshift connection is no port", hint="Redshift's is 5439 by default")
        if self.tls == "disable" and not _is_here(self.host):
            raise PlanError(
                "a login without TLS is for servers on this machine only",
                hint='leave tls out ("verify-full"); "require" at least, where the certificate cannot be checked',
            )
        if self.password is None and self.iam is None:
            raise PlanError(
                "a Redshift connection has neither a password nor IAM", hint="name where the password is, or use IAM"
            )
        if not self.user and (self.iam is None or self.iam.kind == "cluster"):
            raise PlanError("a Redshift connection names no user", hint="add user")

    @property
    def region(self) -> str:
        """The region that the endpoint's name tells, or nothing."""
        return endpoint_of(self.host).region

    @property
    def cluster(self) -> str:
        """The cluster or workgroup that IAM is asked for, or that the endpoint's name tells, or nothing."""
        return self.iam.name if self.iam is not None else endpoint_of(self.host).name

    @property
    def serverless(self) -> bool:
        """Whether it is a workgroup, not a cluster."""
        return endpoint_of(self.host).serverless or (self.iam is not None and self.iam.kind == "serverless")


class Endpoint(NamedTuple):
    """What the name of a host tells: which cluster or workgroup, and where; of hosts that are not AWS's nothing."""

    name: str = ""
    region: str = ""
    serverless: bool = False


def endpoint_of(host: str) -> Endpoint:
    """Return what the name of a host tells.

    >>> endpoint_of("crm.x1.eu-west-1.redshift.amazonaws.com")
    Endpoint(name='crm', region='eu-west-1', serverless=False)
    """
    found = _HOSTS.fullmatch(host)
    return Endpoint(found["name"], found["region"], found["serverless"] is not None) if found else Endpoint()


class LoginError(StoreError):
    """A login failed; `trouble` says at what. Nothing that the server or the driver said is in it."""

    trouble: Trouble = "other"


def open_connection(
    login: RedshiftLogin, session: SessionFactory | None = None, *, patience: float = 6.0, statement_seconds: int = 0
) -> Connection:
    """Log in. The connection commits by itself until it is told otherwise.

    Args:
        login: Where, and as whom.
        session: Who asks IAM for credentials, where the login wants them.
        patience: Seconds until there must be a connection, the lookup of the host's name among them.
        statement_seconds: How long a statement may take on the cluster; 0: no end.

    Raises:
        LoginError: there is none, and why.
        PluginError: psycopg2 is not installed.
    """
    driver = _driver()
    made = _connected(driver, login, _credentials(login, session), patience)
    if isinstance(made, str):
        raise _refused(login, made)
    made.autocommit = True
    if statement_seconds:
        with made.cursor() as cursor:
            cursor.execute(f"SET statement_timeout TO {statement_seconds * 1000:d}")
    return made


def _connected(driver: Any, login: RedshiftLogin, who: tuple[str, str], patience: float) -> Connection | Trouble:
    """Return a connection, or at what it failed; errors are raised by a frame that does not know the password."""
    facts: dict[str, Any] = {
        "host": login.host, "port": login.port, "dbname": login.database, "user": who[0], "password": who[1],
        "sslmode": login.tls, "connect_timeout": max(2, int(patience) - 1), "application_name": "dmengine",
        "client_encoding": "utf8", "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    }  # fmt: skip
    if login.tls.startswith("verify"):
        facts["sslrootcert"] = login.ca or _authorities()
    made: Connection | Exception = _within(patience, lambda: driver.connect(**facts))
    return _trouble(str(made)) if isinstance(made, Exception) else made


def _credentials(login: RedshiftLogin, session: SessionFactory | None) -> tuple[str, str]:
    """Return the user and the password to log in with."""
    if (iam := login.iam) is None:
        assert login.password is not None
        return login.user, login.password()
    session = session or SessionFactory(region=login.region or None)
    try:
        return reported(lambda: _asked(login, iam, session), call=iam.action, what="")
    except StoreError as error:
        trouble = _iam_trouble(error)
        said = f": {error.message.removeprefix(': ')}"
        problem = _refused(login, trouble, said, error.hint if trouble == "iam" else "")
    raise problem


def _iam_trouble(error: StoreError) -> Trouble:
    if not isinstance(error, AwsError):
        return "iam"
    return "cluster" if error.code in _NO_CLUSTER else "denied" if error.kind == "denied" else "iam"


def _asked(login: RedshiftLogin, iam: IamLogin, session: SessionFactory) -> tuple[str, str]:
    region = login.region or None
    if iam.kind == "serverless":
        client: Any = session.client("redshift-serverless", region=region)
        answer = session.call(
            client.get_credentials, workgroupName=iam.name, dbName=login.database, durationSeconds=_DURATION
        )
        return answer["dbUser"], answer["dbPassword"]
    client = session.client("redshift", region=region)
    wanted: dict[str, Any] = {"ClusterIdentifier": iam.name, "DbName": login.database, "DurationSeconds": _DURATION}
    if iam.kind == "cluster_iam":
        answer = session.call(client.get_cluster_credentials_with_iam, **wanted)
        return answer["DbUser"], answer["DbPassword"]
    wanted |= {"DbUser": login.user, "AutoCreate": iam.auto_create, "DbGroups": list(iam.groups)}
    answer = session.call(client.get_cluster_credentials, **wanted)
    return answer["DbUser"], answer["DbPassword"]


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """Return what work returns, or the exception that it ended with; libpq's time-out leaves the name lookup out."""
    answers: SimpleQueue[Any] = SimpleQueue()
    given_up = Event()

    def do() -> None:
        try:
            made = work()
        except Exception as error:  # noqa: BLE001  # it is looked at by whoever waits
            answers.put(error)
            return
        answers.put(made)
        if given_up.is_set():
            made.close()

    Thread(target=do, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        given_up.set()
    return TimeoutError("timed out")


def _trouble(said: str) -> Trouble:
    lower = re.sub(r'"[^"]*"', "", said).lower()  # names of hosts, users and databases may be any words
    return next((trouble for sign, trouble in _SIGNS if sign in lower), "other")


def _refused(login: RedshiftLogin, trouble: Trouble, more: str = "", hint: str = "") -> LoginError:
    told, remedy = _TOLD[trouble]
    error = LoginError(f"cannot log in to {login.host}:{login.port}: {told}{more}", hint=hint or remedy)
    error.trouble = trouble
    return error


def _driver() -> Any:
    try:
        import psycopg2
    except ImportError as error:
        raise PluginError("psycopg2 is not installed", hint="pip install 'dmengine[redshift]'") from error
    return psycopg2


def _authorities() -> str:
    import botocore

    return str(Path(botocore.__file__).with_name("cacert.pem"))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
