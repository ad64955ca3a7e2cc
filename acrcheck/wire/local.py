"""The network seen from where acrcheck itself runs."""

import hashlib
import socket
import ssl
from typing import Any

from acrcheck.clock import Clock
from acrcheck.wire import raw
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

TOOL = "acrcheck"


class LocalWire:
    """Implements the wire door for the vantage `local`. Safe for threads."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name by this machine's own rules."""
        del vantage
        try:
            found = socket.getaddrinfo(
                question.host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
            )
        except (OSError, UnicodeError) as error:
            return _failure(error)
        names = dict.fromkeys(item[3] for item in found if item[3] not in {"", question.host})
        return Resolved(tuple(dict.fromkeys(str(item[4][0]) for item in found)), tuple(names))

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection and close it."""
        del vantage
        try:
            with socket.create_connection((question.host, question.port), question.seconds) as opened:
                return Connected(str(opened.getpeername()[0]))
        except (OSError, UnicodeError) as error:
            return _failure(error, connecting=True)

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate; at an untrusted one a second time, without verifying."""
        del vantage
        try:
            try:
                return describe(_certificate(question, ssl.create_default_context()))
            except ssl.SSLCertVerificationError as error:
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                return describe(_certificate(question, context), error.verify_message)
        except (OSError, UnicodeError) as error:
            return _failure(error, connecting="handshake" not in str(error))

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request, through a proxy where the environment names one."""
        del vantage
        import httpx

        try:
            opened = raw.open_request(question, self._vault)
            answer = self._send(opened)
        except (KeyError, ValueError) as error:
            return Failure(Trouble.ERROR, f"the request cannot be sent: {error}", TOOL)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return raw.seal_failure(_http_failure(error), self._vault)
        if isinstance(answer, Failure):
            return answer
        return raw.seal_response(answer, question, self._vault)

    def _send(self, opened: Request) -> Raw | Failure:
        import httpx

        deadline = self._clock.monotonic() + opened.seconds
        headers = [("Accept-Encoding", "identity"), *opened.headers, *raw.authorization(opened)]
        body = raw.form_body(opened)
        if body is not None:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        with (
            httpx.Client(
                timeout=opened.seconds, follow_redirects=False, verify=ssl.create_default_context()
            ) as client,
            client.stream(opened.method.upper(), opened.url, headers=headers, content=body) as answer,
        ):
            # Only what is to be read is kept: a layer has any number of bytes.
            hashed = opened.digest and not opened.keep and answer.status_code in raw.SUCCESSES
            content, digest, length, cut = bytearray(), hashlib.sha256(), 0, False
            for part in answer.iter_raw():
                cut = length + len(part) > opened.limit
                taken = part[: opened.limit - length]
                length += len(taken)
                if hashed:
                    digest.update(taken)
                else:
                    content += taken
                if cut:
                    break
                if self._clock.monotonic() > deadline:
                    return Failure(Trouble.TIMEOUT, f"still answering after {opened.seconds:g} s", TOOL)
            told = tuple((name, value) for name, value in answer.headers.multi_items())
            sha256 = digest.hexdigest() if hashed else ""
            return Raw(answer.status_code, told, bytes(content), cut, sha256, length)


def _certificate(question: Handshake, context: ssl.SSLContext) -> bytes:
    opened = socket.create_connection((question.host, question.port), question.seconds)
    with opened, context.wrap_socket(opened, server_hostname=question.host) as secured:
        return secured.getpeercert(binary_form=True) or b""


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

    under = error
    while under is not None and not isinstance(under, OSError):
        under = under.__cause__ or under.__context__
    if isinstance(error, httpx.ConnectTimeout):
        return Failure(Trouble.CONNECT_TIMEOUT, str(error), TOOL)
    if isinstance(error, httpx.TimeoutException):
        return Failure(Trouble.TIMEOUT, str(error), TOOL)
    if isinstance(error, httpx.ConnectError) and under is not None:
        return _failure(under, connecting=True)
    return Failure(Trouble.BROKEN, str(error) or type(error).__name__, TOOL)
