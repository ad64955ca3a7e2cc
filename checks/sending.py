"""One request to a registry: asked again where the trouble may pass, and what any request may meet on its way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from acrcheck.api import Clock, Failure, Observation, Request, Response, Trouble, Wire, fail, warn
from acrcheck.azure import registry as acr
from acrcheck.facts import AccessToken, Path

from . import asking

DENIED = fail("registry-ip-denied", "{host} answered 403: client {ip} is not allowed access{whose}", "said")
FORBIDDEN = fail("registry-forbidden", "{host} answered 403 without naming an address: {said}")
THROTTLED = fail("registry-throttled", "{host} answered 429 (retry after {after} s): {said}")
SERVER_ERROR = fail("registry-server-error", "{host} answered {status}: {said}")
LOST = fail("registry-lost", "{host} gave no answer to {step} from {pod}: {said}")
UNSTEADY = warn(
    "registry-unsteady", "{host} answered {step} from {pod} only at attempt {attempt}: before, {said}"
)
REFUSING = (DENIED, FORBIDDEN, THROTTLED, SERVER_ERROR, UNSTEADY)
SENDING = (LOST, *REFUSING)
"""What any request to a registry may meet."""

PAUSES = (1.0, 2.0)
"""Seconds before a request is sent for the second and for the third time."""
SHORT_WAIT = 5
"""The longest `Retry-After`, in seconds, that is waited for."""
PASSING = frozenset({Trouble.TIMEOUT, Trouble.BROKEN})
"""Troubles that may pass. A connection that does not open is none: its packets were sent again already."""
IP = re.compile(r"client with IP '?(?:\\u0027)?([0-9a-fA-F.:]+)")
FORBIDDEN_STATUS, TOO_MANY, SERVER = 403, 429, 500


@dataclass(frozen=True, slots=True)
class Client:
    """Asks along one path."""

    path: Path
    wire: Wire
    clock: Clock

    def ask(self, request: Request) -> tuple[Response | Failure, dict[str, Any]]:
        """Send a request, at most three times; gives the last answer and, if there were several, evidence of each.

        Raises CannotLookError where nobody could ask.
        """
        attempts = []
        for pause in (*PAUSES, None):
            answer = self.wire.request(self.path.vantage, request)
            if isinstance(answer, Failure):
                asking.refuse_blind(answer, self.path.begins)
            attempts.append(_told(answer))
            wait = None if pause is None else _wait(answer, pause)
            if wait is None:
                break
            self.clock.sleep(wait)
        return answer, {"attempts": attempts} if len(attempts) > 1 else {}

    def send(self, request: Request, step: str) -> Any:
        """Send a request; yields what the path itself went wrong with, and gives the response or None."""
        answer, tries = self.ask(request)
        host = acr.host_of(request.url)
        if isinstance(answer, Failure):
            yield LOST(host=host, pod=self.path.begins, step=step, said=_told(answer), evidence=tries)
            return None
        refused = tuple(refusal(answer, self.path, host, tries))
        yield from refused
        if not refused or answer.status == FORBIDDEN_STATUS:
            yield from self.unsteady(host, step, tries)
        return None if refused else answer

    def unsteady(self, host: str, step: str, tries: dict[str, Any]) -> Iterator[Observation]:
        """Tell of an answer that came only after others had failed."""
        if tries:
            attempts = tries["attempts"]
            yield UNSTEADY(
                host=host,
                pod=self.path.begins,
                step=step,
                attempt=len(attempts),
                said=attempts[0],
                evidence=tries,
            )


def _told(answer: Response | Failure) -> str:
    """Say in a line what an attempt came to."""
    if isinstance(answer, Failure):
        return f"{answer.trouble}: {answer.detail}"[:200]
    return f"status {answer.status}"


def _wait(answer: Response | Failure, pause: float) -> float | None:
    """How long to wait before asking again; None where that would change nothing."""
    if isinstance(answer, Failure):
        return pause if answer.trouble in PASSING else None
    after = answer.header("retry-after")
    if answer.status == TOO_MANY:
        return float(after) if after.isdecimal() and len(after) == 1 and int(after) <= SHORT_WAIT else None
    return pause if answer.status >= SERVER else None


def refusal(answer: Response, path: Path, host: str, tries: dict[str, Any]) -> Iterator[Observation]:
    """Tell of an answer that refuses the client itself, whatever it asked for."""
    said = acr.error_of(answer)[1]
    evidence = acr.evidence_of(answer) | tries
    if answer.status == FORBIDDEN_STATUS:
        ip = IP.search(said)
        if ip:
            yield DENIED(host=host, ip=ip[1], whose=_whose(ip[1], path), said=said, evidence=evidence)
        else:
            yield FORBIDDEN(host=host, said=said, evidence=evidence)
    elif answer.status == TOO_MANY:
        after = answer.header("retry-after") or "?"
        yield THROTTLED(host=host, after=after, said=said, evidence=evidence)
    elif answer.status >= SERVER:
        yield SERVER_ERROR(host=host, status=answer.status, said=said, evidence=evidence)


def _whose(ip: str, path: Path) -> str:
    """Say how the address that a registry saw fits to those of the nodes; nothing where they are not known."""
    if not path.pod or path.public is None:
        return ""
    owner = next((name for name, addresses in path.public if ip in addresses), "")
    if owner:
        return f" (it is that of node {owner})"
    known = ", ".join(address for _, addresses in path.public for address in addresses)
    if known:
        return f" (it is none of the nodes' own, {known}: what they send leaves elsewhere)"
    return " (the nodes have none of their own: it is that of their gateway, load balancer or firewall)"


def authorized(request: Request, token: AccessToken) -> Request:
    """Give the request with the token, or with name and password where the registry knows no tokens."""
    if token.username:
        return replace(request, basic=(token.username, token.handle))
    return replace(request, bearer=token.handle)
