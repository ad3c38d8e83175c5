"""An STS over HTTP, in simulated time, for what moto is lax about: expiry, external ids, refusals, throttling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

BASE_KEY = "AKIABASEBASEBASEBASE"
REQUEST_ID = "5f0c2f3e-0000-4000-8000-a11ce0000001"
SECRETS = ("CANARY-BASE", "CANARY-SECRET", "CANARY-TOKEN")
"""The secret key to begin with, and those of sessions: nothing may show them."""


@dataclass
class FakeSts:
    """What it knows and was asked. Codes queued in `refuse` are answered first, one a call."""

    now: float = 1_800_000_000.0
    url: str = ""
    external_ids: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    refuse: list[str] = field(default_factory=list)
    lives: float | None = None
    impostor: bool = False
    pause: Callable[[], object] = lambda: None
    """Called before an AssumeRole is looked at."""
    assumed: list[tuple[str, str]] = field(default_factory=list)
    """(role, caller) of each AssumeRole that came through to the decision."""
    requests: list[dict[str, str]] = field(default_factory=list)
    _sessions: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clock(self) -> float:
        return self.now

    def expire_all(self) -> None:
        """End every session now, as a clock that is wrong or a revocation would."""
        self._sessions = {key: (arn, 0.0) for key, (arn, _) in self._sessions.items()}

    def answer(self, form: dict[str, str], key: str) -> tuple[int, str]:
        """Answer a request that was signed with an access key."""
        if form["Action"] == "AssumeRole":
            self.pause()
        with self._lock:
            if self.refuse:
                return _refusal(self.refuse.pop(0))
            caller = self._caller(key)
            if caller is None:
                return _refusal("ExpiredToken")
            self.requests.append(form)
            if form["Action"] == "GetCallerIdentity":
                return 200, _result(
                    "GetCallerIdentity", f"<Arn>{caller}</Arn><Account>{caller.split(':')[4]}</Account>"
                )
            return self._assume(form, caller)

    def _caller(self, key: str) -> str | None:
        if key == BASE_KEY:
            return "arn:aws:iam::111111111111:user/ann"
        arn, until = self._sessions[key]
        return arn if self.now < until else None

    def _assume(self, form: dict[str, str], caller: str) -> tuple[int, str]:
        role = form["RoleArn"]
        self.assumed.append((role, caller))
        if role in self.denied or self.external_ids.get(role) != form.get("ExternalId"):
            return _refusal("AccessDenied")
        account, name = role.split(":")[4], role.rpartition("/")[2]
        account = "999999999999" if self.impostor else account
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{form['RoleSessionName']}"
        until = self.now + (self.lives or int(form["DurationSeconds"]))
        key = f"ASIA{len(self._sessions):016}"
        self._sessions[key] = arn, until
        expiration = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = (
            f"<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser><Credentials>"
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>CANARY-SECRET</SecretAccessKey>"
            f"<SessionToken>CANARY-TOKEN</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
        )
        return 200, _result("AssumeRole", body)


@contextmanager
def serving(sts: FakeSts) -> Iterator[FakeSts]:
    """Serve it on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: two would wait for each other

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
            status, text = sts.answer(form, key)
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    sts.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield sts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _result(action: str, body: str) -> str:
    return (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{body}</{action}Result>'
        f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></{action}Response>"
    )


def _refusal(code: str) -> tuple[int, str]:
    status = 500 if code == "InternalFailure" else 400 if code == "Throttling" else 403
    return status, (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>CANARY-MESSAGE</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
