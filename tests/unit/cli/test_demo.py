"""`acrcheck demo`."""

import json

import pytest
from click.testing import CliRunner, Result

from acrcheck.catalogue import builtin_dir
from acrcheck.cli.main import main
from acrcheck.lab.scenario import load_scenarios

SCENARIOS = load_scenarios(builtin_dir())


def called(*args: str) -> Result:
    """Call the demo."""
    return CliRunner().invoke(main, ["demo", *args])


def test_the_story_fits_a_screen_and_ends_well() -> None:
    """The documentation's words, the cause, the remedy and the healthy run; exit code 0."""
    result = called("--ascii", "--color", "never")
    assert result.exit_code == 0
    places = [
        result.stdout.index(text)
        for text in (
            "Identity not found",
            "$ acrcheck run",
            "root cause: connection-older-than-nmi",
            "$ kubectl --context lab -n coder rollout restart deployment/coderd",
            "0 failed, 1 warning, 0 unknown",
        )
    ]
    assert places == sorted(places)
    assert len(result.stdout.splitlines()) <= 40
    assert max(map(len, result.stdout.splitlines())) <= 120


def test_the_story_in_json() -> None:
    """Both reports and what was done between them."""
    document = json.loads(called("-o", "json").stdout)
    assert document["before"]["summary"]["rootCauses"] == ["connection-older-than-nmi"]
    assert document["after"]["summary"]["status"] == "warn"
    assert len(document["commands"]) == 1


@pytest.mark.parametrize("scenario", ["healthy", "label-missing", "no-exec"])
def test_a_scenario_exits_as_a_run_does(scenario: str) -> None:
    """With the code that the scenario says."""
    expected = next(item.exit_code for item in SCENARIOS if item.id == scenario)
    assert called(scenario).exit_code == expected


def test_a_scenario_by_all_formats() -> None:
    """Text names the root cause, JSON and names too."""
    assert "root cause: pod-label-missing" in called("label-missing").stdout
    document = json.loads(called("label-missing", "-o", "json").stdout)
    assert document["summary"]["rootCauses"] == ["pod-label-missing"]
    assert document["metadata"]["scenario"] == "label-missing"
    assert "pod-label-missing" in called("label-missing", "-o", "name").stdout


def test_lists_all_scenarios() -> None:
    """One each, by all formats."""
    ids = [item.id for item in SCENARIOS]
    assert called("--list", "-o", "name").stdout.split() == ids
    assert [item["id"] for item in json.loads(called("--list", "-o", "json").stdout)["scenarios"]] == ids
    assert [line.split()[0] for line in called("--list").stdout.splitlines()[2:]] == ids


def test_a_mistyped_scenario_offers_near_ones() -> None:
    """Exit code 2, and the names that come close."""
    result = called("label-mising")
    assert result.exit_code == 2
    assert "label-missing" in result.stderr
