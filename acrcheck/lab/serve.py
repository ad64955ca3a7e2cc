"""Puts a simulated service behind a real socket: HTTP/1.1 with keep-alive, headers exactly as given."""

import select
import socket
import ssl
import struct
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

import httpx

from acrcheck.lab.answers import Handler

HANDSHAKE_LIMIT = 10.0  # seconds for a client to finish its TLS handshake
IDLE_LIMIT = 300.0  # seconds that a kept-alive connection may be silent
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time, so that closing resets
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


class Server:
    """A listening socket with a simulated service behind it; a context manager that serves until its end.

    The handler finds the peer's address in `request.extensions["client"]`, in `request.extensions["server"]`
    the address that the peer connected to, and in `request.extensions["closed"]` a function that says whether
    the peer has hung up. A handler that raises
    an httpx transport error has its connection reset: a listening socket cannot refuse any more. To refuse
    connections, stop the server.

    Args:
        handler: the service.
        host: an IPv4 address to listen on.
        port: 0 for any free one.
        tls: makes it an HTTPS server.
    """

    def __init__(
        self, handler: Handler, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._scheme = "https" if tls else "http"
        self._server = _Listener((host, port), handler, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Scheme, address and port."""
        return f"{self._scheme}://{self._server.server_address[0]!s}:{self.port}"

    def start(self) -> Self:
        """Serve in the background."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut the connections that are still open; to stop again does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def forward_to(base: str, limit: float = 60.0) -> Handler:
    """A handler that passes every request on to a real server, `http://127.0.0.1:5000` for one.

    The request's own Host header is kept, so that the server builds its addresses from it.

    Args:
        base: scheme, host and port.
        limit: seconds to wait for the server's answer.
    """
    once = httpx.Limits(max_keepalive_connections=0)  # leaves no socket behind when the handler is dropped
    client = httpx.Client(base_url=base, timeout=limit, trust_env=False, limits=once)

    def handle(request: httpx.Request) -> httpx.Response:
        headers = [(k, v) for k, v in request.headers.raw if k.lower().decode() not in HOP_BY_HOP]
        headers.append((b"X-Forwarded-Proto", request.url.scheme.encode()))
        target = request.url.raw_path.decode("ascii")
        onward = client.build_request(request.method, target, headers=headers, content=request.read())
        response = client.send(onward, stream=True)
        try:
            body = b"".join(response.iter_raw())
        finally:
            response.close()
        kept = [(k, v) for k, v in response.headers.raw if k.lower().decode() not in HOP_BY_HOP]
        return httpx.Response(response.status_code, headers=kept, content=body)

    return handle


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    address_family = socket.AF_INET

    def __init__(self, address: tuple[str, int], handler: Handler, tls: ssl.SSLContext | None) -> None:
        self.handler = handler
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Connection)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a slow handshake holds up nobody else."""
        if self._tls is None:
            self._serve(request, client_address)
            return
        request.settimeout(HANDSHAKE_LIMIT)
        with self._tls.wrap_socket(request, server_side=True) as secure:
            self._serve(secure, client_address)

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._open.discard(connection)

    def shutdown_request(self, request: Any) -> None:
        """A connection that shall be reset must not be ended in good order first."""
        if request.fileno() >= 0 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == RESET:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up and fail handshakes; that is theirs to report."""

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            for connection in self._open:
                _shut(connection)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_LIMIT
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Read one request, hand it to the handler and write its response."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        try:
            response = cast("_Listener", self.server).handler(self._request())
            body = b"" if self.command == "HEAD" else response.read()
        except (httpx.TransportError, TimeoutError):
            self._reset()
            return
        except Exception as error:  # noqa: BLE001 - a simulator's fault must be seen by its caller
            message = f"the simulator failed: {type(error).__name__}: {error}\n"
            response = httpx.Response(599, text=message, extensions={"reason_phrase": b"Simulator Failed"})
            body = response.read()
        self._respond(response, body)

    def _request(self) -> httpx.Request:
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        host = self.headers.get("Host", f"{self.connection.getsockname()[0]}")
        target = self.requestline.split()[1]  # `self.path` has lost a doubled slash at its beginning
        if not target.startswith("/"):
            target = httpx.URL(target).raw_path.decode("ascii")
        content = self._body()
        headers = list(self.headers.items())
        extensions = {
            "client": self.client_address[0],
            "server": self.connection.getsockname()[0],
            "closed": self._closed,
        }
        return httpx.Request(
            self.command,
            f"{scheme}://{host}{target}",
            headers=headers,
            content=content,
            extensions=extensions,
        )

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        del self.headers["Transfer-Encoding"]
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            """Trailers say nothing that a simulator needs."""
        return bytes(body)

    def _respond(self, response: httpx.Response, body: bytes) -> None:
        names = {k.lower() for k, _ in response.headers.raw}
        headers = [(k, v) for k, v in response.headers.raw if k.lower().decode() not in HOP_BY_HOP]
        if b"content-length" not in names and response.status_code not in {204, 304}:
            headers.append((b"Content-Length", str(len(body)).encode()))
        if b"date" not in names:
            headers.append((b"Date", formatdate(usegmt=True).encode()))
        if self.close_connection:
            headers.append((b"Connection", b"close"))
        phrase = response.extensions.get("reason_phrase", _phrase(response.status_code).encode())
        lines = [b"HTTP/1.1 %d %s" % (response.status_code, phrase), *(k + b": " + v for k, v in headers)]
        self.wfile.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.wfile.flush()

    def _closed(self) -> bool:
        """Whether the peer has hung up; a TLS connection cannot be looked into without reading from it."""
        if isinstance(self.connection, ssl.SSLSocket):
            return False
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _reset(self) -> None:
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """The lab does not log."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
