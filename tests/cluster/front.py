"""The way to each simulated registry: its hosts' addresses and certificates, and who answers in its place."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from acrcheck.lab.azure import from_json, to_json
from acrcheck.lab.world import Canned

Shown = Literal["azure", "intercepted", "expired"]
"""What the nodes trust, what somebody on the way signs with, what has run out: files of the cluster's folder."""
FILE = "front.json"


@dataclass
class Way:
    """The way to one host.

    Attributes:
        address: what its name resolves to; empty where it does not.
        certificate: which one is shown.
        answers: in place of the simulators' by the beginning of a path; the longest that fits decides.
    """

    address: str
    certificate: Shown = "azure"
    answers: dict[str, Canned] = field(default_factory=dict)

    def canned(self, path: str) -> Canned | None:
        """What is answered for a path in place of the simulators' own answer."""
        fitting = [key for key in self.answers if path.startswith(key)]
        return self.answers[max(fitting, key=len)] if fitting else None


def read(state: Path) -> dict[str, Way]:
    """The ways, by host, of the cluster in this folder; other hosts are at the address of all of Azure."""
    file = state / FILE
    if not file.exists():
        return {}
    return cast("dict[str, Way]", from_json(dict[str, Way], json.loads(file.read_text(encoding="utf-8"))))


def write(state: Path, ways: dict[str, Way]) -> None:
    """Replace the ways; the next connection goes by them."""
    part = state / f"{FILE}.part"
    part.write_text(json.dumps(to_json(ways), indent=1), encoding="utf-8")
    part.replace(state / FILE)
