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


def test_a_printing_scenario_shows_the_text_and_what_it_means() -> None:
    """First the program's words, then the causes; exit code as of a diagnosis that names one."""
    result = called("pull-qps", "--ascii", "--color", "never")
    assert result.exit_code == 0
    assert result.stdout.index("pull QPS exceeded") < result.stdout.index("95% kubelet-pull-qps")
    document = json.loads(called("pull-qps", "-o", "json").stdout)
    assert (document["kind"], document["causes"][0]["id"]) == ("Diagnosis", "kubelet-pull-qps")
    assert called("pull-qps", "-o", "name").stdout.split()[0] == "kubelet-pull-qps"


def test_a_text_without_a_failure_exits_as_a_diagnosis_does() -> None:
    """Nothing is named, and it is said so."""
    result = called("pull-succeeds")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (3, "nothing here is a failure")


@pytest.mark.parametrize("cause", ["pod-label-missing", "kubelet-pull-qps"])
def test_a_cause_means_its_first_scenario(cause: str) -> None:
    """Whichever way it is seen."""
    first = next(item.id for item in SCENARIOS if item.cause == cause)
    shown = called(cause, "-o", "name")
    assert shown.exit_code == called(first, "-o", "name").exit_code
    assert cause in shown.stdout


def test_the_list_says_what_shows_a_scenario() -> None:
    """A run or a text."""
    listed = json.loads(called("--list", "-o", "json").stdout)["scenarios"]
    assert {item["seen"] for item in listed} == {"run", "text"}


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
