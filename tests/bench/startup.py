"""How long the command takes to start, against the least a click program can take."""

import os
from collections.abc import Sequence
from pathlib import Path

from tests.bench.row import Row

ROUNDS = 40
BASE = "python -c 'import click'"


def rows(python: Path) -> list[Row]:
    """Measure each command and the base in turn, so that a busy machine slows all alike; the best counts."""
    acrcheck = str(python.parent / "acrcheck")
    commands: dict[str, tuple[Sequence[str], float]] = {
        BASE: ([str(python), "-c", "import click"], 1.0),
        "acrcheck --help": ([acrcheck, "--help"], 1.5),
        "acrcheck list": ([acrcheck, "list"], 2.5),
        "acrcheck explain label-pods": ([acrcheck, "explain", "label-pods"], 4.0),
    }
    for command, _ in commands.values():
        _seconds(command)  # what is not yet compiled is compiled now
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(ROUNDS):
        for name, (command, _) in commands.items():
            best[name] = min(best[name], _seconds(command))
    return [
        Row(name, best[name], BASE, best[BASE], goal) for name, (_, goal) in commands.items() if name != BASE
    ]


def _seconds(command: Sequence[str]) -> float:
    """Give the processor time of one call: what else the machine does is not in it."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = os.posix_spawn(command[0], list(command), environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime
