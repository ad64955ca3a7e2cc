"""The lab's clock."""

from datetime import UTC, datetime, timedelta, timezone

from acrcheck.clock import Clock
from acrcheck.lab.clock import LabClock


def test_sleeping_moves_both_clocks_on() -> None:
    """A sleep costs no time and shows on the wall clock and the monotonic one alike."""
    clock: Clock = LabClock(datetime(2026, 1, 1, tzinfo=UTC))
    before = clock.monotonic()

    clock.sleep(90.5)

    assert clock.monotonic() - before == 90.5
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, 500000, tzinfo=UTC)


def test_a_start_elsewhere_is_told_in_utc() -> None:
    """The wall clock is aware and in UTC whatever zone the start was given in."""
    start = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    now = LabClock(start).now()

    assert now.isoformat() == "2026-01-01T00:00:00+00:00"


def test_time_never_goes_back() -> None:
    """A negative sleep, as a deadline that has passed gives it, moves nothing."""
    clock = LabClock()

    clock.sleep(-5)

    assert clock.monotonic() == 0
