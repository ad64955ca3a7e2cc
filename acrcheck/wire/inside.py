"""Runs inside a container, sent to `python3 -` on its standard input with a question after it.

It stands alone, knows only the standard library, and keeps to what Python 3.6 understands. It prints one
JSON object.
"""

import base64
import http.client
import json
import signal
import socket
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any


class Late(Exception):  # noqa: N818 - it is no error of the program's
    """The time allowed is over."""


class Stay(urllib.request.HTTPRedirectHandler):
    """Hands a redirect out instead of following it."""

    def redirect_request(self, *_args: Any) -> None:
        """Never follow."""


def resolve(question: Any) -> Any:
    """Addresses of a name, and the names on the way."""
    found = socket.getaddrinfo(question["host"], None, 0, socket.SOCK_STREAM)
    try:
        name, aliases, _ = socket.gethostbyname_ex(question["host"])
    except OSError:
        name, aliases = question["host"], []
    chain = [item for item in [*aliases[1:], name] if item != question["host"]]
    return {"addresses": [item[4][0] for item in found], "chain": chain}


def connect(question: Any) -> Any:
    """Open a connection and close it."""
    with socket.create_connection((question["host"], question["port"]), question["seconds"]) as opened:
        return {"address": opened.getpeername()[0]}


def handshake(question: Any) -> Any:
    """Fetch the certificate, and say what speaks against it."""
    problem = ""
    try:
        certificate = fetch(question, ssl.create_default_context())
    except ssl.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise
        problem = getattr(error, "verify_message", "") or str(error)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        certificate = fetch(question, context)
    return {"certificate": base64.b64encode(certificate).decode(), "problem": problem}


def fetch(question: Any, context: Any) -> Any:
    """Give the certificate served, as DER."""
    place = (question["host"], question["port"])
    opened = socket.create_connection(place, question["seconds"])
    with context.wrap_socket(opened, server_hostname=question["host"]) as secured:
        return secured.getpeercert(True)


def request(question: Any) -> Any:
    """Send one HTTP request, through a proxy where the environment names one."""
    body = question["body"]
    asked = urllib.request.Request(  # noqa: S310 - http and https only, seen to before
        question["url"],
        data=None if body is None else body.encode(),
        headers=dict(question["headers"]),
        method=question["method"],
    )
    opener = urllib.request.build_opener(Stay)
    try:
        answer = opener.open(asked, timeout=question["seconds"])
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        content = answer.read(question["limit"] + 1)
        announced = answer.headers.get("Content-Length", "")
        missing = int(announced) - len(content) if announced.isdigit() else 0
        if missing > 0 and len(content) <= question["limit"] and question["method"] != "HEAD":
            raise http.client.IncompleteRead(content, missing)
        return {
            "status": answer.code,
            "headers": list(answer.headers.items()),
            "body": base64.b64encode(content).decode(),
        }


WORDS = (
    (socket.gaierror, "unresolved"),
    (Late, "timeout"),
    (ssl.SSLError, "tls"),
    (ConnectionRefusedError, "refused"),
    ((http.client.HTTPException, ConnectionError), "broken"),
)


def trouble(error: Any, verb: Any) -> Any:
    """Name what went wrong by one of the door's words."""
    connecting = isinstance(error, urllib.error.URLError)
    reason = error.reason if connecting and isinstance(error.reason, Exception) else error
    if isinstance(reason, socket.timeout):
        opening = (connecting or verb != "request") and "handshake" not in str(reason)
        return ("connect-timeout" if opening else "timeout"), reason
    for kinds, word in WORDS:
        if isinstance(reason, kinds):
            return word, reason
    return ("unreachable" if isinstance(reason, OSError) else "error"), reason


def late(*_args: Any) -> None:
    """End whatever is being waited for."""
    raise Late("nothing came in time")


def main(question: Any) -> None:
    """Answer one question."""
    signal.signal(signal.SIGALRM, late)
    # The sockets' own limits come first; this one bounds what trickles.
    signal.setitimer(signal.ITIMER_REAL, question["seconds"] + 0.5)
    verbs = {"resolve": resolve, "connect": connect, "handshake": handshake, "request": request}
    try:
        answer = verbs[question["verb"]](question)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        word, reason = trouble(error, question["verb"])
        answer = {"trouble": word, "detail": f"{type(reason).__name__}: {reason}"}
    json.dump(answer, sys.stdout)
