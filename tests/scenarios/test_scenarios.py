"""Every scenario, run once: the cause that must be named, the tape, the secrets, and the remedies."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
import pytest

from acrcheck.bundle.tape import Tape
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.lab import tokens
from acrcheck.lab.scenario import Scenario, load_scenarios, look, mend
from acrcheck.lab.world import World
from acrcheck.model import Report, Status
from acrcheck.report import json as report_json
from acrcheck.report import terminal

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)
SCENARIOS = tuple(item for item in load_scenarios(builtin_dir()) if not item.prints)
RETIRED = "pod-identity-unsupported"
UNREACHED: dict[str, str] = {}
"""Causes that are never the one thing wrong in a scenario, and why."""

FAULTY = [pytest.param(item, id=item.id) for item in SCENARIOS if item.cause]
HEALTHY = [pytest.param(item, id=item.id) for item in SCENARIOS if not item.cause and not item.exit_code]
EACH = [pytest.param(item, id=item.id) for item in SCENARIOS]
MENDED = [pytest.param(item, id=item.id) for item in SCENARIOS if item.mended_by]


@dataclass(frozen=True)
class Ran:
    """What a scenario came to."""

    world: World
    report: Report
    tape: Tape


@cache
def ran(name: str) -> Ran:
    """Run a scenario, once."""
    scenario = next(item for item in SCENARIOS if item.id == name)
    world = scenario.build()
    return Ran(world, *look(world, CHECKS, CAUSES))


def named(report: Report) -> list[str]:
    """The causes of a report, in its order, but for the retirement that every world has."""
    return [finding.cause.id for finding in report.findings if finding.cause.id != RETIRED]


@pytest.mark.parametrize("scenario", FAULTY)
def test_the_cause_is_named_first(scenario: Scenario) -> None:
    """The cause stands first, alone or among those that what was seen does not tell from it."""
    causes = named(ran(scenario.id).report)
    group = {scenario.cause, *scenario.among}
    assert scenario.cause in causes[: len(group)]
    assert set(causes[: causes.index(scenario.cause)]) <= group


@pytest.mark.parametrize("scenario", FAULTY)
def test_the_cause_is_no_less_likely_than_the_others_of_its_group(scenario: Scenario) -> None:
    """Where several stand first, the true one is among the likeliest, and the report says what would decide."""
    findings = {finding.cause.id: finding for finding in ran(scenario.id).report.findings}
    true = findings[scenario.cause]
    others = [findings[name] for name in scenario.among if name in findings]
    assert all(true.confidence >= other.confidence for other in others)
    if true.confidence < 1:
        assert true.to_decide


@pytest.mark.parametrize("scenario", EACH)
def test_nothing_else_is_named(scenario: Scenario) -> None:
    """No cause is named that is not there."""
    allowed = {scenario.cause, *scenario.among, *scenario.beside}
    assert set(named(ran(scenario.id).report)) <= allowed


@pytest.mark.parametrize("scenario", EACH)
def test_no_check_crashed(scenario: Scenario) -> None:
    """No check raises anything but that it cannot look."""
    assert [result.traceback for result in ran(scenario.id).report.results if result.traceback] == []


@pytest.mark.parametrize("scenario", EACH)
def test_the_exit_code(scenario: Scenario) -> None:
    """A failure gives 1, what could not be known 3, everything else 0."""
    assert ran(scenario.id).report.exit_code == scenario.exit_code


@pytest.mark.parametrize("scenario", HEALTHY)
def test_a_healthy_world_shows_nothing_but_retirement(scenario: Scenario) -> None:
    """No check fails, warns or stays in the dark, but for the one warning about retirement."""
    report = ran(scenario.id).report
    warnings = [
        item.id for result in report.results if result.status is Status.WARN for item in result.observations
    ]
    assert warnings in (["pod-identity-retired"], [])
    assert {result.status for result in report.results} <= {Status.PASS, Status.WARN, Status.SKIP}
    assert not any(result.blocked_by for result in report.results)


@pytest.mark.parametrize("scenario", HEALTHY)
def test_looking_changes_nothing(scenario: Scenario) -> None:
    """A run leaves every object as a world that nobody looked at has it."""
    looked, untouched = ran(scenario.id).world, scenario.build()
    assert looked.kubernetes.dump() == untouched.kubernetes.dump()


def essence(report: Report) -> Any:
    """What a report says, without times and without the order in which threads came to an end."""
    document = json.loads(report_json.render(report))
    order = [(item["id"], item["confidence"]) for item in document["causes"]]
    return order, steady(document)


def steady(value: Any) -> Any:
    """Take out what differs from run to run, and put lists in a fixed order."""
    if isinstance(value, dict):
        left = value.keys() - {"durationMs", "startedAt", "finishedAt", "now"}
        return {key: steady(value[key]) for key in sorted(left)}
    if isinstance(value, list):
        return sorted((steady(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return re.sub(r"it is \d{4}-\d\d-\d\dT[\d:+]+", "it is (now)", value) if isinstance(value, str) else value


@pytest.mark.parametrize("scenario", EACH)
def test_no_secret_leaves(scenario: Scenario) -> None:
    """Neither a token nor its signature, nor a signed link's, is in the tape or in any form of the report."""
    live = ran(scenario.id)
    outputs = [
        live.tape.dumps(),
        report_json.render(live.report),
        terminal.render(live.report, width=200, ascii=False, color=False, verbose=2),
    ]
    signer = tokens.entra_signer(live.world.azure)
    claims = [item["claims"] for entry in live.tape.entries for item in entry.answer.get("secrets", ())]
    signatures = {tokens.encode(signer, item).rpartition(".")[2] for item in claims}
    assert bool(claims) == (
        '"access_token": "<jwt' in live.tape.dumps().replace('\\"', '"').replace('":"', '": "')
    )
    for output in outputs:
        assert not re.search(r"eyJ[\w-]{8,}\.", output)
        assert "sig=" not in output
        assert not [signature for signature in signatures if signature in output]


@pytest.mark.parametrize("scenario", EACH)
def test_the_json_fits_its_schema(scenario: Scenario) -> None:
    """Whatever was found, the JSON is of the shape that is promised."""
    schema = json.loads(
        resources.files("acrcheck.report").joinpath("report-v1.schema.json").read_text("utf-8")
    )
    jsonschema.validate(json.loads(report_json.render(ran(scenario.id).report)), schema)


@pytest.mark.parametrize("scenario", MENDED)
def test_the_printed_remedy_mends_it(scenario: Scenario) -> None:
    """The commands, applied as printed to the same world, make the cause go away."""
    world = scenario.build()
    report, _ = look(world, CHECKS, CAUSES)
    mend(world, scenario, report)
    after, _ = look(world, CHECKS, CAUSES)
    assert scenario.cause not in named(after)


@pytest.mark.parametrize("scenario", FAULTY)
def test_it_says_whether_a_command_mends_it(scenario: Scenario) -> None:
    """A scenario names the remedies that mend it, or why no command can."""
    assert bool(scenario.mended_by) != bool(scenario.unmended)


def test_every_cause_that_a_run_can_see_has_a_scenario() -> None:
    """No cause is a guess that nobody ever saw, but for those of which it is said why."""
    seen = {cause.id for cause in CAUSES if "run" in cause.seen}
    shown = {item.cause for item in SCENARIOS if item.cause}
    assert seen - shown - {RETIRED} == set(UNREACHED)
