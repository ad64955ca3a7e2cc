"""What every scenario's report says by default, on pages of the usual widths."""

import pytest

from acrcheck.lab.scenario import Scenario
from acrcheck.report import terminal
from acrcheck.report.terminal import BLOCK
from tests.scenarios.test_scenarios import EACH, SCENARIOS, ran

RESTARTS = ("rollout restart", " delete pod ")
NOT_FOUND_EVERYWHERE = [item.id for item in SCENARIOS if "wrong-client-id" in {item.cause, *item.among}]


def shown(name: str, width: int = 80) -> list[str]:
    """Give the lines of a scenario's report."""
    text = terminal.render(ran(name).report, width=width, ascii=False, color=False)
    return text.splitlines()


def blocks(lines: list[str]) -> list[list[str]]:
    """Give the lines that stand under each check that fails or warns, without those it blocks."""
    found: list[list[str]] = []
    reading = False
    for line in lines:
        if not line.startswith("    "):
            found.append([])
            reading = line.startswith(("×", "‼"))
        elif line.startswith("    - blocked by it"):
            reading = False
        elif reading:
            found[-1].append(line)
    return [block for block in found if block]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("scenario", EACH)
def test_a_cause_takes_six_lines(scenario: Scenario, width: int) -> None:
    """Under a check's own line stand at most six for each cause that is told there."""
    for block in blocks(shown(scenario.id, width)):
        told = sum(line.count("acrcheck explain") for line in block)
        assert len(block) <= BLOCK * max(told, 1), block


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("scenario", EACH)
def test_a_new_pod_needs_its_image(scenario: Scenario, width: int) -> None:
    """Wherever new pods are advised, it is said that their image must be pullable."""
    lines = shown(scenario.id, width)
    for place, line in enumerate(lines):
        if any(words in line for words in RESTARTS):
            # What is said of a command is wrapped above it.
            assert "pullable" in " ".join(lines[place - 2 : place + 1])


@pytest.mark.parametrize("name", NOT_FOUND_EVERYWHERE)
def test_where_a_restart_does_not_help_it_is_said(name: str) -> None:
    """The documentation's own remedy is known: that it mends nothing here, and why, stands in the report."""
    text = " ".join(" ".join(shown(name)).split())
    assert "A restart does not help: a new pod is told the same." in text
    assert "rollout restart" not in text
