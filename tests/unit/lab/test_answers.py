"""Waiting callers, and what the simulators share."""

import time

import httpx
import pytest

from acrcheck.clock import SystemClock
from acrcheck.lab import answers
from acrcheck.lab.clock import LabClock

URL = "http://169.254.169.254/"


def request(**limits: float) -> httpx.Request:
    """A request of a caller with these limits."""
    return httpx.Request("GET", URL, extensions={"timeout": limits} if limits else {})


def test_a_patient_caller_waits_in_simulated_time() -> None:
    """80 seconds pass on the lab's clock only."""
    clock, begin = LabClock(), time.monotonic()

    answers.Waiting(request(read=120), clock).wait(80)

    assert clock.monotonic() == 80
    assert time.monotonic() - begin < 5


def test_a_caller_without_limits_waits_for_ever() -> None:
    """As curl does by default."""
    clock = LabClock()
    waiting = answers.Waiting(request(), clock)

    waiting.wait(500)

    assert waiting.left() is None
    assert clock.monotonic() == 500


def test_the_callers_limit_ends_the_waiting() -> None:
    """It counts from the beginning of the request, over all the waiting together."""
    clock = LabClock()
    waiting = answers.Waiting(request(read=7), clock)
    waiting.wait(5)

    with pytest.raises(httpx.ReadTimeout):
        waiting.wait(5)

    assert clock.monotonic() == 7


def test_a_connection_that_nobody_answers_times_out_as_such() -> None:
    """While connecting, the connect limit decides, and the error says so."""
    clock = LabClock()

    with pytest.raises(httpx.ConnectTimeout):
        answers.Waiting(request(connect=3, read=60), clock, "connect").wait(130)

    assert clock.monotonic() == 3


def test_a_caller_that_hangs_up_ends_the_waiting() -> None:
    """On a real socket, where there is no limit to know, the closed connection decides."""
    caller = request()
    caller.extensions["closed"] = lambda: True

    with pytest.raises(httpx.ReadError):
        answers.Waiting(caller, SystemClock()).wait(80)


def test_a_caller_on_a_socket_is_looked_after_in_small_steps() -> None:
    """It is not left waiting for the whole time before somebody looks whether it is still there."""
    clock = LabClock()
    looks: list[float] = []

    def closed() -> bool:
        looks.append(clock.monotonic())
        return False

    caller = request()
    caller.extensions["closed"] = closed
    answers.Waiting(caller, clock).wait(1)

    assert looks == [0, 0.25, 0.5, 0.75]


def test_headers_are_given_as_written_and_in_order() -> None:
    """Also one that is repeated, and the length comes last."""
    response = answers.answer(200, [("X-B", "1"), ("x-a", "2"), ("X-B", "3")], "äh")

    assert response.headers.raw == [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3"), (b"Content-Length", b"3")]


def test_a_form_is_read_only_when_it_is_one() -> None:
    """JSON in the body is no form."""
    form = httpx.Request("POST", URL, data={"scope": ["a b", "c"]})
    other = httpx.Request("POST", URL, json={"scope": "a"})

    assert answers.form_of(form) == {"scope": ["a b", "c"]}
    assert answers.form_of(other) == {}


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer abc", "abc"), ("Basic abc", None), ("Bearer ", None), ("abc", None)],
)
def test_a_bearer_token_is_recognised(header: str, token: str | None) -> None:
    """By its scheme, whatever the letter case."""
    assert answers.bearer_of(httpx.Request("GET", URL, headers={"Authorization": header})) == token
