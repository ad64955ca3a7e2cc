"""The network seen from where acrcheck itself runs."""

import contextlib
import hashlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from acrcheck.clock import Clock
from acrcheck.wire import inside, raw
from acrcheck.wire.certificate import describe
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Response,
    Shaken,
    Trouble,
    Vantage,
)
from acrcheck.wire.raw import Raw
from acrcheck.wire.vault import Vault

if TYPE_CHECKING:
    from acrcheck.wire.connections import Connections

TOOL = "acrcheck"
OPENING = (OSError, UnicodeError)
Received = Callable[[int, int], None]
"""Told of the bytes of a body that have come so far, and of how many may come."""


class LocalWire:
    """Implements the wire door for the vantage `local`. Safe for threads.

    Connections are held open, until `close` or until nobody has this any more. `received` is told how much of a
    blob has come, while it comes. `context` says who is trusted, by default the authorities of this machine.
    """

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        received: Received = lambda _, __: None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._vault = vault
        self._context = context
        self._clock = clock
        self._received = received
        self._lock = threading.Lock()
        self._connections: Connections | None = None

    def close(self) -> None:
        """Close the connections that are held open."""
        with self._lock:
            held, self._connections = self._connections, None
        if held is not None:
            held.close()

    def _held(self) -> "Connections":
        from acrcheck.wire.connections import Connections

        with self._lock:
            if self._connections is None:
                self._connections = Connections(self._context)
                weakref.finalize(self, self._connections.close)
            return self._connections

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name by this machine's own rules."""
        del vantage
        try:
            found = inside.resolve({"host": question.host})
        except OPENING as error:
            return _failure(error)
        addresses = tuple(dict.fromkeys(found["addresses"]))
        self._held().know(question.host, addresses)
        return Resolved(addresses, tuple(dict.fromkeys(found["chain"])))

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection; the next question to the same place goes on with it."""
        del vantage
        import httpcore

        try:
            return Connected(self._held().open(question.host, question.port, question.seconds))
        except (*OPENING, httpcore.ConnectError, httpcore.TimeoutException) as error:
            return _failure(_under(error), connecting=True)

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate; at an untrusted one a second time, without verifying."""
        del vantage
        import httpcore

        where = question.host, question.port, question.seconds
        try:
            try:
                return describe(self._held().secure(*where))
            except httpcore.ConnectError as error:
                if not isinstance(problem := _under(error), ssl.SSLCertVerificationError):
                    raise
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                return describe(self._held().secure(*where, context), problem.verify_message)
        except (*OPENING, httpcore.ConnectError, httpcore.TimeoutException) as error:
            under = _under(error)
            return _failure(under, connecting="handshake" not in str(under))

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request, through a proxy where the environment names one."""
        del vantage
        import httpx

        try:
            opened = raw.open_request(question, self._vault)
            answer = self._send(opened)
        except (KeyError, ValueError, ImportError) as error:
            return Failure(Trouble.ERROR, f"the request cannot be sent: {error}", TOOL)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return raw.seal_failure(_http_failure(error), self._vault)
        if isinstance(answer, Failure):
            return answer
        return raw.seal_response(answer, question, self._vault)

    def _send(self, opened: Request) -> Raw | Failure:
        deadline = self._clock.monotonic() + opened.seconds
        headers = [("Accept-Encoding", "identity"), *opened.headers, *raw.authorization(opened)]
        body = raw.form_body(opened)
        if body is not None:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        answer = self._held().stream(
            opened.method.upper(), opened.url, opened.seconds, headers=headers, content=body
        )
        with contextlib.closing(answer):
            # Only what is to be read is kept: a layer has any number of bytes.
            hashed = opened.digest and not opened.keep and answer.status_code in raw.SUCCESSES
            content, digest, length, cut = bytearray(), hashlib.sha256(), 0, False
            for part in answer.iter_raw():
                cut = length + len(part) > opened.limit
                taken = part[: opened.limit - length]
                length += len(taken)
                if hashed:
                    digest.update(taken)
                    self._received(length, opened.limit)
                else:
                    content += taken
                if cut:
                    break
                if self._clock.monotonic() > deadline:
                    return Failure(Trouble.TIMEOUT, f"still answering after {opened.seconds:g} s", TOOL)
            told = tuple((name, value) for name, value in answer.headers.multi_items())
            sha256 = digest.hexdigest() if hashed else ""
            return Raw(answer.status_code, told, bytes(content), cut, sha256, length)


def _under(error: Exception) -> Exception:
    """Give what the operating system said, where it lies under a library's exception."""
    under: BaseException | None = error
    while under is not None and not isinstance(under, OSError | UnicodeError):
        under = under.__cause__ or under.__context__
    return under if isinstance(under, Exception) else error


def _failure(error: Exception, *, connecting: bool = False) -> Failure:
    """Name what the operating system said."""
    detail = getattr(error, "strerror", None) or str(error)
    if isinstance(error, socket.gaierror | UnicodeError):
        return Failure(Trouble.UNRESOLVED, detail, TOOL)
    if isinstance(error, TimeoutError):
        return Failure(Trouble.CONNECT_TIMEOUT if connecting else Trouble.TIMEOUT, detail, TOOL)
    if isinstance(error, ssl.SSLError):
        return Failure(Trouble.TLS, detail, TOOL)
    if isinstance(error, ConnectionRefusedError):
        return Failure(Trouble.REFUSED, detail, TOOL)
    if isinstance(error, ConnectionError):
        return Failure(Trouble.BROKEN, detail, TOOL)
    return Failure(Trouble.UNREACHABLE, detail, TOOL)


def _http_failure(error: Any) -> Failure:
    """Name what httpx raised, by what lies under it where that says more."""
    import httpx

    under = _under(error)
    if isinstance(error, httpx.ConnectTimeout):
        return Failure(Trouble.CONNECT_TIMEOUT, str(error), TOOL)
    if isinstance(error, httpx.TimeoutException):
        return Failure(Trouble.TIMEOUT, str(error), TOOL)
    if isinstance(error, httpx.ConnectError) and under is not error:
        return _failure(under, connecting=True)
    return Failure(Trouble.BROKEN, str(error) or type(error).__name__, TOOL)
