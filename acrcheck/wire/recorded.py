"""The wire door with a tape in it: recording what a live or simulated side answers, or answering from it."""

import dataclasses
from collections.abc import Callable
from typing import Any

from acrcheck.bundle.tape import NeverAskedError, Tape
from acrcheck.clock import Clock
from acrcheck.model import CannotLookError
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Question,
    Request,
    Resolve,
    Resolved,
    Response,
    Shaken,
    Vantage,
    Wire,
)

DOOR = "wire"
Asker = Callable[[dict[str, Any], Callable[[Wire], Any]], Any]


class TapedWire:
    """Implements the wire door: each verb becomes a question, which `ask` records or answers."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""
        answer: Resolved | Failure = self._ask(
            _form("resolve", vantage, question), lambda inner: inner.resolve(vantage, question)
        )
        return answer

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection and close it."""
        answer: Connected | Failure = self._ask(
            _form("connect", vantage, question), lambda inner: inner.connect(vantage, question)
        )
        return answer

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served."""
        answer: Shaken | Failure = self._ask(
            _form("handshake", vantage, question), lambda inner: inner.handshake(vantage, question)
        )
        return answer

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request."""
        answer: Response | Failure = self._ask(
            _form("request", vantage, question), lambda inner: inner.request(vantage, question)
        )
        return answer


def _form(verb: str, vantage: Vantage, question: Question) -> dict[str, Any]:
    return {"verb": verb, "from": dataclasses.asdict(vantage), "question": dataclasses.asdict(question)}


def recording(inner: Wire, tape: Tape, clock: Clock) -> TapedWire:
    """Give a door that passes every question on and keeps it with its answer."""
    return TapedWire(lambda question, put: tape.record(clock, DOOR, question, lambda: put(inner)))


def recorded(tape: Tape) -> TapedWire:
    """Give a door that answers from the tape; what was never asked cannot be known."""

    def ask(question: dict[str, Any], _: Callable[[Wire], Any]) -> Any:
        try:
            return tape.answer(DOOR, question)
        except NeverAskedError as error:
            raise CannotLookError("not recorded") from error

    return TapedWire(ask)
