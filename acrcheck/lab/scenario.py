"""A scenario: a world with its faults, and the diagnosis it must get."""

import importlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from acrcheck.bundle.collect import Collector, Limits
from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.tape import Tape
from acrcheck.bundle.tapefile import Header, TapeFile
from acrcheck.catalogue import PACKAGE, Checks, load_checks
from acrcheck.engine import Observer
from acrcheck.lab import shell
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.wire import LabWire
from acrcheck.lab.world import World
from acrcheck.model import Cause, Report
from acrcheck.run import Doors, Options, run
from acrcheck.wire.vault import Vault

READING = 60.0
"""Seconds that reading for a bundle may take."""
AFTERWARDS = 660.0
"""Seconds between a remedy and the next look: more than the ten minutes in which roles and logs settle."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world with its faults.

    Attributes:
        id: by which the demo is asked for it.
        cause: the id of the cause that must be named first; empty for a healthy world.
        title: what is wrong, in a line.
        build: makes the world, anew each time.
        among: other causes that what can be seen does not tell from it: they may stand first with it.
        beside: causes that are rightly named too, after it.
        mended_by: ids of the remedies, of the cause or of one in `among`, whose commands, as printed, mend the world.
        unmended: why no printed command can mend it, where `mended_by` is empty.
        exit_code: of a run.
        prints: what a program prints in this world, for a cause that only a text shows. Its text is put to the
            diagnosis of texts, and its world not to the checks.
    """

    id: str
    cause: str
    title: str
    build: Callable[[], World]
    among: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    mended_by: tuple[str, ...] = ()
    unmended: str = ""
    exit_code: int = 1
    prints: Callable[[World], str] | None = None


class OperatorClock:
    """The clock of the operator's machine, which may be wrong."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        """The wall clock there."""
        return self._world.clock.now() + self._world.operator.ahead

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return self._world.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        self._world.clock.sleep(seconds)


def look(
    world: World,
    checks: Checks,
    causes: Iterable[Cause],
    options: Options | None = None,
    observe: Observer = lambda _: None,
    tape: Tape | None = None,
) -> tuple[Report, Tape]:
    """Run the real checks on a world; what is asked is kept on the tape given, if any."""
    vault = Vault()
    wire = LabWire(world, vault)
    doors = Doors(LabCluster(world, vault), wire)
    try:
        return run(
            world.target, doors, OperatorClock(world), checks, causes, options or Options(), observe, tape
        )
    finally:
        wire.close()


def record(
    world: World,
    checks: Checks,
    causes: Iterable[Cause],
    options: Options,
    redactor: Redactor | None = None,
) -> tuple[Report, bytes]:
    """Run the real checks on a world, read what a bundle holds beside them, and give the tape as it would be a file."""
    file, clock = io.BytesIO(), OperatorClock(world)
    header = Header(options.metadata.get("version", ""), clock.now(), world.target, options)
    tape = Tape(keep=TapeFile(file, header, redactor or Redactor()).keep)
    report, _ = look(world, checks, causes, options, tape=tape)
    collector = Collector(LabCluster(world), tape, clock, Limits(), READING)
    collector.collect(report.metadata.get("namespace", ""), report.metadata.get("workload", ""))
    return report, file.getvalue()


def mend(world: World, scenario: Scenario, report: Report) -> list[tuple[str, str]]:
    """Apply to a world what a report of it printed as the scenario's remedies: the commands, and what they say.

    Time passes as the remedies want it. Raises CommandError when a command cannot be applied, and
    LookupError when a remedy was not printed.
    """
    causes = {scenario.cause, *scenario.among}
    steps = [step for finding in report.findings if finding.cause.id in causes for step in finding.steps]
    commands: dict[str, None] = {}
    for name in scenario.mended_by:
        found = [step.command for step in steps if step.id == name and step.command]
        if not found:
            raise LookupError(f"no remedy {name} was printed, only {', '.join(step.id for step in steps)}")
        commands |= dict.fromkeys(found)
    told = [(command, shell.apply(world, command)) for command in commands]
    world.clock.sleep(AFTERWARDS)
    return told


def load_scenarios(folder: Path) -> tuple[Scenario, ...]:
    """Load the scenarios of a folder of checks, in the order its `scenarios/__init__.py` gives.

    Raises:
        ValueError: two have the same id.
    """
    load_checks(folder)
    order: tuple[str, ...] = importlib.import_module(f"{PACKAGE}.scenarios").ORDER
    found: dict[str, Scenario] = {}
    for name in order:
        for scenario in importlib.import_module(f"{PACKAGE}.scenarios.{name}").SCENARIOS:
            if scenario.id in found:
                raise ValueError(f"two scenarios are called {scenario.id}")
            found[scenario.id] = scenario
    return tuple(found.values())
