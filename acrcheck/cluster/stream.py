"""Running a program in a container over a websocket: input closed, output bounded, every wait limited.

The protocol is Kubernetes' remotecommand over websockets (k8s.io/apimachinery pkg/util/remotecommand): the
first byte of a message is its channel; in v5.channel.k8s.io the byte 255 closes one. The websocket is opened
here and not by `kubernetes.stream`, because that one opens it without any time limit.
"""

import json
import socket
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from acrcheck.clock import Clock
from acrcheck.cluster import answers
from acrcheck.cluster.hands import NO_PROGRAM, NOT_EXECUTABLE, Executed
from acrcheck.cluster.kubeconfig import Connection
from acrcheck.cluster.reader import Answer, Outcome

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_FRAME = 32_768
_NOT_RUNNING = (
    "container not found",
    "does not have a host assigned",
    "completed pod",
    "is not running",
    "not running",
    "stopped container",
    "is waiting to start",
    "container is in container_exited state",
    "is terminated",
)
"""What API server, kubelet, containerd and runc say when there is no process to join."""


class Stream:
    """One program's input and output. Made by `connect`."""

    def __init__(self, websocket: Any, clock: Clock, seconds: float) -> None:
        self._websocket = websocket
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._channels = {_STDOUT: bytearray(), _STDERR: bytearray(), _ERROR: bytearray()}

    @property
    def closes_input(self) -> bool:
        """True when the server lets a program's input be closed (since Kubernetes 1.30)."""
        return bool(self._websocket.subprotocol == V5)

    def close(self) -> None:
        """End the connection; the program loses its input and output."""
        self._websocket.shutdown()

    def feed(self, data: bytes) -> None:
        """Write the whole input, and close it where the server can."""
        import websocket

        try:
            for start in range(0, len(data), _FRAME):
                self._websocket.send_binary(bytes([_STDIN]) + data[start : start + _FRAME])
            if self.closes_input:
                self._websocket.send_binary(bytes([_CLOSE, _STDIN]))
        except (websocket.WebSocketConnectionClosedException, BrokenPipeError, ConnectionResetError):
            return  # the program ended without reading: its output and code are still to be read

    def drain(self, limit: int) -> Executed | Answer:
        """Read until the program ends, the limit is reached or the time is over."""
        import websocket

        out, err = self._channels[_STDOUT], self._channels[_STDERR]
        try:
            while self._receive():
                if len(out) > limit or len(err) > limit:
                    return Executed(None, bytes(out[:limit]), bytes(err[:limit]), cut=True)
        except websocket.WebSocketTimeoutException:
            return Executed(None, bytes(out), bytes(err))
        return self._verdict()

    def _receive(self) -> bool:
        """Take one message. False at the end. Raises websocket's timeout."""
        import websocket

        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise websocket.WebSocketTimeoutException("timed out")
        self._websocket.settimeout(left)
        try:
            code, frame = self._websocket.recv_data_frame(control_frame=True)
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return False  # also when the server is gone before our goodbye: the verdict came before
        if code == websocket.ABNF.OPCODE_CLOSE:
            return False
        if code in {websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT} and frame.data:
            data = frame.data if isinstance(frame.data, bytes) else frame.data.encode()
            if data[0] in self._channels:
                self._channels[data[0]] += data[1:]
        return True

    def _verdict(self) -> Executed | Answer:
        """Read the exit code, or why there is none, from the error channel."""
        out, err, told = (bytes(self._channels[channel]) for channel in (_STDOUT, _STDERR, _ERROR))
        if not told:
            return Answer(Outcome.ERROR, detail="the connection ended before the program did")
        status = _status(told)
        if status.get("status") == "Success":
            return Executed(0, out, err)
        if (code := _exit_code(status)) is not None:
            return Executed(code, out, err)
        message = str(status.get("message") or answers.shown(told))
        return not_started(message)


def not_started(message: str) -> Executed | Answer:
    """Read why a program was not started: not in the image, no running container, or something else."""
    text = message.lower()
    if "executable file not found" in text or "no such file or directory" in text:
        return Executed(NO_PROGRAM, stderr=message.encode())
    if "permission denied" in text and "exec" in text:
        return Executed(NOT_EXECUTABLE, stderr=message.encode())
    if any(words in text for words in _NOT_RUNNING):
        return Answer(Outcome.INVALID, detail=message)
    return Answer(Outcome.ERROR, detail=message)


def _status(told: bytes) -> dict[str, Any]:
    """Read the error channel: a Status that does not say its kind, or plain text."""
    try:
        status = json.loads(told)
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": answers.shown(told)}


def _exit_code(status: dict[str, Any]) -> int | None:
    try:
        causes = status["details"]["causes"]
        return next(int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode")
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def connect(
    connection: Connection,
    clock: Clock,
    path: str,
    container: str,
    argv: Sequence[str],
    *,
    stdin: bool,
    seconds: float,
) -> Stream:
    """Open the connection and start the program.

    Raises websocket.WebSocketException (WebSocketBadStatusException when the API server refuses) and OSError.
    """
    import websocket

    configuration = connection.configuration
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("stdin", "true")] if stdin else []
    query += [("command", word) for word in argv]
    place = "ws" + configuration.host.removeprefix("http").rstrip("/")
    opened = websocket.create_connection(
        f"{place}{path}?{urlencode(query)}",
        timeout=min(seconds, connection.seconds),
        header=[f"{name}: {value}" for name, value in connection.headers()],
        subprotocols=[V5, V4],
        sslopt=_tls(configuration),
        suppress_origin=True,
        redirect_limit=0,
        **_proxy(configuration),
    )
    return Stream(opened, clock, seconds)


def _tls(configuration: Any) -> dict[str, Any]:
    if not configuration.verify_ssl:
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    else:
        options = {"cert_reqs": ssl.CERT_REQUIRED}
        if configuration.ssl_ca_cert:
            options["ca_certs"] = configuration.ssl_ca_cert
    if configuration.cert_file:
        options["certfile"] = configuration.cert_file
        options["keyfile"] = configuration.key_file
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    return options


def _proxy(configuration: Any) -> dict[str, Any]:
    from kubernetes.client.rest import should_bypass_proxies

    if not configuration.proxy or should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        # Without any proxy named the websocket package would read the environment by rules of its own.
        return {"http_proxy_host": "unused", "http_proxy_port": 1, "http_no_proxy": ["*"]}
    parts = urlsplit(configuration.proxy)
    options: dict[str, Any] = {
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or (443 if parts.scheme == "https" else 80),
    }
    if parts.scheme.startswith("socks"):
        options["proxy_type"] = parts.scheme
    if parts.username:
        options["http_proxy_auth"] = (parts.username, parts.password or "")
    return options


def failure(error: Exception) -> Executed | Answer:
    """Read why the connection did not open, or did not last."""
    import websocket

    if isinstance(error, websocket.WebSocketBadStatusException):
        body = error.resp_body or b""
        if error.status_code >= 500 and not answers.looks_like_a_page(body):  # noqa: PLR2004 - the HTTP status
            return not_started(str(_status(body).get("message") or ""))
        return answers.refusal(error.status_code, body, None)
    if isinstance(error, websocket.WebSocketTimeoutException | TimeoutError):
        return Answer(Outcome.TIMEOUT, detail="no answer in time")
    if isinstance(error, websocket.WebSocketAddressException | socket.gaierror):
        return Answer(Outcome.UNREACHABLE, detail=f"the API server's name does not resolve: {error}")
    return Answer(Outcome.UNREACHABLE, detail=str(error))
