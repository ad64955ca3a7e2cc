"""An API server on the loopback, of which a test says what it answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.command import SECONDS

TOKEN = "canary-e2e-token"
Answering = Callable[[str, str], tuple[int, dict[str, Any]]]


def only_the_version(_: str, path: str) -> tuple[int, dict[str, Any]]:
    """Say the version and refuse all else."""
    if path.startswith("/version"):
        return 200, {"gitVersion": "v1.36.3"}
    return 403, {"kind": "Status", "code": 403, "reason": "Forbidden"}


class Stub(ThreadingHTTPServer):
    """Answers as it is told; a silent one says nothing until it is let go."""

    daemon_threads = True

    def __init__(self, answer: Answering, *, silent: bool) -> None:
        self.answer, self.silent = answer, silent
        self.asked, self.released = threading.Event(), threading.Event()
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def kubeconfig(self, folder: Path) -> str:
        """Write a kubeconfig that points here."""
        server = {"server": f"http://127.0.0.1:{self.server_port}"}
        path = folder / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "stub",
                    "clusters": [{"name": "stub", "cluster": server}],
                    "users": [{"name": "me", "user": {"token": TOKEN}}],
                    "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "me"}}],
                }
            )
        )
        return str(path)


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def _respond(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.asked.set()
        if self.server.silent:
            self.server.released.wait(SECONDS)
        status, body = self.server.answer(self.command, self.path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """Answer."""
        self._respond()

    def do_POST(self) -> None:
        """Answer."""
        self._respond()

    def do_DELETE(self) -> None:
        """Answer."""
        self._respond()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(answer: Answering = only_the_version, *, silent: bool = False) -> Iterator[Stub]:
    """Serve while the test runs."""
    server = Stub(answer, silent=silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
