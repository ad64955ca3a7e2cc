"""Redaction takes nothing that a verdict rests on."""

import dataclasses
import json
from typing import Any

import pytest

from acrcheck.bundle.redact import Redactor, Rules
from acrcheck.bundle.tape import Entry, Tape, canonical
from acrcheck.lab.clock import LabClock
from acrcheck.lab.scenario import Scenario
from acrcheck.model import Report
from acrcheck.run import Options, replay
from acrcheck.target import Target
from tests.scenarios.test_scenarios import CAUSES, CHECKS, EACH, essence, ran


def kept(entry: Entry, redactor: Redactor) -> Entry:
    """Redact an entry of a tape: objects as objects, everything else as texts."""
    question = redactor.value(json.loads(entry.question), "question")
    body = entry.answer.get("body")
    answer = redactor.value({key: item for key, item in entry.answer.items() if key != "body"}, "answer")
    if "body" in entry.answer:
        answer["body"] = kept_body(body, str(question["verb"]), redactor)
    return dataclasses.replace(entry, question=canonical(question), answer=answer)


def kept_body(body: Any, verb: str, redactor: Redactor) -> Any:
    """Redact what the API server answered."""
    if isinstance(body, dict) and isinstance(body.get("items"), list):
        return {
            **redactor.value(body, "list"),
            "items": [redactor.object(item, "list") for item in body["items"]],
        }
    return (
        redactor.object(body, "get")
        if verb == "get" and isinstance(body, dict)
        else redactor.value(body, "body")
    )


def verdicts(report: Report) -> Any:
    """What a report comes to, whatever the names in it."""
    results = sorted(
        (item.check.id, item.status, item.blocked_by, sorted(seen.id for seen in item.observations))
        for item in report.results
    )
    return results, [(item.cause.id, item.confidence) for item in report.findings]


def replayed(entries: tuple[Entry, ...], target: Target, live: Report) -> Report:
    """Run the checks on a tape."""
    tape = Tape.loads(Tape(entries).dumps())
    return replay(target, tape, LabClock(live.started), CHECKS, CAUSES, Options())


@pytest.mark.parametrize("scenario", EACH)
def test_a_redacted_tape_gives_the_same_report(scenario: Scenario) -> None:
    """Word for word; and a tape that is redacted again is the same tape."""
    live = ran(scenario.id)
    redactor = Redactor()
    entries = tuple(kept(entry, redactor) for entry in live.tape.entries)

    assert essence(replayed(entries, live.world.target, live.report)) == essence(live.report)
    assert tuple(kept(entry, Redactor()) for entry in entries) == entries


@pytest.mark.parametrize("scenario", EACH)
def test_without_names_and_addresses_the_verdicts_are_the_same(scenario: Scenario) -> None:
    """Checks, causes and their confidence; and none of the world's own names is in the tape."""
    live = ran(scenario.id)
    redactor = Redactor(Rules(ips=True, names=True))
    for entry in live.tape.entries:
        redactor.learn([json.loads(entry.question), entry.answer])
    entries = tuple(kept(entry, redactor) for entry in live.tape.entries)
    fields = {
        key: item for key, item in dataclasses.asdict(live.world.target).items() if isinstance(item, str)
    }
    target = dataclasses.replace(live.world.target, **redactor.value(fields, "target"))

    assert verdicts(replayed(entries, target, live.report)) == verdicts(live.report)
    text = Tape(entries).dumps().lower()
    assert "labreg" not in text
    assert "vmss0" not in text
