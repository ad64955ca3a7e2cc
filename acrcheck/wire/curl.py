"""curl inside a container: everything that it is told comes by standard input, nothing stands in its arguments.

Exit codes are those of curl's manual page. The environment is left as it is, so a proxy named there is used
just as the documentation's own curl would use it.
"""

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from acrcheck.cluster.hands import Executed
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Shaken,
    Trouble,
)
from acrcheck.wire.raw import (
    HEADERS,
    MARGIN,
    Raw,
    Run,
    authorization,
    cut_body,
    form_body,
    no_tool,
    parse_head,
)

ARGV = ("curl", "-q", "--config", "-")
"""`-q` first: the container's own .curlrc is not read."""
_TLS = {35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98}
_UNTRUSTED = {51, 60, 77}
_UNSUPPORTED = 1
"""Also what versions since 7.66 say of an answer without a status line ("Received HTTP/0.9")."""
_OWN = {_UNSUPPORTED, 2, 3, 4, 26, 27, 43, 48}
_UNRESOLVED = {5, 6}
_COULD_NOT_CONNECT = 7
_TIMED_OUT = 28
_HTTPS = 443


class Curl:
    """The four verbs, by curl."""

    name = "curl"

    def request(self, run: Run, opened: Request) -> Raw | Failure:
        """Send one request. Headers, body and curl's own measurements come back in one output."""
        mark = secrets.token_hex(8)
        lines = [*_common(opened.url, opened.seconds, mark), "include", *_method(opened)]
        lines += [_option("header", _header(*pair)) for pair in (*opened.headers, *authorization(opened))]
        done = _run(run, lines, opened.seconds, opened.limit + HEADERS)
        if isinstance(done, Failure):
            return done
        output, measured = _measured(done.stdout, mark)
        if done.code == _COULD_NOT_CONNECT:
            return self._not_connected(run, opened, _failure(done, measured))
        if done.code != 0 and not done.cut:
            return _failure(done, measured)
        head = parse_head(output)
        if head is None:
            return Failure(Trouble.BROKEN, "what answered is no HTTP", self.name)
        status, headers, body = head
        return cut_body(Raw(status, headers, body, cut=done.cut), opened.limit)

    def connect(self, run: Run, question: Connect) -> Connected | Failure:
        """Open a connection: an HTTP request is tried, and only the connecting looked at."""
        done, measured = _look(run, question.host, question.port, question.seconds, "insecure", "verbose")
        if isinstance(done, Failure):
            return done
        if measured.address and measured.connected and "proxy" not in _message(done):
            return Connected(measured.address)
        failure = _failure(done, measured)
        unclear = done.code == _COULD_NOT_CONNECT and failure.trouble is Trouble.ERROR
        return replace(failure, trouble=Trouble.UNREACHABLE) if unclear else failure

    def _not_connected(self, run: Run, opened: Request, failure: Failure) -> Failure:
        """Find out why: newer versions tell only in verbose output, which would show a request's secrets."""
        if failure.trouble is not Trouble.ERROR:
            return failure
        parts = urlsplit(opened.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        again = self.connect(run, Connect(parts.hostname or "", port, opened.seconds))
        if isinstance(again, Connected) or again.blind:
            return replace(failure, trouble=Trouble.UNREACHABLE)
        return replace(failure, trouble=again.trouble)

    def resolve(self, run: Run, question: Resolve) -> Resolved | Failure:
        """Resolve a name by trying to connect there, past any proxy. Shows the addresses that were tried."""
        done, measured = _look(
            run, question.host, _HTTPS, question.seconds, "insecure", "verbose", 'noproxy = "*"'
        )
        if isinstance(done, Failure):
            return done
        tried = re.findall(
            r"^\*\s+Trying \[?([0-9a-fA-F.:]+?)\]?(?::\d+)?\.\.\.", _text(done.stderr), re.MULTILINE
        )
        addresses = tuple(dict.fromkeys([*tried, *([measured.address] if measured.address else [])]))
        return Resolved(addresses) if addresses else _failure(done, measured)

    def handshake(self, run: Run, question: Handshake) -> Shaken | Failure:
        """Look at the certificate; at an untrusted one a second time, without verifying and without secrets."""
        where = (question.host, question.port, question.seconds)
        done, measured = _look(run, *where, "verbose", tls=True)
        if isinstance(done, Failure):
            return done
        if done.code not in _UNTRUSTED:
            return _certificate(_text(done.stderr)) or _tls_failure(_failure(done, measured))
        problem = _message(done)
        again, _ = _look(run, *where, "verbose", "insecure", tls=True)
        seen = None if isinstance(again, Failure) else _certificate(_text(again.stderr), problem)
        return seen or Failure(Trouble.TLS, problem, self.name)


class _Measured:
    """What curl measured, as far as it told."""

    def __init__(self, text: str = "") -> None:
        words = text.split()
        self.connected = bool(words) and words[0].strip("0.,") != ""
        self.address = words[1] if len(words) > 1 else ""


def _common(url: str, seconds: float, mark: str) -> list[str]:
    return [
        "silent",
        "show-error",
        "globoff",
        'proto = "=http,https"',
        _option("url", url),
        f"max-time = {seconds:.3f}",
        f'write-out = "\\n{mark} %{{time_connect}} %{{remote_ip}}"',
    ]


def _option(name: str, value: str) -> str:
    """Quote a value as curl's configuration files want it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return f'{name} = "{escaped}"'


def _header(name: str, value: str) -> str:
    return f"{name}: {value}" if value else f"{name};"


def _method(opened: Request) -> list[str]:
    method = opened.method.upper()
    if method == "HEAD":
        return ["head"]
    body = form_body(opened)
    lines = [] if method in {"GET", "POST"} else [_option("request", method)]
    if body is not None or method == "POST":
        # Old versions would wait a second for the server's leave to send the body.
        lines += [_option("data", (body or b"").decode()), 'header = "Expect:"']
    if body is not None and method == "GET":
        lines.append('request = "GET"')
    return lines


def _run(run: Run, lines: list[str], seconds: float, limit: int) -> Executed | Failure:
    text = "\n".join(lines) + "\n"
    done = run(ARGV, text.encode(), seconds + MARGIN, limit)
    return no_tool("curl") if isinstance(done, Executed) and done.missing else done


def _look(
    run: Run, host: str, port: int, seconds: float, *options: str, tls: bool = False
) -> tuple[Executed | Failure, _Measured]:
    """Send HEAD / without anything secret, for what it shows on the way."""
    mark = secrets.token_hex(8)
    scheme = "https" if tls or port == _HTTPS else "http"
    name = f"[{host}]" if ":" in host else host
    lines = [*_common(f"{scheme}://{name}:{port}/", seconds, mark), "head", *options]
    done = _run(run, lines, seconds, HEADERS)
    return done, _Measured() if isinstance(done, Failure) else _measured(done.stdout, mark)[1]


def _measured(output: bytes, mark: str) -> tuple[bytes, _Measured]:
    content, found, tail = output.rpartition(b"\n" + mark.encode() + b" ")
    return (content, _Measured(_text(tail))) if found else (output, _Measured())


def _failure(done: Executed, measured: _Measured) -> Failure:
    message = _message(done)
    return Failure(_trouble(done, measured, message.lower()), message, "curl")


def _trouble(done: Executed, measured: _Measured, message: str) -> Trouble:
    code = done.code
    if code == _COULD_NOT_CONNECT:
        return refused_or_unreachable(_text(done.stderr).lower())
    if code in _UNRESOLVED or (code == _TIMED_OUT and "resolving timed out" in message):
        return Trouble.UNRESOLVED
    if code == _TIMED_OUT:
        return Trouble.TIMEOUT if measured.connected else Trouble.CONNECT_TIMEOUT
    if code in _TLS:
        return Trouble.TLS
    no_http = code == _UNSUPPORTED and "http/0.9" in message
    killed = code is None or code > 100  # noqa: PLR2004 - curl's own codes end below
    return Trouble.ERROR if (code in _OWN or killed) and not no_http else Trouble.BROKEN


def refused_or_unreachable(text: str) -> Trouble:
    """Tell by the operating system's words why a connection did not open; ERROR when they are not told."""
    if "refused" in text:
        return Trouble.REFUSED
    if "timed out" in text:
        return Trouble.CONNECT_TIMEOUT
    if "no route to host" in text or "unreachable" in text or "not permitted" in text:
        return Trouble.UNREACHABLE
    return Trouble.ERROR


def _tls_failure(failure: Failure) -> Failure:
    """A connection that opened and then showed no certificate failed in the handshake."""
    broken = failure.trouble is Trouble.BROKEN
    return Failure(Trouble.TLS, failure.detail, failure.tool) if broken else failure


def _message(done: Executed) -> str:
    """Give curl's own sentence, without its prefix."""
    text = _text(done.stderr)
    told = re.search(r"^curl: (?:\(\d+\) )?(.+)$", text, re.MULTILINE)
    if told:
        return told[1].strip()
    return f"curl ended with code {done.code}" if done.code else "curl was cut off"


def _certificate(text: str, problem: str = "") -> Shaken | None:
    """Read the certificate that curl's verbose output describes; None when it shows none."""
    _, found, part = text.rpartition("Server certificate:")
    if not found:
        return None
    fields = dict(
        re.findall(r"^\*\s+(subject|issuer|expire date|subjectAltName): ?(.*?)\s*$", part, re.MULTILINE)
    )
    matched = re.search(r'matched cert\'s "([^"]+)"', fields.get("subjectAltName", ""))
    return Shaken(
        fields.get("subject", ""),
        fields.get("issuer", ""),
        _date(fields.get("expire date", "")),
        (matched[1],) if matched else (),
        problem,
    )


def _date(text: str) -> str:
    """Turn OpenSSL's date into ISO 8601; other forms are left as they are."""
    try:
        when = datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    except ValueError:
        return text
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
