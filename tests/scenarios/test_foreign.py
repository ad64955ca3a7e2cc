"""What other tools collected says the same as a run where it says something, and nothing where it does not know."""

import io
import itertools
from pathlib import Path

import pytest

from acrcheck.bundle.load import load
from acrcheck.bundle.pack import replayed
from acrcheck.bundle.tapefile import Recording
from acrcheck.lab.clock import START
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import World
from acrcheck.model import Report, Status
from acrcheck.target import Target
from tests.scenarios.layouts import LAYOUTS
from tests.scenarios.test_scenarios import CAUSES, CHECKS, EACH, SCENARIOS, named, ran

OPEN = {Status.UNKNOWN, Status.SKIP}
KINDS_OF_LAYOUT = itertools.cycle(LAYOUTS)
DRAWN = [pytest.param(item.values[0], next(KINDS_OF_LAYOUT), id=str(item.id)) for item in EACH]
ARCHIVES = {"packed": "support-bundle.tar.gz", "istio": "bug-report.tar.gz"}
"""What is sent of a layout that is not sent as a folder."""
SEEN_IN_OBJECTS = (
    "label-missing",
    "label-wrong-case",
    "binding-misspelt",
    "identity-object-missing",
    "nmi-absent",
    "client-id-malformed",
)
EMPTY_KIND = "identity-object-missing", "istio"
"""Where a kind has no objects, one file with the objects of many kinds says nothing of it."""
ONLY_HERE = {"api-server", "permissions"}
"""Whose verdict is of the asking itself."""


def collected(world: World, layout: str, folder: Path) -> Recording:
    """Write a world down and read it back."""
    LAYOUTS[layout](world, folder)
    source = folder / ARCHIVES.get(layout, "")
    target = Target(
        namespace=world.target.namespace,
        workload=world.target.workload,
        registry=world.target.registry,
        image=world.target.image,
        identity_client_id=world.target.identity_client_id,
        identity_resource_id=world.target.identity_resource_id,
    )
    return load(str(source), io.BytesIO(), target, START)


def verdicts(report: Report) -> dict[tuple[str, str], Status]:
    """The statuses by check and subject."""
    return {(item.check.id, item.subject.name): item.status for item in report.results}


@pytest.mark.parametrize(("scenario", "layout"), DRAWN)
def test_a_dump_never_says_otherwise_than_the_run(scenario: Scenario, layout: str, tmp_path: Path) -> None:
    """Each verdict is the run's, or open; who wrote the dump may have seen more. No check crashes."""
    live = verdicts(ran(scenario.id).report)
    report = replayed(collected(scenario.build(), layout, tmp_path), CHECKS, CAUSES)
    found = verdicts(report)
    assert [item.traceback for item in report.results if item.traceback] == []
    other = {
        key: (str(live[key]), str(status))
        for key, status in found.items()
        if key[0] not in ONLY_HERE and live.get(key, status) not in {status, *OPEN} and status not in OPEN
    }
    assert other == {}


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        (name, layout)
        for name in SEEN_IN_OBJECTS
        for layout in ("troubleshoot", "packed", "istio")
        if (name, layout) != EMPTY_KIND
    ],
)
def test_what_objects_show_is_named(name: str, layout: str, tmp_path: Path) -> None:
    """The cause stands first, as in the run."""
    scenario = next(item for item in SCENARIOS if item.id == name)
    report = replayed(collected(scenario.build(), layout, tmp_path), CHECKS, CAUSES)
    assert named(report)[:1] == [scenario.cause]
