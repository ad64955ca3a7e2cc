"""A clock of which the lab decides how fast it goes: sleeping costs nothing and moves it on."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class LabClock:
    """Simulated time, shared by the threads of one lab world.

    Args:
        start: the wall clock at the beginning, aware.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The simulated wall clock, aware, in UTC."""
        return (self._start + timedelta(seconds=self.monotonic())).astimezone(UTC)

    def monotonic(self) -> float:
        """Simulated seconds since the lab began."""
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move the clock on by that many seconds at once; a negative number moves nothing."""
        with self._lock:
            self._elapsed += max(0.0, seconds)
