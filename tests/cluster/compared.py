"""What acrcheck and today's tools say of each failed pull, as `tests.cluster.capture` wrote it down: a table of it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tabulate import tabulate

Json = dict[str, Any]

FILE = Path(__file__).with_suffix(".json")
HEAD = ("pull", "what is broken", "acrcheck says", "az acr check-health", "az aks check-acr (emulated)")
WIDTH = 170
"""Characters of a tool's words that the table shows; the file has all."""


def read() -> list[Json]:
    """What was captured last, one entry a pull."""
    entries: list[Json] = json.loads(FILE.read_text(encoding="utf-8"))
    return entries


def table(entries: Iterable[Json], form: str = "github") -> str:
    """What is said of each, side by side."""
    rows = [
        (
            entry["pull"],
            entry["broken"],
            _named(entry["acrcheck"]),
            _short(_health(entry["checkHealth"])),
            _short(_aks(entry["checkAcr"])),
        )
        for entry in entries
    ]
    return tabulate(rows, headers=HEAD, tablefmt=form, disable_numparse=True)


def _named(said: Json) -> str:
    others = len(said["among"]) - 1
    return f"{said['title']} (`{said['cause']}`" + (f", or {others} more)" if others else ")")


def _health(lines: list[str]) -> str:
    """The first error with its message, else the last line."""
    for place, line in enumerate(lines):
        if line.startswith("An error occurred: "):
            return " ".join([line.removeprefix("An error occurred: "), *lines[place + 1 : place + 2]])
    return lines[-1]


def _aks(lines: list[str]) -> str:
    """The last line, with the step that failed where one did at which it ended."""
    return " ".join(lines[-2:]) if len(lines) > 1 and lines[-2].endswith(": FAILED") else lines[-1]


def _short(text: str) -> str:
    plain = text.replace("|", "\\|")
    return plain if len(plain) <= WIDTH else f"{plain[: WIDTH - 1]}…"
