"""wget inside a container, for questions that hold no secret: its headers and its URL are arguments.

GNU's program shows error bodies with --content-on-error. BusyBox' hides them, so an error seen by it is no
answer: who gave it cannot be told.
"""

import math
import re

from acrcheck.cluster.hands import Executed
from acrcheck.wire.curl import refused_or_unreachable
from acrcheck.wire.door import Failure, Request, Trouble
from acrcheck.wire.raw import MARGIN, Raw, Run, cut_body, no_tool

_LIMIT = 65_536
_FIRST_REDIRECT, _FIRST_ERROR = 300, 400


class Wget:
    """One verb: `request`, and of that only GET without a secret."""

    name = "wget"

    def request(self, run: Run, opened: Request) -> Raw | Failure:
        """Send one request."""
        if opened.method.upper() != "GET":
            return no_tool(self.name)
        told = run(("wget", "--version"), b"", MARGIN, _LIMIT)
        if isinstance(told, Failure):
            return told
        if told.missing:
            return no_tool(self.name)
        busybox = not told.stdout.startswith(b"GNU Wget")
        argv = ["wget", "-q", "-O", "-", "-S"]
        if not busybox:
            argv = ["wget", "-nv", "-O", "-", "-S", "--content-on-error", "--max-redirect=0", "--tries=1"]
        if not busybox or b"-T SEC" in told.stderr:
            # Debian's BusyBox is built without -T, and crashes when it is given.
            argv += ["-T", str(max(1, math.ceil(opened.seconds)))]
        argv += [word for name, value in opened.headers for word in ("--header", f"{name}: {value}")]
        done = run([*argv, opened.url], b"", opened.seconds + MARGIN, opened.limit)
        return _read(done, opened, busybox=busybox)


def _read(done: Executed | Failure, opened: Request, *, busybox: bool) -> Raw | Failure:
    if isinstance(done, Failure):
        return done
    if done.missing:
        return no_tool("wget")
    said = done.stderr.decode(errors="replace")
    head = _head(said)
    if head is None:
        return _failure(said, done, busybox=busybox)
    status, headers = head
    if busybox and status >= _FIRST_ERROR:
        return no_tool("wget", detail=f"BusyBox wget got HTTP {status} and hides what came with it")
    redirected = _FIRST_REDIRECT <= status < _FIRST_ERROR
    return cut_body(Raw(status, headers, b"" if redirected else done.stdout, cut=done.cut), opened.limit)


def _head(said: str) -> tuple[int, tuple[tuple[str, str], ...]] | None:
    """Read the first answer that -S shows: later ones are of redirects that BusyBox followed by itself."""
    status = 0
    headers: list[tuple[str, str]] = []
    for line in said.splitlines():
        started = re.match(r"\s+HTTP/\d\S* (\d{3})", line)
        if started and status:
            break
        if started:
            status = int(started[1])
        elif status and (pair := re.match(r"\s+([A-Za-z0-9-]+): ?(.*)$", line)):
            headers.append((pair[1], pair[2].strip()))
    if not status:
        # BusyBox prints the status line of an error without its headers.
        told = re.search(r"server returned error: HTTP/\S+ (\d{3})", said)
        status = int(told[1]) if told else 0
    return (status, tuple(headers)) if status else None


def _failure(said: str, done: Executed, *, busybox: bool) -> Failure:
    text = said.lower()
    tool = "wget (BusyBox)" if busybox else "wget"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    detail = next(
        (line for line in lines if "failed" in line or line.startswith("wget: ")), lines[-1] if lines else ""
    )
    if done.code is None or not lines:
        return Failure(Trouble.ERROR, detail or f"wget ended with code {done.code}", tool)
    if "bad address" in text or "unable to resolve" in text or "name or service not known" in text:
        return Failure(Trouble.UNRESOLVED, detail, tool)
    if "certificate" in text or "ssl" in text or "tls" in text:
        return Failure(Trouble.TLS, detail, tool)
    if "download timed out" in text or "read error (connection timed out)" in text:
        return Failure(Trouble.TIMEOUT, detail, tool)
    trouble = refused_or_unreachable(text)
    return Failure(Trouble.BROKEN if trouble is Trouble.ERROR else trouble, detail, tool)
