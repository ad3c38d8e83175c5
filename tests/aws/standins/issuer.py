"""Where a machine of account A gets its keys: a container's endpoint, an instance's metadata, a web identity."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from tests.aws.standins.accounts import SOURCE_ROLE, Accounts, Identity
from tests.aws.standins.calls import Answer, Call, refusal
from tests.aws.standins.listening import Listening
from tests.aws.standins.server import ACCOUNT_A

LIFE = 3600
_IMDS = "/latest/meta-data/iam/security-credentials/"
_ARN = f"arn:aws:sts::{ACCOUNT_A}:assumed-role/Source-DM-Role/machine"


class Issuer(Listening):
    """Hands out keys of Source-DM-Role that end after an hour, the same ones until they are about to end.

    Attributes:
        token: What a container or a web identity must show; None lets nobody in.
        issued: The access keys that were handed out.
        asked: Each request that came, by its path, and web identities by their role.
        chained: Whether STS counts the keys as those of a role that was assumed.
    """

    def __init__(self, accounts: Accounts) -> None:
        self.token: str | None = "token-1"
        self.issued: list[str] = []
        self.asked: list[str] = []
        self.chained = False
        self._accounts = accounts
        self._now: tuple[float, dict[str, str]] = (0.0, {})
        self._lock = Lock()
        accounts.federate = self._federate
        self._listen(_server(self))

    def rotate(self) -> None:
        """Let the keys that are out end now."""
        self._accounts.end_session(self.issued[-1])
        self._now = (0.0, {})

    def keys(self) -> dict[str, str]:
        """Return the keys of now, in the words of all but STS."""
        with self._lock:
            held = self._accounts._identities.get(self._now[1].get("AccessKeyId", ""))
            ended = held is None or (held.until or 0) <= self._accounts.clock()
            if ended or self._now[0] - self._accounts.clock() < 300:
                self._now = self._made(len(self.issued))
            return self._now[1]

    def answer(self, method: str, path: str, headers: Any) -> tuple[int, str]:
        """Answer a container, an instance or a process."""
        self.asked.append(path)
        if path == "/process":
            return 200, json.dumps({"Version": 1, "SessionToken": self.keys()["Token"], **self.keys()})
        if path == "/container":
            return (200, json.dumps(self.keys())) if headers["Authorization"] == self.token else (401, "CANARY-ANSWER")
        if path == "/latest/api/token" and method == "PUT" and self.token is not None:
            return 200, "imds-token"
        if headers["X-aws-ec2-metadata-token"] != "imds-token":
            return 401, "CANARY-ANSWER"
        if path == _IMDS:
            return 200, "Source-DM-Role"
        return (200, json.dumps({"Code": "Success", **self.keys()})) if path == f"{_IMDS}Source-DM-Role" else (404, "")

    def _made(self, number: int) -> tuple[float, dict[str, str]]:
        key, until = f"ASIAISSUED{number:010}", self._accounts.clock() + LIFE
        self._accounts.add_identity(
            key, Identity(ACCOUNT_A, _ARN, f"CANARY-TOKEN-{number}", SOURCE_ROLE, until, self.chained)
        )
        self.issued.append(key)
        return until, {
            "AccessKeyId": key, "SecretAccessKey": "CANARY-SECRET", "Token": f"CANARY-TOKEN-{number}",
            "Expiration": datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }  # fmt: skip

    def _federate(self, call: Call) -> Answer:
        """Answer AssumeRoleWithWebIdentity, which nobody signs; such a session is that of an assumed role."""
        self.asked.append(call.query["RoleArn"])
        if call.query["WebIdentityToken"] != self.token:
            return refusal(call, 400, "InvalidIdentityToken", "CANARY-ANSWER")
        self.chained = True
        keys = self.keys()
        words = {**keys, "SessionToken": keys["Token"]}
        given = "".join(f"<{name}>{value}</{name}>" for name, value in words.items() if name != "Token")
        name = "AssumeRoleWithWebIdentity"
        body = (
            f'<{name}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{name}Result><AssumedRoleUser>'
            f"<AssumedRoleId>AROA:machine</AssumedRoleId><Arn>{_ARN}</Arn></AssumedRoleUser>"
            f"<Credentials>{given}</Credentials></{name}Result></{name}Response>"
        )
        return Answer(200, body.encode(), {"Content-Type": "text/xml"})


def _server(issuer: Issuer) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1

        def _any(self) -> None:
            status, text = issuer.answer(self.command, self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = _any

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server
