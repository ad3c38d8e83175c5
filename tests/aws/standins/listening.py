"""A server of HTTP on a free port of the loopback interface, in a thread of its own."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from threading import Thread


class Listening:
    """Listens from `_listen` on until it is closed; `url` says where."""

    url: str

    def _listen(self, server: ThreadingHTTPServer, scheme: str = "http") -> None:
        self._server = server
        self.url = f"{scheme}://127.0.0.1:{server.server_port}"
        self._thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
