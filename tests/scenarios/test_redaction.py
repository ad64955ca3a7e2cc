"""Redaction takes nothing that a verdict rests on."""

from typing import Any

import pytest

from acrcheck.bundle.redact import Redactor, Rules
from acrcheck.bundle.tape import Tape
from acrcheck.bundle.tapefile import Header, Recording, dumps, read, redacted
from acrcheck.lab.clock import LabClock
from acrcheck.lab.scenario import Scenario
from acrcheck.model import Report
from acrcheck.run import Options, replay
from tests.scenarios.test_scenarios import CAUSES, CHECKS, EACH, Ran, essence, ran


def recorded(live: Ran, redactor: Redactor) -> Recording:
    """Write a run's tape, and read it back redacted."""
    header = Header("0", live.report.started, live.world.target, Options())
    return read(dumps(Recording(header, live.tape)).splitlines(keepends=True), "tape", redactor)


def replayed(recording: Recording) -> Report:
    """Run the checks on a tape."""
    clock = LabClock(recording.header.started)
    return replay(recording.header.target, recording.tape, clock, CHECKS, CAUSES, Options())


def verdicts(report: Report) -> Any:
    """What a report comes to, whatever the names in it."""
    results = sorted(
        (item.check.id, item.status, item.blocked_by, sorted(seen.id for seen in item.observations))
        for item in report.results
    )
    return results, [(item.cause.id, item.confidence) for item in report.findings]


@pytest.mark.parametrize("scenario", EACH)
def test_a_redacted_tape_gives_the_same_report(scenario: Scenario) -> None:
    """Word for word; and a tape that is redacted again is the same tape."""
    live = ran(scenario.id)
    recording = recorded(live, Redactor())

    assert essence(replayed(recording)) == essence(live.report)
    entries = recording.tape.entries
    assert tuple(redacted(entry, Redactor()) for entry in entries) == entries


@pytest.mark.parametrize("scenario", EACH)
def test_without_names_and_addresses_the_verdicts_are_the_same(scenario: Scenario) -> None:
    """Checks, causes and their confidence; and none of the world's own names is in the tape."""
    live = ran(scenario.id)
    recording = recorded(live, Redactor(Rules(ips=True, names=True)))

    assert verdicts(replayed(recording)) == verdicts(live.report)
    text = Tape(recording.tape.entries).dumps().lower()
    assert "labreg" not in text
    assert "vmss0" not in text
