"""Progress, on standard error, for a person who waits at a terminal."""

import shutil
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

from acrcheck.engine import Finished, Started

ERASE = "\r\x1b[K"


class Progress:
    """One line that tells what is looked at; gone when the run is over. Silent where there is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._lock = threading.Lock()
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
