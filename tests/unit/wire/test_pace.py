"""The metadata service of a node is asked one question at a time, and not more than two a second."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from acrcheck.wire.pace import IMDS, Pace


class Still:
    """A clock that moves only when something sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """A day."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.seconds += seconds


def test_two_a_second_on_each_node() -> None:
    """The second question to a node waits; another node's first, and other hosts, do not."""
    clock = Still()
    pace = Pace(clock)
    for node, host in [("n1", IMDS), ("n2", IMDS), ("n1", "registry"), ("n1", "registry")]:
        with pace.turn(node, host):
            pass
    assert clock.slept == []
    with pace.turn("n1", IMDS):
        pass
    assert clock.slept == [0.5]


def test_a_slow_answer_needs_no_further_wait() -> None:
    """Time that a question took counts."""
    clock = Still()
    pace = Pace(clock)
    with pace.turn("n1", IMDS):
        clock.seconds += 3
    with pace.turn("n1", IMDS):
        pass
    assert clock.slept == []


def test_one_in_flight() -> None:
    """Threads take turns on a node."""
    pace = Pace(Still())
    inside: list[int] = []
    most: list[int] = []

    def ask(number: int) -> None:
        with pace.turn("n1", IMDS):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(50)))
    assert max(most) == 1
