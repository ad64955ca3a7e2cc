"""Progress."""

import io

from acrcheck.cli.progress import ERASE, Progress
from acrcheck.engine import Finished, Started
from acrcheck.lab.clock import LabClock
from acrcheck.model import Check, Result, Status, Subject

CHECK = Check("token", "asks for a token", lambda: None)
POD = Subject("pod/a\x1b[2J")


class Terminal(io.StringIO):
    """A stream that says it is a terminal; it may break."""

    broken = False

    def isatty(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Write, unless the terminal is gone."""
        if self.broken:
            raise OSError
        return super().write(text)


def test_tells_what_is_looked_at() -> None:
    """One line, which what a cluster says cannot steer, and which is gone in the end."""
    stream = Terminal()
    with Progress(stream) as progress:
        progress(Finished(Result(CHECK, Status.PASS)))
        progress(Started(CHECK, POD))

    assert stream.getvalue() == f"{ERASE}1 done, now: asks for a token (pod/a?[2J){ERASE}"


def test_a_large_download_has_a_bar() -> None:
    """Drawn anew ten times a second at most, and at its end; a small one has none."""
    stream, clock = Terminal(), LabClock()
    with Progress(stream, clock) as progress:
        progress.received(10, 65_536)
        for came in (50_000_000, 60_000_000, 200_000_000):
            progress.received(came, 200_000_000)

    assert stream.getvalue() == (
        f"{ERASE}[######..................] 50 of 200 MB{ERASE}[########################] 200 of 200 MB{ERASE}"
    )


def test_is_silent_without_a_terminal() -> None:
    """A log is no place for it."""
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress(Started(CHECK, POD))

    assert stream.getvalue() == ""


def test_is_silent_after_the_end() -> None:
    """A thread that comes late writes nothing over the report."""
    stream = Terminal()
    with Progress(stream) as progress:
        pass
    progress(Started(CHECK, POD))

    assert stream.getvalue() == ERASE


def test_survives_the_terminal() -> None:
    """A terminal that is gone does not end the run."""
    stream = Terminal()
    stream.broken = True
    with Progress(stream) as progress:
        progress(Started(CHECK, POD))
