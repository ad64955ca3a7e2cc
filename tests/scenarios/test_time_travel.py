"""Bundles of every format version, replayed by every later acrcheck: what was named then is named for ever.

Each was made by `acrcheck demo SCENARIO --bundle FILE` of its time; `verdicts.json` beside them holds what it said.
With `--update-golden`, those that are not in it yet are written into it.
"""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from acrcheck.bundle.load import load
from acrcheck.bundle.pack import replayed
from acrcheck.lab.clock import START
from acrcheck.model import Report, Status
from acrcheck.target import Target
from tests.scenarios.test_scenarios import CAUSES, CHECKS

FOLDER = Path(__file__).parents[1] / "fixtures" / "bundles"
BUNDLES = [
    pytest.param(path, id=f"{path.parent.name}-{path.name}") for path in sorted(FOLDER.glob("v*/*.tar.gz"))
]
NEW: dict[str, set[str]] = {}
"""Causes that a newer acrcheck names of a bundle (`v1/label-missing`), and the older one did not know."""
MOST_BYTES = 32 * 1024


def said(report: Report) -> dict[str, Any]:
    """What is pinned: the causes in their order with their remedies, and what fails."""
    return {
        "causes": {item.cause.id: [step.id for step in item.steps] for item in report.findings},
        "failed": sorted({item.check.id for item in report.results if item.status is Status.FAIL}),
    }


@pytest.mark.parametrize("path", BUNDLES)
def test_an_old_bundle_says_what_it_said(path: Path, pytestconfig: pytest.Config) -> None:
    """The same causes in the same order, with the remedies they had; only what NEW lists is named besides."""
    pinned = path.parent / "verdicts.json"
    known = json.loads(pinned.read_text()) if pinned.exists() else {}
    name = path.name.removesuffix(".tar.gz")
    report = replayed(load(str(path), io.BytesIO(), Target(), START), CHECKS, CAUSES)
    found = said(report)
    if name not in known and pytestconfig.getoption("--update-golden"):
        pinned.write_text(json.dumps({**known, name: found}, indent=2, sort_keys=False) + "\n")
        return
    assert [item.traceback for item in report.results if item.traceback] == []
    new = NEW.get(f"{path.parent.name}/{name}", set())
    assert [cause for cause in found["causes"] if cause not in new] == list(known[name]["causes"])
    assert new <= found["causes"].keys()
    for cause, steps in known[name]["causes"].items():
        assert set(steps) <= set(found["causes"][cause]), cause
    assert set(known[name]["failed"]) <= set(found["failed"])


def test_there_are_bundles_of_every_format() -> None:
    """And they are small enough to be kept."""
    assert {path.parent.name for path in FOLDER.glob("v*/*.tar.gz")} == {"v1"}
    assert [path.name for path in FOLDER.glob("v*/*.tar.gz") if path.stat().st_size > MOST_BYTES] == []
