"""What the simulated services share: their shape, building responses, and letting a caller wait."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import httpx

from acrcheck.clock import Clock

Handler = Callable[[httpx.Request], httpx.Response]
"""A simulated service.

It may look into `request.extensions`: `client` is the caller's IP address, `timeout` the caller's
limits as httpx gives them, `closed` (on real sockets) says whether the caller has hung up.
It raises httpx's transport errors where a real service would not answer at all.
"""

JSON = "application/json; charset=utf-8"
STEP = 0.25  # seconds between two looks at whether a caller on a real socket has hung up


def compact(document: Any) -> str:
    """JSON without blanks, in the order of the document's keys."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def answer(status: int, headers: Iterable[tuple[str, str]], body: str | bytes = b"") -> httpx.Response:
    """A response with exactly these headers, in this order, and the length of its body."""
    content = body.encode() if isinstance(body, str) else body
    lengths = [] if status in {204, 304} else [("Content-Length", str(len(content)))]
    return httpx.Response(status, headers=[*headers, *lengths], content=content)


def without_body(response: httpx.Response) -> httpx.Response:
    """The answer to HEAD: the headers that GET would have, the length among them, and nothing after."""
    return httpx.Response(response.status_code, headers=response.headers)


def http_date(moment: datetime) -> tuple[str, str]:
    """The Date header for a moment in UTC."""
    return ("Date", format_datetime(moment, usegmt=True))


def client_of(request: httpx.Request) -> str:
    """The caller's IP address; that of a host on the public internet where nobody said."""
    client: str = request.extensions.get("client", "203.0.113.7")
    return client


class Waiting:
    """Time that one request spends without an answer.

    In one process the caller's read limit ends it, and only the lab's clock moves. On a real socket the
    time truly passes, until the caller hangs up.
    """

    def __init__(self, request: httpx.Request, clock: Clock, phase: str = "read") -> None:
        self._request = request
        self._clock = clock
        self._phase = phase
        limit = (request.extensions.get("timeout") or {}).get(phase)
        self._end = None if limit is None else clock.monotonic() + limit

    def left(self) -> float | None:
        """Seconds that the caller is still willing to wait; None when for ever."""
        return None if self._end is None else max(0.0, self._end - self._clock.monotonic())

    def wait(self, seconds: float) -> None:
        """Let the caller wait.

        Raises:
            httpx.ReadTimeout: its limit was reached first (httpx.ConnectTimeout while connecting).
            httpx.ReadError: it has hung up.
        """
        left = self.left()
        impatient = left is not None and left < seconds
        self._pass(left if impatient and left is not None else seconds)
        if impatient:
            self.give_up()

    def give_up(self) -> None:
        """Fail as the caller's HTTP library does when its limit is reached."""
        if self._phase == "connect":
            raise httpx.ConnectTimeout("timed out", request=self._request)
        raise httpx.ReadTimeout("The read operation timed out", request=self._request)

    def _pass(self, seconds: float) -> None:
        closed = self._request.extensions.get("closed")
        if closed is None:
            self._clock.sleep(seconds)
            return
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0:
            if closed():
                raise httpx.ReadError("the caller has hung up", request=self._request)
            self._clock.sleep(min(left, STEP))


def form_of(request: httpx.Request) -> dict[str, list[str]]:
    """The fields of a form body, each with all its values; empty when the body is no form."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    pairs = httpx.QueryParams(request.read().decode("utf-8", "replace"))
    return {key: pairs.get_list(key) for key in pairs}


def bearer_of(request: httpx.Request) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def first(values: Sequence[str]) -> str:
    """The first value, or nothing."""
    return values[0] if values else ""
