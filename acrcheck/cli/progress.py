"""Progress, on standard error, for a person who waits at a terminal."""

import shutil
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

from acrcheck.clock import Clock, SystemClock
from acrcheck.engine import Finished, Started

ERASE = "\r\x1b[K"
LARGE = 1_000_000
"""Bytes from which on a download is shown."""
BETWEEN = 0.1
"""Seconds between two pictures of a download."""
BAR = 24
"""Characters of the bar."""


class Progress:
    """One line that tells what is looked at; gone when the run is over. Silent where there is no terminal.

    While something large is downloaded, the line has a bar.
    """

    def __init__(self, stream: TextIO | None = None, clock: Clock | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._shown = float("-inf")
        self._done = 0
        self._on = self._stream.isatty()

    def __call__(self, event: Started | Finished) -> None:
        """Take an event of the engine; called from several threads."""
        if not self._on:
            return
        with self._lock:
            if isinstance(event, Finished):
                self._done += 1
                return
            about = f" ({event.subject.name})" if event.subject.name else ""
            line = f"{self._done} done, now: {event.check.title}{about}"
            self._show(line[: shutil.get_terminal_size().columns - 1])

    def reading(self, number: int, count: int, name: str) -> None:
        """Show what is being read for a bundle; called from several threads."""
        with self._lock:
            if self._on:
                self._show(
                    f"reading {number + 1} of {count}: {name}"[: shutil.get_terminal_size().columns - 1]
                )

    def received(self, came: int, of: int) -> None:
        """Show how much has come of a body, in bytes; called from several threads, for every part that comes."""
        if not self._on or of < LARGE:
            return
        with self._lock:
            now = self._clock.monotonic()
            if now - self._shown < BETWEEN and came < of:
                return
            self._shown = now
            done = came * BAR // of
            bar = "#" * done + "." * (BAR - done)
            self._show(f"[{bar}] {came / 1e6:.0f} of {of / 1e6:.0f} MB")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        with self._lock:
            if self._on:
                self._show("")
            self._on = False

    def _show(self, text: str) -> None:
        text = "".join(char if char.isprintable() else "?" for char in text)
        try:
            self._stream.write(ERASE + text)
            self._stream.flush()
        except OSError:  # the terminal is gone; the run is not
            self._on = False
