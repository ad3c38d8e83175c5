"""A stand-in for Redshift: PostgreSQL behind a proxy that knows UNLOAD and COPY, over TCP and TLS."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.redshift.postgres import Postgres
from tests.redshift.standin_s3 import Cluster
from tests.redshift.standin_wire import Gone, begin, converse

DATABASE, USER, PASSWORD = "crm", "masker", "a-password-CANARY"
_CATALOG: Final = (Path(__file__).parent / "catalog.sql").read_text("utf-8")
_FRESH: Final = (Path(__file__).parent / "fresh.sql").read_text("utf-8")


class StandIn:
    """Listens on a free port of the loopback interface as a cluster does, until it is closed.

    It proves the protocol, TLS, logins, rights, transactions, files and chains of roles; not Redshift's planner, its
    isolation errors or the dialect of its SQL.

    Attributes:
        cluster: What the cluster is allowed; set it for each test.
        ca: The file of the authority that signed its certificate, which is for `localhost`.
    """

    def __init__(self) -> None:
        self._postgres = Postgres()
        admin = self._postgres.connect()
        with admin.cursor() as cursor:
            cursor.execute("CREATE ROLE masker LOGIN PASSWORD %s", (PASSWORD,))
            cursor.execute("CREATE ROLE owner LOGIN PASSWORD %s", (PASSWORD,))
            cursor.execute(f"CREATE DATABASE {DATABASE}")
        admin.close()
        with contextlib.closing(self.admin()) as admin, admin.cursor() as cursor:
            cursor.execute(_CATALOG)
        self.cluster = Cluster("")
        self._folder = tempfile.TemporaryDirectory(prefix="dmengine-tls-")
        self.ca, self._tls = _certificates(Path(self._folder.name))
        self.secure, self.plain = self._listen(self._tls), self._listen(None)

    def forget(self) -> None:
        """Empty the database, and give it Redshift's catalogs as they are at first."""
        with contextlib.closing(self.admin()) as admin, admin.cursor() as cursor:
            cursor.execute(_FRESH)

    def admin(self) -> Any:
        """Return a connection of the superuser's, past the proxy."""
        return self._postgres.connect(DATABASE)

    @property
    def postgres_pid(self) -> int:
        """The process of PostgreSQL."""
        return self._postgres.pid

    def close(self) -> None:
        """Stop all of it."""
        for listening in (self.secure, self.plain):
            listening.close()
        self._postgres.close()
        self._folder.cleanup()

    def _listen(self, tls: ssl.SSLContext | None) -> Listening:
        server = socket.create_server(("127.0.0.1", 0))
        Thread(target=self._accept, args=(server, tls), daemon=True).start()
        return Listening(server)

    def _accept(self, server: socket.socket, tls: ssl.SSLContext | None) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return  # it was closed
            Thread(target=self._serve, args=(client, tls), daemon=True).start()

    def _serve(self, client: socket.socket, tls: ssl.SSLContext | None) -> None:
        with contextlib.suppress(Gone, OSError), client, contextlib.ExitStack() as ends:
            if begun := begin(client, self._postgres.port, tls, ends):
                converse(*begun, lambda *query: self.cluster.instead(*query))


@dataclass(frozen=True)
class Listening:
    """A socket that listens."""

    server: socket.socket

    @property
    def port(self) -> int:
        """Where."""
        return int(self.server.getsockname()[1])

    def close(self) -> None:
        """Stop."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


def _certificates(folder: Path) -> tuple[str, ssl.SSLContext]:
    """Make an authority, and a certificate of it for localhost; return the authority's file and what a server needs."""
    authority, authority_key = _certificate("Stand-in authority", None)
    served, key = _certificate("localhost", (authority, authority_key))
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    chain = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(secret + served.public_bytes(serialization.Encoding.PEM))
    os.chmod(chain, 0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return str(folder / "ca.pem"), context


Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _certificate(name: str, by: Signer | None) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost")]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(by[1] if by else key, hashes.SHA256())
    )
    return made, key
