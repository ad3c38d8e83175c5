"""The moto server in a process of its own: AWS as far as moto goes, over HTTP."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.aws.standins.facts import FACTS, facts, patch

ACCOUNT_A = "111111111111"
_LISTED = "/stand-in/listed/"
ROOT = Path(__file__).parents[3]


class Moto:
    """A moto server on a free port of the loopback interface, which knows unknown keys as account A's."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.aws.standins.server"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=os.environ | {"MOTO_ACCOUNT_ID": ACCOUNT_A, "MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS": "true"},
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Forget everything."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()

    def listed(self, bucket: str) -> dict[str, str]:
        """Return all keys of a bucket and their ETags; the listing of S3 takes moto a hundred times as long."""
        with urllib.request.urlopen(f"{self.url}{_LISTED}{bucket}") as answer:
            return dict(json.load(answer))

    def close(self) -> None:
        """End the process: it goes when its standard input does, even if we are killed."""
        self._process.communicate()


def _serve() -> None:
    from threading import Thread

    import moto.backends
    import moto.iam.models
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    vars(moto.iam.models)["DEFAULT_ACCOUNT_ID"] = os.environ.pop("MOTO_ACCOUNT_ID")  # there it would be everyone's
    modules = frozenset(moto.backends.list_of_moto_modules())
    moto.backends.list_of_moto_modules = lambda: modules  # moto reads its own folder twice for every request
    patch()

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # so that connections are kept
        disable_nagle_algorithm = True

        def run_wsgi(self) -> None:
            """Answer one request, and keep the connection: werkzeug would open one for each call, and wait after it."""
            if self.path.startswith(FACTS):
                self.answer(200, facts(self.path))
                return
            if self.path.startswith(_LISTED):
                self.answer(200, json.dumps(_keys(self.path.removeprefix(_LISTED))).encode())
                return
            environ = self.make_environ()
            environ["wsgi.input"] = io.BytesIO(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            head: list[Any] = []
            try:
                body = b"".join(application(environ, lambda *parts: head.extend(parts)))
            except Exception:  # noqa: BLE001  # moto's, for what it does not know
                head, body = ["500", [("Content-Type", "text/plain")]], b"moto cannot do that"
            self.send_response(int(head[0].split()[0]))
            for name, value in head[1]:
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name, _ in head[1]} and head[0][:3] not in ("204", "304"):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer(self, status: int, body: bytes) -> None:
            """Answer without moto."""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log(self, *_: object) -> None:
            """Say nothing."""

    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


def _keys(bucket: str) -> dict[str, str]:
    from moto.s3.models import s3_backends

    [found] = [one["aws"].buckets[bucket] for one in s3_backends.values() if bucket in one["aws"].buckets]
    return {name: key.etag for name, key in list(found.keys.items()) if hasattr(key, "etag")}


if __name__ == "__main__":
    _serve()
