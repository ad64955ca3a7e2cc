"""Time, handed in: the run, the doors and the lab all take their clock as an argument."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of acrcheck may know of time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        time.sleep(seconds)


class SteppedClock:
    """A clock that stands still but for who sleeps: sleeping costs nothing and moves it on. Safe for threads.

    Args:
        start: the wall clock at the beginning, aware.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return (self._start + timedelta(seconds=self.monotonic())).astimezone(UTC)

    def monotonic(self) -> float:
        """Seconds slept since the start."""
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move the clock on by that many seconds at once; a negative number moves nothing."""
        with self._lock:
            self._elapsed += max(0.0, seconds)
