"""Every scenario's run, packed and unpacked: the same causes, verdicts and remedies, with nothing but the bundle."""

import io
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from acrcheck.bundle import tapefile
from acrcheck.bundle.load import load
from acrcheck.bundle.pack import pack, replayed
from acrcheck.bundle.redact import Redactor, Rules
from acrcheck.lab.clock import START
from acrcheck.lab.scenario import Scenario, record
from acrcheck.model import Report
from acrcheck.run import Options
from acrcheck.target import Target
from tests.scenarios.test_scenarios import CAUSES, CHECKS, EACH, SCENARIOS, essence

DRAWN = EACH[::8]
SAID_BY_A_REPLAY = ("recordedAt", "recordedBy", "version")


@cache
def recorded(name: str) -> tuple[Report, bytes]:
    """Run a scenario with a tape, once."""
    scenario = next(item for item in SCENARIOS if item.id == name)
    return record(scenario.build(), CHECKS, CAUSES, Options(metadata={"version": "0"}))


def compared(report: Report) -> Any:
    """What must be the same: all but times, and what only a replay says of itself."""
    order, document = essence(report)
    for key in SAID_BY_A_REPLAY:
        document["metadata"].pop(key, None)
    return order, document


@pytest.mark.parametrize("scenario", EACH)
def test_a_bundle_replays_as_the_run_was(scenario: Scenario, tmp_path: Path) -> None:
    """Run, pack, read, replay: the JSON is the same but for times, whatever was redacted on the way."""
    report, tape = recorded(scenario.id)
    recording = tapefile.read(tape.splitlines(keepends=True), "tape")
    pack(recording, tape, tmp_path / "bundle.tar.gz", CHECKS, CAUSES)
    again = load(str(tmp_path / "bundle.tar.gz"), io.BytesIO(), Target(), START)
    assert again.notes == ()
    assert json.dumps(compared(replayed(again, CHECKS, CAUSES)), indent=1) == json.dumps(
        compared(report), indent=1
    )


@pytest.mark.parametrize("scenario", DRAWN)
def test_other_names_and_addresses_change_no_verdict(scenario: Scenario) -> None:
    """Redacted as strictly as can be, a recording has the same causes and statuses, and no name of the cluster."""
    report, tape = recorded(scenario.id)
    strict = Redactor(Rules(ips=True, names=True))
    recording = tapefile.read(tape.splitlines(keepends=True), "tape", strict)
    again = replayed(recording, CHECKS, CAUSES)
    assert [item.cause.id for item in again.findings] == [item.cause.id for item in report.findings]
    statuses = [
        Counter((result.check.id, result.status) for result in each.results) for each in (report, again)
    ]
    assert statuses[0] == statuses[1]
    assert "aks-workers" not in tapefile.dumps(recording).decode()
