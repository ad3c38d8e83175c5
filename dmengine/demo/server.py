"""AWS for the demo: moto over HTTP in this process, which minds trust policies and remembers who called what."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPConnection
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import parse_qsl

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

_SCOPE: Final = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")
_DENIED: Final = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error>
<RequestId>demo</RequestId></ErrorResponse>"""


class Server:
    """A stand-in for AWS on a free port of this machine, as long as the `with` block lasts.

    Attributes:
        trust: Role ARN -> trust policy, for roles that not everybody may assume; moto itself lets everybody.
        calls: How often each role's session has made each kind of call.
    """

    def __init__(self) -> None:
        self.trust: dict[str, Mapping[str, Any]] = {}
        self.calls: Counter[tuple[str, str]] = Counter()
        self._callers: dict[str, str] = {}
        self._lock = Lock()
        self._moto: Any = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        signed = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, service = signed.groups() if signed else ("", "")
        if service != "sts":
            self._note(key, _s3_call(environ))
            return self._moto(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        query = dict(parse_qsl(body.decode()))
        self._note(key, f"sts {query.get('Action')}")
        if query.get("Action") != "AssumeRole":
            return self._moto(environ | {"wsgi.input": io.BytesIO(body)}, start_response)
        if not self._trusted(self._callers.get(key, ""), query):
            start_response("403 Forbidden", [("Content-Type", "text/xml"), ("Content-Length", str(len(_DENIED)))])
            return [_DENIED]
        answer = b"".join(self._moto(environ | {"wsgi.input": io.BytesIO(body)}, start_response))
        self._learn(answer.decode())
        return [answer]

    def _trusted(self, caller: str, query: Mapping[str, str]) -> bool:
        """Say whether a role trusts its caller: as far as the policies go that this demo writes."""
        policy = self.trust.get(query["RoleArn"])
        if policy is None:
            return True
        [statement] = policy["Statement"]
        wanted = statement.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId")
        return statement["Principal"]["AWS"] == _role_of(caller) and wanted in (None, query.get("ExternalId"))

    def _learn(self, answer: str) -> None:
        key, arn = (re.search(f"<{name}>([^<]+)</{name}>", answer) for name in ("AccessKeyId", "Arn"))
        if key and arn:
            self._callers[key[1]] = arn[1]

    def _forget(self) -> None:
        """Empty moto, whose buckets are the process's: another demo begins with none."""
        connection = HTTPConnection("127.0.0.1", self._server.server_port, timeout=60)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
        connection.close()

    def _note(self, key: str, call: str) -> None:
        with self._lock:
            self.calls[self._callers.get(key, ""), call] += 1


def _role_of(session: str) -> str:
    """Return the role whose session an ARN names."""
    return re.sub(r"^arn:aws:sts::(\d+):assumed-role/([^/]+)/.*$", r"arn:aws:iam::\1:role/\2", session)


def _s3_call(environ: Mapping[str, Any]) -> str:
    kind = "read" if environ["REQUEST_METHOD"] in ("GET", "HEAD") else "write"
    return f"s3 {kind} {environ['PATH_INFO'].split('/')[1]}"


class _Quiet(MotoRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing."""
