"""An HTTP proxy before moto that is as strict as AWS, counts, injects faults, and kills its client at a request."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition
from types import TracebackType
from typing import Any, cast

from botocore.awsrequest import HeadersDict

from tests.aws.standins.accounts import Accounts
from tests.aws.standins.bodies import BadBodyError, Uploads, composite, unwrapped
from tests.aws.standins.calls import Answer, Call, read_call, refusal, s3_error
from tests.aws.standins.faults import Fate, Fates, Kill
from tests.aws.standins.listening import Listening

_PIECE = 1 << 18
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect", "server"})
_LEARNED_FROM = (
    "AssumeRole", "CreateBucket", "CreateMultipartUpload", "UploadPart", "ListMultipartUploads",
    "CompleteMultipartUpload", "AbortMultipartUpload",
)  # fmt: skip


class Proxy(Listening):
    """Listens on a free port of the loopback interface until it is closed.

    Attributes:
        accounts: Who may do what.
        fates: What goes wrong; set it at any time.
        kill: When to kill the client; counted with `log`, which `forget` empties.
        log: Each call that came, in order: `PutObject bucket/key`.
        calls: The same calls, without their bodies.
        watch: Called with each call as it comes, body and all.
        moments: Grows with each call that comes and with each that is done; as long as it does not, nothing changes.
    """

    def __init__(self, upstream: int, accounts: Accounts, tls: ssl.SSLContext | None = None) -> None:
        self.accounts = accounts
        self.fates = Fates(0)
        self.kill: Kill | None = None
        self.log: list[str] = []
        self.calls: list[Call] = []
        self.watch: Callable[[Call], None] = lambda call: None
        self.uploads = Uploads()
        self.upstream = upstream
        self._seen: Counter[str] = Counter()
        self.moments = 0
        self._change = Condition()
        self._busy = 0
        self._listen(_Server(self, tls), "https" if tls else "http")

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def forget(self) -> None:
        """Begin to count anew, once nothing is under way any more; faults and kills end."""
        with self._change:
            assert self._change.wait_for(lambda: self._busy == 0, 30), "calls that never end"
            self.log, self.calls, self.kill, self.fates = [], [], None, Fates(0)
            self._seen.clear()

    def count(self, operation: str) -> int:
        """Return how many calls of an operation came."""
        return self._seen[operation]

    @contextmanager
    def arrived(self, call: Call) -> Iterator[tuple[Kill | None, Fate | None]]:
        """Count a call, and say what is to happen to it."""
        with self._change:
            self._busy += 1
            self.moments += 1
            self.log.append(str(call))
            self.calls.append(replace(call, body=b""))
            self.watch(call)
            self._seen[call.operation] += 1
            kill = self.kill if self.kill is not None and len(self.log) == self.kill.at else None
            fate = self.fates.fate(call, self._seen[call.operation])
        try:
            yield kill, fate
        finally:
            with self._change:
                self._busy -= 1
                self.moments += 1
                self._change.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: Proxy, tls: ssl.SSLContext | None) -> None:
        self.proxy = proxy
        self.tls = tls
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""


class _GoneError(Exception):
    """The connection was reset on purpose."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def setup(self) -> None:
        """Make TLS of it where asked, and a connection to moto of its own."""
        server = cast(_Server, self.server)
        if server.tls is not None:
            self.request = server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self._proxy = server.proxy
        self._moto = http.client.HTTPConnection("127.0.0.1", self._proxy.upstream, timeout=120)

    def finish(self) -> None:
        """Close both."""
        self._moto.close()
        super().finish()
        self.request.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_expect_100(self) -> bool:
        """Ask for the body at once, past our own buffer."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _any(self) -> None:
        body = self._body()
        call = read_call(self.command, self.path, HeadersDict(self.headers.items()), body)
        with self._proxy.arrived(call) as (kill, fate):
            try:
                self._exchange(call, kill, fate)
                self.wfile.flush()
            except _GoneError:
                self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    # ------------------------------------------------------------------------------------------ one call

    def _exchange(self, call: Call, kill: Kill | None, fate: Fate | None) -> None:
        if kill is not None and kill.when == "before":
            self._kill(kill)
        if fate is not None and (early := self._instead(call, fate)):
            return self._send(call, early)
        answer = self._strict(call)
        response = None
        if answer is None:
            call = unwrapped(call)
            response = self._forward(call)
            if call.operation in _LEARNED_FROM:
                answer = self._learned(call, response)
        if kill is not None:
            self._drain(response)
            self._kill(kill)
        if fate is not None and fate.kind in ("reset_after", "empty_200_applied"):
            self._drain(response)
            if fate.kind == "reset_after":
                self._reset()
            if answer is not None and answer.status == 200:
                return self._send(call, Answer(200))
        if answer is not None:
            return self._send(call, answer, fate)
        assert response is not None
        return self._relay(call, response, fate)

    def _instead(self, call: Call, fate: Fate) -> Answer | None:
        """Return what is answered in place of doing it; None where the fault comes later."""
        throttled = (503, "SlowDown") if call.service == "s3" else (400, "Throttling")
        expired = "ExpiredTokenException" if "X-Amz-Target" in call.headers else "ExpiredToken"
        match fate.kind:
            case "reset_before":
                self._reset()
            case "slow_down":
                return refusal(call, *throttled, "Please reduce your request rate.")
            case "internal":
                return refusal(call, 500, "InternalError", "We encountered an internal error. Please try again.")
            case "skewed":
                return refusal(call, 403, "RequestTimeTooSkewed", "The difference between the times is too large.")
            case "expired":
                self._proxy.accounts.end_session(call.access_key)
                return refusal(call, 400, expired, "The provided token has expired.")
            case "denied":
                return refusal(call, 403, "AccessDenied", "Access Denied")
            case "error_200":
                return Answer(200, s3_error("InternalError", "We encountered an internal error. Please try again."))
            case "empty_200":
                return Answer(200)
        return None

    def _strict(self, call: Call) -> Answer | None:
        accounts = self._proxy.accounts
        answer = accounts.refuse(call)
        if answer is None:
            try:
                unwrapped(call)
            except BadBodyError as bad:
                answer = refusal(call, *bad.args)
        answer = answer or _too_long(call) or self._proxy.uploads.refuse(call) or accounts.answer(call)
        if answer is None and call.operation == "CompleteMultipartUpload" and "If-Match" in call.headers:
            answer = self._unless_matching(call)
        return answer

    def _unless_matching(self, call: Call) -> Answer | None:
        """Refuse a Complete over another object than the one expected; moto only knows If-None-Match there."""
        there = self._forward(replace(call, method="HEAD", target=call.target.partition("?")[0], body=b""))
        there.read()
        if there.status == 404:
            return refusal(call, 404, "NoSuchKey", "The specified key does not exist.")
        if there.getheader("ETag", "").strip('"') != str(call.headers["If-Match"]).strip('"'):
            return refusal(call, 412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        return None

    def _forward(self, call: Call) -> http.client.HTTPResponse:
        headers = {name: value for name, value in call.headers.items() if name.lower() not in _HOP}
        headers["Content-Length"] = str(len(call.body))
        self._moto.request(call.method, call.target, call.body, headers)
        return self._moto.getresponse()

    def _learned(self, call: Call, response: http.client.HTTPResponse) -> Answer:
        body = self._proxy.accounts.note(call, response.status, response.read())
        unknown = call.operation in ("UploadPart", "CompleteMultipartUpload") and response.status == 500
        if unknown:  # what moto says where S3 says this
            return refusal(call, 404, "NoSuchUpload", "The specified upload does not exist.")
        if response.status in (200, 204):
            body = self._proxy.uploads.note(call, body)
        return Answer(response.status, body, _kept(response))

    def _drain(self, response: http.client.HTTPResponse | None) -> None:
        if response is not None:
            response.read()

    # ------------------------------------------------------------------------------------------ ends

    def _kill(self, kill: Kill) -> None:
        kill.sprung = True
        os.kill(kill.victim(), signal.SIGKILL)
        self._reset()

    def _reset(self) -> None:
        """Close the connection so that the other side sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise _GoneError

    def _send(self, call: Call, answer: Answer, fate: Fate | None = None) -> None:
        self.send_response_only(answer.status)
        for name, value in ({"Date": self.date_time_string()} | dict(answer.headers)).items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if call.method != "HEAD":
            cut = fate is not None and fate.kind == "cut"
            pieces = iter([answer.body])
            for piece in _spoilt(pieces, len(answer.body), fate) if cut and fate is not None else pieces:
                self.wfile.write(piece)
            self.close_connection |= cut

    def _relay(self, call: Call, response: http.client.HTTPResponse, fate: Fate | None) -> None:
        size = response.getheader("Content-Length")
        if size is None and call.method != "HEAD" and response.status not in (204, 304):
            return self._send(call, Answer(response.status, response.read(), _kept(response)))
        unsized = fate is not None and fate.kind == "cut_unsized"
        self.send_response_only(response.status)
        for name, value in composite(_kept(response)).items():
            self.send_header(name, value)
        if unsized:
            self.send_header("Connection", "close")
        elif size is not None:
            self.send_header("Content-Length", size)
        self.end_headers()
        pieces = _pieces(response)
        for piece in _spoilt(pieces, int(size or 0), fate) if fate is not None and response.status < 300 else pieces:
            self.wfile.write(piece)
        self.close_connection |= fate is not None and fate.kind in ("cut", "cut_unsized")
        return None


