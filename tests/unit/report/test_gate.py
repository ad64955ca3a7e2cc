"""The report of the gate before an upgrade: what a pipeline reads stays as it is."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.lab.scenario import load_scenarios, look
from acrcheck.model import Report
from acrcheck.profile import load
from acrcheck.report import json as report_json
from acrcheck.report import terminal

GATES = ("healthy-upgrade", "upgrade-loses-label")


@cache
def gate(name: str) -> Report:
    """Take a world of the lab through the gate: its own checks, and not how long each of them took."""
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    scenario = next(item for item in load_scenarios(builtin_dir()) if item.id == name)
    profile = load("pre-upgrade", builtin_dir(), checks)
    options = profile.options({"version": "0.1.0", "runId": "6b1e0d3c"}, only=("upgrade",))
    report, _ = look(scenario.build(), checks, causes, options)
    own = [item for item in report.results if item.check.category == "upgrade"]
    results = tuple(replace(item, duration=0.0) for item in own)
    return replace(
        report,
        results=results,
        finished=report.started,
        categories=tuple(item for item in report.categories if item[0] == "upgrade"),
        metadata={key: text for key, text in report.metadata.items() if key != "checks"},
    )


@pytest.mark.parametrize("name", GATES)
def test_looks_as_it_did(name: str, golden: Callable[[str, str], None]) -> None:
    """As text and as JSON, to the character as its golden files hold it."""
    golden(f"gate-{name}.json", report_json.render(gate(name)))
    golden(f"gate-{name}.txt", terminal.render(gate(name), width=100, ascii=False, color=False, verbose=0))


def test_a_pipeline_is_told_whether_to_go_on() -> None:
    """By the exit code, and by the status of the whole."""
    good, bad = (report_json.document(gate(name))["summary"] for name in GATES)
    assert (good["exitCode"], bad["exitCode"]) == (0, 1)
    assert bad["rootCauses"] == ["label-lost-by-upgrade"]
