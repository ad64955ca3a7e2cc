"""`acrcheck compare` on reports of the demo."""

import json
from pathlib import Path

import pytest

from tests.e2e.command import call


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keep the reports of a healthy world and of one whose label is missing."""
    folder = tmp_path_factory.mktemp("reports")
    kept = {}
    for name in ("healthy", "label-missing"):
        file = folder / f"{name}.json"
        file.write_text(call("demo", name, "-o", "json").stdout, encoding="utf-8")
        kept[name] = str(file)
    return kept


def test_a_regression_is_exit_code_1(reports: dict[str, str]) -> None:
    """A label that was there and is missing breaks what relies on it, in pods with other names."""
    done = call("compare", reports["healthy"], reports["label-missing"])

    assert done.returncode == 1, done.stderr
    assert "label-template: pass → fail" in done.stdout
    assert "acrcheck explain pod-label-missing" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("a regression:")


def test_what_mended_is_exit_code_0(reports: dict[str, str]) -> None:
    """The other way round all is better; JSON says the same."""
    done = call("compare", reports["label-missing"], reports["healthy"], "-o", "json")
    document = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert document["summary"]["outcome"] == "same-or-better"
    assert {item["check"] for item in document["turned"] if item["turn"] == "mended"} >= {"label-template"}


def test_what_is_no_report_is_exit_code_2(reports: dict[str, str], tmp_path: Path) -> None:
    """The file is named, in JSON too; nothing is compared."""
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}", encoding="utf-8")
    done = call("compare", reports["healthy"], str(wrong), "-o", "json")

    assert done.returncode == 2
    assert json.loads(done.stdout)["kind"] == "Error"
    assert str(wrong) in json.loads(done.stdout)["message"]


def test_bundles_and_tapes_are_compared_by_todays_checks(reports: dict[str, str], tmp_path: Path) -> None:
    """A bundle of the healthy world against the report of the broken one: as two reports would be."""
    bundle = tmp_path / "healthy.tar.gz"
    made = call("demo", "healthy", "--bundle", str(bundle))
    done = call("compare", str(bundle), reports["label-missing"], "-o", "json")
    same = call("compare", str(bundle), reports["healthy"])

    assert made.returncode == 0, made.stderr
    assert done.returncode == 1, done.stderr
    turned = {item["check"] for item in json.loads(done.stdout)["turned"] if item["turn"] == "broke"}
    assert {"label-template", "label-pods", "token"} <= turned
    assert same.returncode == 0, same.stdout
    assert same.stdout.splitlines()[-1].startswith("no regression")


def test_standard_input_is_read_once() -> None:
    """Two reports cannot come from one stream."""
    done = call("compare", "-", "-")

    assert done.returncode == 2
    assert "standard input can be read once" in done.stderr