def _too_long(call: Call) -> Answer | None:
    """Refuse keys over 1,024 bytes and metadata over 2 KB, https://docs.aws.amazon.com/AmazonS3/latest/userguide/."""
    prefix = "x-amz-meta-"
    metadata = [(n, str(v)) for n, v in call.headers.items() if n.lower().startswith(prefix)]
    if sum(len(name) - len(prefix) + len(value) for name, value in metadata) > 2048:
        return refusal(call, 400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    if call.service == "s3" and len(call.key.encode()) > 1024:
        return refusal(call, 400, "KeyTooLongError", "Your key is too long")
    return None


def _kept(response: http.client.HTTPResponse) -> dict[str, str]:
    return {n: v for n, v in response.getheaders() if n.lower() not in _HOP and n.lower() != "content-length"}


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(_PIECE):
        yield piece


def _spoilt(pieces: Iterator[bytes], size: int, fate: Fate) -> Iterator[bytes]:
    """Cut a body, flip a bit of it, or let it come slowly."""
    if fate.kind in ("cut", "cut_unsized"):
        left = fate.chance.randrange(max(size, 1))
        for piece in pieces:
            yield piece[:left]
            left -= len(piece[:left])
    elif fate.kind == "flipped":
        yield from _flipped(pieces, size, fate.chance)
    elif fate.kind == "slow":
        body = b"".join(pieces)
        for start in range(0, len(body), max(1, len(body) // 4)):
            time.sleep(fate.pause)
            yield body[start : start + max(1, len(body) // 4)]
    else:
        yield from pieces


def _flipped(pieces: Iterator[bytes], size: int, chance: random.Random) -> Iterator[bytes]:
    at = chance.randrange(max(size, 1))
    for piece in pieces:
        if 0 <= at < len(piece):
            changed = bytearray(piece)
            changed[at] ^= 1 << chance.randrange(8)
            piece = bytes(changed)
        yield piece
        at -= len(piece)
