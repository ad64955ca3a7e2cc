"""The network seen from inside a container, with the tools that are in its image.

No shell is assumed, and no tool looked for beforehand: the first one that fits a question is tried, and a
container in which it is missing is remembered.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from acrcheck.clock import Clock
from acrcheck.cluster.hands import Executed, Hands
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.wire import raw
from acrcheck.wire.curl import Curl
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
from acrcheck.wire.names import Getent, Nslookup
from acrcheck.wire.openssl import OpenSsl
from acrcheck.wire.python import Python
from acrcheck.wire.raw import Raw, Run
from acrcheck.wire.vault import Vault
from acrcheck.wire.wget import Wget

T = TypeVar("T")
Q = TypeVar("Q")
REMEDY = "--allow debug-container or --allow probe-pod"
_TROUBLES = {
    Outcome.FORBIDDEN: Trouble.FORBIDDEN,
    Outcome.UNAUTHORIZED: Trouble.FORBIDDEN,
    Outcome.ABSENT: Trouble.GONE,
    Outcome.NO_API: Trouble.GONE,
    Outcome.GONE: Trouble.GONE,
    Outcome.INVALID: Trouble.NOT_RUNNING,
    Outcome.TIMEOUT: Trouble.ERROR,
    Outcome.UNREACHABLE: Trouble.ERROR,
}


class ExecWire:
    """Implements the wire door for vantages that are a container. Safe for threads."""

    def __init__(self, hands: Hands, vault: Vault, clock: Clock) -> None:
        self._hands = hands
        self._vault = vault
        self._clock = clock
        self._lock = threading.Lock()
        self._missing: set[tuple[str, str, str, str]] = set()
        self._curl, self._python, self._wget = Curl(), Python(), Wget()
        self._getent, self._nslookup, self._openssl = Getent(), Nslookup(), OpenSsl()

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name, as the container's own programs do; nslookup adds the chain of names."""
        tools = (self._getent.resolve, self._nslookup.resolve, self._python.resolve, self._curl.resolve)
        answer = self._first(vantage, question, tools, "getent, nslookup, python3, curl")
        if isinstance(answer, Resolved) and not answer.chain:
            told = self._nslookup.resolve(self._run(vantage), question)
            return replace(answer, chain=told.chain) if isinstance(told, Resolved) else answer
        return answer

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection and close it."""
        return self._first(vantage, question, (self._curl.connect, self._python.connect), "curl, python3")

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served."""
        tools = (self._curl.handshake, self._python.handshake, self._openssl.handshake)
        return self._first(vantage, question, tools, "curl, python3, openssl")

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request. wget is used only where nothing in it is secret: its headers are arguments."""
        try:
            opened = raw.open_request(question, self._vault)
        except (KeyError, ValueError) as error:
            return Failure(Trouble.ERROR, f"the request cannot be sent: {error}")
        secret = raw.has_secret(opened, question)
        tools: tuple[Callable[[Run, Request], Raw | Failure], ...] = (
            (self._curl.request, self._python.request)
            if secret
            else (self._curl.request, self._wget.request, self._python.request)
        )
        names = "curl, python3" if secret else "curl, wget, python3"
        answer = self._first(vantage, opened, tools, names)
        if isinstance(answer, Failure):
            return answer
        return raw.seal_response(answer, question, self._vault)

    def lacks_client(self, vantage: Vantage) -> bool:
        """Tell whether a container is known to have neither curl nor python3."""
        run = self._run(vantage)
        answers = (run((name, "--version"), b"", raw.MARGIN, raw.HEADERS) for name in ("curl", "python3"))
        return all(
            answer.trouble is Trouble.NO_TOOL if isinstance(answer, Failure) else answer.missing
            for answer in answers
        )

    def _first(
        self,
        vantage: Vantage,
        question: Q,
        tools: Sequence[Callable[[Run, Q], T | Failure]],
        names: str,
    ) -> T | Failure:
        """Put the question to the first tool that can show it."""
        run = self._run(vantage)
        hidden = ""
        for ask in tools:
            answer = ask(run, question)
            if not isinstance(answer, Failure) or answer.trouble is not Trouble.NO_TOOL:
                return raw.seal_failure(answer, self._vault) if isinstance(answer, Failure) else answer
            hidden = hidden or answer.detail
        return Failure(
            Trouble.NO_TOOL,
            raw.seal_failure(Failure(Trouble.NO_TOOL, hidden), self._vault).detail,
            tool=names,
            remedy=REMEDY if vantage.kind == "exec" else "--probe-image with an image that has curl",
        )

    def _run(self, vantage: Vantage) -> Run:
        """Give the way to run programs in a vantage's container, which remembers those that are missing."""

        def run(argv: Sequence[str], stdin: bytes, seconds: float, limit: int) -> Executed | Failure:
            key = (vantage.namespace, vantage.pod, vantage.container, argv[0])
            with self._lock:
                if key in self._missing:
                    return raw.no_tool(argv[0])
            done = self._hands.exec(
                vantage.namespace,
                vantage.pod,
                vantage.container,
                argv,
                stdin=stdin,
                seconds=seconds,
                limit=limit,
            )
            if isinstance(done, Answer):
                return refused(done, vantage)
            if done.late:
                return Failure(Trouble.TIMEOUT, f"{argv[0]} did not end within {seconds:g} s", argv[0])
            if done.missing:
                with self._lock:
                    self._missing.add(key)
            return done

        return run


def refused(answer: Answer, vantage: Vantage) -> Failure:
    """Say why nothing could be run in a container."""
    trouble = _TROUBLES.get(answer.outcome, Trouble.ERROR)
    if answer.permission:
        permission = answer.permission
        needed = (permission.verb, permission.full_resource, permission.namespace)
        return Failure(trouble, answer.detail, permission=needed)
    if trouble is Trouble.NOT_RUNNING and "--as " in answer.detail:
        return Failure(Trouble.ERROR, answer.detail, remedy="run again without --as")
    detail = answer.detail or f"exec into {vantage.namespace}/{vantage.pod}: {answer.outcome}"
    return Failure(trouble, detail)
