"""Not too many questions to a node's metadata service."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from acrcheck.clock import Clock

IMDS = "169.254.169.254"
INTERVAL = 0.5
"""Seconds between two requests. IMDS refuses more than five a second per virtual machine (429), and the
applications there need theirs (learn.microsoft.com, "Azure Instance Metadata Service", rate limiting)."""


class Pace:
    """At most one IMDS request in flight and two a second on each node. Safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._nodes: dict[str, threading.Lock] = {}
        self._last: dict[str, float] = {}

    @contextmanager
    def turn(self, node: str, host: str) -> Iterator[None]:
        """Wait for a turn when the host is IMDS; other hosts are asked freely."""
        if host != IMDS:
            yield
            return
        with self._lock:
            lock = self._nodes.setdefault(node, threading.Lock())
        with lock:
            if node in self._last:
                rest = self._last[node] + INTERVAL - self._clock.monotonic()
                if rest > 0:
                    self._clock.sleep(rest)
            self._last[node] = self._clock.monotonic()
            yield
