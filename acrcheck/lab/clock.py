"""A clock of which the lab decides how fast it goes: sleeping costs nothing and moves it on."""

from datetime import UTC, datetime

from acrcheck.clock import SteppedClock

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class LabClock(SteppedClock):
    """Simulated time, shared by the threads of one lab world."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
